//! The writer.

use super::{JsonError, MAX_DEPTH};
use crate::Value;
use crate::decimal::write_decimal;

/// Appends a value that stands inside `depth` lists and objects.
pub(super) fn value(value: &Value<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), JsonError> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(value) => int(*value, out),
        Value::Decimal(value) => write_decimal(*value, out),
        Value::Double(value) => double(*value, out)?,
        Value::String(text) => string(text, out),
        Value::Bytes(bytes) => base64(bytes, out),
        Value::List(elements) => {
            open(b'[', out, depth)?;
            for (i, element) in elements.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                self::value(element, out, depth + 1)?;
            }
            out.push(b']');
        }
        Value::Map(entries) => {
            open(b'{', out, depth)?;
            for (i, (name, field)) in entries.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                string(name, out);
                out.push(b':');
                self::value(field, out, depth + 1)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

#[inline]
fn open(bracket: u8, out: &mut Vec<u8>, depth: usize) -> Result<(), JsonError> {
    if depth >= MAX_DEPTH {
        return Err(JsonError::TooDeep { offset: out.len() });
    }
    out.push(bracket);
    Ok(())
}

fn int(value: i64, out: &mut Vec<u8>) {
    let mut buffer = [0_u8; 20];
    let mut at = buffer.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        buffer[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        at -= 1;
        buffer[at] = b'-';
    }
    out.extend_from_slice(&buffer[at..]);
}

/// The shortest text that reads back as the same double; `1.0` keeps its point.
fn double(value: f64, out: &mut Vec<u8>) -> Result<(), JsonError> {
    use std::io::Write;
    if !value.is_finite() {
        return Err(JsonError::NotFinite(match value {
            _ if value.is_nan() => "NaN",
            _ if value > 0.0 => "inf",
            _ => "-inf",
        }));
    }
    // Writing to a vector cannot fail.
    let _ = write!(out, "{value:?}");
    Ok(())
}

/// What stands behind the backslash for each ASCII character: 0 for none, `u` for `\u00XX`.
const ESCAPES: [u8; 128] = {
    let mut table = [0; 128];
    let mut i = 0;
    while i < 0x20 {
        table[i] = b'u';
        i += 1;
    }
    table[0x08] = b'b';
    table[0x0c] = b'f';
    table[b'\n' as usize] = b'n';
    table[b'\r' as usize] = b'r';
    table[b'\t' as usize] = b't';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut plain = 0;
    for (i, &byte) in bytes.iter().enumerate() {
        let escape = if byte < 128 {
            ESCAPES[byte as usize]
        } else {
            0
        };
        if escape == 0 {
            continue;
        }
        out.extend_from_slice(&bytes[plain..i]);
        out.extend_from_slice(&[b'\\', escape]);
        if escape == b'u' {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            out.extend_from_slice(b"00");
            out.extend_from_slice(&[HEX[(byte >> 4) as usize], HEX[(byte & 15) as usize]]);
        }
        plain = i + 1;
    }
    out.extend_from_slice(&bytes[plain..]);
    out.push(b'"');
}

/// A string of base64 (RFC 4648 §4, with padding).
fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out.push(b'"');
    for group in bytes.chunks(3) {
        let byte = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) & 63;
            out.push(if digit > group.len() {
                b'='
            } else {
                DIGITS[index as usize]
            });
        }
    }
    out.push(b'"');
}
