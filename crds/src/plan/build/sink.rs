//! Topics that are written to.

use super::{At, Builder};
use crate::plan::check::check_topic;
use crate::plan::flow::{Flow, FlowKind};
use crate::plan::graph::{NodeKind, SinkTopic};
use crate::problem::Problem;
use crate::topology::{Serdes, To};

impl Builder<'_, '_> {
    /// Adds a sink; a table's changes become a stream before it.
    pub(super) fn sink(&mut self, at: &At<'_>, flow: &Flow, to: &To) {
        check_topic(&at.path.key("topic"), &to.topic, self.problems);
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
        let place = format!("the topic `{}`", to.topic);
        let Some((key, value)) = self.formats(&at.path, flow, &place, serdes) else {
            return;
        };
        let mut parent = flow.node;
        if matches!(flow.kind, FlowKind::Table { .. }) {
            let name = format!("{}.stream", at.node_name());
            parent = self.node(&name, &at.path, Some(parent), NodeKind::ToStream);
        }
        let kind = NodeKind::Sink {
            topic: SinkTopic::Fixed(to.topic.clone()),
            key,
            windowed: None,
            value,
        };
        self.node(&at.node_name(), &at.path, Some(parent), kind);
    }
}
