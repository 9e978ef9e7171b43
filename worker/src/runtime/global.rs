//! Reads global tables: every partition of their topics, into tables that all tasks of the process
//! look up. No group and no changelog: the topic is the changelog, and how far it is in the rows lies
//! beside them, in the same WriteBatch.
//!
//! Tasks start when every partition was read to where it ended at the beginning: the high watermark
//! asked with read_uncommitted, passed under read_committed, as in a restore.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_crds::plan::{GlobalTable, GlobalTableId, Plan};
use millrace_kafka::{
    Admin, Cluster, ErrorKind, PartitionAssignment, RecordSource, SourceEvent, StartOffset,
    TopicPartition,
};

use crate::clock::Clock;
use crate::error::EngineError;
use crate::state::flush::{FlushBound, FlushDue};
use crate::state::{
    Checkpoint, Committed, GlobalTables, Observed, Row, StateDirectory, StateMemory, TaskDb,
};

/// Events taken per poll.
const POLL_EVENTS_MAX: usize = 10_000;
/// Places in the topics are written again after this time, also where nothing came: their age tells
/// whether tombstones may have been missed.
const CHECKPOINT_AGE: Duration = Duration::from_secs(600);
/// Kafka's default of `delete.retention.ms`.
const DELETE_RETENTION_MS_DEFAULT: i64 = 24 * 3600 * 1000;

/// What a reader is made from.
pub struct GlobalOptions {
    /// The plan whose global tables are read.
    pub plan: Arc<Plan>,
    /// The log.
    pub cluster: Arc<dyn Cluster>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where the database is.
    pub directory: StateDirectory,
    /// Memory of RocksDB.
    pub memory: StateMemory,
    /// When rows go to disk.
    pub flush: FlushBound,
}

/// One partition of a table's topic.
struct Partition {
    table: GlobalTableId,
    partition: TopicPartition,
    topic_id: String,
    /// Next offset.
    next: i64,
    /// Where the topic ended at the beginning.
    end: i64,
    caught_up: bool,
}

/// A record that waits for its batch.
struct Pending {
    slot: usize,
    key: Vec<u8>,
    row: Option<Vec<u8>>,
}

/// Reads global tables. Driven by a thread of its own, or step by step by a test.
pub struct GlobalReader {
    options: GlobalOptions,
    admin: Box<dyn Admin>,
    source: Box<dyn RecordSource>,
    tables: GlobalTables,
    db: Option<Arc<TaskDb>>,
    partitions: Vec<Partition>,
    checkpointed: Instant,
}

impl GlobalReader {
    /// Opens the tables and begins to read, after what an earlier process has left on disk where that
    /// is still good.
    ///
    /// # Errors
    /// The directory is held by another worker, a topic is missing, the log does not answer.
    pub fn open(options: GlobalOptions) -> Result<Self, EngineError> {
        let tables = &options.plan.global_tables;
        let names: Vec<&str> = tables
            .iter()
            .filter(|table| !table.in_memory)
            .map(|table| table.store.as_str())
            .collect();
        let db = if names.is_empty() {
            None
        } else {
            let directory = options.directory.lock_global()?;
            Some(Arc::new(TaskDb::open(directory, &names, &options.memory)?))
        };
        let mut reader = Self {
            admin: options.cluster.admin()?,
            source: options
                .cluster
                .reader(&format!("{}-global", options.plan.application_id))?,
            tables: GlobalTables::new(tables, db.as_ref()),
            db,
            partitions: Vec::new(),
            checkpointed: options.clock.monotonic(),
            options,
        };
        let plan = Arc::clone(&reader.options.plan);
        for table in &plan.global_tables {
            reader.find(table)?;
        }
        let all: Vec<usize> = (0..reader.partitions.len()).collect();
        reader.assign(&all)?;
        Ok(reader)
    }

    /// The tables, for tasks.
    pub fn tables(&self) -> &GlobalTables {
        &self.tables
    }

    /// Partitions that were read to their end at the beginning, and all.
    pub fn progress(&self) -> (usize, usize) {
        let done = self
            .partitions
            .iter()
            .filter(|partition| partition.caught_up);
        (done.count(), self.partitions.len())
    }

