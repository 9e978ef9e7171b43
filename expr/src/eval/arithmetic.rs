//! `+ - * / %`, negation and order. Ints and decimals mix, and make a decimal; doubles mix with
//! neither, so that money never passes through one unnoticed.

use std::cmp::Ordering;

use bumpalo::collections::Vec as ArenaVec;

use super::{Context, Outcome, article, text};
use crate::decimal;
use crate::node::{Arithmetic, At, Order};
use crate::value::compare;
use crate::{Decimal, EvalError, Value};

#[inline]
pub(super) fn order<'r>(
    cx: &Context<'_, 'r>,
    order: Order,
    left: &Value<'_>,
    right: &Value<'_>,
    at: At,
) -> Outcome<'r> {
    let Some(found) = compare(left, right) else {
        return no_order(cx, left, right, at);
    };
    Ok(Value::Bool(match order {
        Order::Less => found == Ordering::Less,
        Order::LessOrEqual => found != Ordering::Greater,
        Order::Greater => found == Ordering::Greater,
        Order::GreaterOrEqual => found != Ordering::Less,
    }))
}

/// NaN compares as false with every number; other pairs without an order are an error.
#[cold]
fn no_order<'r>(cx: &Context<'_, 'r>, left: &Value<'_>, right: &Value<'_>, at: At) -> Outcome<'r> {
    let number = |v: &Value<'_>| matches!(v, Value::Int(_) | Value::Decimal(_) | Value::Double(_));
    if number(left) && number(right) {
        return Ok(Value::Bool(false));
    }
    Err(cx.error(at, |text| {
        format!(
            "cannot compare {} with {} in `{text}`",
            article(left),
            article(right)
        )
    }))
}

#[inline]
pub(super) fn apply<'r>(
    cx: &Context<'_, 'r>,
    operator: Arithmetic,
    left: &Value<'r>,
    right: &Value<'r>,
    at: At,
) -> Outcome<'r> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => ints(cx, operator, *a, *b, at),
        (Value::Decimal(a), Value::Decimal(b)) => decimals(cx, operator, *a, *b, at),
        (Value::Int(a), Value::Decimal(b)) => decimals(cx, operator, Decimal::from(*a), *b, at),
        (Value::Decimal(a), Value::Int(b)) => decimals(cx, operator, *a, Decimal::from(*b), at),
        (Value::Double(a), Value::Double(b)) if operator != Arithmetic::Remainder => {
            Ok(Value::Double(match operator {
                Arithmetic::Add => a + b,
                Arithmetic::Subtract => a - b,
                Arithmetic::Multiply => a * b,
                Arithmetic::Divide | Arithmetic::Remainder => a / b,
            }))
        }
        _ if operator == Arithmetic::Add => concatenate(cx, left, right, at),
        _ => Err(mismatch(cx, operator, left, right, at)),
    }
}

fn ints<'r>(cx: &Context<'_, 'r>, operator: Arithmetic, a: i64, b: i64, at: At) -> Outcome<'r> {
    let result = match operator {
        Arithmetic::Add => a.checked_add(b),
        Arithmetic::Subtract => a.checked_sub(b),
        Arithmetic::Multiply => a.checked_mul(b),
        Arithmetic::Divide | Arithmetic::Remainder if b == 0 => return Err(by_zero(cx, at)),
        Arithmetic::Divide => a.checked_div(b),
        Arithmetic::Remainder => a.checked_rem(b),
    };
    result.map(Value::Int).ok_or_else(|| {
        cx.error(at, |text| {
            format!("overflow in `{text}`: the result does not fit 64 bits")
        })
    })
}

fn decimals<'r>(
    cx: &Context<'_, 'r>,
    operator: Arithmetic,
    a: Decimal,
    b: Decimal,
    at: At,
) -> Outcome<'r> {
    let result = match operator {
        Arithmetic::Add => decimal::add(a, b),
        Arithmetic::Subtract => decimal::sub(a, b),
        Arithmetic::Multiply => decimal::mul(a, b),
        Arithmetic::Divide | Arithmetic::Remainder if b.is_zero() => return Err(by_zero(cx, at)),
        Arithmetic::Divide => decimal::div(a, b),
        Arithmetic::Remainder => decimal::rem(a, b),
    };
    result.map(Value::Decimal).ok_or_else(|| {
        let most = decimal::MAX_DIGITS;
        cx.error(at, |text| {
            format!(
                "overflow in `{text}`: {a} {} {b} exceeds {most} digits",
                operator.symbol()
            )
        })
    })
}

#[cold]
fn by_zero(cx: &Context<'_, '_>, at: At) -> EvalError {
    cx.error(at, |text| format!("division by zero in `{text}`"))
}

#[cold]
fn mismatch(
    cx: &Context<'_, '_>,
    operator: Arithmetic,
    left: &Value<'_>,
    right: &Value<'_>,
    at: At,
) -> EvalError {
    let exact = |v: &Value<'_>| matches!(v, Value::Int(_) | Value::Decimal(_));
    let double = |v: &Value<'_>| matches!(v, Value::Double(_));
    let mixed = exact(left) && double(right) || double(left) && exact(right);
    cx.error(at, |text| {
        let (l, r, symbol) = (article(left), article(right), operator.symbol());
        let advice = if mixed {
            "; convert one side with decimal(…) or double(…)"
        } else {
            ""
        };
        format!("cannot apply `{symbol}` to {l} and {r} in `{text}`{advice}")
    })
}

/// `+` of strings, bytes and lists.
fn concatenate<'r>(
    cx: &Context<'_, 'r>,
    left: &Value<'r>,
    right: &Value<'r>,
    at: At,
) -> Outcome<'r> {
    match (left, right) {
        (Value::String(a), Value::String(b)) => text::concatenate(cx, &[a, b], at),
        (Value::Bytes(a), Value::Bytes(b)) => {
            text::charge(cx, a.len() + b.len(), at)?;
            let mut bytes = ArenaVec::with_capacity_in(a.len() + b.len(), cx.arena);
            bytes.extend_from_slice_copy(a);
            bytes.extend_from_slice_copy(b);
            Ok(Value::Bytes(bytes.into_bump_slice()))
        }
        (Value::List(a), Value::List(b)) => {
            cx.spend(a.len() + b.len(), at)?;
            let mut list = ArenaVec::with_capacity_in(a.len() + b.len(), cx.arena);
            list.extend_from_slice_copy(a);
            list.extend_from_slice_copy(b);
            Ok(Value::List(list.into_bump_slice()))
        }
        _ => Err(mismatch(cx, Arithmetic::Add, left, right, at)),
    }
}

pub(super) fn negate<'r>(cx: &Context<'_, 'r>, value: &Value<'r>, at: At) -> Outcome<'r> {
    match value {
        Value::Int(i) => i.checked_neg().map(Value::Int).ok_or_else(|| {
            cx.error(at, |text| {
                format!("overflow in `{text}`: the result does not fit 64 bits")
            })
        }),
        Value::Decimal(d) => Ok(Value::Decimal(decimal::neg(*d))),
        Value::Double(d) => Ok(Value::Double(-d)),
        other => Err(cx.unexpected(*other, "a number to negate", at)),
    }
}
