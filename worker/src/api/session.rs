//! [`SessionStore`]: a store of one value per key and session.

use millrace_crds::plan::SerdeKind;
use millrace_expr::Value;

use super::error::ProcessorError;
use super::store::StoreAt;
use crate::state::{self, SessionRow};

/// A store of one value per key and session (Kafka Streams' `SessionStore`). Sessions are kept for the
/// store's retention after their end, by the latest end written.
///
/// ```
/// use millrace_worker::api::{ProcessorError, SessionStore, Value};
///
/// /// Adds a minute to what a user's visit has become so far, which ends at `end`.
/// fn extend(
///     visits: &mut SessionStore<'_, '_>,
///     user: Value<'_>,
///     (start, end): (i64, i64),
/// ) -> Result<bool, ProcessorError> {
///     let value = visits.fetch_session(user, start, end)?.unwrap_or(Value::Null);
///     visits.remove(user, start, end)?;
///     visits.put(user, start, end + 60_000, value)
/// }
/// ```
pub struct SessionStore<'s, 'r>(pub(super) StoreAt<'s, 'r>);

/// A row of a session store.
///
/// ```
/// use millrace_worker::api::SessionedRow;
///
/// fn length_ms(visit: &SessionedRow<'_>) -> i64 {
///     visit.end - visit.start
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SessionedRow<'r> {
    /// Its key.
    pub key: Value<'r>,
    /// Start of the session, ms since the epoch.
    pub start: i64,
    /// Its end, inclusive.
    pub end: i64,
    /// What it holds.
    pub value: Value<'r>,
}

