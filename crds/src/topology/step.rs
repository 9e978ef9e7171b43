//! [`Step`]: what is done with records, one thing at a time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SerdeName, Serdes};
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
    /// New key: an expression.
    SelectKey(#[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))] String),
    /// Logs records at debug level and passes them on unchanged.
    Peek(Peek),
    /// Groups records by the key they have, for the aggregation that follows.
    GroupByKey(GroupByKey),
    /// Groups records by a new key, for the aggregation that follows. Goes through a repartition
    /// topic.
    GroupBy(GroupBy),
    /// Aggregates grouped records: a table of one value per key.
    Aggregate(Aggregate),
    /// Counts grouped records: a table of one int per key.
    Count(Count),
    /// Combines grouped records, starting from the first: a table of one value per key.
    Reduce(Reduce),
    /// Joins each record of a stream with the table's value for its key; records without one are
    /// dropped.
    Join(Join),
    /// Joins each record of a stream with the table's value for its key, null where there is none.
    LeftJoin(Join),
    /// Sends each record to the first branch whose expression is true. Ends the stream: its branches
    /// are streams, by their names.
    Split(Split),
    /// Turns a stream into a table: the latest value of each key.
    ToTable(ToTable),
    /// Turns a table into the stream of its changes.
    ToStream(Empty),
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
            Self::SelectKey(_) => "selectKey",
            Self::Peek(_) => "peek",
            Self::GroupByKey(_) => "groupByKey",
            Self::GroupBy(_) => "groupBy",
            Self::Aggregate(_) => "aggregate",
            Self::Count(_) => "count",
            Self::Reduce(_) => "reduce",
            Self::Join(_) => "join",
            Self::LeftJoin(_) => "leftJoin",
            Self::Split(_) => "split",
            Self::ToTable(_) => "toTable",
            Self::ToStream(_) => "toStream",
            Self::To(_) => "to",
        }
    }
}

/// New key, new value, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Map {
    /// Expression for the new key. Default: the key as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub key: Option<String>,
    /// Expression for the new value. Default: the value as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub value: Option<String>,
}

/// What to log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Peek {
    /// Expression for the text to log. Default: the whole record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub message: Option<String>,
}

/// Groups by the key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupByKey {
    /// Name of the repartition topic, `<application id>-<name>-repartition`, should a step before have
    /// changed the key. Default: the name of the aggregation that follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub name: Option<String>,
    /// Formats on the repartition topic.
    #[serde(default)]
    pub serdes: Serdes,
}

/// Groups by a new key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupBy {
    /// Expression for the key.
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub key: String,
    /// Name of the repartition topic, `<application id>-<name>-repartition`. Default: the name of the
    /// aggregation that follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub name: Option<String>,
    /// Formats on the repartition topic.
    #[serde(default)]
    pub serdes: Serdes,
}

/// Aggregates grouped records. Records without key or value are dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Aggregate {
    /// Name of the store; its changelog topic is `<application id>-<name>-changelog`.
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub name: String,
    /// Expression, without variables, for the aggregate before a key's first record.
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub initial: String,
    /// Expression for the aggregate after one more record. Sees `key`, `value` and `aggregate`.
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub value: String,
    /// Formats of the store.
    #[serde(default)]
    pub serdes: Serdes,
    /// Keeps the store in memory instead of on disk; it is restored whole at each start. Default:
    /// false.
    #[serde(default)]
    pub in_memory: bool,
}

/// Counts grouped records. Records without key or value are not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Count {
    /// Name of the store; its changelog topic is `<application id>-<name>-changelog`.
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub name: String,
    /// Formats of the store. The value is `long` unless named otherwise.
    #[serde(default)]
    pub serdes: Serdes,
    /// Keeps the store in memory instead of on disk; it is restored whole at each start. Default:
    /// false.
    #[serde(default)]
    pub in_memory: bool,
}

/// Combines grouped records. Records without key or value are dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reduce {
    /// Name of the store; its changelog topic is `<application id>-<name>-changelog`.
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub name: String,
    /// Expression for the value after one more record; a key's first value is taken as it is. Sees
    /// `key`, `value` and `aggregate`.
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub value: String,
    /// Formats of the store.
    #[serde(default)]
    pub serdes: Serdes,
    /// Keeps the store in memory instead of on disk; it is restored whole at each start. Default:
    /// false.
    #[serde(default)]
    pub in_memory: bool,
}

/// Joins a stream with a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Join {
    /// Name of the table.
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub table: String,
    /// Expression for the joined value. Sees `key`, `left` (the record's value) and `right` (the
    /// table's value; in a left join null where there is none).
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub value: String,
    /// Name of the repartition topic, `<application id>-<name>-repartition`. Needed where a step
    /// before changed the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub name: Option<String>,
    /// Formats on the repartition topic. The key's is the table's.
    #[serde(default)]
    pub serdes: Serdes,
}

/// Sends each record to one of several branches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Split {
    /// The branches, in the order they are tried; 1 to 50.
    #[schemars(length(min = 1, max = limits::BRANCHES))]
    pub branches: Vec<Branch>,
    /// Name of the stream of records that no branch took. Default: they are dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub default: Option<String>,
}

/// A branch of a split.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Branch {
    /// Name of the branch's stream, for `from` and `merge` of others.
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub name: String,
    /// Expression that is true for the branch's records.
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub when: String,
}

/// Turns a stream into a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ToTable {
    /// Name of the store; its changelog topic is `<application id>-<name>-changelog`.
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub name: String,
    /// Formats of the store, and of the repartition topic should a step before have changed the key.
    #[serde(default)]
    pub serdes: Serdes,
    /// Keeps the store in memory instead of on disk; it is restored whole at each start. Default:
    /// false.
    #[serde(default)]
    pub in_memory: bool,
}

/// Nothing to say: write `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(!deny_unknown_fields)]
pub struct Empty {}

/// A topic to write to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct To {
    /// The topic. It must exist.
    #[schemars(length(min = 1, max = limits::TOPIC_LENGTH))]
    pub topic: String,
    /// Format of keys. Default: that of the input where the type still fits, else
    /// `spec.defaults.key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<SerdeName>,
    /// Format of values. Default: that of the input where the type still fits, else
    /// `spec.defaults.value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<SerdeName>,
    /// Another Kafka cluster to write to. Reserved: not supported yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::CLUSTER_LENGTH))]
    pub cluster: Option<String>,
}
