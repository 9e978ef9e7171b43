//! Groups, and what is made of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::topology::Serdes;

/// Groups by the key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupByKey {
    /// Name of the repartition topic, `<application id>-<name>-repartition`, should a step before
    /// have changed the key. Default: the name of the aggregation that follows.
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
    /// Expression for the value; of tables only. Default: the value as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub value: Option<String>,
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
    /// Expression for the aggregate without one of its values. Sees the same. Needed where a table was
    /// grouped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub subtract: Option<String>,
    /// Expression for one aggregate of two sessions that a record joins. Sees `key`, `left` and
    /// `right`. Needed over sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub merge: Option<String>,
    /// Formats of the store.
    #[serde(default)]
    pub serdes: Serdes,
    /// Kept in memory: restored whole at each start. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_memory: bool,
    /// Logged to its changelog topic. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging: Option<bool>,
    /// Forwards a key's last change, once a commit. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub caching: bool,
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
    /// Kept in memory: restored whole at each start. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_memory: bool,
    /// Logged to its changelog topic. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging: Option<bool>,
    /// Forwards a key's last change, once a commit. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub caching: bool,
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
    /// Expression for the value without one of those in it. Sees the same. Needed where a table was
    /// grouped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub subtract: Option<String>,
    /// Formats of the store.
    #[serde(default)]
    pub serdes: Serdes,
    /// Kept in memory: restored whole at each start. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_memory: bool,
    /// Logged to its changelog topic. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging: Option<bool>,
    /// Forwards a key's last change, once a commit. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub caching: bool,
}

/// Aggregates the groups of several streams into one table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cogroup {
    /// Name of the store; its changelog topic is `<application id>-<name>-changelog`.
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub name: String,
    /// Expression, without variables, for the aggregate before a key's first record.
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub initial: String,
    /// Expression for the aggregate after one more record of this stream. Sees `key`, `value` and
    /// `aggregate`.
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub value: String,
    /// The other streams, at most 20. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::COGROUPED))]
    pub with: Vec<Cogrouped>,
    /// Expression for one aggregate of two sessions that a record joins. Sees `key`, `left` and
    /// `right`. Needed over sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub merge: Option<String>,
    /// Formats of the store.
    #[serde(default)]
    pub serdes: Serdes,
    /// Kept in memory: restored whole at each start. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_memory: bool,
    /// Logged to its changelog topic. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging: Option<bool>,
    /// Forwards a key's last change, once a commit. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub caching: bool,
}

/// Another stream of a cogroup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cogrouped {
    /// Name of the stream.
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub stream: String,
    /// Expression for the key it is grouped by. Default: the key it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub key: Option<String>,
    /// Expression for the aggregate after one more of its records. Sees `key`, `value` and
    /// `aggregate`.
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub value: String,
    /// Name of its repartition topic. Needed where its key changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub name: Option<String>,
}
