//! How far a store has come in time: beside its rows, so that what is expired stays expired after a
//! restart.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

/// What a store has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Highest time of a row ever written, ms since the epoch: a window's start, a session's end, a
    /// version's time (Kafka Streams' `observedStreamTime` of a store). −1 before the first.
    pub time: i64,
    /// Number of the last of the rows that share key and time, where a store keeps them all.
    pub sequence: u32,
}

impl Observed {
    /// Before the first row.
    pub const NOTHING: Self = Self {
        time: -1,
        sequence: 0,
    };
}

impl Default for Observed {
    fn default() -> Self {
        Self::NOTHING
    }
}

/// What the committed rows of a store have seen; written at commits, read by queries too.
#[derive(Debug)]
pub struct CommittedObserved {
    time: AtomicI64,
    sequence: AtomicU32,
    /// Rows before this time were deleted because they had expired.
    live_from: AtomicI64,
}

impl Default for CommittedObserved {
    fn default() -> Self {
        let nothing = Observed::NOTHING;
        Self {
            time: AtomicI64::new(nothing.time),
            sequence: AtomicU32::new(nothing.sequence),
            live_from: AtomicI64::new(0),
        }
    }
}

impl CommittedObserved {
    /// As of the last commit. Time and number are read one by one: only the task, which is their only
    /// writer, uses both.
    pub fn get(&self) -> Observed {
        Observed {
            time: self.time.load(Ordering::Relaxed),
            sequence: self.sequence.load(Ordering::Relaxed),
        }
    }

    /// Up to when commits of this process have deleted what had expired, ms; 0 before the first.
    pub fn live_from(&self) -> i64 {
        self.live_from.load(Ordering::Relaxed)
    }

    /// Notes that a commit has deleted what had expired before a time.
    pub(super) fn set_live_from(&self, time: i64) {
        self.live_from.store(time, Ordering::Relaxed);
    }

    /// Notes a commit.
    pub fn set(&self, observed: Observed) {
        self.time.store(observed.time, Ordering::Relaxed);
        self.sequence.store(observed.sequence, Ordering::Relaxed);
    }
}
