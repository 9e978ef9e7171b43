//! Which topics and stores a node touches.

use super::{NodeKind, StoreId, TopicRef};

impl NodeKind {
    /// The topics a source reads; none for other nodes.
    pub fn inputs(&self) -> Vec<&TopicRef> {
        match self {
            Self::StreamSource { topics, .. } => topics.iter().collect(),
            Self::TableSource { topic, .. } => vec![topic],
            _ => Vec::new(),
        }
    }

    /// The repartition topic a node writes to.
    pub fn repartition(&self) -> Option<&TopicRef> {
        match self {
            Self::RepartitionSink { topic, .. } | Self::ForeignKeySink { topic, .. } => Some(topic),
            _ => None,
        }
    }

    /// The stores a node reads or writes, and whether it writes each.
    pub fn stores(&self) -> Vec<(StoreId, bool)> {
        match self {
            Self::TableSource { store, .. }
            | Self::Aggregate { store, .. }
            | Self::WindowedAggregate { store, .. }
            | Self::TableAggregate { store, .. }
            | Self::ToTable { store, .. }
            | Self::Suppress { store, .. } => vec![(*store, true)],
            Self::StreamTableJoin { store, grace, .. } => {
                let buffer = grace.iter().map(|grace| (grace.buffer, true));
                [(*store, false)].into_iter().chain(buffer).collect()
            }
            Self::StreamStreamJoin {
                own,
                other,
                unmatched,
                ..
            } => {
                let unmatched = unmatched.iter().map(|store| (*store, true));
                let windows = [(*own, true), (*other, false)];
                windows.into_iter().chain(unmatched).collect()
            }
            Self::TableTableJoin { other, .. } => vec![(*other, false)],
            Self::ForeignKeyReceive {
                subscriptions,
                table,
            } => vec![(*subscriptions, true), (*table, false)],
            Self::ForeignKeyChanged { subscriptions, .. } => vec![(*subscriptions, false)],
            Self::Process { stores, .. } => stores
                .iter()
                .map(|used| (used.store, used.writes))
                .collect(),
            Self::ForeignKeyAnswer { store, .. } => vec![(*store, false)],
            _ => Vec::new(),
        }
    }
}
