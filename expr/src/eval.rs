//! Evaluation of the typed tree: a walk that reads slots and makes values in the arena.
//!
//! Static types were checked before; values are matched again here, because fields of JSON have no
//! static type and anything may be null. Every error names its part of the expression.

use std::cell::Cell;

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;

use crate::node::{At, HostCall, Node};
use crate::source::shortened;
use crate::value::equal;
use crate::{Decimal, EvalError, Type, Value};

mod arithmetic;
mod comprehension;
mod convert;
mod functions;
mod text;

pub(crate) use text::pattern;
pub use text::{MAX_PATTERN_BYTES, MAX_TEXT_BYTES};

/// What one evaluation may cost: nodes evaluated inside comprehensions, plus the sizes of what text
/// and list operations go through. A full budget takes some tens of milliseconds.
pub const MAX_STEPS: usize = 1_000_000;

/// Longest quotation of an expression in an error, in characters.
const QUOTED_CHARACTERS: usize = 200;

pub(crate) type Outcome<'r> = Result<Value<'r>, EvalError>;

/// What one evaluation reads.
pub(crate) struct Context<'a, 'r> {
    pub(crate) source: &'a str,
    pub(crate) variables: &'a [Value<'r>],
    pub(crate) locals: &'a [Cell<Value<'r>>],
    pub(crate) arena: &'r Bump,
    /// Steps left.
    pub(crate) steps: Cell<usize>,
}

impl<'r> Context<'_, 'r> {
    /// An error whose message is made only now.
    #[cold]
    #[inline(never)]
    fn error(&self, at: At, message: impl FnOnce(&str) -> String) -> EvalError {
        EvalError::new(message(&shortened(at.of(self.source), QUOTED_CHARACTERS)))
    }

    /// Takes steps from the budget.
    #[inline]
    fn spend(&self, steps: usize, at: At) -> Result<(), EvalError> {
        match self.steps.get().checked_sub(steps) {
            Some(left) => {
                self.steps.set(left);
                Ok(())
            }
            None => Err(self.out_of_steps(at)),
        }
    }

    #[cold]
    fn out_of_steps(&self, at: At) -> EvalError {
        self.error(at, |text| {
            format!("`{text}` has too much to go through: more than {MAX_STEPS} steps in all")
        })
    }

    /// Equality within the budget.
    #[inline]
    fn equal(&self, a: &Value<'_>, b: &Value<'_>, at: At) -> Result<bool, EvalError> {
        let mut left = self.steps.get();
        let equal = equal(a, b, &mut left);
        self.steps.set(left);
        if left == 0 {
            Err(self.out_of_steps(at))
        } else {
            Ok(equal)
        }
    }

    /// A field of a map. `at` is what the map came from.
    #[inline]
    fn field(&self, operand: Value<'r>, field: &str, at: At) -> Outcome<'r> {
        match operand {
            Value::Map(entries) => match self.find(entries, field, at)? {
                Some(value) => Ok(value),
                None => Err(self.error(at, |text| format!("no field `{field}` in `{text}`"))),
            },
            other => Err(self.not_a_map(other, field, at)),
        }
    }

    /// Looks a name up; large maps cost steps, because this is linear.
    #[inline]
    fn find(
        &self,
        entries: &[(&str, Value<'r>)],
        field: &str,
        at: At,
    ) -> Result<Option<Value<'r>>, EvalError> {
        if entries.len() > 64 {
            self.spend(entries.len() / 16, at)?;
        }
        Ok(entries
            .iter()
            .find(|(name, _)| *name == field)
            .map(|(_, value)| *value))
    }

    #[cold]
    fn not_a_map(&self, found: Value<'_>, field: &str, at: At) -> EvalError {
        let kind = found.kind();
        self.error(at, |text| match found {
            Value::Null => {
                format!("no field `{field}`: `{text}` is null; test `{text} != null` first")
            }
            _ => format!("no field `{field}`: `{text}` is a {kind}, not a map"),
        })
    }

    /// A bool, or the error that `at` is none.
    #[inline]
    fn truth(&self, value: Value<'_>, at: At) -> Result<bool, EvalError> {
        match value {
            Value::Bool(value) => Ok(value),
            other => Err(self.unexpected(other, "a bool", at)),
        }
    }

    #[cold]
    fn unexpected(&self, found: Value<'_>, expected: &str, at: At) -> EvalError {
        self.error(at, |text| {
            format!("`{text}` is {}, expected {expected}", article(&found))
        })
    }

    /// One half of `&&` or `||`.
    #[inline]
    fn half(&self, node: &'r Node, at: At) -> Result<bool, EvalError> {
        let value = node.eval(self)?;
        match value {
            Value::Bool(value) => Ok(value),
            other => Err(self.error(at, |text| {
                format!(
                    "one side of `{text}` is {}, expected a bool",
                    article(&other)
                )
            })),
        }
    }
}

/// The kind of a value with its article.
pub(crate) fn article(value: &Value<'_>) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Int(_) => "an int",
        Value::Decimal(_) => "a decimal",
        Value::Double(_) => "a double",
        Value::String(_) => "a string",
        Value::Bytes(_) => "bytes",
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
    }
}

