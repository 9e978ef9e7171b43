//! Stream-table joins that hold the stream back, and join each record with the version of its own time
//! (KStreamKTableJoinProcessor with a grace, KIP-923; RocksDBTimeOrderedKeyValueBuffer).
//!
//! What is held back lies in a key-value store under `time (8) ‖ key ‖ number (4)`, see [`Held`]. The
//! number tells records of the same key and time apart.

use bumpalo::collections::Vec as ArenaVec;
use millrace_crds::plan::Expression;
use millrace_expr::{Bump, Value};

use super::held::Held;
use super::{Context, NodeError, encode, eval};
use crate::record::{Datum, Record};
use crate::state::{Row, Shape, VersionedStore};
use crate::topology::{ProcessorNode, ProcessorTopology};

/// A join with a grace.
pub struct GraceJoin {
    /// Store slot of the table.
    pub store: usize,
    /// Also without a match.
    pub left: bool,
    /// `key, left, right` → new value.
    pub value: Expression,
    /// Store slot of what is held back.
    pub buffer: usize,
    /// For how long, ms.
    pub grace_ms: i64,
    /// Place of the node's [`NodeTimes`](super::NodeTimes).
    pub times: usize,
}

/// A record held back, copied out of the store.
struct Waiting<'r> {
    row_key: &'r [u8],
    key: &'r [u8],
    row: Row<'r>,
}

impl ProcessorTopology {
    /// Holds a record back, and joins those whose grace has passed. A record that is later than the
    /// grace is joined at once.
    pub(super) fn grace_join<'r>(
        &'r self,
        node: &'r ProcessorNode,
        join: &'r GraceJoin,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        if record.value.is_null() || (record.key.is_null() && !join.left) {
            context.dropped.records += 1;
            return Ok(());
        }
        let times = &mut context.times[join.times];
        let late = times.stream_time.saturating_sub(join.grace_ms) > record.timestamp;
        if late || record.key.is_null() {
            return self.join_as_of(node, join, record, context, arena);
        }
        let passed = times
            .advance(record.timestamp)
            .saturating_sub(join.grace_ms);
        self.hold_for_join(node, join, record, context, arena)?;
        self.join_waiting(node, join, passed, context, arena)
    }

    fn hold_for_join<'r>(
        &'r self,
        node: &'r ProcessorNode,
        join: &'r GraceJoin,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let slot = &self.stores[join.buffer];
        let key = self.key_bytes(node, join.buffer, &record.key, context, arena)?;
        let new = encode(node, &record.value, &slot.value, context.scratch, arena)?;
        let held = Held {
            time: record.timestamp,
            timestamp: record.timestamp,
            topic: record.topic.as_bytes(),
            headers: record.headers.as_encoded(),
            prior: None,
            old: None,
            new,
        };
        let value = held.write(arena);
        let store = &mut context.stores[join.buffer];
        let mut number = 0u32;
        let mut row_key = numbered(record.timestamp, key, number, arena);
        while store.get(row_key, arena)?.is_some() {
            number += 1;
            row_key = numbered(record.timestamp, key, number, arena);
        }
        self.put_bytes(
            node,
            join.buffer,
            (row_key, Some(value)),
            record.timestamp,
            context,
        )?;
        context.times[join.times].waits(record.timestamp);
        Ok(())
    }

    /// Joins what was held back up to a time, by time, key and arrival.
    fn join_waiting<'r>(
        &'r self,
        node: &'r ProcessorNode,
        join: &'r GraceJoin,
        passed: i64,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let earliest = context.times[join.times].earliest.unwrap_or(0);
        if earliest > passed {
            return Ok(());
        }
        let mut waiting = ArenaVec::new_in(arena);
        let from = earliest.max(0).to_be_bytes();
        let to = passed.saturating_add(1).max(0).to_be_bytes();
        context.stores[join.buffer].scan(&from, Some(&to), |row_key, row| {
            let row_key: &'r [u8] = arena.alloc_slice_copy(row_key);
            let value = arena.alloc_slice_copy(row.value);
            let row = Row {
                timestamp: row.timestamp,
                value,
            };
            let key = row_key.get(8..row_key.len().saturating_sub(4));
            let key = key.unwrap_or_default();
            waiting.push(Waiting { row_key, key, row });
            true
        })?;
        context.times[join.times].earliest = Some(passed.saturating_add(1));
        for Waiting { row_key, key, row } in waiting {
            context.stores[join.buffer].put(row_key, None, row.timestamp);
            let Some(held) = Held::read(row) else {
                continue;
            };
            let record = Record {
                key: self.key_datum(node, join.buffer, key, arena)?,
                value: self.value_datum(node, join.buffer, held.new.unwrap_or_default(), arena)?,
                timestamp: held.timestamp,
                headers: held.headers(),
                topic: held.topic(),
                change: None,
                window: None,
            };
            self.join_as_of(node, join, &record, context, arena)?;
        }
        Ok(())
    }

    /// Joins a record with the version of its own time.
    fn join_as_of<'r>(
        &'r self,
        node: &'r ProcessorNode,
        join: &'r GraceJoin,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let row = self.row_as_of(node, join.store, record, context, arena)?;
        let right = match row {
            Some(row) => self.row_value(node, join.store, row, arena)?,
            None if join.left => Value::Null,
            None => return Ok(()),
        };
        let variables = [record.key.value, record.value.value, right];
        let value = Datum::computed(eval(node, &join.value, &variables, arena)?);
        self.forward(node, &Record { value, ..*record }, context, arena)
    }

    /// The row of a record's key: of a versioned table that of the record's own time, else the one it
    /// has now.
    pub(super) fn row_as_of<'r>(
        &'r self,
        node: &'r ProcessorNode,
        store: usize,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<Option<Row<'r>>, NodeError> {
        if !matches!(context.stores[store].shape(), Shape::Versioned { .. }) {
            return self.row(node, store, &record.key, context, arena);
        }
        if record.key.is_null() {
            return Ok(None);
        }
        let key = self.key_bytes(node, store, &record.key, context, arena)?;
        let mut versions = VersionedStore::new(&mut context.stores[store]);
        Ok(versions.get_as_of(key, record.timestamp, arena)?)
    }
}

fn numbered<'r>(time: i64, key: &[u8], number: u32, arena: &'r Bump) -> &'r [u8] {
    let mut row_key = ArenaVec::with_capacity_in(12 + key.len(), arena);
    row_key.extend_from_slice_copy(&time.to_be_bytes());
    row_key.extend_from_slice_copy(key);
    row_key.extend_from_slice_copy(&number.to_be_bytes());
    row_key.into_bump_slice()
}
