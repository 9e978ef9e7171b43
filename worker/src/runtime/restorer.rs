//! Brings the state of tasks up to the end of their changelogs, off the stream thread: opening
//! RocksDB and reading a tail never stop a running task, nor the thread's polling.
//!
//! The end of a restore is the high watermark asked with read_uncommitted, read under read_committed
//! until an End event passes it (architecture decision D3): what an open transaction wrote is either
//! committed by then, or aborted.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use millrace_crds::plan::StoreId;
use millrace_expr::Bump;
use millrace_kafka::{
    Admin, Cluster, ErrorKind, PartitionAssignment, RecordSource, SourceEvent, StartOffset,
    TopicPartition,
};

use super::catching::{Active, Catching};
use super::patience::Patience;
use super::restore::{RestoreJob, Restored, StoreToRestore};
use crate::clock::Clock;
use crate::error::EngineError;
use crate::state::db::TaskDb;
use crate::state::{Committed, CommittedStore, MemoryRows};
use crate::state::{StateDirectory, StateErrorKind, StateMemory, Store};

/// Records taken per poll.
const POLL_RECORDS_MAX: usize = 10_000;
/// How long a directory that another thread or process holds is waited for: the owner may be
/// flushing on its way out.
const LOCK_WAIT: Duration = Duration::from_secs(60);
/// Kafka's default of `delete.retention.ms`.
const DELETE_RETENTION_MS_DEFAULT: i64 = 24 * 3600 * 1000;

/// A job whose directory is held by someone else.
struct Waiting {
    job: RestoreJob,
    since: Instant,
    /// Whether the log says so: once is enough.
    told: bool,
}

/// A store's changelog when its restore begins.
struct Changelog {
    partition: TopicPartition,
    topic_id: String,
    watermarks: (i64, i64),
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

    #[allow(clippy::type_complexity)]
    fn open(
        &mut self,
        job: &mut RestoreJob,
    ) -> Result<(Option<Arc<TaskDb>>, Vec<String>, bool, Vec<Catching>), EngineError> {
        let changelogs = self.changelogs(job)?;
        // Everything that may have to be tried again comes before the state is taken.
        let (db, open) = match job.state.take() {
            Some(state) => (state.db, Some((state.stores, state.offsets))),
            None => (self.open_db(job)?, None),
        };
        let mut existed = open.is_some();
        let mut stores = Vec::with_capacity(job.stores.len());
        for (index, spec) in job.stores.iter().enumerate() {
            let changelog = &changelogs[index];
            let (low, high) = changelog.watermarks;
            existed |= high > low;
            let (committed, start, too_old) = match &open {
                Some((stores, offsets)) => (stores[index].clone(), Some(offsets[index]), false),
                None => {
                    let committed = committed_store(spec, db.as_ref())?;
                    let (start, too_old) = self.start(spec, &committed, changelog)?;
                    // A checkpoint at the very beginning is that of a task that never wrote: it may
                    // have ended before it had any offsets to commit.
                    existed |= start.is_some_and(|offset| offset > 0);
                    (committed, start, too_old)
                }
            };
            let next = start.unwrap_or(low);
            let passed = u64::try_from(high - next).unwrap_or(0);
            job.progress.add_total(passed);
            let slot = self.next_slot;
            self.next_slot = self.next_slot.wrapping_add(1);
            let store = Store::new(StoreId(index), committed, 0);
            let done = spec.changelog.is_none();
            stores.push(Catching {
                slot: if done { u32::MAX } else { slot },
                partition: changelog.partition.clone(),
                store,
                end: high,
                next,
                too_old,
                rebuild: None,
                failed: None,
                done,
            });
        }
        let assignments: Vec<_> = stores
            .iter()
            .filter(|store| !store.done)
            .map(|store| PartitionAssignment {
                partition: store.partition.clone(),
                start: StartOffset::At(store.next),
                slot: store.slot,
            })
            .collect();
        if !assignments.is_empty() {
            self.reader()?.assign(&assignments)?;
        }
        let topic_ids = changelogs.into_iter().map(|log| log.topic_id).collect();
        Ok((db, topic_ids, existed, stores))
    }

