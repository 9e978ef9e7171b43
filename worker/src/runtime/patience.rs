//! Waits that are normal while they are short, and must not go on unnoticed.

use std::time::{Duration, Instant};

/// A wait of this length is told: longer than a transaction that its owner left open lasts (its
/// timeout is 10 s).
const TOLD_AFTER: Duration = Duration::from_secs(15);
/// A wait that goes on is told again this often.
const TOLD_AGAIN: Duration = Duration::from_secs(60);

/// How long something has been waited for, and when that was told last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Patience {
    /// Beginning of the wait, and when it is told next.
    waiting: Option<(Instant, Instant)>,
}

impl Patience {
    /// The wait goes on. Returns its length when it is time to tell of it.
    pub(super) fn wait(&mut self, now: Instant) -> Option<Duration> {
        let (since, tell_at) = self.waiting.get_or_insert((now, now + TOLD_AFTER));
        if now < *tell_at {
            return None;
        }
        *tell_at = now + TOLD_AGAIN;
        Some(now.duration_since(*since))
    }

    /// What was waited for has come.
    pub(super) fn over(&mut self) {
        self.waiting = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_when_it_is_long_and_then_now_and_then() {
        let (mut patience, began) = (Patience::default(), Instant::now());
        let mut told = Vec::new();
        for second in 0..150 {
            let now = began + Duration::from_secs(second);
            told.extend(patience.wait(now).map(|waited| waited.as_secs()));
        }
        assert_eq!(told, [15, 75, 135]);
        patience.over();
        let later = began + Duration::from_secs(200);
        assert_eq!(patience.wait(later), None, "a new wait begins");
    }
}
