//! [`SessionStore`]: a store's rows as sessions of keys.

use bumpalo::collections::Vec as ArenaVec;
use millrace_expr::Bump;

use super::layout::SessionKey;
use super::row::Row;
use super::shape::TIME_LEN;
use super::{StateError, Store};

/// A row of a session store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRow<'r> {
    /// Key bytes, without the session.
    pub key: &'r [u8],
    /// Time of the session's first record, ms since the epoch.
    pub start: i64,
    /// Time of its last.
    pub end: i64,
    /// What it holds.
    pub row: Row<'r>,
}

/// Reads and writes a store of [`Shape::Session`](super::Shape::Session). Sessions that are older than
/// the store keeps are not seen, whether they are still there or not (RocksDBSessionStore).
pub struct SessionStore<'s> {
    store: &'s mut Store,
}

impl<'s> SessionStore<'s> {
    /// A view of a store.
    pub fn new(store: &'s mut Store) -> Self {
        Self { store }
    }

    /// The row of a session.
    pub fn get<'r>(
        &mut self,
        key: &[u8],
        (start, end): (i64, i64),
        arena: &'r Bump,
    ) -> Result<Option<Row<'r>>, StateError> {
        if end < self.store.live_from() {
            return Ok(None);
        }
        let row_key = SessionKey { key, start, end }.row_key(self.store.shape(), arena);
        self.store.get(&row_key, arena)
    }

    /// Writes or deletes the row of a session; false if that has expired, and nothing is written.
    pub fn put(
        &mut self,
        key: &[u8],
        (start, end): (i64, i64),
        value: Option<&[u8]>,
        arena: &Bump,
    ) -> bool {
        if !self.store.observe(end) {
            return false;
        }
        let row_key = SessionKey { key, start, end }.row_key(self.store.shape(), arena);
        self.store.put(&row_key, value, end);
        true
    }

    /// Sessions of a key that end at `earliest_end` or later and start at `latest_start` or earlier,
    /// by end and start (SessionStore.findSessions).
    pub fn find<'r>(
        &self,
        key: &[u8],
        earliest_end: i64,
        latest_start: i64,
        arena: &'r Bump,
    ) -> Result<ArenaVec<'r, SessionRow<'r>>, StateError> {
        let mut found = ArenaVec::new_in(arena);
        let (from, newest) = (
            earliest_end.max(self.store.live_from()),
            self.store.observed().time,
        );
        let shape = self.store.shape();
        if from > newest {
            return Ok(found);
        }
        for segment in shape.segment(from)..=shape.segment(newest) {
            let bound = |end: i64| {
                let mut bound = ArenaVec::with_capacity_in(key.len() + 2 * TIME_LEN, arena);
                bound.extend_from_slice_copy(&segment.to_be_bytes());
                bound.extend_from_slice_copy(key);
                bound.extend_from_slice_copy(&end.to_be_bytes());
                bound
            };
            let (lower, upper) = (bound(from), bound(newest.saturating_add(1)));
            self.store.scan(&lower, Some(&upper), |row_key, row| {
                let session = SessionKey::of_row(row_key);
                // Rows of longer keys lie between.
                let session = session.filter(|found| found.key == key);
                if let Some(session) = session.filter(|found| found.start <= latest_start) {
                    found.push(copied(&session, row, arena));
                }
                true
            })?;
        }
        Ok(found)
    }

    /// Sessions of all keys that end in `from..=to`, by end, start and key.
    pub fn ended<'r>(
        &self,
        from: i64,
        to: i64,
        arena: &'r Bump,
    ) -> Result<ArenaVec<'r, SessionRow<'r>>, StateError> {
        let mut found = ArenaVec::new_in(arena);
        let from = from.max(self.store.there_from());
        let to = to.min(self.store.observed().time);
        if from > to {
            return Ok(found);
        }
        let shape = self.store.shape();
        let lower = shape.segment(from).to_be_bytes();
        let upper = (shape.segment(to) + 1).to_be_bytes();
        self.store.scan(&lower, Some(&upper), |row_key, row| {
            let session = SessionKey::of_row(row_key);
            if let Some(session) = session.filter(|session| (from..=to).contains(&session.end)) {
                found.push(copied(&session, row, arena));
            }
            true
        })?;
        found.sort_unstable_by(|a, b| (a.end, a.start, a.key).cmp(&(b.end, b.start, b.key)));
        Ok(found)
    }
}

fn copied<'r>(session: &SessionKey<'_>, row: Row<'_>, arena: &'r Bump) -> SessionRow<'r> {
    SessionRow {
        key: arena.alloc_slice_copy(session.key),
        start: session.start,
        end: session.end,
        row: row.copied(arena),
    }
}