    /// The changelogs of a job's stores, as the log has them now.
    fn changelogs(&self, job: &RestoreJob) -> Result<Vec<Changelog>, EngineError> {
        let logged = || {
            job.stores
                .iter()
                .filter_map(|store| store.changelog.as_ref())
        };
        let partitions: Vec<_> = logged()
            .map(|name| TopicPartition::new(Arc::clone(name), job.task.partition))
            .collect();
        let names: Vec<&str> = logged().map(|name| &**name).collect();
        let mut infos = self.admin.topics(&names)?.into_iter();
        let mut watermarks = self.admin.watermarks(&partitions)?.into_iter();
        let mut found = Vec::with_capacity(job.stores.len());
        for store in &job.stores {
            let Some(name) = &store.changelog else {
                // Never read: the rows are what the disk has, at the last commit.
                found.push(Changelog {
                    partition: TopicPartition::new(Arc::clone(&store.name), job.task.partition),
                    topic_id: String::new(),
                    watermarks: (0, 0),
                });
                continue;
            };
            let info = infos.next().flatten().ok_or_else(|| {
                EngineError::Topics(format!("the changelog topic {name} does not exist"))
            })?;
            found.push(Changelog {
                partition: TopicPartition::new(Arc::clone(name), job.task.partition),
                topic_id: info.id,
                watermarks: watermarks.next().unwrap_or((0, 0)),
            });
        }
        Ok(found)
    }

    fn reader(&mut self) -> Result<&mut Box<dyn RecordSource>, EngineError> {
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => self.cluster.reader(&self.name)?,
        };
        Ok(self.reader.insert(reader))
    }

    fn open_db(&self, job: &RestoreJob) -> Result<Option<Arc<TaskDb>>, EngineError> {
        let names: Vec<&str> = job
            .stores
            .iter()
            .filter(|store| !store.in_memory)
            .map(|store| &*store.name)
            .collect();
        if names.is_empty() {
            return Ok(None);
        }
        let directory = self.directory.lock(job.task)?;
        Ok(Some(Arc::new(TaskDb::open(
            directory,
            &names,
            &self.memory,
        )?)))
    }

    /// Where a store's changelog is read from: after its checkpoint, or from the beginning with the
    /// rows removed and the reason logged. The second value is "too old" (see [`Catching`]).
    fn start(
        &mut self,
        spec: &StoreToRestore,
        committed: &CommittedStore,
        changelog: &Changelog,
    ) -> Result<(Option<i64>, bool), EngineError> {
        let (low, high) = changelog.watermarks;
        let (Committed::Rocks(db), Some(name)) = (&committed.rows, &spec.changelog) else {
            return Ok((None, false));
        };
        let Some(checkpoint) = db.checkpoint(&spec.name)? else {
            // Rows without a checkpoint are those of an interrupted rebuild, or of another format.
            db.clear(&spec.name)?;
            return Ok((None, false));
        };
        let why = if checkpoint.topic_id != changelog.topic_id {
            Some("the changelog topic was deleted and created again")
        } else if checkpoint.offset > high {
            Some("the changelog ends before the checkpoint")
        } else if checkpoint.offset < low {
            Some("the changelog begins after the checkpoint")
        } else {
            None
        };
        if let Some(why) = why {
            tracing::warn!(store = %spec.name, changelog = %name, why, "rebuilding state");
            db.clear(&spec.name)?;
            return Ok((None, false));
        }
        let age_ms = self.clock.wall_ms() - checkpoint.committed_at_ms;
        let too_old = age_ms > self.delete_retention_ms(name)?;
        committed.observed.set(checkpoint.observed);
        Ok((Some(checkpoint.offset), too_old))
    }

    fn delete_retention_ms(&mut self, changelog: &Arc<str>) -> Result<i64, EngineError> {
        if let Some(&known) = self.delete_retention_ms.get(changelog) {
            return Ok(known);
        }
        let configs = self.admin.topic_configs(changelog)?;
        let retention = configs
            .get("delete.retention.ms")
            .and_then(|text| text.parse().ok())
            .unwrap_or(DELETE_RETENTION_MS_DEFAULT);
        self.delete_retention_ms
            .insert(Arc::clone(changelog), retention);
        Ok(retention)
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

fn committed_store(
    spec: &StoreToRestore,
    db: Option<&Arc<TaskDb>>,
) -> Result<CommittedStore, EngineError> {
    let rows = match db {
        Some(db) if !spec.in_memory => Committed::Rocks(Arc::clone(db)),
        _ => Committed::Memory(MemoryRows::from(RwLock::new(BTreeMap::new()))),
    };
    let formats = (spec.key, spec.value);
    Ok(CommittedStore::new(
        Arc::clone(&spec.name),
        spec.shape,
        formats,
        rows,
    ))
}
