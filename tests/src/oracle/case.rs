//! A case: a topology, its input, and what is looked at in the end. Its JSON is what the judge reads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::function::{Aggregation, KeyFn, ListFn, Predicate, SourceTime, ValueFn};

/// A case. All topics have one partition, string keys, and JSON values that are strings or ints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Its number, which the answer repeats.
    pub id: u64,
    /// The wall clock's first reading, ms.
    pub now: i64,
    /// Whether Kafka Streams' stores are on disk. Where the two kinds differ, that is the one ours are
    /// like.
    pub rocksdb: bool,
    /// Whether ours are.
    pub on_disk: bool,
    /// Records between two commits of ours.
    pub commit_every: usize,
    /// Nodes, each after those it takes from.
    pub nodes: Vec<Node>,
    /// What happens, one after the other.
    pub steps: Vec<Step>,
    /// Stores whose rows are compared.
    pub stores: Vec<StoreRows>,
    /// Keys that are asked for in stores which cannot list theirs.
    pub keys: Vec<String>,
    /// What was logged of stores. Where there is any, the judge restores them from it, and no step is
    /// taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changelog: Vec<Logged>,
}

/// A record of a store's changelog: store, key, value and timestamp, bytes in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logged(pub String, pub String, pub Option<String>, pub i64);

/// A named node. Names sort in the order of the nodes, so that both sides have the same order of
/// children.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Name, of the stream or table that it makes.
    pub name: String,
    /// What it does.
    #[serde(flatten)]
    pub op: Op,
}

/// What a node does. Durations are milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "camelCase")]
#[allow(missing_docs)] // The names are Kafka Streams' own.
pub enum Op {
    Stream {
        topics: Vec<String>,
        /// Where records have their times from; `None` takes those they come with.
        #[serde(default)]
        time: Option<SourceTime>,
    },
    Table {
        topic: String,
        store: String,
        /// History retention of a versioned table.
        versioned: Option<i64>,
        /// As of a stream.
        #[serde(default)]
        time: Option<SourceTime>,
    },
    GlobalTable {
        topic: String,
        store: String,
    },
    /// Of a stream or a table.
    Filter {
        from: String,
        predicate: Predicate,
        negate: bool,
        /// Of a table alone: where it is kept.
        store: Option<String>,
    },
    /// Of a stream or a table.
    MapValues {
        from: String,
        value: ValueFn,
        /// Of a table alone: where it is kept.
        store: Option<String>,
    },
    Map {
        from: String,
        key: KeyFn,
        value: ValueFn,
    },
    SelectKey {
        from: String,
        key: KeyFn,
    },
    FlatMap {
        from: String,
        values: ListFn,
        /// Over the old key and the new value.
        key: KeyFn,
    },
    FlatMapValues {
        from: String,
        values: ListFn,
    },
    Peek {
        from: String,
    },
    /// Nothing comes out.
    Foreach {
        from: String,
    },
    Merge {
        inputs: Vec<String>,
    },
    Split {
        from: String,
        branches: Vec<Branch>,
        default: Option<String>,
    },
    Repartition {
        from: String,
    },
    ToTable {
        from: String,
        store: String,
        /// History retention of a versioned table.
        #[serde(default)]
        versioned: Option<i64>,
    },
    ToStream {
        from: String,
    },
    /// A windowed table as a stream whose key is the text `key@start/end`.
    WindowKey {
        from: String,
    },
    /// A processor that counts, see `processor`.
    #[serde(rename_all = "camelCase")]
    Process {
        from: String,
        store: String,
        /// How often it forwards all counts, by the wall clock. A fixed-key processor cannot.
        every: Option<i64>,
        /// How often it forwards all counts by stream time, and forgets high ones; a fixed-key
        /// processor only forgets.
        #[serde(default)]
        every_stream_time: Option<i64>,
        fixed_key: bool,
    },
    /// A processor that keeps records in a store of windows, sessions or versions, see `remembering`.
    Remember {
        from: String,
        store: String,
        kind: StoreKind,
        /// The size of windows, the gap between sessions, or how far back versions are asked for.
        span: i64,
        retention: i64,
    },
    /// Of a stream or a table.
    To {
        from: String,
        topic: String,
        /// Keys with a window, and which.
        windowed: Option<WindowedKey>,
        /// Each record names its topic: `topic`, a hyphen, and the length of the value's text modulo
        /// this.
        #[serde(default)]
        routes: Option<i64>,
    },
    /// Of a stream or, without window, of a table.
    #[serde(rename_all = "camelCase")]
    Aggregate {
        from: String,
        /// The new key; `None` groups by the one there is. A table always has one.
        group_by: Option<KeyFn>,
        /// Of a table: the value that is grouped; `None` groups the one there is.
        #[serde(default)]
        group_value: Option<ValueFn>,
        window: Option<Window>,
        emit: Option<Emit>,
        /// How long windows are kept; `None` as long as they take records.
        #[serde(default)]
        retention: Option<i64>,
        with: Aggregation,
        store: String,
    },
    Cogroup {
        inputs: Vec<Cogrouped>,
        window: Option<Window>,
        store: String,
    },
    Suppress {
        from: String,
        /// A time limit; `None` until the window closes.
        limit: Option<i64>,
        /// Records that are held back at most before the oldest goes (with `limit` only).
        records: Option<i64>,
        /// Bytes, likewise.
        #[serde(default)]
        bytes: Option<i64>,
    },
    StreamJoin {
        kind: JoinKind,
        left: String,
        right: String,
        before: i64,
        after: i64,
        grace: i64,
    },
    StreamTableJoin {
        kind: JoinKind,
        left: String,
        table: String,
        grace: Option<i64>,
    },
    GlobalJoin {
        kind: JoinKind,
        left: String,
        table: String,
        key: KeyFn,
    },
    TableJoin {
        kind: JoinKind,
        left: String,
        right: String,
        store: Option<String>,
    },
    ForeignKeyJoin {
        kind: JoinKind,
        left: String,
        right: String,
        key: KeyFn,
        store: String,
    },
}

