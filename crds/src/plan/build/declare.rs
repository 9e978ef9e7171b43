//! Declared streams and tables: sources, and what is derived.

use super::{At, Builder, Declared};
use crate::limits;
use crate::path::Path;
use crate::plan::check::check_count;
use crate::plan::flow::{Flow, FlowKind};
use crate::plan::graph::{NodeKind, StoreId};
use crate::problem::Problem;
use crate::topology::{Step, Stream, Table, To};

impl<'a> Builder<'a, '_> {
    pub(super) fn stream(
        &mut self,
        name: &'a str,
        path: &Path,
        stream: &'a Stream,
    ) -> Option<Flow> {
        let origins = [
            ("topic", stream.topic.is_some()),
            ("topics", stream.topics.is_some()),
            ("topicPattern", stream.topic_pattern.is_some()),
            ("from", stream.from.is_some()),
            ("merge", stream.merge.is_some()),
        ];
        let origin = self.origin(path, &origins)?;
        if matches!(origin, "from" | "merge") {
            let foreign = [
                ("key", stream.key.is_some()),
                ("value", stream.value.is_some()),
                ("offsetReset", stream.offset_reset.is_some()),
                ("timestamp", stream.timestamp.is_some()),
                ("invalidTimestamp", stream.invalid_timestamp.is_some()),
                (
                    "deserializationErrors",
                    stream.deserialization_errors.is_some(),
                ),
                ("processingErrors", stream.processing_errors.is_some()),
                ("productionErrors", stream.production_errors.is_some()),
            ];
            self.no_source_fields(path, &foreign);
        } else {
            self.no_derived_fields(path, &stream.steps, stream.to.is_some());
        }
        match origin {
            "from" => {
                let from = stream.from.as_deref()?;
                let flow = self.input(&path.key("from"), from)?;
                let flow = self.steps(name, path, flow, &stream.steps)?;
                self.finish_stream(name, path, flow, stream.to.as_ref())
            }
            "merge" => {
                let flow = self.merge(name, &path.key("merge"), stream.merge.as_deref()?)?;
                let flow = self.steps(name, path, flow, &stream.steps)?;
                self.finish_stream(name, path, flow, stream.to.as_ref())
            }
            _ => self.stream_source(name, path, stream),
        }
    }

    pub(super) fn table(&mut self, name: &'a str, path: &Path, table: &'a Table) -> Option<Flow> {
        let origins = [
            ("topic", table.topic.is_some()),
            ("from", table.from.is_some()),
        ];
        if self.origin(path, &origins)? == "topic" {
            self.no_derived_fields(path, &table.steps, table.to.is_some());
            return self.table_source(name, path, table);
        }
        let foreign = [
            ("key", table.key.is_some()),
            ("value", table.value.is_some()),
            ("offsetReset", table.offset_reset.is_some()),
            ("timestamp", table.timestamp.is_some()),
            ("invalidTimestamp", table.invalid_timestamp.is_some()),
            (
                "deserializationErrors",
                table.deserialization_errors.is_some(),
            ),
            ("processingErrors", table.processing_errors.is_some()),
            ("productionErrors", table.production_errors.is_some()),
        ];
        self.no_source_fields(path, &foreign);
        let flow = self.input(&path.key("from"), table.from.as_deref()?)?;
        let flow = self.steps(name, path, flow, &table.steps)?;
        self.finish_table(name, path, flow, table)
    }

    /// Which one of the fields that say where records come from is set.
    fn origin(&mut self, path: &Path, fields: &[(&'static str, bool)]) -> Option<&'static str> {
        let names: Vec<String> = fields.iter().map(|(name, _)| format!("`{name}`")).collect();
        let set: Vec<&str> = fields
            .iter()
            .filter(|(_, set)| *set)
            .map(|(name, _)| *name)
            .collect();
        match set[..] {
            [one] => fields
                .iter()
                .map(|(name, _)| *name)
                .find(|name| *name == one),
            [] => {
                let message = format!("nothing says where records come from: {}", names.join(", "));
                self.refuse(path, message, "set exactly one of these fields")
            }
            [first, second, ..] => {
                let message = format!("both `{first}` and `{second}` say where records come from");
                self.refuse(
                    path,
                    message,
                    "set exactly one of them; read a topic under a name of \
                                            its own, and take it with `from`",
                )
            }
        }
    }

    /// Which one of several fields is set; none or several is a problem.
    pub(super) fn one_of(
        &mut self,
        path: &Path,
        what: &str,
        fields: &[(&'static str, bool)],
    ) -> Option<&'static str> {
        let names: Vec<String> = fields.iter().map(|(name, _)| format!("`{name}`")).collect();
        let mut set = fields.iter().filter(|(_, set)| *set).map(|(name, _)| *name);
        match (set.next(), set.next()) {
            (Some(one), None) => Some(one),
            (Some(first), Some(second)) => {
                let message = format!("both `{first}` and `{second}` say {what}");
                self.refuse(path, message, "set exactly one of them")
            }
            (None, _) => {
                let message = format!("nothing says {what}: {}", names.join(", "));
                self.refuse(path, message, "set exactly one of these fields")
            }
        }
    }

    fn no_source_fields(&mut self, path: &Path, fields: &[(&str, bool)]) {
        for (name, _) in fields.iter().filter(|(_, set)| *set) {
            let message = format!("`{name}` is a field of sources, which read a `topic`");
            let help = "leave it out here; formats of results are fields of `to` and of the `serdes` \
                        of steps";
            self.problems
                .add(Problem::new(&path.key(name), message).help(help));
        }
    }

    fn no_derived_fields(&mut self, path: &Path, steps: &[Step], to: bool) {
        for (name, _) in [("steps", !steps.is_empty()), ("to", to)]
            .iter()
            .filter(|(_, set)| *set)
        {
            let message = format!("a source only reads its topic: it has no `{name}`");
            let help = format!("declare another stream or table with `from` and this `{name}`");
            self.problems
                .add(Problem::new(&path.key(name), message).help(help));
        }
    }

    /// The flow of a declared name. `None` without a problem where it does not exist or could not be
    /// built: that was reported.
    pub(super) fn input(&mut self, path: &Path, name: &str) -> Option<Flow> {
        if let Some(Declared::GlobalTable(_)) = self.names.get(name).map(|(d, _)| d) {
            let message = format!("`{name}` is a global table: streams look single keys up in it");
            let help = "name it in a join, under `globalTable`; or declare it under `tables`";
            return self.refuse(path, message, help);
        }
        let flow = self.flows.get(name)?;
        match flow.kind {
            FlowKind::Split => {}
            FlowKind::Ended => {
                let message = format!("`{name}` ends in `foreach` or `print`: nothing comes out");
                return self.refuse(path, message, "use `peek` there, which passes records on");
            }
            _ => return Some(flow.clone()),
        }
        let branches: Vec<String> = self
            .names
            .branches_of(name)
            .map(|branch| format!("`{branch}`"))
            .collect();
        let message = format!("`{name}` ends in a split: nothing comes out under its own name");
        self.refuse(
            path,
            message,
            &format!("take one of its branches: {}", branches.join(", ")),
        )
    }

    fn merge(&mut self, name: &str, path: &Path, inputs: &[String]) -> Option<Flow> {
        check_count(
            path,
            "streams to merge",
            inputs.len(),
            (2, limits::MERGED),
            self.problems,
        );
        let flows: Vec<Option<Flow>> = inputs
            .iter()
            .zip(0..)
            .map(|(n, i)| self.merged_input(&path.index(i), n))
            .collect();
        let flows: Vec<Flow> = flows.into_iter().collect::<Option<_>>()?;
        let mut rest = flows.iter().zip(0..);
        let (first, _) = rest.next()?;
        let mut merged = first.clone();
        for (flow, index) in rest {
            let path = path.index(index);
            let (a, b) = (&inputs[0], &inputs[index]);
            let parts = [
                ("keys", &merged.key, &flow.key),
                ("values", &merged.value, &flow.value),
            ];
            let mut common = Vec::new();
            for (part, one, other) in parts {
                let Some(format) = one.common(other) else {
                    let (one, other) = (&one.ty, &other.ty);
                    let message = format!("the {part} of `{a}` are {one}, those of `{b}` {other}");
                    return self.refuse(&path, message, "bring them to one type before merging");
                };
                common.push(format);
            }
            if merged.windowed != flow.windowed {
                let message = format!("the keys of `{a}` and `{b}` have not the same windows");
                let help = "make keys of one kind before merging, with `selectKey`";
                return self.refuse(&path, message, help);
            }
            merged.value = common.pop()?;
            merged.key = common.pop()?;
            merged.rekeyed = merged.rekeyed.or_else(|| flow.rekeyed.clone());
        }
        if merged.key.serde.is_none() {
            // Equal keys have different bytes, so they may be on different partitions.
            merged.rekeyed = merged.rekeyed.or_else(|| Some(path.clone()));
        }
        merged.node = self.node(name, path, None, NodeKind::Merge);
        for flow in &flows {
            self.graph.nodes[flow.node.0].children.push(merged.node);
        }
        Some(merged)
    }

    fn merged_input(&mut self, path: &Path, name: &str) -> Option<Flow> {
        let flow = self.input(path, name)?;
        if matches!(flow.kind, FlowKind::Stream) {
            return Some(flow);
        }
        let message = format!(
            "`{name}` is {}; only streams can be merged",
            flow.kind.what()
        );
        self.refuse(
            path,
            message,
            "turn it into a stream first, in a stream of its own: `from` and \
                                    `- toStream: {}`",
        )
    }

    fn finish_stream(
        &mut self,
        name: &'a str,
        path: &Path,
        flow: Flow,
        to: Option<&To>,
    ) -> Option<Flow> {
        match flow.kind {
            FlowKind::Split if to.is_some() => {
                let message = "nothing is left to write after a split";
                self.refuse(
                    &path.key("to"),
                    message,
                    "write its branches: `from` a branch, and `to`",
                )
            }
            FlowKind::Ended if to.is_some() => self.refuse(
                &path.key("to"),
                "nothing is left to write after the end of the stream",
                "use `peek`, which passes records on",
            ),
            FlowKind::Split | FlowKind::Ended => Some(flow),
            FlowKind::Stream => {
                if let Some(to) = to {
                    let at = At {
                        owner: name,
                        tag: "to",
                        path: path.key("to"),
                    };
                    self.sink(&at, &flow, to);
                }
                Some(flow)
            }
            FlowKind::Table { .. } => self.refuse(
                path,
                format!("`{name}` is declared as a stream, but comes out as a table"),
                "move it under `tables`, or end its steps with `- toStream: {}`",
            ),
            FlowKind::Grouped(grouping) => self.dangling_group(&grouping.path),
        }
    }

    fn finish_table(
        &mut self,
        name: &'a str,
        path: &Path,
        flow: Flow,
        table: &Table,
    ) -> Option<Flow> {
        let FlowKind::Table { store } = flow.kind else {
            if let FlowKind::Grouped(grouping) = flow.kind {
                return self.dangling_group(&grouping.path);
            }
            return self.refuse(
                path,
                format!(
                    "`{name}` is declared as a table, but comes out as {}",
                    flow.kind.what()
                ),
                "move it under `streams`, or end its steps with `toTable` or an aggregation",
            );
        };
        let computed = table.to.is_some().then(|| flow.clone());
        let kept = self.keep_table(name, path, (flow, store), table);
        // What a store with a cache holds back is not written before it goes on.
        if let (Some(to), Some(flow)) = (&table.to, kept.as_ref().or(computed.as_ref())) {
            let at = At {
                owner: name,
                tag: "to",
                path: path.key("to"),
            };
            self.sink(&at, flow, to);
        }
        kept
    }

    /// A declared table in the store that its declaration names, if it does.
    fn keep_table(
        &mut self,
        name: &'a str,
        path: &Path,
        (flow, store): (Flow, Option<StoreId>),
        table: &Table,
    ) -> Option<Flow> {
        match (&table.store, store) {
            (None, _) if table.in_memory || table.logging.is_some() || table.caching => self
                .refuse(
                    &path.key(if table.in_memory {
                        "inMemory"
                    } else if table.caching {
                        "caching"
                    } else {
                        "logging"
                    }),
                    "this table has no store of its own",
                    "set it on the step that makes the store, or name a `store` here",
                ),
            (None, _) if table.versioned.is_some() => self.refuse(
                &path.key("versioned"),
                "this table has no store of its own that could keep versions",
                "name a `store` here; what an aggregation keeps has no versions: put `- toStream: {}` and \
                 `- toTable: {name: …, versioned: …}` behind it",
            ),
            (None, _) => Some(flow),
            (Some(_), Some(store)) => {
                let kept = &self.graph.stores[store.0].name;
                let message = format!("this table is kept already, in the store `{kept}`");
                self.refuse(&path.key("store"), message, "leave `store` out")
            }
            (Some(store), None) => self.keep(name, path, flow, (store, table)),
        }
    }

    fn dangling_group<T>(&mut self, path: &Path) -> Option<T> {
        let message = "nothing is done with the groups";
        self.refuse(
            path,
            message,
            "let `aggregate`, `count`, `reduce` or `cogroup` follow",
        )
    }
}
