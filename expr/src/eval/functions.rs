//! Calls: arguments by kind, then the function.

use std::cmp::Ordering;

use super::{Context, Outcome, article, convert, text};
use crate::decimal::{self, MAX_DIGITS};
use crate::node::{At, Function, Node};
use crate::value::compare_numbers;
use crate::{EvalError, Value};

pub(super) fn call<'r>(
    cx: &Context<'_, 'r>,
    function: Function,
    arguments: &'r [Node],
    at: At,
) -> Outcome<'r> {
    let arguments = Arguments {
        cx,
        nodes: arguments,
        at,
    };
    match function {
        Function::Int => convert::int(cx, &arguments.value(0)?, at),
        Function::Decimal => convert::decimal(cx, &arguments.value(0)?, at),
        Function::Double => convert::double(cx, &arguments.value(0)?, at),
        Function::String => convert::string(cx, &arguments.value(0)?, at),
        Function::Bool => convert::bool(cx, &arguments.value(0)?, at),
        Function::Bytes => convert::bytes(cx, &arguments.value(0)?, at),
        Function::Size => size(cx, &arguments.value(0)?, at),
        Function::Abs => abs(cx, &arguments.value(0)?, at),
        Function::Round => round(&arguments),
        Function::Min => extreme(&arguments, Ordering::Less),
        Function::Max => extreme(&arguments, Ordering::Greater),
        _ => on_text(function, &arguments),
    }
}

fn on_text<'r>(function: Function, arguments: &Arguments<'_, '_, 'r>) -> Outcome<'r> {
    let (cx, at) = (arguments.cx, arguments.at);
    if matches!(function, Function::Join) {
        let list = match arguments.value(0)? {
            Value::List(list) => list,
            other => return Err(cx.unexpected(other, "a list of strings to join", at)),
        };
        let separator = if arguments.len() > 1 {
            arguments.string(1)?
        } else {
            ""
        };
        return text::join(cx, list, separator, at);
    }
    let string = arguments.string(0)?;
    text::scan(cx, string.len(), at)?;
    Ok(match function {
        Function::Contains => Value::Bool(string.contains(arguments.string(1)?)),
        Function::StartsWith => Value::Bool(string.starts_with(arguments.string(1)?)),
        Function::EndsWith => Value::Bool(string.ends_with(arguments.string(1)?)),
        Function::Matches => Value::Bool(matches(arguments, string)?),
        Function::Trim => Value::String(string.trim()),
        Function::LowerAscii => return text::change_ascii(cx, string, false, at),
        Function::UpperAscii => return text::change_ascii(cx, string, true, at),
        Function::Substring => {
            let end = if arguments.len() > 2 {
                Some(arguments.int(2)?)
            } else {
                None
            };
            return text::substring(cx, string, arguments.int(1)?, end, at);
        }
        Function::Split => {
            let limit = if arguments.len() > 2 {
                arguments.int(2)?
            } else {
                -1
            };
            return text::split(cx, string, arguments.string(1)?, limit, at);
        }
        Function::Replace => {
            let limit = if arguments.len() > 3 {
                arguments.int(3)?
            } else {
                -1
            };
            let (from, to) = (arguments.string(1)?, arguments.string(2)?);
            return text::replace(cx, string, from, to, limit, at);
        }
        other => return Err(cx.error(at, |text| format!("{other:?} has no strings: `{text}`"))),
    })
}

/// A pattern only known now costs as much as a thousand steps to compile.
fn matches(arguments: &Arguments<'_, '_, '_>, string: &str) -> Result<bool, EvalError> {
    let (cx, at) = (arguments.cx, arguments.at);
    let pattern = arguments.string(1)?;
    cx.spend(1_000, at)?;
    match text::pattern(pattern) {
        Ok(regex) => Ok(regex.is_match(string)),
        Err(error) => Err(cx.error(at, |source| {
            format!("invalid pattern in `{source}`: {error}")
        })),
    }
}

