//! Sessions (KStreamSessionWindowAggregate).

use millrace_crds::plan::Emit;
use millrace_expr::Bump;
use millrace_kafka::Headers;

use super::super::aggregation::{initial, merged, updated};
use super::{Context, NodeError, Outcome, WindowedAggregate, closed, encode};
use crate::processor::node_times::UNKNOWN;
use crate::record::{Datum, Record, Window};
use crate::state::SessionStore;
use crate::topology::{ProcessorNode, ProcessorTopology};

impl ProcessorTopology {
    /// Makes one session of the record and all that it is within the gap of. Those before are deleted,
    /// one by one, and the new one forwarded; results have the time of their session's end and no
    /// headers, because they are more than one record's.
    pub(super) fn sessions<'r>(
        &'r self,
        node: &'r ProcessorNode,
        step: &'r WindowedAggregate,
        gap_ms: i64,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        if record.key.is_null() {
            context.dropped.records += 1;
            return Ok(());
        }
        let time = record.timestamp;
        context.times[step.times].advance(time);
        let closed = closed(step, context).saturating_sub(gap_ms);
        let key = self.key_bytes(node, step.store, &record.key, context, arena)?;
        let sessions = SessionStore::new(&mut context.stores[step.store]);
        let (earliest, latest) = (time.saturating_sub(gap_ms), time.saturating_add(gap_ms));
        let found = sessions.find(key, earliest, latest, arena)?;
        let alone = Window {
            start: time,
            end: time,
        };
        let mut window = alone;
        let mut aggregate = initial(node, &step.aggregation, arena)?;
        let how = (&step.aggregation, step.merge.as_ref());
        for session in &found {
            let other = self.present(node, step.store, session.row, arena)?;
            aggregate = merged(node, how, record.key.value, (aggregate, other), arena)?;
            window.start = window.start.min(session.start);
            window.end = window.end.max(session.end);
        }
        if window.end < closed {
            context.dropped.records += 1;
        } else {
            // A session that only gets a record of its own single time stays the same row.
            let replaced = if window == alone { &[][..] } else { &found[..] };
            for session in replaced {
                let old = Window {
                    start: session.start,
                    end: session.end,
                };
                let was = self.present(node, step.store, session.row, arena)?;
                self.put_session(
                    node,
                    step,
                    (key, old),
                    (was, Datum::NULL),
                    record,
                    context,
                    arena,
                )?;
            }
            let new = updated(node, &step.aggregation, &aggregate, record, arena)?;
            // Downstream nobody asks; a cache must know whether the session has gone on before.
            let was = match found.first().filter(|_| window == alone) {
                Some(same) if self.stores[step.store].caching => {
                    self.present(node, step.store, same.row, arena)?
                }
                _ => Datum::NULL,
            };
            let change = (was, new);
            self.put_session(node, step, (key, window), change, record, context, arena)?;
        }
        self.emit_sessions(node, step, closed, record, context, arena)
    }

    /// Writes or deletes a session's row, and forwards the change from its old to its new value.
    #[allow(clippy::too_many_arguments)]
    fn put_session<'r>(
        &'r self,
        node: &'r ProcessorNode,
        step: &'r WindowedAggregate,
        (key, window): (&'r [u8], Window),
        (old, new): (Datum<'r>, Datum<'r>),
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let format = &self.stores[step.store].value;
        let value = encode(node, &new, format, context.scratch, arena)?;
        self.check_size(node, step.store, key, value, context)?;
        let mut sessions = SessionStore::new(&mut context.stores[step.store]);
        if !sessions.put(key, (window.start, window.end), value, arena) {
            context.dropped.records += 1;
        }
        if step.emit == Emit::OnWindowClose {
            return Ok(());
        }
        let outcome = Outcome {
            key: record.key,
            window,
            old,
            new,
            timestamp: window.end,
            headers: Headers::EMPTY,
        };
        self.forward_outcome((node, step.store), &outcome, record, context, arena)
    }

    fn emit_sessions<'r>(
        &'r self,
        node: &'r ProcessorNode,
        step: &'r WindowedAggregate,
        closed: i64,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        if !Self::may_emit_closed(step, closed, context) {
            return Ok(());
        }
        // A session's end is its last record: it has closed when that is before the bound.
        let lower = match context.times[step.times].emitted {
            UNKNOWN => 0,
            emitted => emitted.max(0),
        };
        let upper = closed - 1;
        if upper < lower {
            return Ok(());
        }
        let sessions = SessionStore::new(&mut context.stores[step.store]);
        for session in sessions.ended(lower, upper, arena)? {
            let outcome = Outcome {
                key: self.key_datum(node, step.store, session.key, arena)?,
                window: Window {
                    start: session.start,
                    end: session.end,
                },
                old: Datum::NULL,
                new: self.present(node, step.store, session.row, arena)?,
                timestamp: session.end,
                headers: record.headers,
            };
            self.forward_outcome((node, step.store), &outcome, record, context, arena)?;
        }
        context.times[step.times].emitted = closed;
        Ok(())
    }
}
