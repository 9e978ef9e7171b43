//! The keys of a store's uncommitted writes in their order, for stores that are read by range.
//!
//! Owns copies of the keys alone; what was written under them is in the [`super::row_table`]. Keys are
//! only added, and forgotten all at once after a commit: a two-level sorted list does, whose chunks are
//! small enough that an insertion moves little memory.

/// Keys per chunk before it is split in two.
const CHUNK_KEYS: usize = 256;

/// Where a key lies in the buffer.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    end: usize,
}

/// Sorted keys, each once. Bounded by its owner, who commits early at a byte limit.
#[derive(Debug, Default)]
pub(super) struct OrderedKeys {
    bytes: Vec<u8>,
    /// Never empty themselves; the keys of one are below those of the next.
    chunks: Vec<Vec<Span>>,
    len: usize,
}

impl OrderedKeys {
    fn key(&self, span: Span) -> &[u8] {
        &self.bytes[span.start..span.end]
    }

    /// Adds a key that is not there yet.
    pub(super) fn insert(&mut self, key: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let end = self.bytes.len();
        let span = Span { start, end };
        self.len += 1;
        let (chunk, place) = self.place(key);
        let Some(spans) = self.chunks.get_mut(chunk) else {
            self.chunks.push(vec![span]);
            return;
        };
        spans.insert(place, span);
        if spans.len() > CHUNK_KEYS {
            // A chunk that grows at its end, as times do, leaves a full one behind.
            let at = if place + 1 == spans.len() {
                CHUNK_KEYS
            } else {
                CHUNK_KEYS / 2
            };
            let upper = spans.split_off(at);
            self.chunks.insert(chunk + 1, upper);
        }
    }

    /// Chunk and place in it of the first key that is not below `key`; the place may be the chunk's end.
    fn place(&self, key: &[u8]) -> (usize, usize) {
        let chunk = self
            .chunks
            .partition_point(|chunk| chunk.first().is_some_and(|&first| self.key(first) <= key))
            .saturating_sub(1);
        let place = self.chunks.get(chunk).map_or(0, |spans| {
            spans.partition_point(|&span| self.key(span) < key)
        });
        (chunk, place)
    }

    /// Keys with `from <= key < to` in their order; `to` `None`: to the end.
    pub(super) fn range<'k>(
        &'k self,
        from: &[u8],
        to: Option<&'k [u8]>,
    ) -> impl Iterator<Item = &'k [u8]> {
        let (chunk, place) = self.place(from);
        let rest = self.chunks.get(chunk..).unwrap_or_default();
        rest.iter()
            .flatten()
            .skip(place)
            .map(|&span| self.key(span))
            .take_while(move |&key| to.is_none_or(|to| key < to))
    }

    /// Memory in use, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.bytes.len() + self.len * size_of::<Span>()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.chunks.clear();
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ranges_are_those_of_a_set_whatever_the_order_of_insertion() {
        let mut number = 1u64;
        let mut random = move || {
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            number >> 40
        };
        for ascending in [true, false] {
            let (mut keys, mut model) = (OrderedKeys::default(), BTreeSet::new());
            for index in 0..3_000u64 {
                let value = if ascending { index } else { random() };
                let key = value.to_be_bytes()[usize::from(value % 3 == 0)..].to_vec();
                if model.insert(key.clone()) {
                    keys.insert(&key);
                }
            }
            for _ in 0..200 {
                let (from, to) = (random().to_be_bytes(), random().to_be_bytes());
                let expected = model
                    .iter()
                    .map(Vec::as_slice)
                    .filter(|&key| key >= &from[..] && key < &to[..]);
                let found: Vec<&[u8]> = keys.range(&from, Some(&to)).collect();
                assert_eq!(found, expected.collect::<Vec<_>>());
            }
            assert!(keys.range(b"", None).eq(model.iter().map(Vec::as_slice)));
            assert!(keys.size_bytes() > 3_000 * 7);
            keys.clear();
            assert_eq!(keys.range(b"", None).count(), 0);
        }
    }
}
