//! A task on its way to the end of its changelogs: what has been read, what has been written.
//! [`super::restorer`] reads for it.

use std::sync::Arc;
use std::time::Instant;

use millrace_expr::Bump;
use millrace_kafka::{SourceEvent, TopicPartition};

use super::patience::Patience;
use super::restore::{RestoreJob, Restored, RestoredState};
use crate::error::EngineError;
use crate::state::db::TaskDb;
use crate::state::{Checkpoint, Committed, Observed, StateError, Store};
use crate::task::TaskState;

/// Rows gathered before they are written in one batch.
const BATCH_ROWS: usize = 20_000;
/// Their bytes, where they are large: several tasks may restore at once.
const BATCH_BYTES: usize = 8 << 20;

/// One store on its way to the end of its changelog.
pub(super) struct Catching {
    pub(super) slot: u32,
    pub(super) partition: TopicPartition,
    pub(super) store: Store,
    /// High watermark when the restore began.
    pub(super) end: i64,
    /// Next offset.
    pub(super) next: i64,
    /// The rows are older than tombstones are kept: only good if nothing follows them.
    pub(super) too_old: bool,
    pub(super) rebuild: Option<&'static str>,
    /// A record could not be applied.
    pub(super) failed: Option<StateError>,
    pub(super) done: bool,
}

/// One job under way.
pub(super) struct Active {
    pub(super) job: RestoreJob,
    pub(super) db: Option<Arc<TaskDb>>,
    pub(super) topic_ids: Vec<String>,
    pub(super) existed: bool,
    pub(super) stores: Vec<Catching>,
    /// Changelog records that are written into the database.
    pub(super) written: u64,
    pub(super) began: Instant,
    /// Positions at the last look, and the wait since they moved.
    pub(super) positions: i64,
    pub(super) wait: Patience,
}

impl Catching {
    /// Takes an event of its changelog.
    pub(super) fn take(&mut self, event: &SourceEvent<'_>, job: &RestoreJob, arena: &mut Bump) {
        match event {
            SourceEvent::Record { record, .. } => {
                if self.rebuild.is_some() || self.done || record.offset < self.next {
                    return;
                }
                if self.too_old {
                    self.rebuild = Some("it is older than the changelog keeps tombstones");
                    return;
                }
                self.next = record.offset + 1;
                // A changelog record without a key is nobody's row.
                if let Some(key) = record.key {
                    let (value, time) = (record.value, record.timestamp);
                    if let Err(error) = self.store.restore(key, value, time, arena) {
                        self.failed.get_or_insert(error);
                    }
                    arena.reset();
                }
                job.progress.add_restored(1);
            }
            SourceEvent::End { offset, .. } => {
                if self.rebuild.is_none() && *offset >= self.end {
                    self.next = self.next.max(*offset);
                    self.done = true;
                }
            }
        }
    }

    pub(super) fn begin_again(&mut self, why: &'static str) -> Result<(), EngineError> {
        let changelog = &self.partition;
        tracing::warn!(store = %self.store.committed.name, %changelog, why, "rebuilding state");
        self.store.committed.observed.set(Observed::NOTHING);
        self.store.discard();
        if let Committed::Rocks(db) = &self.store.committed.rows {
            db.clear(&self.store.committed.name)?;
        }
        self.next = 0;
        self.too_old = false;
        Ok(())
    }
}

impl Active {
    /// Writes gathered rows and positions in one batch, when there are enough of them or a store is
    /// complete.
    pub(super) fn write(&mut self, now_ms: i64, now: Instant) -> Result<(), EngineError> {
        let stores = || self.stores.iter().map(|store| &store.store);
        let rows: usize = stores().map(|store| store.uncommitted_len()).sum();
        let bytes: usize = stores().map(|store| store.uncommitted_bytes()).sum();
        let complete = self
            .stores
            .iter()
            .any(|store| store.done && store.slot != u32::MAX);
        if rows < BATCH_ROWS && bytes < BATCH_BYTES && !complete {
            return Ok(());
        }
        if let Some(db) = &self.db {
            let mut batch = db.batch();
            for store in &self.stores {
                if !matches!(store.store.committed.rows, Committed::Rocks(_)) {
                    continue;
                }
                store.store.write_to(&mut batch)?;
                // Of a store whose age is in doubt nothing is claimed before it is complete.
                if !store.too_old || store.done {
                    let checkpoint = Checkpoint {
                        offset: store.next,
                        committed_at_ms: now_ms,
                        observed: store.store.observed(),
                        topic_id: self.topic_ids[store.store.id.0].clone(),
                    };
                    batch.checkpoint(&store.store.committed.name, &checkpoint)?;
                }
            }
            let restored = self.job.progress.restored();
            batch.stands_for(restored - self.written);
            self.written = restored;
            batch.write(now)?;
        }
        for store in &mut self.stores {
            store.store.commit()?;
            store.store.stored();
        }
        Ok(())
    }

    /// Tells now and then of a restore that does not come forward.
    pub(super) fn tell_if_stuck(&mut self, now: Instant) {
        let open = || self.stores.iter().filter(|store| !store.done);
        let positions = open().map(|store| store.next).sum();
        if positions != self.positions {
            self.positions = positions;
            self.wait.over();
        }
        let Some(waited) = self.wait.wait(now) else {
            return;
        };
        for store in open() {
            tracing::warn!(
                task = %self.job.task,
                changelog = %store.partition,
                position = store.next,
                end = store.end,
                ?waited,
                "the restore does not come forward: either the broker is away, or a transaction holds \
                 the changelog that nobody ends (kafka-transactions.sh find-hanging names it, abort \
                 ends it)"
            );
        }
    }

    pub(super) fn finished(self) -> Restored {
        let Self {
            job,
            db,
            topic_ids,
            existed,
            stores,
            ..
        } = self;
        let offsets = stores.iter().map(|store| store.next).collect();
        let stores = stores
            .into_iter()
            .map(|store| store.store.committed)
            .collect();
        let state = TaskState {
            db,
            stores,
            topic_ids,
            offsets,
        };
        Restored {
            number: job.number,
            result: Ok(RestoredState { state, existed }),
            cancelled: job.cancelled,
        }
    }
}
