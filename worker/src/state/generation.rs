//! Rows of one store by key: a hash table over entries that lie in one buffer, each in one piece:
//!
//! ```text
//!   hash, 8 │ key length, 4 │ value length, 4 │ room, 4 │ commit, 4 │ key │ value … room
//! ```
//!
//! So a look-up touches the table and the entry and nothing else, there is no allocation per write,
//! and forgetting everything keeps the memory. What the rows mean is [`super::row_table`]'s.

use std::hash::{BuildHasher, Hasher};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Slot;
use rustc_hash::FxBuildHasher;

const HASH: usize = 0;
const KEY_LEN: usize = 8;
const VALUE_LEN: usize = 12;
const ROOM: usize = 16;
const COMMIT: usize = 20;
const HEADER_LEN: usize = 24;

/// Value length of a key that has no row.
const NO_ROW: u32 = u32::MAX;
/// Value length of an entry whose key has another, larger one further back.
const MOVED: u32 = u32::MAX - 1;

/// Where an entry is; good until the key is written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(usize);

/// An entry as it lies in the buffer.
pub(super) struct Entry<'a> {
    hash: u64,
    value_len: u32,
    room: usize,
    /// The commit that it was written in; 0: in none.
    pub(super) commit: u32,
    pub(super) key: &'a [u8],
    /// The row, and the room after it.
    rest: &'a [u8],
}

/// What a write did.
pub(super) struct Put {
    /// The key's entry now.
    pub(super) place: Place,
    /// Whether no write before this one had that place.
    pub(super) is_new_place: bool,
    /// The commit of what the key had before; `None`: nothing.
    pub(super) before: Option<u32>,
}

/// A hash table and its entries. Bounded by its owner.
#[derive(Debug, Default)]
pub(super) struct Generation {
    /// Where each key's live entry begins.
    table: HashTable<usize>,
    bytes: Vec<u8>,
}

/// Hash of a key, to be computed once per access and handed to every table that is asked.
pub(super) fn hash(key: &[u8]) -> u64 {
    let mut hasher = FxBuildHasher.build_hasher();
    hasher.write(key);
    hasher.finish()
}

fn len_u32(len: usize) -> u32 {
    // Keys and values are bounded by the log's record size, far below 4 GiB.
    u32::try_from(len).unwrap_or(MOVED - 1)
}

#[inline]
fn u32_at(bytes: &[u8], start: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[start..start + 4]);
    u32::from_ne_bytes(number)
}

#[inline]
fn hash_at(bytes: &[u8], start: usize) -> u64 {
    let mut hash = [0; 8];
    hash.copy_from_slice(&bytes[start + HASH..start + HASH + 8]);
    u64::from_ne_bytes(hash)
}

impl<'a> Entry<'a> {
    #[inline]
    fn at(bytes: &'a [u8], start: usize) -> Self {
        let (header, rest) = bytes[start..].split_at(HEADER_LEN);
        let (key_len, room) = (
            u32_at(header, KEY_LEN) as usize,
            u32_at(header, ROOM) as usize,
        );
        let (key, rest) = rest.split_at(key_len);
        Self {
            hash: hash_at(header, HASH),
            value_len: u32_at(header, VALUE_LEN),
            room,
            commit: u32_at(header, COMMIT),
            key,
            rest: &rest[..room],
        }
    }

    /// The row; `None`: the key has none.
    #[inline]
    pub(super) fn row(&self) -> Option<&'a [u8]> {
        (self.value_len != NO_ROW).then(|| &self.rest[..self.value_len as usize])
    }
}

impl Generation {
    /// Where a key is, if it is known.
    #[inline]
    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<Place> {
        if self.table.is_empty() {
            return None;
        }
        self.table
            .find(hash, |&start| Entry::at(&self.bytes, start).key == key)
            .map(|&start| Place(start))
    }

