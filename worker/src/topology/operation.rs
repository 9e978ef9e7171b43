//! [`Operation`]: what a node does, with its stores and topics found.

mod of_plan;

use millrace_crds::plan::{
    Aggregation, Expression, GlobalTableId, JoinKind, PeekTo, Side, WindowedKey,
};

pub(super) use of_plan::operation;

use super::{Format, OutTopic};
use crate::processor::{GraceJoin, ProcessStep, StreamJoin, Suppress, WindowedAggregate};

/// What a node does with a record; indices are places in the task.
pub enum Operation {
    /// Passes on (stream sources, merge, to stream).
    Forward,
    /// Upserts a store, passes the change on (table sources, to table).
    Upsert {
        /// Store slot.
        store: usize,
        /// The changes that come in tell their old value: it is passed on, the store's is not read.
        changes: bool,
    },
    /// Passes matching records on.
    Filter {
        /// bool.
        predicate: Expression,
        /// Those that do not match instead.
        negate: bool,
        /// A value that does not match becomes a tombstone instead of nothing.
        table: bool,
        /// The table has earlier versions: each change is passed on, also one without values.
        versioned: bool,
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
    /// None, one or several records for each.
    FlatMap {
        /// The list.
        elements: Expression,
        /// New key.
        key: Option<Expression>,
        /// New value; the element where absent.
        value: Option<Expression>,
    },
    /// Shows, passes on.
    Peek {
        /// Text to show.
        message: Option<Expression>,
        /// Where.
        to: PeekTo,
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
    /// New key and value for old and new value of a change.
    TableGroup {
        /// New key.
        key: Expression,
        /// New value; unchanged where absent.
        value: Option<Expression>,
        /// Key format behind: keys are the same where their bytes are.
        format: Format,
    },
    /// Takes old values out of an aggregate and puts new ones in.
    TableAggregate {
        /// Store slot.
        store: usize,
        /// With one more value.
        add: Aggregation,
        /// Without a value; of a count absent.
        subtract: Option<Expression>,
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
    /// Aggregates by key and window.
    Windowed(Box<WindowedAggregate>),
    /// Joins with the records of another stream.
    StreamJoin(Box<StreamJoin>),
    /// Holds records back and joins them with a table's version of their own time.
    GraceJoin(Box<GraceJoin>),
    /// Holds changes back.
    Suppress(Box<Suppress>),
    /// Looks a computed key up in a global table.
    GlobalJoin {
        /// The table.
        table: GlobalTableId,
        /// The key to look up.
        lookup: Expression,
        /// Key format of the table.
        key: Format,
        /// Value format of the table.
        right: Format,
        /// Also without a match.
        left: bool,
        /// New value.
        value: Expression,
    },
    /// Joins one table's change with the other's row.
    TableJoin {
        /// Whose change.
        side: Side,
        /// Store slot of the other table.
        other: usize,
        /// Which results.
        kind: JoinKind,
        /// New value.
        value: Expression,
    },
    /// Tells the right side of a foreign-key join what a left row refers to.
    ForeignSend {
        /// The foreign key.
        foreign_key: Expression,
        /// Format of foreign keys.
        foreign: Format,
        /// Format of left keys.
        primary: Format,
        /// Format of left values.
        value: Format,
        /// Rows without a match give results too.
        left: bool,
    },
    /// Keeps a subscription and answers it.
    ForeignReceive {
        /// Store slot of the subscriptions.
        subscriptions: usize,
        /// Store slot of the right table.
        table: usize,
    },
    /// Answers the subscriptions of a changed row.
    ForeignChanged {
        /// Store slot of the subscriptions.
        subscriptions: usize,
        /// Format of right keys.
        key: Format,
        /// Format of right values.
        value: Format,
    },
    /// Joins an answer with the row it was asked for.
    ForeignAnswer {
        /// Store slot of the left table.
        store: usize,
        /// Format of left keys.
        key: Format,
        /// Format of right values.
        right: Format,
        /// Rows without a match give results too.
        left: bool,
        /// New value.
        value: Expression,
    },
    /// Writes what a foreign-key join's nodes say to each other.
    ForeignSink {
        /// Where.
        topic: OutTopic,
        /// Answers go to the partition that asked; else the key decides.
        answers: bool,
    },
    /// Runs a processor of the user's own.
    Process(Box<ProcessStep>),
    /// Writes to a topic.
    Sink {
        /// Where.
        topic: Target,
        /// Key format.
        key: Format,
        /// The window beside the key.
        windowed: Option<WindowedKey>,
        /// Value format.
        value: Format,
        /// Records without a key are dropped (repartition topics).
        needs_key: bool,
        /// Writes old and new value.
        changes: bool,
    },
}

/// Where a sink writes to.
pub enum Target {
    /// One topic.
    Fixed(OutTopic),
    /// The topic that an expression names.
    FromRecord(Expression),
}
