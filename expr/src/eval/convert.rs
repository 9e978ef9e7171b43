//! `int`, `decimal`, `double`, `string`, `bool` and `bytes`: the explicit ways from one kind to
//! another. What would lose its meaning is an error.

use rust_decimal::prelude::ToPrimitive;

use super::{Context, Outcome, article, text};
use crate::decimal::parse_decimal;
use crate::node::At;
use crate::{Decimal, EvalError, Value};

#[cold]
fn refuse(cx: &Context<'_, '_>, value: &Value<'_>, to: &str, at: At) -> EvalError {
    cx.error(at, |text| match value {
        Value::Int(_) | Value::Decimal(_) | Value::Double(_) => {
            format!("{value} does not fit {to} in `{text}`")
        }
        Value::String(string) if string.len() <= 100 => {
            format!("{string:?} is no {to} in `{text}`")
        }
        _ => format!("cannot make {} a {to} in `{text}`", article(value)),
    })
}

const TWO_TO_63: f64 = (1_u64 << 63) as f64;

/// Decimals and doubles lose what stands after the point.
pub(super) fn int<'r>(cx: &Context<'_, 'r>, value: &Value<'r>, at: At) -> Outcome<'r> {
    let int = match value {
        Value::Int(value) => Some(*value),
        Value::Decimal(value) => value.trunc().to_i64(),
        // The lower end fits, the upper is the first that does not; both are exact doubles.
        Value::Double(value) if (-TWO_TO_63..TWO_TO_63).contains(value) => Some(*value as i64),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    int.map(Value::Int)
        .ok_or_else(|| refuse(cx, value, "int", at))
}

/// Of a double, the decimal that its shortest text names: 0.1 gives 0.1.
pub(super) fn decimal<'r>(cx: &Context<'_, 'r>, value: &Value<'r>, at: At) -> Outcome<'r> {
    let decimal = match value {
        Value::Int(value) => Some(Decimal::from(*value)),
        Value::Decimal(value) => Some(*value),
        Value::Double(value) => {
            let mut shortest = bumpalo::collections::String::new_in(cx.arena);
            // Writing into the arena cannot fail.
            let _ = std::fmt::Write::write_fmt(&mut shortest, format_args!("{value:?}"));
            parse_decimal(&shortest)
        }
        Value::String(text) => parse_decimal(text),
        _ => None,
    };
    decimal
        .map(Value::Decimal)
        .ok_or_else(|| refuse(cx, value, "decimal", at))
}

/// The nearest double.
pub(super) fn double<'r>(cx: &Context<'_, 'r>, value: &Value<'r>, at: At) -> Outcome<'r> {
    let double = match value {
        Value::Int(value) => Some(*value as f64),
        Value::Double(value) => Some(*value),
        Value::Decimal(value) => {
            let mut digits = bumpalo::collections::String::new_in(cx.arena);
            // Writing into the arena cannot fail.
            let _ = std::fmt::Write::write_fmt(&mut digits, format_args!("{value}"));
            digits.parse().ok()
        }
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    double
        .map(Value::Double)
        .ok_or_else(|| refuse(cx, value, "double", at))
}

/// Numbers as JSON would have them, so a decimal keeps its scale; bytes must be UTF-8.
pub(super) fn string<'r>(cx: &Context<'_, 'r>, value: &Value<'r>, at: At) -> Outcome<'r> {
    match value {
        Value::String(_) => Ok(*value),
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Value::String(text)),
            Err(_) => Err(cx.error(at, |text| format!("bytes that are not UTF-8 in `{text}`"))),
        },
        Value::Null | Value::List(_) | Value::Map(_) => Err(refuse(cx, value, "string", at)),
        number_or_bool => {
            text::charge(cx, 64, at)?;
            let mut text = bumpalo::collections::String::new_in(cx.arena);
            // Writing into the arena cannot fail.
            let _ = std::fmt::Write::write_fmt(&mut text, format_args!("{number_or_bool}"));
            Ok(Value::String(text.into_bump_str()))
        }
    }
}

/// The words of CEL's `bool()`.
pub(super) fn bool<'r>(cx: &Context<'_, 'r>, value: &Value<'r>, at: At) -> Outcome<'r> {
    match value {
        Value::Bool(_) => Ok(*value),
        Value::String("true" | "True" | "TRUE" | "t" | "1") => Ok(Value::Bool(true)),
        Value::String("false" | "False" | "FALSE" | "f" | "0") => Ok(Value::Bool(false)),
        _ => Err(refuse(cx, value, "bool", at)),
    }
}

/// A string's UTF-8.
pub(super) fn bytes<'r>(cx: &Context<'_, 'r>, value: &Value<'r>, at: At) -> Outcome<'r> {
    match value {
        Value::Bytes(_) => Ok(*value),
        Value::String(text) => Ok(Value::Bytes(text.as_bytes())),
        _ => Err(refuse(cx, value, "bytes", at)),
    }
}
