//! What a join of two streams wrote lately, by key: most of its look-ups end here, instead of opening a
//! RocksDB iterator per record and segment (measured: four fifths of its CPU, see docs/decisions/010).
//!
//! Owns copies of committed rows of a store that keeps duplicates: all of them from a time on, none
//! before it. Never holds uncommitted writes, so an abort cannot make it wrong. Rows are only added; they
//! are forgotten by whole slices of time, when they have expired or the memory is full.

use std::collections::VecDeque;

use bumpalo::collections::Vec as ArenaVec;
use hashbrown::HashTable;
use millrace_expr::Bump;

use super::layout::WindowKey;
use super::overlay;
use super::row::Row;
use super::shape::Shape;
use super::window_store::WindowRow;

/// Slices in a segment of the store: fewer make look-ups faster, more make better use of the memory.
const SLICES_PER_SEGMENT: i64 = 4;

/// Committed rows from a time on, by key. Reads of the stream thread alone.
pub(super) struct RecentRows {
    /// By time; some may be missing between others.
    slices: VecDeque<Slice>,
    slice_ms: i64,
    /// `None`: nothing was added yet.
    complete_from: Option<i64>,
    bytes_max: usize,
    bytes: usize,
}

/// Rows whose windows start in one span of time.
struct Slice {
    /// Start of the span, divided by its length.
    number: i64,
    /// The last entry of each key.
    table: HashTable<usize>,
    entries: Vec<Entry>,
    /// Keys and rows.
    bytes: Vec<u8>,
}

/// A row: where its key and then itself lie among the slice's bytes.
#[derive(Clone, Copy)]
struct Entry {
    hash: u64,
    start: i64,
    key_at: usize,
    row_at: usize,
    end: usize,
    /// The entry of the same key before this one.
    previous: Option<usize>,
}

impl Slice {
    fn new(number: i64) -> Self {
        Self {
            number,
            table: HashTable::new(),
            entries: Vec::new(),
            bytes: Vec::new(),
        }
    }

    fn key(&self, entry: usize) -> &[u8] {
        let entry = &self.entries[entry];
        &self.bytes[entry.key_at..entry.row_at]
    }

    fn last(&self, hash: u64, key: &[u8]) -> Option<usize> {
        self.table
            .find(hash, |&entry| self.key(entry) == key)
            .copied()
    }

    /// Adds a row; by how many bytes the slice has grown.
    fn add(&mut self, hash: u64, window: &WindowKey<'_>, row: &[u8]) -> usize {
        let previous = self.last(hash, window.key);
        let key_at = self.bytes.len();
        self.bytes.extend_from_slice(window.key);
        let row_at = self.bytes.len();
        self.bytes.extend_from_slice(row);
        let (new, end) = (self.entries.len(), self.bytes.len());
        self.entries.push(Entry {
            hash,
            start: window.start,
            key_at,
            row_at,
            end,
            previous,
        });
        let entries = &self.entries;
        let slot = previous.and_then(|old| self.table.find_mut(hash, |&entry| entry == old));
        match slot {
            Some(last) => *last = new,
            None => {
                self.table
                    .insert_unique(hash, new, |&entry| entries[entry].hash);
            }
        }
        size_of::<Entry>() + size_of::<usize>() + end - key_at
    }

    fn size_bytes(&self) -> usize {
        self.bytes.len() + self.entries.len() * (size_of::<Entry>() + size_of::<usize>())
    }
}

impl RecentRows {
    /// In at most so many bytes. Nothing is kept with 0 bytes, nor of a store without duplicates.
    pub(super) fn new(shape: Shape, bytes_max: usize) -> Self {
        let duplicates = matches!(
            shape,
            Shape::Window {
                duplicates: true,
                ..
            }
        );
        Self {
            slices: VecDeque::new(),
            slice_ms: (shape.segment_ms() / SLICES_PER_SEGMENT).max(1),
            complete_from: None,
            bytes_max: if duplicates { bytes_max } else { 0 },
            bytes: 0,
        }
    }

    /// Whether rows are kept at all.
    pub(super) fn is_used(&self) -> bool {
        self.bytes_max > 0
    }

    /// Before rows are added that have been committed: no row committed earlier is newer than `newest`.
    /// Where rows are kept already, that is known.
    pub(super) fn begin(&mut self, newest: i64) {
        if self.complete_from.is_none() {
            self.complete_from = newest.checked_add(1);
        }
    }

    /// Forgets everything, until the next [`RecentRows::begin`].
    pub(super) fn clear(&mut self) {
        self.slices.clear();
        self.complete_from = None;
        self.bytes = 0;
    }

    /// All committed rows whose windows start then or later are here; `None`: nothing is here.
    pub(super) fn complete_from(&self) -> Option<i64> {
        self.complete_from
    }

