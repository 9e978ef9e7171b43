//! [`Exact`]: a decimal inside JSON.

use std::fmt;

use millrace_expr::{Decimal, parse_decimal};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Name by which reader and writer know it: nobody else's newtype has it.
pub(super) const NAME: &str = "$millrace::Exact";

/// An exact number in a field of a [`Json`](super::Json) value: a JSON number of at most 28 digits,
/// whose trailing zeros are kept. Other serde formats have it as text.
///
/// ```
/// # use millrace_expr::parse_decimal;
/// # use millrace_worker::data::Exact;
/// let (one, other) = (parse_decimal("12.30").unwrap(), parse_decimal("0.7").unwrap());
/// assert_eq!(Exact(one + other).to_string(), "13.00");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exact(pub Decimal);

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Decimal> for Exact {
    fn from(decimal: Decimal) -> Self {
        Self(decimal)
    }
}

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(NAME, &Text(self.0))
    }
}

/// The decimal as text.
struct Text(Decimal);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(NAME, ExactVisitor)
    }
}

struct ExactVisitor;

impl<'de> Visitor<'de> for ExactVisitor {
    type Value = Exact;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of at most 28 digits")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Exact, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_i64<E: Error>(self, int: i64) -> Result<Exact, E> {
        Ok(Exact(Decimal::from(int)))
    }

    fn visit_u64<E: Error>(self, int: u64) -> Result<Exact, E> {
        Ok(Exact(Decimal::from(int)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Exact, E> {
        let decimal = parse_decimal(text);
        decimal
            .map(Exact)
            .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}