    /// The entry at a place that was found.
    #[inline]
    pub(super) fn at(&self, place: Place) -> Entry<'_> {
        Entry::at(&self.bytes, place.0)
    }

    /// The entry that was written at a place, unless its key has another one since.
    pub(super) fn live(&self, place: Place) -> Option<Entry<'_>> {
        let entry = self.at(place);
        (entry.value_len != MOVED).then_some(entry)
    }

    /// Reads a byte of each of some entries, which the CPU fetches at the same time.
    pub(super) fn touch(&self, places: &[Place]) {
        let bytes = places.iter().map(|place| self.bytes[place.0 + VALUE_LEN]);
        std::hint::black_box(bytes.fold(0, |all, byte| all ^ byte));
    }

    /// Writes a row made of two parts (timestamp and bytes), or that there is none, in a commit.
    pub(super) fn put(
        &mut self,
        hash: u64,
        key: &[u8],
        row: Option<(&[u8], &[u8])>,
        commit: u32,
    ) -> Put {
        let bytes = &self.bytes;
        let next = bytes.len();
        let slot = self.table.entry(
            hash,
            |&start| Entry::at(bytes, start).key == key,
            |&start| hash_at(bytes, start),
        );
        let start = match slot {
            Slot::Vacant(slot) => {
                slot.insert(next);
                self.append(hash, key, row, commit);
                return Put {
                    place: Place(next),
                    is_new_place: true,
                    before: None,
                };
            }
            Slot::Occupied(slot) => *slot.get(),
        };
        let Entry {
            room,
            commit: before,
            ..
        } = Entry::at(&self.bytes, start);
        match row {
            None => self.set(start + VALUE_LEN, NO_ROW),
            Some((head, tail)) if head.len() + tail.len() <= room => {
                let at = start + HEADER_LEN + key.len();
                self.bytes[at..at + head.len()].copy_from_slice(head);
                let at = at + head.len();
                self.bytes[at..at + tail.len()].copy_from_slice(tail);
                self.set(start + VALUE_LEN, len_u32(head.len() + tail.len()));
            }
            Some(_) => {
                self.set(start + VALUE_LEN, MOVED);
                if let Some(slot) = self.table.find_mut(hash, |&known| known == start) {
                    *slot = next;
                }
                self.append(hash, key, row, commit);
                return Put {
                    place: Place(next),
                    is_new_place: true,
                    before: Some(before),
                };
            }
        }
        self.set(start + COMMIT, commit);
        Put {
            place: Place(start),
            is_new_place: false,
            before: Some(before),
        }
    }

    fn append(&mut self, hash: u64, key: &[u8], row: Option<(&[u8], &[u8])>, commit: u32) {
        let (head, tail) = row.unwrap_or_default();
        let len = head.len() + tail.len();
        // Numbers grow digit by digit: a little room keeps most entries where they are.
        let room = len.next_multiple_of(8);
        let value_len = row.map_or(NO_ROW, |_| len_u32(len));
        self.bytes.reserve(HEADER_LEN + key.len() + room);
        self.bytes.extend_from_slice(&hash.to_ne_bytes());
        for number in [len_u32(key.len()), value_len, len_u32(room), commit] {
            self.bytes.extend_from_slice(&number.to_ne_bytes());
        }
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(head);
        self.bytes.extend_from_slice(tail);
        self.bytes.extend_from_slice(&[0; 8][..room - len]);
    }

    fn set(&mut self, at: usize, number: u32) {
        self.bytes[at..at + 4].copy_from_slice(&number.to_ne_bytes());
    }

    /// Copies an entry of another generation.
    pub(super) fn copy(&mut self, entry: &Entry<'_>) {
        let row = entry.row().map(|row| (row, &b""[..]));
        self.put(entry.hash, entry.key, row, entry.commit);
    }

    /// Memory in use, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.bytes.len() + self.table.len() * size_of::<usize>()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.table.clear();
        self.bytes.clear();
    }
}
