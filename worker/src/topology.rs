//! One subtopology of a plan, ready to run: serdes made, topics numbered, nodes in one flat list.
//! Built anew for each task, so that nothing of an aborted or moved task survives in a node.

use std::collections::HashMap;
use std::sync::Arc;

use millrace_crds::plan::{
    Aggregation, EventTime, Expression, Node, NodeId, NodeKind, OffsetReset, Plan, SerdeKind,
    SinkTopic, StoreId, TopicRef,
};

use crate::processor::TimestampExtractor;
use crate::serde::{Serde, serde};

/// Number of a topic in [`OutTopics`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OutTopic(pub usize);

/// Every topic an application writes to, numbered: sinks, repartition topics, changelogs, dead
/// letters. The same for all tasks.
#[derive(Clone, Debug, Default)]
pub struct OutTopics {
    names: Vec<String>,
    by_name: HashMap<String, OutTopic>,
}

impl OutTopics {
    /// Collects a plan's topics. The dead-letter topic is one of them where any error policy uses it.
    pub fn new(plan: &Plan, dead_letter_topic: &str) -> Self {
        let mut topics = Self::default();
        for node in &plan.nodes {
            match &node.kind {
                NodeKind::Sink {
                    topic: SinkTopic::Fixed(topic),
                    ..
                } => topics.add(topic),
                kind => {
                    if let Some(topic) = kind.repartition() {
                        topics.add(topic.name());
                    }
                }
            }
        }
        for store in &plan.stores {
            if let Some(changelog) = &store.changelog {
                topics.add(changelog);
            }
        }
        if plan
            .internal_topics
            .iter()
            .any(|topic| topic.name == dead_letter_topic)
        {
            topics.add(dead_letter_topic);
        }
        topics
    }

    fn add(&mut self, name: &str) {
        if !self.by_name.contains_key(name) {
            self.by_name
                .insert(name.to_owned(), OutTopic(self.names.len()));
            self.names.push(name.to_owned());
        }
    }

    /// The number of a topic.
    pub fn get(&self, name: &str) -> Option<OutTopic> {
        self.by_name.get(name).copied()
    }

