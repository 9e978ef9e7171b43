//! `cogroup`: one table of the groups of several streams (KIP-150).

use super::aggregate::{StoreOptions, aggregate_node, windowed_result};
use super::grouping::group_of;
use super::table::kept;
use super::{At, Builder};
use crate::limits;
use crate::path::Path;
use crate::plan::check::check_count;
use crate::plan::flow::{Flow, FlowKind, Format, writes};
use crate::plan::graph::{Aggregation, Emit, Expression, NodeKind, SerdeKind};
use crate::topology::{Cogroup, Cogrouped, Serdes};

impl<'a> Builder<'a, '_> {
    /// A node per stream, all of them on one store, and one that takes their results
    /// (CogroupedStreamAggregateBuilder).
    pub(super) fn cogroup(&mut self, at: &At<'a>, flow: Flow, step: &'a Cogroup) -> Option<Flow> {
        let count = step.with.len();
        let path = at.path.key("with");
        check_count(
            &path,
            "streams",
            count,
            (0, limits::COGROUPED),
            self.problems,
        );
        let (flow, grouping) = self.grouped(at, flow, (&step.name, &at.path.key("name")))?;
        self.check_merge(at, &grouping, step.merge.is_some());
        if let Some(windowing) = &grouping.windowed
            && windowing.emit == Emit::OnWindowClose
        {
            let message = "a cogroup gives its results at each record";
            let help = "leave `emit` out, and let `suppress: {untilWindowCloses: {}}` follow";
            return self.refuse(&windowing.path.key("emit"), message, help);
        }
        let options = StoreOptions {
            name: &step.name,
            serdes: step.serdes,
            in_memory: step.in_memory,
            logging: step.logging,
            caching: step.caching,
        };
        let (initial, formats) = self.initial(at, &flow, &step.initial, &options)?;
        let ty = formats.1.value_type();
        let merge = self.merge_expression(at, &flow, &step.merge, &ty)?;
        let mut updates = Vec::new();
        let scope = flow.aggregate_scope(ty.clone());
        let own = self.expression(&at.path.key("value"), &step.value, &scope, &ty);
        updates.push((flow.clone(), own?));
        for (other, index) in step.with.iter().zip(0..) {
            updates.push(self.cogrouped(&path.index(index), other, formats, &flow)?);
        }
        let store = self.aggregate_store(at, &grouping, &options, formats)?;
        let mut nodes = Vec::new();
        for (flow, update) in updates {
            let aggregation = Aggregation::Aggregate {
                initial: initial.clone(),
                update,
            };
            let kind = aggregate_node(&grouping, store, aggregation, merge.clone());
            nodes.push(self.node(&at.node_name(), &at.path, Some(flow.node), kind));
        }
        let node = self.node(&at.part_name("merge"), &at.path, None, NodeKind::Merge);
        for parent in nodes {
            self.graph.nodes[parent.0].children.push(node);
        }
        let flow = Flow {
            node,
            kind: FlowKind::Table { store: Some(store) },
            key: kept(&flow.key, formats.0),
            value: Format {
                ty,
                serde: Some(formats.1),
            },
            rekeyed: None,
            ..flow
        };
        Some(windowed_result(flow, &grouping))
    }

    /// Another stream, grouped, and what one of its records does to the aggregate.
    fn cogrouped(
        &mut self,
        path: &Path,
        other: &'a Cogrouped,
        (key, value): (SerdeKind, SerdeKind),
        first: &Flow,
    ) -> Option<(Flow, Expression)> {
        let name = &other.stream;
        let at = At {
            owner: name,
            tag: "cogroup",
            path: path.clone(),
        };
        let flow = self.input(&path.key("stream"), name)?;
        if !matches!(flow.kind, FlowKind::Stream) {
            let message = format!("`{name}` is {}; a cogroup is of streams", flow.kind.what());
            return self.refuse(&path.key("stream"), message, "name a stream");
        }
        self.plain_keys(&at, flow.windowed)?;
        let flow = match &other.key {
            Some(key) => self.map(&at, flow, Some(key), None, true),
            None => flow,
        };
        if flow.rekeyed.is_some() && other.name.is_none() {
            let message = format!(
                "the stream `{name}` goes through a repartition topic here, because its key has \
                 changed, and that topic has no name"
            );
            return self.refuse(path, message, "add `name`");
        }
        let topic_name = other.name.clone().unwrap_or_default();
        // Equal keys meet in the store's format alone: a new key is written in it, where it can be.
        let fits = flow.rekeyed.is_some() && writes(key, &flow.key.ty);
        let serdes = Serdes {
            key: fits.then(|| key.into()),
            value: None,
        };
        let flow = group_of(&at, flow, Some(topic_name.clone()), serdes, false);
        let (flow, _) = self.grouped(&at, flow, (&topic_name, &path.key("name")))?;
        let (one, theirs) = (&first.key, &flow.key);
        if one.common(theirs).is_none() || (theirs.serde.is_some() && theirs.serde != Some(key)) {
            let format = theirs
                .serde
                .map_or("mixed".to_owned(), |serde| serde.to_string());
            let message = format!(
                "the keys of `{name}` are `{format}`, those of the store `{key}`, so equal keys would \
                 never meet"
            );
            return self.refuse(path, message, "bring the keys to one format before");
        }
        let ty = value.value_type();
        let scope = flow.aggregate_scope(ty.clone());
        let update = self.expression(&path.key("value"), &other.value, &scope, &ty)?;
        Some((flow, update))
    }
}
