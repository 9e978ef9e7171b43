//! Steps that keep no state.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::topology::{SerdeName, Serdes};

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

/// None, one or several records for each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FlatMap {
    /// Expression for the list.
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub elements: String,
    /// Expression for each record's key. Sees `element` too. Default: the key as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub key: Option<String>,
    /// Expression for each record's value. Sees `element` too. Default: the element.
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

/// What to print.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Print {
    /// Stands before each line, in brackets.
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub label: String,
    /// Expression for the text. Default: key and value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub message: Option<String>,
}

/// A repartition topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Repartition {
    /// Name of the topic, `<application id>-<name>-repartition`.
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub name: String,
    /// Its partitions, 1 to 10000. Default: as many as the topics its records come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = limits::PARTITIONS))]
    pub partitions: Option<i32>,
    /// Formats on the topic.
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

/// A topic to write to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct To {
    /// The topic; this or `topicFrom`. It must exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::TOPIC_LENGTH))]
    pub topic: Option<String>,
    /// Expression for each record's topic; where it does not exist, `spec.errors.production` holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub topic_from: Option<String>,
    /// Format of keys. Default: the input's where it fits, else `spec.defaults.key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<SerdeName>,
    /// Format of values. Default: the input's where it fits, else `spec.defaults.value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<SerdeName>,
    /// Reserved, for another Kafka cluster to write to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::CLUSTER_LENGTH))]
    pub cluster: Option<String>,
}
