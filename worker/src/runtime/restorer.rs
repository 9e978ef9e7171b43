//! Brings the state of tasks up to the end of their changelogs, off the stream thread: opening
//! RocksDB and reading a tail never stop a running task, nor the thread's polling.
//!
//! The end of a restore is the high watermark asked with read_uncommitted, read under read_committed
//! until an End event passes it (architecture decision D3): what an open transaction wrote is either
//! committed by then, or aborted.

mod opening;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use millrace_expr::Bump;
use millrace_kafka::{
    Admin, Cluster, ErrorKind, PartitionAssignment, RecordSource, SourceEvent, StartOffset,
};

use super::catching::{Active, Catching};
use super::patience::Patience;
use super::restore::{RestoreJob, Restored};
use crate::clock::Clock;
use crate::error::EngineError;
use crate::state::{StateDirectory, StateErrorKind, StateMemory};

/// Records taken per poll.
const POLL_RECORDS_MAX: usize = 10_000;
/// How long a directory that another thread or process holds is waited for: the owner may be
/// flushing on its way out.
const LOCK_WAIT: Duration = Duration::from_secs(60);

/// A job whose directory is held by someone else.
struct Waiting {
    job: RestoreJob,
    since: Instant,
    /// Whether the log says so: once is enough.
    told: bool,
}

/// Restores tasks, several at a time. Driven by a thread of its own, or step by step by a test.
pub struct Restorer {
    cluster: Arc<dyn Cluster>,
    admin: Box<dyn Admin>,
    reader: Option<Box<dyn RecordSource>>,
    name: String,
    directory: StateDirectory,
    memory: StateMemory,
    clock: Arc<dyn Clock>,
    active: Vec<Active>,
    waiting: Vec<Waiting>,
    next_slot: u32,
    delete_retention_ms: HashMap<Arc<str>, i64>,
    arena: Bump,
}

impl Restorer {
    /// A restorer with nothing to do.
    pub fn new(
        cluster: Arc<dyn Cluster>,
        name: &str,
        directory: StateDirectory,
        memory: StateMemory,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, EngineError> {
        Ok(Self {
            admin: cluster.admin()?,
            cluster,
            reader: None,
            name: name.to_owned(),
            directory,
            memory,
            clock,
            active: Vec::new(),
            waiting: Vec::new(),
            next_slot: 0,
            delete_retention_ms: HashMap::new(),
            arena: Bump::new(),
        })
    }

    /// Whether there is anything to do.
    pub fn is_idle(&self) -> bool {
        self.active.is_empty() && self.waiting.is_empty()
    }

    /// Whether a step would wait for records; else it returns at once.
    pub fn is_reading(&self) -> bool {
        self.active
            .iter()
            .flat_map(|active| &active.stores)
            .any(|store| !store.done)
    }

    /// Takes a job on.
    pub fn submit(&mut self, job: RestoreJob) {
        let since = self.clock.monotonic();
        self.waiting.push(Waiting {
            job,
            since,
            told: false,
        });
    }

    /// One step: begins waiting jobs, reads and applies records. Returns finished jobs.
    pub fn run_once(&mut self, timeout: Duration) -> Vec<Restored> {
        let mut finished = Vec::new();
        self.drop_cancelled();
        self.begin_waiting(&mut finished);
        if let Err(error) = self.read(timeout) {
            self.failed(&error, &mut finished);
        }
        self.finish(&mut finished);
        finished
    }

    fn drop_cancelled(&mut self) {
        self.waiting
            .retain(|waiting| !waiting.job.cancelled.load(Ordering::Acquire));
        let (cancelled, active) = std::mem::take(&mut self.active)
            .into_iter()
            .partition::<Vec<_>, _>(|active| active.job.cancelled.load(Ordering::Acquire));
        self.active = active;
        for active in cancelled {
            self.unassign(active.stores.iter().filter(|store| !store.done));
        }
    }

    fn unassign<'s>(&mut self, stores: impl Iterator<Item = &'s Catching>) {
        let partitions: Vec<_> = stores.map(|store| store.partition.clone()).collect();
        if let Some(reader) = &mut self.reader
            && !partitions.is_empty()
            && let Err(error) = reader.unassign(&partitions)
        {
            tracing::warn!(%error, "restore");
            // A reader in doubt is replaced; what is under way starts over from its position.
            self.reader = None;
        }
    }

    fn begin_waiting(&mut self, finished: &mut Vec<Restored>) {
        let now = self.clock.monotonic();
        for waiting in std::mem::take(&mut self.waiting) {
            let (number, cancelled) = (waiting.job.number, Arc::clone(&waiting.job.cancelled));
            let expired = now.duration_since(waiting.since) >= LOCK_WAIT;
            match self.begin(waiting.job) {
                Ok(active) => self.active.push(active),
                Err((job, EngineError::State(error)))
                    if error.kind == StateErrorKind::Locked && !expired =>
                {
                    if !waiting.told {
                        tracing::warn!(task = %job.task, %error, limit = ?LOCK_WAIT, "waiting");
                    }
                    self.waiting.push(Waiting {
                        job: *job,
                        since: waiting.since,
                        told: true,
                    });
                }
                Err((job, EngineError::Log(error)))
                    if error.kind == ErrorKind::Unavailable && !expired =>
                {
                    tracing::warn!(task = %job.task, %error, "restore waits for the log");
                    self.waiting.push(Waiting {
                        job: *job,
                        ..waiting
                    });
                }
                Err((_, error)) => {
                    finished.push(Restored {
                        number,
                        result: Err(error),
                        cancelled,
                    });
                }
            }
        }
    }