fn size<'r>(cx: &Context<'_, 'r>, value: &Value<'r>, at: At) -> Outcome<'r> {
    let size = match value {
        Value::String(string) => {
            text::scan(cx, string.len(), at)?;
            string.chars().count()
        }
        Value::Bytes(bytes) => bytes.len(),
        Value::List(elements) => elements.len(),
        Value::Map(entries) => entries.len(),
        other => {
            return Err(cx.error(at, |text| {
                format!("{} has no size in `{text}`", article(other))
            }));
        }
    };
    Ok(Value::Int(size as i64))
}

fn abs<'r>(cx: &Context<'_, 'r>, value: &Value<'r>, at: At) -> Outcome<'r> {
    match value {
        Value::Int(i) => i.checked_abs().map(Value::Int).ok_or_else(|| {
            cx.error(at, |text| {
                format!("overflow in `{text}`: the result does not fit 64 bits")
            })
        }),
        Value::Decimal(d) => Ok(Value::Decimal(d.abs())),
        Value::Double(d) => Ok(Value::Double(d.abs())),
        other => Err(cx.error(at, |text| {
            format!("{} is no number in `{text}`", article(other))
        })),
    }
}

/// `round(number)` and `round(number, digits)`, half to even.
fn round<'r>(arguments: &Arguments<'_, '_, 'r>) -> Outcome<'r> {
    let (cx, at) = (arguments.cx, arguments.at);
    let value = arguments.value(0)?;
    let digits = if arguments.len() > 1 {
        arguments.int(1)?
    } else {
        0
    };
    let Some(digits) = u32::try_from(digits)
        .ok()
        .filter(|digits| *digits <= MAX_DIGITS)
    else {
        return Err(cx.error(at, |text| {
            format!("cannot round to {digits} digits in `{text}`; 0 to {MAX_DIGITS} are possible")
        }));
    };
    match value {
        Value::Int(_) => Ok(value),
        Value::Decimal(d) => Ok(Value::Decimal(decimal::round(d, digits))),
        other => Err(cx.error(at, |text| {
            format!(
                "cannot round {} in `{text}`; convert it with decimal(…)",
                article(&other)
            )
        })),
    }
}

/// The least or the greatest of the arguments; the first of equals.
fn extreme<'r>(arguments: &Arguments<'_, '_, 'r>, wanted: Ordering) -> Outcome<'r> {
    let (cx, at) = (arguments.cx, arguments.at);
    let mut best = arguments.value(0)?;
    for i in 1..arguments.len() {
        let next = arguments.value(i)?;
        let double = |v: &Value<'_>| matches!(v, Value::Double(_));
        match compare_numbers(&next, &best) {
            Some(order) if double(&next) == double(&best) => {
                if order == wanted {
                    best = next;
                }
            }
            _ => {
                return Err(cx.error(at, |text| {
                    let (a, b) = (article(&best), article(&next));
                    format!("cannot choose between {a} and {b} in `{text}`")
                }));
            }
        }
    }
    match best {
        Value::Int(_) | Value::Decimal(_) | Value::Double(_) => Ok(best),
        other => Err(cx.error(at, |text| {
            format!("{} is no number in `{text}`", article(&other))
        })),
    }
}

/// Arguments that are evaluated when they are asked for; a receiver is the first.
struct Arguments<'a, 'b, 'r> {
    cx: &'a Context<'b, 'r>,
    nodes: &'r [Node],
    at: At,
}

impl<'r> Arguments<'_, '_, 'r> {
    fn len(&self) -> usize {
        self.nodes.len()
    }

    fn value(&self, i: usize) -> Outcome<'r> {
        self.nodes[i].eval(self.cx)
    }

    fn string(&self, i: usize) -> Result<&'r str, EvalError> {
        match self.value(i)? {
            Value::String(string) => Ok(string),
            other => Err(self.wrong(i, &other, "a string")),
        }
    }

    fn int(&self, i: usize) -> Result<i64, EvalError> {
        match self.value(i)? {
            Value::Int(int) => Ok(int),
            other => Err(self.wrong(i, &other, "an int")),
        }
    }

    #[cold]
    fn wrong(&self, i: usize, found: &Value<'_>, expected: &str) -> EvalError {
        let which = ["the first", "the second", "the third", "the fourth"].get(i);
        let which = which.unwrap_or(&"an");
        self.cx.error(self.at, |text| {
            format!(
                "{which} argument of `{text}` is {}, expected {expected}",
                article(found)
            )
        })
    }
}
