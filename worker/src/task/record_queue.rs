//! Records of one input partition that are fetched and not yet processed.
//!
//! The bytes lie one after the other in one buffer, so that taking a record over from the client is
//! one copy and no allocation.

use std::collections::VecDeque;

use millrace_kafka::{Headers, RecordView};

/// Consumed bytes are given back in one move when there are this many of them, and more than of
/// live ones: each byte is moved at most once per time it is read.
const COMPACT_BYTES: usize = 256 * 1024;

/// Where a record lies in the queue's buffer.
#[derive(Clone, Copy, Debug)]
struct Queued {
    offset: i64,
    timestamp: i64,
    start: usize,
    /// `None`: null key.
    key_len: Option<u32>,
    /// `None`: tombstone.
    value_len: Option<u32>,
    headers_len: u32,
}

impl Queued {
    fn len(&self) -> usize {
        let len = |part: Option<u32>| part.unwrap_or(0) as usize;
        len(self.key_len) + len(self.value_len) + self.headers_len as usize
    }
}

/// First in, first out. Bounded by its owner, who stops fetching (see `PartitionGroup::is_full`).
#[derive(Debug, Default)]
pub struct RecordQueue {
    records: VecDeque<Queued>,
    bytes: Vec<u8>,
    /// Start of the first live byte.
    consumed: usize,
}

impl RecordQueue {
    /// Copies a record in. `timestamp` may differ from the record's own (timestamp expression).
    pub fn push(&mut self, record: &RecordView<'_>) {
        let start = self.bytes.len();
        let mut append = |part: &[u8]| {
            self.bytes.extend_from_slice(part);
            // A record is bounded by Kafka's own limits, far below 4 GiB.
            u32::try_from(part.len()).unwrap_or(u32::MAX)
        };
        let key_len = record.key.map(&mut append);
        let value_len = record.value.map(&mut append);
        let headers_len = append(record.headers.as_encoded());
        let (offset, timestamp) = (record.offset, record.timestamp);
        self.records.push_back(Queued {
            offset,
            timestamp,
            start,
            key_len,
            value_len,
            headers_len,
        });
    }

    /// The oldest record.
    pub fn head(&self) -> Option<RecordView<'_>> {
        let queued = self.records.front()?;
        let mut at = queued.start;
        let mut take = |len: u32| {
            let part = &self.bytes[at..at + len as usize];
            at += len as usize;
            part
        };
        let key = queued.key_len.map(&mut take);
        let value = queued.value_len.map(&mut take);
        let headers = Headers::from_encoded(take(queued.headers_len));
        let (offset, timestamp) = (queued.offset, queued.timestamp);
        Some(RecordView {
            offset,
            timestamp,
            key,
            value,
            headers,
        })
    }

    /// Offset and timestamp of the oldest record.
    #[inline]
    pub fn place(&self) -> Option<(i64, i64)> {
        let queued = self.records.front()?;
        Some((queued.offset, queued.timestamp))
    }

    /// Timestamps and keys of the oldest records.
    pub fn keys(&self) -> impl Iterator<Item = (i64, Option<&[u8]>)> {
        self.records.iter().map(|queued| {
            let key = |len: u32| &self.bytes[queued.start..][..len as usize];
            (queued.timestamp, queued.key_len.map(key))
        })
    }

    /// Forgets the oldest record.
    pub fn pop(&mut self) {
        let Some(queued) = self.records.pop_front() else {
            return;
        };
        self.consumed = queued.start + queued.len();
        if self.records.is_empty() {
            self.bytes.clear();
            self.consumed = 0;
        } else if self.consumed >= COMPACT_BYTES && self.consumed * 2 >= self.bytes.len() {
            self.compact();
        }
    }

    fn compact(&mut self) {
        self.bytes.drain(..self.consumed);
        for queued in &mut self.records {
            queued.start -= self.consumed;
        }
        self.consumed = 0;
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes of live records.
    pub fn live_bytes(&self) -> usize {
        self.bytes.len() - self.consumed
    }

    /// Forgets all records.
    pub fn clear(&mut self) {
        self.records.clear();
        self.bytes.clear();
        self.consumed = 0;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use millrace_kafka::HeadersBuf;

    fn record<'a>(offset: i64, key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> RecordView<'a> {
        RecordView {
            offset,
            timestamp: offset * 10,
            key,
            value,
            headers: Headers::EMPTY,
        }
    }

    #[test]
    fn records_come_out_as_they_went_in_also_after_compaction() {
        let mut queue = RecordQueue::default();
        let large = vec![7u8; 10_000];
        let (mut pushed, mut popped) = (0i64, 0i64);
        for round in 0..200 {
            for _ in 0..3 + round % 3 {
                queue.push(&record(pushed, Some(&pushed.to_be_bytes()), Some(&large)));
                pushed += 1;
            }
            for _ in 0..3 {
                let head = queue.head().unwrap();
                assert_eq!(head.offset, popped);
                assert_eq!(head.timestamp, popped * 10);
                assert_eq!(head.key, Some(&popped.to_be_bytes()[..]));
                assert_eq!(head.value, Some(&large[..]));
                queue.pop();
                popped += 1;
            }
        }
        assert_eq!(queue.len() as i64, pushed - popped);
        let held = queue.bytes.len();
        assert!(
            held < queue.live_bytes() * 2 + 2 * COMPACT_BYTES,
            "{held} bytes held"
        );
    }

    #[test]
    fn null_and_empty_stay_apart_and_headers_travel() {
        let mut headers = HeadersBuf::new();
        headers.push("trace", Some(b"abc"));
        let mut queue = RecordQueue::default();
        queue.push(&RecordView {
            headers: headers.as_headers(),
            ..record(0, None, Some(b""))
        });
        queue.push(&record(1, Some(b""), None));
        let head = queue.head().unwrap();
        assert_eq!((head.key, head.value), (None, Some(&b""[..])));
        assert_eq!(
            head.headers.iter().next(),
            Some(("trace", Some(&b"abc"[..])))
        );
        queue.pop();
        let head = queue.head().unwrap();
        assert_eq!((head.key, head.value), (Some(&b""[..]), None));
    }
}