    /// Whether tasks may start.
    pub fn caught_up(&self) -> bool {
        let (done, all) = self.progress();
        done == all
    }

    /// Finds the partitions of a table's topic, and where each is read on.
    fn find(&mut self, table: &GlobalTable) -> Result<(), EngineError> {
        let topic = table.topic.as_str();
        let info = self.admin.topics(&[topic])?.into_iter().flatten().next();
        let info = info.ok_or_else(|| {
            EngineError::Topics(format!("the global table's topic {topic} does not exist"))
        })?;
        let partitions: Vec<_> = (0..info.partitions)
            .map(|number| TopicPartition::new(topic, number))
            .collect();
        let watermarks = self.admin.watermarks(&partitions)?;
        let first = self.partitions.len();
        let mut usable = true;
        for (partition, (low, high)) in partitions.into_iter().zip(watermarks) {
            let checkpoint = self.checkpoint(table, &partition)?;
            let good = checkpoint.as_ref().filter(|checkpoint| {
                checkpoint.topic_id == info.id && (low..=high).contains(&checkpoint.offset)
            });
            let age = good.map(|good| self.options.clock.wall_ms() - good.committed_at_ms);
            usable &= match age {
                Some(age) => age <= self.delete_retention_ms(topic)?,
                None => false,
            };
            let next = good.map_or(low, |good| good.offset);
            self.partitions.push(Partition {
                table: table.id,
                partition,
                topic_id: info.id.clone(),
                next,
                end: high,
                caught_up: false,
            });
        }
        if !usable {
            // Also the first time: rows without a place beside them are an interrupted beginning's.
            self.begin_again(table.id)?;
        }
        for partition in &mut self.partitions[first..] {
            partition.caught_up = partition.next >= partition.end;
        }
        Ok(())
    }

    fn checkpoint(
        &self,
        table: &GlobalTable,
        partition: &TopicPartition,
    ) -> Result<Option<Checkpoint>, EngineError> {
        match &self.db {
            Some(db) if !table.in_memory => Ok(db.checkpoint(&place(&table.store, partition))?),
            _ => Ok(None),
        }
    }

    fn delete_retention_ms(&self, topic: &str) -> Result<i64, EngineError> {
        let configs = self.admin.topic_configs(topic)?;
        let retention = configs.get("delete.retention.ms");
        Ok(retention
            .and_then(|text| text.parse().ok())
            .unwrap_or(DELETE_RETENTION_MS_DEFAULT))
    }

    /// Removes a table's rows, to read its topic from the beginning.
    fn begin_again(&mut self, table: GlobalTableId) -> Result<(), EngineError> {
        let store = &self.options.plan.global_table(table).store;
        match &self.tables.tables()[table.0].rows {
            Committed::Rocks(db) => db.clear(store)?,
            Committed::Memory(_) | Committed::Supplied(_) => {}
        }
        let mut of_table = Vec::new();
        for partition in &mut self.partitions {
            if partition.table == table {
                of_table.push(partition.partition.clone());
            }
        }
        let watermarks = self.admin.watermarks(&of_table)?;
        let mine = self.partitions.iter_mut().filter(|own| own.table == table);
        for (partition, (low, high)) in mine.zip(watermarks) {
            partition.next = low;
            partition.end = partition.end.max(high);
        }
        Ok(())
    }

    fn assign(&mut self, slots: &[usize]) -> Result<(), EngineError> {
        let assignments: Vec<_> = slots
            .iter()
            .filter_map(|&slot| {
                let partition = self.partitions.get(slot)?;
                Some(PartitionAssignment {
                    partition: partition.partition.clone(),
                    start: StartOffset::At(partition.next),
                    slot: u32::try_from(slot).ok()?,
                })
            })
            .collect();
        Ok(self.source.assign(&assignments)?)
    }

