//! [`compile`] and [`Expr`]: the way in, and the way of a record.

use std::cell::Cell;

use bumpalo::Bump;

use crate::eval::{Context, MAX_STEPS};
use crate::lower::{Lowered, Typed, lower};
use crate::node::Node;
use crate::parse::Tree;
use crate::{CompileError, EvalError, Functions, Scope, Type, Value};

/// A checked expression, ready to be evaluated on any thread.
#[derive(Clone, Debug)]
pub struct Expr {
    source: Box<str>,
    root: Node,
    result: Type,
    variables: usize,
    locals: usize,
}

impl Expr {
    /// The text it was compiled from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Type of the result, as far as it is known without a record.
    pub fn result_type(&self) -> &Type {
        &self.result
    }

    /// The function of the host whose call is the whole expression, if it is one.
    pub fn host_call(&self) -> Option<&str> {
        match &self.root {
            Node::Host(call) => Some(&call.name),
            _ => None,
        }
    }

    /// Evaluates over the variables, in the slot order of the [`Scope`] it was compiled with. The
    /// result borrows from the variables, the arena and the expression. Nothing is allocated outside
    /// the arena, except for patterns of `matches` that are computed, and for error messages.
    ///
    /// # Errors
    /// [`EvalError`] where this input has no result; it names the part of the expression. Also when
    /// there are fewer values than the scope has variables.
    pub fn eval<'r>(
        &'r self,
        variables: &[Value<'r>],
        arena: &'r Bump,
    ) -> Result<Value<'r>, EvalError> {
        if variables.len() < self.variables {
            return Err(EvalError::new(format!(
                "{} values for the {} variables of an expression",
                variables.len(),
                self.variables
            )));
        }
        eval_node(&self.root, &self.source, variables, self.locals, arena)
    }
}

/// Evaluates a tree with a full budget.
#[inline]
pub(crate) fn eval_node<'r>(
    node: &'r Node,
    source: &str,
    variables: &[Value<'r>],
    locals: usize,
    arena: &'r Bump,
) -> Result<Value<'r>, EvalError> {
    let locals: &[Cell<Value<'r>>] = match locals {
        0 => &[],
        n => arena.alloc_slice_fill_with(n, |_| Cell::new(Value::Null)),
    };
    node.eval(&Context {
        source,
        variables,
        locals,
        arena,
        steps: Cell::new(MAX_STEPS),
    })
}

/// Parses, checks and lowers an expression.
///
/// `expected` is what the result must be; [`Type::Any`] takes everything. A result whose type is known
/// must fit it. One whose type is not known is checked by [`Expr::eval`]: a value of another kind is
/// an [`EvalError`] (of lists and maps, the elements are not looked at). Null passes as the absence of
/// a value, except where a bool is expected. An int becomes a decimal where one is expected.
///
/// # Errors
/// [`CompileError`] with the position: syntax, unknown names, operand types, arity, the result's type.
pub fn compile(source: &str, scope: &Scope, expected: &Type) -> Result<Expr, CompileError> {
    compile_with(source, scope, &Functions::new(), expected)
}

/// As [`compile`], for an expression that may call functions of the host.
///
/// ```
/// use millrace_expr::{Bump, Function, Functions, Scope, Type, Value, compile_with};
///
/// fn doubled<'r>(arguments: &[Value<'r>], _: &'r Bump) -> Result<Value<'r>, String> {
///     match arguments {
///         [Value::Int(n)] => Ok(Value::Int(n.checked_mul(2).ok_or("too large")?)),
///         _ => Err("not a number".to_owned()),
///     }
/// }
///
/// let mut functions = Functions::new();
/// functions.add("doubled", Function::new([Type::Int], Type::Int, doubled))?;
/// let scope = Scope::new().with("n", Type::Int);
/// let expr = compile_with("doubled(n) + 1", &scope, &functions, &Type::Int)?;
/// assert_eq!(expr.eval(&[Value::Int(20)], &Bump::new())?, Value::Int(41));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`compile`]; also arguments that do not fit a function's parameters.
pub fn compile_with(
    source: &str,
    scope: &Scope,
    functions: &Functions,
    expected: &Type,
) -> Result<Expr, CompileError> {
    let tree = Tree::parse(source)?;
    let Lowered { typed, locals } = lower(&tree, scope, functions)?;
    let wrong = match (&typed.ty, expected) {
        (Type::Null, Type::Bool) => true,
        (found, expected) => !found.fits(expected),
    };
    if wrong {
        let message = format!("this gives {}, but {expected} is needed here", typed.ty);
        return Err(tree.source.error(tree.source.whole(), message));
    }
    let (root, result) = checked(&tree, typed, expected);
    Ok(Expr {
        source: source.into(),
        root,
        result,
        variables: scope.len(),
        locals,
    })
}

/// Adds the check of a result whose type is not known, or might be null where it must not.
fn checked(tree: &Tree<'_>, typed: Typed, expected: &Type) -> (Node, Type) {
    let Typed { node, ty, .. } = typed;
    let fits = match (&ty, expected) {
        (_, Type::Any) => true,
        // What is known of the elements stays known where any will do.
        (Type::List(_), Type::List(element)) | (Type::Map(_), Type::Map(element)) => {
            ty == *expected || **element == Type::Any
        }
        (ty, expected) => ty == expected && *ty != Type::Bool,
    };
    if fits {
        return (node, ty);
    }
    let at = tree.source.range(tree.source.whole()).into();
    let node = Node::Expect {
        operand: Box::new(node),
        expected: expected.clone(),
        at,
    };
    (node, expected.clone())
}
