//! Compaction of one partition: the last record per key stays, at its offset.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::{Entry, PartitionLog, Visibility};
use crate::batch::{Batch, BatchBuilder};

/// A partition is not compacted before this much was appended, however small it is.
const MIN_DIRTY_BYTES: usize = 1 << 20;

/// Batches that compaction writes are closed at this size.
const BATCH_BYTES: usize = 256 << 10;

impl PartitionLog {
    /// Whether enough was appended since the last compaction (`min.cleanable.dirty.ratio`).
    pub(crate) fn wants_compaction(&self, min_dirty_ratio: f64) -> bool {
        self.dirty_bytes >= MIN_DIRTY_BYTES
            && self.dirty_bytes as f64 >= self.bytes as f64 * min_dirty_ratio
    }

    /// Keeps the last stable record per key, and all without a key; drops aborted records, and
    /// tombstones whose time has come. Records from the last stable offset on stay as they are, and
    /// so do all offsets and both watermarks.
    pub(crate) fn compact(&mut self, now_ms: i64, delete_retention_ms: i64) {
        let stable = self.stable();
        let closed = self
            .entries
            .partition_point(|entry| entry.batch.last_offset() < stable);
        let old: Vec<Entry> = self.entries.drain(..closed).collect();
        let newest = newest_offsets(&old, self.start);
        let mut writer = Writer::default();
        for entry in old
            .iter()
            .filter(|entry| entry.visibility == Visibility::Committed)
        {
            let cleaned_at = entry.cleaned_at.unwrap_or(now_ms);
            let tombstones_stay = cleaned_at.saturating_add(delete_retention_ms) > now_ms;
            writer.begin(cleaned_at);
            for index in entry.batch.index_of(self.start)..entry.batch.len() {
                let record = entry.batch.record(index);
                let is_newest = record
                    .key
                    .is_none_or(|key| newest.get(key) == Some(&record.offset));
                if is_newest && (record.value.is_some() || tombstones_stay) {
                    writer.push(&entry.batch, index);
                }
            }
        }
        let mut entries = writer.finish();
        entries.append(&mut self.entries);
        self.entries = entries;
        self.bytes = self
            .entries
            .iter()
            .map(|entry| entry.batch.size_bytes())
            .sum();
        self.dirty_bytes = 0;
    }
}

/// The offset of each key's last committed record.
fn newest_offsets(entries: &[Entry], start: i64) -> HashMap<&[u8], i64> {
    let mut newest = HashMap::new();
    for entry in entries
        .iter()
        .filter(|entry| entry.visibility == Visibility::Committed)
    {
        for index in entry.batch.index_of(start)..entry.batch.len() {
            let record = entry.batch.record(index);
            if let Some(key) = record.key {
                newest.insert(key, record.offset);
            }
        }
    }
    newest
}

/// Packs the surviving records into new batches. Records that were first cleaned at different times
/// never share a batch, so that each tombstone goes at its own time.
#[derive(Default)]
struct Writer {
    done: VecDeque<Entry>,
    builder: BatchBuilder,
    base: i64,
    cleaned_at: i64,
}

impl Writer {
    fn begin(&mut self, cleaned_at: i64) {
        if cleaned_at != self.cleaned_at {
            self.close();
            self.cleaned_at = cleaned_at;
        }
    }

    fn push(&mut self, batch: &Batch, index: usize) {
        let record = batch.record(index);
        if self.builder.size_bytes() >= BATCH_BYTES
            || record.offset - self.base > i64::from(u32::MAX)
        {
            self.close();
        }
        if self.builder.is_empty() {
            self.base = record.offset;
        }
        let delta = u32::try_from(record.offset - self.base).unwrap_or(u32::MAX);
        self.builder.push_at(
            delta,
            record.timestamp,
            record.key,
            record.value,
            record.headers,
        );
    }

    fn close(&mut self) {
        if let Some(batch) = self.builder.build(self.base) {
            self.done.push_back(Entry {
                batch: Arc::new(batch),
                visibility: Visibility::Committed,
                cleaned_at: Some(self.cleaned_at),
            });
        }
    }

    fn finish(mut self) -> VecDeque<Entry> {
        self.close();
        self.done
    }
}
