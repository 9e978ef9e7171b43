//! [`Value`]: what expressions read and produce.

use std::fmt;

use rust_decimal::Decimal;

mod compare;

pub(crate) use compare::{compare, compare_numbers, equal};

/// A value that borrows all its parts, from the input bytes or from an arena: it is `Copy`, and
/// making one allocates nothing but arena space.
///
/// `==` is the language's equality: numbers are equal when they are numerically, whatever their kind
/// and scale (`1 == 1.0 == 1.00`), compared exactly; lists in order; maps without order.
// A tag of a whole word: with one of a byte the compiler copies what is behind it in pieces that do not
// lie on words, which the processor cannot take from writes still under way (docs/decisions/014).
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub enum Value<'r> {
    /// Nothing: JSON null, a missing join partner, a deleted value.
    Null,
    /// true or false.
    Bool(bool),
    /// 64-bit signed integer.
    Int(i64),
    /// Exact decimal; keeps its scale (`12.30` has 2).
    Decimal(Decimal),
    /// IEEE 754, 64 bits.
    Double(f64),
    /// UTF-8 text.
    String(&'r str),
    /// Bytes.
    Bytes(&'r [u8]),
    /// Elements in order.
    List(&'r [Value<'r>]),
    /// Entries in the order they were written; no name occurs twice.
    Map(&'r [(&'r str, Value<'r>)]),
}

impl<'r> Value<'r> {
    /// The field of a map; `None` where there is no such field or this is no map.
    #[inline]
    pub fn get(&self, field: &str) -> Option<Value<'r>> {
        match self {
            Self::Map(entries) => entries
                .iter()
                .find(|(name, _)| *name == field)
                .map(|(_, value)| *value),
            _ => None,
        }
    }

    /// Whether this is null.
    #[inline]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// What kind of value this is, for messages: `null`, `bool`, `int`, `decimal`, `double`, `string`,
    /// `bytes`, `list` or `map`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Decimal(_) => "decimal",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Map(_) => "map",
        }
    }
}

impl fmt::Display for Value<'_> {
    /// For people: like JSON, with decimals as written, and bytes as `b"…"` with escapes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Int(i) => write!(f, "{i}"),
            Self::Decimal(d) => write!(f, "{d}"),
            Self::Double(d) => write!(f, "{d:?}"),
            Self::String(s) => write!(f, "{s:?}"),
            Self::Bytes(b) => write!(f, "b\"{}\"", b.escape_ascii()),
            Self::List(elements) => {
                f.write_str("[")?;
                for (i, element) in elements.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{element}")?;
                }
                f.write_str("]")
            }
            Self::Map(entries) => {
                f.write_str("{")?;
                for (i, (name, value)) in entries.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{name:?}: {value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Value;
    use crate::EvalError;

    #[test]
    fn values_and_results_stay_three_words() {
        assert_eq!(size_of::<Value<'_>>(), 24);
        assert_eq!(size_of::<Result<Value<'_>, EvalError>>(), 24);
    }
}
