//! A key-value store of a task: overlay over cached over committed rows.
//!
//! A row is `timestamp, 8 bytes big endian ‖ value bytes`, as Kafka Streams' timestamped stores; the
//! changelog's value is without the timestamp, which is the record's own.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, RwLock};

use millrace_crds::plan::{SerdeKind, StoreId};
use millrace_expr::Bump;

use super::db::CommitBatch;
use super::overlay::{self, Lookup, Overlay};
use super::row_cache::RowCache;
use super::{StateError, TaskDb};

/// Length of the timestamp before the value.
const TIMESTAMP_LEN: usize = 8;

/// A key, and its row as stored.
pub type StoredRow = (Vec<u8>, Vec<u8>);

/// Committed rows of an in-memory store. The lock is taken at reads of queries and at commits; the
/// stream thread is its only writer, so its own reads never wait for long.
pub type MemoryRows = Arc<RwLock<BTreeMap<Vec<u8>, Vec<u8>>>>;

/// A value and its timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// Event time of the value, ms since the epoch.
    pub timestamp: i64,
    /// Value bytes, in the store's value format.
    pub value: &'a [u8],
}

impl<'a> Row<'a> {
    /// Reads a stored row; `None` when it is too short to be one.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (timestamp, value) = bytes.split_first_chunk::<TIMESTAMP_LEN>()?;
        Some(Self {
            timestamp: i64::from_be_bytes(*timestamp),
            value,
        })
    }

    /// Writes a row.
    pub fn encode(timestamp: i64, value: &[u8]) -> Vec<u8> {
        let mut row = Vec::with_capacity(TIMESTAMP_LEN + value.len());
        row.extend_from_slice(&timestamp.to_be_bytes());
        row.extend_from_slice(value);
        row
    }
}

/// Where committed rows are.
#[derive(Clone)]
pub enum Committed {
    /// In the task's RocksDB.
    Rocks(Arc<TaskDb>),
    /// In memory: restored whole at each start.
    Memory(MemoryRows),
}

/// Committed rows of one store of one task: what queries may read.
#[derive(Clone)]
pub struct CommittedStore {
    /// Store name.
    pub name: Arc<str>,
    /// Key format.
    pub key: SerdeKind,
    /// Value format.
    pub value: SerdeKind,
    /// Where the rows are.
    pub rows: Committed,
}

impl CommittedStore {
    /// The committed row of a key, as stored.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        match &self.rows {
            Committed::Rocks(db) => Ok(db.get(&self.name, key)?.map(|row| row.to_vec())),
            Committed::Memory(rows) => Ok(rows
                .read()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .get(key)
                .cloned()),
        }
    }

    /// All committed rows in key order, until the callback says stop.
    pub fn scan(&self, mut row: impl FnMut(&[u8], Row<'_>) -> bool) -> Result<(), StateError> {
        let mut decoded =
            |key: &[u8], bytes: &[u8]| Row::decode(bytes).is_none_or(|bytes| row(key, bytes));
        match &self.rows {
            Committed::Rocks(db) => db.scan(&self.name, b"", None, decoded),
            Committed::Memory(rows) => {
                let rows = rows.read().unwrap_or_else(|poisoned| poisoned.into_inner());
                let _stopped = rows.iter().all(|(key, bytes)| decoded(key, bytes));
                Ok(())
            }
        }
    }
}

/// A store as its task sees it.
pub struct KeyValueStore {
    /// Index in the plan.
    pub id: StoreId,
    /// Committed rows.
    pub committed: CommittedStore,
    overlay: Overlay,
    cache: RowCache,
}

impl KeyValueStore {
    /// A store with nothing uncommitted, which caches so many bytes of committed rows.
    pub fn new(id: StoreId, committed: CommittedStore, cache_bytes: usize) -> Self {
        let cache_bytes = match committed.rows {
            Committed::Rocks(_) => cache_bytes,
            Committed::Memory(_) => 0,
        };
        Self {
            id,
            committed,
            overlay: Overlay::default(),
            cache: RowCache::new(cache_bytes),
        }
    }

