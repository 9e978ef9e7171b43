//! For tests: a directory that removes itself, and a time that stands still until moved.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock::Clock;

/// A directory of its own below the system's temporary one, removed when dropped.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// Creates an empty directory.
    ///
    /// # Panics
    /// When the system refuses: a test cannot go on without.
    #[allow(clippy::new_without_default, clippy::panic)]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("millrace-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _left_over = std::fs::remove_dir_all(&path);
        if let Err(error) = std::fs::create_dir_all(&path) {
            panic!("could not create {}: {error}", path.display());
        }
        Self(path)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

/// A clock that moves when told to.
#[derive(Debug)]
pub struct ManualClock {
    start: Instant,
    start_ms: i64,
    passed_ms: AtomicI64,
}

impl ManualClock {
    /// A clock that shows `wall_ms`.
    pub fn new(wall_ms: i64) -> Self {
        Self { start: Instant::now(), start_ms: wall_ms, passed_ms: AtomicI64::new(0) }
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
