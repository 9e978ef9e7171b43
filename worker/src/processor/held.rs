//! [`Held`]: a record that waits in a store.

use bumpalo::collections::Vec as ArenaVec;
use millrace_expr::Bump;
use millrace_kafka::Headers;

use crate::state::Row;

/// A record that waits in a store, as a row:
///
/// ```text
///   time (8) ‖ topic ‖ headers ‖ prior ‖ old ‖ new value     each a length (4; −1 is null) and bytes
/// ```
/// The row's timestamp is the record's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held<'r> {
    /// What it is sorted by.
    pub(super) time: i64,
    /// The record's own time.
    pub(super) timestamp: i64,
    /// Topic it stems from.
    pub(super) topic: &'r [u8],
    /// Headers, encoded.
    pub(super) headers: &'r [u8],
    /// Of a table's change: the value before the first change that waits.
    pub(super) prior: Option<&'r [u8]>,
    /// Of a table's change: the value before the last.
    pub(super) old: Option<&'r [u8]>,
    /// The value.
    pub(super) new: Option<&'r [u8]>,
}

impl<'r> Held<'r> {
    /// The row's value.
    pub(super) fn write(&self, arena: &'r Bump) -> &'r [u8] {
        let parts = [
            Some(self.topic),
            Some(self.headers),
            self.prior,
            self.old,
            self.new,
        ];
        let len = |part: &Option<&[u8]>| 4 + part.map_or(0, <[u8]>::len);
        let all = 8 + parts.iter().map(len).sum::<usize>();
        let mut bytes = ArenaVec::with_capacity_in(all, arena);
        bytes.extend_from_slice_copy(&self.time.to_be_bytes());
        for part in parts {
            let len = part.map_or(-1, |part| i32::try_from(part.len()).unwrap_or(i32::MAX));
            bytes.extend_from_slice_copy(&len.to_be_bytes());
            bytes.extend_from_slice_copy(part.unwrap_or_default());
        }
        bytes.into_bump_slice()
    }

    /// Reads a row; `None` when it is not one.
    pub(super) fn read(row: Row<'r>) -> Option<Self> {
        let (time, mut rest) = row.value.split_first_chunk::<8>()?;
        let mut part = || -> Option<Option<&'r [u8]>> {
            let (len, after) = rest.split_first_chunk::<4>()?;
            let Ok(len) = usize::try_from(i32::from_be_bytes(*len)) else {
                rest = after;
                return Some(None);
            };
            let (part, after) = after.split_at_checked(len)?;
            rest = after;
            Some(Some(part))
        };
        Some(Self {
            time: i64::from_be_bytes(*time),
            timestamp: row.timestamp,
            topic: part()??,
            headers: part()??,
            prior: part()?,
            old: part()?,
            new: part()?,
        })
    }

    /// Headers, decoded.
    pub(super) fn headers(&self) -> Headers<'r> {
        Headers::from_encoded(self.headers)
    }

    /// Topic, as text.
    pub(super) fn topic(&self) -> &'r str {
        std::str::from_utf8(self.topic).unwrap_or_default()
    }

    /// Kafka Streams' estimate of its memory (BufferValue.residentMemorySizeEstimate), by which
    /// bounds in bytes are kept.
    pub(super) fn size(&self, key: &[u8]) -> u64 {
        /// Buffer time, record time, offset and partition.
        const FIXED: usize = 8 + 8 + 8 + 4;
        let len = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
        let old = if self.old == self.prior {
            None
        } else {
            self.old
        };
        // Java's characters, not bytes: that is what the estimate counts of a name.
        let chars = |name: &str| name.encode_utf16().count();
        let headers = self.headers();
        let headers = headers.iter().map(|(name, value)| chars(name) + len(value));
        let values = len(self.prior) + len(old) + len(self.new);
        (FIXED + key.len() + self.topic.len() + headers.sum::<usize>() + values) as u64
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_held_record_reads_back_and_a_cut_one_does_not() {
        let arena = Bump::new();
        let held = Held {
            time: 5,
            timestamp: 7,
            topic: b"in",
            headers: b"",
            prior: None,
            old: Some(b"old"),
            new: Some(b""),
        };
        let value = held.write(&arena);
        let row = Row {
            timestamp: 7,
            value,
        };
        let read = Held::read(row).unwrap();
        assert_eq!(format!("{read:?}"), format!("{held:?}"));
        for cut in 0..value.len() {
            let value = &value[..cut];
            assert!(Held::read(Row { value, ..row }).is_none());
        }
    }
}
