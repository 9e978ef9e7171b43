//! JSON text to [`Value`] and back, with exact numbers.
//!
//! Hand-written for small records: one pass, strings borrowed from the input unless they are escaped,
//! everything else in the caller's arena, no other allocation. Strict RFC 8259, UTF-8 only.
//!
//! | JSON | value |
//! |---|---|
//! | a number without point and exponent that fits 64 bits | int |
//! | any other number of up to 28 digits | decimal, exactly as written (`12.30` keeps its zero) |
//! | longer numbers | an error: they would have to be rounded |
//! | objects | map in the order of the text; of a repeated name, the last value counts |
//!
//! Bytes are written as base64 text, doubles in their shortest form; both come back as what they
//! then look like.

use bumpalo::Bump;

use crate::Value;

mod parse;
mod plain;
mod write;

/// Deepest nesting of lists and objects that is read or written.
pub const MAX_DEPTH: usize = 64;

/// JSON that cannot be read, or a value that cannot be written as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON.
    #[error("invalid JSON at byte {offset}: expected {expected}, found {}", Found(*.found))]
    Syntax {
        /// Where, from 0.
        offset: usize,
        /// What would have been right there.
        expected: &'static str,
        /// The byte there; `None` at the end of the input.
        found: Option<u8>,
    },
    /// Not UTF-8.
    #[error("invalid JSON at byte {offset}: not UTF-8")]
    Utf8 {
        /// First byte that is wrong, from 0.
        offset: usize,
    },
    /// A number that a decimal of 28 digits cannot hold exactly.
    #[error("number at byte {offset} needs more than 28 digits and cannot be held exactly")]
    NumberTooLong {
        /// Where the number starts, from 0.
        offset: usize,
    },
    /// An escape that stands for no character: half of a surrogate pair.
    #[error("invalid JSON at byte {offset}: \\u escape is half of a surrogate pair")]
    LoneSurrogate {
        /// Where the escape starts, from 0.
        offset: usize,
    },
    /// Nesting beyond [`MAX_DEPTH`].
    #[error("JSON nested deeper than {MAX_DEPTH} levels at byte {offset}")]
    TooDeep {
        /// Where the level too many starts: in the input, or in the text written so far.
        offset: usize,
    },
    /// NaN or an infinity, which JSON has no number for.
    #[error("cannot write {0} as JSON: no such number; test for it, or convert it to a string")]
    NotFinite(
        /// `NaN`, `inf` or `-inf`.
        &'static str,
    ),
}

/// The byte an error found, for people.
struct Found(Option<u8>);

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            None => f.write_str("the end"),
            Some(byte @ b' '..=b'~') => write!(f, "`{}`", char::from(byte)),
            Some(byte) => write!(f, "byte 0x{byte:02x}"),
        }
    }
}

/// Reads one JSON document, with nothing but whitespace around it.
///
/// # Errors
/// [`JsonError`] with the byte offset of what is wrong.
pub fn parse<'r>(bytes: &'r [u8], arena: &'r Bump) -> Result<Value<'r>, JsonError> {
    parse::document(bytes, arena).map_err(|fault| *fault)
}

/// Appends a value as compact JSON. After an error, `out` ends in the middle of the value: the caller
/// cuts it back.
///
/// # Errors
/// [`JsonError::NotFinite`] and [`JsonError::TooDeep`].
pub fn write(value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), JsonError> {
    write::value(value, out, 0)
}

#[cfg(test)]
mod tests;
