//! When a task's rows go to disk: so that the tail of the changelog that a crash leaves to be restored
//! has a size.
//!
//! Owns the decision alone; [`super::db`] writes. A flush is started at half the bound, so that it has
//! ended, in the background, by the time the other half has gathered. A disk too slow for that makes
//! the commit wait at the bound: then a tail is never longer than the bound and one commit.

use std::time::{Duration, Instant};

/// When unflushed writes go to disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlushBound {
    /// Changelog records that a crash may leave to be restored, beside those of one commit.
    pub records: u64,
    /// Milliseconds since the oldest unflushed write.
    pub interval_ms: u64,
}

/// What is due now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushDue {
    /// Nothing.
    Nothing,
    /// To start a flush.
    Start,
    /// To flush, and go on only when everything is on disk.
    Wait,
}

/// Decides when a task's database is flushed.
///
/// It is the database's rather than the task's, so that recoveries do not forget what is unflushed.
#[derive(Debug, Default)]
pub struct FlushPolicy {
    /// Changelog records whose rows no flush covers yet, and when the oldest was written.
    gathered: u64,
    since: Option<Instant>,
    /// Those of a flush that was started and has not been seen to end.
    under_way: u64,
}

impl FlushPolicy {
    /// Notes a batch that so many changelog records stand for.
    pub fn written(&mut self, records: u64, now: Instant) {
        if records > 0 {
            self.gathered += records;
            self.since.get_or_insert(now);
        }
    }

    /// What is due; `ended` tells whether the flush that was started last has ended, and is asked only
    /// while there is one.
    pub fn due(
        &mut self,
        bound: &FlushBound,
        now: Instant,
        ended: impl FnOnce() -> bool,
    ) -> FlushDue {
        if self.under_way > 0 && ended() {
            self.under_way = 0;
        }
        let Some(since) = self.since else {
            return FlushDue::Nothing;
        };
        if self.gathered + self.under_way >= bound.records {
            return FlushDue::Wait;
        }
        let old = now.duration_since(since) >= Duration::from_millis(bound.interval_ms);
        if self.under_way == 0 && (old || self.gathered >= bound.records.div_ceil(2)) {
            FlushDue::Start
        } else {
            FlushDue::Nothing
        }
    }

    /// Notes that a flush of everything gathered was started.
    pub fn started(&mut self) {
        self.under_way += self.gathered;
        self.gathered = 0;
        self.since = None;
    }

    /// Notes that everything is on disk.
    pub fn finished(&mut self) {
        self.started();
        self.under_way = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: FlushBound = FlushBound {
        records: 10,
        interval_ms: 1_000,
    };

    #[test]
    fn a_flush_starts_at_half_the_bound_and_is_waited_for_at_the_bound() {
        let now = Instant::now();
        let mut policy = FlushPolicy::default();
        assert_eq!(policy.due(&BOUND, now, || true), FlushDue::Nothing);
        policy.written(4, now);
        assert_eq!(policy.due(&BOUND, now, || true), FlushDue::Nothing);
        policy.written(1, now);
        assert_eq!(policy.due(&BOUND, now, || true), FlushDue::Start);
        policy.started();
        policy.written(4, now);
        assert_eq!(policy.due(&BOUND, now, || false), FlushDue::Nothing);
        policy.written(1, now);
        assert_eq!(policy.due(&BOUND, now, || false), FlushDue::Wait);
        // The first flush has ended after all: its rows are on disk, half a bound is not.
        assert_eq!(policy.due(&BOUND, now, || true), FlushDue::Start);
        policy.finished();
        assert_eq!(policy.due(&BOUND, now, || false), FlushDue::Nothing);
    }

    #[test]
    fn old_rows_are_flushed_however_few_and_a_large_commit_is_waited_for() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let mut policy = FlushPolicy::default();
        policy.written(1, now);
        policy.written(1, later);
        assert_eq!(policy.due(&BOUND, later, || true), FlushDue::Start);
        policy.started();
        policy.written(1, later);
        assert_eq!(policy.due(&BOUND, later, || true), FlushDue::Nothing);
        policy.written(25, later);
        assert_eq!(policy.due(&BOUND, later, || true), FlushDue::Wait);
    }
}
