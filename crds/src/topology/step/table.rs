//! Steps that make, keep or hold back a table.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::topology::{Serdes, duration};

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
}

/// Earlier versions of a table's rows (KIP-889).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Versioned {
    /// How long versions can be asked for, and late records are taken; such as `1h`.
    #[schemars(schema_with = "duration")]
    pub retention: String,
}

/// Nothing to say: write `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(!deny_unknown_fields)]
pub struct Empty {}

/// Holds a table's changes back. Exactly one of `untilWindowCloses` and `untilTimeLimit` is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Suppress {
    /// Name of what is held back; its changelog topic is `<application id>-<name>-changelog`.
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub name: String,
    /// Until no record can change the window any more: each window gives one result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_window_closes: Option<Empty>,
    /// For so long, by the records' times; of several changes of a key the last is passed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "duration")]
    pub until_time_limit: Option<String>,
    /// Keys held back at most. Default: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_records: Option<i64>,
    /// Bytes held back at most. Default: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_bytes: Option<i64>,
    /// What is done at a bound. Default: `stop`.
    #[serde(default)]
    pub when_full: WhenFull,
    /// Formats of what is held back.
    #[serde(default)]
    pub serdes: Serdes,
    /// Logs what is held back to the changelog topic. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging: Option<bool>,
}

/// What a suppression does at a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, transform = crate::topology::field_describes)]
pub enum WhenFull {
    /// The application stops.
    #[default]
    Stop,
    /// The oldest change goes early; not `untilWindowCloses`.
    EmitEarly,
}
