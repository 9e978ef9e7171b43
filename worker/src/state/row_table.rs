//! The rows of one store that are at hand: those written and not committed yet, which every read of the
//! task sees and nobody else (architecture decision D3); those committed and not stored yet, which means
//! that the state does not have them; and those that were used lately, so that a look-up need not go
//! through RocksDB's memtable and blocks (docs/decisions/004, 013).
//!
//! One row per key, so that the changelog gets one record per key and commit however often the key was
//! written, and the state one row per key and storing. There is no way back to the row before: after an
//! abort all is forgotten, and what was committed and not stored comes from the changelog.
//!
//! Two generations: rows go into the young one; when it is full it becomes the old one, and the old one is
//! forgotten whole. A row that is used again comes back from the old to the young. That is a coarse "least
//! recently used" without a list to keep, and bounds the memory at all times.

use super::generation::{Entry, Generation};
use super::key_order::in_key_order;
use super::slots::Place;

pub(super) use super::slots::hash;

/// Memory of a written row beside its key and value, about: its header, its places and the table's.
const ENTRY_BYTES: usize = 48;

/// Entries that are brought into the CPU's caches together: one by one, what is done with each would
/// wait for memory.
const TOUCHED: usize = 16;

/// An old generation may be so many times as large as one should be.
const OLD_PER_GENERATION: usize = 4;

/// Commits are numbered up to this one; then the table begins anew.
const LAST_COMMIT: u32 = u32::MAX / 2;

/// What the table knows of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lookup<'a> {
    /// Nothing: the state decides.
    Unknown,
    /// It has no row.
    Deleted,
    /// Its row.
    Row(&'a [u8]),
}

/// Rows at hand. Reads of the stream thread alone: queries read the state.
#[derive(Debug)]
pub(super) struct RowTable {
    young: Generation,
    /// Settled rows alone.
    old: Generation,
    generation_bytes_max: usize,
    /// The commit that rows are written for now, from 1 on.
    commit: u32,
    /// The last commit that is stored.
    stored: u32,
    /// Places written for this commit, and since the last storing; an entry that has moved is there
    /// again.
    uncommitted: Vec<Place>,
    unstored: Vec<Place>,
    uncommitted_bytes: usize,
}

fn known<'a>(entry: &Entry<'a>) -> Lookup<'a> {
    entry.row().map_or(Lookup::Deleted, Lookup::Row)
}

