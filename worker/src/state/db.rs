//! One RocksDB per task: a column family per store, and one for checkpoints. The write-ahead log is
//! off: what a crash loses is in the changelog, and data and checkpoint are lost together (atomic
//! flush), so that the store is always at some committed point.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use millrace_kafka::TopicPartition;
use rocksdb::{
    ColumnFamily, ColumnFamilyDescriptor, DB, DBPinnableSlice, FlushOptions, ReadOptions,
    WriteBatch, WriteOptions,
};

use super::checkpoint::{decode_inputs, encode_inputs};
use super::condemned::{condemn, remove_condemned};
use super::directory::TaskDirectory;
use super::flush::{FlushBound, FlushDue, FlushPolicy};
use super::shape::Expired;
use super::{Checkpoint, StateError, StateErrorKind, StateMemory};

/// Column family of the checkpoints; store names cannot start with an underscore.
const CHECKPOINTS: &str = "_checkpoints";
/// The key of the inputs' positions among the checkpoints.
const INPUTS: &str = "_inputs";

/// A task's database. Shared between the task (writes) and queries (reads of committed data); the
/// directory's lock goes with the last of them.
pub struct TaskDb {
    db: DB,
    path: PathBuf,
    /// All column families, also of stores the topology no longer has.
    names: Vec<String>,
    write: WriteOptions,
    read: ReadOptions,
    /// Locked at commits, restores and flushes only, by one thread at a time.
    flush_policy: Mutex<FlushPolicy>,
    /// Whether its rows were found corrupt: it is not to be used any more.
    condemned: AtomicBool,
    directory: TaskDirectory,
}

impl TaskDb {
    /// Opens or creates the database in a locked directory. Files that RocksDB cannot open as a
    /// database of these stores are removed, with the reason logged: the changelog has it all.
    pub fn open(
        directory: TaskDirectory,
        stores: &[&str],
        memory: &StateMemory,
    ) -> Result<Self, StateError> {
        let path = directory.database();
        remove_condemned(directory.path(), &path)?;
        let (db, names) = match Self::open_files(&path, stores, memory) {
            Err(error) if error.kind == StateErrorKind::Corrupt => {
                tracing::warn!(path = %path.display(), %error, "state is corrupt, rebuilding it");
                std::fs::remove_dir_all(&path)
                    .map_err(|error| StateError::io("remove corrupt state", &path, &error))?;
                Self::open_files(&path, stores, memory)?
            }
            opened => opened?,
        };
        let mut write = WriteOptions::default();
        write.disable_wal(true);
        let (read, flush_policy) = (ReadOptions::default(), Mutex::default());
        Ok(Self {
            db,
            path,
            names,
            write,
            read,
            flush_policy,
            condemned: AtomicBool::new(false),
            directory,
        })
    }

    fn open_files(
        path: &Path,
        stores: &[&str],
        memory: &StateMemory,
    ) -> Result<(DB, Vec<String>), StateError> {
        let options = memory.database_options();
        // A store that the topology no longer has still has its column family on disk, and RocksDB
        // refuses to open a database without naming all of them.
        let mut names: Vec<String> = DB::list_cf(&options, path).unwrap_or_default();
        for name in stores.iter().copied().chain([CHECKPOINTS, "default"]) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        let descriptors = names
            .iter()
            .map(|name| ColumnFamilyDescriptor::new(name, memory.column_family_options()));
        let db = DB::open_cf_descriptors(&options, path, descriptors)
            .map_err(|error| StateError::rocksdb("open the task's database", path, &error))?;
        Ok((db, names))
    }

    /// The task's directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Whether an error's path is this database.
    pub fn is_at(&self, path: &Path) -> bool {
        self.path == path
    }

    /// Marks the rows as corrupt: whoever opens the directory next begins without them. False where
    /// that was done within the last hour, and is not done again.
    pub fn condemn(&self, why: &str) -> Result<bool, StateError> {
        let done = condemn(self.directory.path(), why)?;
        self.condemned.fetch_or(done, Ordering::AcqRel);
        Ok(done)
    }

    /// Whether the rows were found corrupt.
    pub fn is_condemned(&self) -> bool {
        self.condemned.load(Ordering::Acquire)
    }

