//! Joins of two streams (KStreamJoinWindow, KStreamKStreamJoin; unmatched results as of KAFKA-10847).
//!
//! Each side keeps its records in a window store of its own, all of them, for as long as a record of
//! the other side may still find them. Records without a match of a side whose unmatched records count
//! wait in a third store, `time (8) ‖ side (1: left) ‖ key`, each row a list of `length (4) ‖ value`,
//! until their window has closed.

use bumpalo::collections::Vec as ArenaVec;
use millrace_crds::plan::{Expression, JoinKind, Side};
use millrace_expr::{Bump, Value};

use super::{Context, NodeError, encode, eval};
use crate::record::{Datum, Record};
use crate::state::WindowStore;
use crate::topology::{ProcessorNode, ProcessorTopology};

/// Nothing waits.
const NOTHING: i64 = i64::MAX;
/// Bytes before the key in an unmatched row's key: time and side.
const UNMATCHED_PREFIX: usize = 9;

/// One side of a join.
pub struct StreamJoin {
    /// Which side.
    pub side: Side,
    /// Store slot of this side's records.
    pub own: usize,
    /// Store slot of the other side's.
    pub other: usize,
    /// Store slot of records of either side that wait for a match.
    pub unmatched: Option<usize>,
    /// Place of the [`NodeTimes`](super::NodeTimes) that both sides share.
    pub times: usize,
    /// Which records are forwarded.
    pub kind: JoinKind,
    /// How much earlier than the left record the right one may be, ms.
    pub before_ms: i64,
    /// How much later, ms.
    pub after_ms: i64,
    /// Milliseconds after its end that a window takes late records.
    pub grace_ms: i64,
    /// `key, left, right` → new value.
    pub value: Expression,
}

impl StreamJoin {
    /// How far before and after a record of this side those of the other may be.
    pub(crate) fn reach(&self) -> (i64, i64) {
        match self.side {
            Side::Left => (self.before_ms, self.after_ms),
            Side::Right => (self.after_ms, self.before_ms),
        }
    }

    /// Whether this side's unmatched records are forwarded too.
    fn is_outer(&self) -> bool {
        match self.side {
            Side::Left => self.kind != JoinKind::Inner,
            Side::Right => self.kind == JoinKind::Outer,
        }
    }

    /// How long after an unmatched record of a side a match may come.
    fn open_ms(&self, left: bool) -> i64 {
        let reach = if left { self.after_ms } else { self.before_ms };
        reach.saturating_add(self.grace_ms)
    }

    fn unmatched_key<'r>(&self, left: bool, time: i64, key: &[u8], arena: &'r Bump) -> &'r [u8] {
        let mut row = ArenaVec::with_capacity_in(UNMATCHED_PREFIX + key.len(), arena);
        row.extend_from_slice_copy(&time.to_be_bytes());
        row.push(u8::from(left));
        row.extend_from_slice_copy(key);
        row.into_bump_slice()
    }

    fn is_left(&self) -> bool {
        self.side == Side::Left
    }
}

/// Unmatched records of one key, side and time.
struct Unmatched<'r> {
    row_key: &'r [u8],
    time: i64,
    left: bool,
    key: &'r [u8],
    /// The list, as stored.
    values: &'r [u8],
}

