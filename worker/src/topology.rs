//! One subtopology of a plan, ready to run: serdes made, topics numbered, nodes in one flat list.
//! Built anew for each task, so that nothing of an aborted or moved task survives in a node.

mod looked_up;
mod operation;

use std::collections::HashMap;
use std::sync::Arc;

use millrace_crds::plan::{
    EventTime, InvalidTime, Node, NodeId, NodeKind, OffsetReset, Plan, SerdeKind, SinkTopic,
    StoreId, TopicRef, WindowedKey,
};

use looked_up::LookedUp;
use operation::operation;
pub use operation::{Operation, Target};

use crate::api::Processors;
use crate::config::Policy;
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
    /// Event time is the time of processing.
    pub wall_clock: bool,
    /// What is done with a record without a valid time.
    pub invalid_time: InvalidTime,
    /// What is done with its records that fail, if not what the application does: by `Stage`.
    pub errors: [Option<Policy>; 3],
    /// Values are changes of a table: old and new.
    pub changes: bool,
    /// Whether it builds a table.
    pub table: bool,
    /// The node itself.
    pub node: usize,
    /// Where its records are looked up under the keys that they come with.
    pub looked_up: Vec<LookedUp>,
}

/// A store of the subtopology, by its place in the task.
pub struct StoreSlot {
    /// Index in the plan.
    pub id: StoreId,
    /// Key format.
    pub key: Format,
    /// Value format.
    pub value: Format,
    /// The window beside keys, of key-value stores whose keys have one.
    pub windowed: Option<WindowedKey>,
    /// Where changes go; `None` where nothing is logged.
    pub changelog: Option<OutTopic>,
    /// Changes go on once a commit.
    pub caching: bool,
}

/// A node, ready to run.
pub struct ProcessorNode {
    /// Name.
    pub name: String,
    /// Field path in the StreamApp.
    pub path: String,
    /// What it does.
    pub operation: Operation,
    /// Whether the changes it forwards carry the old value.
    pub sends_old: bool,
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
    /// Stores that cache, each with a node that writes it: those come first that others depend on.
    pub cached: Vec<(usize, usize)>,
    /// Dead-letter topic; `None` where every error policy is to stop.
    pub dead_letters: Option<OutTopic>,
}

impl ProcessorTopology {
    /// Builds one subtopology of a plan. `None` only if plan, topics and processors do not belong
    /// together.
    pub fn build(
        plan: &Plan,
        subtopology: usize,
        topics: &OutTopics,
        dead_letter_topic: &str,
        processors: &Processors,
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
                operation: operation(plan, (node, place), &slots, topics, processors)?,
                sends_old: node.sends_old,
                children,
            });
        }
        let stores: Vec<StoreSlot> = part
            .stores
            .iter()
            .map(|&id| {
                let store = plan.stores.get(id.0)?;
                Some(StoreSlot {
                    id,
                    key: Format::new(store.key),
                    value: Format::new(store.value),
                    windowed: store.windowed,
                    caching: store.caching,
                    changelog: match &store.changelog {
                        Some(changelog) => Some(topics.get(changelog)?),
                        None => None,
                    },
                })
            })
            .collect::<Option<_>>()?;
        for source in &mut sources {
            source.looked_up = looked_up::looked_up(source, &nodes, &stores);
        }
        Some(Self {
            nodes,
            sources,
            cached: cached(plan, part, &slots),
            stores,
            dead_letters: topics.get(dead_letter_topic),
        })
    }
}

/// Stores that cache, each behind the place of the last node that writes it: all of a store's writers go
/// on to the same nodes, and whatever a table is made from comes before it.
fn cached(
    plan: &Plan,
    part: &millrace_crds::plan::Subtopology,
    slots: &HashMap<StoreId, usize>,
) -> Vec<(usize, usize)> {
    let mut cached: Vec<(usize, usize)> = Vec::new();
    for (place, id) in part.nodes.iter().enumerate() {
        for (store, writes) in plan.node(*id).kind.stores() {
            let Some(&slot) = slots.get(&store) else {
                continue;
            };
            if writes && plan.store(store).caching {
                cached.retain(|(_, known)| *known != slot);
                cached.push((place, slot));
            }
        }
    }
    cached
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
            key.clone(),
            value.clone(),
        ))),
        EventTime::Record | EventTime::WallClock => None,
    };
    Some(Source {
        topics,
        key,
        value,
        reset: options.reset,
        timestamp,
        wall_clock: matches!(options.time, EventTime::WallClock),
        invalid_time: options.invalid_time,
        errors: [
            options.errors.deserialization,
            options.errors.processing,
            options.errors.production,
        ]
        .map(|policy| policy.map(Policy::from)),
        changes: matches!(node.kind, NodeKind::StreamSource { changes: true, .. }),
        table,
        node: place,
        looked_up: Vec::new(),
    })
}
