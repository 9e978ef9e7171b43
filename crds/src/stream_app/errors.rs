//! [`ErrorsSpec`]: records that cannot be read, processed or written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;

/// What to do with records that cannot be read, processed or written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErrorsSpec {
    /// Records whose key or value is not of the source's format, `deadLetter` or `stop`: read again they
    /// would fail again. Default: `deadLetter`.
    #[serde(default)]
    pub deserialization: ErrorPolicy,
    /// Records on which an expression fails (a missing field, an overflow). Default: `deadLetter`.
    #[serde(default)]
    pub processing: ErrorPolicy,
    /// Results that cannot be written: not of the sink's format, or too large for the topic. Default:
    /// `deadLetter`.
    #[serde(default)]
    pub production: ErrorPolicy,
    /// How `retry` tries again, and what it does when that did not help.
    #[serde(default)]
    pub retry: RetrySpec,
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
        let policies = [self.deserialization, self.processing, self.production];
        policies.iter().any(|&policy| self.may_dead_letter(policy))
    }

    /// Whether a policy writes to the dead-letter topic, perhaps after some attempts.
    pub fn may_dead_letter(&self, policy: ErrorPolicy) -> bool {
        match policy {
            ErrorPolicy::DeadLetter => true,
            ErrorPolicy::Stop => false,
            ErrorPolicy::Retry => self.retry.then == AfterRetries::DeadLetter,
        }
    }
}

/// How often and how soon a record is tried again. Each attempt begins at the last commit: nothing of the
/// one before is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetrySpec {
    /// Attempts after the first, 1 to 100. Default: 5.
    #[serde(default = "attempts")]
    #[schemars(range(min = 1, max = limits::RETRY_ATTEMPTS))]
    pub attempts: i32,
    /// Milliseconds before the first of them, 1 to 10000, doubled up to 10000. Default: 100.
    #[serde(default = "backoff_ms")]
    #[schemars(range(min = 1, max = limits::RETRY_BACKOFF_MS))]
    pub backoff_ms: i64,
    /// What becomes of a record that still fails. Default: `deadLetter`.
    #[serde(default)]
    pub then: AfterRetries,
}

impl Default for RetrySpec {
    fn default() -> Self {
        Self {
            attempts: attempts(),
            backoff_ms: backoff_ms(),
            then: AfterRetries::default(),
        }
    }
}

fn attempts() -> i32 {
    5
}

fn backoff_ms() -> i64 {
    100
}

/// What becomes of a record that failed as often as it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, transform = crate::topology::field_describes)]
pub enum AfterRetries {
    /// As [`ErrorPolicy::DeadLetter`].
    #[default]
    DeadLetter,
    /// As [`ErrorPolicy::Stop`].
    Stop,
}

/// What becomes of a record that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, transform = crate::topology::field_describes)]
pub enum ErrorPolicy {
    /// It is written to the dead-letter topic, in the same transaction, and processing goes on.
    #[default]
    DeadLetter,
    /// The application stops before the record, and says why.
    Stop,
    /// The thread goes back to its last commit and tries again, a few times.
    Retry,
}
