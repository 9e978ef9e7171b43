//! Opening a task's state: where each store's changelog is read from, and whether what lies on disk
//! may be built upon.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use millrace_crds::plan::{StoreId, TaskId};
use millrace_kafka::{PartitionAssignment, StartOffset, TopicPartition};

use super::super::catching::Catching;
use super::super::restore::{RestoreJob, StoreToRestore};
use super::Restorer;
use crate::error::EngineError;
use crate::state::db::TaskDb;
use crate::state::{Committed, CommittedStore, MemoryRows, Store};

/// Kafka's default of `delete.retention.ms`.
const DELETE_RETENTION_MS_DEFAULT: i64 = 24 * 3600 * 1000;

/// A store's changelog when its restore begins.
struct Changelog {
    partition: TopicPartition,
    topic_id: String,
    watermarks: (i64, i64),
}

impl Restorer {
    #[allow(clippy::type_complexity)]
    pub(super) fn open(
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
                    let committed = committed_store(spec, job.task, db.as_ref())?;
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
        let Committed::Rocks(db) = &committed.rows else {
            return Ok((None, false));
        };
        let Some(name) = &spec.changelog else {
            // Its rows are what the disk has, and so is what they have seen of time.
            if let Some(checkpoint) = db.checkpoint(&spec.name)? {
                committed.observed.set(checkpoint.observed);
            }
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
}

fn committed_store(
    spec: &StoreToRestore,
    task: TaskId,
    db: Option<&Arc<TaskDb>>,
) -> Result<CommittedStore, EngineError> {
    let rows = match (&spec.supplier, db) {
        (Some(supplier), _) => Committed::Supplied(supplier.open(&spec.name, task)?),
        (None, Some(db)) if !spec.in_memory => Committed::Rocks(Arc::clone(db)),
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
