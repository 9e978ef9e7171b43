//! `all`, `exists`, `exists_one`, `filter` and `map`, and `has`: calls whose arguments are not
//! evaluated as they stand.

use cel::common::ast::{Expr as Syntax, IdedExpr};

use super::{Lower, Result, Typed};
use crate::Type;
use crate::node::{Comprehension, Fold, Node};
use crate::source::Span;

/// Whether a call on a target by this name is a comprehension.
pub(super) fn is_comprehension(name: &str) -> bool {
    matches!(
        name,
        "all" | "exists" | "exists_one" | "existsOne" | "filter" | "map"
    )
}

impl Lower<'_> {
    /// `has(operand.field)`; `open` is the bracket behind `has`.
    pub(super) fn has(&mut self, arguments: &[IdedExpr], open: Span) -> Result<Typed> {
        let span = self
            .tree
            .source
            .before(open)
            .to(self.tree.source.bracketed(open));
        let [
            IdedExpr {
                expr: Syntax::Select(select),
                ..
            },
        ] = arguments
        else {
            let message = "has() takes one field, such as has(value.name)";
            return Err(self.error(span, message));
        };
        let operand = self.expression(&select.operand)?;
        self.field_type(&operand, &select.field)?;
        let at = self.at(operand.span);
        let field = select.field.as_str().into();
        let node = Node::Has {
            operand: Box::new(operand.node),
            field,
            at,
        };
        Ok(Typed {
            node,
            ty: Type::Bool,
            span,
        })
    }

    /// `target.name(variable, …)`; `open` is the bracket behind the name.
    pub(super) fn comprehension(
        &mut self,
        target: &IdedExpr,
        name: &str,
        arguments: &[IdedExpr],
        open: Span,
    ) -> Result<Typed> {
        let range = self.expression(target)?;
        let span = range.span.to(self.tree.source.bracketed(open));
        let element = match &range.ty {
            Type::Any => Type::Any,
            // Of no elements, whatever is said of them is true.
            Type::List(element) if **element == Type::Null => Type::Any,
            Type::List(element) => (**element).clone(),
            Type::Map(_) => Type::String,
            other => {
                let text = self.quote(&range);
                let message = format!("`{name}` goes through a list or a map; {text} is {other}");
                return Err(self.error(range.span, message));
            }
        };
        let usage = if name == "map" {
            "map(x, result) or map(x, condition, result)".to_owned()
        } else {
            format!("{name}(x, condition)")
        };
        let (variable, bodies) = match arguments {
            [
                IdedExpr {
                    expr: Syntax::Ident(variable),
                    ..
                },
                bodies @ ..,
            ] if bodies.len() == 1 || name == "map" && bodies.len() == 2 => (variable, bodies),
            _ => {
                let message = format!("`{name}` is used as {usage}, with a new name for x");
                return Err(self.error(self.tree.source.before(open).to(open), message));
            }
        };
        let local = self.locals.len();
        let nodes_before = self.nodes;
        self.locals.push((variable.clone(), element.clone()));
        self.most_locals = self.most_locals.max(self.locals.len());
        let bodies: Result<Vec<Typed>> = bodies.iter().map(|body| self.expression(body)).collect();
        self.locals.pop();
        let (fold, ty) = self.fold_of(name, bodies?, element)?;
        let comprehension = Comprehension {
            at: self.at(range.span),
            range: range.node,
            local,
            fold,
            cost: self.nodes - nodes_before + 1,
        };
        Ok(Typed {
            node: Node::Comprehension(Box::new(comprehension)),
            ty,
            span,
        })
    }

    /// What is done with the elements, and the type of the result. There are one or two bodies.
    fn fold_of(&self, name: &str, mut bodies: Vec<Typed>, element: Type) -> Result<(Fold, Type)> {
        let Some(last) = bodies.pop() else {
            return Err(self.error(self.tree.source.whole(), "this is no expression"));
        };
        let filter = bodies.pop();
        let conditions = if name == "map" {
            filter.as_ref()
        } else {
            Some(&last)
        };
        if let Some(condition) = conditions {
            self.want_bool(
                condition,
                &format!("the condition of `{name}` must be a bool"),
            )?;
        }
        let list = |ty| Type::List(Box::new(ty));
        Ok(match name {
            "all" => (Fold::All(last.node), Type::Bool),
            "exists" => (Fold::Exists(last.node), Type::Bool),
            "filter" => (Fold::Filter(last.node), list(element)),
            "map" => {
                let filter = filter.map(|filter| filter.node);
                (
                    Fold::Map {
                        filter,
                        transform: last.node,
                    },
                    list(last.ty),
                )
            }
            _ => (Fold::ExistsOne(last.node), Type::Bool),
        })
    }
}
