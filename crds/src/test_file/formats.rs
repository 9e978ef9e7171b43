//! [`Formats`]: which topics and stores a test file can name, and how their bytes are read.

use std::collections::BTreeMap;

use crate::plan::{NodeKind, Plan, SerdeKind, SinkTopic, StoreKind, TopicRef, WindowedKey};

/// How the records of a topic, or the rows of a store, are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordFormat {
    /// Format of keys.
    pub key: SerdeKind,
    /// The window beside the key, if any.
    pub windowed: Option<WindowedKey>,
    /// Of a window store: four bytes of a sequence number follow the window.
    pub sequence: bool,
    /// Format of values.
    pub value: SerdeKind,
}

impl RecordFormat {
    fn plain(key: SerdeKind, value: SerdeKind) -> Self {
        Self {
            key,
            windowed: None,
            sequence: false,
            value,
        }
    }
}

/// The topics and stores of a plan that people see.
#[derive(Clone, Debug, Default)]
pub struct Formats {
    /// Topics that are read, by name.
    pub inputs: BTreeMap<String, RecordFormat>,
    /// Topics that are written, by name; the dead-letter topic too, as bytes.
    pub outputs: BTreeMap<String, RecordFormat>,
    /// Records of topics that are chosen per record.
    pub chosen: Option<RecordFormat>,
    /// Stores by name; not those whose rows are the engine's own (buffers, sides of a join).
    pub stores: BTreeMap<String, RecordFormat>,
}

impl Formats {
    /// Those of a plan, whose failed records go to this topic.
    pub fn of(plan: &Plan, dead_letter_topic: &str) -> Self {
        let mut formats = Self::default();
        let bytes = RecordFormat::plain(SerdeKind::Bytes, SerdeKind::Bytes);
        formats.outputs.insert(dead_letter_topic.to_owned(), bytes);
        for node in &plan.nodes {
            formats.note(&node.kind);
        }
        for table in &plan.global_tables {
            let format = RecordFormat::plain(table.key, table.value);
            formats.inputs.insert(table.topic.clone(), format);
        }
        formats.stores(plan);
        formats
    }

    fn note(&mut self, node: &NodeKind) {
        match node {
            NodeKind::StreamSource {
                topics, key, value, ..
            } => {
                for topic in topics {
                    if let TopicRef::External(name) = topic {
                        let format = RecordFormat::plain(*key, *value);
                        self.inputs.insert(name.clone(), format);
                    }
                }
            }
            NodeKind::TableSource {
                topic: TopicRef::External(name),
                key,
                value,
                ..
            } => {
                let format = RecordFormat::plain(*key, *value);
                self.inputs.insert(name.clone(), format);
            }
            NodeKind::Sink {
                topic,
                key,
                windowed,
                value,
            } => {
                let format = RecordFormat {
                    windowed: *windowed,
                    ..RecordFormat::plain(*key, *value)
                };
                match topic {
                    SinkTopic::Fixed(name) => {
                        self.outputs.entry(name.clone()).or_insert(format);
                    }
                    SinkTopic::FromRecord(_) => self.chosen = self.chosen.or(Some(format)),
                }
            }
            _ => {}
        }
    }

    fn stores(&mut self, plan: &Plan) {
        for store in &plan.stores {
            let own = plan.nodes.iter().any(|node| match &node.kind {
                NodeKind::Suppress { store: used, .. } => *used == store.id,
                NodeKind::StreamStreamJoin {
                    unmatched: Some(used),
                    ..
                } => *used == store.id,
                NodeKind::StreamTableJoin {
                    grace: Some(grace), ..
                } => grace.buffer == store.id,
                NodeKind::ForeignKeyReceive { subscriptions, .. }
                | NodeKind::ForeignKeyChanged { subscriptions, .. } => *subscriptions == store.id,
                _ => false,
            });
            let (windowed, sequence) = match store.kind {
                StoreKind::Window {
                    retain_duplicates: true,
                    ..
                } => continue,
                StoreKind::Window { size_ms, .. } => (Some(WindowedKey::Time { size_ms }), true),
                StoreKind::Session { .. } => (Some(WindowedKey::Session), false),
                StoreKind::KeyValue | StoreKind::Versioned { .. } => (store.windowed, false),
            };
            if !own {
                let format = RecordFormat {
                    key: store.key,
                    windowed,
                    sequence,
                    value: store.value,
                };
                self.stores.insert(store.name.clone(), format);
            }
        }
    }

    /// How the records of a topic that is written are read.
    pub fn output(&self, topic: &str) -> Option<RecordFormat> {
        self.outputs.get(topic).copied().or(self.chosen)
    }
}