    /// Adds a row that has been committed, after those that were written before it.
    pub(super) fn add(&mut self, window: &WindowKey<'_>, row: &[u8]) {
        if self.complete_from.is_none_or(|from| window.start < from) {
            return;
        }
        let number = window.start.max(0) / self.slice_ms;
        let place = self.slices.partition_point(|slice| slice.number < number);
        if self
            .slices
            .get(place)
            .is_none_or(|slice| slice.number != number)
        {
            self.slices.insert(place, Slice::new(number));
        }
        let hash = overlay::hash(window.key);
        self.bytes += self.slices[place].add(hash, window, row);
        while self.bytes > self.bytes_max && self.forget_first() {}
    }

    /// Forgets rows whose windows start before a time.
    pub(super) fn expire(&mut self, before: i64) {
        let live = before / self.slice_ms;
        while self.slices.front().is_some_and(|slice| slice.number < live) && self.forget_first() {}
    }

    fn forget_first(&mut self) -> bool {
        let Some(slice) = self.slices.pop_front() else {
            return false;
        };
        self.bytes -= slice.size_bytes();
        let next = (slice.number + 1).saturating_mul(self.slice_ms);
        self.complete_from = self.complete_from.map(|from| from.max(next));
        true
    }

    /// Adds the rows of a key whose windows start in `from..=to`, by slice and then in the order in which
    /// they were written.
    pub(super) fn fetch<'r>(
        &self,
        key: &[u8],
        (from, to): (i64, i64),
        found: &mut ArenaVec<'r, WindowRow<'r>>,
        arena: &'r Bump,
    ) {
        let hash = overlay::hash(key);
        let first = from.max(0) / self.slice_ms;
        let begin = self.slices.partition_point(|slice| slice.number < first);
        for slice in self.slices.range(begin..) {
            if slice.number > to / self.slice_ms {
                break;
            }
            let already = found.len();
            let mut next = slice.last(hash, key);
            while let Some(entry) = next.map(|entry| &slice.entries[entry]) {
                if (from..=to).contains(&entry.start)
                    && let Some(row) = Row::decode(&slice.bytes[entry.row_at..entry.end])
                {
                    found.push(WindowRow {
                        key: arena.alloc_slice_copy(key),
                        start: entry.start,
                        row: row.copied(arena),
                    });
                }
                next = entry.previous;
            }
            found[already..].reverse();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::state::WindowOrder;

    const SHAPE: Shape = Shape::Window {
        retention_ms: 480_000,
        duplicates: true,
        order: WindowOrder::Key,
        ordered: true,
    };

    fn add(rows: &mut RecentRows, key: &[u8], start: i64) {
        let window = WindowKey {
            key,
            start,
            sequence: 0,
        };
        rows.add(&window, &Row::encode(start, b"value"));
    }

    fn starts(rows: &RecentRows, key: &[u8], span: (i64, i64)) -> Vec<i64> {
        let arena = Bump::new();
        let mut found = ArenaVec::new_in(&arena);
        rows.fetch(key, span, &mut found, &arena);
        found.iter().map(|row| row.start).collect()
    }

    #[test]
    fn rows_of_a_key_come_by_slice_and_as_they_were_written() {
        let mut rows = RecentRows::new(SHAPE, 1 << 20);
        add(&mut rows, b"a", 5);
        assert_eq!(
            rows.complete_from(),
            None,
            "nothing is known of earlier rows"
        );
        rows.begin(9);
        for start in [9, 10, 70_000, 30, 20] {
            add(&mut rows, b"a", start);
        }
        add(&mut rows, b"ab", 15);
        assert_eq!(rows.complete_from(), Some(10));
        assert_eq!(starts(&rows, b"a", (10, 80_000)), [10, 30, 20, 70_000]);
        assert_eq!(starts(&rows, b"a", (11, 69_999)), [30, 20]);
        rows.expire(60_000);
        assert_eq!(rows.complete_from(), Some(60_000));
        assert_eq!(starts(&rows, b"a", (10, 80_000)), [70_000]);
        rows.clear();
        assert_eq!((rows.complete_from(), rows.bytes), (None, 0));
    }

    #[test]
    fn the_memory_is_bounded_and_what_is_forgotten_is_not_claimed() {
        const BYTES: usize = 64 * 1024;
        let mut rows = RecentRows::new(SHAPE, BYTES);
        rows.begin(-1);
        for start in (0i64..10_000_000).step_by(1_000) {
            add(&mut rows, &start.to_be_bytes(), start);
            let held: usize = rows.slices.iter().map(Slice::size_bytes).sum();
            assert!(held == rows.bytes && held <= BYTES, "{held} bytes");
        }
        let from = rows.complete_from().unwrap();
        assert!(from > 0);
        for start in (from..10_000_000).step_by(1_000) {
            assert_eq!(starts(&rows, &start.to_be_bytes(), (from, start)), [start]);
        }
    }

    #[test]
    fn without_memory_or_duplicates_nothing_is_kept() {
        let single = Shape::Window {
            retention_ms: 480_000,
            duplicates: false,
            order: WindowOrder::Key,
            ordered: true,
        };
        assert!(!RecentRows::new(SHAPE, 0).is_used());
        assert!(!RecentRows::new(single, 1 << 20).is_used());
    }
}
