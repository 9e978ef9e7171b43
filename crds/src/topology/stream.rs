//! [`Stream`]: a source of records, or one derived from others.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{InvalidTimestamp, OffsetResetName, SerdeName, Step, To};
use crate::limits;
use crate::stream_app::ErrorPolicy;

/// A stream. Exactly one of `topic`, `topics`, `topicPattern`, `from` and `merge` says where its
/// records come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = crate::rules::stream()))]
pub struct Stream {
    /// Topic to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::TOPIC_LENGTH))]
    pub topic: Option<String>,
    /// Topics to read, all in the same formats; 1 to 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::TOPICS))]
    #[schemars(inner(length(min = 1, max = limits::TOPIC_LENGTH)))]
    pub topics: Option<Vec<String>>,
    /// Regular expression for the whole names of the topics to read, also of those created later; at
    /// most 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::TOPIC_LENGTH))]
    pub topic_pattern: Option<String>,
    /// Name of the stream, table or branch it is derived from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub from: Option<String>,
    /// Names of the streams it merges, 2 to 50. Records of different inputs have no order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = limits::MERGED))]
    #[schemars(inner(length(min = 1, max = limits::NAME_LENGTH)))]
    pub merge: Option<Vec<String>>,

    /// Format of keys on the topic (sources only). Default: `spec.defaults.key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<SerdeName>,
    /// Format of values on the topic (sources only). Default: `spec.defaults.value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<SerdeName>,
    /// Where to start while the application has no committed offset (sources only).
    /// Default: `earliest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_reset: Option<OffsetResetName>,
    /// Expression for a record's time, an int in milliseconds since 1970 (sources only); or
    /// `wallClock`, the time of processing. Sees `key`, `value`, `timestamp`, `headers`, `topic`.
    /// Default: the record's own timestamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub timestamp: Option<String>,
    /// What is done with a record whose time is missing or negative (sources only): `fail` counts it as
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

    /// What is done with the records, in order (`from` and `merge` only); at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::STEPS))]
    pub steps: Vec<Step>,
    /// Topic the results are written to (`from` and `merge` only). The stream can still feed others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<To>,
}
