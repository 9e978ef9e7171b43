//! Calls of functions of the host.

use cel::common::ast::IdedExpr;

use super::{Lower, Result, Typed};
use crate::host::Function;
use crate::node::{HostCall, Node};
use crate::source::Span;

impl Lower<'_> {
    /// `name(…)`: arity and types as the host declared them. An argument of unknown type passes, and
    /// the function itself looks at it.
    pub(super) fn host_call(
        &mut self,
        target: Option<&IdedExpr>,
        (name, function): (&str, &Function),
        arguments: &[IdedExpr],
        open: Span,
    ) -> Result<Typed> {
        let place = self.tree.source.before(open);
        let span = place.to(self.tree.source.bracketed(open));
        if target.is_some() {
            let message = format!("`{name}` is called as {name}(…)");
            return Err(self.error(place, message));
        }
        let (wanted, found) = (function.parameters.len(), arguments.len());
        if wanted != found {
            let plural = if wanted == 1 { "" } else { "s" };
            let message = format!("`{name}` takes {wanted} argument{plural}, not {found}");
            return Err(self.error(span, message));
        }
        let mut nodes = Vec::with_capacity(found);
        for (argument, parameter) in arguments.iter().zip(&function.parameters) {
            let typed = self.expression(argument)?;
            if !typed.ty.fits(parameter) {
                let (text, ty) = (self.quote(&typed), &typed.ty);
                let message = format!("`{name}` takes {parameter} here; {text} is of type {ty}");
                return Err(self.error(typed.span, message));
            }
            nodes.push(self.widen(typed, parameter));
        }
        let call = HostCall {
            name: name.into(),
            native: function.native.clone(),
            arguments: nodes.into(),
            at: self.at(span),
        };
        Ok(Typed {
            node: Node::Host(Box::new(call)),
            ty: function.result.clone(),
            span,
        })
    }
}
