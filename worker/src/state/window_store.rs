//! [`WindowStore`]: a store's rows as windows of keys.

use bumpalo::collections::Vec as ArenaVec;
use millrace_expr::Bump;

use super::layout::WindowKey;
use super::row::Row;
use super::shape::{Shape, TIME_LEN, WindowOrder};
use super::{StateError, Store};

/// A row of a window store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowRow<'r> {
    /// Key bytes, without the window.
    pub key: &'r [u8],
    /// Start of the window, ms since the epoch.
    pub start: i64,
    /// Its number among rows of the same key and start, which are numbered as they are written.
    pub sequence: u32,
    /// What it holds.
    pub row: Row<'r>,
}

/// Reads and writes a store of [`Shape::Window`]. Rows that are older than the store keeps are not
/// seen, whether they are still there or not (RocksDBWindowStore,
/// AbstractRocksDBSegmentedBytesStore).
pub struct WindowStore<'s> {
    store: &'s mut Store,
}

impl<'s> WindowStore<'s> {
    /// A view of a store.
    pub fn new(store: &'s mut Store) -> Self {
        Self { store }
    }

    fn order(&self) -> WindowOrder {
        match self.store.shape() {
            Shape::Window { order, .. } => order,
            _ => WindowOrder::Key,
        }
    }

