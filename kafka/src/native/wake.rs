//! How librdkafka's threads wake a stream thread that waits for several queues at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

/// Something one thread waits for and any thread may raise. Raised while nobody waits, it is kept
/// for the next wait, so that no wake-up is lost.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    raised: Mutex<bool>,
    changed: Condvar,
}

impl Wake {
    /// Wakes the waiting thread, now or when it comes.
    pub(crate) fn raise(&self) {
        *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }

    /// Waits until raised or until the deadline, and lowers it again; whether it was raised.
    pub(crate) fn wait_until(&self, deadline: Instant) -> bool {
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        while !*raised {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                break;
            };
            if left.is_zero() {
                break;
            }
            raised = self
                .changed
                .wait_timeout(raised, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        std::mem::take(&mut *raised)
    }
}

/// One queue's "there is something", raised by librdkafka when the queue stops being empty.
#[derive(Debug)]
pub(crate) struct Signal {
    ready: AtomicBool,
    wake: Arc<Wake>,
}

impl Signal {
    /// A signal that starts raised: the queue may hold something already.
    pub(crate) fn new(wake: Arc<Wake>) -> Self {
        Self {
            ready: AtomicBool::new(true),
            wake,
        }
    }

    /// The queue has something; wakes the thread that waits.
    pub(crate) fn raise(&self) {
        self.ready.store(true, Ordering::Release);
        self.wake.raise();
    }

    /// The queue was left with something in it: read it again without waiting.
    pub(crate) fn keep(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// Whether to read the queue.
    pub(crate) fn is_raised(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// To be called BEFORE reading the queue: librdkafka signals only when the queue stops being
    /// empty, so what arrives while we read must find the signal lowered.
    pub(crate) fn lower(&self) {
        self.ready.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_wake_up_before_the_wait_is_kept() {
        let wake = Wake::default();
        wake.raise();
        assert!(wake.wait_until(Instant::now() + Duration::from_secs(60)));
        assert!(!wake.wait_until(Instant::now()));
    }

    #[test]
    fn a_wait_ends_when_another_thread_raises() {
        let wake = Arc::new(Wake::default());
        let signal = Arc::new(Signal::new(Arc::clone(&wake)));
        signal.lower();
        let raiser = {
            let signal = Arc::clone(&signal);
            std::thread::spawn(move || signal.raise())
        };
        assert!(wake.wait_until(Instant::now() + Duration::from_secs(60)));
        assert!(signal.is_raised());
        raiser.join().unwrap_or(());
    }
}
