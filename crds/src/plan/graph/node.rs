//! What nodes do.

use std::sync::Arc;

use millrace_expr::{Bump, EvalError, Expr, Type, Value};

use super::{
    BufferBounds, Emit, GlobalTableId, OffsetReset, SerdeKind, StoreId, SuppressUntil, TopicRef,
    WindowedKey, Windows,
};
use crate::plan::TopicPattern;
use crate::stream_app::ErrorPolicy;

/// An expression, checked and lowered.
#[derive(Clone, Debug)]
pub struct Expression {
    /// As the user wrote it.
    pub source: String,
    /// What is run.
    pub code: Arc<Expr>,
    /// The format of its results, where it calls a function of a worker image that declares one.
    pub format: Option<SerdeKind>,
}

impl Expression {
    /// Evaluates over the variables, in the slot order documented at the node kind; more of them
    /// than the expression knows do no harm.
    ///
    /// # Errors
    /// [`EvalError`] where this input has no result.
    #[inline]
    pub fn eval<'r>(
        &'r self,
        variables: &[Value<'r>],
        arena: &'r Bump,
    ) -> Result<Value<'r>, EvalError> {
        self.code.eval(variables, arena)
    }

    /// Type of the result, as far as it is known without a record.
    pub fn result_type(&self) -> &Type {
        self.code.result_type()
    }
}

/// How the records of a source are taken.
#[derive(Clone, Debug, Default)]
pub struct SourceOptions {
    /// What the names of its topics match, where they are not given.
    pub pattern: Option<TopicPattern>,
    /// Start without committed offset.
    pub reset: OffsetReset,
    /// Where event time comes from.
    pub time: EventTime,
    /// What is done with a record whose time is negative or has no result.
    pub invalid_time: InvalidTime,
    /// What is done with its records that fail.
    pub errors: SourceErrors,
}

/// What is done with the records of a source that fail; the application's policy where absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceErrors {
    /// They cannot be read.
    pub deserialization: Option<ErrorPolicy>,
    /// A step has no result for them.
    pub processing: Option<ErrorPolicy>,
    /// What became of them cannot be written.
    pub production: Option<ErrorPolicy>,
}

/// Where event time comes from.
#[derive(Clone, Debug, Default)]
pub enum EventTime {
    /// The record's own timestamp.
    #[default]
    Record,
    /// The time at which it is processed (WallclockTimestampExtractor).
    WallClock,
    /// ms since the epoch, from `key, value, timestamp, headers, topic`.
    Expression(Expression),
}

/// What is done with a record without a valid time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum InvalidTime {
    /// It cannot be read: the source's deserialization policy decides (with `stop`, that is
    /// FailOnInvalidTimestamp).
    #[default]
    Fail,
    /// It is dropped (LogAndSkipOnInvalidTimestamp).
    Skip,
    /// It has the highest time its partition has seen (UsePartitionTimeOnInvalidTimestamp); before
    /// there was any, it cannot be read.
    UsePartitionTime,
}

/// Which records a join forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinKind {
    /// Those with a match.
    Inner,
    /// Also those of the left side without one.
    Left,
    /// Also those of either side without one.
    Outer,
}

/// A side of a join with a node of its own for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The flow the step is in.
    Left,
    /// The one it names.
    Right,
}

/// Where a peek writes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeekTo {
    /// The log, at debug level.
    Debug,
    /// The log, at info level.
    Info,
    /// Standard output, after this label in brackets.
    Stdout(String),
}

