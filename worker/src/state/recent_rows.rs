//! The rows of a store that joins of streams alone look into, as far as they are at hand: all that the
//! state does not have yet, and all others from some time on. So most look-ups end here, instead of
//! opening a RocksDB iterator per record and segment (docs/decisions/010), and rows may wait to be stored
//! (docs/decisions/013).
//!
//! A look-up wants the rows of a key within a span of time. The hash table knows them by key and slice of
//! time, where a slice is about as long as such a span: it leads to the row written last, each row to the
//! one before it. Rows lie one after the other in the order in which they were written: those not stored
//! or not committed are the last ones, and the first ones are forgotten first, when they have expired or
//! the memory is full.
//!
//! ```text
//!   way to the previous row, 4 │ row key length, 4 │ value length, 4 │ row key │ value … to a multiple of 8
//! ```
//!
//! There is no way back to what was before: after an abort all is forgotten.

use std::hash::{BuildHasher, Hasher};

use bumpalo::collections::Vec as ArenaVec;
use millrace_expr::Bump;
use rustc_hash::FxBuildHasher;

use super::key_order::in_key_order;
use super::layout::WindowKey;
use super::row::Row;
use super::shape::WindowOrder;
use super::slots::{ALIGNMENT, Place, Slots};
use super::window_store::WindowRow;

const PREVIOUS: usize = 0;
const KEY_LEN: usize = 4;
const VALUE_LEN: usize = 8;
const HEADER_LEN: usize = 12;

/// A slice is so many times as long as a look-up's span: every other look-up finds all in one.
const SPANS_PER_SLICE: i64 = 2;
/// The shortest slice, ms.
const SLICE_MS_MIN: i64 = 50;

/// Of the memory, what rows may have that are not forgotten: those that are leave their room when they
/// have half as much.
const KEPT: (usize, usize) = (2, 3);
/// Room that is not worth giving back.
const ROOM_MIN: usize = 256 * 1024;
/// Memory of an uncommitted row beside its bytes: its slot.
const ROW_BYTES: usize = 24;
/// Rows that say where in time the latest ones are.
const LATEST: usize = 16;
/// When so much of the memory, one part in so many, has rows that are not stored, they do not wait.
const UNSTORED_PART: usize = 4;

/// Rows of one store, see above. Reads of the stream thread alone.
#[derive(Debug)]
pub(super) struct RecentRows {
    /// The row written last, by key and slice; or one that is forgotten.
    slots: Slots,
    bytes: Vec<u8>,
    /// Where in `bytes` the rows begin that are not forgotten, not stored, not committed.
    begin: usize,
    unstored: usize,
    uncommitted: usize,
    uncommitted_len: usize,
    /// All rows from this time on are here; of earlier ones those that are not stored.
    complete_from: i64,
    slice_ms: i64,
    bytes_max: usize,
}

/// A row as it lies in the buffer.
struct Entry<'a> {
    /// Units of [`ALIGNMENT`] back to the previous row of the same key and slice; 0: there was none.
    back: u32,
    row_key: &'a [u8],
    row: &'a [u8],
    /// Where the next one begins.
    end: usize,
}

#[inline]
fn number_at(bytes: &[u8], start: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[start..start + 4]);
    u32::from_ne_bytes(number)
}

fn len_u32(len: usize) -> u32 {
    // Keys and values are bounded by the log's record size, far below 4 GiB.
    u32::try_from(len).unwrap_or(u32::MAX)
}

impl<'a> Entry<'a> {
    #[inline]
    fn at(bytes: &'a [u8], start: usize) -> Self {
        let (header, rest) = bytes[start..].split_at(HEADER_LEN);
        let (row_key, rest) = rest.split_at(number_at(header, KEY_LEN) as usize);
        let row = &rest[..number_at(header, VALUE_LEN) as usize];
        Self {
            back: number_at(header, PREVIOUS),
            row_key,
            row,
            end: (start + HEADER_LEN + row_key.len() + row.len()).next_multiple_of(ALIGNMENT),
        }
    }

    /// Key and start.
    #[inline]
    fn window(&self) -> Option<WindowKey<'a>> {
        WindowKey::of_row(WindowOrder::Key, self.row_key)
    }

    /// Where the previous row of the same key and slice begins, or began.
    #[inline]
    fn previous(&self, start: usize) -> Option<usize> {
        (self.back != 0)
            .then(|| start.checked_sub(self.back as usize * ALIGNMENT))
            .flatten()
    }
}

/// Entries from a place in a buffer on.
fn entries(bytes: &[u8], from: usize) -> impl Iterator<Item = (Place, Entry<'_>)> + Clone {
    let mut next = from;
    std::iter::from_fn(move || {
        let start = next;
        (start < bytes.len()).then(|| {
            let entry = Entry::at(bytes, start);
            next = entry.end;
            (Place::from_start(start), entry)
        })
    })
}

