//! [`Table`] and [`GlobalTable`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{InvalidTimestamp, OffsetResetName, SerdeName, Step, To, Versioned};
use crate::limits;
use crate::stream_app::ErrorPolicy;

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
    /// Expression for a record's time, or `wallClock`, as of a stream (`topic` only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub timestamp: Option<String>,
    /// What is done with a record whose time is missing or negative (`topic` only): `fail` counts it as
    /// unreadable, `skip` drops it, `usePartitionTime` gives it the highest time seen. Default: `fail`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid_timestamp: Option<InvalidTimestamp>,
    /// `spec.errors.deserialization` of this source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deserialization_errors: Option<ErrorPolicy>,
    /// `spec.errors.processing` of this source's records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processing_errors: Option<ErrorPolicy>,
    /// `spec.errors.production` of this source's records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub production_errors: Option<ErrorPolicy>,

    /// Name of the table's store; its changelog topic is `<application id>-<store>-changelog`.
    /// Default for a table read from a topic: the table's name. A derived table that ends in
    /// `filter`, `filterNot` or `mapValues` is kept in a store only where this names one; joining it
    /// needs that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub store: Option<String>,
    /// Kept in memory: restored whole at each start. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_memory: bool,
    /// Logged to its changelog topic. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging: Option<bool>,
    /// Forwards a key's last change, once a commit. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub caching: bool,
    /// Keeps earlier versions too. Default: the latest alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versioned: Option<Versioned>,

    /// What is done with the records, in order (`from` only); at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::STEPS))]
    pub steps: Vec<Step>,
    /// Topic the table's changes are written to (`from` only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<To>,
}

/// A table of which every pod has all partitions: joined by any key, without regard to partitions. It
/// has no changelog; the topic should be compacted.
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
    /// Keeps it in memory instead of on disk; the topic is read whole at each start. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_memory: bool,
}