    /// All names, by number.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

/// A format for keys or values.
#[derive(Clone)]
pub struct Format {
    /// Which one, to recognise bytes that need no rewriting.
    pub kind: SerdeKind,
    /// Reads and writes it.
    pub serde: Arc<dyn Serde>,
}

impl Format {
    /// The format of a serde kind.
    pub fn new(kind: SerdeKind) -> Self {
        Self {
            kind,
            serde: serde(kind),
        }
    }
}

/// A source node: how records of its topics are read, and where they go.
pub struct Source {
    /// Topics, in plan order.
    pub topics: Vec<TopicRef>,
    /// Key format.
    pub key: Format,
    /// Value format.
    pub value: Format,
    /// Where reading starts without a committed offset.
    pub reset: OffsetReset,
    /// Event time by expression.
    pub timestamp: Option<Arc<TimestampExtractor>>,
    /// Whether it builds a table.
    pub table: bool,
    /// The node itself.
    pub node: usize,
}

/// A store of the subtopology, by its place in the task.
pub struct StoreSlot {
    /// Index in the plan.
    pub id: StoreId,
    /// Key format.
    pub key: Format,
    /// Value format.
    pub value: Format,
    /// Where changes go; `None` where nothing is logged.
    pub changelog: Option<OutTopic>,
}

/// What a node does with a record; indices are places in the task.
pub enum Operation {
    /// Passes on (stream sources, merge, to stream).
    Forward,
    /// Upserts a store, passes the change on (table sources, to table).
    Upsert {
        /// Store slot.
        store: usize,
    },
    /// Passes matching records on.
    Filter {
        /// bool.
        predicate: Expression,
        /// Those that do not match instead.
        negate: bool,
        /// A value that does not match becomes a tombstone instead of nothing.
        table: bool,
    },
    /// New key and/or value.
    Map {
        /// New key.
        key: Option<Expression>,
        /// New value.
        value: Option<Expression>,
        /// Tombstones pass unchanged.
        table: bool,
    },
    /// Logs, passes on.
    Peek {
        /// Text to log.
        message: Option<Expression>,
    },
    /// Passes on to the first matching branch.
    Split {
        /// bool, per branch.
        predicates: Vec<Expression>,
    },
    /// Aggregates by key.
    Aggregate {
        /// Store slot.
        store: usize,
        /// How.
        aggregation: Aggregation,
    },
    /// Looks the key up in a table.
    Join {
        /// Store slot.
        store: usize,
        /// Also without a match.
        left: bool,
        /// New value.
        value: Expression,
    },
    /// Writes to a topic.
    Sink {
        /// Where.
        topic: OutTopic,
        /// Key format.
        key: Format,
        /// Value format.
        value: Format,
        /// Records without a key are dropped (repartition topics).
        needs_key: bool,
    },
}

/// A node, ready to run.
pub struct ProcessorNode {
    /// Name.
    pub name: String,
    /// Field path in the StreamApp.
    pub path: String,
    /// What it does.
    pub operation: Operation,
    /// Where its results go.
    pub children: Vec<usize>,
}

/// A subtopology, ready to run.
pub struct ProcessorTopology {
    /// Nodes; children come after their parents.
    pub nodes: Vec<ProcessorNode>,
    /// Source nodes.
    pub sources: Vec<Source>,
    /// Stores.
    pub stores: Vec<StoreSlot>,
    /// Dead-letter topic; `None` where every error policy is to stop.
    pub dead_letters: Option<OutTopic>,
}

impl ProcessorTopology {
    /// Builds one subtopology of a plan. `None` only if plan and topics do not belong together.
    pub fn build(
        plan: &Plan,
        subtopology: usize,
        topics: &OutTopics,
        dead_letter_topic: &str,
    ) -> Option<Self> {
        let part = plan.subtopologies.get(subtopology)?;
        let places: HashMap<NodeId, usize> = part
            .nodes
            .iter()
            .enumerate()
            .map(|(place, &id)| (id, place))
            .collect();
        let slots: HashMap<StoreId, usize> = part
            .stores
            .iter()
            .enumerate()
            .map(|(place, &id)| (id, place))
            .collect();
        let mut sources = Vec::new();
        let mut nodes = Vec::with_capacity(part.nodes.len());
        for (place, id) in part.nodes.iter().enumerate() {
            let node = plan.nodes.get(id.0)?;
            sources.extend(source(node, place));
            let children = node
                .children
                .iter()
                .map(|child| places.get(child).copied())
                .collect::<Option<_>>()?;
            nodes.push(ProcessorNode {
                name: node.name.clone(),
                path: node.path.clone(),
                operation: operation(node, &slots, topics)?,
                children,
            });
        }
        let stores = part
            .stores
            .iter()
            .map(|&id| {
                let store = plan.stores.get(id.0)?;
                Some(StoreSlot {
                    id,
                    key: Format::new(store.key),
                    value: Format::new(store.value),
                    changelog: match &store.changelog {
                        Some(changelog) => Some(topics.get(changelog)?),
                        None => None,
                    },
                })
            })
            .collect::<Option<_>>()?;
        Some(Self {
            nodes,
            sources,
            stores,
            dead_letters: topics.get(dead_letter_topic),
        })
    }
}

fn source(node: &Node, place: usize) -> Option<Source> {
    let (topics, key, value, options, table) = match &node.kind {
        NodeKind::StreamSource {
            topics,
            key,
            value,
            options,
            ..
        } => (topics.clone(), key, value, options, false),
        NodeKind::TableSource {
            topic,
            key,
            value,
            options,
            ..
        } => (vec![topic.clone()], key, value, options, true),
        _ => return None,
    };
    let (key, value) = (Format::new(*key), Format::new(*value));
    let timestamp = match &options.time {
        EventTime::Expression(expression) => Some(Arc::new(TimestampExtractor::new(
            expression.clone(),
            topics.first().map_or("", TopicRef::name),
            key.clone(),
            value.clone(),
        ))),
        _ => None,
    };
    Some(Source {
        topics,
        key,
        value,
        reset: options.reset,
        timestamp,
        table,
        node: place,
    })
}

fn operation(
    node: &Node,
    slots: &HashMap<StoreId, usize>,
    topics: &OutTopics,
) -> Option<Operation> {
    let slot = |store: &StoreId| slots.get(store).copied();
    Some(match &node.kind {
        NodeKind::StreamSource { .. } | NodeKind::Merge | NodeKind::ToStream => Operation::Forward,
        NodeKind::TableSource { store, .. } | NodeKind::ToTable { store, .. } => {
            Operation::Upsert {
                store: slot(store)?,
            }
        }
        NodeKind::Filter {
            predicate,
            negate,
            table,
        } => Operation::Filter {
            predicate: predicate.clone(),
            negate: *negate,
            table: *table,
        },
        NodeKind::Map { key, value, table } => Operation::Map {
            key: key.clone(),
            value: value.clone(),
            table: *table,
        },
        NodeKind::Peek { message, .. } => Operation::Peek {
            message: message.clone(),
        },
        NodeKind::Split { predicates } => Operation::Split {
            predicates: predicates.clone(),
        },
        NodeKind::Aggregate { store, aggregation } => Operation::Aggregate {
            store: slot(store)?,
            aggregation: aggregation.clone(),
        },
        NodeKind::StreamTableJoin {
            store, left, value, ..
        } => Operation::Join {
            store: slot(store)?,
            left: *left,
            value: value.clone(),
        },
        NodeKind::RepartitionSink {
            topic,
            key,
            value,
            drop_null_keys,
            ..
        } => Operation::Sink {
            topic: topics.get(topic.name())?,
            key: Format::new(*key),
            value: Format::new(*value),
            needs_key: *drop_null_keys,
        },
        NodeKind::Sink {
            topic: SinkTopic::Fixed(topic),
            key,
            value,
            ..
        } => Operation::Sink {
            topic: topics.get(topic)?,
            key: Format::new(*key),
            value: Format::new(*value),
            needs_key: false,
        },
        _ => return None,
    })
}
