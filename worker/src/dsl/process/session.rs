//! Session stores of typed processors.

use std::marker::PhantomData;

use millrace_expr::Bump;

use super::record::of_data;
use super::store::{check, read};
use crate::api::{self, ProcessingContext, ProcessorError, SessionedRow};
use crate::data::Data;
use crate::dsl::Windowed;

/// A store of one value per key and session (Kafka Streams' `SessionStore`). Sessions are kept for the
/// store's retention after their end, by the latest end written. A session's end is the time of its last
/// record.
///
/// ```
/// use millrace_worker::api::ProcessorError;
/// use millrace_worker::dsl::{SessionStore, Windowed};
///
/// /// Makes one visit of all those that a click is within a minute of.
/// fn clicked(
///     visits: &mut SessionStore<'_, '_, String, i64>,
///     user: &String,
///     time: i64,
/// ) -> Result<bool, ProcessorError> {
///     let mut visit = Windowed { key: user.clone(), start: time, end: time };
///     let mut clicks = 1;
///     for (before, count) in visits.find_sessions(user, time - 60_000, time + 60_000)? {
///         visits.remove(&before)?;
///         visit.start = visit.start.min(before.start);
///         visit.end = visit.end.max(before.end);
///         clicks += count;
///     }
///     visits.put(&visit, &clicks)
/// }
/// ```
pub struct SessionStore<'s, 'r, K, V> {
    store: api::SessionStore<'s, 'r>,
    arena: &'r Bump,
    types: PhantomData<fn(K) -> V>,
}

impl<'s, 'r, K: Data, V: Data> SessionStore<'s, 'r, K, V> {
    pub(super) fn of(
        context: &'s mut ProcessingContext<'_, 'r>,
        name: &str,
    ) -> Result<Self, ProcessorError> {
        let arena = context.arena();
        let store = context.session(name)?;
        check::<K, V>(name, store.formats())?;
        Ok(Self {
            store,
            arena,
            types: PhantomData,
        })
    }

    /// The value of a session of a key, of which start and end are known.
    ///
    /// # Errors
    /// A null key; state that cannot be read.
    ///
    /// ```
    /// # use millrace_worker::api::ProcessorError;
    /// # use millrace_worker::dsl::SessionStore;
    /// type Visits<'s, 'r> = SessionStore<'s, 'r, String, i64>;
    ///
    /// fn clicks(visits: &mut Visits<'_, '_>) -> Result<Option<i64>, ProcessorError> {
    ///     visits.fetch_session(&"ann".to_owned(), 5, 90)
    /// }
    /// ```
    pub fn fetch_session(
        &mut self,
        key: &K,
        start: i64,
        end: i64,
    ) -> Result<Option<V>, ProcessorError> {
        let key = of_data("key", key, self.arena)?;
        let value = self.store.fetch_session(key, start, end)?;
        value.map(|value| read("a stored value", value)).transpose()
    }

    /// Writes the value of a session; a `None` removes it. False where the session has expired, and
    /// nothing is written: that is counted as a dropped record.
    ///
    /// # Errors
    /// A store that is only read; a session that ends before it starts, or starts before 1970; a row that
    /// its changelog topic would not take.
    ///
    /// ```
    /// # use millrace_worker::api::ProcessorError;
    /// # use millrace_worker::dsl::{SessionStore, Windowed};
    /// type Visits<'s, 'r> = SessionStore<'s, 'r, String, i64>;
    ///
    /// fn begin(visits: &mut Visits<'_, '_>, now: i64) -> Result<bool, ProcessorError> {
    ///     visits.put(&Windowed { key: "ann".to_owned(), start: now, end: now }, &1)
    /// }
    /// ```
    pub fn put(&mut self, session: &Windowed<K>, value: &V) -> Result<bool, ProcessorError> {
        let (key, value) = (
            of_data("key", &session.key, self.arena)?,
            of_data("value", value, self.arena)?,
        );
        self.store.put(key, session.start, session.end, value)
    }