    /// Reads once and applies what came.
    ///
    /// # Errors
    /// State that cannot be written, a log that fails for good.
    pub fn run_once(&mut self, timeout: Duration) -> Result<(), EngineError> {
        let partitions = &mut self.partitions;
        let (mut pending, mut touched) = (Vec::new(), BTreeSet::new());
        let polled = self.source.poll(timeout, POLL_EVENTS_MAX, &mut |event| {
            let (SourceEvent::Record { slot, .. } | SourceEvent::End { slot, .. }) = event;
            let slot = slot as usize;
            let Some(partition) = partitions.get_mut(slot) else {
                return;
            };
            match event {
                SourceEvent::Record { record, .. } if record.offset >= partition.next => {
                    partition.next = record.offset + 1;
                    touched.insert(slot);
                    // A record without a key is nobody's row.
                    if let Some(key) = record.key {
                        let row = record
                            .value
                            .map(|value| Row::encode(record.timestamp, value));
                        let key = key.to_vec();
                        pending.push(Pending { slot, key, row });
                    }
                }
                SourceEvent::Record { .. } => {}
                SourceEvent::End { offset, .. } => {
                    if offset > partition.next {
                        partition.next = offset;
                        touched.insert(slot);
                    }
                    partition.caught_up |= partition.next >= partition.end;
                }
            }
        });
        self.apply(&pending, touched)?;
        match polled {
            Ok(_) => Ok(()),
            Err(error) if error.kind == ErrorKind::Unavailable => {
                tracing::warn!(%error, "global tables wait for the log");
                Ok(())
            }
            Err(error) if error.kind == ErrorKind::OffsetOutOfRange => {
                let lost = error.partition.as_ref();
                let found = self
                    .partitions
                    .iter()
                    .find(|own| Some(&own.partition) == lost);
                match found.map(|partition| partition.table) {
                    Some(table) => self.rebuild(table),
                    None => Err(error.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The topic no longer has what comes next: its rows may lack deletions.
    fn rebuild(&mut self, table: GlobalTableId) -> Result<(), EngineError> {
        let topic = &self.options.plan.global_table(table).topic;
        tracing::warn!(%topic, "global table is read anew: its topic lacks what comes next");
        let slots: Vec<usize> = (0..self.partitions.len())
            .filter(|&slot| self.partitions[slot].table == table)
            .collect();
        let partitions: Vec<_> = slots
            .iter()
            .map(|&slot| self.partitions[slot].partition.clone())
            .collect();
        self.source.unassign(&partitions)?;
        self.begin_again(table)?;
        self.assign(&slots)
    }

    fn apply(
        &mut self,
        pending: &[Pending],
        mut touched: BTreeSet<usize>,
    ) -> Result<(), EngineError> {
        let now = self.options.clock.monotonic();
        if now.duration_since(self.checkpointed) >= CHECKPOINT_AGE {
            self.checkpointed = now;
            touched.extend(0..self.partitions.len());
        }
        for Pending { slot, key, row } in pending {
            let table = self.partitions[*slot].table;
            let row = row.as_deref().and_then(Row::decode);
            let (value, timestamp) = (row.map(|row| row.value), row.map_or(0, |row| row.timestamp));
            self.tables.put_in_memory(table, key, value, timestamp);
        }
        let Some(db) = &self.db else { return Ok(()) };
        if touched.is_empty() {
            return Ok(());
        }
        let tables = &self.options.plan.global_tables;
        let on_disk = |slot: usize| {
            let table = &tables[self.partitions[slot].table.0];
            (!table.in_memory).then_some(table.store.as_str())
        };
        let mut batch = db.batch();
        for Pending { slot, key, row } in pending {
            if let Some(store) = on_disk(*slot) {
                batch.put(store, key, row.as_deref())?;
            }
        }
        for slot in touched {
            let partition = &self.partitions[slot];
            if let Some(store) = on_disk(slot) {
                let checkpoint = Checkpoint {
                    offset: partition.next,
                    committed_at_ms: self.options.clock.wall_ms(),
                    observed: Observed::NOTHING,
                    topic_id: partition.topic_id.clone(),
                };
                batch.checkpoint(&place(store, &partition.partition), &checkpoint)?;
            }
        }
        batch.write(now)?;
        match db.flush_due(&self.options.flush, now) {
            FlushDue::Nothing => Ok(()),
            due => Ok(db.flush(due == FlushDue::Wait)?),
        }
    }
}

/// Where a partition's place is kept; a store's name has no slash.
fn place(store: &str, partition: &TopicPartition) -> String {
    format!("{store}/{}", partition.partition)
}
