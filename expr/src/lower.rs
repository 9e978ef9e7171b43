//! The type checker: from the syntax tree to typed nodes, or to the first error with its place.
//!
//! What is known statically is checked here. What is not, fields of JSON above all, has type
//! [`Type::Any`] and is checked when it is evaluated. Types of children decide types of parents;
//! nothing is inferred backwards.

use cel::common::ast::{EntryExpr, Expr as Syntax, IdedEntryExpr, IdedExpr, LiteralValue};

use crate::decimal::{neg, parse_decimal};
use crate::node::{At, Constant, Node};
use crate::parse::Tree;
use crate::source::{Span, shortened};
use crate::{Bump, CompileError, Functions, Scope, Type, expr};

mod call;
mod comprehension;
mod host_call;
mod operator;
mod signature;

/// A lowered sub-expression.
pub(crate) struct Typed {
    pub(crate) node: Node,
    pub(crate) ty: Type,
    pub(crate) span: Span,
}

/// What lowering knows on its way down.
pub(crate) struct Lower<'t> {
    tree: &'t Tree<'t>,
    scope: &'t Scope,
    /// What the host can do.
    functions: &'t Functions,
    /// Variables of the comprehensions around, innermost last.
    locals: Vec<(String, Type)>,
    /// Most locals at any place.
    most_locals: usize,
    /// Nodes so far, to price comprehensions.
    nodes: usize,
}

/// A lowered expression and the number of locals it needs.
pub(crate) struct Lowered {
    pub(crate) typed: Typed,
    pub(crate) locals: usize,
}

/// Checks and lowers a tree.
pub(crate) fn lower(
    tree: &Tree<'_>,
    scope: &Scope,
    functions: &Functions,
) -> Result<Lowered, CompileError> {
    let mut lower = Lower {
        tree,
        scope,
        functions,
        locals: Vec::new(),
        most_locals: 0,
        nodes: 0,
    };
    let typed = lower.expression(&tree.root)?;
    Ok(Lowered {
        typed,
        locals: lower.most_locals,
    })
}

type Result<T, E = CompileError> = std::result::Result<T, E>;

impl<'t> Lower<'t> {
    fn expression(&mut self, syntax: &IdedExpr) -> Result<Typed> {
        self.nodes += 1;
        let token = self.tree.token(syntax.id);
        let typed = match &syntax.expr {
            Syntax::Literal(literal) => self.literal(literal, token)?,
            Syntax::Ident(name) => self.name(name, token)?,
            Syntax::Select(select) => {
                let operand = self.expression(&select.operand)?;
                let span = operand.span.to(self.tree.source.behind(token));
                self.field(operand, &select.field, span)?
            }
            Syntax::Call(call) => match &call.target {
                None if is_operator(&call.func_name) => {
                    self.operator(&call.func_name, &call.args, token)?
                }
                target => self.call(target.as_deref(), &call.func_name, &call.args, token)?,
            },
            Syntax::List(list) => self.list(&list.elements, token)?,
            Syntax::Map(map) => self.map(&map.entries, token)?,
            Syntax::Struct(message) => {
                let name = &message.type_name;
                let help = "maps are written without a name: {\"field\": value}";
                let message = format!("there are no message types such as `{name}`");
                return Err(self.tree.source.error_with_help(token, message, help));
            }
            Syntax::Comprehension(_) | Syntax::Unspecified => {
                return Err(self.error(token, "this is no expression"));
            }
        };
        Ok(Typed {
            node: self.fold(typed.node),
            ..typed
        })
    }

    /// Evaluates a node of constants. One that fails stays as it is and fails when it is evaluated,
    /// because `false && 1 / 0 == 1` is legal.
    fn fold(&self, node: Node) -> Node {
        if !node.is_foldable() {
            return node;
        }
        let arena = Bump::new();
        let value = expr::eval_node(&node, self.text(), &[], 0, &arena);
        match value.ok().as_ref().and_then(Constant::of) {
            Some(constant) => Node::Constant(constant),
            None => node,
        }
    }

