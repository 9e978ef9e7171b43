//! Windows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::topology::duration;

/// Divides groups by time. Exactly one of `tumbling`, `hopping`, `sliding` and `session` is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WindowedBy {
    /// Windows of one length, one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tumbling: Option<Tumbling>,
    /// Windows of one length that overlap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hopping: Option<Hopping>,
    /// A window for each set of records that are close to each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sliding: Option<Sliding>,
    /// Records without a long pause between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
    /// How long after its end a window takes late records, such as `1m`. Default: `0ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "duration")]
    pub grace: Option<String>,
    /// How long windows are kept, for queries. Default, and least: as long as they can change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "duration")]
    pub retention: Option<String>,
    /// When results go on: at each record, or once when the window has closed. Default: `onUpdate`.
    #[serde(default)]
    pub emit: EmitName,
}

/// Windows of one length, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tumbling {
    /// Their length, such as `10m`.
    #[schemars(schema_with = "duration")]
    pub size: String,
}

/// Windows of one length that overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hopping {
    /// Their length, such as `10m`.
    #[schemars(schema_with = "duration")]
    pub size: String,
    /// From one window's start to the next one's; at most the size.
    #[schemars(schema_with = "duration")]
    pub advance: String,
}

/// A window for each set of records that are close to each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sliding {
    /// Largest difference in time between two records of a window.
    #[schemars(schema_with = "duration")]
    pub difference: String,
}

/// Records without a long pause between them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Session {
    /// Longest pause within a session.
    #[schemars(schema_with = "duration")]
    pub gap: String,
}

/// When the results of windows go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, transform = crate::topology::field_describes)]
pub enum EmitName {
    /// At each record.
    #[default]
    OnUpdate,
    /// Once, when the window has closed.
    OnWindowClose,
}