/// What a node does. Streams carry records; tables carry changes (new value, and the old value
/// wherever a node below needs it, see [`Plan::needs_old_value`](super::Plan::needs_old_value)).
///
/// Variables of expressions, in slot order: stream and table steps see `key, value, timestamp,
/// headers, topic` — `key, value` by type, `timestamp` an int (ms), `headers` a map of name to
/// string, `topic` a string; joins see `key, left, right`; aggregations `key, value, aggregate`.
/// Where keys have a window, steps see `window` (a map of `start` and `end`, ints, ms) as their last
/// variable.
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
        /// Start, time, errors.
        options: SourceOptions,
        /// Values are changes of a table on their way to an aggregation by another key: old and new
        /// value (ChangedDeserializer, KIP-904).
        changes: bool,
    },
    /// Reads a table: upserts the store, forwards the change. Null keys are dropped.
    TableSource {
        /// Topic to read.
        topic: TopicRef,
        /// Key format.
        key: SerdeKind,
        /// Value format.
        value: SerdeKind,
        /// Start, time, errors.
        options: SourceOptions,
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
    /// None, one or several records for each. `key` and `value` see `element` after `topic`.
    FlatMap {
        /// The list.
        elements: Expression,
        /// New key of each; `None` keeps it.
        key: Option<Expression>,
        /// New value of each; `None` is the element itself.
        value: Option<Expression>,
    },
    /// Shows records and forwards them unchanged.
    Peek {
        /// Text to show; the whole record where absent.
        message: Option<Expression>,
        /// Where.
        to: PeekTo,
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
    RepartitionSink {
        /// The repartition topic.
        topic: TopicRef,
        /// Key format.
        key: SerdeKind,
        /// Value format.
        value: SerdeKind,
        /// Drops records with a null key, which could only be dropped behind.
        drop_null_keys: bool,
        /// Writes old and new value (ChangedSerializer, KIP-904).
        changes: bool,
    },
    /// Aggregates a grouped stream. Null key or value: dropped, counted.
    Aggregate {
        /// State, by key.
        store: StoreId,
        /// What is done with each record.
        aggregation: Aggregation,
    },
    /// Aggregates a grouped stream by key and window; several of them may share a store (cogroup).
    WindowedAggregate {
        /// State: a window store, or a session store.
        store: StoreId,
        /// Which windows a record is in.
        windows: Windows,
        /// How long after its end a window takes late records, milliseconds.
        grace_ms: i64,
        /// What is done with each record.
        aggregation: Aggregation,
        /// Of two sessions that a record joins: `key, left, right` → aggregate. Only for
        /// [`Aggregation::Aggregate`] over sessions; counts are added, of a reduction `left` is the
        /// aggregate and `right` the value.
        merge: Option<Expression>,
        /// When results are forwarded.
        emit: Emit,
    },
    /// The new key and value of each change of a table, for an aggregation by another key: old and
    /// new (KTableRepartitionMap). A [`NodeKind::RepartitionSink`] of changes follows.
    TableGroup {
        /// New key.
        key: Expression,
        /// New value; `None` keeps it.
        value: Option<Expression>,
    },
    /// Aggregates a grouped table: takes the old value out, puts the new one in (KTableAggregate).
    TableAggregate {
        /// State, by key.
        store: StoreId,
        /// What is done with a new value.
        add: Aggregation,
        /// `key, value, aggregate` → aggregate without the old value; of a count `None`: one less.
        subtract: Option<Expression>,
    },
    /// Looks each stream record's key up in a table and forwards the joined value.
    StreamTableJoin {
        /// The table's store.
        store: StoreId,
        /// Left join: forwards also without a match, with `right` null.
        left: bool,
        /// `key, left, right` → new value.
        value: Expression,
        /// Holds records back and joins them with the version of their own time (KIP-923).
        grace: Option<JoinGrace>,
    },
    /// Looks a key computed from each stream record up in a global table.
    StreamGlobalJoin {
        /// The table.
        table: GlobalTableId,
        /// The key to look up, from `key, value, timestamp, headers, topic`.
        lookup: Expression,
        /// Left join: forwards also without a match, with `right` null.
        left: bool,
        /// `key, left, right` → new value; `key` is the record's.
        value: Expression,
    },
    /// One side of a stream-stream join: puts the record into its own window store, and joins it
    /// with those of the other (KStreamJoinWindow, KStreamKStreamJoin). A [`NodeKind::Merge`] below
    /// takes the results of both sides. A right record joins a left one if its time is in
    /// `[left − before, left + after]`.
    StreamStreamJoin {
        /// Which side.
        side: Side,
        /// Records of this side.
        own: StoreId,
        /// Records of the other side.
        other: StoreId,
        /// Records of both sides that wait for a match (KeyValue, keys documented at the operator);
        /// of left and outer joins only.
        unmatched: Option<StoreId>,
        /// Which records are forwarded.
        kind: JoinKind,
        /// How much earlier than the left record the right one may be, milliseconds.
        before_ms: i64,
        /// How much later, milliseconds.
        after_ms: i64,
        /// How long after its end a join window takes late records, milliseconds.
        grace_ms: i64,
        /// `key, left, right` → new value.
        value: Expression,
    },
    /// One side of a table-table join: joins each change with the other table's value. A
    /// [`NodeKind::Merge`] or [`NodeKind::ToTable`] below takes the changes of both sides.
    TableTableJoin {
        /// Which side.
        side: Side,
        /// The other table's store.
        other: StoreId,
        /// Which results there are.
        kind: JoinKind,
        /// `key, left, right` → new value.
        value: Expression,
    },
    /// Left side of a foreign-key join: tells the right side which key each left key refers to
    /// (SubscriptionSendProcessor). A [`NodeKind::ForeignKeySink`] follows.
    ForeignKeySend {
        /// The foreign key, from `key, value` (slots as in steps).
        foreign_key: Expression,
        /// Format of foreign keys on the topic: that of the right table.
        foreign: SerdeKind,
        /// Format of left keys on the topic.
        primary: SerdeKind,
        /// Format of left values, for their hash.
        value: SerdeKind,
        /// Left join: also rows without a foreign key give a result.
        left: bool,
    },
    /// Writes what a foreign-key join's nodes say to each other to a repartition topic, by its key.
    ForeignKeySink {
        /// The repartition topic. Keys and values are the join's own bytes.
        topic: TopicRef,
        /// Answers go to the partition of the task that asked; else the key decides.
        answers: bool,
    },
    /// Right side: keeps the subscriptions and answers each with the right table's value
    /// (SubscriptionReceiveProcessor, SubscriptionJoinProcessor).
    ForeignKeyReceive {
        /// Subscriptions, by `length of foreign key (4) ‖ foreign key ‖ left key`.
        subscriptions: StoreId,
        /// The right table's store.
        table: StoreId,
    },
    /// Right side: answers all subscriptions of a key whose value has changed
    /// (ForeignTableJoinProcessor).
    ForeignKeyChanged {
        /// Subscriptions.
        subscriptions: StoreId,
        /// Format of the right table's keys.
        key: SerdeKind,
        /// Format of the right table's values on the answer's topic.
        value: SerdeKind,
    },
    /// Left side: joins an answer with the row it was asked for, unless that has changed since
    /// (ResponseJoinProcessor).
    ForeignKeyAnswer {
        /// The left table's store.
        store: StoreId,
        /// Format of left keys.
        key: SerdeKind,
        /// Format of the right table's values.
        right: SerdeKind,
        /// Left join: forwards also without a match, with `right` null.
        left: bool,
        /// `key, left, right` → new value.
        value: Expression,
    },
    /// Runs a processor of the worker's image (Kafka Streams' `process` and `processValues`). The plan
    /// knows its name alone. It forwards to all children, or to one by its name.
    Process {
        /// Name it is registered by.
        processor: String,
        /// A fixed-key processor: it cannot change keys.
        fixed_key: bool,
        /// The stores it uses.
        stores: Vec<ProcessorStoreUse>,
        /// The global tables it reads.
        globals: Vec<GlobalTableId>,
    },
    /// Turns a stream into a table, or keeps a computed table: upserts the store, forwards the
    /// change.
    ToTable {
        /// Store to upsert.
        store: StoreId,
        /// Whether the changes that come in tell the old value; else the store is asked for it.
        table: bool,
    },
    /// Turns a table's changes into a stream of its new values.
    ToStream,
    /// Holds a table's changes back.
    Suppress {
        /// What is held back (KeyValue, keys documented at the operator).
        store: StoreId,
        /// Until when.
        until: SuppressUntil,
        /// How much.
        bounds: BufferBounds,
    },
    /// Writes to a topic.
    Sink {
        /// Topic to write.
        topic: SinkTopic,
        /// Key format.
        key: SerdeKind,
        /// The window beside the key, where it has one: keys are written as Kafka Streams' windowed
        /// serdes do.
        windowed: Option<WindowedKey>,
        /// Value format.
        value: SerdeKind,
    },
}

/// A store as a processor uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProcessorStoreUse {
    /// The store.
    pub store: StoreId,
    /// Whether it may write it. Tables are read only.
    pub writes: bool,
}

/// Where a sink writes to.
#[derive(Clone, Debug)]
pub enum SinkTopic {
    /// One topic.
    Fixed(String),
    /// The topic an expression names, per record (TopicNameExtractor). One that does not exist is a
    /// production error of the record.
    FromRecord(Expression),
}

/// A stream-table join that holds stream records back (KIP-923).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JoinGrace {
    /// What is held back (KeyValue, keys documented at the operator).
    pub buffer: StoreId,
    /// For how long, by stream time, milliseconds.
    pub grace_ms: i64,
}

/// What an aggregating node does with each record.
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
