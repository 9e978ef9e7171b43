//! What a join of two streams wrote lately, by key: most of its look-ups end here, instead of opening a
//! RocksDB iterator per record and segment (measured: four fifths of its CPU, see docs/decisions/010).
//!
//! Owns copies of rows of a store that keeps duplicates. Of committed ones all from a time on, none before
//! it; they are forgotten by whole slices of time, when they have expired or the memory is full. Of
//! uncommitted ones all, apart from the others, so that an abort forgets them as a whole.

use std::collections::VecDeque;

use bumpalo::collections::Vec as ArenaVec;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as HashEntry;
use millrace_expr::Bump;

use super::layout::WindowKey;
use super::row::Row;
use super::row_table;
use super::shape::Shape;
use super::window_store::WindowRow;

/// Slices in a segment of the store: fewer make look-ups faster, more make better use of the memory.
const SLICES_PER_SEGMENT: i64 = 4;

/// Committed rows from a time on, and uncommitted ones, by key. Reads of the stream thread alone.
pub(super) struct RecentRows {
    /// Rows that are not committed, of all times; its number is of no use.
    written: Slice,
    /// Whether rows were written that are not among those: the changelog's, while it is restored.
    restored: bool,
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

    /// Adds a row, which is its two parts one after the other; by how many bytes the slice has grown.
    fn add(&mut self, hash: u64, key: &[u8], start: i64, row: (&[u8], &[u8])) -> usize {
        let Self {
            table,
            entries,
            bytes,
            ..
        } = self;
        let new = entries.len();
        let same = |entry: usize| {
            let entry = &entries[entry];
            &bytes[entry.key_at..entry.row_at] == key
        };
        let slot = table.entry(hash, |&entry| same(entry), |&entry| entries[entry].hash);
        let previous = match slot {
            HashEntry::Occupied(mut last) => Some(std::mem::replace(last.get_mut(), new)),
            HashEntry::Vacant(slot) => {
                slot.insert(new);
                None
            }
        };
        let key_at = bytes.len();
        bytes.extend_from_slice(key);
        let row_at = bytes.len();
        bytes.extend_from_slice(row.0);
        bytes.extend_from_slice(row.1);
        let end = bytes.len();
        entries.push(Entry {
            hash,
            start,
            key_at,
            row_at,
            end,
            previous,
        });
        size_of::<Entry>() + size_of::<usize>() + end - key_at
    }

