//! Between bytes on a topic and values in a topology. Wire formats are those of Kafka's own
//! serializers, so that Java programs read what we write.
//!
//! A null value and a null record field are the same thing: `None` bytes read as
//! [`Value::Null`], and [`Value::Null`] is written as a null key or a tombstone.

use std::sync::Arc;

use millrace_crds::plan::SerdeKind;
use millrace_expr::{Bump, Value, json, parse_decimal, write_decimal};

/// Why bytes could not be read, or a value not be written.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SerdeError {
    /// The bytes are not of the declared format.
    #[error("not {format}: {reason}")]
    Malformed {
        /// The format's name, with its article.
        format: &'static str,
        /// What is wrong, with its place where there is one.
        reason: String,
    },
    /// The value has another type than the declared format can hold.
    #[error(
        "cannot write {found} as {format}; convert it in the expression or declare another serde"
    )]
    Mismatch {
        /// The format's name.
        format: &'static str,
        /// The value's type and an excerpt.
        found: String,
    },
}

/// Reads and writes one format. Implementations hold no per-record state.
pub trait Serde: Send + Sync {
    /// The format's name in the StreamApp, such as `json`.
    fn name(&self) -> &'static str;

    /// Reads bytes; composite values live in the arena or borrow the bytes.
    fn deserialize<'r>(&self, bytes: &'r [u8], arena: &'r Bump) -> Result<Value<'r>, SerdeError>;

    /// Appends the bytes of a value that is not null.
    fn serialize(&self, value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), SerdeError>;
}

/// The serde of a built-in format.
pub fn serde(kind: SerdeKind) -> Arc<dyn Serde> {
    Arc::new(BuiltIn(kind))
}

/// Bytes, string, JSON, int, long, double, decimal.
struct BuiltIn(SerdeKind);

/// A value's type and start, for error messages; never the whole of a large one.
fn excerpt(value: &Value<'_>) -> String {
    const SHOWN_CHARS: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}

fn fixed<const N: usize>(format: &'static str, bytes: &[u8]) -> Result<[u8; N], SerdeError> {
    bytes.try_into().map_err(|_| SerdeError::Malformed {
        format,
        reason: format!("{} bytes where {N} were expected", bytes.len()),
    })
}

fn text<'r>(format: &'static str, bytes: &'r [u8]) -> Result<&'r str, SerdeError> {
    std::str::from_utf8(bytes).map_err(|error| SerdeError::Malformed {
        format,
        reason: error.to_string(),
    })
}

impl Serde for BuiltIn {
    fn name(&self) -> &'static str {
        match self.0 {
            SerdeKind::Bytes => "bytes",
            SerdeKind::String => "string",
            SerdeKind::Json => "json",
            SerdeKind::Int => "int",
            SerdeKind::Long => "long",
            SerdeKind::Double => "double",
            SerdeKind::Decimal => "decimal",
        }
    }

    fn deserialize<'r>(&self, bytes: &'r [u8], arena: &'r Bump) -> Result<Value<'r>, SerdeError> {
        Ok(match self.0 {
            SerdeKind::Bytes => Value::Bytes(bytes),
            SerdeKind::String => Value::String(text("UTF-8 text", bytes)?),
            SerdeKind::Json => {
                json::parse(bytes, arena).map_err(|error| SerdeError::Malformed {
                    format: "JSON",
                    reason: error.to_string(),
                })?
            }
            SerdeKind::Int => Value::Int(i64::from(i32::from_be_bytes(fixed("an int", bytes)?))),
            SerdeKind::Long => Value::Int(i64::from_be_bytes(fixed("a long", bytes)?)),
            SerdeKind::Double => Value::Double(f64::from_be_bytes(fixed("a double", bytes)?)),
            SerdeKind::Decimal => {
                let text = text("a decimal", bytes)?;
                let decimal = parse_decimal(text).ok_or_else(|| SerdeError::Malformed {
                    format: "a decimal",
                    reason: "expected a number of at most 28 digits, such as 12.30".to_owned(),
                })?;
                Value::Decimal(decimal)
            }
        })
    }

    fn serialize(&self, value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        let mismatch = || SerdeError::Mismatch {
            format: self.name(),
            found: excerpt(value),
        };
        match (self.0, value) {
            (SerdeKind::Bytes, Value::Bytes(bytes)) => out.extend_from_slice(bytes),
            (SerdeKind::Bytes | SerdeKind::String, Value::String(text)) => {
                out.extend_from_slice(text.as_bytes());
            }
            (SerdeKind::Json, value) => {
                json::write(value, out).map_err(|error| SerdeError::Mismatch {
                    format: "json",
                    found: error.to_string(),
                })?;
            }
            (SerdeKind::Int, Value::Int(int)) => {
                let int = i32::try_from(*int).map_err(|_| mismatch())?;
                out.extend_from_slice(&int.to_be_bytes());
            }
            (SerdeKind::Long, Value::Int(int)) => out.extend_from_slice(&int.to_be_bytes()),
            (SerdeKind::Double, Value::Double(double)) => {
                out.extend_from_slice(&double.to_be_bytes());
            }
            (SerdeKind::Decimal, Value::Decimal(decimal)) => {
                write_decimal(*decimal, out);
            }
            (SerdeKind::Decimal, Value::Int(int)) => {
                out.extend_from_slice(int.to_string().as_bytes());
            }
            _ => return Err(mismatch()),
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn round_trip(kind: SerdeKind, bytes: &[u8]) -> Vec<u8> {
        let arena = Bump::new();
        let serde = serde(kind);
        let value = serde.deserialize(bytes, &arena).unwrap();
        let mut out = Vec::new();
        serde.serialize(&value, &mut out).unwrap();
        out
    }

    #[test]
    fn every_format_writes_back_what_it_read() {
        for (kind, bytes) in [
            (SerdeKind::Bytes, &b"\x00\xff"[..]),
            (SerdeKind::String, "grüße".as_bytes()),
            (SerdeKind::Json, br#"{"a":[1,12.30,null,"x"]}"#),
            (SerdeKind::Int, &[0xff, 0xff, 0xff, 0xfe]),
            (SerdeKind::Long, &[0, 0, 0, 0, 0, 0, 1, 0]),
            (SerdeKind::Double, &1.5f64.to_be_bytes()),
            (SerdeKind::Decimal, b"12.30"),
        ] {
            assert_eq!(round_trip(kind, bytes), bytes, "{kind:?}");
        }
    }

    #[test]
    fn wrong_bytes_are_refused_with_the_format_and_the_reason() {
        let arena = Bump::new();
        let error = serde(SerdeKind::Long)
            .deserialize(b"123", &arena)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "not a long: 3 bytes where 8 were expected"
        );
        assert!(
            serde(SerdeKind::String)
                .deserialize(b"\xff", &arena)
                .is_err()
        );
        assert!(serde(SerdeKind::Json).deserialize(b"{", &arena).is_err());
    }

    #[test]
    fn an_int_that_does_not_fit_four_bytes_is_refused() {
        let mut out = Vec::new();
        let big = Value::Int(i64::from(i32::MAX) + 1);
        assert!(serde(SerdeKind::Int).serialize(&big, &mut out).is_err());
    }
}