/// A key in a slice of time.
#[derive(Clone, Copy)]
struct KeySlice<'k> {
    key: &'k [u8],
    number: i64,
    slice_ms: i64,
}

impl<'k> KeySlice<'k> {
    fn of(key: &'k [u8], time: i64, slice_ms: i64) -> Self {
        Self {
            key,
            number: time.max(0) / slice_ms,
            slice_ms,
        }
    }

    fn hash(&self) -> u64 {
        let mut hasher = FxBuildHasher.build_hasher();
        hasher.write(self.key);
        hasher.write_i64(self.number);
        hasher.finish()
    }

    /// Whether a row is in it.
    #[inline]
    fn has(&self, bytes: &[u8], place: Place) -> bool {
        let window = Entry::at(bytes, place.start()).window();
        window.is_some_and(|window| {
            window.key == self.key && window.start / self.slice_ms == self.number
        })
    }
}

impl RecentRows {
    /// Rows of a store that has none newer than `newest` now. Look-ups span so many milliseconds; at most
    /// so many bytes are kept of what is stored, none with 0.
    pub(super) fn new(newest: i64, span_ms: i64, bytes_max: usize) -> Self {
        Self {
            slots: Slots::default(),
            bytes: Vec::new(),
            begin: 0,
            unstored: 0,
            uncommitted: 0,
            uncommitted_len: 0,
            complete_from: newest.saturating_add(1),
            slice_ms: span_ms.saturating_mul(SPANS_PER_SLICE).max(SLICE_MS_MIN),
            bytes_max,
        }
    }

    /// Adds a row that is not committed: its row key, the same taken apart, its time and its value.
    pub(super) fn write(
        &mut self,
        row_key: &[u8],
        window: &WindowKey<'_>,
        timestamp: i64,
        value: &[u8],
    ) {
        self.append(row_key, window, (&timestamp.to_be_bytes(), value));
        self.uncommitted_len += 1;
    }

    /// Adds a row as the last one; its value is two parts.
    fn append(&mut self, row_key: &[u8], window: &WindowKey<'_>, value: (&[u8], &[u8])) {
        let Self { slots, bytes, .. } = self;
        let of = KeySlice::of(window.key, window.start, self.slice_ms);
        let hash = of.hash();
        let slot = slots.slot(hash, |place| of.has(bytes, place));
        let start = bytes.len();
        let back = |place: Place| len_u32((start - place.start()) / ALIGNMENT);
        let back = slots.get(slot).map_or(0, back);
        let value_len = len_u32(value.0.len() + value.1.len());
        for number in [back, len_u32(row_key.len()), value_len] {
            bytes.extend_from_slice(&number.to_ne_bytes());
        }
        for part in [row_key, value.0, value.1] {
            bytes.extend_from_slice(part);
        }
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        slots.set(slot, hash, Place::from_start(start));
    }