    /// Adds the rows of a key whose windows start in `from..=to`, in the order in which they were written.
    fn fetch<'r>(
        &self,
        (hash, key): (u64, &[u8]),
        (from, to): (i64, i64),
        found: &mut ArenaVec<'r, WindowRow<'r>>,
        arena: &'r Bump,
    ) {
        let already = found.len();
        let mut next = self.last(hash, key);
        while let Some(entry) = next.map(|entry| &self.entries[entry]) {
            if (from..=to).contains(&entry.start)
                && let Some(row) = Row::decode(&self.bytes[entry.row_at..entry.end])
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

    /// Forgets everything, and keeps the memory.
    fn clear(&mut self) {
        self.table.clear();
        self.entries.clear();
        self.bytes.clear();
    }

    fn size_bytes(&self) -> usize {
        self.bytes.len() + self.entries.len() * (size_of::<Entry>() + size_of::<usize>())
    }
}

impl RecentRows {
    /// Committed ones in at most so many bytes, none with 0.
    pub(super) fn new(shape: Shape, bytes_max: usize) -> Self {
        Self {
            written: Slice::new(0),
            restored: false,
            slices: VecDeque::new(),
            slice_ms: (shape.segment_ms() / SLICES_PER_SEGMENT).max(1),
            complete_from: None,
            bytes_max,
            bytes: 0,
        }
    }

    /// Adds a row that is not committed: its time and its value.
    pub(super) fn write(&mut self, window: &WindowKey<'_>, timestamp: i64, value: &[u8]) {
        let hash = row_table::hash(window.key);
        let row = (&timestamp.to_be_bytes()[..], value);
        self.written.add(hash, window.key, window.start, row);
    }

    /// Notes that rows were written which are not added here.
    pub(super) fn note_restored(&mut self) {
        self.restored = true;
    }

    /// Whether all uncommitted rows are here.
    pub(super) fn has_all_written(&self) -> bool {
        !self.restored
    }

    /// Memory of the uncommitted rows, in bytes.
    pub(super) fn written_bytes(&self) -> usize {
        self.written.size_bytes()
    }

    /// All committed rows whose windows start then or later are here; `None`: nothing is here.
    pub(super) fn complete_from(&self) -> Option<i64> {
        self.complete_from
    }

    /// The uncommitted rows are committed now. No row that was committed earlier is newer than `newest`;
    /// rows before `live_from` have expired.
    pub(super) fn commit(&mut self, newest: i64, live_from: i64) {
        if std::mem::take(&mut self.restored) || self.bytes_max == 0 {
            self.clear();
            return;
        }
        if self.complete_from.is_none() {
            self.complete_from = newest.checked_add(1);
        }
        let mut written = std::mem::replace(&mut self.written, Slice::new(0));
        for entry in &written.entries {
            let key = &written.bytes[entry.key_at..entry.row_at];
            let row = &written.bytes[entry.row_at..entry.end];
            self.keep(entry.hash, key, entry.start, row);
        }
        written.clear();
        self.written = written;
        self.expire(live_from);
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.written.clear();
        self.restored = false;
        self.slices.clear();
        self.complete_from = None;
        self.bytes = 0;
    }

    /// Adds a committed row, after those that were written before it.
    fn keep(&mut self, hash: u64, key: &[u8], start: i64, row: &[u8]) {
        if self.complete_from.is_none_or(|from| start < from) {
            return;
        }
        let number = start.max(0) / self.slice_ms;
        let place = self.slices.partition_point(|slice| slice.number < number);
        if self
            .slices
            .get(place)
            .is_none_or(|slice| slice.number != number)
        {
            self.slices.insert(place, Slice::new(number));
        }
        self.bytes += self.slices[place].add(hash, key, start, (row, b""));
        while self.bytes > self.bytes_max && self.forget_first() {}
    }

    /// Forgets rows whose windows start before a time.
    fn expire(&mut self, before: i64) {
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

    /// Adds the committed rows of a key whose windows start in `from..=to`, by slice, and then the
    /// uncommitted ones; each in the order in which they were written.
    pub(super) fn fetch<'r>(
        &self,
        key: &[u8],
        (from, to): (i64, i64),
        found: &mut ArenaVec<'r, WindowRow<'r>>,
        arena: &'r Bump,
    ) {
        let key = (row_table::hash(key), key);
        let first = from.max(0) / self.slice_ms;
        let begin = self.slices.partition_point(|slice| slice.number < first);
        for slice in self.slices.range(begin..) {
            if slice.number > to / self.slice_ms {
                break;
            }
            slice.fetch(key, (from, to), found, arena);
        }
        self.written.fetch(key, (from, to), found, arena);
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
        ordered: false,
        until_forwarded: false,
    };

    fn write(rows: &mut RecentRows, key: &[u8], start: i64) {
        let window = WindowKey {
            key,
            start,
            sequence: 0,
        };
        rows.write(&window, start, b"value");
    }

    fn starts(rows: &RecentRows, key: &[u8], span: (i64, i64)) -> Vec<i64> {
        let arena = Bump::new();
        let mut found = ArenaVec::new_in(&arena);
        rows.fetch(key, span, &mut found, &arena);
        for row in &found {
            assert_eq!(
                (row.row.timestamp, row.row.value),
                (row.start, &b"value"[..])
            );
        }
        found.iter().map(|row| row.start).collect()
    }

    #[test]
    fn rows_of_a_key_come_by_slice_and_as_they_were_written() {
        let mut rows = RecentRows::new(SHAPE, 1 << 20);
        assert_eq!(
            rows.complete_from(),
            None,
            "nothing is known of earlier rows"
        );
        for start in [9, 10, 70_000, 30, 20] {
            write(&mut rows, b"a", start);
        }
        write(&mut rows, b"ab", 15);
        assert_eq!(
            starts(&rows, b"a", (9, 80_000)),
            [9, 10, 70_000, 30, 20],
            "all that is not committed"
        );
        rows.commit(9, 0);
        assert_eq!(rows.complete_from(), Some(10));
        assert_eq!(starts(&rows, b"a", (10, 80_000)), [10, 30, 20, 70_000]);
        assert_eq!(starts(&rows, b"a", (11, 69_999)), [30, 20]);
        write(&mut rows, b"a", 25);
        assert_eq!(starts(&rows, b"a", (11, 69_999)), [30, 20, 25]);
        rows.commit(70_000, 60_000);
        assert_eq!(rows.complete_from(), Some(60_000));
        assert_eq!(starts(&rows, b"a", (10, 80_000)), [70_000]);
        write(&mut rows, b"a", 80_000);
        rows.clear();
        assert_eq!((rows.complete_from(), rows.bytes), (None, 0));
        assert_eq!(rows.written_bytes(), 0);
    }

    #[test]
    fn the_memory_is_bounded_and_what_is_forgotten_is_not_claimed() {
        const BYTES: usize = 64 * 1024;
        let mut rows = RecentRows::new(SHAPE, BYTES);
        rows.commit(-1, 0);
        for start in (0i64..10_000_000).step_by(1_000) {
            write(&mut rows, &start.to_be_bytes(), start);
            rows.commit(start, 0);
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
    fn what_was_restored_is_not_claimed_to_be_here() {
        let mut rows = RecentRows::new(SHAPE, 1 << 20);
        rows.commit(10, 0);
        rows.note_restored();
        assert!(!rows.has_all_written());
        rows.commit(10, 0);
        assert_eq!(rows.complete_from(), None);
        rows.commit(20, 0);
        assert_eq!(rows.complete_from(), Some(21));
    }

    #[test]
    fn without_memory_no_committed_row_is_kept() {
        let mut rows = RecentRows::new(SHAPE, 0);
        write(&mut rows, b"a", 5);
        assert_eq!(starts(&rows, b"a", (0, 9)), [5]);
        rows.commit(-1, 0);
        assert_eq!(rows.complete_from(), None);
        assert!(starts(&rows, b"a", (0, 9)).is_empty());
    }
}
