//! A batch: what one producer appended to one partition in one go. Immutable once in the log, so a
//! reader keeps a reference to it and hands its records out without holding any lock.

use millrace_kafka::{Headers, RecordView};

/// Bytes of bookkeeping per batch, its place in the partition included.
const BATCH_OVERHEAD_BYTES: usize = 160;

/// Bytes of bookkeeping per record.
const RECORD_OVERHEAD_BYTES: usize = size_of::<RecordMeta>();

/// Where one record lies in its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordMeta {
    /// Milliseconds since the epoch.
    pub(crate) timestamp: i64,
    /// Offset, counted from the batch's base offset. Rises within a batch; compaction leaves gaps.
    pub(crate) delta: u32,
    /// Where the record's bytes begin: key, value, headers, one after the other.
    pub(crate) position: u32,
    /// Length of the key; −1 is a null key.
    pub(crate) key_len: i32,
    /// Length of the value; −1 is a tombstone.
    pub(crate) value_len: i32,
    /// Length of the encoded headers.
    pub(crate) headers_len: u32,
}

impl RecordMeta {
    /// Bytes of key, value and headers.
    fn size(&self) -> usize {
        len_of(self.key_len) + len_of(self.value_len) + self.headers_len as usize
    }
}

/// Records of one partition, with rising offsets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    base: i64,
    metas: Vec<RecordMeta>,
    bytes: Vec<u8>,
}

impl Batch {
    /// Puts a batch together from its parts, as read from the journal; `None` if they do not fit
    /// together.
    pub(crate) fn from_parts(base: i64, metas: Vec<RecordMeta>, bytes: Vec<u8>) -> Option<Self> {
        let rising = metas.windows(2).all(|pair| pair[0].delta < pair[1].delta);
        let inside = metas.iter().all(|meta| {
            (meta.position as usize)
                .checked_add(meta.size())
                .is_some_and(|end| end <= bytes.len())
        });
        let last = i64::from(u32::MAX)
            .checked_add(base)
            .and_then(|last| last.checked_add(1));
        let fits = base >= 0 && last.is_some() && !metas.is_empty() && rising && inside;
        fits.then_some(Self { base, metas, bytes })
    }

    /// Offset that the records' deltas are counted from.
    pub(crate) fn base(&self) -> i64 {
        self.base
    }

    pub(crate) fn metas(&self) -> &[RecordMeta] {
        &self.metas
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of records; never zero.
    pub(crate) fn len(&self) -> usize {
        self.metas.len()
    }

    /// Memory that the batch takes, as counted against the budget.
    pub(crate) fn size_bytes(&self) -> usize {
        self.bytes.len() + self.metas.len() * RECORD_OVERHEAD_BYTES + BATCH_OVERHEAD_BYTES
    }

    pub(crate) fn offset(&self, index: usize) -> i64 {
        self.base + i64::from(self.metas[index].delta)
    }

    pub(crate) fn last_offset(&self) -> i64 {
        self.offset(self.metas.len() - 1)
    }

    /// Index of the first record at or after an offset; `len` if there is none.
    pub(crate) fn index_of(&self, offset: i64) -> usize {
        self.metas
            .partition_point(|meta| self.base + i64::from(meta.delta) < offset)
    }

    pub(crate) fn record(&self, index: usize) -> RecordView<'_> {
        let meta = &self.metas[index];
        let rest = &self.bytes[meta.position as usize..];
        let (key, rest) = rest.split_at(len_of(meta.key_len));
        let (value, rest) = rest.split_at(len_of(meta.value_len));
        RecordView {
            offset: self.base + i64::from(meta.delta),
            timestamp: meta.timestamp,
            key: (meta.key_len >= 0).then_some(key),
            value: (meta.value_len >= 0).then_some(value),
            headers: Headers::from_encoded(&rest[..meta.headers_len as usize]),
        }
    }
}

/// Collects the records of a batch to be.
#[derive(Debug, Default)]
pub(crate) struct BatchBuilder {
    metas: Vec<RecordMeta>,
    bytes: Vec<u8>,
}

impl BatchBuilder {
    pub(crate) fn is_empty(&self) -> bool {
        self.metas.is_empty()
    }

    pub(crate) fn size_bytes(&self) -> usize {
        self.bytes.len() + self.metas.len() * RECORD_OVERHEAD_BYTES + BATCH_OVERHEAD_BYTES
    }

    /// Adds a record right after the one before. The caller keeps batches and records well below
    /// 2 GiB (the producer's batch limit, the topic's `max.message.bytes`).
    pub(crate) fn push(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: Headers<'_>,
    ) {
        let delta = self.metas.last().map_or(0, |last| last.delta + 1);
        self.push_at(delta, timestamp, key, value, headers);
    }

    /// Adds a record at a distance from the base offset that is larger than the last one's.
    pub(crate) fn push_at(
        &mut self,
        delta: u32,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: Headers<'_>,
    ) {
        self.metas.push(RecordMeta {
            timestamp,
            delta,
            position: self.bytes.len() as u32,
            key_len: key.map_or(-1, |key| key.len() as i32),
            value_len: value.map_or(-1, |value| value.len() as i32),
            headers_len: headers.as_encoded().len() as u32,
        });
        self.bytes.extend_from_slice(key.unwrap_or_default());
        self.bytes.extend_from_slice(value.unwrap_or_default());
        self.bytes.extend_from_slice(headers.as_encoded());
    }

    /// The finished batch at its place in the log; leaves the builder empty. `None` if nothing was
    /// pushed.
    pub(crate) fn build(&mut self, base: i64) -> Option<Batch> {
        if self.metas.is_empty() {
            return None;
        }
        let mut metas = std::mem::take(&mut self.metas);
        let mut bytes = std::mem::take(&mut self.bytes);
        metas.shrink_to_fit();
        bytes.shrink_to_fit();
        Some(Batch { base, metas, bytes })
    }

    /// Takes back a batch that could not be appended after all.
    pub(crate) fn restore(&mut self, batch: Batch) {
        self.metas = batch.metas;
        self.bytes = batch.bytes;
    }

    /// Forgets all records, keeping the memory.
    pub(crate) fn clear(&mut self) {
        self.metas.clear();
        self.bytes.clear();
    }
}

/// Bytes behind a length where −1 says null.
fn len_of(len: i32) -> usize {
    usize::try_from(len).unwrap_or(0)
}