impl<'r> SessionStore<'_, 'r> {
    /// The formats of its keys and values.
    pub(crate) fn formats(&self) -> (SerdeKind, SerdeKind) {
        self.0.formats()
    }

    /// The value of a session of a key, of which start and end are known.
    ///
    /// # Errors
    /// A null key, or one that the store's format cannot hold; state that cannot be read.
    ///
    /// ```
    /// # use millrace_worker::api::{ProcessorError, SessionStore, Value};
    /// fn is_known(visits: &mut SessionStore<'_, '_>) -> Result<bool, ProcessorError> {
    ///     Ok(visits.fetch_session(Value::String("ann"), 5, 90)?.is_some())
    /// }
    /// ```
    pub fn fetch_session(
        &mut self,
        key: Value<'_>,
        start: i64,
        end: i64,
    ) -> Result<Option<Value<'r>>, ProcessorError> {
        let key = self.0.key(&key)?;
        let arena = self.0.arena;
        let row = state::SessionStore::new(self.0.store()).get(key, (start, end), arena);
        let row = row.map_err(|error| self.0.failed(error.into()))?;
        row.map(|row| Ok(self.0.stored(row)?.value)).transpose()
    }

    /// Writes the value of a session of a key, from start to end (ms since the epoch, not negative; the
    /// end is that of its last record); null removes it. False where the session has expired, and
    /// nothing is written: that is counted as a dropped record.
    ///
    /// # Errors
    /// A store that is only read; a session that ends before it starts; a key or value that its format
    /// cannot hold, or its changelog topic not take.
    ///
    /// ```
    /// # use millrace_worker::api::{ProcessorError, SessionStore, Value};
    /// fn begin(visits: &mut SessionStore<'_, '_>, now: i64) -> Result<bool, ProcessorError> {
    ///     visits.put(Value::String("ann"), now, now, Value::Int(1))
    /// }
    /// ```
    pub fn put(
        &mut self,
        key: Value<'_>,
        start: i64,
        end: i64,
        value: Value<'_>,
    ) -> Result<bool, ProcessorError> {
        self.0.check_writable()?;
        if start < 0 || end < start {
            let why = format!("a session cannot last from {start} to {end}");
            return Err(self.0.refused(&why));
        }
        let key = self.0.key(&key)?;
        let value = self.0.value(&value)?;
        self.0.check_size(key, value)?;
        let arena = self.0.arena;
        let mut sessions = state::SessionStore::new(self.0.store());
        let written = sessions.put(key, (start, end), value, arena);
        if !written {
            self.0.engine.dropped.records += 1;
        }
        Ok(written)
    }

    /// Removes a session of a key; false where it has expired anyway.
    ///
    /// # Errors
    /// As [`SessionStore::put`].
    ///
    /// ```
    /// # use millrace_worker::api::{ProcessorResult, SessionStore};
    /// fn forget(visits: &mut SessionStore<'_, '_>, until: i64) -> ProcessorResult {
    ///     for visit in visits.find_ended(0, until)? {
    ///         visits.remove(visit.key, visit.start, visit.end)?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn remove(&mut self, key: Value<'_>, start: i64, end: i64) -> Result<bool, ProcessorError> {
        self.put(key, start, end, Value::Null)
    }

    /// All sessions of a key, by end and start.
    ///
    /// # Errors
    /// As [`SessionStore::fetch_session`].
    ///
    /// ```
    /// # use millrace_worker::api::{ProcessorError, SessionStore, Value};
    /// fn visits_of(visits: &mut SessionStore<'_, '_>) -> Result<usize, ProcessorError> {
    ///     Ok(visits.fetch(Value::String("ann"))?.len())
    /// }
    /// ```
    pub fn fetch(&mut self, key: Value<'_>) -> Result<&'r [SessionedRow<'r>], ProcessorError> {
        self.find_sessions(key, 0, i64::MAX)
    }

    /// The sessions of a key that end at `earliest_end` or later and start at `latest_start` or earlier,
    /// by end and start: with a gap taken from and added to a record's time, those that the record
    /// joins.
    ///
    /// # Errors
    /// As [`SessionStore::fetch_session`].
    ///
    /// ```
    /// # use millrace_worker::api::{ProcessorError, Record, SessionStore};
    /// fn joined(
    ///     visits: &mut SessionStore<'_, '_>,
    ///     click: Record<'_>,
    ///     gap_ms: i64,
    /// ) -> Result<usize, ProcessorError> {
    ///     let time = click.timestamp();
    ///     Ok(visits.find_sessions(click.key(), time - gap_ms, time + gap_ms)?.len())
    /// }
    /// ```
    pub fn find_sessions(
        &mut self,
        key: Value<'_>,
        earliest_end: i64,
        latest_start: i64,
    ) -> Result<&'r [SessionedRow<'r>], ProcessorError> {
        let key = self.0.key(&key)?;
        let arena = self.0.arena;
        let sessions = state::SessionStore::new(self.0.store());
        let rows = sessions.find(key, earliest_end, latest_start, arena);
        let rows = rows.map_err(|error| self.0.failed(error.into()))?;
        self.rows(&rows)
    }

    /// The sessions of all keys that end in `from..=to`, by end, start and key.
    ///
    /// # Errors
    /// As [`SessionStore::fetch_session`].
    ///
    /// ```
    /// # use millrace_worker::api::{ProcessorError, SessionStore};
    /// fn over(visits: &mut SessionStore<'_, '_>, until: i64) -> Result<usize, ProcessorError> {
    ///     Ok(visits.find_ended(0, until)?.len())
    /// }
    /// ```
    pub fn find_ended(
        &mut self,
        from: i64,
        to: i64,
    ) -> Result<&'r [SessionedRow<'r>], ProcessorError> {
        let arena = self.0.arena;
        let rows = state::SessionStore::new(self.0.store()).ended(from, to, arena);
        let rows = rows.map_err(|error| self.0.failed(error.into()))?;
        self.rows(&rows)
    }

    fn rows(&self, rows: &[SessionRow<'r>]) -> Result<&'r [SessionedRow<'r>], ProcessorError> {
        let mut read = bumpalo::collections::Vec::with_capacity_in(rows.len(), self.0.arena);
        for row in rows {
            read.push(SessionedRow {
                key: self.0.read_key(row.key, self.0.arena)?,
                start: row.start,
                end: row.end,
                value: self.0.stored(row.row)?.value,
            });
        }
        Ok(read.into_bump_slice())
    }
}
