//! Topics that are written to.

use millrace_expr::Type;

use super::{At, Builder};
use crate::plan::check::check_topic;
use crate::plan::flow::{Flow, FlowKind};
use crate::plan::graph::{NodeKind, SinkTopic};
use crate::problem::Problem;
use crate::topology::{Serdes, To};

impl Builder<'_, '_> {
    /// Adds a sink; a table's changes become a stream before it. Keys with a window are written with
    /// it, as Kafka Streams' windowed serdes do.
    pub(super) fn sink(&mut self, at: &At<'_>, flow: &Flow, to: &To) {
        let Some(topic) = self.sink_topic(at, flow, to) else {
            return;
        };
        if to.cluster.is_some() {
            let message = "writing to another cluster is not supported yet";
            let help = "leave `cluster` out: topics are those of `spec.kafka`";
            self.problems
                .add(Problem::new(&at.path.key("cluster"), message).help(help));
        }
        let serdes = Serdes {
            key: to.key,
            value: to.value,
        };
        let place = match &to.topic {
            Some(topic) => format!("the topic `{topic}`"),
            None => "the topics written to".to_owned(),
        };
        let Some((key, value)) = self.formats(&at.path, flow, &place, serdes) else {
            return;
        };
        let mut parent = flow.node;
        if matches!(flow.kind, FlowKind::Table { .. }) {
            let name = at.part_name("stream");
            parent = self.node(&name, &at.path, Some(parent), NodeKind::ToStream);
        }
        let kind = NodeKind::Sink {
            topic,
            key,
            windowed: flow.windowed.map(|windowed| windowed.key),
            value,
        };
        self.node(&at.node_name(), &at.path, Some(parent), kind);
    }

    fn sink_topic(&mut self, at: &At<'_>, flow: &Flow, to: &To) -> Option<SinkTopic> {
        let ways = [
            ("topic", to.topic.is_some()),
            ("topicFrom", to.topic_from.is_some()),
        ];
        self.one_of(&at.path, "which topic is written", &ways)?;
        if let Some(topic) = &to.topic {
            check_topic(&at.path.key("topic"), topic, self.problems);
            return Some(SinkTopic::Fixed(topic.clone()));
        }
        let source = to.topic_from.as_deref()?;
        let scope = flow.topic_scope();
        let path = at.path.key("topicFrom");
        let topic = self.expression(&path, source, &scope, &Type::String)?;
        Some(SinkTopic::FromRecord(topic))
    }
}
