//! Writes of one store that are not committed yet, seen by every read of the task, unseen by
//! everyone else (architecture decision D3).
//!
//! A hash table over entries that lie in one buffer, each in one piece:
//!
//! ```text
//!   hash, 8 │ key length, 4 │ value length, 4 │ room, 4 │ key │ value … room
//! ```
//!
//! So a look-up touches the table and the entry and nothing else, there is no allocation per write,
//! and forgetting everything after a commit keeps the memory. One live entry per key, so that the
//! changelog gets one record per key and commit however often the key was written.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as TableEntry;
use std::hash::{BuildHasher, Hasher};

use rustc_hash::FxBuildHasher;

const HASH: usize = 0;
const KEY_LEN: usize = 8;
const VALUE_LEN: usize = 12;
const ROOM: usize = 16;
const HEADER_LEN: usize = 20;

/// Value length of a key that was deleted.
const DELETED: u32 = u32::MAX;
/// Value length of an entry whose key has another, larger one further back.
const MOVED: u32 = u32::MAX - 1;

/// What the overlay knows of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// Nothing: the committed state decides.
    Unknown,
    /// Deleted since the last commit.
    Deleted,
    /// Written since the last commit.
    Value(&'a [u8]),
}

/// Where an entry is; good until the next write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(usize);

/// Uncommitted writes of one store. Bounded by its owner, who commits early at a byte limit.
#[derive(Debug, Default)]
pub struct Overlay {
    /// Where each key's live entry begins.
    table: HashTable<usize>,
    bytes: Vec<u8>,
}

/// Hash of a key, to be computed once per access and handed to every table that is asked.
pub fn hash(key: &[u8]) -> u64 {
    let mut hasher = FxBuildHasher.build_hasher();
    hasher.write(key);
    hasher.finish()
}

/// The first eight bytes as a number that sorts as the bytes do; shorter keys sort first or equal.
fn decisive(rest: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let length = rest.len().min(8);
    bytes[..length].copy_from_slice(&rest[..length]);
    u64::from_be_bytes(bytes)
}

fn len_u32(len: usize) -> u32 {
    // Keys and values are bounded by the log's record size, far below 4 GiB.
    u32::try_from(len).unwrap_or(MOVED - 1)
}

/// An entry as it lies in the buffer.
struct Entry<'a> {
    hash: u64,
    value_len: u32,
    room: usize,
    key: &'a [u8],
    /// The value, and the room after it.
    rest: &'a [u8],
}

impl<'a> Entry<'a> {
    #[inline]
    fn at(bytes: &'a [u8], start: usize) -> Self {
        let (header, rest) = bytes[start..].split_at(HEADER_LEN);
        let number = |at: usize| {
            let mut number = [0; 4];
            number.copy_from_slice(&header[at..at + 4]);
            u32::from_ne_bytes(number)
        };
        let (key_len, room) = (number(KEY_LEN) as usize, number(ROOM) as usize);
        let (key, rest) = rest.split_at(key_len);
        Self {
            hash: hash_at(header, HASH),
            value_len: number(VALUE_LEN),
            room,
            key,
            rest: &rest[..room],
        }
    }

    #[inline]
    fn value(&self) -> Option<&'a [u8]> {
        (self.value_len != DELETED).then(|| &self.rest[..self.value_len as usize])
    }
}

#[inline]
fn hash_at(bytes: &[u8], start: usize) -> u64 {
    let mut hash = [0; 8];
    hash.copy_from_slice(&bytes[start + HASH..start + HASH + 8]);
    u64::from_ne_bytes(hash)
}

