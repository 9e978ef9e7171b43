//! Committed rows that were used lately, so that a lookup need not go through RocksDB's memtable and
//! blocks (measured: a third of all CPU on the loan join, see docs/decisions).
//!
//! Two generations: rows go into the young one; when it is full it becomes the old one, and the old
//! one is forgotten whole. A row that is used again comes back from the old to the young. That is a
//! coarse "least recently used" without a list to keep, and bounds the memory at all times.

use super::overlay::{Lookup, Overlay};

/// Committed rows, and keys known to have none. Reads of the stream thread alone: queries read
/// RocksDB.
#[derive(Debug, Default)]
pub struct RowCache {
    young: Overlay,
    old: Overlay,
    generation_bytes_max: usize,
}

impl RowCache {
    /// A cache of at most so many bytes; 0 caches nothing.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            generation_bytes_max: bytes_max / 2,
            ..Self::default()
        }
    }

    /// What is known of a key.
    pub fn get(&mut self, hash: u64, key: &[u8]) -> Lookup<'_> {
        if let Some(place) = self.young.find(hash, key) {
            return self.young.at(place);
        }
        match self.old.get(hash, key) {
            Lookup::Unknown => return Lookup::Unknown,
            Lookup::Deleted => self.young.put(hash, key, None),
            Lookup::Value(row) => self.young.put(hash, key, Some((row, b""))),
        }
        // The move may have filled the young generation, which then is the old one.
        if self.age() {
            self.old.get(hash, key)
        } else {
            self.young.get(hash, key)
        }
    }

    /// Notes the committed row of a key, or that it has none.
    pub fn put(&mut self, hash: u64, key: &[u8], row: Option<&[u8]>) {
        if self.generation_bytes_max == 0 {
            return;
        }
        self.young.put(hash, key, row.map(|row| (row, &b""[..])));
        self.age();
    }

    /// Begins a new generation when the young one is full; true if it did.
    fn age(&mut self) -> bool {
        let full = self.young.size_bytes() > self.generation_bytes_max;
        if full {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        full
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::overlay::hash;

    fn put(cache: &mut RowCache, key: &[u8], row: Option<&[u8]>) {
        cache.put(hash(key), key, row);
    }

    fn get<'c>(cache: &'c mut RowCache, key: &[u8]) -> Lookup<'c> {
        cache.get(hash(key), key)
    }

    #[test]
    fn rows_in_use_stay_and_the_memory_is_bounded() {
        const BYTES: usize = 64 * 1024;
        let mut cache = RowCache::new(BYTES);
        for number in 0u32..100_000 {
            put(&mut cache, &number.to_be_bytes(), Some(b"some row"));
            assert_eq!(
                get(&mut cache, &0u32.to_be_bytes()),
                Lookup::Value(b"some row")
            );
            let held = cache.young.size_bytes() + cache.old.size_bytes();
            assert!(held < BYTES + 1024, "{held} bytes");
        }
        assert_eq!(get(&mut cache, &1u32.to_be_bytes()), Lookup::Unknown);
    }

    #[test]
    fn the_latest_row_hides_an_older_generation() {
        let mut cache = RowCache::new(1024);
        put(&mut cache, b"key", Some(b"first"));
        for number in 0u32..6 {
            put(&mut cache, &number.to_be_bytes(), Some(b"filler"));
        }
        put(&mut cache, b"key", None);
        assert_eq!(get(&mut cache, b"key"), Lookup::Deleted);
        cache.clear();
        assert_eq!(get(&mut cache, b"key"), Lookup::Unknown);
    }

    #[test]
    fn without_memory_nothing_is_cached() {
        let mut cache = RowCache::new(0);
        put(&mut cache, b"key", Some(b"row"));
        assert_eq!(get(&mut cache, b"key"), Lookup::Unknown);
    }
}
