//! Steps that give several records for one, or none any more: `flatMap`, `flatMapValues`, `foreach`,
//! `print`.

use millrace_expr::Type;

use super::{At, Builder};
use crate::path::Path;
use crate::plan::flow::{Flow, FlowKind};
use crate::plan::graph::{NodeKind, PeekTo};
use crate::topology::{FlatMap, Peek, Print};

impl<'a> Builder<'a, '_> {
    /// One record per element of the list, which is its value.
    pub(super) fn flat_map_values(
        &mut self,
        at: &At<'a>,
        flow: Flow,
        elements: &str,
    ) -> Option<Flow> {
        self.flat(at, flow, (&at.path, elements), None, None)
    }

    pub(super) fn flat_map(&mut self, at: &At<'a>, flow: Flow, step: &FlatMap) -> Option<Flow> {
        let elements = (&at.path.key("elements"), step.elements.as_str());
        self.flat(
            at,
            flow,
            elements,
            step.key.as_deref(),
            step.value.as_deref(),
        )
    }

    fn flat(
        &mut self,
        at: &At<'_>,
        mut flow: Flow,
        (path, elements): (&Path, &str),
        key: Option<&str>,
        value: Option<&str>,
    ) -> Option<Flow> {
        let scope = flow.record_scope();
        let elements = self.expression(path, elements, &scope, &Type::any_list())?;
        let element = match elements.result_type() {
            Type::List(element) => (**element).clone(),
            _ => Type::Any,
        };
        let scope = flow.element_scope(element.clone());
        let ask = |builder: &mut Self, part: &str, source: Option<&str>| match source {
            None => Some(None),
            Some(source) => builder
                .expression(&at.path.key(part), source, &scope, &Type::Any)
                .map(Some),
        };
        let key = ask(self, "key", key);
        let value = ask(self, "value", value);
        let (key, value) = (key?, value?);
        if let Some(key) = &key {
            flow.key = flow.key.computed_key(Some(key));
            flow.rekeyed = Some(at.path.clone());
            flow.windowed = None;
        }
        flow.value = match &value {
            Some(value) => flow.value.computed(Some(value)),
            None => flow.value.retyped(element),
        };
        let kind = NodeKind::FlatMap {
            elements,
            key,
            value,
        };
        flow.node = self.node(&at.node_name(), &at.path, Some(flow.node), kind);
        Some(flow)
    }

    pub(super) fn peek(&mut self, at: &At<'_>, flow: Flow, step: &Peek, to: PeekTo) -> Flow {
        self.shown(at, flow, step.message.as_deref(), to)
    }

    /// Logs at info level; nothing comes after.
    pub(super) fn foreach(&mut self, at: &At<'_>, flow: Flow, step: &Peek) -> Flow {
        let flow = self.peek(at, flow, step, PeekTo::Info);
        Flow {
            kind: FlowKind::Ended,
            ..flow
        }
    }

    /// Prints; nothing comes after.
    pub(super) fn print(&mut self, at: &At<'_>, flow: Flow, step: &Print) -> Flow {
        let to = PeekTo::Stdout(step.label.clone());
        let flow = self.shown(at, flow, step.message.as_deref(), to);
        Flow {
            kind: FlowKind::Ended,
            ..flow
        }
    }

    fn shown(&mut self, at: &At<'_>, flow: Flow, message: Option<&str>, to: PeekTo) -> Flow {
        let scope = flow.record_scope();
        let path = at.path.key("message");
        let message = message.and_then(|source| self.expression(&path, source, &scope, &Type::Any));
        let kind = NodeKind::Peek { message, to };
        let node = self.node(&at.node_name(), &at.path, Some(flow.node), kind);
        Flow { node, ..flow }
    }
}