    /// Opens a task's state and decides where each store's changelog is read from.
    fn begin(&mut self, mut job: RestoreJob) -> Result<Active, (Box<RestoreJob>, EngineError)> {
        let began = self.clock.monotonic();
        match self.open(&mut job) {
            Ok((db, topic_ids, existed, stores)) => {
                let written = job.progress.restored();
                Ok(Active {
                    job,
                    db,
                    topic_ids,
                    existed,
                    stores,
                    written,
                    began,
                    positions: -1,
                    wait: Patience::default(),
                })
            }
            Err(error) => Err((Box::new(job), error)),
        }
    }

    fn reader(&mut self) -> Result<&mut Box<dyn RecordSource>, EngineError> {
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => self.cluster.reader(&self.name)?,
        };
        Ok(self.reader.insert(reader))
    }

    /// Reads once and applies what came.
    fn read(&mut self, timeout: Duration) -> Result<(), EngineError> {
        if !self.is_reading() {
            return Ok(());
        }
        let routes: HashMap<u32, (usize, usize)> = self
            .active
            .iter()
            .enumerate()
            .flat_map(|(a, active)| {
                active
                    .stores
                    .iter()
                    .enumerate()
                    .map(move |(s, store)| (store.slot, (a, s)))
            })
            .collect();
        let Some(mut reader) = self.reader.take() else {
            return self.assign_again();
        };
        let Self { active, arena, .. } = self;
        let mut route = (u32::MAX, (0, 0));
        let polled = reader.poll(timeout, POLL_RECORDS_MAX, &mut |event| {
            let (SourceEvent::Record { slot, .. } | SourceEvent::End { slot, .. }) = event;
            if route.0 != slot {
                let Some(&place) = routes.get(&slot) else {
                    return;
                };
                route = (slot, place);
            }
            let (a, s) = route.1;
            let Active { job, stores, .. } = &mut active[a];
            stores[s].take(&event, job, arena);
        });
        match polled {
            Ok(_) => {
                self.reader = Some(reader);
                self.apply()
            }
            Err(error) if error.kind == ErrorKind::OffsetOutOfRange => {
                self.reader = Some(reader);
                for store in self.active.iter_mut().flat_map(|active| &mut active.stores) {
                    if error.partition.as_ref() == Some(&store.partition) {
                        store.rebuild = Some("the changelog no longer has the checkpoint's offset");
                    }
                }
                self.apply()
            }
            Err(error) if error.kind == ErrorKind::Unavailable => {
                tracing::warn!(%error, "restore waits for the log");
                self.reader = Some(reader);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// With a new reader: goes on where each store is.
    fn assign_again(&mut self) -> Result<(), EngineError> {
        let assignments: Vec<_> = self
            .active
            .iter()
            .flat_map(|active| &active.stores)
            .filter(|store| !store.done)
            .map(|store| PartitionAssignment {
                partition: store.partition.clone(),
                start: StartOffset::At(store.next),
                slot: store.slot,
            })
            .collect();
        Ok(self.reader()?.assign(&assignments)?)
    }

    /// Writes gathered rows, starts rebuilds, stops reading what is complete.
    fn apply(&mut self) -> Result<(), EngineError> {
        let (now_ms, now) = (self.clock.wall_ms(), self.clock.monotonic());
        let mut unassign = Vec::new();
        let mut assign = Vec::new();
        for active in &mut self.active {
            for store in &mut active.stores {
                if let Some(error) = store.failed.take() {
                    return Err(error.into());
                }
                if let Some(why) = store.rebuild.take() {
                    store.begin_again(why)?;
                    unassign.push(store.partition.clone());
                    assign.push(PartitionAssignment {
                        partition: store.partition.clone(),
                        start: StartOffset::Earliest,
                        slot: store.slot,
                    });
                }
            }
            active.write(now_ms, now)?;
            let complete = active
                .stores
                .iter()
                .filter(|store| store.done && store.slot != u32::MAX);
            unassign.extend(complete.map(|store| store.partition.clone()));
            for store in &mut active.stores {
                if store.done {
                    // Not read any more; the slot's events are nobody's.
                    store.slot = u32::MAX;
                }
            }
        }
        let reader = self.reader()?;
        if !unassign.is_empty() {
            reader.unassign(&unassign)?;
        }
        if !assign.is_empty() {
            reader.assign(&assign)?;
        }
        Ok(())
    }

    fn finish(&mut self, finished: &mut Vec<Restored>) {
        let now = self.clock.monotonic();
        let (complete, active) = std::mem::take(&mut self.active)
            .into_iter()
            .partition::<Vec<_>, _>(|active| active.stores.iter().all(|store| store.done));
        self.active = active;
        self.active
            .iter_mut()
            .for_each(|active| active.tell_if_stuck(now));
        for active in complete {
            tracing::info!(
                task = %active.job.task,
                records = active.job.progress.restored(),
                took_ms = now.duration_since(active.began).as_millis(),
                "state restored"
            );
            finished.push(active.finished());
        }
    }

    /// A failure of the shared reader fails all jobs that use it.
    fn failed(&mut self, error: &EngineError, finished: &mut Vec<Restored>) {
        self.reader = None;
        for active in std::mem::take(&mut self.active) {
            let Active { job, .. } = active;
            finished.push(Restored {
                number: job.number,
                result: Err(error.clone()),
                cancelled: job.cancelled,
            });
        }
    }
}
