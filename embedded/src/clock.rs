//! Time, handed in: sessions, transaction timeouts and tombstones of the embedded log move by it, so
//! that a test decides when they end.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The time the embedded log lives by.
pub trait Clock: Send + Sync {
    /// Milliseconds since the epoch; never goes back.
    fn now_ms(&self) -> i64;

    /// Lets this much time pass.
    fn sleep(&self, duration: Duration);

    /// Whether a call that finds nothing really waits for its timeout. Under a clock that stands
    /// still it would wait for ever, so there it returns at once.
    fn blocks(&self) -> bool;
}

/// The machine's time: the wall clock as it was at the start, carried on by the monotonic clock, so
/// that a correction of the wall clock expires nobody's session.
#[derive(Clone, Debug)]
pub struct SystemClock {
    started: Instant,
    started_ms: i64,
}

impl SystemClock {
    /// A clock that reads the machine's time.
    pub fn new() -> Self {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            started: Instant::now(),
            started_ms: millis(since_epoch),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        self.started_ms
            .saturating_add(millis(self.started.elapsed()))
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }

    fn blocks(&self) -> bool {
        true
    }
}

/// A clock that moves when a test says so. Clones share their time. Under it no call of the embedded
/// log waits: a poll that finds nothing returns at once, and a wait for somebody else's transaction
/// fails at once as if it had timed out.
#[derive(Clone, Debug)]
pub struct ManualClock {
    now_ms: Arc<AtomicI64>,
}

impl ManualClock {
    /// Starts at this many milliseconds since the epoch.
    pub fn new(now_ms: i64) -> Self {
        Self {
            now_ms: Arc::new(AtomicI64::new(now_ms)),
        }
    }

    /// Moves the clock forward.
    pub fn advance(&self, duration: Duration) {
        self.now_ms.fetch_add(millis(duration), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    fn sleep(&self, duration: Duration) {
        self.advance(duration);
    }

    fn blocks(&self) -> bool {
        false
    }
}

/// A duration in whole milliseconds.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
