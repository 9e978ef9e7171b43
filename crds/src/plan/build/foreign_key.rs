//! Joins of two tables by a foreign key (KIP-213).
//!
//! ```text
//!   left ─► send ─► sink ══ subscription ══► source ─► receive ─► sink ══╗
//!                                      right ─► changed ─► sink ═════════╬══ response ══► source ─► answer
//! ```

use millrace_expr::Type;

use super::{At, Builder};
use crate::plan::build::store::NewStore;
use crate::plan::flow::{Flow, FlowKind, Format};
use crate::plan::graph::{JoinKind, NodeId, NodeKind, SerdeKind, SourceOptions, StoreId, TopicRef};
use crate::topology::Join;

impl<'a> Builder<'a, '_> {
    pub(super) fn foreign_key_join(
        &mut self,
        at: &At<'_>,
        flow: &Flow,
        join: &Join,
        kind: JoinKind,
    ) -> Option<Flow> {
        if kind == JoinKind::Outer {
            let message = "a right row without left rows has no key for a result";
            return self.refuse(&at.path, message, "use `leftJoin` or `join`");
        }
        let known = ["foreignKey", "name", "store", "serdes", "inMemory"];
        self.only_fields(at, join, "a join by foreign key", &known);
        let own = self.own_store(at, flow)?;
        let table = self.joined_store(at, join)?;
        let right_name = join.table.as_deref()?;
        let right_node = self.input(&at.path.key("table"), right_name)?.node;
        let left = kind == JoinKind::Left;
        let (kept, right) = (&self.graph.stores[own.0], &self.graph.stores[table.0]);
        let (primary, value_format) = (kept.key, kept.value);
        let (foreign, right_format) = (right.key, right.value);
        let path = at.path.key("foreignKey");
        let scope = flow.record_scope();
        let foreign_key = join.foreign_key.as_deref()?;
        let foreign_key = self.expression(&path, foreign_key, &scope, &foreign.value_type())?;
        let scope = flow.join_scope(right_format.value_type());
        let value = self.expression(&at.path.key("value"), &join.value, &scope, &Type::Any)?;
        let computed = flow.value.computed(Some(&value));
        let (subscriptions, topics) = self.foreign_names(at, join)?;
        let send = NodeKind::ForeignKeySend {
            foreign_key,
            foreign,
            primary,
            value: value_format,
            left,
        };
        let receive = NodeKind::ForeignKeyReceive {
            subscriptions,
            table,
        };
        let changed = NodeKind::ForeignKeyChanged {
            subscriptions,
            key: foreign,
            value: right_format,
        };
        let parents = (flow.node, right_node);
        let source = self.foreign_nodes(at, parents, (send, receive, changed), topics);
        let answer = NodeKind::ForeignKeyAnswer {
            store: own,
            key: primary,
            right: right_format,
            left,
            value,
        };
        let node = self.node(&at.node_name(), &at.path, Some(source), answer);
        let flow = Flow {
            node,
            kind: FlowKind::Table { store: None },
            key: Format::read(primary),
            value: computed,
            rekeyed: None,
            windowed: None,
            versioned: false,
        };
        self.join_result(at, flow, join)
    }

    /// The store of the subscriptions, and the topics of subscriptions and answers.
    fn foreign_names(
        &mut self,
        at: &At<'_>,
        join: &Join,
    ) -> Option<(StoreId, (TopicRef, TopicRef))> {
        let Some(name) = &join.name else {
            let message = "a join by foreign key has topics and a store, without a name";
            return self.refuse(&at.path, message, "add `name`");
        };
        let path = at.path.key("name");
        let subscription = self.repartition_topic(&format!("{name}-subscription"), &path)?;
        let response = self.repartition_topic(&format!("{name}-response"), &path)?;
        let bytes = (SerdeKind::Bytes, SerdeKind::Bytes);
        let store = self.store(NewStore::new(
            &format!("{name}-subscriptions"),
            &path,
            bytes,
        ))?;
        Some((store, (subscription, response)))
    }

    /// The way of a subscription to the right side, and of the answers back; returns the source of the
    /// answers.
    fn foreign_nodes(
        &mut self,
        at: &At<'_>,
        (left, right): (NodeId, NodeId),
        (send, receive, changed): (NodeKind, NodeKind, NodeKind),
        (subscription, response): (TopicRef, TopicRef),
    ) -> NodeId {
        let send = self.node(&at.part_name("send"), &at.path, Some(left), send);
        self.foreign_sink(at, "subscription-sink", &[send], (&subscription, false));
        let source = self.foreign_source(at, "subscription-source", subscription);
        let receive = self.node(&at.part_name("receive"), &at.path, Some(source), receive);
        let changed = self.node(&at.part_name("changed"), &at.path, Some(right), changed);
        let answering = [receive, changed];
        self.foreign_sink(at, "response-sink", &answering, (&response, true));
        self.foreign_source(at, "response-source", response)
    }

    fn foreign_sink(
        &mut self,
        at: &At<'_>,
        name: &str,
        parents: &[NodeId],
        (topic, answers): (&TopicRef, bool),
    ) {
        let kind = NodeKind::ForeignKeySink {
            topic: topic.clone(),
            answers,
        };
        let sink = self.node(&at.part_name(name), &at.path, None, kind);
        for parent in parents {
            self.graph.nodes[parent.0].children.push(sink);
        }
    }

    fn foreign_source(&mut self, at: &At<'_>, name: &str, topic: TopicRef) -> NodeId {
        let kind = NodeKind::StreamSource {
            topics: vec![topic],
            key: SerdeKind::Bytes,
            value: SerdeKind::Bytes,
            options: SourceOptions::default(),
            changes: false,
        };
        self.node(&at.part_name(name), &at.path, None, kind)
    }
}
