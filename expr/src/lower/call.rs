//! Calls of functions: the signature is found by name, then style, arity and types are checked.

use cel::common::ast::IdedExpr;

use super::{Lower, Result, Typed, comprehension, either, known, signature};
use crate::Type;
use crate::eval::pattern;
use crate::node::{Constant, Function, Node};
use crate::source::Span;

use signature::{Gives, Signature, Style};

impl Lower<'_> {
    /// `name(…)` or `target.name(…)`; `open` is the bracket behind the name.
    pub(super) fn call(
        &mut self,
        target: Option<&IdedExpr>,
        name: &str,
        arguments: &[IdedExpr],
        open: Span,
    ) -> Result<Typed> {
        match (target, name) {
            (None, "has") => return self.has(arguments, open),
            (None, "dyn") => return self.forget_type(arguments, open),
            (Some(target), name) if comprehension::is_comprehension(name) => {
                return self.comprehension(target, name, arguments, open);
            }
            _ => {}
        }
        let place = self.tree.source.before(open);
        let functions = self.functions;
        if let Some(function) = functions.get(name) {
            return self.host_call(target, (name, function), arguments, open);
        }
        let Some(signature) = signature::find(name) else {
            return Err(self.unknown(target.is_some(), name, place));
        };
        let wrong_style = match signature.style {
            Style::Either => false,
            Style::Global => target.is_some(),
            Style::Member => target.is_none(),
        };
        if wrong_style {
            let message = format!("`{name}` is called as {}", signature.usage);
            return Err(self.error(place, message));
        }
        let mut typed = Vec::with_capacity(arguments.len() + 1);
        for argument in target.into_iter().chain(arguments) {
            typed.push(self.expression(argument)?);
        }
        let start = if target.is_some() {
            typed[0].span
        } else {
            place
        };
        let span = start.to(self.tree.source.bracketed(open));
        self.check(signature, &typed, target.is_some(), place, span)?;
        self.build(signature, typed, span)
    }

    fn unknown(&self, member: bool, name: &str, place: Span) -> crate::CompileError {
        let source = &self.tree.source;
        if self.scope.find(name).is_some() {
            return source.error(place, format!("`{name}` is a variable, not a function"));
        }
        let message = format!("unknown function `{name}`");
        let known = signature::names().map(|own| -> &str { own });
        let known = known.chain(self.functions.names());
        match crate::nearest(name, known) {
            Some(nearest) => {
                source.error_with_help(place, message, format!("did you mean `{nearest}`?"))
            }
            None if member => {
                let help = "a field is read without brackets: value.field";
                source.error_with_help(place, message, help)
            }
            None => source.error(place, message),
        }
    }

    /// Arity and argument types.
    fn check(
        &self,
        signature: &Signature,
        typed: &[Typed],
        member: bool,
        place: Span,
        span: Span,
    ) -> Result<()> {
        let (name, usage) = (signature.name, signature.usage);
        let receiver = usize::from(member);
        let most = if signature.repeats {
            usize::MAX
        } else {
            signature.takes.len()
        };
        if typed.len() < signature.least || typed.len() > most {
            // The receiver is not what anyone would count.
            let counted = |n: usize| n.saturating_sub(receiver);
            let found = counted(typed.len());
            let wanted = match (counted(signature.least), counted(most)) {
                (least, _) if signature.repeats => format!("at least {least}"),
                (least, most) if least == most => least.to_string(),
                (least, most) => format!("{least} to {most}"),
            };
            let plural = if wanted == "1" || wanted == "at least 1" {
                ""
            } else {
                "s"
            };
            let message = format!("`{name}` takes {wanted} argument{plural}, not {found}");
            let help = format!("it is called as {usage}");
            let at = self.tree.source.balanced(span);
            return Err(self.tree.source.error_with_help(at, message, help));
        }
        for (i, argument) in typed.iter().enumerate() {
            let Some(kinds) = signature.takes.get(i).or(signature.takes.last()) else {
                continue;
            };
            if kinds.take(&argument.ty) {
                continue;
            }
            let (text, ty, names) = (self.quote(argument), &argument.ty, kinds.names());
            let message = match (member, i) {
                (true, 0) => format!("`{name}` is called on {names}; {text} is of type {ty}"),
                _ => format!("`{name}` takes {names} here; {text} is of type {ty}"),
            };
            let at = if argument.span == span {
                place
            } else {
                argument.span
            };
            return Err(self.error(at, message));
        }
        Ok(())
    }

    fn build(&self, signature: &Signature, mut typed: Vec<Typed>, span: Span) -> Result<Typed> {
        let ty = match signature.gives {
            Gives::Bool => Type::Bool,
            Gives::Int => Type::Int,
            Gives::Decimal => Type::Decimal,
            Gives::Double => Type::Double,
            Gives::String => Type::String,
            Gives::Bytes => Type::Bytes,
            Gives::Strings => Type::List(Box::new(Type::String)),
            Gives::Same => typed[0].ty.clone(),
            Gives::Common => self.common_number(signature.name, &typed, span)?,
        };
        let at = self.at(span);
        if signature.function == Function::Matches
            && let Node::Constant(Constant::String(text)) = &typed[1].node
        {
            let regex = pattern(text)
                .map_err(|error| self.error(typed[1].span, format!("invalid pattern: {error}")))?;
            let operand = Box::new(typed.swap_remove(0).node);
            return Ok(Typed {
                node: Node::Pattern {
                    operand,
                    regex: Box::new(regex),
                    at,
                },
                ty,
                span,
            });
        }
        let widen = signature.gives == Gives::Common;
        let arguments = typed
            .into_iter()
            .map(|argument| {
                if widen {
                    self.widen(argument, &ty)
                } else {
                    argument.node
                }
            })
            .collect();
        let node = Node::Call {
            function: signature.function,
            arguments,
            at,
        };
        Ok(Typed { node, ty, span })
    }

    /// Type of the least or greatest of some numbers: doubles keep to themselves.
    fn common_number(&self, name: &str, typed: &[Typed], span: Span) -> Result<Type> {
        let ty = typed
            .iter()
            .map(|t| t.ty.clone())
            .reduce(|a, b| either(a, &b));
        let ty = ty.unwrap_or(Type::Any);
        if ty == Type::Any && typed.iter().all(|argument| known(&argument.ty)) {
            let message = format!("`{name}` cannot choose between doubles and exact numbers");
            let help = "convert one side with decimal(…) or double(…)";
            let span = self.tree.source.balanced(span);
            return Err(self.tree.source.error_with_help(span, message, help));
        }
        Ok(ty)
    }

    /// `dyn(x)`: x, with a type that is only known when it is evaluated.
    fn forget_type(&mut self, arguments: &[IdedExpr], open: Span) -> Result<Typed> {
        let span = self
            .tree
            .source
            .before(open)
            .to(self.tree.source.bracketed(open));
        match arguments {
            [argument] => {
                let typed = self.expression(argument)?;
                Ok(Typed {
                    ty: Type::Any,
                    span,
                    ..typed
                })
            }
            _ => Err(self.error(span, "`dyn` takes 1 argument")),
        }
    }
}