/// A type with its article.
fn wanted(ty: &Type) -> &'static str {
    article(match ty {
        Type::Any | Type::Null => &Value::Null,
        Type::Bool => &Value::Bool(false),
        Type::Int => &Value::Int(0),
        Type::Decimal => &Value::Decimal(Decimal::ZERO),
        Type::Double => &Value::Double(0.0),
        Type::String => &Value::String(""),
        Type::Bytes => &Value::Bytes(b""),
        Type::List(_) => &Value::List(&[]),
        Type::Map(_) => &Value::Map(&[]),
    })
}

impl Node {
    /// Evaluates this node and what is below it.
    pub(crate) fn eval<'r>(&'r self, cx: &Context<'_, 'r>) -> Outcome<'r> {
        match self {
            Self::VariableField { slot, field, at } => cx.field(cx.variables[*slot], field, *at),
            Self::Variable(slot) => Ok(cx.variables[*slot]),
            Self::Constant(constant) => Ok(constant.value()),
            Self::Local(local) => Ok(cx.locals[*local].get()),
            Self::Field { operand, field, at } => cx.field(operand.eval(cx)?, field, *at),
            Self::IsNull { operand, negate } => {
                Ok(Value::Bool(operand.eval(cx)?.is_null() != *negate))
            }
            Self::Order { order, sides, at } => {
                let (left, right) = (sides[0].eval(cx)?, sides[1].eval(cx)?);
                arithmetic::order(cx, *order, &left, &right, *at)
            }
            Self::Equal { sides, negate, at } => {
                let (left, right) = (sides[0].eval(cx)?, sides[1].eval(cx)?);
                Ok(Value::Bool(cx.equal(&left, &right, *at)? != *negate))
            }
            Self::And { sides, at } => lazy(cx, sides, *at, false),
            Self::Or { sides, at } => lazy(cx, sides, *at, true),
            Self::Not { operand, at } => Ok(Value::Bool(!cx.truth(operand.eval(cx)?, *at)?)),
            Self::Choose { parts, at } => {
                let chosen = if cx.truth(parts[0].eval(cx)?, *at)? {
                    &parts[1]
                } else {
                    &parts[2]
                };
                chosen.eval(cx)
            }
            Self::Arithmetic {
                operator,
                sides,
                at,
            } => {
                let (left, right) = (sides[0].eval(cx)?, sides[1].eval(cx)?);
                arithmetic::apply(cx, *operator, &left, &right, *at)
            }
            Self::Map(entries) => {
                let filled = cx.arena.alloc_slice_try_fill_with(entries.len(), |i| {
                    let (name, value) = &entries[i];
                    Ok((&**name, value.eval(cx)?))
                })?;
                Ok(Value::Map(filled))
            }
            Self::List(elements) => {
                let filled = cx
                    .arena
                    .alloc_slice_try_fill_with(elements.len(), |i| elements[i].eval(cx))?;
                Ok(Value::List(filled))
            }
            _ => self.eval_rare(cx),
        }
    }

    /// The rest of [`Node::eval`], kept apart so that the frequent part stays small.
    #[inline(never)]
    fn eval_rare<'r>(&'r self, cx: &Context<'_, 'r>) -> Outcome<'r> {
        match self {
            Self::Has { operand, field, at } => match operand.eval(cx)? {
                Value::Map(entries) => Ok(Value::Bool(cx.find(entries, field, *at)?.is_some())),
                other => Err(cx.not_a_map(other, field, *at)),
            },
            Self::Index { sides, at } => index(cx, sides[0].eval(cx)?, &sides[1].eval(cx)?, *at),
            Self::Negate { operand, at } => arithmetic::negate(cx, &operand.eval(cx)?, *at),
            Self::ComputedMap { entries, at } => computed_map(cx, entries, *at),
            Self::In { sides, at } => contains(cx, &sides[0].eval(cx)?, &sides[1].eval(cx)?, *at),
            Self::OneOf { operand, constants } => {
                let value = operand.eval(cx)?;
                Ok(Value::Bool(
                    constants.iter().any(|constant| constant.value() == value),
                ))
            }
            Self::Comprehension(comprehension) => comprehension::run(cx, comprehension),
            Self::Call {
                function,
                arguments,
                at,
            } => functions::call(cx, *function, arguments, *at),
            Self::Host(call) => host(cx, call),
            Self::Pattern { operand, regex, at } => match operand.eval(cx)? {
                Value::String(string) => {
                    text::scan(cx, string.len(), *at)?;
                    Ok(Value::Bool(regex.is_match(string)))
                }
                other => Err(cx.unexpected(other, "a string to match", *at)),
            },
            Self::Widen(operand) => Ok(match operand.eval(cx)? {
                Value::Int(value) => Value::Decimal(Decimal::from(value)),
                other => other,
            }),
            Self::Expect {
                operand,
                expected,
                at,
            } => expect(cx, operand.eval(cx)?, expected, *at),
            // All others are in `eval`.
            _ => self.eval(cx),
        }
    }
}

