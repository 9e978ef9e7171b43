//! Committed rows of a store: what queries may read, and what a task's writes lie over.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use millrace_crds::plan::SerdeKind;

use super::layout;
use super::observed::CommittedObserved;
use super::shape::Shape;
use super::{Row, StateError, TaskDb};
use crate::api::SuppliedRows;

/// Committed rows of an in-memory store. The lock is taken at reads of queries and at commits; the
/// stream thread is its only writer, so its own reads never wait for long.
pub type MemoryRows = Arc<RwLock<BTreeMap<Vec<u8>, Vec<u8>>>>;

/// Where committed rows are.
#[derive(Clone)]
pub enum Committed {
    /// In the task's RocksDB.
    Rocks(Arc<TaskDb>),
    /// In memory: restored whole at each start.
    Memory(MemoryRows),
    /// In a store that the worker's image supplies: restored whole at each start.
    Supplied(SuppliedRows),
}

/// Committed rows of one store of one task. Cloning shares.
#[derive(Clone)]
pub struct CommittedStore {
    /// Store name.
    pub name: Arc<str>,
    /// What the rows are.
    pub shape: Shape,
    /// Key format.
    pub key: SerdeKind,
    /// Value format.
    pub value: SerdeKind,
    /// Where the rows are.
    pub rows: Committed,
    /// What the rows have seen.
    pub observed: Arc<CommittedObserved>,
}

impl CommittedStore {
    /// A store whose rows have seen nothing yet.
    pub fn new(
        name: Arc<str>,
        shape: Shape,
        (key, value): (SerdeKind, SerdeKind),
        rows: Committed,
    ) -> Self {
        Self {
            name,
            shape,
            key,
            value,
            rows,
            observed: Arc::default(),
        }
    }

    /// The committed row under a row key (see [`Shape`]), as stored.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        match &self.rows {
            Committed::Rocks(db) => Ok(db.get(&self.name, key)?.map(|row| row.to_vec())),
            Committed::Memory(rows) => Ok(rows
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .get(key)
                .cloned()),
            Committed::Supplied(rows) => rows.get(key),
        }
    }

    /// All committed rows with their keys as in the changelog (see [`Shape`]), until the callback says
    /// stop: those that have not expired, of a versioned store the latest ones.
    pub fn scan(&self, mut row: impl FnMut(&[u8], Row<'_>) -> bool) -> Result<(), StateError> {
        let live_from = self.shape.live_from(self.observed.get());
        let mut scratch = Vec::new();
        self.scan_rows(|row_key, found| {
            match layout::visible(self.shape, row_key, live_from, &mut scratch) {
                Some(key) => row(key, found),
                None => true,
            }
        })
    }

    /// All committed rows there are, in the order of their row keys, until the callback says stop.
    pub fn scan_rows(&self, mut row: impl FnMut(&[u8], Row<'_>) -> bool) -> Result<(), StateError> {
        self.scan_bytes(b"", None, |key, bytes| {
            Row::decode(bytes).is_none_or(|decoded| row(key, decoded))
        })
    }

    /// Rows as stored with `from <= row key < to` (`to` `None`: to the end), until the callback says
    /// stop.
    pub(super) fn scan_bytes(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        mut row: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StateError> {
        if to.is_some_and(|to| to <= from) {
            return Ok(());
        }
        match &self.rows {
            Committed::Rocks(db) => db.scan(&self.name, from, to, row),
            Committed::Supplied(rows) => rows.scan(from, to, &mut row),
            Committed::Memory(rows) => {
                let rows = rows.read().unwrap_or_else(PoisonError::into_inner);
                let upper = to.map_or(Bound::Unbounded, Bound::Excluded);
                let _stopped = rows
                    .range::<[u8], _>((Bound::Included(from), upper))
                    .all(|(key, bytes)| row(key, bytes));
                Ok(())
            }
        }
    }
}
