//! A time that stands still until moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use crate::clock::Clock;

/// A clock that moves when told to: the engine's and the embedded log's in one, so that commit
/// intervals, sessions and transaction timeouts pass together. Clones share their time.
#[derive(Clone, Debug)]
pub struct ManualClock {
    start: Instant,
    start_ms: i64,
    passed_ms: Arc<AtomicI64>,
}

impl ManualClock {
    /// A clock that shows `wall_ms`, milliseconds since the epoch.
    pub fn new(wall_ms: i64) -> Self {
        Self {
            start: Instant::now(),
            start_ms: wall_ms,
            passed_ms: Arc::default(),
        }
    }

    /// Moves it on.
    pub fn advance(&self, time: Duration) {
        let ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.passed_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn wall_ms(&self) -> i64 {
        self.start_ms + self.passed_ms.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Instant {
        let passed = u64::try_from(self.passed_ms.load(Ordering::SeqCst)).unwrap_or(0);
        self.start + Duration::from_millis(passed)
    }
}

impl millrace_embedded::Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.wall_ms()
    }

    fn sleep(&self, duration: Duration) {
        self.advance(duration);
    }

    fn blocks(&self) -> bool {
        false
    }
}