    fn column_family(&self, store: &str) -> Result<&ColumnFamily, StateError> {
        self.db.cf_handle(store).ok_or_else(|| StateError {
            kind: StateErrorKind::Other,
            operation: "find a store's column family",
            path: self.path.clone(),
            message: format!("there is none named {store}"),
        })
    }

    fn failed(&self, operation: &'static str) -> impl Fn(rocksdb::Error) -> StateError + '_ {
        move |error| StateError::rocksdb(operation, &self.path, &error)
    }

    /// The committed row of a key.
    pub fn get(&self, store: &str, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, StateError> {
        let column_family = self.column_family(store)?;
        self.db
            .get_pinned_cf_opt(column_family, key, &self.read)
            .map_err(self.failed("read a row"))
    }

    /// Committed rows with `from <= key < to` in key order (`to` `None`: to the end), until the
    /// callback says stop.
    pub fn scan(
        &self,
        store: &str,
        from: &[u8],
        to: Option<&[u8]>,
        mut row: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StateError> {
        let column_family = self.column_family(store)?;
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(from);
        if let Some(to) = to {
            options.set_iterate_upper_bound(to);
        }
        let mut iterator = self.db.raw_iterator_cf_opt(column_family, options);
        iterator.seek_to_first();
        while let Some((key, value)) = iterator.item() {
            if !row(key, value) {
                break;
            }
            iterator.next();
        }
        iterator.status().map_err(self.failed("scan a store"))
    }

    /// The checkpoint of a store; `None` when it has none of this format.
    pub fn checkpoint(&self, store: &str) -> Result<Option<Checkpoint>, StateError> {
        let column_family = self.column_family(CHECKPOINTS)?;
        let bytes = self
            .db
            .get_cf(column_family, store)
            .map_err(self.failed("read a checkpoint"))?;
        Ok(bytes.as_deref().and_then(Checkpoint::decode))
    }

    /// Where the task's inputs stood at its last commit; empty where it has made none.
    pub fn inputs(&self) -> Result<Vec<(TopicPartition, i64)>, StateError> {
        let column_family = self.column_family(CHECKPOINTS)?;
        let bytes = self
            .db
            .get_cf(column_family, INPUTS)
            .map_err(self.failed("read the inputs' positions"))?;
        Ok(bytes.as_deref().map(decode_inputs).unwrap_or_default())
    }

    /// A batch to fill and hand to `TaskDb::write`.
    pub fn batch(&self) -> CommitBatch<'_> {
        CommitBatch {
            db: self,
            batch: WriteBatch::default(),
            records: 0,
        }
    }

    fn flush_policy(&self) -> MutexGuard<'_, FlushPolicy> {
        self.flush_policy
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts changelog records that a crash before the next flush leaves to be restored, whether or not
    /// their rows are written already.
    pub fn committed(&self, records: u64, now: Instant) {
        self.flush_policy().written(records, now);
    }

    /// What the bound asks for now.
    pub fn flush_due(&self, bound: &FlushBound, now: Instant) -> FlushDue {
        self.flush_policy().due(bound, now, || !self.is_flushing())
    }

    /// Whether a flush that was started has not ended yet.
    pub fn is_flushing(&self) -> bool {
        self.names
            .iter()
            .filter_map(|name| self.db.cf_handle(name))
            .any(|column_family| {
                let property = "rocksdb.num-immutable-mem-table";
                let waiting = self
                    .db
                    .property_int_value_cf(column_family, property)
                    .ok()
                    .flatten();
                waiting.is_some_and(|memtables| memtables > 0)
            })
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StateError> {
        self.db
            .write_opt(batch, &self.write)
            .map_err(self.failed("write a commit"))
    }

    /// Removes all rows and the checkpoint of a store, the checkpoint first and durably: a rebuild
    /// that crashes half way must not find old rows under a new checkpoint.
    pub fn clear(&self, store: &str) -> Result<(), StateError> {
        /// Rows deleted per batch.
        const STEP: usize = 10_000;
        let mut changed = self.checkpoint(store)?.is_some();
        let mut batch = self.batch();
        batch.forget_checkpoint(store)?;
        self.write(batch.batch)?;
        loop {
            let mut keys = Vec::new();
            self.scan(store, b"", None, |key, _| {
                keys.push(key.to_vec());
                keys.len() < STEP
            })?;
            let mut batch = self.batch();
            for key in &keys {
                batch.put(store, key, None)?;
            }
            self.write(batch.batch)?;
            changed |= !keys.is_empty();
            if keys.len() < STEP {
                return if changed { self.flush(true) } else { Ok(()) };
            }
        }
    }

    /// Writes memtables of ALL column families to disk (flushing one alone would tear data from
    /// checkpoint, rocksdb#12553). `wait`: returns when they are there.
    pub fn flush(&self, wait: bool) -> Result<(), StateError> {
        self.flush_policy().started();
        let mut options = FlushOptions::default();
        options.set_wait(wait);
        let column_families: Vec<_> = self
            .names
            .iter()
            .filter_map(|name| self.db.cf_handle(name))
            .collect();
        self.db
            .flush_cfs_opt(&column_families, &options)
            .map_err(self.failed("flush the task's database"))?;
        if wait {
            self.flush_policy().finished();
        }
        Ok(())
    }

    /// Approximate number of rows of a store, for people.
    pub fn approximate_rows(&self, store: &str) -> u64 {
        let property = "rocksdb.estimate-num-keys";
        self.column_family(store)
            .ok()
            .and_then(|cf| self.db.property_int_value_cf(cf, property).ok().flatten())
            .unwrap_or(0)
    }
}

/// Everything one commit (or one step of a restore) changes: applied whole or not at all.
pub struct CommitBatch<'d> {
    db: &'d TaskDb,
    batch: WriteBatch,
    /// Changelog records that a crash before the next flush leaves to be restored.
    records: u64,
}

impl CommitBatch<'_> {
    /// Writes a row, or deletes it.
    pub fn put(&mut self, store: &str, key: &[u8], row: Option<&[u8]>) -> Result<(), StateError> {
        let column_family = self.db.column_family(store)?;
        match row {
            Some(row) => self.batch.put_cf(column_family, key, row),
            None => self.batch.delete_cf(column_family, key),
        }
        self.records += 1;
        Ok(())
    }

    /// Deletes all rows of a range that has expired, those written before into this batch included.
    pub fn delete_range(&mut self, store: &str, range: &Expired) -> Result<(), StateError> {
        let column_family = self.db.column_family(store)?;
        self.batch
            .delete_range_cf(column_family, &range.from, &range.to);
        Ok(())
    }

    /// Sets a store's place in its changelog.
    pub fn checkpoint(&mut self, store: &str, at: &Checkpoint) -> Result<(), StateError> {
        let column_family = self.db.column_family(CHECKPOINTS)?;
        self.batch.put_cf(column_family, store, at.encode());
        Ok(())
    }

    /// Sets where the task's inputs stand: evidence that the group had offsets for them.
    pub fn inputs(&mut self, inputs: &[(&TopicPartition, i64)]) -> Result<(), StateError> {
        let column_family = self.db.column_family(CHECKPOINTS)?;
        self.batch
            .put_cf(column_family, INPUTS, encode_inputs(inputs));
        Ok(())
    }

    fn forget_checkpoint(&mut self, store: &str) -> Result<(), StateError> {
        let column_family = self.db.column_family(CHECKPOINTS)?;
        self.batch.delete_cf(column_family, store);
        Ok(())
    }

    /// Says that the rows stand for more changelog records than one each, as those of a restore do
    /// (it writes the last record of each key): were they counted as rows, each crash before the next
    /// flush would leave a longer tail than the one before.
    pub fn stands_for(&mut self, records: u64) {
        self.records = self.records.max(records);
    }

    /// Says that [`TaskDb::committed`] has counted what the rows stand for.
    pub fn is_counted(&mut self) {
        self.records = 0;
    }

    /// Applies the batch; from now on its records wait for a flush.
    pub fn write(self, now: Instant) -> Result<(), StateError> {
        self.db.write(self.batch)?;
        self.db.flush_policy().written(self.records, now);
        Ok(())
    }
}