    fn literal(&self, literal: &LiteralValue, token: Span) -> Result<Typed> {
        let (constant, ty) = match literal {
            LiteralValue::Null => (Constant::Null, Type::Null),
            LiteralValue::Boolean(value) => (Constant::Bool(*value.inner()), Type::Bool),
            LiteralValue::Int(value) => (Constant::Int(*value.inner()), Type::Int),
            LiteralValue::Double(value) => (
                Constant::Decimal(self.decimal(*value.inner(), token)?),
                Type::Decimal,
            ),
            LiteralValue::String(value) => (Constant::String(value.inner().into()), Type::String),
            LiteralValue::Bytes(value) => (Constant::Bytes(value.inner().into()), Type::Bytes),
            LiteralValue::UInt(value) => {
                let help = format!("write {}", value.inner());
                let message = "there are no unsigned ints";
                return Err(self.tree.source.error_with_help(token, message, help));
            }
        };
        let negative = match &constant {
            Constant::Int(value) => *value < 0,
            Constant::Decimal(value) => value.is_sign_negative(),
            _ => false,
        };
        // The sign is a token of its own.
        let span = if negative {
            self.tree.source.before(token).to(token)
        } else {
            token
        };
        Ok(Typed {
            node: Node::Constant(constant),
            ty,
            span,
        })
    }

    /// A literal with a point or an exponent: the parser's double gives the sign, its text the digits.
    fn decimal(&self, parsed: f64, token: Span) -> Result<crate::Decimal> {
        let text = self.tree.source.text(token);
        // CEL allows `.5`, JSON's grammar does not.
        let padded = if text.starts_with('.') {
            format!("0{text}")
        } else {
            text.to_owned()
        };
        match parse_decimal(&padded) {
            Some(value) if parsed.is_sign_negative() => Ok(neg(value)),
            Some(value) => Ok(value),
            None => {
                let message = format!("`{text}` needs more than 28 digits");
                Err(self.error(token, message))
            }
        }
    }

    fn name(&self, name: &str, token: Span) -> Result<Typed> {
        if let Some(local) = self.locals.iter().rposition(|(n, _)| n == name) {
            let ty = self.locals[local].1.clone();
            return Ok(Typed {
                node: Node::Local(local),
                ty,
                span: token,
            });
        }
        if let Some((slot, ty)) = self.scope.find(name) {
            return Ok(Typed {
                node: Node::Variable(slot),
                ty: ty.clone(),
                span: token,
            });
        }
        let message = format!("unknown variable `{name}`");
        let known: Vec<&str> = self.names().collect();
        let help = if signature::exists(name) || self.functions.get(name).is_some() {
            format!("`{name}` is a function: call it, such as {name}(…)")
        } else if let Some(nearest) = crate::nearest(name, known.iter().copied()) {
            format!("did you mean `{nearest}`?")
        } else if known.is_empty() {
            "no variables exist here; text stands in quotes".to_owned()
        } else {
            format!(
                "variables here: {}; text stands in quotes",
                known.join(", ")
            )
        };
        Err(self.tree.source.error_with_help(token, message, help))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.locals
            .iter()
            .map(|(name, _)| name.as_str())
            .chain(self.scope.names())
    }

    fn field(&self, operand: Typed, field: &str, span: Span) -> Result<Typed> {
        let ty = self.field_type(&operand, field)?;
        let at = self.at(operand.span);
        let node = match operand.node {
            Node::Variable(slot) => Node::VariableField {
                slot,
                field: field.into(),
                at,
            },
            other => Node::Field {
                operand: Box::new(other),
                field: field.into(),
                at,
            },
        };
        Ok(Typed { node, ty, span })
    }

    /// Type of a field, where the operand may have fields.
    fn field_type(&self, operand: &Typed, field: &str) -> Result<Type> {
        match &operand.ty {
            Type::Any => Ok(Type::Any),
            Type::Map(value) => Ok((**value).clone()),
            other => {
                let text = self.quote(operand);
                let message = format!("no field `{field}`: {text} is of type {other}, not a map");
                Err(self.error(operand.span, message))
            }
        }
    }

    fn list(&mut self, elements: &[IdedExpr], token: Span) -> Result<Typed> {
        let mut nodes = Vec::with_capacity(elements.len());
        let mut common = None;
        for element in elements {
            let typed = self.expression(element)?;
            common = Some(common.map_or(typed.ty.clone(), |ty| either(ty, &typed.ty)));
            nodes.push(typed);
        }
        // Of no elements, so that it has the type of whatever list it is an alternative to.
        let ty = common.unwrap_or(Type::Null);
        let nodes = nodes
            .into_iter()
            .map(|typed| self.widen(typed, &ty))
            .collect();
        let span = self.tree.source.bracketed(token);
        Ok(Typed {
            node: Node::List(nodes),
            ty: Type::List(Box::new(ty)),
            span,
        })
    }

