//! The plan: what a checked topology becomes, and all the engine and the operator know of it.
//!
//! ```text
//!   StreamApp (YAML) ── plan ──► Plan ── layout(partition counts) ──► Layout ──► tasks, topics
//! ```
//!
//! A [`Plan`] needs no cluster; a [`Layout`] is the plan plus the partition counts of its source
//! topics.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_expr::Expr;

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

/// An expression with the source text it came from.
#[derive(Clone, Debug)]
pub struct Expression {
    /// As the user wrote it.
    pub source: String,
    /// Checked and lowered. Variables are in the order documented at the node kind.
    pub expr: Arc<Expr>,
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
}

/// What a node does. Streams carry records; tables carry changes (new value, and the old value
/// wherever a node below needs it, see [`Plan::needs_old_value`]).
///
/// Variables of expressions, in slot order: stream and table steps see `key, value, timestamp,
/// headers, topic` — `key, value` by type, `timestamp` an int (ms), `headers` a map of name to
/// string, `topic` a string; joins see `key, left, right`; aggregations `key, value, aggregate`.
#[derive(Clone, Debug)]
pub enum NodeKind {
    /// Reads a stream.
    StreamSource {
        /// Topics to read, all with the same serdes.
        topics: Vec<TopicRef>,
        /// Key format.
        key: SerdeKind,
        /// Value format.
        value: SerdeKind,
        /// Start without committed offset.
        reset: OffsetReset,
        /// Event time in ms, from the record (`key, value, timestamp, headers, topic`); the record's
        /// own timestamp where absent.
        timestamp: Option<Expression>,
    },
    /// Reads a table: upserts the store, forwards the change. Null keys are dropped.
    TableSource {
        /// Topic to read.
        topic: TopicRef,
        /// Key format.
        key: SerdeKind,
        /// Value format.
        value: SerdeKind,
        /// Start without committed offset.
        reset: OffsetReset,
        /// Store to upsert.
        store: StoreId,
    },
    /// Keeps records for which the predicate is true. On a table, a value that stops matching
    /// becomes a tombstone.
    Filter {
        /// bool over `key, value, timestamp, headers, topic`.
        predicate: Expression,
        /// Keeps those for which it is false instead.
        negate: bool,
        /// Whether it filters a table's changes.
        table: bool,
    },
    /// New key and/or new value for each record. On a table only the value may change.
    Map {
        /// New key; `None` keeps it.
        key: Option<Expression>,
        /// New value; `None` keeps it.
        value: Option<Expression>,
        /// Whether it maps a table's changes.
        table: bool,
    },
    /// Logs records at debug level and forwards them unchanged.
    Peek {
        /// Text to log; the whole record where absent.
        message: Option<Expression>,
    },
    /// Passes records of several inputs on.
    Merge,
    /// Sends each record to the first branch whose predicate is true; child `i` is branch `i`. One
    /// more child than predicates: the last is the default branch; else unmatched records end here.
    Split {
        /// bool, per branch.
        predicates: Vec<Expression>,
    },
    /// Writes records that need another partition to a repartition topic (key by murmur2). The
    /// other end is a [`NodeKind::StreamSource`] or the group's source in another subtopology.
    /// Records with a null key are dropped.
    RepartitionSink {
        /// The repartition topic.
        topic: TopicRef,
        /// Key format.
        key: SerdeKind,
        /// Value format.
        value: SerdeKind,
    },
    /// Aggregates a grouped stream. Null key or value: dropped, counted.
    Aggregate {
        /// State, by key.
        store: StoreId,
        /// What is done with each record.
        aggregation: Aggregation,
    },
    /// Looks each stream record's key up in a table and forwards the joined value.
    StreamTableJoin {
        /// The table's store.
        store: StoreId,
        /// Left join: forwards also without a match, with `right` null.
        left: bool,
        /// `key, left, right` → new value.
        value: Expression,
    },
    /// Turns a stream into a table: upserts the store, forwards the change.
    ToTable {
        /// Store to upsert.
        store: StoreId,
    },
    /// Turns a table's changes into a stream of its new values.
    ToStream,
    /// Writes to a topic.
    Sink {
        /// Topic to write.
        topic: String,
        /// Key format.
        key: SerdeKind,
        /// Value format.
        value: SerdeKind,
    },
}

/// What an [`NodeKind::Aggregate`] does with each record.
#[derive(Clone, Debug)]
pub enum Aggregation {
    /// Counts records per key; the value is an int.
    Count,
    /// First value as it is, then `key, value, aggregate` → new aggregate.
    Reduce(Expression),
    /// Starts from `initial` (no variables), then `key, value, aggregate` → new aggregate.
    Aggregate {
        /// The aggregate before the first record.
        initial: Expression,
        /// The aggregate after one more record.
        update: Expression,
    },
}

/// A state store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Own index.
    pub id: StoreId,
    /// Name, as in changelog topic and queries.
    pub name: String,
    /// Key format.
    pub key: SerdeKind,
    /// Value format.
    pub value: SerdeKind,
    /// Changelog topic, full name.
    pub changelog: String,
    /// Kept in memory alone (restored whole at each start) instead of RocksDB.
    pub in_memory: bool,
    /// Subtopology it belongs to.
    pub subtopology: usize,
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
