//! What aggregating nodes compute, apart from where they keep it.

use millrace_crds::plan::{Aggregation, Expression};
use millrace_expr::{Bump, Value};

use super::{NodeError, eval, processing};
use crate::record::{Datum, Record};
use crate::topology::ProcessorNode;

/// The aggregate before the first record: of a reduction there is none, which is null.
pub(super) fn initial<'r>(
    node: &'r ProcessorNode,
    aggregation: &'r Aggregation,
    arena: &'r Bump,
) -> Result<Datum<'r>, NodeError> {
    Ok(match aggregation {
        Aggregation::Count => Datum::computed(Value::Int(0)),
        Aggregation::Reduce(_) => Datum::NULL,
        Aggregation::Aggregate { initial, .. } => Datum::computed(eval(node, initial, &[], arena)?),
    })
}

/// The aggregate after one more record.
pub(super) fn updated<'r>(
    node: &'r ProcessorNode,
    aggregation: &'r Aggregation,
    aggregate: &Datum<'r>,
    record: &Record<'r>,
    arena: &'r Bump,
) -> Result<Datum<'r>, NodeError> {
    let update = match aggregation {
        Aggregation::Count => return counted(node, aggregate.value, 1),
        Aggregation::Reduce(_) if aggregate.is_null() => return Ok(record.value),
        Aggregation::Reduce(update) | Aggregation::Aggregate { update, .. } => update,
    };
    let variables = [record.key.value, record.value.value, aggregate.value];
    Ok(Datum::computed(eval(node, update, &variables, arena)?))
}

/// The aggregate of two sessions that have become one (SessionWindowedKStreamImpl's mergers).
pub(super) fn merged<'r>(
    node: &'r ProcessorNode,
    (aggregation, merge): (&'r Aggregation, Option<&'r Expression>),
    key: Value<'r>,
    (left, right): (Datum<'r>, Datum<'r>),
    arena: &'r Bump,
) -> Result<Datum<'r>, NodeError> {
    let (merge, variables) = match (aggregation, merge) {
        (Aggregation::Count, _) => {
            let Value::Int(more) = right.value else {
                return Err(not_a_count(node, right.value));
            };
            return counted(node, left.value, more);
        }
        (Aggregation::Reduce(_), _) if left.is_null() => return Ok(right),
        (Aggregation::Reduce(update), _) => (update, [key, right.value, left.value]),
        (Aggregation::Aggregate { .. }, Some(merge)) => (merge, [key, left.value, right.value]),
        (Aggregation::Aggregate { .. }, None) => {
            let message = "two sessions have become one, and the step does not say how to merge";
            return Err(processing(node, message.to_owned()));
        }
    };
    Ok(Datum::computed(eval(node, merge, &variables, arena)?))
}

fn counted<'r>(node: &ProcessorNode, count: Value<'r>, more: i64) -> Result<Datum<'r>, NodeError> {
    let Value::Int(count) = count else {
        return Err(not_a_count(node, count));
    };
    let next = count
        .checked_add(more)
        .ok_or_else(|| processing(node, format!("the count {count} cannot grow")))?;
    Ok(Datum::computed(Value::Int(next)))
}

fn not_a_count(node: &ProcessorNode, value: Value<'_>) -> NodeError {
    processing(node, format!("the stored count is {value}, not a number"))
}