/// `&&` (decided by false) and `||` (decided by true): the deciding value on either side wins over an
/// error on the other.
#[inline]
fn lazy<'r>(cx: &Context<'_, 'r>, sides: &'r [Node; 2], at: At, decisive: bool) -> Outcome<'r> {
    let left = cx.half(&sides[0], at);
    if matches!(left, Ok(value) if value == decisive) {
        return Ok(Value::Bool(decisive));
    }
    match (left, cx.half(&sides[1], at)) {
        (Ok(_), right) => right.map(Value::Bool),
        (Err(_), Ok(value)) if value == decisive => Ok(Value::Bool(decisive)),
        (Err(error), _) => Err(error),
    }
}

/// Calls a function of the host.
fn host<'r>(cx: &Context<'_, 'r>, call: &'r HostCall) -> Outcome<'r> {
    let arguments = cx
        .arena
        .alloc_slice_try_fill_with(call.arguments.len(), |i| call.arguments[i].eval(cx))?;
    call.native
        .call(arguments, cx.arena)
        .map_err(|message| cx.error(call.at, |text| format!("`{text}`: {message}")))
}

fn index<'r>(cx: &Context<'_, 'r>, operand: Value<'r>, index: &Value<'_>, at: At) -> Outcome<'r> {
    match (operand, index) {
        (Value::List(elements), Value::Int(i)) => {
            match usize::try_from(*i).ok().and_then(|i| elements.get(i)) {
                Some(element) => Ok(*element),
                None => Err(cx.error(at, |text| {
                    format!(
                        "no element {i} in `{text}`: the list has {}",
                        elements.len()
                    )
                })),
            }
        }
        (Value::Map(entries), Value::String(name)) => match cx.find(entries, name, at)? {
            Some(value) => Ok(value),
            None => Err(cx.error(at, |text| format!("no field `{name}` in `{text}`"))),
        },
        (operand, index) => Err(cx.error(at, |text| {
            format!(
                "cannot index {} by {} in `{text}`; lists go by int, maps by string",
                article(&operand),
                article(index)
            )
        })),
    }
}

/// `element in list`, `name in map`.
fn contains<'r>(
    cx: &Context<'_, 'r>,
    element: &Value<'_>,
    container: &Value<'r>,
    at: At,
) -> Outcome<'r> {
    match (element, container) {
        (_, Value::List(elements)) => {
            cx.spend(elements.len(), at)?;
            for candidate in *elements {
                if cx.equal(element, candidate, at)? {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        }
        (Value::String(name), Value::Map(entries)) => {
            Ok(Value::Bool(cx.find(entries, name, at)?.is_some()))
        }
        (_, Value::Map(_)) => Ok(Value::Bool(false)),
        (_, other) => Err(cx.error(at, |text| {
            format!(
                "`in` looks into a list or a map, not into {}, in `{text}`",
                article(other)
            )
        })),
    }
}

fn computed_map<'r>(cx: &Context<'_, 'r>, entries: &'r [(Node, Node)], at: At) -> Outcome<'r> {
    let mut map: ArenaVec<'r, (&'r str, Value<'r>)> =
        ArenaVec::with_capacity_in(entries.len(), cx.arena);
    for (name, value) in entries {
        let name = match name.eval(cx)? {
            Value::String(name) => name,
            other => {
                return Err(cx.error(at, |text| {
                    format!(
                        "names in a map are strings, not {}, in `{text}`",
                        article(&other)
                    )
                }));
            }
        };
        if map.iter().any(|(earlier, _)| *earlier == name) {
            return Err(cx.error(at, |text| format!("name `{name}` occurs twice in `{text}`")));
        }
        map.push((name, value.eval(cx)?));
    }
    Ok(Value::Map(map.into_bump_slice()))
}

/// Checks a result against the type it must have; null passes for all but bool.
fn expect<'r>(cx: &Context<'_, 'r>, value: Value<'r>, expected: &Type, at: At) -> Outcome<'r> {
    match (value, expected) {
        (Value::Null, Type::Bool) => Err(cx.unexpected(value, "a bool", at)),
        (Value::Null, _)
        | (_, Type::Any)
        | (Value::Bool(_), Type::Bool)
        | (Value::Int(_), Type::Int)
        | (Value::Decimal(_), Type::Decimal)
        | (Value::Double(_), Type::Double)
        | (Value::String(_), Type::String)
        | (Value::Bytes(_), Type::Bytes)
        | (Value::List(_), Type::List(_))
        | (Value::Map(_), Type::Map(_)) => Ok(value),
        (Value::Int(value), Type::Decimal) => Ok(Value::Decimal(Decimal::from(value))),
        (found, expected) => Err(cx.unexpected(found, wanted(expected), at)),
    }
}
