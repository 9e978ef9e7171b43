//! Aggregations by key and window: what tumbling, hopping, sliding and session windows share, and the
//! first two (KStreamWindowAggregate, AbstractKStreamTimeWindowAggregateProcessor).

mod session;
mod sliding;

use millrace_crds::plan::{Aggregation, Emit, Expression, Windows};
use millrace_expr::Bump;
use millrace_kafka::Headers;

use super::aggregation::{initial, updated};
use super::node_times::UNKNOWN;
use super::{Context, NodeError, encode};
use crate::record::{Change, Datum, Record, Window};
use crate::state::{WindowRow, WindowStore};
use crate::topology::{ProcessorNode, ProcessorTopology};

/// An aggregation by key and window.
pub struct WindowedAggregate {
    /// Store slot: of a window store, or of a session store.
    pub store: usize,
    /// Place of the node's [`NodeTimes`](super::NodeTimes).
    pub times: usize,
    /// Which windows a record is in.
    pub windows: Windows,
    /// Milliseconds after its end that a window takes late records.
    pub grace_ms: i64,
    /// What is done with each record.
    pub aggregation: Aggregation,
    /// What is done with two sessions that have become one.
    pub merge: Option<Expression>,
    /// When results are forwarded.
    pub emit: Emit,
}

/// A result to be forwarded.
struct Outcome<'r> {
    key: Datum<'r>,
    window: Window,
    old: Datum<'r>,
    new: Datum<'r>,
    timestamp: i64,
    headers: Headers<'r>,
}

/// An aggregate and its time.
#[derive(Clone, Copy)]
struct Aggregated<'r> {
    value: Datum<'r>,
    timestamp: i64,
}

/// The start of the first window that a time is in (TimeWindows.windowsFor).
pub(crate) fn first_window(time: i64, size_ms: i64, advance_ms: i64) -> i64 {
    (time - size_ms + advance_ms).max(0) / advance_ms * advance_ms
}

/// First and last start of the windows that a time is in.
fn starts(time: i64, size_ms: i64, advance_ms: i64) -> (i64, i64) {
    let first = first_window(time, size_ms, advance_ms);
    (first, time / advance_ms * advance_ms)
}

