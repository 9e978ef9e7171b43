//! count, reduce, aggregate over a grouped stream (KStreamAggregate, KStreamReduce).

use millrace_crds::plan::Aggregation;
use millrace_expr::{Bump, Value};

use super::aggregation::initial;
use super::{Context, NodeError, eval, processing};
use crate::record::{Change, Datum, Record};
use crate::state::Row;
use crate::topology::{ProcessorNode, ProcessorTopology};

impl ProcessorTopology {
    /// Updates the key's aggregate and passes the change on. A record without key or value is
    /// dropped; the aggregate's time is the later of the record's and the old aggregate's.
    pub(super) fn aggregate<'r>(
        &'r self,
        node: &'r ProcessorNode,
        store: usize,
        aggregation: &'r Aggregation,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        if record.key.is_null() || record.value.is_null() {
            context.dropped.records += 1;
            return Ok(());
        }
        let row = self.row(node, store, &record.key, context, arena)?;
        let stored = self.row_datum(node, store, row, arena)?;
        // The old value of a first aggregate is what it began with (KStreamAggregate); behind a cache
        // there is none (CachingKeyValueStore).
        let first = match stored.is_null() {
            true => initial(node, aggregation, arena)?,
            false => stored,
        };
        let old = match self.stores[store].caching {
            true => stored,
            false => first,
        };
        let before = (!first.is_null()).then_some(first.value);
        let added = (record.key.value, record.value);
        let value = updated(node, aggregation, before, added, arena)?;
        let timestamp = row.map_or(record.timestamp, |row| row.timestamp.max(record.timestamp));
        let change = node
            .sends_old
            .then(|| &*arena.alloc(Change { old, latest: true }));
        let changed = Record {
            value,
            timestamp,
            change,
            ..*record
        };
        self.put(node, store, &record.key, &value, timestamp, context, arena)?;
        self.forward_change(node, store, &changed, context, arena)
    }

    /// The row of a record's key, uncommitted writes included.
    pub(super) fn row<'r>(
        &'r self,
        node: &'r ProcessorNode,
        store: usize,
        key: &Datum<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<Option<Row<'r>>, NodeError> {
        let format = &self.stores[store].key;
        let Some(key) = super::encode(node, key, format, context.scratch, arena)? else {
            return Ok(None);
        };
        Ok(context.stores[store].get(key, arena)?)
    }

    /// What a row's bytes mean.
    pub(super) fn row_value<'r>(
        &'r self,
        node: &'r ProcessorNode,
        store: usize,
        row: Row<'r>,
        arena: &'r Bump,
    ) -> Result<Value<'r>, NodeError> {
        let format = &self.stores[store].value;
        format
            .serde
            .deserialize(row.value, arena)
            .map_err(|error| processing(node, format!("the stored row is {error}")))
    }

    /// A row's value with its bytes; null where there is no row.
    pub(super) fn row_datum<'r>(
        &'r self,
        node: &'r ProcessorNode,
        store: usize,
        row: Option<Row<'r>>,
        arena: &'r Bump,
    ) -> Result<Datum<'r>, NodeError> {
        let Some(row) = row else {
            return Ok(Datum::NULL);
        };
        Ok(Datum {
            value: self.row_value(node, store, row, arena)?,
            encoded: Some((self.stores[store].value.kind, row.value)),
        })
    }
}

/// The aggregate with one more value.
pub(super) fn updated<'r>(
    node: &'r ProcessorNode,
    aggregation: &'r Aggregation,
    aggregate: Option<Value<'r>>,
    (key, value): (Value<'r>, Datum<'r>),
    arena: &'r Bump,
) -> Result<Datum<'r>, NodeError> {
    let (update, aggregate) = match (aggregation, aggregate) {
        (Aggregation::Count, None) => return Ok(Datum::computed(Value::Int(1))),
        (Aggregation::Count, Some(Value::Int(count))) => {
            let next = count
                .checked_add(1)
                .ok_or_else(|| processing(node, format!("the count {count} cannot grow")))?;
            return Ok(Datum::computed(Value::Int(next)));
        }
        (Aggregation::Count, Some(other)) => {
            return Err(processing(
                node,
                format!("the stored count is {other}, not a number"),
            ));
        }
        (Aggregation::Reduce(_), None) => return Ok(value),
        (Aggregation::Reduce(update), Some(aggregate)) => (update, aggregate),
        (Aggregation::Aggregate { initial, update }, None) => {
            (update, eval(node, initial, &[], arena)?)
        }
        (Aggregation::Aggregate { update, .. }, Some(aggregate)) => (update, aggregate),
    };
    let variables = [key, value.value, aggregate];
    Ok(Datum::computed(eval(node, update, &variables, arena)?))
}

/// A count without one record.
pub(super) fn one_less<'r>(node: &ProcessorNode, count: Value<'r>) -> Result<Value<'r>, NodeError> {
    match count {
        Value::Int(count) => Ok(Value::Int(count.saturating_sub(1))),
        other => {
            let message = format!("the stored count is {other}, not a number");
            Err(processing(node, message))
        }
    }
}
