//! Joins.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::topology::{SerdeName, Serdes, duration};

/// A join. Exactly one of `table`, `stream` and `globalTable` names the right side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Join {
    /// Name of the table on the right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub table: Option<String>,
    /// Name of the stream on the right; may be the same one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub stream: Option<String>,
    /// Name of the global table on the right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub global_table: Option<String>,
    /// Expression for the value. Sees `key`, `left` and `right` (null where there is none).
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub value: String,
    /// With a global table: expression for the key to look up. Default: the record's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub lookup: Option<String>,
    /// Between tables: expression for the right table's key. Default: the left row's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::EXPRESSION_LENGTH))]
    pub foreign_key: Option<String>,
    /// With a stream: how much earlier than the left record the right one may be; this, `after`, or
    /// both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "duration")]
    pub before: Option<String>,
    /// With a stream: how much later it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "duration")]
    pub after: Option<String>,
    /// How long late records are waited for, with a stream, or held back, with a versioned table.
    /// Default: `0ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "duration")]
    pub grace: Option<String>,
    /// Name of its own topics and stores: needed where a step before changed the key, with a stream,
    /// and with a foreign key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub name: Option<String>,
    /// Between tables: name of a store to keep the result in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::NAME_LENGTH))]
    pub store: Option<String>,
    /// Formats of what has the `name`. Of a join with a table the key's is the table's.
    #[serde(default)]
    pub serdes: Serdes,
    /// With a stream: format of the right side's values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right_value: Option<SerdeName>,
    /// Keeps its stores in memory. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_memory: bool,
}
