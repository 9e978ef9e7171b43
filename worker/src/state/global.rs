//! Global tables: rows of all partitions, read by every task of the process, written by one reader.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use millrace_crds::plan::{GlobalTable, GlobalTableId};
use millrace_expr::Bump;

use super::{Committed, CommittedStore, MemoryRows, Row, Shape, StateError, TaskDb};

/// Rows of a table in memory that are read while it is locked.
const ROWS_PER_LOCK: usize = 64;

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

    /// The row of a key, copied into the arena.
    pub fn get<'r>(
        &self,
        table: GlobalTableId,
        key: &[u8],
        arena: &'r Bump,
    ) -> Result<Option<Row<'r>>, StateError> {
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
        Ok(row.and_then(Row::decode))
    }

    /// Rows with `from <= key < to` (`to` `None`: to the end) in the order of their keys, until the
    /// callback says stop.
    pub fn scan(
        &self,
        table: GlobalTableId,
        from: &[u8],
        to: Option<&[u8]>,
        mut row: impl FnMut(&[u8], Row<'_>) -> bool,
    ) -> Result<(), StateError> {
        let Some(table) = self.tables.get(table.0) else {
            return Ok(());
        };
        let mut show =
            |key: &[u8], bytes: &[u8]| Row::decode(bytes).is_none_or(|decoded| row(key, decoded));
        if !matches!(table.rows, Committed::Memory(_)) {
            return table.scan_bytes(from, to, show);
        }
        // Some rows at a time: while the callback runs, the table must not be locked for its writer.
        let mut from = from.to_vec();
        loop {
            let mut rows: Vec<(Vec<u8>, Vec<u8>)> = Vec::with_capacity(ROWS_PER_LOCK);
            table.scan_bytes(&from, to, |key, bytes| {
                rows.push((key.to_vec(), bytes.to_vec()));
                rows.len() < ROWS_PER_LOCK
            })?;
            let go_on = rows.iter().all(|(key, bytes)| show(key, bytes));
            match rows.pop() {
                Some((last, _)) if go_on && rows.len() + 1 == ROWS_PER_LOCK => {
                    from = last;
                    from.push(0);
                }
                _ => return Ok(()),
            }
        }
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use millrace_crds::plan::SerdeKind;

    use super::*;

    const TABLE: GlobalTableId = GlobalTableId(0);

    /// A table in memory with so many rows, whose keys are their numbers.
    fn table(rows: u8) -> GlobalTables {
        let formats = (SerdeKind::Bytes, SerdeKind::Bytes);
        let (shape, kept) = (Shape::KeyValue { ordered: false }, MemoryRows::default());
        let store = CommittedStore::new("numbers".into(), shape, formats, Committed::Memory(kept));
        let tables = GlobalTables {
            tables: Arc::new(vec![store]),
        };
        for number in 0..rows {
            tables.put_in_memory(TABLE, &[number], Some(&[number]), i64::from(number));
        }
        tables
    }

    fn scan(tables: &GlobalTables, from: &[u8], to: Option<&[u8]>, most: usize) -> Vec<u8> {
        let mut keys = Vec::new();
        let scanned = tables.scan(TABLE, from, to, |key, row| {
            assert_eq!((row.value, row.timestamp), (key, i64::from(key[0])));
            // It is not locked meanwhile: this would wait for ever.
            tables.put_in_memory(TABLE, b"", None, 0);
            keys.push(key[0]);
            keys.len() < most
        });
        scanned.unwrap();
        keys
    }

    #[test]
    fn a_scan_shows_each_row_once_however_many_there_are_and_locks_nobody_out() {
        let locked = u8::try_from(ROWS_PER_LOCK).unwrap();
        for rows in [0, 1, locked - 1, locked, locked + 1, 2 * locked, 200] {
            let (tables, all) = (table(rows), (0..rows).collect::<Vec<_>>());
            assert_eq!(scan(&tables, b"", None, usize::MAX), all);
        }
        let tables = table(200);
        let middle = scan(&tables, &[5], Some(&[150]), usize::MAX);
        assert_eq!(middle, (5..150).collect::<Vec<_>>());
        assert_eq!(scan(&tables, b"", None, 100), (0..100).collect::<Vec<_>>());
    }
}