impl ProcessorTopology {
    /// Updates the aggregates of all windows that the record is in.
    pub(super) fn windowed_aggregate<'r>(
        &'r self,
        node: &'r ProcessorNode,
        step: &'r WindowedAggregate,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        if step.emit == Emit::OnWindowClose {
            // Kafka Streams loses windows that stream time has left behind by more than the retention
            // before they were forwarded (docs/decisions/007): here they wait for that.
            let length_ms = match step.windows {
                Windows::Time { size_ms, .. } => size_ms,
                Windows::Sliding { difference_ms } => difference_ms,
                Windows::Session { .. } => 0,
            };
            let emitted = context.times[step.times].emitted;
            context.stores[step.store].keep_from(emitted.saturating_sub(length_ms).max(0));
        }
        match step.windows {
            Windows::Time {
                size_ms,
                advance_ms,
            } => self.time_windows(node, step, (size_ms, advance_ms), record, context, arena),
            Windows::Sliding { difference_ms } => {
                self.sliding_windows(node, step, difference_ms, record, context, arena)
            }
            Windows::Session { gap_ms } => {
                self.sessions(node, step, gap_ms, record, context, arena)
            }
        }
    }

    /// Tumbling and hopping windows. A null key is dropped; a null value is not: it counts.
    fn time_windows<'r>(
        &'r self,
        node: &'r ProcessorNode,
        step: &'r WindowedAggregate,
        (size_ms, advance_ms): (i64, i64),
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        if record.key.is_null() {
            context.dropped.records += 1;
            return Ok(());
        }
        let stream_time = context.times[step.times].advance(record.timestamp);
        let closed = stream_time.saturating_sub(step.grace_ms);
        let key = self.key_bytes(node, step.store, &record.key, context, arena)?;
        let (first, last) = starts(record.timestamp, size_ms, advance_ms);
        let count = (last - first) / advance_ms;
        for start in (0..=count).map(|number| first + number * advance_ms) {
            let end = start.saturating_add(size_ms);
            if end <= closed {
                context.dropped.records += 1;
                continue;
            }
            let row = WindowStore::new(&mut context.stores[step.store]).get(key, start, arena)?;
            let before = match row {
                Some(row) => Aggregated {
                    value: self.present(node, step.store, row, arena)?,
                    timestamp: row.timestamp.max(record.timestamp),
                },
                None => Aggregated {
                    value: initial(node, &step.aggregation, arena)?,
                    timestamp: record.timestamp,
                },
            };
            let window = Window { start, end };
            self.update_window(node, step, (key, window), before, record, context, arena)?;
        }
        self.emit_time_windows(node, step, (size_ms, advance_ms), record, context, arena)
    }

    /// Puts the aggregate with the record into a window's row, and forwards the change.
    #[allow(clippy::too_many_arguments)]
    fn update_window<'r>(
        &'r self,
        node: &'r ProcessorNode,
        step: &'r WindowedAggregate,
        (key, window): (&'r [u8], Window),
        before: Aggregated<'r>,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let new = updated(node, &step.aggregation, &before.value, record, arena)?;
        let timestamp = before.timestamp;
        let after = Aggregated {
            value: new,
            timestamp,
        };
        self.put_window(node, step.store, (key, window.start), after, context, arena)?;
        if step.emit == Emit::OnWindowClose {
            return Ok(());
        }
        let outcome = Outcome {
            key: record.key,
            window,
            old: before.value,
            new,
            timestamp,
            headers: record.headers,
        };
        self.forward_outcome((node, step.store), &outcome, record, context, arena)
    }

    /// Writes a window's row, refusing one that its changelog topic would refuse.
    fn put_window<'r>(
        &'r self,
        node: &'r ProcessorNode,
        store: usize,
        (key, start): (&'r [u8], i64),
        after: Aggregated<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let format = &self.stores[store].value;
        let value = encode(node, &after.value, format, context.scratch, arena)?;
        self.check_size(node, store, key, value, context)?;
        let mut windows = WindowStore::new(&mut context.stores[store]);
        if !windows.put(key, start, value, after.timestamp, arena) {
            context.dropped.records += 1;
        }
        Ok(())
    }

    fn forward_outcome<'r>(
        &'r self,
        (node, store): (&'r ProcessorNode, usize),
        outcome: &Outcome<'r>,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let change = node.sends_old.then(|| {
            &*arena.alloc(Change {
                old: outcome.old,
                latest: true,
            })
        });
        let changed = Record {
            key: outcome.key,
            value: outcome.new,
            timestamp: outcome.timestamp,
            headers: outcome.headers,
            topic: record.topic,
            change,
            window: Some(outcome.window),
        };
        self.forward_change(node, store, &changed, context, arena)
    }

    /// Whether windows that have closed are to be forwarded now.
    fn may_emit_closed(step: &WindowedAggregate, closed: i64, context: &mut Context<'_>) -> bool {
        let (now_ms, interval_ms) = (context.now_ms, context.emit_interval_ms);
        let times = &mut context.times[step.times];
        step.emit == Emit::OnWindowClose
            && times.may_emit(now_ms, interval_ms)
            && (times.emitted == UNKNOWN || times.emitted < closed)
    }

    fn emit_time_windows<'r>(
        &'r self,
        node: &'r ProcessorNode,
        step: &'r WindowedAggregate,
        (size_ms, advance_ms): (i64, i64),
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let closed = closed(step, context);
        if !Self::may_emit_closed(step, closed, context) {
            return Ok(());
        }
        let emitted = context.times[step.times].emitted;
        let upper = closed.saturating_sub(size_ms);
        let before = (emitted - size_ms).max(0);
        let lower = if emitted == UNKNOWN { 0 } else { before + 1 };
        let of = |time| starts(time, size_ms, advance_ms);
        if upper < 0 || (emitted != UNKNOWN && of(upper) == of(before)) {
            return Ok(());
        }
        self.emit_windows(node, step, (lower, upper), size_ms, record, context, arena)?;
        context.times[step.times].emitted = closed;
        Ok(())
    }

    /// Forwards the windows that start in a range, by start and key.
    #[allow(clippy::too_many_arguments)]
    fn emit_windows<'r>(
        &'r self,
        node: &'r ProcessorNode,
        step: &'r WindowedAggregate,
        (lower, upper): (i64, i64),
        length_ms: i64,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let windows = WindowStore::new(&mut context.stores[step.store]);
        for WindowRow {
            key, start, row, ..
        } in windows.fetch_all(lower, upper, arena)?
        {
            let outcome = Outcome {
                key: self.key_datum(node, step.store, key, arena)?,
                window: Window {
                    start,
                    end: start.saturating_add(length_ms),
                },
                old: Datum::NULL,
                new: self.present(node, step.store, row, arena)?,
                timestamp: row.timestamp,
                headers: record.headers,
            };
            self.forward_outcome((node, step.store), &outcome, record, context, arena)?;
        }
        Ok(())
    }
}

/// Windows that end before this time take no more records.
fn closed(step: &WindowedAggregate, context: &Context<'_>) -> i64 {
    let stream_time = context.times[step.times].stream_time;
    stream_time.saturating_sub(step.grace_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_windows_that_start_up_to_a_size_before_it() {
        assert_eq!(starts(25, 10, 10), (20, 20));
        assert_eq!(starts(20, 10, 10), (20, 20));
        assert_eq!(starts(25, 10, 5), (20, 25));
        assert_eq!(starts(3, 10, 5), (0, 0));
        assert_eq!(starts(25, 10, 4), (16, 24), "sizes need not be multiples");
    }
}
