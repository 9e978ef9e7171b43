//! Suppression: a table's changes held back until their window closes, or for a while, the latest of
//! each key (KTableSuppressProcessorSupplier, InMemoryTimeOrderedKeyValueChangeBuffer).
//!
//! What is held back lies in a key-value store, so that it survives the process, in two rows per key:
//!
//! ```text
//!   0 ‖ key                        the change, see `Held`
//!   1 ‖ time (8) ‖ key             nothing: the order in which changes are forwarded
//! ```
//! The time is that of the first change held back of a key, or its window's end; later changes of the
//! key take its place.

use bumpalo::collections::Vec as ArenaVec;
use millrace_crds::plan::{BufferBounds, SuppressUntil};
use millrace_expr::Bump;

use super::held::Held;
use super::node_times::Waiting;
use super::{Context, NodeError, encode};
use crate::error::EngineError;
use crate::record::{Change, Datum, Record};
use crate::state::Store;
use crate::topology::{ProcessorNode, ProcessorTopology};

const BY_KEY: u8 = 0;
const BY_TIME: u8 = 1;
/// Nothing is held back.
const NOTHING: i64 = i64::MAX;

/// A suppression.
pub struct Suppress {
    /// Store slot.
    pub store: usize,
    /// Place of the node's [`NodeTimes`](super::NodeTimes).
    pub times: usize,
    /// Until when.
    pub until: SuppressUntil,
    /// How much.
    pub bounds: BufferBounds,
}

fn by_key<'r>(key: &[u8], arena: &'r Bump) -> &'r [u8] {
    let mut row = ArenaVec::with_capacity_in(1 + key.len(), arena);
    row.push(BY_KEY);
    row.extend_from_slice_copy(key);
    row.into_bump_slice()
}

fn by_time<'r>(time: i64, key: &[u8], arena: &'r Bump) -> &'r [u8] {
    let mut row = ArenaVec::with_capacity_in(9 + key.len(), arena);
    row.push(BY_TIME);
    row.extend_from_slice_copy(&time.to_be_bytes());
    row.extend_from_slice_copy(key);
    row.into_bump_slice()
}

fn held<'r>(store: &mut Store, key: &[u8], arena: &'r Bump) -> Result<Option<Held<'r>>, NodeError> {
    let row = store.get(by_key(key, arena), arena)?;
    Ok(row.and_then(Held::read))
}

/// The change that is forwarded next: its time and key.
fn first<'r>(
    store: &Store,
    from: i64,
    arena: &'r Bump,
) -> Result<Option<(i64, &'r [u8])>, NodeError> {
    let mut found = None;
    // What was forwarded before leaves markers of its deletion behind: they are not passed again.
    let from = by_time(from.max(0), b"", arena);
    store.scan(from, None, |row_key, _| {
        let rest = row_key
            .get(1..)
            .and_then(|rest| rest.split_first_chunk::<8>());
        found = rest.map(|(time, key)| {
            let key: &[u8] = arena.alloc_slice_copy(key);
            (i64::from_be_bytes(*time), key)
        });
        found.is_none()
    })?;
    Ok(found)
}

