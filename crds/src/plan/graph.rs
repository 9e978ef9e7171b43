//! The plan: what a checked topology becomes, and all the engine and the operator know of it.
//!
//! ```text
//!   StreamApp (YAML) ── plan ──► Plan ── layout(partition counts) ──► Layout ──► tasks, topics
//! ```
//!
//! A [`Plan`] needs no cluster; a [`Layout`] is the plan plus the partition counts of its source
//! topics.

mod node;
mod store;
mod window;
mod wiring;

use std::collections::BTreeMap;

pub use node::*;
pub use store::*;
pub use window::*;

/// Index into [`Plan::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub usize);

/// Index into [`Plan::stores`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreId(pub usize);

/// How bytes on a topic are read and written. Wire formats are those of Kafka's own serializers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SerdeKind {
    /// The bytes as they are.
    #[default]
    Bytes,
    /// UTF-8 text.
    String,
    /// JSON text; numbers stay exact.
    Json,
    /// 4 bytes, big endian, signed.
    Int,
    /// 8 bytes, big endian, signed.
    Long,
    /// 8 bytes, IEEE 754, big endian.
    Double,
    /// Decimal text, such as `12.30`.
    Decimal,
}

/// Where a source without a committed offset starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OffsetReset {
    /// The oldest record.
    #[default]
    Earliest,
    /// Records written from now on.
    Latest,
}

/// A topic as a node names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TopicRef {
    /// The user's own topic, by its full name.
    External(String),
    /// A repartition topic, by its full name (`<application id>-<name>-repartition`).
    Repartition(String),
}

impl TopicRef {
    /// Full topic name.
    pub fn name(&self) -> &str {
        match self {
            Self::External(name) | Self::Repartition(name) => name,
        }
    }
}

/// One processor node.
#[derive(Clone, Debug)]
pub struct Node {
    /// Own index.
    pub id: NodeId,
    /// Name, unique in the plan; shown in `describe`, errors and metrics.
    pub name: String,
    /// Field path in the StreamApp, such as `spec.topology.streams.evaluated.steps[0].leftJoin`.
    pub path: String,
    /// What it does.
    pub kind: NodeKind,
    /// Where its results go, in order. For [`NodeKind::Split`], child `i` takes branch `i`.
    pub children: Vec<NodeId>,
    /// Subtopology it belongs to.
    pub subtopology: usize,
    /// Whether the changes it forwards carry the old value: a node below needs it.
    pub sends_old: bool,
}

/// Index into [`Plan::global_tables`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GlobalTableId(pub usize);

/// A table of which every process has all partitions. It belongs to no subtopology and has no
/// changelog: its topic is read by each process, to the end before any task runs, and on from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobalTable {
    /// Own index.
    pub id: GlobalTableId,
    /// Name of its store; unique among all stores.
    pub store: String,
    /// Field path in the StreamApp.
    pub path: String,
    /// Topic to read.
    pub topic: String,
    /// Key format.
    pub key: SerdeKind,
    /// Value format.
    pub value: SerdeKind,
    /// Kept in memory alone (read whole at each start) instead of RocksDB.
    pub in_memory: bool,
}

/// Nodes that are connected without a topic between them: the unit of which there is one task per
/// partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subtopology {
    /// Own index, from 0.
    pub id: usize,
    /// Its nodes, in topological order.
    pub nodes: Vec<NodeId>,
    /// Its stores.
    pub stores: Vec<StoreId>,
    /// Topics it reads, sorted by name.
    pub sources: Vec<TopicRef>,
    /// Groups of source topics that must have equal partition counts, because they are joined.
    pub copartitioned: Vec<Vec<TopicRef>>,
}

/// Why an internal topic exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InternalTopicKind {
    /// One partition per task; never has records (architecture D1).
    Tasks,
    /// A store's changes.
    Changelog,
    /// Records on their way to another partition.
    Repartition,
    /// Records that could not be processed.
    DeadLetter,
}

/// An internal topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InternalTopic {
    /// Full name.
    pub name: String,
    /// Why it exists.
    pub kind: InternalTopicKind,
    /// Topic configuration, by Kafka's names.
    pub configs: BTreeMap<String, String>,
    /// The subtopology whose partition count it has: of the store, or of the reader of a repartition
    /// topic. `None` for the tasks and dead-letter topics.
    pub subtopology: Option<usize>,
    /// The partition count that was asked for, instead of the subtopology's.
    pub partitions: Option<i32>,
}

/// A checked topology.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Application id: consumer group, prefix of internal topics.
    pub application_id: String,
    /// All nodes.
    pub nodes: Vec<Node>,
    /// All stores.
    pub stores: Vec<Store>,
    /// All global tables.
    pub global_tables: Vec<GlobalTable>,
    /// All subtopologies; a task's number is `partition × subtopologies + subtopology`.
    pub subtopologies: Vec<Subtopology>,
    /// All internal topics.
    pub internal_topics: Vec<InternalTopic>,
    /// SHA-256 (hex, 16 digits) over what running members must agree on: task numbering, sources,
    /// stores, internal topics.
    pub hash: String,
}

/// A task: one subtopology on one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId {
    /// Subtopology index.
    pub subtopology: usize,
    /// Partition index.
    pub partition: i32,
}

impl std::fmt::Display for TaskId {
    /// `subtopology_partition`, as Kafka Streams prints it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}_{}", self.subtopology, self.partition)
    }
}

/// A plan on a cluster: with partition counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Partition count (= number of tasks) of each subtopology.
    pub partitions: Vec<i32>,
    /// Partition count of each internal topic, by name.
    pub internal_partitions: BTreeMap<String, i32>,
    /// Partition count of each topic that is read, by name, as far as it is known.
    pub source_partitions: BTreeMap<String, i32>,
}

impl Layout {
    /// The task with this number, i.e. partition of the tasks topic; `None` where that subtopology
    /// has fewer partitions.
    pub fn task(&self, number: i32) -> Option<TaskId> {
        let count = i32::try_from(self.partitions.len()).ok()?;
        let number = (count > 0 && number >= 0).then_some(number)?;
        let subtopology = usize::try_from(number % count).ok()?;
        let partition = number / count;
        (partition < self.partitions[subtopology]).then_some(TaskId {
            subtopology,
            partition,
        })
    }

    /// Whether a topic that is read has this partition. Of several topics that a subtopology reads, some
    /// may have fewer than it has tasks.
    pub fn has_partition(&self, topic: &str, partition: i32) -> bool {
        let count = self.source_partitions.get(topic);
        count.is_none_or(|count| partition < *count)
    }

    /// All tasks, by number.
    pub fn tasks(&self) -> impl Iterator<Item = TaskId> + '_ {
        let count = self.partitions.len();
        let most = self.partitions.iter().copied().max().unwrap_or(0);
        (0..most).flat_map(move |partition| {
            (0..count)
                .filter(move |&s| partition < self.partitions[s])
                .map(move |subtopology| TaskId {
                    subtopology,
                    partition,
                })
        })
    }
}
