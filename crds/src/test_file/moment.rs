//! [`Moment`] and [`Span`]: times in test files.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};

use crate::duration::parse_duration;

/// A time: `1700000000000`, ms since the epoch; or `10m`, so long after the start of the case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Milliseconds since the epoch.
    Epoch(i64),
    /// Milliseconds after the start of the case.
    AfterStart(i64),
}

impl Moment {
    /// Milliseconds since the epoch, in a case that begins at `start`.
    pub fn ms(self, start: i64) -> i64 {
        match self {
            Self::Epoch(ms) => ms,
            Self::AfterStart(ms) => start.saturating_add(ms),
        }
    }
}

/// A length of time, such as `1h30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Milliseconds.
    pub ms: i64,
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MomentVisitor)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(MomentVisitor)? {
            Moment::AfterStart(ms) => Ok(Self { ms }),
            Moment::Epoch(ms) => Err(de::Error::custom(format!(
                "expected a duration such as `10s`, found `{ms}`: a number without a unit"
            ))),
        }
    }
}

struct MomentVisitor;

impl Visitor<'_> for MomentVisitor {
    type Value = Moment;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time: ms since the epoch, or a duration such as `10m`")
    }

    fn visit_i64<E: de::Error>(self, ms: i64) -> Result<Moment, E> {
        Ok(Moment::Epoch(ms))
    }

    fn visit_u64<E: de::Error>(self, ms: u64) -> Result<Moment, E> {
        let ms = i64::try_from(ms);
        ms.map(Moment::Epoch)
            .map_err(|_| E::custom("a time must fit 64 bits, in ms since the epoch"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Moment, E> {
        parse_duration(text).map(Moment::AfterStart).ok_or_else(|| {
            E::custom(format!(
                "expected a time: a duration such as `500ms`, `10s`, `1h30m`, or ms since the epoch; \
                 found `{text}`"
            ))
        })
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "description": "Milliseconds since the epoch, or a duration after the start such as 1h30m.",
            "oneOf": [{"type": "integer"}, {"type": "string", "pattern": DURATION}],
        })
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({"type": "string", "pattern": DURATION})
    }
}

/// What [`parse_duration`] reads, nearly.
const DURATION: &str = "^([0-9]+(d|h|m|s|ms))+$";