    fn map(&mut self, entries: &[IdedEntryExpr], token: Span) -> Result<Typed> {
        let span = self.tree.source.bracketed(token);
        let mut typed: Vec<(Typed, Typed)> = Vec::with_capacity(entries.len());
        for entry in entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else {
                return Err(self.error(token, "this is no map"));
            };
            let name = self.entry_name(&entry.key)?;
            if let Node::Constant(Constant::String(new)) = &name.node {
                let same = |(earlier, _): &(Typed, Typed)| matches!(&earlier.node, Node::Constant(Constant::String(old)) if old == new);
                if typed.iter().any(same) {
                    return Err(self.error(name.span, format!("name `{new}` occurs twice")));
                }
            }
            typed.push((name, self.expression(&entry.value)?));
        }
        // Numbers stay as they are written: fields of one map need not have one type.
        let ty = typed
            .iter()
            .map(|(_, value)| value.ty.clone())
            .reduce(|a, b| exactly(a, &b));
        let ty = Type::Map(Box::new(ty.unwrap_or(Type::Any)));
        let constant =
            |(name, _): &(Typed, Typed)| matches!(name.node, Node::Constant(Constant::String(_)));
        let node = if typed.iter().all(constant) {
            let entries = typed
                .into_iter()
                .filter_map(|(name, value)| match name.node {
                    Node::Constant(Constant::String(name)) => Some((name, value.node)),
                    _ => None,
                });
            Node::Map(entries.collect())
        } else {
            let entries = typed
                .into_iter()
                .map(|(name, value)| (name.node, value.node));
            Node::ComputedMap {
                entries: entries.collect(),
                at: self.at(span),
            }
        };
        Ok(Typed { node, ty, span })
    }

    fn entry_name(&mut self, key: &IdedExpr) -> Result<Typed> {
        let token = self.tree.token(key.id);
        if let Syntax::Ident(name) = &key.expr
            && !self.names().any(|known| known == name)
        {
            let help = format!("write \"{name}\"");
            let message = "names in a map stand in quotes";
            return Err(self.tree.source.error_with_help(token, message, help));
        }
        let typed = self.expression(key)?;
        match typed.ty {
            Type::String | Type::Any => Ok(typed),
            ref other => {
                let message = format!("names in a map are strings, not of type {other}");
                Err(self.error(typed.span, message))
            }
        }
    }

    /// Makes an int a decimal where the common type is decimal.
    fn widen(&self, typed: Typed, target: &Type) -> Node {
        match (&typed.ty, target) {
            (Type::Int, Type::Decimal) => self.fold(Node::Widen(Box::new(typed.node))),
            _ => typed.node,
        }
    }

    fn text(&self) -> &'t str {
        self.tree.source.all()
    }

    fn at(&self, span: Span) -> At {
        self.tree
            .source
            .range(self.tree.source.balanced(span))
            .into()
    }

    fn error(&self, span: Span, message: impl Into<String>) -> CompileError {
        self.tree
            .source
            .error(self.tree.source.balanced(span), message)
    }

    /// The text of a sub-expression in quotes, shortened where it is long.
    fn quote(&self, typed: &Typed) -> String {
        let text = self.tree.source.text(self.tree.source.balanced(typed.span));
        format!("`{}`", shortened(text, 60))
    }
}

/// The type of "one of these": their common type, decimal for int and decimal, else any.
fn either(a: Type, b: &Type) -> Type {
    match (a, b) {
        (a, b) if a == *b => a,
        (a, Type::Null) => a,
        (Type::Null, b) => b.clone(),
        (Type::Int, Type::Decimal) | (Type::Decimal, Type::Int) => Type::Decimal,
        (Type::List(a), Type::List(b)) => Type::List(Box::new(exactly(*a, b))),
        (Type::Map(a), Type::Map(b)) => Type::Map(Box::new(exactly(*a, b))),
        _ => Type::Any,
    }
}

/// As [`either`], inside a list or map, where nothing can be widened.
fn exactly(a: Type, b: &Type) -> Type {
    match (&a, b) {
        (Type::Int, Type::Decimal) | (Type::Decimal, Type::Int) => Type::Any,
        _ => either(a, b),
    }
}

/// Whether the language itself has a function of this name.
pub(crate) fn is_built_in(name: &str) -> bool {
    signature::exists(name)
}

/// Operators have names such as `_+_`, `!_` or `@in`, which nobody can write as a call.
fn is_operator(name: &str) -> bool {
    !name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
}

/// Whether the type is known and not `Any` or `Null`.
fn known(ty: &Type) -> bool {
    !matches!(ty, Type::Any | Type::Null)
}