impl RowTable {
    /// A table that keeps at most so many bytes of stored rows; 0: none.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            young: Generation::default(),
            old: Generation::default(),
            generation_bytes_max: bytes_max / 2,
            commit: 1,
            stored: 0,
            uncommitted: Vec::new(),
            unstored: Vec::new(),
            uncommitted_bytes: 0,
        }
    }

    /// What is known of a key.
    #[inline]
    pub(super) fn get(&mut self, hash: u64, key: &[u8]) -> Lookup<'_> {
        if let Some(place) = self.young.find(hash, key) {
            return known(&self.young.at(place));
        }
        let Some(place) = self.old.find(hash, key) else {
            return Lookup::Unknown;
        };
        let entry = self.old.at(place);
        if self.young.size_bytes() < self.generation_bytes_max {
            self.young.copy(hash, &entry);
        }
        known(&entry)
    }

    /// Brings what is known of some keys into the CPU's caches.
    pub(super) fn touch(&self, hashes: &[u64]) {
        self.young.touch_keys(hashes);
        self.old.touch_keys(hashes);
    }

    /// Notes what the state has for a key.
    pub(super) fn note(&mut self, hash: u64, key: &[u8], row: Option<&[u8]>) {
        if self.is_full() && self.unstored.is_empty() {
            self.age();
        }
        if !self.is_full() {
            let row = row.map(|row| (row, &b""[..]));
            self.young.put(hash, key, row, 0);
        }
    }

    /// Writes a row made of two parts (timestamp and bytes), or that the key has none any more. True if
    /// the key was not written since the last commit.
    #[inline]
    pub(super) fn put(&mut self, hash: u64, key: &[u8], row: Option<(&[u8], &[u8])>) -> bool {
        let put = self.young.put(hash, key, row, self.commit);
        let before = put.before.unwrap_or(0);
        let is_first = before < self.commit;
        if put.is_new_place || is_first {
            self.uncommitted.push(put.place);
            let row = row.map_or(0, |(head, tail)| head.len() + tail.len());
            self.uncommitted_bytes += ENTRY_BYTES + key.len() + row;
        }
        if put.is_new_place || before <= self.stored {
            self.unstored.push(put.place);
        }
        is_first
    }

    /// The row of a key that was written since the last commit, as far as that is known.
    pub(super) fn written(&self, hash: u64, key: &[u8]) -> Option<&[u8]> {
        self.young.at(self.young.find(hash, key)?).row()
    }

    /// What was written since the last commit, by key and row; `None`: deleted.
    pub(super) fn uncommitted(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.entries(&self.uncommitted)
            .map(|entry| (entry.key, entry.row()))
    }

    fn entries<'t>(&'t self, places: &'t [Place]) -> impl Iterator<Item = Entry<'t>> {
        places.chunks(TOUCHED).flat_map(|chunk| {
            self.young.touch(chunk);
            chunk.iter().filter_map(|&place| self.young.live(place))
        })
    }

    /// What the state does not have, in key order.
    pub(super) fn unstored(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let entries = self.unstored.chunks(TOUCHED).flat_map(|chunk| {
            self.young.touch(chunk);
            let live = |&place| Some((place, self.young.live(place)?.key));
            chunk.iter().filter_map(live)
        });
        let sorted = in_key_order(entries, |place| self.young.at(place).key);
        sorted.into_iter().map(|place| {
            let entry = self.young.at(place);
            (entry.key, entry.row())
        })
    }

    /// About how many keys were written since the last commit: a row that has outgrown its place counts
    /// again.
    pub(super) fn uncommitted_len(&self) -> usize {
        self.uncommitted.len()
    }

    /// Memory of what was written since the last commit, in bytes.
    pub(super) fn uncommitted_bytes(&self) -> usize {
        self.uncommitted_bytes
    }

    /// Whether the state has everything.
    pub(super) fn is_stored(&self) -> bool {
        self.unstored.is_empty()
    }

    /// Whether the young generation has reached its size: nothing more is kept before a storing.
    pub(super) fn is_full(&self) -> bool {
        self.young.size_bytes() >= self.generation_bytes_max
    }

    /// What was written is committed.
    pub(super) fn commit(&mut self) {
        self.commit += 1;
        self.uncommitted.clear();
        self.uncommitted_bytes = 0;
    }

    /// The state has all that is committed; to be said right after a commit.
    pub(super) fn stored(&mut self) {
        debug_assert!(self.uncommitted.is_empty(), "stored, and not committed");
        self.stored = self.commit - 1;
        self.unstored.clear();
        if self.commit > LAST_COMMIT {
            self.clear();
        } else if self.is_full() {
            self.age();
        }
    }

    /// Begins a new generation. One that a single commit has made far too large is not kept as the old
    /// one: all tables together have a share of the memory, and a commit may have as much for itself.
    fn age(&mut self) {
        if self.young.size_bytes() <= OLD_PER_GENERATION * self.generation_bytes_max {
            std::mem::swap(&mut self.young, &mut self.old);
        } else {
            self.old.clear();
        }
        self.young.clear();
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
        (self.commit, self.stored) = (1, 0);
        self.uncommitted.clear();
        self.unstored.clear();
        self.uncommitted_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(table: &mut RowTable, key: &[u8], row: Option<&[u8]>) {
        table.put(hash(key), key, row.map(|row| row.split_at(row.len() / 2)));
    }

    fn get<'t>(table: &'t mut RowTable, key: &[u8]) -> Lookup<'t> {
        table.get(hash(key), key)
    }

    fn store(table: &mut RowTable) {
        table.commit();
        table.stored();
    }

    #[test]
    fn a_key_written_often_has_one_entry_with_the_last_row() {
        let mut table = RowTable::new(0);
        put(&mut table, b"a", Some(b"12345678first"));
        put(&mut table, b"b", None);
        put(&mut table, b"a", Some(b"12345678a longer value"));
        put(&mut table, b"a", Some(b"12345678short"));
        assert_eq!(get(&mut table, b"a"), Lookup::Row(b"12345678short"));
        assert_eq!(get(&mut table, b"b"), Lookup::Deleted);
        assert_eq!(get(&mut table, b"c"), Lookup::Unknown);
        let written: Vec<_> = table.uncommitted().collect();
        assert_eq!(
            written,
            [(&b"b"[..], None), (b"a", Some(&b"12345678short"[..]))]
        );
        put(&mut table, b"a", None);
        assert_eq!(get(&mut table, b"a"), Lookup::Deleted);
        assert_eq!(table.uncommitted().count(), 2);
    }

    #[test]
    fn the_changelog_gets_a_commit_and_the_state_all_since_the_last_storing() {
        let mut table = RowTable::new(1 << 20);
        put(&mut table, b"a", Some(b"1"));
        put(&mut table, b"b", Some(b"1"));
        table.commit();
        assert!(!table.is_stored());
        put(&mut table, b"b", Some(b"2"));
        put(&mut table, b"c", None);
        let uncommitted: Vec<_> = table.uncommitted().collect();
        assert_eq!(uncommitted, [(&b"b"[..], Some(&b"2"[..])), (b"c", None)]);
        let all = [
            (&b"a"[..], Some(&b"1"[..])),
            (b"b", Some(b"2")),
            (b"c", None),
        ];
        assert_eq!(table.unstored().collect::<Vec<_>>(), all);
        store(&mut table);
        assert!(table.is_stored());
        assert_eq!(table.uncommitted_bytes(), 0);
        put(&mut table, b"a", Some(b"3"));
        let unstored: Vec<_> = table.unstored().collect();
        assert_eq!(unstored, [(&b"a"[..], Some(&b"3"[..]))]);
        assert_eq!(get(&mut table, b"b"), Lookup::Row(b"2"));
    }

    #[test]
    fn unstored_rows_are_in_the_order_of_their_keys() {
        let mut table = RowTable::new(0);
        let keys: [&[u8]; 9] = [
            b"account-00000010x",
            b"account-0000001",
            b"account-",
            b"account-00000010",
            b"account-\0",
            b"account-9",
            b"account-00000010x\0",
            b"account-0000001\0",
            b"account-\xff",
        ];
        for key in keys {
            put(&mut table, key, None);
        }
        let mut expected = keys.to_vec();
        expected.sort_unstable();
        let sorted: Vec<&[u8]> = table.unstored().map(|(key, _)| key).collect();
        assert_eq!(sorted, expected);
        assert_eq!(RowTable::new(0).unstored().count(), 0);
    }

    #[test]
    fn rows_in_use_stay_and_the_memory_is_bounded() {
        const BYTES: usize = 64 * 1024;
        let mut table = RowTable::new(BYTES);
        for number in 0u32..100_000 {
            let key = number.to_be_bytes();
            table.note(hash(&key), &key, Some(b"some row"));
            let first = 0u32.to_be_bytes();
            assert_eq!(get(&mut table, &first), Lookup::Row(b"some row"));
            let held = table.young.size_bytes() + table.old.size_bytes();
            assert!(held < BYTES + 1024, "{held} bytes");
        }
    }

    #[test]
    fn what_a_large_commit_took_is_not_kept() {
        const BYTES: usize = 64 * 1024;
        let mut table = RowTable::new(BYTES);
        for commit in 0..20u32 {
            // Every other one fits; the others are ten times as large as the table.
            let rows = if commit % 2 == 0 { 100 } else { 10_000 };
            for number in 0..rows {
                put(
                    &mut table,
                    &(number * 7 + commit).to_be_bytes(),
                    Some(b"some row"),
                );
            }
            store(&mut table);
            let held = table.young.size_bytes() + table.old.size_bytes();
            assert!(held <= (OLD_PER_GENERATION + 1) * BYTES / 2, "{held} bytes");
            let last = ((rows - 1) * 7 + commit).to_be_bytes();
            let found = get(&mut table, &last);
            assert!(matches!(found, Lookup::Unknown | Lookup::Row(b"some row")));
        }
    }

    #[test]
    fn rows_that_the_state_does_not_have_stay_however_full_it_is() {
        let mut table = RowTable::new(1024);
        for number in 0u32..1_000 {
            put(&mut table, &number.to_be_bytes(), Some(b"mine"));
            table.commit();
            let other = (number + 1_000).to_be_bytes();
            table.note(hash(&other), &other, Some(b"other"));
        }
        assert!(table.is_full());
        for number in 0u32..1_000 {
            assert_eq!(get(&mut table, &number.to_be_bytes()), Lookup::Row(b"mine"));
        }
        table.stored();
        assert!(!table.is_full());
    }

    #[test]
    fn without_room_nothing_is_kept_once_it_is_stored() {
        let mut table = RowTable::new(0);
        table.note(hash(b"a"), b"a", Some(b"1"));
        assert_eq!(get(&mut table, b"a"), Lookup::Unknown);
        put(&mut table, b"a", Some(b"2"));
        table.commit();
        assert_eq!(get(&mut table, b"a"), Lookup::Row(b"2"));
        table.stored();
        assert_eq!(get(&mut table, b"a"), Lookup::Unknown);
    }
}
