//! Whether another worker has this one's place: two processes with one ordinal take each other's
//! membership for ever, and neither would ever say why nothing comes forward.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// So many losses of the membership within [`WITHIN`] are another worker's doing. One after an
/// outage of the broker is normal (`docs/decisions/006-dropped-markers.md`), and each such needs an
/// outage longer than the session timeout of 10 s.
pub(super) const FENCINGS_MAX: usize = 5;
/// See [`FENCINGS_MAX`].
pub(super) const WITHIN: Duration = Duration::from_secs(60);

/// The last times at which this thread was fenced by a member of the same instance id.
#[derive(Debug, Default)]
pub(super) struct Fencings {
    times: VecDeque<Instant>,
}

impl Fencings {
    /// Notes one; true if another worker must be behind it.
    pub(super) fn note(&mut self, now: Instant) -> bool {
        self.times.push_back(now);
        while self
            .times
            .front()
            .is_some_and(|&first| now.duration_since(first) > WITHIN)
        {
            self.times.pop_front();
        }
        self.times.len() >= FENCINGS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fencings_in_quick_succession_are_another_worker_s_doing_and_seldom_ones_are_not() {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let mut seldom = Fencings::default();
        assert!((0..50).all(|step| !seldom.note(after(step * 20))));
        let mut often = Fencings::default();
        let verdicts: Vec<bool> = (0..5).map(|step| often.note(after(step * 2))).collect();
        assert_eq!(verdicts, [false, false, false, false, true]);
    }
}