impl ProcessorTopology {
    /// Joins a record with those of the other side, then keeps it for those that come.
    pub(super) fn stream_join<'r>(
        &'r self,
        node: &'r ProcessorNode,
        join: &'r StreamJoin,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let stream_time = context.times[join.times].advance(record.timestamp);
        if record.value.is_null() || (record.key.is_null() && !join.is_outer()) {
            context.dropped.records += 1;
            return Ok(());
        }
        if record.key.is_null() {
            // Nothing can match it (KIP-962).
            return self.forward_joined(node, join, record, Value::Null, record, context, arena);
        }
        if record.timestamp == stream_time {
            self.emit_unmatched(node, join, record, context, arena)?;
        }
        let key = self.key_bytes(node, join.own, &record.key, context, arena)?;
        let value = &self.stores[join.own].value;
        let value = encode(node, &record.value, value, context.scratch, arena)?.unwrap_or_default();
        self.check_size(node, join.own, key, Some(value), context)?;
        self.join_with_other(node, join, (key, value), record, context, arena)?;
        let mut own = WindowStore::new(&mut context.stores[join.own]);
        let time = record.timestamp;
        if !own.put(key, time, Some(value), time, arena) {
            context.dropped.records += 1;
        }
        Ok(())
    }

    fn join_with_other<'r>(
        &'r self,
        node: &'r ProcessorNode,
        join: &'r StreamJoin,
        (key, value): (&'r [u8], &'r [u8]),
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let time = record.timestamp;
        let (before, after) = join.reach();
        let from = time.saturating_sub(before).max(0);
        let to = time.saturating_add(after).max(0);
        let other = WindowStore::new(&mut context.stores[join.other]);
        let found = other.fetch(key, from, to, arena)?;
        for row in &found {
            if let Some(unmatched) = join.unmatched {
                let row_key = join.unmatched_key(!join.is_left(), row.start, key, arena);
                let store = &mut context.stores[unmatched];
                if store.get(row_key, arena)?.is_some() {
                    store.put(row_key, None, row.start);
                }
            }
            let with = self.row_value(node, join.other, row.row, arena)?;
            let joined = Record {
                timestamp: time.max(row.start),
                ..*record
            };
            self.forward_joined(node, join, record, with, &joined, context, arena)?;
        }
        if !found.is_empty() || !join.is_outer() {
            return Ok(());
        }
        let times = &mut context.times[join.times];
        match join.unmatched {
            Some(unmatched) if to >= times.stream_time => {
                // Where it was not known, older ones wait until this one is due, as in Kafka Streams.
                times.earliest = Some(times.earliest.unwrap_or(NOTHING).min(time));
                self.wait_unmatched(node, join, unmatched, (key, value), time, context, arena)
            }
            // No match can come any more: what the other side has is older than that.
            _ => self.forward_joined(node, join, record, Value::Null, record, context, arena),
        }
    }

    /// Adds a record to those that wait for a match.
    #[allow(clippy::too_many_arguments)]
    fn wait_unmatched<'r>(
        &'r self,
        node: &'r ProcessorNode,
        join: &'r StreamJoin,
        unmatched: usize,
        (key, value): (&'r [u8], &'r [u8]),
        time: i64,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let row_key = join.unmatched_key(join.is_left(), time, key, arena);
        let before = context.stores[unmatched].get(row_key, arena)?;
        let mut list = ArenaVec::new_in(arena);
        if let Some(before) = before {
            list.extend_from_slice_copy(before.value);
        }
        let len = u32::try_from(value.len()).unwrap_or(u32::MAX);
        list.extend_from_slice_copy(&len.to_be_bytes());
        list.extend_from_slice_copy(value);
        self.check_size(node, unmatched, row_key, Some(&list), context)?;
        context.stores[unmatched].put(row_key, Some(&list), time);
        Ok(())
    }

    /// Forwards unmatched records whose windows have closed, by time, right side before left.
    fn emit_unmatched<'r>(
        &'r self,
        node: &'r ProcessorNode,
        join: &'r StreamJoin,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let Some(unmatched) = join.unmatched else {
            return Ok(());
        };
        let (now_ms, interval_ms) = (context.now_ms, context.emit_interval_ms);
        let times = &mut context.times[join.times];
        let open_ms = join.reach().1.saturating_add(join.grace_ms);
        let stream_time = times.stream_time;
        // Where nothing waits, or nobody knows, the sum wraps and there is a look, as in Kafka Streams:
        // that look puts off the next one, which shows in the results' order.
        let earliest = times.earliest.unwrap_or(NOTHING);
        let closed = earliest.wrapping_add(open_ms) < stream_time;
        if !closed || !times.may_emit(now_ms, interval_ms) {
            return Ok(());
        }
        let (closed, earliest) = closed_unmatched(join, unmatched, stream_time, context, arena)?;
        context.times[join.times].earliest = Some(earliest);
        for waiting in closed {
            let own = waiting.left == join.is_left();
            let (store, key_store) = if own {
                (join.own, join.own)
            } else {
                (join.other, join.own)
            };
            let key = self.key_datum(node, key_store, waiting.key, arena)?;
            let mut rest = waiting.values;
            while let Some((len, after)) = rest.split_first_chunk::<4>() {
                let len = (u32::from_be_bytes(*len) as usize).min(after.len());
                let (bytes, others) = after.split_at(len);
                rest = others;
                let value = self.value_datum(node, store, bytes, arena)?;
                let unmatched = Record {
                    key,
                    timestamp: waiting.time,
                    ..*record
                };
                let (left, right) = if waiting.left {
                    (value.value, Value::Null)
                } else {
                    (Value::Null, value.value)
                };
                let variables = [key.value, left, right];
                let value = Datum::computed(eval(node, &join.value, &variables, arena)?);
                self.forward(node, &Record { value, ..unmatched }, context, arena)?;
            }
            context.stores[unmatched].put(waiting.row_key, None, waiting.time);
        }
        Ok(())
    }

    /// Forwards the joined value of this side's record and a value of the other's, as `joined`.
    #[allow(clippy::too_many_arguments)]
    fn forward_joined<'r>(
        &'r self,
        node: &'r ProcessorNode,
        join: &'r StreamJoin,
        record: &Record<'r>,
        with: Value<'r>,
        joined: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let (left, right) = match join.side {
            Side::Left => (record.value.value, with),
            Side::Right => (with, record.value.value),
        };
        let variables = [record.key.value, left, right];
        let value = Datum::computed(eval(node, &join.value, &variables, arena)?);
        self.forward(node, &Record { value, ..*joined }, context, arena)
    }
}

