//! Sliding windows (KStreamSlidingWindowAggregate, KIP-450): a window for each distinct set of records
//! that are within a difference of each other, both ends included.
//!
//! A record makes at most three windows: its left one, which ends with it; its right one, which begins
//! right after it, once there is a record in it; and the right one of the record before it. It is put
//! into all windows that cover its time.

use bumpalo::collections::Vec as ArenaVec;
use millrace_crds::plan::Emit;
use millrace_expr::Bump;

use super::super::aggregation::{initial, updated};
use super::{Aggregated, Context, NodeError, Outcome, WindowedAggregate, closed};
use crate::processor::node_times::UNKNOWN;
use crate::record::{Datum, Record, Window};
use crate::state::WindowStore;
use crate::topology::{ProcessorNode, ProcessorTopology};

/// What is known of the windows around a record.
struct Around<'r> {
    /// Starts of the windows that were found.
    starts: ArenaVec<'r, i64>,
    /// Of the window that ends last before the record.
    left: Option<Aggregated<'r>>,
    /// Of a window that has the record in it, and records after it.
    right: Option<Aggregated<'r>>,
    left_exists: bool,
    right_exists: bool,
    /// Time of the record before.
    previous: Option<i64>,
}

/// A record on its way into sliding windows.
struct Sliding<'a, 'r> {
    node: &'r ProcessorNode,
    step: &'r WindowedAggregate,
    difference_ms: i64,
    key: &'r [u8],
    record: &'a Record<'r>,
    arena: &'r Bump,
}

impl Sliding<'_, '_> {
    fn window(&self, start: i64) -> Window {
        Window {
            start,
            end: start.saturating_add(self.difference_ms),
        }
    }
}

