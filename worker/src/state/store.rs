//! A store of a task: rows at hand, uncommitted ones among them, over stored ones.
//!
//! Knows rows by their row keys (see [`Shape`]) and when they expire; what they mean is read and written
//! through [`WindowStore`](super::WindowStore), [`SessionStore`](super::SessionStore) and
//! [`VersionedStore`]. Of a key-value store the row key is the key itself.

use std::sync::PoisonError;

use bumpalo::collections::Vec as ArenaVec;
use millrace_crds::plan::StoreId;
use millrace_expr::Bump;

use super::committed::{Committed, CommittedStore};
use super::db::CommitBatch;
use super::layout::{self, WindowKey};
use super::observed::Observed;
use super::ordered_keys::OrderedKeys;
use super::recent_rows::RecentRows;
use super::row::Row;
use super::row_table::{self, Lookup, RowTable};
use super::shape::{Shape, WindowOrder};
use super::version_log::VersionLog;
use super::{StateError, VersionedStore};

/// What a changelog gets for one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangelogRecord<'a> {
    /// Key, in Kafka Streams' layout.
    pub key: &'a [u8],
    /// Value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Time of the value; a tombstone of a store without versions has none of its own.
    pub timestamp: Option<i64>,
}

/// A store as its task sees it.
pub struct Store {
    /// Index in the plan.
    pub id: StoreId,
    /// Committed rows.
    pub committed: CommittedStore,
    /// Rows that the committed ones do not have yet, and some that they have.
    rows: RowTable,
    /// Keys of those that they do not have in order, of stores that are read by range.
    ordered: OrderedKeys,
    /// The rows at hand of a store that joins of streams alone look into, instead of `rows`.
    recent: Option<RecentRows>,
    observed: Observed,
    /// Rows from this time on are kept, however old.
    kept_from: i64,
    versions: VersionLog,
}

impl Store {
    /// A store with nothing uncommitted, which caches so many bytes of committed rows.
    pub fn new(id: StoreId, committed: CommittedStore, cache_bytes: usize) -> Self {
        let cache_bytes = match committed.rows {
            Committed::Rocks(_) | Committed::Supplied(_) => cache_bytes,
            Committed::Memory(_) => 0,
        };
        let observed = committed.observed.get();
        let shape = committed.shape;
        let recent = shape
            .join_ms()
            .map(|span_ms| RecentRows::new(observed.time, span_ms, cache_bytes));
        Self {
            id,
            committed,
            rows: RowTable::new(if recent.is_some() { 0 } else { cache_bytes }),
            ordered: OrderedKeys::default(),
            recent,
            observed,
            kept_from: if shape.stays_until_forwarded() {
                0
            } else {
                i64::MAX
            },
            versions: VersionLog::default(),
        }
    }

    /// The committed rows as the last storing left them, to be read alone.
    pub fn of_committed(id: StoreId, committed: CommittedStore) -> Self {
        let kept_from = committed.observed.live_from();
        let mut store = Self::new(id, committed, 0);
        store.kept_from = kept_from;
        store
    }

    /// What the rows are.
    pub fn shape(&self) -> Shape {
        self.committed.shape
    }

    /// What the store has seen, uncommitted writes included.
    pub fn observed(&self) -> Observed {
        self.observed
    }

    /// The earliest time whose rows are found by key.
    pub fn live_from(&self) -> i64 {
        self.shape().live_from(self.observed)
    }

    /// The earliest time whose rows are there, found by time alone.
    pub fn there_from(&self) -> i64 {
        self.live_from().min(self.kept_from)
    }

    /// Keeps rows from a time on, however old they are: a look by time still has to find them.
    pub fn keep_from(&mut self, time: i64) {
        self.kept_from = time;
    }

    /// Takes a row's time into account; false if it is expired, and the row not to be written.
    pub(super) fn observe(&mut self, time: i64) -> bool {
        self.observed.time = self.observed.time.max(time);
        time >= self.there_from()
    }

    /// The next number for rows that share key and time.
    pub(super) fn next_sequence(&mut self) -> u32 {
        // A Java int: it begins again at 0, when rows of the same number are long expired.
        self.observed.sequence = (self.observed.sequence + 1) & 0x7fff_ffff;
        self.observed.sequence
    }

