//! The commit of a stream thread: outputs, changelog records and offsets in one transaction, then
//! the state, each in its own step and in this order.
//!
//! ```text
//!   caches ─► changelog ─► flush ─► offsets into the transaction ─► EndTxn ─► WriteBatch per task ─► (SST flush)
//! ```
//! A crash between any two steps loses nothing and counts nothing twice: before EndTxn the
//! transaction aborts and state is at the last commit; after it, the changelog's tail has what the
//! state misses. At least once is the same without transaction: flush, offsets, WriteBatch.

use std::time::{Duration, Instant};

use millrace_kafka::Guarantee;

use super::thread::StreamThread;
use crate::crash;
use crate::error::{EngineError, Outcome};
use crate::state::flush::FlushDue;

/// A commit that takes this long is told of: for so long the thread processes nothing.
const SLOW_COMMIT: Duration = Duration::from_millis(300);

/// When the steps of a commit in the log had ended.
struct Steps {
    flushed: Instant,
    offsets: Instant,
}

impl StreamThread {
    /// Commits everything processed so far, if there is anything. After an error nothing is applied:
    /// the caller recovers.
    pub(super) fn commit(&mut self) -> Result<(), EngineError> {
        self.last_commit = self.context.clock.monotonic();
        let Some(collector) = &self.collector else {
            return Ok(());
        };
        let now = self.last_commit;
        let mut needed = collector.is_dirty();
        for running in self.tasks.running_mut() {
            needed |= running.task.needs_commit(now);
        }
        if !needed {
            return self.flush_overdue();
        }
        let steps = self.commit_log().map_err(in_doubt)?;
        self.recoveries = 0;
        let committed = self.context.clock.monotonic();
        self.status.committed(self.last_commit, committed);
        let took = committed - self.last_commit;
        if took >= SLOW_COMMIT {
            let Steps { flushed, offsets } = steps;
            tracing::info!(
                thread = self.index,
                ?took,
                flush = ?flushed - self.last_commit,
                offsets = ?offsets - flushed,
                end = ?committed - offsets,
                "slow commit"
            );
        }
        self.apply()
    }

    /// The log's part.
    fn commit_log(&mut self) -> Result<Steps, EngineError> {
        let mut steps = Steps {
            flushed: self.last_commit,
            offsets: self.last_commit,
        };
        let (Some(collector), Some(consumer)) = (&mut self.collector, &mut self.consumer) else {
            return Ok(steps);
        };
        let clock = &self.context.clock;
        let now_ms = clock.wall_ms();
        for running in self.tasks.running_mut() {
            running.task.forward_cached(collector, now_ms)?;
        }
        let mut offsets = Vec::new();
        for running in self.tasks.running() {
            running.task.send_changelog(collector)?;
            running.task.offsets(&mut offsets, self.last_commit);
        }
        collector.flush()?;
        steps.flushed = clock.monotonic();
        crash::point("after-flush");
        match self.context.config.guarantee {
            Guarantee::ExactlyOnce => {
                if !offsets.is_empty() {
                    let group = consumer.group_metadata()?;
                    collector.send_offsets(&offsets, &group)?;
                }
                steps.offsets = clock.monotonic();
                crash::point("after-send-offsets");
                collector.commit()?;
            }
            Guarantee::AtLeastOnce => {
                if !offsets.is_empty() {
                    consumer.commit(&offsets)?;
                }
                steps.offsets = clock.monotonic();
            }
        }
        crash::point("after-end-txn");
        Ok(steps)
    }

    /// The state's part: what is committed becomes visible to queries and survives a restart, soon.
    fn apply(&mut self) -> Result<(), EngineError> {
        let Some(collector) = &self.collector else {
            return Ok(());
        };
        let (now_ms, now) = (self.context.clock.wall_ms(), self.last_commit);
        for running in self.tasks.running_mut() {
            running.task.apply_commit(collector, now_ms, now)?;
        }
        self.flush_overdue()
    }

    /// Starts writing memtables to disk where it is due; waits for it only where the disk does not keep
    /// up (see [`crate::state::flush`]).
    fn flush_overdue(&mut self) -> Result<(), EngineError> {
        let (now_ms, now) = (self.context.clock.wall_ms(), self.context.clock.monotonic());
        for running in self.tasks.running_mut() {
            running.task.store_due(now_ms, now)?;
            let due = running.task.flush_due(now);
            if due == FlushDue::Nothing {
                continue;
            }
            running.task.flush(false, now_ms, now)?;
            crash::point("during-sst-flush");
            if due == FlushDue::Wait {
                running.task.flush(true, now_ms, now)?;
            }
        }
        Ok(())
    }
}

/// Inside a transaction "not answered" is not "did not happen": such an error costs the transaction.
pub(super) fn in_doubt(error: EngineError) -> EngineError {
    match error {
        EngineError::Log(mut log) if EngineError::Log(log.clone()).outcome() == Outcome::Retry => {
            log.kind = millrace_kafka::ErrorKind::Unknown;
            EngineError::Log(log)
        }
        other => other,
    }
}
