//! [`VersionedStore`]: a store's rows as versions of keys (KIP-889, RocksDBVersionedStore).
//!
//! Of each key the latest version is one row, kept for ever. Each version it replaced is a row of the
//! history, with the time from which and the time until which it was valid; it expires by the latter.
//! A deletion is a bound in time: the end of the version before it, or else a row of its own without
//! value, valid from and to the same time. So at any time `t` the version of a key is the latest row
//! if that is not later than `t`, and else the first row of the history that is valid to after `t`, if
//! it is valid from `t` or earlier.

use bumpalo::collections::Vec as ArenaVec;
use millrace_expr::Bump;

use super::row::Row;
use super::shape::{TIME_LEN, time_before};
use super::{StateError, Store};

/// First byte of the latest versions' row keys.
const LATEST: u8 = 0;
/// First byte of the history's row keys.
const HISTORY: u8 = 1;
/// First byte of a history row's value: there is none.
const DELETED: u8 = 0;
/// First byte of a history row's value: the rest is it.
const VALUE: u8 = 1;

/// Where a put has come to lie among the versions of its key.
///
/// ```
/// use millrace_worker::api::Placed;
///
/// fn is_seen(placed: Placed) -> bool {
///     placed != Placed::Expired
/// }
/// assert!(is_seen(Placed::Until(5)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It is the latest version.
    Latest,
    /// It is valid to then: there is a later version or deletion.
    Until(i64),
    /// It is older than the store keeps history, and was not written.
    Expired,
}

/// A version that was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Past<'r> {
    from: i64,
    to: i64,
    /// `None`: deleted since, or never there.
    value: Option<&'r [u8]>,
}

/// Reads and writes a store of [`Shape::Versioned`](super::Shape::Versioned).
pub struct VersionedStore<'s> {
    store: &'s mut Store,
}

impl<'s> VersionedStore<'s> {
    /// A view of a store.
    pub fn new(store: &'s mut Store) -> Self {
        Self { store }
    }

