//! [`WindowStore`]: a store of one value per key and window.

use millrace_crds::plan::SerdeKind;
use millrace_expr::Value;

use super::error::ProcessorError;
use super::store::{StoreAt, Stored};
use crate::state::{self, WindowRow};

/// A store of one value per key and window start (Kafka Streams' `TimestampedWindowStore`). Windows are
/// kept for the store's retention after their start, by the latest start written.
pub struct WindowStore<'s, 'r>(pub(super) StoreAt<'s, 'r>);

/// A row of a window store.
#[derive(Clone, Copy, Debug)]
pub struct WindowedRow<'r> {
    /// Its key.
    pub key: Value<'r>,
    /// Start of the window, ms since the epoch.
    pub start: i64,
    /// What it holds.
    pub stored: Stored<'r>,
}

impl<'r> WindowStore<'_, 'r> {
    /// The formats of its keys and values.
    pub(crate) fn formats(&self) -> (SerdeKind, SerdeKind) {
        self.0.formats()
    }

    /// The value of a key in the window that starts then.
    ///
    /// # Errors
    /// A null key, or one that the store's format cannot hold; state that cannot be read.
    pub fn get(
        &mut self,
        key: Value<'_>,
        start: i64,
    ) -> Result<Option<Stored<'r>>, ProcessorError> {
        let key = self.0.key(&key)?;
        let arena = self.0.arena;
        let row = state::WindowStore::new(self.0.store()).get(key, start, arena);
        let row = row.map_err(|error| self.0.failed(error.into()))?;
        row.map(|row| self.0.stored(row)).transpose()
    }

    /// Writes the value of a key in the window that starts then (ms since the epoch, not negative), and
    /// its time; null deletes it. False where the window has expired, and nothing is written: that is
    /// counted as a dropped record.
    ///
    /// # Errors
    /// A store that is only read; a key or value that its format cannot hold, or its changelog topic not
    /// take.
    pub fn put(
        &mut self,
        key: Value<'_>,
        start: i64,
        value: Value<'_>,
        timestamp: i64,
    ) -> Result<bool, ProcessorError> {
        self.0.check_writable()?;
        if start < 0 {
            return Err(self.0.refused("a window starts before 1970"));
        }
        let key = self.0.key(&key)?;
        let value = self.0.value(&value)?;
        self.0.check_size(key, value)?;
        let arena = self.0.arena;
        let mut windows = state::WindowStore::new(self.0.store());
        let written = windows.put(key, start, value, timestamp, arena);
        if !written {
            self.0.engine.dropped.records += 1;
        }
        Ok(written)
    }

    /// The windows of a key that start in `from..=to`, by start.
    ///
    /// # Errors
    /// As [`WindowStore::get`].
    pub fn fetch(
        &mut self,
        key: Value<'_>,
        from: i64,
        to: i64,
    ) -> Result<&'r [WindowedRow<'r>], ProcessorError> {
        let key = self.0.key(&key)?;
        let arena = self.0.arena;
        let rows = state::WindowStore::new(self.0.store()).fetch(key, from.max(0), to, arena);
        let rows = rows.map_err(|error| self.0.failed(error.into()))?;
        self.rows(&rows)
    }

    /// The windows of all keys that start in `from..=to`, by start and key.
    ///
    /// # Errors
    /// As [`WindowStore::get`].
    pub fn fetch_all(
        &mut self,
        from: i64,
        to: i64,
    ) -> Result<&'r [WindowedRow<'r>], ProcessorError> {
        let arena = self.0.arena;
        let rows = state::WindowStore::new(self.0.store()).fetch_all(from.max(0), to, arena);
        let rows = rows.map_err(|error| self.0.failed(error.into()))?;
        self.rows(&rows)
    }

    fn rows(&self, rows: &[WindowRow<'r>]) -> Result<&'r [WindowedRow<'r>], ProcessorError> {
        let mut read = bumpalo::collections::Vec::with_capacity_in(rows.len(), self.0.arena);
        for row in rows {
            read.push(WindowedRow {
                key: self.0.read_key(row.key, self.0.arena)?,
                start: row.start,
                stored: self.0.stored(row.row)?,
            });
        }
        Ok(read.into_bump_slice())
    }
}