    /// The row under a row key, uncommitted writes included; copied into the arena.
    pub fn get<'r>(&mut self, key: &[u8], arena: &'r Bump) -> Result<Option<Row<'r>>, StateError> {
        let hash = row_table::hash(key);
        let row: Option<&'r [u8]> = match self.rows.get(hash, key) {
            Lookup::Deleted => None,
            Lookup::Row(row) => Some(arena.alloc_slice_copy(row)),
            Lookup::Unknown => self.committed_row(hash, key, arena)?,
        };
        Ok(row.and_then(Row::decode))
    }

    /// Brings rows that will be asked for soon into the CPU's caches, together, by key and by the start of
    /// their window, which a key-value store does not look at. A hint: of keys that are not there, or of a
    /// store that finds its rows another way, nothing is said and nothing is wrong.
    pub(crate) fn touch<'k>(&self, keys: impl Iterator<Item = (&'k [u8], i64)>, arena: &Bump) {
        if let Some(recent) = &self.recent {
            recent.touch(keys, arena);
            return;
        }
        let shape = self.shape();
        let found_otherwise = matches!(shape, Shape::Session { .. } | Shape::Versioned { .. })
            || matches!(self.committed.rows, Committed::Memory(_));
        if found_otherwise {
            return;
        }
        let hashes = keys.map(|(key, start)| match shape {
            Shape::Window { .. } => {
                let sequence = 0;
                let window = WindowKey {
                    key,
                    start,
                    sequence,
                };
                let row_key = window.row_key(shape, arena);
                row_table::hash(&row_key)
            }
            _ => row_table::hash(key),
        });
        let hashes = ArenaVec::from_iter_in(hashes, arena);
        self.rows.touch(&hashes);
    }

    /// The value that a table has for a key now: its row, of a versioned table the latest version.
    pub fn current<'r>(
        &mut self,
        key: &[u8],
        arena: &'r Bump,
    ) -> Result<Option<Row<'r>>, StateError> {
        match self.shape() {
            Shape::Versioned { .. } => VersionedStore::new(self).latest(key, arena),
            _ => self.get(key, arena),
        }
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
                self.rows.note(hash, key, row.as_deref());
                Ok(row.map(|row| &*arena.alloc_slice_copy(&row)))
            }
            Committed::Supplied(rows) => {
                let row = rows.get(key)?;
                self.rows.note(hash, key, row.as_deref());
                Ok(row.map(|row| &*arena.alloc_slice_copy(&row)))
            }
            Committed::Memory(rows) => {
                let rows = rows.read().unwrap_or_else(PoisonError::into_inner);
                Ok(rows.get(key).map(|row| &*arena.alloc_slice_copy(row)))
            }
        }
    }

    /// Writes a value, or deletes the row; uncommitted until [`Store::commit`].
    pub fn put(&mut self, key: &[u8], value: Option<&[u8]>, timestamp: i64) {
        let hash = row_table::hash(key);
        let head = timestamp.to_be_bytes();
        let row = value.map(|value| (&head[..], value));
        let new = self.rows.put(hash, key, row);
        if new && self.shape().is_ordered() {
            self.ordered.insert(key);
        }
    }

    /// Writes a row of a store that keeps duplicates: its row key, and the same taken apart.
    pub(super) fn add(
        &mut self,
        row_key: &[u8],
        window: &WindowKey<'_>,
        value: &[u8],
        timestamp: i64,
    ) {
        match &mut self.recent {
            Some(recent) => recent.write(row_key, window, timestamp, value),
            None => self.put(row_key, Some(value), timestamp),
        }
    }

    /// Rows with `from <= row key < to` (`to` `None`: to the end) in key order, uncommitted writes
    /// included, deleted rows left out, until the callback says stop. Of a store that is not ordered, this
    /// sorts all its uncommitted writes first.
    pub fn scan(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        row: impl FnMut(&[u8], Row<'_>) -> bool,
    ) -> Result<(), StateError> {
        if to.is_some_and(|to| to <= from) {
            return Ok(());
        }
        if self.shape().is_ordered() {
            return self.merge(from, to, self.written(from, to), row);
        }
        let inside = |key: &[u8]| key >= from && to.is_none_or(|to| key < to);
        let written = self.unstored().filter(|(key, _)| inside(key));
        self.merge(from, to, written, row)
    }

    /// The rows that are not stored, in the order of their row keys; `None`: deleted.
    fn unstored(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let recent = self.recent.iter().flat_map(RecentRows::unstored);
        let recent = recent.map(|(key, row)| (key, Some(row)));
        // One of the two is empty.
        self.rows.unstored().chain(recent)
    }

    /// The rows that are not committed; `None`: deleted.
    fn uncommitted(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let recent = self.recent.iter().flat_map(RecentRows::uncommitted);
        let recent = recent.map(|(key, row)| (key, Some(row)));
        self.rows.uncommitted().chain(recent)
    }

    /// The uncommitted writes of a range of an ordered store, by key; no value: deleted.
    fn written<'s>(
        &'s self,
        from: &[u8],
        to: Option<&'s [u8]>,
    ) -> impl Iterator<Item = (&'s [u8], Option<&'s [u8]>)> {
        let keys = self.ordered.range(from, to);
        keys.map(|key| (key, self.rows.written(row_table::hash(key), key)))
    }

    /// Rows that were written lately, of a store that joins of streams alone look into.
    pub(super) fn recent(&self) -> Option<&RecentRows> {
        self.recent.as_ref()
    }

    /// Rows as [`Store::scan`] shows them, copied into the arena.
    pub fn rows<'r>(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        arena: &'r Bump,
    ) -> Result<ArenaVec<'r, (&'r [u8], Row<'r>)>, StateError> {
        let mut rows = ArenaVec::new_in(arena);
        self.scan(from, to, |key, row| {
            let key: &'r [u8] = arena.alloc_slice_copy(key);
            rows.push((key, row.copied(arena)));
            true
        })?;
        Ok(rows)
    }

    /// Committed rows of a range with what was written over them, both in key order.
    fn merge<'s>(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        written: impl Iterator<Item = (&'s [u8], Option<&'s [u8]>)>,
        mut row: impl FnMut(&[u8], Row<'_>) -> bool,
    ) -> Result<(), StateError> {
        let mut written = written.peekable();
        let mut show = |key: &[u8], bytes: Option<&[u8]>| {
            let decoded = bytes.and_then(Row::decode);
            decoded.is_none_or(|decoded| row(key, decoded))
        };
        let mut go_on = true;
        self.committed.scan_bytes(from, to, |key, bytes| {
            while let Some((other, value)) = written.next_if(|(other, _)| *other <= key) {
                go_on = show(other, value);
                if !go_on || other == key {
                    return go_on;
                }
            }
            go_on = show(key, Some(bytes));
            go_on
        })?;
        if go_on {
            let _stopped = written.all(|(key, value)| show(key, value));
        }
        Ok(())
    }

    /// Notes a put of a version for the changelog.
    pub(super) fn log_version(&mut self, key: &[u8], value: Option<&[u8]>, timestamp: i64) {
        self.versions.push(key, value, timestamp);
    }

    /// What the changelog gets for the uncommitted writes: the last state of each row, or every put of
    /// a versioned store.
    pub fn changes<E>(
        &self,
        mut change: impl FnMut(ChangelogRecord<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if matches!(self.shape(), Shape::Versioned { .. }) {
            return self.versions.iter().try_for_each(|(key, value, time)| {
                let timestamp = Some(time);
                change(ChangelogRecord {
                    key,
                    value,
                    timestamp,
                })
            });
        }
        let mut scratch = Vec::new();
        for (key, bytes) in self.uncommitted() {
            let row = bytes.and_then(Row::decode);
            change(ChangelogRecord {
                key: layout::changelog_key(self.shape(), key, &mut scratch),
                value: row.map(|row| row.value),
                timestamp: row.map(|row| row.timestamp),
            })?;
        }
        Ok(())
    }

    /// Takes a record of the changelog as an uncommitted write. A record whose key is not one of this
    /// shape is nobody's row.
    pub fn restore(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
        timestamp: i64,
        arena: &Bump,
    ) -> Result<(), StateError> {
        if matches!(self.shape(), Shape::Versioned { .. }) {
            VersionedStore::new(self).restore(key, value, timestamp, arena)?;
            return Ok(());
        }
        let mut row_key = ArenaVec::new_in(arena);
        let Some(place) = layout::row_key(self.shape(), key, &mut row_key) else {
            return Ok(());
        };
        self.observed.sequence = self.observed.sequence.max(place.sequence);
        if !self.observe(place.time) {
            return Ok(());
        }
        match WindowKey::of_row(WindowOrder::Key, &row_key) {
            Some(window) if self.recent.is_some() => {
                // Nobody deletes a record of a join: it expires.
                if let Some(value) = value {
                    self.add(&row_key, &window, value, timestamp);
                }
            }
            _ => self.put(&row_key, value, timestamp),
        }
        Ok(())
    }

    /// Whether anything was written since the last commit. A version may be noted for the changelog
    /// alone, where the rows say it already.
    pub fn has_uncommitted(&self) -> bool {
        self.uncommitted_len() > 0 || !self.versions.is_empty()
    }

    /// About how many rows have an uncommitted write.
    pub fn uncommitted_len(&self) -> usize {
        let recent = self.recent.as_ref().map_or(0, RecentRows::uncommitted_len);
        self.rows.uncommitted_len() + recent
    }

    /// Memory of the uncommitted writes, in bytes.
    pub fn uncommitted_bytes(&self) -> usize {
        self.rows.uncommitted_bytes()
            + self.ordered.size_bytes()
            + self.versions.size_bytes()
            + self
                .recent
                .as_ref()
                .map_or(0, RecentRows::uncommitted_bytes)
    }

    /// Whether committed rows may wait to be stored for as long as they like, found meanwhile by their
    /// keys. Those of other kinds of stores are stored at each commit.
    pub fn may_wait(&self) -> bool {
        matches!(self.committed.rows, Committed::Rocks(_))
            && !self.shape().is_ordered()
            && match &self.recent {
                Some(recent) => !recent.is_full(),
                None => !self.rows.is_full(),
            }
    }

    /// Whether all committed rows are stored.
    pub fn is_stored(&self) -> bool {
        self.rows.is_stored() && self.recent.as_ref().is_none_or(RecentRows::is_stored)
    }

    /// Adds the rows that are not stored yet to a batch, in key order (RocksDB's memtable inserts
    /// sorted keys faster), and what has expired since the last time. Stores of other kinds take them in
    /// [`Store::commit`].
    pub fn write_to(&self, batch: &mut CommitBatch<'_>) -> Result<(), StateError> {
        for (key, row) in self.unstored() {
            batch.put(&self.committed.name, key, row)?;
        }
        // After the rows: one of them may have expired within this commit.
        if let Some(expired) = self.newly_expired() {
            batch.delete_range(&self.committed.name, &expired)?;
        }
        Ok(())
    }

    fn newly_expired(&self) -> Option<super::shape::Expired> {
        let before = self.committed.observed.live_from();
        self.shape().expired(before, self.there_from())
    }

    /// After the commit in the log: what was written is committed. A store that is not RocksDB's has it
    /// now. Only a supplied store can fail; its rows are then not to be used any more.
    pub fn commit(&mut self) -> Result<(), StateError> {
        match &self.committed.rows {
            Committed::Rocks(_) => {}
            Committed::Supplied(rows) => {
                let writes: Vec<_> = self.unstored().collect();
                rows.write(&writes)?;
            }
            Committed::Memory(rows) => {
                let mut rows = rows.write().unwrap_or_else(PoisonError::into_inner);
                for (key, row) in self.uncommitted() {
                    match row {
                        Some(row) => rows.insert(key.to_vec(), row.to_vec()),
                        None => rows.remove(key),
                    };
                }
                if let Some(expired) = self.newly_expired() {
                    let mut live = rows.split_off(&expired.from);
                    rows.append(&mut live.split_off(&expired.to));
                }
            }
        }
        if let Some(recent) = &mut self.recent {
            recent.commit();
        }
        self.rows.commit();
        self.versions.clear();
        if !matches!(self.committed.rows, Committed::Rocks(_)) {
            self.stored();
        }
        Ok(())
    }

    /// After a commit, and the batch that [`Store::write_to`] wrote into: all committed rows are stored.
    pub fn stored(&mut self) {
        self.committed.observed.set(self.observed);
        let there_from = self.there_from();
        self.committed.observed.set_live_from(there_from);
        if let Some(recent) = &mut self.recent {
            recent.stored(self.observed.time, there_from);
        }
        self.ordered.clear();
        self.rows.stored();
    }

    /// Forgets what is not stored: uncommitted writes, and committed ones that wait.
    pub fn discard(&mut self) {
        self.observed = self.committed.observed.get();
        if let Some(recent) = &mut self.recent {
            recent.forget(self.observed.time);
        }
        self.rows.clear();
        self.ordered.clear();
        self.versions.clear();
    }
}