    /// Removes a session; false where it has expired anyway.
    ///
    /// # Errors
    /// As [`SessionStore::put`].
    ///
    /// ```
    /// # use millrace_worker::api::ProcessorResult;
    /// # use millrace_worker::dsl::SessionStore;
    /// type Visits<'s, 'r> = SessionStore<'s, 'r, String, i64>;
    ///
    /// fn forget(visits: &mut Visits<'_, '_>, until: i64) -> ProcessorResult {
    ///     for (visit, _) in visits.find_ended(0, until)? {
    ///         visits.remove(&visit)?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn remove(&mut self, session: &Windowed<K>) -> Result<bool, ProcessorError> {
        let key = of_data("key", &session.key, self.arena)?;
        self.store.remove(key, session.start, session.end)
    }

    /// All sessions of a key, by end and start.
    ///
    /// # Errors
    /// As [`SessionStore::fetch_session`].
    ///
    /// ```
    /// # use millrace_worker::api::ProcessorError;
    /// # use millrace_worker::dsl::SessionStore;
    /// type Visits<'s, 'r> = SessionStore<'s, 'r, String, i64>;
    ///
    /// fn clicks(visits: &mut Visits<'_, '_>) -> Result<i64, ProcessorError> {
    ///     Ok(visits.fetch(&"ann".to_owned())?.iter().map(|(_, clicks)| clicks).sum())
    /// }
    /// ```
    pub fn fetch(&mut self, key: &K) -> Result<Vec<(Windowed<K>, V)>, ProcessorError> {
        let key = of_data("key", key, self.arena)?;
        rows(self.store.fetch(key)?)
    }

    /// The sessions of a key that end at `earliest_end` or later and start at `latest_start` or earlier,
    /// by end and start: with a gap taken from and added to a record's time, those that the record
    /// joins.
    ///
    /// # Errors
    /// As [`SessionStore::fetch_session`].
    ///
    /// ```
    /// # use millrace_worker::api::ProcessorError;
    /// # use millrace_worker::dsl::SessionStore;
    /// type Visits<'s, 'r> = SessionStore<'s, 'r, String, i64>;
    ///
    /// fn is_visiting(visits: &mut Visits<'_, '_>, now: i64) -> Result<bool, ProcessorError> {
    ///     Ok(!visits.find_sessions(&"ann".to_owned(), now - 60_000, now)?.is_empty())
    /// }
    /// ```
    pub fn find_sessions(
        &mut self,
        key: &K,
        earliest_end: i64,
        latest_start: i64,
    ) -> Result<Vec<(Windowed<K>, V)>, ProcessorError> {
        let key = of_data("key", key, self.arena)?;
        rows(self.store.find_sessions(key, earliest_end, latest_start)?)
    }

    /// The sessions of all keys that end in `from..=to`, by end, start and key.
    ///
    /// # Errors
    /// As [`SessionStore::fetch_session`].
    ///
    /// ```
    /// # use millrace_worker::api::ProcessorError;
    /// # use millrace_worker::dsl::SessionStore;
    /// type Visits<'s, 'r> = SessionStore<'s, 'r, String, i64>;
    ///
    /// fn over(visits: &mut Visits<'_, '_>, until: i64) -> Result<usize, ProcessorError> {
    ///     Ok(visits.find_ended(0, until)?.len())
    /// }
    /// ```
    pub fn find_ended(
        &mut self,
        from: i64,
        to: i64,
    ) -> Result<Vec<(Windowed<K>, V)>, ProcessorError> {
        rows(self.store.find_ended(from, to)?)
    }
}

fn rows<K: Data, V: Data>(
    rows: &[SessionedRow<'_>],
) -> Result<Vec<(Windowed<K>, V)>, ProcessorError> {
    let session = |row: &SessionedRow<'_>| {
        let (start, end) = (row.start, row.end);
        let key = read("a stored key", row.key)?;
        let value = read("a stored value", row.value)?;
        Ok((Windowed { key, start, end }, value))
    };
    rows.iter().map(session).collect()
}