    /// The row of a key, uncommitted writes included; copied into the arena.
    pub fn get<'r>(&mut self, key: &[u8], arena: &'r Bump) -> Result<Option<Row<'r>>, StateError> {
        let hash = overlay::hash(key);
        let known = match self.overlay.get(hash, key) {
            Lookup::Unknown => self.cache.get(hash, key),
            known => known,
        };
        let row: Option<&'r [u8]> = match known {
            Lookup::Deleted => None,
            Lookup::Value(row) => Some(arena.alloc_slice_copy(row)),
            Lookup::Unknown => self.committed_row(hash, key, arena)?,
        };
        Ok(row.and_then(Row::decode))
    }

    /// The committed row of a key, from where it lies.
    fn committed_row<'r>(
        &mut self,
        hash: u64,
        key: &[u8],
        arena: &'r Bump,
    ) -> Result<Option<&'r [u8]>, StateError> {
        match &self.committed.rows {
            Committed::Rocks(db) => {
                let row = db.get(&self.committed.name, key)?;
                self.cache.put(hash, key, row.as_deref());
                Ok(row.map(|row| &*arena.alloc_slice_copy(&row)))
            }
            Committed::Memory(rows) => {
                let rows = rows.read().unwrap_or_else(|poisoned| poisoned.into_inner());
                Ok(rows.get(key).map(|row| &*arena.alloc_slice_copy(row)))
            }
        }
    }

    /// Writes a value, or deletes the key; uncommitted until [`KeyValueStore::write_to`].
    pub fn put(&mut self, key: &[u8], value: Option<&[u8]>, timestamp: i64) {
        let head = timestamp.to_be_bytes();
        self.overlay.put(
            overlay::hash(key),
            key,
            value.map(|value| (&head[..], value)),
        );
    }

    /// Rows with `from <= key < to` (`to` `None`: to the end) in key order, uncommitted writes
    /// included, deleted keys left out; none where `to` is not after `from`.
    pub fn range(&self, from: &[u8], to: Option<&[u8]>) -> Result<Vec<StoredRow>, StateError> {
        let mut rows = BTreeMap::new();
        if to.is_some_and(|to| to <= from) {
            return Ok(Vec::new());
        }
        match &self.committed.rows {
            Committed::Rocks(db) => {
                db.scan(&self.committed.name, from, to, |key, row| {
                    rows.insert(key.to_vec(), row.to_vec());
                    true
                })?;
            }
            Committed::Memory(memory) => {
                let memory = memory
                    .read()
                    .unwrap_or_else(|poisoned| poisoned.into_inner());
                let upper = to.map_or(Bound::Unbounded, Bound::Excluded);
                let range = memory.range::<[u8], _>((Bound::Included(from), upper));
                rows.extend(range.map(|(key, row)| (key.clone(), row.clone())));
            }
        }
        let inside = |key: &[u8]| key >= from && to.is_none_or(|to| key < to);
        for (key, row) in self.overlay.iter().filter(|(key, _)| inside(key)) {
            match row {
                Some(row) => rows.insert(key.to_vec(), row.to_vec()),
                None => rows.remove(key),
            };
        }
        Ok(rows.into_iter().collect())
    }

    /// Uncommitted writes, one per key: what the changelog gets.
    pub fn uncommitted(&self) -> impl Iterator<Item = (&[u8], Option<Row<'_>>)> {
        self.overlay
            .iter()
            .map(|(key, row)| (key, row.and_then(Row::decode)))
    }

    /// Number of keys with an uncommitted write.
    pub fn uncommitted_len(&self) -> usize {
        self.overlay.len()
    }

    /// Memory of the uncommitted writes, in bytes.
    pub fn uncommitted_bytes(&self) -> usize {
        self.overlay.size_bytes()
    }

    /// Adds the uncommitted writes to the commit's batch, in key order (RocksDB's memtable inserts
    /// sorted keys faster). In-memory stores apply them in [`KeyValueStore::apply_committed`].
    pub fn write_to(&self, batch: &mut CommitBatch<'_>) -> Result<(), StateError> {
        for (key, row) in self.overlay.sorted() {
            batch.put(&self.committed.name, key, row)?;
        }
        Ok(())
    }

    /// After the commit: the overlay is the committed state now.
    pub fn apply_committed(&mut self) {
        if let Committed::Memory(rows) = &self.committed.rows {
            let mut rows = rows
                .write()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            for (key, row) in self.overlay.iter() {
                match row {
                    Some(row) => rows.insert(key.to_vec(), row.to_vec()),
                    None => rows.remove(key),
                };
            }
        }
        for (hash, key, row) in self.overlay.iter_hashed() {
            self.cache.put(hash, key, row);
        }
        self.overlay.clear();
    }

    /// Forgets uncommitted writes.
    pub fn discard(&mut self) {
        self.overlay.clear();
    }
}
