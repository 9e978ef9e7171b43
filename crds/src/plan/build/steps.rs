//! The steps of a declaration, and those that keep no state.

use millrace_expr::Type;

use super::{At, Builder};
use crate::limits;
use crate::path::Path;
use crate::plan::check::check_count;
use crate::plan::flow::{Flow, FlowKind};
use crate::plan::graph::{JoinKind, NodeKind, PeekTo};
use crate::topology::{Map, Split, Step};

impl<'a> Builder<'a, '_> {
    /// Runs a flow through the steps of a declaration; `None` from the first step on that does not
    /// fit, because what follows cannot be judged then.
    pub(super) fn steps(
        &mut self,
        owner: &'a str,
        path: &Path,
        mut flow: Flow,
        steps: &'a [Step],
    ) -> Option<Flow> {
        let path = path.key("steps");
        check_count(
            &path,
            "steps",
            steps.len(),
            (0, limits::STEPS),
            self.problems,
        );
        for (index, step) in steps.iter().enumerate().take(limits::STEPS) {
            let at = At {
                owner,
                tag: step.tag(),
                path: path.index(index).key(step.tag()),
            };
            self.check_order(&at, &flow.kind, step)?;
            flow = self.step(&at, flow, step)?;
        }
        Some(flow)
    }

    fn step(&mut self, at: &At<'a>, flow: Flow, step: &'a Step) -> Option<Flow> {
        match step {
            Step::Filter(predicate) => Some(self.filter(at, flow, predicate, false)),
            Step::FilterNot(predicate) => Some(self.filter(at, flow, predicate, true)),
            Step::Map(Map {
                key: None,
                value: None,
            }) => self.refuse(
                &at.path,
                "`map` with neither `key` nor `value`",
                "name what is new",
            ),
            Step::Map(map) => {
                Some(self.map(at, flow, map.key.as_deref(), map.value.as_deref(), true))
            }
            Step::MapValues(value) => Some(self.map(at, flow, None, Some(value), false)),
            Step::SelectKey(key) => Some(self.map(at, flow, Some(key), None, false)),
            Step::FlatMapValues(elements) => self.flat_map_values(at, flow, elements),
            Step::FlatMap(step) => self.flat_map(at, flow, step),
            Step::Peek(peek) => Some(self.peek(at, flow, peek, PeekTo::Debug)),
            Step::Foreach(peek) => Some(self.foreach(at, flow, peek)),
            Step::Print(print) => Some(self.print(at, flow, print)),
            Step::Repartition(step) => self.repartition_step(at, flow, step),
            Step::GroupByKey(group) => self.group_by_key(at, flow, group),
            Step::GroupBy(group) => self.group_by(at, flow, group),
            Step::WindowedBy(step) => self.windowed_by(at, flow, step),
            Step::Aggregate(step) => self.aggregate(at, flow, step),
            Step::Count(step) => self.count(at, flow, step),
            Step::Reduce(step) => self.reduce(at, flow, step),
            Step::Cogroup(step) => self.cogroup(at, flow, step),
            Step::Join(join) => self.join(at, flow, join, JoinKind::Inner),
            Step::LeftJoin(join) => self.join(at, flow, join, JoinKind::Left),
            Step::OuterJoin(join) => self.join(at, flow, join, JoinKind::Outer),
            Step::Process(step) => self.process(at, flow, step, false),
            Step::ProcessValues(step) => self.process(at, flow, step, true),
            Step::Split(split) => Some(self.split(at, flow, split)),
            Step::ToTable(step) => self.table_of_stream(at, flow, step),
            Step::ToStream(_) => Some(self.stream_of_table(at, flow)),
            Step::Suppress(step) => self.suppress(at, flow, step),
            Step::To(to) => {
                self.sink(at, &flow, to);
                Some(flow)
            }
        }
    }

    fn stream_of_table(&mut self, at: &At<'_>, flow: Flow) -> Flow {
        let name = at.node_name();
        let node = self.node(&name, &at.path, Some(flow.node), NodeKind::ToStream);
        Flow {
            node,
            kind: FlowKind::Stream,
            versioned: false,
            ..flow
        }
    }

    fn filter(&mut self, at: &At<'_>, flow: Flow, predicate: &str, negate: bool) -> Flow {
        let scope = flow.record_scope();
        let Some(predicate) = self.expression(&at.path, predicate, &scope, &Type::Bool) else {
            return flow;
        };
        let table = matches!(flow.kind, FlowKind::Table { .. });
        let kind = NodeKind::Filter {
            predicate,
            negate,
            table,
        };
        let node = self.node(&at.node_name(), &at.path, Some(flow.node), kind);
        let kind = if table {
            FlowKind::Table { store: None }
        } else {
            FlowKind::Stream
        };
        Flow { node, kind, ..flow }
    }

    /// A new key, a new value, or both. `fields` tells whether they are fields of the step or the step
    /// itself. Where an expression is refused its result counts as unknown.
    pub(super) fn map(
        &mut self,
        at: &At<'_>,
        mut flow: Flow,
        key: Option<&str>,
        value: Option<&str>,
        fields: bool,
    ) -> Flow {
        let scope = flow.record_scope();
        let place = |part| {
            if fields {
                at.path.key(part)
            } else {
                at.path.clone()
            }
        };
        let ask = |builder: &mut Self, part, source: &str| {
            builder.expression(&place(part), source, &scope, &Type::Any)
        };
        let key = key.map(|source| ask(self, "key", source));
        let value = value.map(|source| ask(self, "value", source));
        if let Some(key) = &key {
            flow.key = flow.key.computed_key(key.as_ref());
            flow.rekeyed = Some(at.path.clone());
            flow.windowed = None;
        }
        if let Some(value) = &value {
            flow.value = flow.value.computed(value.as_ref());
        }
        let table = matches!(flow.kind, FlowKind::Table { .. });
        let kind = NodeKind::Map {
            key: key.flatten(),
            value: value.flatten(),
            table,
        };
        flow.node = self.node(&at.node_name(), &at.path, Some(flow.node), kind);
        if table {
            flow.kind = FlowKind::Table { store: None };
        }
        flow
    }

    /// Each branch gets a node of its own, so that any number of streams can take it.
    fn split(&mut self, at: &At<'a>, flow: Flow, split: &'a Split) -> Flow {
        let path = at.path.key("branches");
        check_count(
            &path,
            "branches",
            split.branches.len(),
            (1, limits::BRANCHES),
            self.problems,
        );
        let scope = flow.record_scope();
        let mut predicates = Vec::new();
        for (index, branch) in split.branches.iter().enumerate() {
            let path = path.index(index).key("when");
            predicates.extend(self.expression(&path, &branch.when, &scope, &Type::Bool));
        }
        let kind = NodeKind::Split { predicates };
        let node = self.node(&at.node_name(), &at.path, Some(flow.node), kind);
        let places = (0..).map(|index| path.index(index));
        let branches = split.branches.iter().map(|branch| &branch.name).zip(places);
        let default = split
            .default
            .iter()
            .map(|name| (name, at.path.key("default")));
        for (name, path) in branches.chain(default) {
            let node = self.node(name, &path, Some(node), NodeKind::Merge);
            self.flows.insert(
                name,
                Flow {
                    node,
                    ..flow.clone()
                },
            );
        }
        Flow {
            node,
            kind: FlowKind::Split,
            ..flow
        }
    }
}
