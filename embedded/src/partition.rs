//! One partition in memory: its batches, what of them may be read, and where it ends.
//!
//! ```text
//!   start                         stable                    end
//!     │ batch │ batch │ (marker) │ │ open batch │ batch │ … │
//!     └──────── read_committed ───┘
//!     └───────────────── read_uncommitted ──────────────────┘
//! ```
//!
//! A transaction marker takes an offset and nothing else: readers meet it as a gap.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::batch::Batch;

mod compaction;

/// Which records a reader sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Records of committed transactions and of no transaction, up to the last stable offset.
    ReadCommitted,
    /// Everything, also of open and aborted transactions (those of an aborted one until compaction
    /// or a restart drops them).
    ReadUncommitted,
}

/// What became of the transaction that wrote a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visibility {
    /// Not ended yet; the transaction's number.
    Open(u64),
    /// Committed, or written outside any transaction.
    Committed,
    /// Aborted: no read_committed reader ever sees it.
    Aborted,
}

/// A batch in its place.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) batch: Arc<Batch>,
    pub(crate) visibility: Visibility,
    /// When compaction first left the tombstones of this batch in place, in milliseconds since the
    /// epoch; they go `delete.retention.ms` later.
    cleaned_at: Option<i64>,
}

/// A run of records of one batch, to be handed out without the lock.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) batch: Arc<Batch>,
    pub(crate) from: usize,
    pub(crate) to: usize,
}

/// A transaction that has written here and has not ended.
#[derive(Debug)]
struct OpenTransaction {
    transaction: u64,
    first_offset: i64,
}

/// The log of one partition.
#[derive(Debug, Default)]
pub(crate) struct PartitionLog {
    start: i64,
    end: i64,
    entries: VecDeque<Entry>,
    open: Vec<OpenTransaction>,
    bytes: usize,
    /// Bytes appended since the last compaction.
    dirty_bytes: usize,
}

impl PartitionLog {
    /// The oldest offset that may still be read.
    pub(crate) fn start(&self) -> i64 {
        self.start
    }

    /// The high watermark: the next offset to be given.
    pub(crate) fn end(&self) -> i64 {
        self.end
    }

    /// The last stable offset: the first offset of the oldest open transaction, or the end.
    pub(crate) fn stable(&self) -> i64 {
        self.open
            .iter()
            .map(|open| open.first_offset)
            .min()
            .unwrap_or(self.end)
    }

    /// Where a reader must stop.
    pub(crate) fn limit(&self, isolation: Isolation) -> i64 {
        match isolation {
            Isolation::ReadCommitted => self.stable(),
            Isolation::ReadUncommitted => self.end,
        }
    }

    /// Memory that the records take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Numbers of the transactions that have written here and not ended.
    pub(crate) fn open_transactions(&self) -> impl Iterator<Item = u64> {
        self.open.iter().map(|open| open.transaction)
    }

    /// Adds a batch that begins at the end, or later (a gap left by a marker).
    pub(crate) fn append(&mut self, batch: Arc<Batch>, transaction: Option<u64>) {
        debug_assert!(batch.base() >= self.end, "batches never overlap");
        if let Some(transaction) = transaction
            && self.open.iter().all(|open| open.transaction != transaction)
        {
            self.open.push(OpenTransaction {
                transaction,
                first_offset: batch.base(),
            });
        }
        self.end = batch.last_offset() + 1;
        self.bytes += batch.size_bytes();
        self.dirty_bytes += batch.size_bytes();
        let visibility = transaction.map_or(Visibility::Committed, Visibility::Open);
        self.entries.push_back(Entry {
            batch,
            visibility,
            cleaned_at: None,
        });
    }

    /// Ends a transaction; its marker takes the given offset.
    pub(crate) fn end_transaction(&mut self, transaction: u64, commit: bool, marker: i64) {
        self.end = self.end.max(marker + 1);
        let Some(index) = self
            .open
            .iter()
            .position(|open| open.transaction == transaction)
        else {
            return;
        };
        let first_offset = self.open.swap_remove(index).first_offset;
        let ended = if commit {
            Visibility::Committed
        } else {
            Visibility::Aborted
        };
        let from = self
            .entries
            .partition_point(|entry| entry.batch.last_offset() < first_offset);
        for entry in self.entries.range_mut(from..) {
            if entry.visibility == Visibility::Open(transaction) {
                entry.visibility = ended;
            }
        }
    }

    /// Collects up to `max` records from a position on; returns how many, and the position after
    /// them. The position steps over markers, aborted and compacted records, up to the limit.
    pub(crate) fn read(
        &self,
        position: i64,
        isolation: Isolation,
        max: usize,
        chunks: &mut Vec<Chunk>,
    ) -> (usize, i64) {
        let limit = self.limit(isolation);
        let mut position = position.max(self.start);
        let mut count = 0;
        let from = self
            .entries
            .partition_point(|entry| entry.batch.last_offset() < position);
        for entry in self.entries.range(from..) {
            if entry.batch.base() >= limit {
                break;
            }
            if entry.visibility == Visibility::Aborted && isolation == Isolation::ReadCommitted {
                continue;
            }
            if count == max {
                return (count, position);
            }
            let from = entry.batch.index_of(position);
            let to = entry.batch.len().min(from + (max - count));
            chunks.push(Chunk {
                batch: Arc::clone(&entry.batch),
                from,
                to,
            });
            count += to - from;
            position = entry.batch.offset(to - 1) + 1;
            if to < entry.batch.len() {
                return (count, position);
            }
        }
        (count, position.max(limit))
    }

    /// Makes everything before an offset unreadable and frees the batches that lie before it as a
    /// whole. Never steps over the end.
    pub(crate) fn delete_before(&mut self, offset: i64) {
        self.start = self.start.max(offset.min(self.end));
        while self
            .entries
            .front()
            .is_some_and(|first| first.batch.last_offset() < self.start)
        {
            self.drop_front();
        }
    }

    /// Raises the bounds, as the journal has them.
    pub(crate) fn raise_bounds(&mut self, start: i64, end: i64) {
        self.end = self.end.max(end);
        self.delete_before(start);
    }

    /// Frees the oldest stable batches until the partition is within its size.
    pub(crate) fn retain_bytes(&mut self, max_bytes: usize) {
        let stable = self.stable();
        while self.bytes > max_bytes
            && let Some(first) = self.entries.front()
            && first.batch.last_offset() < stable
            && self.entries.len() > 1
        {
            self.start = self.start.max(first.batch.last_offset() + 1);
            self.drop_front();
        }
    }

    fn drop_front(&mut self) {
        if let Some(dropped) = self.entries.pop_front() {
            self.bytes -= dropped.batch.size_bytes();
            self.dirty_bytes = self.dirty_bytes.min(self.bytes);
        }
    }
}
