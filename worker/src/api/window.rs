//! [`WindowStore`]: a store of one value per key and window.

use millrace_crds::plan::SerdeKind;
use millrace_expr::Value;

use super::error::ProcessorError;
use super::store::{StoreAt, Stored};
use crate::state::{self, WindowRow};

/// A store of one value per key and window start (Kafka Streams' `TimestampedWindowStore`). Windows are
/// kept for the store's retention after their start, by the latest start written.
///
/// ```
/// # use millrace_worker::api::{ProcessorError, Record, WindowStore};
/// /// How many hours of the last day have an order of this customer.
/// fn active_hours(
///     per_hour: &mut WindowStore<'_, '_>,
///     order: &Record<'_>,
/// ) -> Result<usize, ProcessorError> {
///     let now = order.timestamp();
///     Ok(per_hour.fetch(order.key(), now - 24 * 3_600_000, now)?.len())
/// }
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
/// # doc::process(|record, context| {
/// #     let mut per_hour = context.window("per-hour")?;
/// #     per_hour.put(record.key(), 0, record.value(), record.timestamp())?;
/// #     assert_eq!(active_hours(&mut per_hour, &record)?, 1);
/// #     Ok(())
/// # });
/// ```
pub struct WindowStore<'s, 'r>(pub(super) StoreAt<'s, 'r>);

/// A row of a window store.
///
/// ```
/// # use millrace_worker::api::Value;
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
/// # doc::process(|record, context| {
/// let mut per_hour = context.window("per-hour")?;
/// per_hour.put(record.key(), 0, record.value(), record.timestamp())?;
/// let row = per_hour.fetch_all(0, 0)?[0];
/// assert_eq!((row.key, row.start, row.stored.value), (record.key(), 0, Value::Int(250)));
/// # Ok(())
/// # });
/// ```
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
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # doc::process(|record, context| {
    /// let mut per_hour = context.window("per-hour")?;
    /// per_hour.put(record.key(), 0, record.value(), record.timestamp())?;
    /// assert!(per_hour.get(record.key(), 0)?.is_some());
    /// assert!(per_hour.get(record.key(), 3_600_000)?.is_none());
    /// # Ok(())
    /// # });
    /// ```
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
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # doc::process(|record, context| {
    /// let mut per_hour = context.window("per-hour")?;
    /// let two_days = 2 * 24 * 3_600_000;
    /// assert!(per_hour.put(record.key(), two_days, record.value(), record.timestamp())?);
    /// // The store keeps a day.
    /// assert!(!per_hour.put(record.key(), 0, record.value(), record.timestamp())?);
    /// # Ok(())
    /// # });
    /// ```
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
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # doc::process(|record, context| {
    /// let mut per_hour = context.window("per-hour")?;
    /// for hour in [0, 3_600_000, 7_200_000] {
    ///     per_hour.put(record.key(), hour, record.value(), record.timestamp())?;
    /// }
    /// let rows = per_hour.fetch(record.key(), 3_600_000, 7_200_000)?;
    /// assert_eq!(rows.iter().map(|row| row.start).collect::<Vec<_>>(), [3_600_000, 7_200_000]);
    /// # Ok(())
    /// # });
    /// ```
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
    /// ```
    /// # use millrace_worker::api::Value;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # doc::process(|record, context| {
    /// let mut per_hour = context.window("per-hour")?;
    /// per_hour.put(Value::String("ann"), 0, Value::Int(250), record.timestamp())?;
    /// per_hour.put(Value::String("bob"), 0, Value::Int(40), record.timestamp())?;
    /// assert_eq!(per_hour.fetch_all(0, 0)?.len(), 2);
    /// # Ok(())
    /// # });
    /// ```
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
