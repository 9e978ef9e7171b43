//! Functions on strings. Positions and lengths count code points. Results that are part of the input
//! borrow it; the others are made in the arena, up to [`MAX_TEXT_BYTES`].

use bumpalo::collections::{String as ArenaString, Vec as ArenaVec};
use regex::{Regex, RegexBuilder};

use super::{Context, Outcome};
use crate::node::At;
use crate::{EvalError, Value};

/// Longest string or bytes value that an expression makes.
pub const MAX_TEXT_BYTES: usize = 4 * 1024 * 1024;

/// Longest pattern of `matches`, in bytes.
pub const MAX_PATTERN_BYTES: usize = 1024;

/// Most memory of a compiled pattern, in bytes.
const MAX_REGEX_BYTES: usize = 256 * 1024;

/// Text gone through at the price of one step.
const BYTES_PER_STEP: usize = 32;

/// Takes the steps for going through so many bytes.
#[inline]
pub(super) fn scan(cx: &Context<'_, '_>, bytes: usize, at: At) -> Result<(), EvalError> {
    cx.spend(bytes / BYTES_PER_STEP, at)
}

/// Takes the steps for making so many bytes, and checks that they are not too many.
pub(super) fn charge(cx: &Context<'_, '_>, bytes: usize, at: At) -> Result<(), EvalError> {
    if bytes > MAX_TEXT_BYTES {
        return Err(cx.error(at, |text| {
            format!("the result of `{text}` exceeds {MAX_TEXT_BYTES} bytes")
        }));
    }
    scan(cx, bytes, at)
}

/// Compiles a pattern within bounds; the error says what is wrong with it.
pub(crate) fn pattern(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(format!(
            "pattern of {} bytes; at most {MAX_PATTERN_BYTES}",
            pattern.len()
        ));
    }
    let mut builder = RegexBuilder::new(pattern);
    builder
        .size_limit(MAX_REGEX_BYTES)
        .dfa_size_limit(MAX_REGEX_BYTES);
    builder.build().map_err(|error| {
        // The last line says what; those before draw the pattern.
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        last.trim_start_matches("error: ").to_owned()
    })
}

pub(super) fn concatenate<'r>(cx: &Context<'_, 'r>, parts: &[&str], at: At) -> Outcome<'r> {
    let length = parts.iter().map(|part| part.len()).sum();
    charge(cx, length, at)?;
    let mut joined = ArenaString::with_capacity_in(length, cx.arena);
    for part in parts {
        joined.push_str(part);
    }
    Ok(Value::String(joined.into_bump_str()))
}

pub(super) fn change_ascii<'r>(
    cx: &Context<'_, 'r>,
    text: &str,
    upper: bool,
    at: At,
) -> Outcome<'r> {
    charge(cx, text.len(), at)?;
    let changed = cx.arena.alloc_str(text);
    if upper {
        changed.make_ascii_uppercase();
    } else {
        changed.make_ascii_lowercase();
    }
    Ok(Value::String(changed))
}

/// `text.substring(start)` and `text.substring(start, end)`, end exclusive.
pub(super) fn substring<'r>(
    cx: &Context<'_, 'r>,
    text: &'r str,
    start: i64,
    end: Option<i64>,
    at: At,
) -> Outcome<'r> {
    scan(cx, text.len(), at)?;
    let offset = |position: i64| {
        let position = usize::try_from(position).ok()?;
        let starts = text.char_indices().map(|(i, _)| i);
        starts.chain([text.len()]).nth(position)
    };
    let range = offset(start).zip(end.map_or(Some(text.len()), offset));
    match range.filter(|(start, end)| start <= end) {
        Some((start, end)) => Ok(Value::String(&text[start..end])),
        None => Err(cx.error(at, |source| {
            let end = end.map_or(String::new(), |end| format!(" to {end}"));
            let size = text.chars().count();
            format!("no part {start}{end} in `{source}`: the string has {size} characters")
        })),
    }
}

/// Splits at each separator; with a limit, into no more than so many parts, the last taking the rest.
/// An empty separator splits into characters. A negative limit is none.
pub(super) fn split<'r>(
    cx: &Context<'_, 'r>,
    text: &'r str,
    separator: &str,
    limit: i64,
    at: At,
) -> Outcome<'r> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    cx.spend(text.len(), at)?;
    let mut parts = ArenaVec::new_in(cx.arena);
    let mut rest = Some(text).filter(|_| limit > 0);
    while let Some(left) = rest {
        let cut = match separator.is_empty() {
            true => left
                .chars()
                .next()
                .map(|c| c.len_utf8())
                .filter(|cut| *cut < left.len()),
            false => left.find(separator),
        };
        match cut.filter(|_| parts.len() + 1 < limit) {
            Some(cut) => {
                parts.push(Value::String(&left[..cut]));
                rest = Some(&left[cut + separator.len()..]);
            }
            None => {
                if !(separator.is_empty() && left.is_empty()) {
                    parts.push(Value::String(left));
                }
                rest = None;
            }
        }
    }
    Ok(Value::List(parts.into_bump_slice()))
}

/// Replaces the first `limit` occurrences; a negative limit is none. An empty `from` stands before
/// each character and at the end.
pub(super) fn replace<'r>(
    cx: &Context<'_, 'r>,
    text: &'r str,
    from: &str,
    to: &str,
    limit: i64,
    at: At,
) -> Outcome<'r> {
    scan(cx, text.len(), at)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let count = text.matches(from).take(limit).count();
    if count == 0 {
        return Ok(Value::String(text));
    }
    let length = to
        .len()
        .saturating_mul(count)
        .saturating_add(text.len() - from.len() * count);
    charge(cx, length, at)?;
    let mut replaced = ArenaString::with_capacity_in(length, cx.arena);
    let mut rest = 0;
    for (start, _) in text.match_indices(from).take(limit) {
        replaced.push_str(&text[rest..start]);
        replaced.push_str(to);
        rest = start + from.len();
    }
    replaced.push_str(&text[rest..]);
    Ok(Value::String(replaced.into_bump_str()))
}

/// The strings of a list with a separator between them.
pub(super) fn join<'r>(
    cx: &Context<'_, 'r>,
    list: &[Value<'r>],
    separator: &str,
    at: At,
) -> Outcome<'r> {
    cx.spend(list.len(), at)?;
    let mut length = separator.len().saturating_mul(list.len().saturating_sub(1));
    for element in list {
        match element {
            Value::String(text) => length = length.saturating_add(text.len()),
            other => return Err(cx.unexpected(*other, "only strings in the list to join", at)),
        }
    }
    charge(cx, length, at)?;
    let mut joined = ArenaString::with_capacity_in(length, cx.arena);
    for (i, element) in list.iter().enumerate() {
        if i > 0 {
            joined.push_str(separator);
        }
        if let Value::String(text) = element {
            joined.push_str(text);
        }
    }
    Ok(Value::String(joined.into_bump_str()))
}