/// A branch of a split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// Name of its stream.
    pub name: String,
    /// Which records it takes.
    pub predicate: Predicate,
}

/// One of the streams of a cogroup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cogrouped {
    /// The stream.
    pub from: String,
    /// The new key; `None` groups by the one there is.
    pub group_by: Option<KeyFn>,
    /// What is done with its records; all of a cogroup begin with the same aggregate.
    pub with: Aggregation,
}

/// Which records a join forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum JoinKind {
    Inner,
    Left,
    Outer,
}

/// Windows of an aggregation, ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Window {
    Tumbling { size: i64, grace: i64 },
    Hopping { size: i64, advance: i64, grace: i64 },
    Sliding { size: i64, grace: i64 },
    Session { gap: i64, grace: i64 },
}

/// Bytes of a windowed key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WindowedKey {
    /// Key and start.
    Time,
    /// Key, end and start.
    Session,
}

/// When a windowed aggregation forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Emit {
    /// Each change.
    Update,
    /// Once, when the window closes.
    Close,
}

/// A thing that happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Step {
    /// A record comes.
    Record(Input),
    /// The wall clock moves on.
    Advance {
        /// By so many ms.
        advance: i64,
    },
}

/// An input record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Topic.
    pub topic: String,
    /// Key.
    pub key: Option<String>,
    /// Value, a JSON text.
    pub value: Option<String>,
    /// Timestamp, ms.
    pub ts: i64,
    /// Headers, name and value.
    pub headers: Vec<(String, String)>,
}

/// A store whose rows are compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreRows {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: StoreKind,
    /// Whether its values are 8 bytes, as counts are.
    pub long: bool,
    /// Size of its windows, ms, which its keys do not say.
    pub size: Option<i64>,
}

