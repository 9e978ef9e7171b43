//! Writes of one store that are not committed yet, seen by every read of the task, unseen by
//! everyone else (architecture decision D3).
//!
//! A hash table over entries whose keys and values lie in one buffer: no allocation per write, and
//! forgetting everything after a commit keeps the memory. One entry per key, so that the changelog
//! gets one record per key and commit however often the key was written.

use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};

use rustc_hash::FxBuildHasher;

/// One key's latest uncommitted write.
#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u64,
    key_start: usize,
    key_len: u32,
    value_start: usize,
    /// `None`: deleted.
    value_len: Option<u32>,
    /// Room at `value_start`, so that a value of the same size overwrites the last one.
    value_room: u32,
}

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

/// Uncommitted writes of one store. Bounded by its owner, who commits early at a byte limit.
#[derive(Debug, Default)]
pub struct Overlay {
    table: HashTable<u32>,
    entries: Vec<Entry>,
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

fn len_u32(part: &[u8]) -> u32 {
    // Keys and values are bounded by the log's record size, far below 4 GiB.
    u32::try_from(part.len()).unwrap_or(u32::MAX)
}

impl Overlay {
    /// What is known of a key.
    pub fn get(&self, hash: u64, key: &[u8]) -> Lookup<'_> {
        match self.find(hash, key) {
            None => Lookup::Unknown,
            Some(index) => self.at(index),
        }
    }

    /// What is known of the key that was found at this place.
    pub fn at(&self, index: u32) -> Lookup<'_> {
        match self.value(&self.entries[index as usize]) {
            None => Lookup::Deleted,
            Some(value) => Lookup::Value(value),
        }
    }

    /// Writes a value made of two parts (timestamp and bytes), or `None` to delete.
    pub fn put(&mut self, hash: u64, key: &[u8], value: Option<(&[u8], &[u8])>) {
        let index = match self.find(hash, key) {
            Some(index) => index as usize,
            None => self.insert(hash, key),
        };
        let Some((head, tail)) = value else {
            self.entries[index].value_len = None;
            return;
        };
        let len = len_u32(head) + len_u32(tail);
        let entry = &mut self.entries[index];
        if entry.value_room < len {
            entry.value_start = self.bytes.len();
            entry.value_room = len;
            self.bytes.extend_from_slice(head);
            self.bytes.extend_from_slice(tail);
        } else {
            let start = entry.value_start;
            self.bytes[start..start + head.len()].copy_from_slice(head);
            let start = start + head.len();
            self.bytes[start..start + tail.len()].copy_from_slice(tail);
        }
        entry.value_len = Some(len);
    }

    /// Where a key is, if it is known.
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<u32> {
        if self.entries.is_empty() {
            return None;
        }
        self.table
            .find(hash, |&index| {
                self.key(&self.entries[index as usize]) == key
            })
            .copied()
    }

    fn insert(&mut self, hash: u64, key: &[u8]) -> usize {
        let index = self.entries.len();
        let key_start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        self.entries.push(Entry {
            hash,
            key_start,
            key_len: len_u32(key),
            value_start: 0,
            value_len: None,
            value_room: 0,
        });
        let entries = &self.entries;
        // More than 4 G entries do not fit the byte limit that the owner commits at.
        let small = u32::try_from(index).unwrap_or(u32::MAX);
        self.table
            .insert_unique(hash, small, |&index| entries[index as usize].hash);
        index
    }

    fn key(&self, entry: &Entry) -> &[u8] {
        &self.bytes[entry.key_start..entry.key_start + entry.key_len as usize]
    }

    fn value(&self, entry: &Entry) -> Option<&[u8]> {
        let len = entry.value_len? as usize;
        Some(&self.bytes[entry.value_start..entry.value_start + len])
    }

    /// All writes, in the order in which keys were first written.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.entries
            .iter()
            .map(|entry| (self.key(entry), self.value(entry)))
    }

    /// All writes with their keys' hashes, in the order in which keys were first written.
    pub fn iter_hashed(&self) -> impl Iterator<Item = (u64, &[u8], Option<&[u8]>)> {
        self.entries
            .iter()
            .map(|entry| (entry.hash, self.key(entry), self.value(entry)))
    }

    /// All writes in key order. Sorts by the eight bytes after the keys' common prefix, which decide
    /// for most keys, so that a comparison seldom has to follow a reference.
    pub fn sorted(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let prefix = self.common_prefix();
        let mut order: Vec<(u64, u32)> = (0u32..)
            .zip(&self.entries)
            .map(|(index, entry)| (decisive(&self.key(entry)[prefix..]), index))
            .collect();
        let key = |index: u32| self.key(&self.entries[index as usize]);
        order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| key(a.1).cmp(key(b.1))));
        order.into_iter().map(|(_, index)| {
            let entry = &self.entries[index as usize];
            (self.key(entry), self.value(entry))
        })
    }

    /// Length of the prefix that all keys share.
    fn common_prefix(&self) -> usize {
        let mut keys = self.entries.iter().map(|entry| self.key(entry));
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
        self.entries.len()
    }

    /// Whether nothing is uncommitted.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Memory in use, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len() + self.entries.len() * size_of::<Entry>()
    }

    /// Forgets everything: after a commit, or to undo.
    pub fn clear(&mut self) {
        self.table.clear();
        self.entries.clear();
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