/// Unmatched records whose window has closed, and the time that the next look begins from. That time
/// is the last one looked at, not the lowest that is left: so it is in Kafka Streams, where results
/// are seen at the same later record.
fn closed_unmatched<'r>(
    join: &StreamJoin,
    unmatched: usize,
    stream_time: i64,
    context: &Context<'_>,
    arena: &'r Bump,
) -> Result<(ArenaVec<'r, Unmatched<'r>>, i64), NodeError> {
    let mut closed = ArenaVec::new_in(arena);
    let mut earliest = NOTHING;
    let (mut left_open, mut right_open) = (false, false);
    context.stores[unmatched].scan(b"", None, |row_key, row| {
        let Some((time, rest)) = row_key.split_first_chunk::<8>() else {
            return true;
        };
        let Some((&side, key)) = rest.split_first() else {
            return true;
        };
        let (time, left) = (i64::from_be_bytes(*time), side != 0);
        earliest = time;
        if left_open && right_open {
            return false;
        }
        if time.saturating_add(join.open_ms(left)) >= stream_time {
            left_open |= left;
            right_open |= !left;
            // Kafka Streams looks at one value after the other: the next one may be of this row.
            return !(left_open && right_open && has_several(row.value));
        }
        closed.push(Unmatched {
            row_key: arena.alloc_slice_copy(row_key),
            time,
            left,
            key: arena.alloc_slice_copy(key),
            values: arena.alloc_slice_copy(row.value),
        });
        true
    })?;
    Ok((closed, earliest))
}

/// Whether a list has more than one value.
fn has_several(list: &[u8]) -> bool {
    list.split_first_chunk::<4>()
        .is_some_and(|(len, rest)| rest.len() > u32::from_be_bytes(*len) as usize)
}