impl ProcessorTopology {
    /// Holds a change back, and forwards those whose time has come or that there is no room for.
    pub(super) fn suppress<'r>(
        &'r self,
        node: &'r ProcessorNode,
        step: &'r Suppress,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let stream_time = context.times[step.times].advance(record.timestamp);
        let waiting = match context.times[step.times].waiting {
            Some(waiting) => waiting,
            None => count_waiting(&context.stores[step.store])?,
        };
        context.times[step.times].waiting = Some(waiting);
        self.hold_back(node, step, record, context, arena)?;
        let hold_ms = match step.until {
            SuppressUntil::WindowCloses { grace_ms } => grace_ms,
            SuppressUntil::TimeLimit { limit_ms } => limit_ms,
        };
        let expired = stream_time.saturating_sub(hold_ms);
        let due = |earliest: i64| earliest <= expired;
        while context.times[step.times].earliest.is_none_or(due) {
            if !self.forward_first(node, step, Some(expired), context, arena)? {
                break;
            }
        }
        while over(step, context) {
            if !step.bounds.emit_early {
                return Err(too_much(node, step, context));
            }
            if !self.forward_first(node, step, None, context, arena)? {
                break;
            }
        }
        Ok(())
    }

    fn hold_back<'r>(
        &'r self,
        node: &'r ProcessorNode,
        step: &'r Suppress,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let format = &self.stores[step.store].value;
        let key = self.windowed_key_bytes(node, step.store, record, context, arena)?;
        let old = encode(node, &record.old(), format, context.scratch, arena)?;
        let new = encode(node, &record.value, format, context.scratch, arena)?;
        let before = held(&mut context.stores[step.store], key, arena)?;
        let time = match (step.until, record.window) {
            (SuppressUntil::WindowCloses { .. }, Some(window)) => window.end,
            _ => record.timestamp,
        };
        let change = Held {
            time: before.map_or(time, |before| before.time),
            timestamp: record.timestamp,
            topic: record.topic.as_bytes(),
            headers: record.headers.as_encoded(),
            prior: before.map_or(old, |before| before.prior),
            old,
            new,
        };
        let bytes = change.write(arena);
        let row_key = by_key(key, arena);
        self.check_size(node, step.store, row_key, Some(bytes), context)?;
        let store = &mut context.stores[step.store];
        store.put(row_key, Some(bytes), record.timestamp);
        let times = &mut context.times[step.times];
        let mut waiting = times.waiting.unwrap_or_default();
        match before {
            Some(before) => waiting.bytes -= before.size(key).min(waiting.bytes),
            None => {
                store.put(by_time(time, key, arena), Some(b""), record.timestamp);
                waiting.records += 1;
                times.waits(time);
            }
        }
        waiting.bytes += change.size(key);
        times.waiting = Some(waiting);
        Ok(())
    }

    /// Forwards the first change held back, if its time is up to `until`; false if there is none.
    fn forward_first<'r>(
        &'r self,
        node: &'r ProcessorNode,
        step: &'r Suppress,
        until: Option<i64>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<bool, NodeError> {
        let from = context.times[step.times].earliest.unwrap_or(0);
        let Some((time, key)) = first(&context.stores[step.store], from, arena)? else {
            context.times[step.times].earliest = Some(NOTHING);
            return Ok(false);
        };
        context.times[step.times].earliest = Some(time);
        if until.is_some_and(|until| time > until) {
            return Ok(false);
        }
        let store = &mut context.stores[step.store];
        let change = held(store, key, arena)?;
        store.put(by_key(key, arena), None, time);
        store.put(by_time(time, key, arena), None, time);
        let Some(change) = change else {
            return Ok(true);
        };
        let times = &mut context.times[step.times];
        if let Some(waiting) = &mut times.waiting {
            waiting.records = waiting.records.saturating_sub(1);
            waiting.bytes = waiting.bytes.saturating_sub(change.size(key));
        }
        // A window that never had a result, or lost it, has none in the end either.
        let last_word = matches!(step.until, SuppressUntil::WindowCloses { .. });
        if change.new.is_none() && last_word {
            return Ok(true);
        }
        let record = self.released(node, step, key, &change, arena)?;
        self.forward(node, &record, context, arena)?;
        Ok(true)
    }

    /// The record of a change that was held back.
    fn released<'r>(
        &'r self,
        node: &'r ProcessorNode,
        step: &Suppress,
        key: &'r [u8],
        change: &Held<'r>,
        arena: &'r Bump,
    ) -> Result<Record<'r>, NodeError> {
        let (key, window) = self.windowed_key(node, step.store, key, arena)?;
        let value = |bytes: Option<&'r [u8]>| match bytes {
            Some(bytes) => self.value_datum(node, step.store, bytes, arena),
            None => Ok(Datum::NULL),
        };
        let old = value(change.old)?;
        let latest = true;
        Ok(Record {
            key,
            value: value(change.new)?,
            timestamp: change.timestamp,
            headers: change.headers(),
            topic: change.topic(),
            change: node
                .sends_old
                .then(|| &*arena.alloc(Change { old, latest })),
            window,
        })
    }
}

fn over(step: &Suppress, context: &Context<'_>) -> bool {
    let waiting = context.times[step.times].waiting.unwrap_or_default();
    let records = step
        .bounds
        .records
        .is_some_and(|most| waiting.records > most);
    records || step.bounds.bytes.is_some_and(|most| waiting.bytes > most)
}

/// Counts what a buffer holds, once after a start.
fn count_waiting(store: &Store) -> Result<Waiting, NodeError> {
    let mut waiting = Waiting::default();
    store.scan(&[BY_KEY], Some(&[BY_TIME]), |row_key, row| {
        if let Some(held) = Held::read(row) {
            waiting.records += 1;
            waiting.bytes += held.size(&row_key[1..]);
        }
        true
    })?;
    Ok(waiting)
}

fn too_much(node: &ProcessorNode, step: &Suppress, context: &Context<'_>) -> NodeError {
    let waiting = context.times[step.times].waiting.unwrap_or_default();
    EngineError::BufferFull {
        node: format!("{} ({})", node.name, node.path),
        records: waiting.records,
        bytes: waiting.bytes,
    }
    .into()
}
