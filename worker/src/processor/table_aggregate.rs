//! Aggregations of tables: each change takes its old value out and puts its new one in
//! (KTableRepartitionMap, KTableAggregate, KTableReduce).

use millrace_crds::plan::{Aggregation, Expression};
use millrace_expr::{Bump, Value};

use super::aggregate::{one_less, updated};
use super::{Context, NodeError, encode, eval, variables};
use crate::record::{Change, Datum, Record};
use crate::topology::{Format, Operation, ProcessorNode, ProcessorTopology};

/// A new key's bytes, the key, and the value that goes with it.
type Pair<'r> = (&'r [u8], Datum<'r>, Datum<'r>);

impl ProcessorTopology {
    /// Either half of an aggregation of a table: before the repartition topic, or behind it.
    pub(super) fn table_aggregation<'r>(
        &'r self,
        node: &'r ProcessorNode,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        match &node.operation {
            Operation::TableGroup { key, value, format } => {
                let new = (key, value.as_ref());
                self.table_group(node, new, format, record, context, arena)
            }
            Operation::TableAggregate {
                store,
                add,
                subtract,
            } => {
                let how = (add, subtract.as_ref());
                self.table_aggregate(node, *store, how, record, context, arena)
            }
            _ => Ok(()),
        }
    }

    /// New key and value of old and new; one change where the keys are the same (KIP-904), else the
    /// old value goes first. Values without a new key go nowhere.
    fn table_group<'r>(
        &'r self,
        node: &'r ProcessorNode,
        (key, value): (&'r Expression, Option<&'r Expression>),
        format: &Format,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        if record.key.is_null() || !record.is_latest() {
            // A change that is older than the table's latest is no part of the aggregate (KIP-914).
            context.dropped.records += 1;
            return Ok(());
        }
        let mut pair = |of: Datum<'r>| -> Result<Option<Pair<'r>>, NodeError> {
            if of.is_null() {
                return Ok(None);
            }
            let own = Record {
                value: of,
                ..*record
            };
            let known = variables(&own, arena);
            let new_key = Datum::computed(eval(node, key, &known, arena)?);
            let new_value = match value {
                Some(value) => Datum::computed(eval(node, value, &known, arena)?),
                None => of,
            };
            let bytes = encode(node, &new_key, format, context.scratch, arena)?;
            Ok(bytes
                .filter(|_| !new_value.is_null())
                .map(|bytes| (bytes, new_key, new_value)))
        };
        let (new, old) = (pair(record.value)?, pair(record.old())?);
        let mut forward = |key: Datum<'r>, value: Datum<'r>, old: Datum<'r>| {
            let change = Some(&*arena.alloc(Change { old, latest: true }));
            let window = None;
            let changed = Record {
                key,
                value,
                change,
                window,
                ..*record
            };
            self.forward(node, &changed, context, arena)
        };
        match (old, new) {
            (Some((old_bytes, key, old)), Some((new_bytes, _, new))) if old_bytes == new_bytes => {
                forward(key, new, old)
            }
            (old, new) => {
                if let Some((_, key, old)) = old {
                    forward(key, Datum::NULL, old)?;
                }
                match new {
                    Some((_, key, new)) => forward(key, new, Datum::NULL),
                    None => Ok(()),
                }
            }
        }
    }

    /// Old value out, new value in. The aggregate's time is the later of the record's and its own.
    fn table_aggregate<'r>(
        &'r self,
        node: &'r ProcessorNode,
        store: usize,
        (add, subtract): (&'r Aggregation, Option<&'r Expression>),
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        if record.key.is_null() {
            context.dropped.records += 1;
            return Ok(());
        }
        let row = self.row(node, store, &record.key, context, arena)?;
        let old_aggregate = self.row_datum(node, store, row, arena)?;
        let own_time = |touched: bool| match row {
            Some(row) if touched => record.timestamp.max(row.timestamp),
            _ => record.timestamp,
        };
        let mut touched = false;
        let mut aggregate = old_aggregate;
        if !record.old().is_null() && !aggregate.is_null() {
            let known = [record.key.value, record.old().value, aggregate.value];
            aggregate = Datum::computed(match subtract {
                Some(subtract) => eval(node, subtract, &known, arena)?,
                None => one_less(node, aggregate.value)?,
            });
            touched = true;
        }
        if !record.value.is_null() {
            let before = match aggregate.value {
                Value::Null => None,
                value => Some(value),
            };
            // A first value is taken as it is by a reduction, without a look at the old row's time.
            touched |= before.is_some() || !matches!(add, Aggregation::Reduce(_));
            let added = (record.key.value, record.value);
            aggregate = updated(node, add, before, added, arena)?;
        }
        let timestamp = own_time(touched);
        let key = &record.key;
        self.put(node, store, key, &aggregate, timestamp, context, arena)?;
        let change = node.sends_old.then(|| {
            &*arena.alloc(Change {
                old: old_aggregate,
                latest: true,
            })
        });
        let changed = Record {
            value: aggregate,
            timestamp,
            change,
            ..*record
        };
        self.forward_change(node, store, &changed, context, arena)
    }
}
