//! Equality and order of values. Numbers are compared exactly, whatever their kinds: never by a cast
//! that could lose a digit.

use std::cmp::Ordering;

use super::Value;
use crate::decimal;
use rust_decimal::Decimal;

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        equal(self, other, &mut { usize::MAX })
    }
}

impl PartialOrd for Value<'_> {
    /// Orders numbers among each other, strings by code point, bytes, and `false` before `true`.
    /// `None` for all other pairs and for NaN.
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        compare(self, other)
    }
}

/// Equality that takes one from `budget` for each value it looks at, for callers that bound their
/// work. At zero it gives up and returns false.
#[inline]
pub(crate) fn equal(a: &Value<'_>, b: &Value<'_>, budget: &mut usize) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a == b,
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Bytes(a), Value::Bytes(b)) => a == b,
        (Value::List(a), Value::List(b)) => equal_lists(a, b, budget),
        (Value::Map(a), Value::Map(b)) => equal_maps(a, b, budget),
        _ => compare_numbers(a, b) == Some(Ordering::Equal),
    }
}

fn equal_lists(a: &[Value<'_>], b: &[Value<'_>], budget: &mut usize) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| {
            *budget = budget.saturating_sub(1);
            *budget > 0 && equal(a, b, budget)
        })
}

/// Entries in the same order are the common case, and then each is found at once; otherwise the
/// search starts behind the previous hit.
fn equal_maps(a: &[(&str, Value<'_>)], b: &[(&str, Value<'_>)], budget: &mut usize) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut next = 0;
    a.iter().all(|(name, value)| {
        let turned = b[next..].iter().chain(&b[..next]);
        let found = turned
            .enumerate()
            .find_map(|(i, (n, _))| (n == name).then_some(i));
        *budget = budget.saturating_sub(found.map_or(b.len(), |distance| distance + 1));
        let Some(distance) = found else {
            return false;
        };
        let at = (next + distance) % b.len();
        next = (at + 1) % b.len();
        *budget > 0 && equal(value, &b[at].1, budget)
    })
}

/// The order of two values; `None` where there is none.
#[inline]
pub(crate) fn compare(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        _ => compare_numbers(a, b),
    }
}

/// The order of two numbers; `None` where one is no number, or NaN.
#[inline]
pub(crate) fn compare_numbers(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Decimal(a), Value::Decimal(b)) => Some(decimal::cmp(*a, *b)),
        (Value::Int(a), Value::Decimal(b)) => Some(decimal::cmp(Decimal::from(*a), *b)),
        (Value::Decimal(a), Value::Int(b)) => Some(decimal::cmp(*a, Decimal::from(*b))),
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Int(a), Value::Double(b)) => decimal::cmp_double(Decimal::from(*a), *b),
        (Value::Decimal(a), Value::Double(b)) => decimal::cmp_double(*a, *b),
        (Value::Double(a), Value::Int(b)) => {
            decimal::cmp_double(Decimal::from(*b), *a).map(Ordering::reverse)
        }
        (Value::Double(a), Value::Decimal(b)) => decimal::cmp_double(*b, *a).map(Ordering::reverse),
        _ => None,
    }
}