    /// The row of a key in the window that starts then, of a store without duplicates.
    pub fn get<'r>(
        &mut self,
        key: &[u8],
        start: i64,
        arena: &'r Bump,
    ) -> Result<Option<Row<'r>>, StateError> {
        if start < self.store.live_from() {
            return Ok(None);
        }
        let row_key = window_key(key, start, 0).row_key(self.store.shape(), arena);
        self.store.get(&row_key, arena)
    }

    /// Writes or deletes the row of a key in the window that starts then; false if that has expired,
    /// and nothing is written. Where duplicates are kept it adds a row, and no value adds none.
    pub fn put(
        &mut self,
        key: &[u8],
        start: i64,
        value: Option<&[u8]>,
        timestamp: i64,
        arena: &Bump,
    ) -> bool {
        let shape = self.store.shape();
        if !shape.has_duplicates() {
            let there = self.store.observe(start);
            if there {
                let row_key = window_key(key, start, 0).row_key(shape, arena);
                self.store.put(&row_key, value, timestamp);
            }
            return there;
        }
        let Some(value) = value else { return true };
        if !self.store.observe(start) {
            return false;
        }
        let window = window_key(key, start, self.store.next_sequence());
        let row_key = window.row_key(shape, arena);
        self.store.add(&row_key, &window, value, timestamp);
        true
    }

    /// Rows of a key whose windows start in `from..=to`, by start; those of one start in the order in
    /// which they were written.
    pub fn fetch<'r>(
        &self,
        key: &[u8],
        from: i64,
        to: i64,
        arena: &'r Bump,
    ) -> Result<ArenaVec<'r, WindowRow<'r>>, StateError> {
        let mut found = ArenaVec::new_in(arena);
        let (from, to) = (from.max(self.store.live_from()), to.min(self.newest()));
        if from > to {
            return Ok(found);
        }
        match self.order() {
            WindowOrder::Time => self.fetch_by_start(key, from, to, &mut found, arena)?,
            WindowOrder::Key if self.store.shape().join_ms().is_some() => {
                self.fetch_recent(key, from, to, &mut found, arena)?;
            }
            WindowOrder::Key => self.segments(key, from, to, arena, |lower, upper| {
                self.store.scan(lower, Some(upper), |row_key, row| {
                    push_row_of(key, row_key, row, &mut found, arena);
                    true
                })
            })?,
        }
        Ok(found)
    }

    /// No window starts later.
    fn newest(&self) -> i64 {
        self.store.observed().time
    }

    /// Rows that were written lately are in memory; earlier ones are looked for.
    fn fetch_recent<'r>(
        &self,
        key: &[u8],
        from: i64,
        to: i64,
        found: &mut ArenaVec<'r, WindowRow<'r>>,
        arena: &'r Bump,
    ) -> Result<(), StateError> {
        let Some(recent) = self.store.recent() else {
            return Ok(());
        };
        let known = recent.complete_from();
        if from < known {
            let to = to.min(known.saturating_sub(1));
            let committed = &self.store.committed;
            self.segments(key, from, to, arena, |lower, upper| {
                committed.scan_bytes(lower, Some(upper), |row_key, bytes| {
                    if let Some(row) = Row::decode(bytes) {
                        push_row_of(key, row_key, row, found, arena);
                    }
                    true
                })
            })?;
        }
        recent.fetch(key, (from, to), found, arena);
        found.sort_unstable_by_key(|row| (row.start, row.sequence));
        Ok(())
    }

    /// The ranges of row keys that hold the windows of a key that start in `from..=to`.
    fn segments<E>(
        &self,
        key: &[u8],
        from: i64,
        to: i64,
        arena: &Bump,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let shape = self.store.shape();
        for segment in shape.segment(from)..=shape.segment(to) {
            let bound = |time: i64| {
                let mut bound = ArenaVec::with_capacity_in(key.len() + 2 * TIME_LEN, arena);
                bound.extend_from_slice_copy(&segment.to_be_bytes());
                bound.extend_from_slice_copy(key);
                bound.extend_from_slice_copy(&time.to_be_bytes());
                bound
            };
            each(&bound(from), &bound(to.saturating_add(1)))?;
        }
        Ok(())
    }

    /// One look per start there is: from a start that exists to the key's row in it, and on to the
    /// next start.
    fn fetch_by_start<'r>(
        &self,
        key: &[u8],
        from: i64,
        to: i64,
        found: &mut ArenaVec<'r, WindowRow<'r>>,
        arena: &'r Bump,
    ) -> Result<(), StateError> {
        let shape = self.store.shape();
        let end = to.saturating_add(1).to_be_bytes();
        let mut start = from;
        while start <= to {
            let lower = window_key(key, start, 0).row_key(shape, arena);
            let mut next = None;
            self.store.scan(&lower, Some(&end), |row_key, row| {
                let window = WindowKey::of_row(WindowOrder::Time, row_key);
                let Some(window) = window else { return true };
                if window.key == key {
                    found.push(copied(&window, row, arena));
                    next = Some(window.start.saturating_add(1));
                } else {
                    // Within a start the key was passed; a later start may have it.
                    let later = window.start > start;
                    next = Some(window.start.saturating_add(i64::from(!later)));
                }
                false
            })?;
            let Some(next) = next else { break };
            start = next;
        }
        Ok(())
    }

    /// Rows of all keys whose windows start in `from..=to`, by start and then key.
    pub fn fetch_all<'r>(
        &self,
        from: i64,
        to: i64,
        arena: &'r Bump,
    ) -> Result<ArenaVec<'r, WindowRow<'r>>, StateError> {
        let mut found = ArenaVec::new_in(arena);
        let (from, to) = (from.max(self.store.there_from()), to.min(self.newest()));
        if from > to {
            return Ok(found);
        }
        let (shape, order) = (self.store.shape(), self.order());
        let (lower, upper) = match order {
            WindowOrder::Time => (from, to.saturating_add(1)),
            WindowOrder::Key => (shape.segment(from), shape.segment(to) + 1),
        };
        let (lower, upper) = (lower.to_be_bytes(), upper.to_be_bytes());
        self.store.scan(&lower, Some(&upper), |row_key, row| {
            let window = WindowKey::of_row(order, row_key);
            if let Some(window) = window.filter(|window| (from..=to).contains(&window.start)) {
                found.push(copied(&window, row, arena));
            }
            true
        })?;
        if order == WindowOrder::Key {
            // Stable: rows of the same key and start keep their order.
            found.sort_by(|a, b| (a.start, a.key).cmp(&(b.start, b.key)));
        }
        Ok(found)
    }
}

fn window_key(key: &[u8], start: i64, sequence: u32) -> WindowKey<'_> {
    WindowKey {
        key,
        start,
        sequence,
    }
}

/// Adds a row that is of this key: rows of longer keys lie between.
fn push_row_of<'r>(
    key: &[u8],
    row_key: &[u8],
    row: Row<'_>,
    found: &mut ArenaVec<'r, WindowRow<'r>>,
    arena: &'r Bump,
) {
    let window = WindowKey::of_row(WindowOrder::Key, row_key);
    if let Some(window) = window.filter(|window| window.key == key) {
        found.push(copied(&window, row, arena));
    }
}

fn copied<'r>(window: &WindowKey<'_>, row: Row<'_>, arena: &'r Bump) -> WindowRow<'r> {
    WindowRow {
        key: arena.alloc_slice_copy(window.key),
        start: window.start,
        sequence: window.sequence,
        row: row.copied(arena),
    }
}
