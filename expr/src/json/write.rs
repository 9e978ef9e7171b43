//! The writer.

use super::plain::plain_length;
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

fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (plain, special) = rest.split_at(plain_length(rest));
        out.extend_from_slice(plain);
        let Some((&byte, behind)) = special.split_first() else {
            break;
        };
        escape(byte, out);
        rest = behind;
    }
    out.push(b'"');
}

/// A quote, a backslash or a control character, in its shortest form.
#[cold]
fn escape(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let letter = match byte {
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        b'"' | b'\\' => byte,
        _ => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[(byte >> 4) as usize], HEX[(byte & 15) as usize]]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
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
