//! Global tables: rows of all partitions, read by every task of the process, written by one reader.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use millrace_crds::plan::{GlobalTable, GlobalTableId};
use millrace_expr::Bump;

use super::{Committed, CommittedStore, MemoryRows, Row, Shape, StateError, TaskDb};

/// The global tables of an application, by id. Cheap to clone; all clones are the same tables.
#[derive(Clone, Default)]
pub struct GlobalTables {
    tables: Arc<Vec<CommittedStore>>,
}

impl GlobalTables {
    /// The tables of a plan: those in memory empty, the others in a database that has a column family
    /// for each.
    pub fn new(tables: &[GlobalTable], db: Option<&Arc<TaskDb>>) -> Self {
        let tables = tables.iter().map(|table| {
            let rows = match db {
                Some(db) if !table.in_memory => Committed::Rocks(Arc::clone(db)),
                _ => Committed::Memory(MemoryRows::from(RwLock::new(BTreeMap::new()))),
            };
            let (shape, formats) = (Shape::KeyValue { ordered: false }, (table.key, table.value));
            CommittedStore::new(table.store.as_str().into(), shape, formats, rows)
        });
        Self {
            tables: Arc::new(tables.collect()),
        }
    }

    /// All tables, for queries.
    pub fn tables(&self) -> &[CommittedStore] {
        &self.tables
    }

    /// The value of a key, copied into the arena.
    pub fn get<'r>(
        &self,
        table: GlobalTableId,
        key: &[u8],
        arena: &'r Bump,
    ) -> Result<Option<&'r [u8]>, StateError> {
        let Some(table) = self.tables.get(table.0) else {
            return Ok(None);
        };
        let row: Option<&'r [u8]> = match &table.rows {
            Committed::Rocks(db) => db
                .get(&table.name, key)?
                .map(|row| &*arena.alloc_slice_copy(&row)),
            Committed::Supplied(rows) => rows.get(key)?.map(|row| &*arena.alloc_slice_copy(&row)),
            Committed::Memory(rows) => {
                let rows = rows.read().unwrap_or_else(PoisonError::into_inner);
                rows.get(key).map(|row| &*arena.alloc_slice_copy(row))
            }
        };
        Ok(row.and_then(Row::decode).map(|row| row.value))
    }

    /// Writes a row of a table in memory, or deletes it. Rows on disk go through a batch of their
    /// database, with the place in the topic beside them.
    pub fn put_in_memory(
        &self,
        table: GlobalTableId,
        key: &[u8],
        value: Option<&[u8]>,
        timestamp: i64,
    ) {
        let Some(CommittedStore {
            rows: Committed::Memory(rows),
            ..
        }) = self.tables.get(table.0)
        else {
            return;
        };
        let mut rows = rows.write().unwrap_or_else(PoisonError::into_inner);
        match value {
            Some(value) => rows.insert(key.to_vec(), Row::encode(timestamp, value)),
            None => rows.remove(key),
        };
    }
}