impl ProcessorTopology {
    /// Puts the record into its windows. A null key or value is dropped.
    pub(super) fn sliding_windows<'r>(
        &'r self,
        node: &'r ProcessorNode,
        step: &'r WindowedAggregate,
        difference_ms: i64,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        if record.key.is_null() || record.value.is_null() {
            context.dropped.records += 1;
            return Ok(());
        }
        context.times[step.times].advance(record.timestamp);
        let closed = closed(step, context);
        if record.timestamp.saturating_add(difference_ms) < closed {
            context.dropped.records += 1;
            return Ok(());
        }
        let key = self.key_bytes(node, step.store, &record.key, context, arena)?;
        let sliding = Sliding {
            node,
            step,
            difference_ms,
            key,
            record,
            arena,
        };
        if record.timestamp < difference_ms {
            // As in Kafka Streams, nothing is forwarded for having closed after such a record.
            return self.slide_early(&sliding, context);
        }
        self.slide(&sliding, context)?;
        self.emit_sliding(&sliding, closed, context)
    }

    /// A record whose left window starts at 0 or later (processReverse).
    fn slide<'r>(
        &'r self,
        sliding: &Sliding<'_, 'r>,
        context: &mut Context<'_>,
    ) -> Result<(), NodeError> {
        let (time, difference_ms) = (sliding.record.timestamp, sliding.difference_ms);
        let from = time.saturating_sub(difference_ms.saturating_mul(2)).max(0);
        let store = sliding.step.store;
        let windows = WindowStore::new(&mut context.stores[store]);
        let found = windows.fetch(sliding.key, from, time.saturating_add(1), sliding.arena)?;
        let mut around = Around::new(sliding.arena);
        for row in found.iter().rev() {
            around.starts.push(row.start);
            let window = sliding.window(row.start);
            let aggregate = Aggregated {
                value: self.present(sliding.node, store, row.row, sliding.arena)?,
                timestamp: row.row.timestamp,
            };
            if row.start == time + 1 {
                around.right_exists = true;
            } else if window.end > time {
                around.right.get_or_insert(aggregate);
                self.slide_into(sliding, window, aggregate, context)?;
            } else if window.end == time {
                around.left_exists = true;
                self.slide_into(sliding, window, aggregate, context)?;
                if aggregate.timestamp >= time {
                    // There was a record of this time before: all its windows exist.
                    return Ok(());
                }
                around.previous = Some(aggregate.timestamp);
            } else {
                around.left = Some(aggregate);
                around.previous = Some(aggregate.timestamp);
                break;
            }
        }
        self.slide_anew(sliding, &around, context)
    }

    /// Makes the windows that are missing (createWindows).
    fn slide_anew<'r>(
        &'r self,
        sliding: &Sliding<'_, 'r>,
        around: &Around<'r>,
        context: &mut Context<'_>,
    ) -> Result<(), NodeError> {
        let (time, difference_ms) = (sliding.record.timestamp, sliding.difference_ms);
        if let Some(previous) = around.previous {
            let start = previous + 1;
            if !around.starts.contains(&start) && start.saturating_add(difference_ms) >= time {
                self.slide_into_new(sliding, start, None, context)?;
            }
        }
        if !around.left_exists {
            let start = time - difference_ms;
            let covers_previous = around.previous.is_some_and(|previous| start <= previous);
            let left = around.left.filter(|_| covers_previous);
            self.slide_into_new(sliding, start, left, context)?;
        }
        self.slide_right(sliding, around, context)
    }

    /// Makes the record's right window where there are records after it and it does not exist
    /// (createCurrentRecordRightWindow).
    fn slide_right<'r>(
        &'r self,
        sliding: &Sliding<'_, 'r>,
        around: &Around<'r>,
        context: &mut Context<'_>,
    ) -> Result<(), NodeError> {
        let Sliding {
            node,
            step,
            key,
            record,
            arena,
            ..
        } = sliding;
        let later = |right: &Aggregated<'_>| right.timestamp > record.timestamp;
        let Some(right) = around.right.filter(later).filter(|_| !around.right_exists) else {
            return Ok(());
        };
        let window = sliding.window(record.timestamp + 1);
        self.put_window(node, step.store, (key, window.start), right, context, arena)?;
        self.forward_slid(sliding, window, Datum::NULL, right, context)
    }

    /// A record so early that its left window would start below 0: all of them share the window that
    /// starts at 0 (processEarly).
    fn slide_early<'r>(
        &'r self,
        sliding: &Sliding<'_, 'r>,
        context: &mut Context<'_>,
    ) -> Result<(), NodeError> {
        let (time, store) = (sliding.record.timestamp, sliding.step.store);
        let windows = WindowStore::new(&mut context.stores[store]);
        let found = windows.fetch(sliding.key, 0, time.saturating_add(1), sliding.arena)?;
        let mut around = Around::new(sliding.arena);
        let mut combined = None;
        for row in &found {
            around.starts.push(row.start);
            let aggregate = Aggregated {
                value: self.present(sliding.node, store, row.row, sliding.arena)?,
                timestamp: row.row.timestamp,
            };
            if row.start == 0 {
                combined = Some(aggregate);
                around.previous = Some(aggregate.timestamp).filter(|&previous| previous < time);
            } else if row.start <= time {
                around.right = Some(aggregate);
                self.slide_into(sliding, sliding.window(row.start), aggregate, context)?;
            } else {
                around.right_exists = true;
            }
        }
        if around.right.is_none() {
            around.right = combined.filter(|combined| combined.timestamp > time);
        }
        self.slide_right(sliding, &around, context)?;
        if let Some(previous) = around.previous
            && !around.starts.contains(&(previous + 1))
        {
            self.slide_into_new(sliding, previous + 1, None, context)?;
        }
        match combined {
            Some(combined) => self.slide_into(sliding, sliding.window(0), combined, context),
            None => self.slide_into_new(sliding, 0, None, context),
        }
    }

    /// Puts the record into a window that does not exist, over the aggregate of an earlier one or over
    /// none.
    fn slide_into_new<'r>(
        &'r self,
        sliding: &Sliding<'_, 'r>,
        start: i64,
        over: Option<Aggregated<'r>>,
        context: &mut Context<'_>,
    ) -> Result<(), NodeError> {
        let value = match over {
            Some(over) => over.value,
            None => initial(sliding.node, &sliding.step.aggregation, sliding.arena)?,
        };
        let timestamp = sliding.record.timestamp;
        let before = Aggregated { value, timestamp };
        self.slide_into(sliding, sliding.window(start), before, context)
    }

    /// Puts the record into a window, unless that has closed (updateWindowAndForward).
    fn slide_into<'r>(
        &'r self,
        sliding: &Sliding<'_, 'r>,
        window: Window,
        before: Aggregated<'r>,
        context: &mut Context<'_>,
    ) -> Result<(), NodeError> {
        let Sliding {
            node,
            step,
            key,
            record,
            arena,
            ..
        } = sliding;
        if window.end < closed(step, context) {
            context.dropped.records += 1;
            return Ok(());
        }
        let value = updated(node, &step.aggregation, &before.value, record, arena)?;
        let timestamp = if before.value.is_null() {
            record.timestamp
        } else {
            before.timestamp.max(record.timestamp)
        };
        let after = Aggregated { value, timestamp };
        self.put_window(node, step.store, (key, window.start), after, context, arena)?;
        self.forward_slid(sliding, window, before.value, after, context)
    }

    fn forward_slid<'r>(
        &'r self,
        sliding: &Sliding<'_, 'r>,
        window: Window,
        old: Datum<'r>,
        after: Aggregated<'r>,
        context: &mut Context<'_>,
    ) -> Result<(), NodeError> {
        if sliding.step.emit == Emit::OnWindowClose {
            return Ok(());
        }
        let record = sliding.record;
        let outcome = Outcome {
            key: record.key,
            window,
            old,
            new: after.value,
            timestamp: after.timestamp,
            headers: record.headers,
        };
        self.forward_outcome(
            (sliding.node, sliding.step.store),
            &outcome,
            record,
            context,
            sliding.arena,
        )
    }

    fn emit_sliding<'r>(
        &'r self,
        sliding: &Sliding<'_, 'r>,
        closed: i64,
        context: &mut Context<'_>,
    ) -> Result<(), NodeError> {
        let Sliding {
            node,
            step,
            difference_ms,
            record,
            arena,
            ..
        } = *sliding;
        if !Self::may_emit_closed(step, closed, context) {
            return Ok(());
        }
        let lower = match context.times[step.times].emitted {
            UNKNOWN => 0,
            emitted => (emitted - difference_ms).max(0),
        };
        let upper = closed.saturating_sub(difference_ms) - 1;
        if upper < 0 {
            return Ok(());
        }
        let range = (lower, upper);
        self.emit_windows(node, step, range, difference_ms, record, context, arena)?;
        context.times[step.times].emitted = closed;
        Ok(())
    }
}

impl<'r> Around<'r> {
    fn new(arena: &'r Bump) -> Self {
        Self {
            starts: ArenaVec::new_in(arena),
            left: None,
            right: None,
            left_exists: false,
            right_exists: false,
            previous: None,
        }
    }
}
