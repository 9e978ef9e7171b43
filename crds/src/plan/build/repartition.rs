//! Repartition topics: records on their way to the partition of a new key.

use super::{At, Builder};
use crate::limits;
use crate::path::Path;
use crate::plan::check::check_bounds;
use crate::plan::flow::{Flow, Format};
use crate::plan::graph::{NodeKind, SerdeKind, SourceOptions, TopicRef};
use crate::plan::names::check_name;
use crate::plan::topics;
use crate::problem::Problem;
use crate::topology::Repartition;

/// A repartition topic to be added.
pub(super) struct NewTopic<'t> {
    /// Its name, between application id and `repartition`.
    pub name: &'t str,
    /// The field that names it.
    pub path: &'t Path,
    /// Formats of key and value.
    pub formats: (SerdeKind, SerdeKind),
    /// Whether records without a key are dropped: they could only be dropped behind (KIP-962).
    pub drop_null_keys: bool,
    /// Whether old and new values of a table travel.
    pub changes: bool,
}

impl<'a> Builder<'a, '_> {
    /// The step `repartition`.
    pub(super) fn repartition_step(
        &mut self,
        at: &At<'a>,
        flow: Flow,
        step: &Repartition,
    ) -> Option<Flow> {
        self.plain_keys(at, flow.windowed)?;
        let path = at.path.key("partitions");
        if let Some(count) = step.partitions {
            check_bounds(
                &path,
                count.into(),
                (1, limits::PARTITIONS.into()),
                self.problems,
            );
        }
        let place = format!("the repartition topic of `{}`", step.name);
        let formats = self.formats(&at.path.key("serdes"), &flow, &place, step.serdes)?;
        let topic = NewTopic {
            name: &step.name,
            path: &at.path.key("name"),
            formats,
            drop_null_keys: false,
            changes: false,
        };
        let flow = self.repartition(at, flow, &topic)?;
        if let Some(count) = step.partitions {
            let name = topics::repartition_topic(self.application_id, &step.name);
            self.graph.partitions.insert(name, count);
        }
        Some(flow)
    }

    /// Takes a name for a repartition topic; `None`, with a problem, where it is ill-formed or taken.
    pub(super) fn repartition_topic(&mut self, name: &str, path: &Path) -> Option<TopicRef> {
        if !check_name("the name", name, path, self.problems) {
            return None;
        }
        if let Some(other) = self.repartition_paths.get(name) {
            let message =
                format!("the name `{name}` is taken by another repartition topic, at {other}");
            let help = "give each repartition a name of its own: it names the topic";
            self.problems.add(Problem::new(path, message).help(help));
            return None;
        }
        self.repartition_paths.insert(name.to_owned(), path.clone());
        let topic = topics::repartition_topic(self.application_id, name);
        Some(TopicRef::Repartition(topic))
    }

    /// Sends a flow through a repartition topic.
    pub(super) fn repartition(
        &mut self,
        at: &At<'_>,
        flow: Flow,
        new: &NewTopic<'_>,
    ) -> Option<Flow> {
        let topic = self.repartition_topic(new.name, new.path)?;
        let (key, value) = new.formats;
        let sink = NodeKind::RepartitionSink {
            topic: topic.clone(),
            key,
            value,
            drop_null_keys: new.drop_null_keys,
            changes: new.changes,
        };
        let name = at.part_name("repartition-sink");
        self.node(&name, &at.path, Some(flow.node), sink);
        let source = NodeKind::StreamSource {
            topics: vec![topic],
            key,
            value,
            options: SourceOptions::default(),
            changes: new.changes,
        };
        let name = at.part_name("repartition-source");
        let node = self.node(&name, &at.path, None, source);
        Some(Flow {
            node,
            key: Format::read(key),
            value: Format::read(value),
            rekeyed: None,
            windowed: None,
            ..flow
        })
    }
}