/// What a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum StoreKind {
    KeyValue,
    Window,
    Session,
    Versioned,
}

/// A record that was written: topic, key, value, timestamp, headers (`name=value;` each). Bytes that
/// are not printable ASCII are shown as `\x` and two digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output(
    pub String,
    pub Option<String>,
    pub Option<String>,
    pub i64,
    pub String,
);

/// A row: key (`key@start/end` where it has a window), value (a JSON text), timestamp (−1: has none).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Row(pub String, pub String, pub i64);

/// What one side made of a case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The case's number.
    pub id: u64,
    /// What each step wrote, by topic, in order within a topic.
    pub steps: Vec<Vec<Output>>,
    /// Rows in the end, by store.
    pub stores: BTreeMap<String, Vec<Row>>,
    /// Why it ended early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Case {
    /// A node by its name; a split's branches are not nodes.
    pub fn node(&self, name: &str) -> Option<&Op> {
        let node = self.nodes.iter().find(|node| node.name == name)?;
        Some(&node.op)
    }

    /// Whether a name stands for a table.
    pub fn is_table(&self, name: &str) -> bool {
        match self.node(name) {
            Some(
                Op::Table { .. }
                | Op::ToTable { .. }
                | Op::Aggregate { .. }
                | Op::Cogroup { .. }
                | Op::Suppress { .. }
                | Op::TableJoin { .. }
                | Op::ForeignKeyJoin { .. },
            ) => true,
            Some(Op::Filter { from, .. } | Op::MapValues { from, .. }) => self.is_table(from),
            _ => false,
        }
    }

    /// Whether a name stands for a table whose keys have windows.
    pub fn is_windowed(&self, name: &str) -> bool {
        match self.node(name) {
            Some(Op::Aggregate { window, .. } | Op::Cogroup { window, .. }) => window.is_some(),
            Some(
                Op::Filter { from, .. } | Op::MapValues { from, .. } | Op::Suppress { from, .. },
            ) => self.is_windowed(from),
            _ => false,
        }
    }

    /// Whether a table's values are counts of 8 bytes in Kafka Streams: they stay so until they are
    /// computed or stored anew.
    pub fn is_count(&self, name: &str) -> bool {
        match self.node(name) {
            Some(Op::Aggregate { with, .. }) => *with == Aggregation::Count,
            Some(
                Op::Filter {
                    from, store: None, ..
                }
                | Op::Suppress { from, .. },
            ) => self.is_count(from),
            _ => false,
        }
    }
}

impl Op {
    /// The names it takes from.
    pub fn inputs(&self) -> Vec<&str> {
        match self {
            Self::Stream { .. } | Self::Table { .. } | Self::GlobalTable { .. } => Vec::new(),
            Self::Filter { from, .. }
            | Self::MapValues { from, .. }
            | Self::Map { from, .. }
            | Self::SelectKey { from, .. }
            | Self::FlatMap { from, .. }
            | Self::FlatMapValues { from, .. }
            | Self::Peek { from }
            | Self::Foreach { from }
            | Self::Split { from, .. }
            | Self::Repartition { from }
            | Self::ToTable { from, .. }
            | Self::ToStream { from }
            | Self::WindowKey { from }
            | Self::Process { from, .. }
            | Self::Remember { from, .. }
            | Self::To { from, .. }
            | Self::Aggregate { from, .. }
            | Self::Suppress { from, .. } => vec![from],
            Self::Merge { inputs } => inputs.iter().map(String::as_str).collect(),
            Self::Cogroup { inputs, .. } => {
                inputs.iter().map(|input| input.from.as_str()).collect()
            }
            Self::StreamJoin { left, right, .. }
            | Self::TableJoin { left, right, .. }
            | Self::ForeignKeyJoin { left, right, .. } => vec![left, right],
            Self::StreamTableJoin { left, table, .. } | Self::GlobalJoin { left, table, .. } => {
                vec![left, table]
            }
        }
    }
}
