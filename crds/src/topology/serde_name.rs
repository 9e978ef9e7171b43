//! Names of formats and of starting points, as users write them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::plan::{InvalidTime, OffsetReset, SerdeKind};

/// Leaves the description of an enum to the field that has it: in a CRD's schema, where nothing is
/// shared, the enum's own would replace the field's.
pub(crate) fn field_describes(schema: &mut schemars::Schema) {
    schema.remove("description");
}

/// Schema of a duration such as `1h30m` (see [`parse_duration`](crate::parse_duration)).
pub(crate) fn duration(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "string",
        "maxLength": limits::DURATION_LENGTH,
        "pattern": "^([0-9]+(d|h|m|s|ms))+$",
    })
}

/// A format of keys or values on a topic. The bytes are those of Kafka's own serializers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline, transform = field_describes)]
pub enum SerdeName {
    /// The bytes as they are.
    #[default]
    Bytes,
    /// UTF-8 text.
    String,
    /// JSON text; numbers stay exact decimals.
    Json,
    /// 4 bytes, big endian, signed.
    Int,
    /// 8 bytes, big endian, signed.
    Long,
    /// 8 bytes, IEEE 754, big endian.
    Double,
    /// Decimal text, such as `12.30`.
    Decimal,
}

impl From<SerdeKind> for SerdeName {
    fn from(kind: SerdeKind) -> Self {
        match kind {
            SerdeKind::Bytes => Self::Bytes,
            SerdeKind::String => Self::String,
            SerdeKind::Json => Self::Json,
            SerdeKind::Int => Self::Int,
            SerdeKind::Long => Self::Long,
            SerdeKind::Double => Self::Double,
            SerdeKind::Decimal => Self::Decimal,
        }
    }
}

impl From<SerdeName> for SerdeKind {
    fn from(name: SerdeName) -> Self {
        match name {
            SerdeName::Bytes => Self::Bytes,
            SerdeName::String => Self::String,
            SerdeName::Json => Self::Json,
            SerdeName::Int => Self::Int,
            SerdeName::Long => Self::Long,
            SerdeName::Double => Self::Double,
            SerdeName::Decimal => Self::Decimal,
        }
    }
}

impl fmt::Display for SerdeKind {
    /// The format's name in the topology language.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "bytes",
            Self::String => "string",
            Self::Json => "json",
            Self::Int => "int",
            Self::Long => "long",
            Self::Double => "double",
            Self::Decimal => "decimal",
        })
    }
}

/// Formats of a store or of an internal topic. What is left out is taken over from the input where
/// its type still fits, else from `spec.defaults`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Serdes {
    /// Key format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<SerdeName>,
    /// Value format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<SerdeName>,
}

/// Where a source without a committed offset starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, transform = field_describes)]
pub enum OffsetResetName {
    /// The oldest record.
    #[default]
    Earliest,
    /// Records written from now on.
    Latest,
}

impl From<OffsetResetName> for OffsetReset {
    fn from(name: OffsetResetName) -> Self {
        match name {
            OffsetResetName::Earliest => Self::Earliest,
            OffsetResetName::Latest => Self::Latest,
        }
    }
}

/// What is done with a record without a valid time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, transform = field_describes)]
pub enum InvalidTimestamp {
    /// It counts as one that cannot be read.
    Fail,
    /// It is dropped.
    Skip,
    /// It has the highest time seen in its partition.
    UsePartitionTime,
}

impl From<InvalidTimestamp> for InvalidTime {
    fn from(name: InvalidTimestamp) -> Self {
        match name {
            InvalidTimestamp::Fail => Self::Fail,
            InvalidTimestamp::Skip => Self::Skip,
            InvalidTimestamp::UsePartitionTime => Self::UsePartitionTime,
        }
    }
}