    /// Brings what is known of some keys at some times into the CPU's caches.
    pub(super) fn touch<'k>(&self, keys: impl Iterator<Item = (&'k [u8], i64)>, arena: &Bump) {
        let hashes = keys.map(|(key, time)| KeySlice::of(key, time, self.slice_ms).hash());
        let hashes = ArenaVec::from_iter_in(hashes, arena);
        self.slots.touch(&hashes, &self.bytes);
    }

    /// All rows from this time on are here, and of earlier ones those that are not stored.
    pub(super) fn complete_from(&self) -> i64 {
        self.complete_from
    }

    /// Adds the rows of a key whose windows start in `from..=to`, but for stored ones from before
    /// [`RecentRows::complete_from`]; in no order.
    pub(super) fn fetch<'r>(
        &self,
        key: &[u8],
        (from, to): (i64, i64),
        found: &mut ArenaVec<'r, WindowRow<'r>>,
        arena: &'r Bump,
    ) {
        if self.begin == self.bytes.len() {
            return;
        }
        let mut own_key: Option<&'r [u8]> = None;
        let slice = |time| KeySlice::of(key, time, self.slice_ms);
        for number in slice(from).number..=slice(to).number {
            let of = KeySlice {
                number,
                ..slice(from)
            };
            let last = self
                .slots
                .find(of.hash(), |place| of.has(&self.bytes, place));
            let mut next = last.map(Place::start);
            while let Some(start) = next.filter(|&start| start >= self.begin) {
                let entry = Entry::at(&self.bytes, start);
                next = entry.previous(start);
                let from = self.found_from(start, from);
                let window = entry.window();
                let window = window.filter(|window| (from..=to).contains(&window.start));
                if let (Some(window), Some(row)) = (window, Row::decode(entry.row)) {
                    found.push(WindowRow {
                        key: own_key.get_or_insert_with(|| arena.alloc_slice_copy(key)),
                        start: window.start,
                        sequence: window.sequence,
                        row: row.copied(arena),
                    });
                }
            }
        }
    }

    /// From what time on the row at a place is to be found: a stored one from before a time that all are
    /// here from is found elsewhere.
    fn found_from(&self, start: usize, from: i64) -> i64 {
        if start < self.unstored {
            from.max(self.complete_from)
        } else {
            from
        }
    }

    /// The rows that are not committed, by row key and row, in the order in which they were written.
    pub(super) fn uncommitted(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let entries = entries(&self.bytes, self.uncommitted);
        entries.map(|(_, entry)| (entry.row_key, entry.row))
    }

    /// The rows that are not stored, by row key and row, in the order of their keys.
    pub(super) fn unstored(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let entry = |place: Place| Entry::at(&self.bytes, place.start());
        let keys = entries(&self.bytes, self.unstored).map(|(place, entry)| (place, entry.row_key));
        let sorted = in_key_order(keys, |place| entry(place).row_key);
        sorted.into_iter().map(move |place| {
            let entry = entry(place);
            (entry.row_key, entry.row)
        })
    }

    pub(super) fn uncommitted_len(&self) -> usize {
        self.uncommitted_len
    }

    /// Memory of the uncommitted rows, in bytes.
    pub(super) fn uncommitted_bytes(&self) -> usize {
        self.bytes.len() - self.uncommitted + self.uncommitted_len * ROW_BYTES
    }

    /// Whether all rows are stored.
    pub(super) fn is_stored(&self) -> bool {
        self.unstored == self.bytes.len()
    }

    /// Whether there are so many rows that they should not wait any more.
    pub(super) fn is_full(&self) -> bool {
        (self.bytes.len() - self.unstored) * UNSTORED_PART >= self.bytes_max
    }

    /// The uncommitted rows are committed.
    pub(super) fn commit(&mut self) {
        self.uncommitted = self.bytes.len();
        self.uncommitted_len = 0;
    }

    /// The state has all rows; to be said right after a commit. None is newer than `newest`, those before
    /// `live_from` have expired.
    pub(super) fn stored(&mut self, newest: i64, live_from: i64) {
        debug_assert_eq!(self.uncommitted_len, 0, "stored, and not committed");
        if self.bytes_max == 0 {
            self.forget(newest);
            return;
        }
        self.forget_first(live_from);
        if self.begin > (self.bytes.len() - self.begin) / 2 {
            self.reclaim();
        }
        (self.unstored, self.uncommitted) = (self.bytes.len(), self.bytes.len());
    }

    /// Forgets the first rows: those that have expired, and those that there is no room for. But one that
    /// is ahead of the latest ones goes to their end: without it, no row before it would be known to be
    /// here. As many bytes go there as the latest rows have, so that this costs no more than they did.
    fn forget_first(&mut self, live_from: i64) {
        let latest = entries(&self.bytes, self.unstored).take(LATEST);
        let starts = latest.filter_map(|(_, entry)| Some(entry.window()?.start));
        let latest = starts.min().unwrap_or(i64::MAX);
        let mut may_move = self.bytes.len() - self.unstored;
        let kept_max = self.bytes_max / KEPT.1 * KEPT.0;
        while self.begin < self.bytes.len() {
            let entry = Entry::at(&self.bytes, self.begin);
            let (start, end) = (entry.window().map_or(i64::MIN, |at| at.start), entry.end);
            if start >= live_from && self.size_bytes() <= kept_max {
                break;
            }
            let len = end - self.begin;
            if start >= live_from && start > latest && len <= may_move {
                may_move -= len;
                let (row_key, row) = (entry.row_key.to_vec(), entry.row.to_vec());
                if let Some(window) = WindowKey::of_row(WindowOrder::Key, &row_key) {
                    self.append(&row_key, &window, (&row, b""));
                }
            } else {
                self.complete_from = self.complete_from.max(start.saturating_add(1));
            }
            self.begin = end;
        }
    }

    /// Gives the room of forgotten rows to those that come.
    fn reclaim(&mut self) {
        let begin = std::mem::take(&mut self.begin);
        self.bytes.drain(..begin);
        self.slots.move_to(|place| place.start().checked_sub(begin));
        let len = self.bytes.len().max(ROOM_MIN);
        if self.bytes.capacity() > 2 * len {
            self.bytes.shrink_to(len + len / 2);
        }
    }

    /// Memory of rows that are not forgotten, in bytes; of the slots, their part.
    fn size_bytes(&self) -> usize {
        let len = self.bytes.len() - self.begin;
        let part = len as f64 / self.bytes.len().max(1) as f64;
        len + (self.slots.size_bytes() as f64 * part) as usize
    }

    /// Forgets everything; the state has no row newer than that.
    pub(super) fn forget(&mut self, newest: i64) {
        self.slots.clear(&mut self.bytes);
        self.complete_from = newest.saturating_add(1);
        (self.begin, self.unstored, self.uncommitted) = (0, 0, 0);
        self.uncommitted_len = 0;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
