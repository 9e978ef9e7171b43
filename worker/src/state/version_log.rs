//! The puts of a versioned store since the last commit, all of them and in their order: its changelog
//! gets one record per put, because an older one may stand for a version of its own.

use std::ops::Range;

/// One put.
#[derive(Debug)]
struct Put {
    key: Range<usize>,
    /// `None`: deleted from then on.
    value: Option<Range<usize>>,
    timestamp: i64,
}

/// Puts, in the order in which they were made. Bounded by its owner, who commits early at a byte
/// limit.
#[derive(Debug, Default)]
pub(super) struct VersionLog {
    bytes: Vec<u8>,
    puts: Vec<Put>,
}

impl VersionLog {
    /// Notes a put.
    pub(super) fn push(&mut self, key: &[u8], value: Option<&[u8]>, timestamp: i64) {
        let key = self.append(key);
        let value = value.map(|value| self.append(value));
        self.puts.push(Put {
            key,
            value,
            timestamp,
        });
    }

    fn append(&mut self, part: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(part);
        start..self.bytes.len()
    }

    /// Key, value and timestamp of each put.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>, i64)> {
        self.puts.iter().map(|put| {
            let value = put.value.clone().map(|range| &self.bytes[range]);
            (&self.bytes[put.key.clone()], value, put.timestamp)
        })
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.puts.is_empty()
    }

    /// Memory in use, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.bytes.len() + self.puts.len() * size_of::<Put>()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.puts.clear();
    }
}
