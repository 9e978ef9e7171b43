//! [`Step`]: what is done with records, one thing at a time.

mod grouping;
mod join;
mod process;
mod stateless;
mod table;
mod window;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use grouping::{Aggregate, Cogroup, Cogrouped, Count, GroupBy, GroupByKey, Reduce};
pub use join::Join;
pub use process::{Process, ProcessorSession, ProcessorStore, ProcessorWindow};
pub use stateless::{Branch, FlatMap, Map, Peek, Print, Repartition, Split, To};
pub use table::{Empty, Suppress, ToTable, Versioned, WhenFull};
pub use window::{EmitName, Hopping, Session, Sliding, Tumbling, WindowedBy};

use crate::limits;

/// One step. Exactly one of the fields is set. Expressions see `key`, `value`, `timestamp` (int, ms),
/// `headers` (map of strings) and `topic`, unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// Keeps records for which the expression is true. On a table, a value for which it is false
    /// becomes a deletion.
    Filter(#[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))] String),
    /// Keeps records for which the expression is false. On a table, a value for which it is true
    /// becomes a deletion.
    FilterNot(#[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))] String),
    /// New key, new value, or both.
    Map(Map),
    /// New value: an expression.
    MapValues(#[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))] String),
    /// One record for each element of a list: an expression that gives the list. The elements are the
    /// new values.
    FlatMapValues(#[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))] String),
    /// None, one or several records for each.
    FlatMap(FlatMap),
    /// New key: an expression.
    SelectKey(#[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))] String),
    /// Logs records at debug level and passes them on unchanged.
    Peek(Peek),
    /// Logs records at info level, and ends the stream.
    Foreach(Peek),
    /// Prints records to standard output, and ends the stream. For trying things out.
    Print(Print),
    /// Sends records through a repartition topic, by the key they have.
    Repartition(Repartition),
    /// Groups records by the key they have, for the aggregation that follows.
    GroupByKey(GroupByKey),
    /// Groups records, or a table's rows, by a new key, for the aggregation that follows. Goes through
    /// a repartition topic.
    GroupBy(GroupBy),
    /// Divides groups by time, for the aggregation that follows.
    WindowedBy(WindowedBy),
    /// Aggregates grouped records: a table of one value per key.
    Aggregate(Aggregate),
    /// Counts grouped records: a table of one int per key.
    Count(Count),
    /// Combines grouped records, starting from the first: a table of one value per key.
    Reduce(Reduce),
    /// Aggregates the groups of several streams into one table.
    Cogroup(Cogroup),
    /// Joins a stream with a table, a stream or a global table, or a table with a table; what has no
    /// match is dropped.
    Join(Join),
    /// As `join`, but what has no match on the right is kept, with `right` null.
    LeftJoin(Join),
    /// As `join`, but what has no match on either side is kept. Of two streams, or two tables.
    OuterJoin(Join),
    /// Runs a processor of the worker's image, which may change keys.
    Process(Process),
    /// Runs a fixed-key processor of the worker's image: keys stay as they are.
    ProcessValues(Process),
    /// Sends each record to the first branch whose expression is true. Ends the stream: its branches
    /// are streams, by their names.
    Split(Split),
    /// Turns a stream into a table: the latest value of each key.
    ToTable(ToTable),
    /// Turns a table into the stream of its changes.
    ToStream(Empty),
    /// Holds a table's changes back: until a window closes, or for a time.
    Suppress(Suppress),
    /// Writes to a topic and goes on.
    To(To),
}

impl Step {
    /// The name users write.
    pub fn tag(&self) -> &'static str {
        match self {
            Self::Filter(_) => "filter",
            Self::FilterNot(_) => "filterNot",
            Self::Map(_) => "map",
            Self::MapValues(_) => "mapValues",
            Self::FlatMapValues(_) => "flatMapValues",
            Self::FlatMap(_) => "flatMap",
            Self::SelectKey(_) => "selectKey",
            Self::Peek(_) => "peek",
            Self::Foreach(_) => "foreach",
            Self::Print(_) => "print",
            Self::Repartition(_) => "repartition",
            Self::GroupByKey(_) => "groupByKey",
            Self::GroupBy(_) => "groupBy",
            Self::WindowedBy(_) => "windowedBy",
            Self::Aggregate(_) => "aggregate",
            Self::Count(_) => "count",
            Self::Reduce(_) => "reduce",
            Self::Cogroup(_) => "cogroup",
            Self::Join(_) => "join",
            Self::LeftJoin(_) => "leftJoin",
            Self::OuterJoin(_) => "outerJoin",
            Self::Process(_) => "process",
            Self::ProcessValues(_) => "processValues",
            Self::Split(_) => "split",
            Self::ToTable(_) => "toTable",
            Self::ToStream(_) => "toStream",
            Self::Suppress(_) => "suppress",
            Self::To(_) => "to",
        }
    }
}
