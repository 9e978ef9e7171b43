//! [`Table`] and [`GlobalTable`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{OffsetResetName, SerdeName, Step, To};
use crate::limits;

/// A table: the latest value of each key. Exactly one of `topic` and `from` says where its records
/// come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = crate::rules::table()))]
pub struct Table {
    /// Topic to read: a record replaces the one before with the same key, one without a value deletes
    /// it, one without a key is dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::TOPIC_LENGTH))]
    pub topic: Option<String>,
    /// Name of the stream, table or branch it is derived from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub from: Option<String>,

    /// Format of keys on the topic and in the store (`topic` only). Default: `spec.defaults.key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<SerdeName>,
    /// Format of values on the topic and in the store (`topic` only). Default: `spec.defaults.value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<SerdeName>,
    /// Where to start while the application has no committed offset (`topic` only). Default:
    /// `earliest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_reset: Option<OffsetResetName>,

    /// Name of the table's store; its changelog topic is `<application id>-<store>-changelog`.
    /// Default for a table read from a topic: the table's name. A derived table that ends in
    /// `filter`, `filterNot` or `mapValues` is kept in a store only where this names one; joining it
    /// needs that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub store: Option<String>,
    /// Keeps the store in memory instead of on disk; it is restored whole at each start. Default:
    /// false.
    #[serde(default)]
    pub in_memory: bool,

    /// What is done with the records, in order (`from` only); at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::STEPS))]
    pub steps: Vec<Step>,
    /// Topic the table's changes are written to (`from` only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<To>,
}

/// A table of which every pod has all partitions. Not supported yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GlobalTable {
    /// Topic to read.
    #[schemars(length(min = 1, max = limits::TOPIC_LENGTH))]
    pub topic: String,
    /// Format of keys. Default: `spec.defaults.key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<SerdeName>,
    /// Format of values. Default: `spec.defaults.value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<SerdeName>,
    /// Name of the store. Default: the table's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub store: Option<String>,
}
