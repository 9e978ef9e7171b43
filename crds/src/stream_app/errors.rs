//! [`ErrorsSpec`]: records that cannot be read, processed or written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;

/// What to do with records that cannot be read, processed or written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErrorsSpec {
    /// Records whose key or value is not of the source's format. Default: `deadLetter`.
    #[serde(default)]
    pub deserialization: ErrorPolicy,
    /// Records on which an expression fails (a missing field, an overflow). Default: `deadLetter`.
    #[serde(default)]
    pub processing: ErrorPolicy,
    /// Results that cannot be written: not of the sink's format, or too large for the topic. Default:
    /// `deadLetter`.
    #[serde(default)]
    pub production: ErrorPolicy,
    /// Topic of dead letters: the original bytes, with headers that tell topic, partition, offset and
    /// reason (KIP-1034). Created with 1 partition if it does not exist. Default:
    /// `<application id>-dead-letter`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::TOPIC_LENGTH))]
    #[schemars(regex(pattern = r"^[a-zA-Z0-9._-]+$"))]
    pub dead_letter_topic: Option<String>,
}

impl ErrorsSpec {
    /// Whether any kind of failure is written to the dead-letter topic.
    pub fn uses_dead_letters(&self) -> bool {
        [self.deserialization, self.processing, self.production].contains(&ErrorPolicy::DeadLetter)
    }
}

/// What becomes of a record that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ErrorPolicy {
    /// It is written to the dead-letter topic, in the same transaction, and processing goes on.
    #[default]
    DeadLetter,
    /// The application stops before the record, and says why.
    Stop,
}