    /// The latest version of a key, however old.
    pub fn latest<'r>(
        &mut self,
        key: &[u8],
        arena: &'r Bump,
    ) -> Result<Option<Row<'r>>, StateError> {
        self.store.get(&latest_key(key, arena), arena)
    }

    /// The version of a key at a time; none where the time is further back than history is kept,
    /// unless the latest version is older still.
    pub fn get_as_of<'r>(
        &mut self,
        key: &[u8],
        time: i64,
        arena: &'r Bump,
    ) -> Result<Option<Row<'r>>, StateError> {
        let latest = self.latest(key, arena)?;
        if latest.is_some_and(|latest| latest.timestamp <= time) {
            return Ok(latest);
        }
        if time < self.store.live_from() {
            return Ok(None);
        }
        let past = self.first_valid_after(key, time, arena)?;
        Ok(past
            .filter(|past| past.from <= time)
            .and_then(|past| row(past.from, past.value)))
    }

    /// Writes a version that is valid from a time on, or deletes the key from then on; says where it
    /// has come to lie among the others.
    pub fn put(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
        time: i64,
        arena: &Bump,
    ) -> Result<Placed, StateError> {
        let placed = self.restore(key, value, time, arena)?;
        if placed != Placed::Expired {
            self.store.log_version(key, value, time);
        }
        Ok(placed)
    }

    /// As [`VersionedStore::put`], without a record in the changelog.
    pub(super) fn restore(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
        time: i64,
        arena: &Bump,
    ) -> Result<Placed, StateError> {
        if !self.store.observe(time) {
            return Ok(Placed::Expired);
        }
        let latest = self.latest(key, arena)?;
        match latest {
            Some(latest) if latest.timestamp <= time => {
                self.put_latest(key, value, time, Some(latest), arena)?;
                return Ok(Placed::Latest);
            }
            _ => {}
        }
        match self.first_valid_after(key, time, arena)? {
            Some(past) if past.from <= time => {
                self.put_within(key, value, time, past, arena)?;
                Ok(Placed::Until(past.to))
            }
            Some(past) => {
                self.put_before(key, value, time, past.from, arena)?;
                Ok(Placed::Until(past.from))
            }
            None => match latest {
                Some(latest) => {
                    self.put_before(key, value, time, latest.timestamp, arena)?;
                    Ok(Placed::Until(latest.timestamp))
                }
                None => {
                    self.put_latest(key, value, time, None, arena)?;
                    Ok(Placed::Latest)
                }
            },
        }
    }

    /// Writes over the latest version, which is not later.
    fn put_latest(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
        time: i64,
        latest: Option<Row<'_>>,
        arena: &Bump,
    ) -> Result<(), StateError> {
        if let Some(latest) = latest.filter(|latest| latest.timestamp < time) {
            let past = Past {
                from: latest.timestamp,
                to: time,
                value: Some(latest.value),
            };
            self.put_past(key, past, arena);
        }
        if latest.is_some() || value.is_some() {
            self.store.put(&latest_key(key, arena), value, time);
        }
        // As Kafka Streams: nothing is left of a version that is deleted at its own time, not even
        // that time, so that an older version put later is the latest one.
        match (value, latest) {
            (None, None) => self.bound(key, time, arena),
            _ => Ok(()),
        }
    }

    /// Writes into a version of the history that is valid at the time.
    fn put_within(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
        time: i64,
        past: Past<'_>,
        arena: &Bump,
    ) -> Result<(), StateError> {
        if past.from < time {
            self.put_past(key, Past { to: time, ..past }, arena);
        }
        self.put_before(key, value, time, past.to, arena)
    }

    /// Writes a version that ends at a time at which another one, or a deletion, begins.
    fn put_before(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
        time: i64,
        to: i64,
        arena: &Bump,
    ) -> Result<(), StateError> {
        let from = if value.is_some() { time } else { to };
        self.put_past(key, Past { from, to, value }, arena);
        match value {
            Some(_) => Ok(()),
            None => self.bound(key, time, arena),
        }
    }

    /// Makes sure that a time is a bound: that nothing put before it is valid beyond it.
    fn bound(&mut self, key: &[u8], time: i64, arena: &Bump) -> Result<(), StateError> {
        if self.past(key, time, arena)?.is_none() {
            let past = Past {
                from: time,
                to: time,
                value: None,
            };
            self.put_past(key, past, arena);
        }
        Ok(())
    }

    fn put_past(&mut self, key: &[u8], past: Past<'_>, arena: &Bump) {
        let mut value = ArenaVec::new_in(arena);
        match past.value {
            Some(bytes) => {
                value.push(VALUE);
                value.extend_from_slice_copy(bytes);
            }
            None => value.push(DELETED),
        }
        let row_key = self.history_key(key, past.to, arena);
        self.store.put(&row_key, Some(&value), past.from);
    }

    fn past<'r>(
        &mut self,
        key: &[u8],
        to: i64,
        arena: &'r Bump,
    ) -> Result<Option<Past<'r>>, StateError> {
        let row_key = self.history_key(key, to, arena);
        let row = self.store.get(&row_key, arena)?;
        Ok(row.map(|row| past(to, row)))
    }

    /// The row of the history that is valid to the earliest time after the given one.
    fn first_valid_after<'r>(
        &self,
        key: &[u8],
        time: i64,
        arena: &'r Bump,
    ) -> Result<Option<Past<'r>>, StateError> {
        let shape = self.store.shape();
        // A version is replaced at a time that the store has seen.
        let newest = self.store.observed().time;
        for segment in shape.segment(time)..=shape.segment(newest) {
            let mut lower = segment_prefix(segment, key, arena);
            let mut upper = lower.clone();
            lower.extend_from_slice_copy(&time.saturating_add(1).to_be_bytes());
            upper.extend_from_slice_copy(&newest.saturating_add(1).to_be_bytes());
            let mut found = None;
            self.store.scan(&lower, Some(&upper), |row_key, row| {
                // Rows of longer keys lie between.
                if row_key.len() == lower.len() {
                    let to = time_before(row_key, row_key.len());
                    found = to.map(|to| past(to, row.copied(arena)));
                }
                found.is_none()
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn history_key<'r>(&self, key: &[u8], to: i64, arena: &'r Bump) -> ArenaVec<'r, u8> {
        let mut row_key = segment_prefix(self.store.shape().segment(to), key, arena);
        row_key.extend_from_slice_copy(&to.to_be_bytes());
        row_key
    }
}

fn latest_key<'r>(key: &[u8], arena: &'r Bump) -> ArenaVec<'r, u8> {
    let mut row_key = ArenaVec::with_capacity_in(1 + key.len(), arena);
    row_key.push(LATEST);
    row_key.extend_from_slice_copy(key);
    row_key
}

/// The key of a latest version's row key; `None` for rows of the history.
pub(super) fn latest_of(row_key: &[u8]) -> Option<&[u8]> {
    match row_key.split_first() {
        Some((&LATEST, key)) => Some(key),
        _ => None,
    }
}

fn segment_prefix<'r>(segment: i64, key: &[u8], arena: &'r Bump) -> ArenaVec<'r, u8> {
    let mut prefix = ArenaVec::with_capacity_in(1 + 2 * TIME_LEN + key.len(), arena);
    prefix.push(HISTORY);
    prefix.extend_from_slice_copy(&segment.to_be_bytes());
    prefix.extend_from_slice_copy(key);
    prefix
}

fn past(to: i64, row: Row<'_>) -> Past<'_> {
    let value = match row.value.split_first() {
        Some((&VALUE, value)) => Some(value),
        _ => None,
    };
    Past {
        from: row.timestamp,
        to,
        value,
    }
}

fn row(timestamp: i64, value: Option<&[u8]>) -> Option<Row<'_>> {
    value.map(|value| Row { timestamp, value })
}
