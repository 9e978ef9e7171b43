//! Steps that run a processor of the worker's image.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::topology::{SerdeName, Serdes, Versioned, duration};

/// A processor that the worker's image has registered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Process {
    /// Name it is registered by.
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub processor: String,
    /// Stores of its own, by name; at most 20.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = limits::PROCESSOR_STORES))]
    pub stores: BTreeMap<String, ProcessorStore>,
    /// Further stores it uses, at most 20: of other processors, or of tables and global
    /// tables, which it only reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::PROCESSOR_STORES), inner(length(min = 1, max = limits::NAME_LENGTH)))]
    pub uses: Vec<String>,
    /// Names it forwards to, at most 50: the streams that this one ends in. Default: what follows it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::BRANCHES), inner(length(min = 1, max = limits::NAME_LENGTH)))]
    pub outputs: Vec<String>,
    /// Formats, and so types, of what it forwards. Default: formats of the input, types not known.
    #[serde(default)]
    pub serdes: Serdes,
}

/// A store of a processor. Every row has a time beside its value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "Every row has a time beside its value.")]
pub struct ProcessorStore {
    /// Format of keys. Default: `spec.defaults.key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<SerdeName>,
    /// Format of values. Default: `spec.defaults.value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<SerdeName>,
    /// A value per key and window. Default: one per key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<ProcessorWindow>,
    /// A value per key and session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<ProcessorSession>,
    /// Versions of each key's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versioned: Option<Versioned>,
    /// Kept in memory: restored whole at each start. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_memory: bool,
    /// Logged to its changelog topic. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging: Option<bool>,
}

/// Windows of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProcessorWindow {
    /// Length of a window, such as `5m`.
    #[schemars(schema_with = "duration")]
    pub size: String,
    /// How long one is kept after its start, by the times written; at least `size`.
    #[schemars(schema_with = "duration")]
    pub retention: String,
}

/// Sessions of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProcessorSession {
    /// How long one is kept after its end, by the times written.
    #[schemars(schema_with = "duration")]
    pub retention: String,
}