impl Overlay {
    /// What is known of a key.
    pub fn get(&self, hash: u64, key: &[u8]) -> Lookup<'_> {
        self.find(hash, key)
            .map_or(Lookup::Unknown, |place| self.at(place))
    }

    /// What is known of the key that was found at this place.
    pub fn at(&self, place: Place) -> Lookup<'_> {
        match Entry::at(&self.bytes, place.0).value() {
            None => Lookup::Deleted,
            Some(value) => Lookup::Value(value),
        }
    }

    /// Writes a value made of two parts (timestamp and bytes), or `None` to delete.
    pub fn put(&mut self, hash: u64, key: &[u8], value: Option<(&[u8], &[u8])>) {
        let bytes = &self.bytes;
        let next = bytes.len();
        let slot = self.table.entry(
            hash,
            |&start| Entry::at(bytes, start).key == key,
            |&start| hash_at(bytes, start),
        );
        let start = match slot {
            TableEntry::Vacant(slot) => {
                slot.insert(next);
                self.append(hash, key, value);
                return;
            }
            TableEntry::Occupied(slot) => *slot.get(),
        };
        let room = Entry::at(&self.bytes, start).room;
        match value {
            None => self.set_value_len(start, DELETED),
            Some((head, tail)) if head.len() + tail.len() <= room => {
                let at = start + HEADER_LEN + key.len();
                self.bytes[at..at + head.len()].copy_from_slice(head);
                let at = at + head.len();
                self.bytes[at..at + tail.len()].copy_from_slice(tail);
                self.set_value_len(start, len_u32(head.len() + tail.len()));
            }
            Some(_) => {
                self.set_value_len(start, MOVED);
                self.append(hash, key, value);
                if let Some(slot) = self.table.find_mut(hash, |&known| known == start) {
                    *slot = next;
                }
            }
        }
    }

    /// Where a key is, if it is known.
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<Place> {
        if self.table.is_empty() {
            return None;
        }
        self.table
            .find(hash, |&start| Entry::at(&self.bytes, start).key == key)
            .map(|&start| Place(start))
    }

    fn append(&mut self, hash: u64, key: &[u8], value: Option<(&[u8], &[u8])>) {
        let (head, tail) = value.unwrap_or_default();
        let len = head.len() + tail.len();
        // Numbers grow digit by digit: a little room keeps most entries where they are.
        let room = len.next_multiple_of(8);
        let value_len = value.map_or(DELETED, |_| len_u32(len));
        self.bytes.reserve(HEADER_LEN + key.len() + room);
        self.bytes.extend_from_slice(&hash.to_ne_bytes());
        self.bytes
            .extend_from_slice(&len_u32(key.len()).to_ne_bytes());
        self.bytes.extend_from_slice(&value_len.to_ne_bytes());
        self.bytes.extend_from_slice(&len_u32(room).to_ne_bytes());
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(head);
        self.bytes.extend_from_slice(tail);
        self.bytes.extend_from_slice(&[0; 8][..room - len]);
    }

    fn set_value_len(&mut self, start: usize, len: u32) {
        let at = start + VALUE_LEN;
        self.bytes[at..at + 4].copy_from_slice(&len.to_ne_bytes());
    }

    /// All writes with their keys' hashes, in the order in which they lie in the buffer.
    pub fn iter_hashed(&self) -> impl Iterator<Item = (u64, &[u8], Option<&[u8]>)> {
        self.entries()
            .map(|(_, entry)| (entry.hash, entry.key, entry.value()))
    }

    /// All writes, in the order in which they lie in the buffer.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.iter_hashed().map(|(_, key, value)| (key, value))
    }

    /// Live entries, and where they begin.
    fn entries(&self) -> impl Iterator<Item = (usize, Entry<'_>)> {
        let mut next = 0;
        std::iter::from_fn(move || {
            while next < self.bytes.len() {
                let start = next;
                let entry = Entry::at(&self.bytes, start);
                next = start + HEADER_LEN + entry.key.len() + entry.room;
                if entry.value_len != MOVED {
                    return Some((start, entry));
                }
            }
            None
        })
    }

    /// All writes in key order. Sorts by the eight bytes after the keys' common prefix, which decide
    /// for most keys, so that a comparison seldom has to follow a reference.
    pub fn sorted(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let prefix = self.common_prefix();
        let mut order: Vec<(u64, usize)> = Vec::with_capacity(self.len());
        order.extend(
            self.entries()
                .map(|(start, entry)| (decisive(&entry.key[prefix..]), start)),
        );
        let key = |start: usize| Entry::at(&self.bytes, start).key;
        order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| key(a.1).cmp(key(b.1))));
        order.into_iter().map(|(_, start)| {
            let entry = Entry::at(&self.bytes, start);
            (entry.key, entry.value())
        })
    }

    /// Length of the prefix that all keys share.
    fn common_prefix(&self) -> usize {
        let mut keys = self.entries().map(|(_, entry)| entry.key);
        let Some(first) = keys.next() else { return 0 };
        let mut length = first.len();
        for key in keys {
            let shared = first[..length]
                .iter()
                .zip(key)
                .take_while(|(a, b)| a == b)
                .count();
            length = length.min(shared);
        }
        length
    }

    /// Number of keys written.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether nothing is uncommitted.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Memory in use, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len() + self.table.len() * size_of::<usize>()
    }

    /// Forgets everything: after a commit, or to undo.
    pub fn clear(&mut self) {
        self.table.clear();
        self.bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(overlay: &mut Overlay, key: &[u8], value: Option<(&[u8], &[u8])>) {
        overlay.put(hash(key), key, value);
    }

    fn get<'o>(overlay: &'o Overlay, key: &[u8]) -> Lookup<'o> {
        overlay.get(hash(key), key)
    }

    #[test]
    fn a_key_written_often_has_one_entry_with_the_last_value() {
        let mut overlay = Overlay::default();
        put(&mut overlay, b"a", Some((b"12345678", b"first")));
        put(&mut overlay, b"b", None);
        put(&mut overlay, b"a", Some((b"12345678", b"a longer value")));
        put(&mut overlay, b"a", Some((b"12345678", b"short")));
        assert_eq!(get(&overlay, b"a"), Lookup::Value(b"12345678short"));
        assert_eq!(get(&overlay, b"b"), Lookup::Deleted);
        assert_eq!(get(&overlay, b"c"), Lookup::Unknown);
        put(&mut overlay, b"a", None);
        assert_eq!(get(&overlay, b"a"), Lookup::Deleted);
        assert_eq!(overlay.len(), 2);
    }

    #[test]
    fn sorted_writes_are_in_the_order_of_their_keys() {
        let mut overlay = Overlay::default();
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
            put(&mut overlay, key, None);
        }
        let mut expected = keys.to_vec();
        expected.sort_unstable();
        let sorted: Vec<&[u8]> = overlay.sorted().map(|(key, _)| key).collect();
        assert_eq!(sorted, expected);
        assert_eq!(Overlay::default().sorted().count(), 0);
    }

    #[test]
    fn clearing_forgets_everything() {
        let mut overlay = Overlay::default();
        put(&mut overlay, b"a", Some((b"", b"1")));
        overlay.clear();
        assert_eq!(get(&overlay, b"a"), Lookup::Unknown);
        assert!(overlay.is_empty());
    }
}
