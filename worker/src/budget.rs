//! [`MemoryBudget`]: what the process may hold in memory outside RocksDB, divided over its threads.
//!
//! ```text
//!   limit ─┬─ 1/4   block cache and memtables             state::memory, one for the process
//!          ├─ 1/8   uncommitted writes                    ÷ threads, as of now
//!          ├─ 1/8   records sent and not acknowledged     ÷ threads, as a producer is made
//!          ├─ 1/16  records fetched ahead                 ÷ input and changelog partitions
//!          ├─ 1/16  the same once more: fetches under way
//!          ├─ 1/16  committed rows at hand                ÷ stores
//!          └─ rest  record queues, indexes, code, what the allocator keeps
//! ```
//! Without a limit, and where there is plenty, each share ends at what one thread can use.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Uncommitted writes of one thread before it commits early, at most.
const OVERLAY_BYTES_MAX: u64 = 64 << 20;
/// And at least: a commit per few records costs more than the memory.
const OVERLAY_BYTES_MIN: u64 = 4 << 20;
/// Records of one producer that are not acknowledged.
const SEND_BYTES_MAX: u64 = 64 << 20;
const SEND_BYTES_MIN: u64 = 4 << 20;
/// Records fetched ahead of one partition.
const FETCH_BYTES_MAX: u64 = 4 << 20;
const FETCH_BYTES_MIN: u64 = 128 << 10;
/// Committed rows at hand, of all stores of an application.
const ROW_CACHE_BYTES_MAX: u64 = 32 << 20;
const ROW_CACHE_BYTES_MIN: u64 = 1 << 20;
/// A producer's buffer cannot shrink when threads are added, so it is never more than this share.
const SENDERS_MIN: usize = 2;

/// Memory of one application in one process, outside RocksDB.
#[derive(Debug)]
pub struct MemoryBudget {
    limit: Option<u64>,
    threads: AtomicUsize,
}

impl MemoryBudget {
    /// A budget under a limit of the process's memory in bytes, for one thread; `None`: there is no
    /// limit.
    pub fn new(limit: Option<u64>) -> Self {
        Self {
            limit,
            threads: AtomicUsize::new(1),
        }
    }

    /// Divides it anew, over so many threads.
    pub fn divide(&self, threads: usize) {
        self.threads.store(threads.max(1), Ordering::Relaxed);
    }

    /// Over how many it is divided; one at least.
    pub fn threads(&self) -> usize {
        self.threads.load(Ordering::Relaxed)
    }

    /// Uncommitted writes of one thread before it commits early, in bytes, as of now.
    pub fn overlay_bytes(&self) -> usize {
        let threads = self.threads();
        self.share(8, threads, OVERLAY_BYTES_MIN, OVERLAY_BYTES_MAX)
    }

    /// Records of a producer made now that are not acknowledged, in bytes.
    pub fn send_bytes(&self) -> usize {
        let threads = self.threads().max(SENDERS_MIN);
        self.share(8, threads, SEND_BYTES_MIN, SEND_BYTES_MAX)
    }

    /// Records fetched ahead of one partition, in bytes, where so many are read at most.
    pub fn fetch_bytes(&self, partitions: usize) -> usize {
        self.share(16, partitions, FETCH_BYTES_MIN, FETCH_BYTES_MAX)
    }

    /// Committed rows at hand of one store, in bytes, where there are so many at most.
    pub fn row_cache_bytes(&self, stores: usize) -> usize {
        self.share(16, 1, ROW_CACHE_BYTES_MIN, ROW_CACHE_BYTES_MAX) / stores.max(1)
    }

    fn share(&self, part: u64, holders: usize, least: u64, most: u64) -> usize {
        let holders = u64::try_from(holders.max(1)).unwrap_or(u64::MAX);
        let share = self.limit.map_or(most, |limit| limit / part / holders);
        usize::try_from(share.clamp(least, most)).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn half_a_gibibyte_is_kept_whatever_the_threads() {
        for threads in [1, 2, 4, 8] {
            let budget = MemoryBudget::new(Some(512 << 20));
            budget.divide(threads);
            let held = threads * (budget.overlay_bytes() + budget.send_bytes())
                + 2 * 24 * budget.fetch_bytes(24)
                + 12 * budget.row_cache_bytes(12);
            // With the quarter that RocksDB has.
            assert!(
                held + 128 * MIB <= 384 * MIB,
                "{threads} threads hold {held}"
            );
        }
    }

    #[test]
    fn more_threads_have_less_each_and_fewer_have_more_again() {
        let budget = MemoryBudget::new(Some(512 << 20));
        assert_eq!(budget.overlay_bytes(), 64 * MIB);
        budget.divide(4);
        assert_eq!(budget.overlay_bytes(), 16 * MIB);
        budget.divide(0);
        assert_eq!(budget.overlay_bytes(), 64 * MIB);
    }

    #[test]
    fn without_a_limit_each_has_what_it_can_use() {
        let budget = MemoryBudget::new(None);
        budget.divide(100);
        assert_eq!(budget.overlay_bytes(), 64 * MIB);
        assert_eq!(budget.send_bytes(), 64 * MIB);
        assert_eq!(budget.fetch_bytes(1000), 4 * MIB);
    }
}
