//! Punctuation: calls by stream time or by the wall clock (Kafka Streams' `PunctuationQueue`).

use std::time::Duration;

use super::error::ProcessorError;

/// Schedules of one task: a processor that makes a new one per record ends here.
const SCHEDULES_MAX: usize = 1_000;

/// A schedule of a processor, to tell its calls apart and to cancel it.
///
/// ```
/// # use std::time::Duration;
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
/// # doc::process(|_, context| {
/// let minutes = context.schedule_wall_clock(Duration::from_secs(60))?;
/// let hours = context.schedule_wall_clock(Duration::from_secs(3600))?;
/// assert_ne!(minutes, hours);
/// assert!(context.cancel(minutes));
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Schedule(u64);

/// A call of a schedule.
///
/// ```
/// # use millrace_worker::api::{ProcessorContext, ProcessorResult, Punctuation, Record, Value};
/// /// The body of a processor's `punctuate`.
/// fn beat(
///     punctuation: Punctuation,
///     context: &mut ProcessorContext<'_, '_>,
/// ) -> ProcessorResult {
///     let key = context.text("heartbeat");
///     context.forward(Record::new(key, Value::Null, punctuation.time))
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Punctuation {
    /// Which schedule.
    pub schedule: Schedule,
    /// The stream time, or the wall-clock time, at which it is called: ms since the epoch.
    pub time: i64,
}

/// What is to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The processor's node, by its place in the task.
    pub(crate) place: usize,
    /// The call.
    pub(crate) punctuation: Punctuation,
}

/// All schedules of a task.
#[derive(Default)]
pub(super) struct Schedules {
    pub(super) stream: Queue,
    pub(super) wall: Queue,
    made: u64,
}

impl Schedules {
    /// Calls a node by stream time, aligned at 0: first as soon as stream time is known.
    pub(super) fn by_stream_time(
        &mut self,
        place: usize,
        interval: Duration,
    ) -> Result<Schedule, ProcessorError> {
        let (schedule, interval_ms) = self.new_schedule(interval)?;
        self.stream.add(Entry {
            schedule,
            place,
            at: 0,
            interval_ms,
        });
        Ok(schedule)
    }

    /// Calls a node by the wall clock, first after the interval.
    pub(super) fn by_wall_clock(
        &mut self,
        place: usize,
        interval: Duration,
        now_ms: i64,
    ) -> Result<Schedule, ProcessorError> {
        let (schedule, interval_ms) = self.new_schedule(interval)?;
        self.wall.add(Entry {
            schedule,
            place,
            at: now_ms.saturating_add(interval_ms),
            interval_ms,
        });
        Ok(schedule)
    }

    fn new_schedule(&mut self, interval: Duration) -> Result<(Schedule, i64), ProcessorError> {
        let interval_ms = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
        if interval_ms == 0 {
            let message = format!("cannot schedule every {interval:?}: 1 ms is the shortest");
            return Err(ProcessorError::new(message));
        }
        if self.stream.entries.len() + self.wall.entries.len() >= SCHEDULES_MAX {
            let message = format!(
                "cannot make another schedule: the processors of this task have {SCHEDULES_MAX}; \
                 make them in `init`, and cancel those that are done"
            );
            return Err(ProcessorError::new(message));
        }
        self.made += 1;
        Ok((Schedule(self.made), interval_ms))
    }

    pub(super) fn cancel(&mut self, schedule: Schedule) -> bool {
        self.stream.cancel(schedule) || self.wall.cancel(schedule)
    }
}

/// A schedule and its next call.
struct Entry {
    schedule: Schedule,
    place: usize,
    at: i64,
    interval_ms: i64,
}

impl Entry {
    /// Moves on to the next call. Calls that were missed are left out, the grid stays
    /// (`PunctuationSchedule.next`).
    fn advance(&mut self, now: i64) {
        let next = self.at.saturating_add(self.interval_ms);
        self.at = if now < next {
            next
        } else {
            let missed = now.saturating_sub(self.at) / self.interval_ms;
            let ahead = (missed + 1).saturating_mul(self.interval_ms);
            self.at.saturating_add(ahead)
        };
    }
}

/// The schedules by one clock.
pub(super) struct Queue {
    entries: Vec<Entry>,
    /// No call is earlier: one comparison per record where nothing is due.
    earliest: i64,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            earliest: i64::MAX,
        }
    }
}

impl Queue {
    fn add(&mut self, entry: Entry) {
        self.earliest = self.earliest.min(entry.at);
        self.entries.push(entry);
    }

    /// The earliest call that is due, of several the schedule made first; moves it on.
    pub(super) fn due(&mut self, now: i64) -> Option<Due> {
        if now < self.earliest {
            return None;
        }
        let first = self.entries.iter_mut().min_by_key(|entry| entry.at);
        let due = first.filter(|entry| entry.at <= now).map(|entry| {
            entry.advance(now);
            Due {
                place: entry.place,
                punctuation: Punctuation {
                    schedule: entry.schedule,
                    time: now,
                },
            }
        });
        let next = self.entries.iter().map(|entry| entry.at).min();
        self.earliest = next.unwrap_or(i64::MAX);
        due
    }

    fn cancel(&mut self, schedule: Schedule) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.schedule != schedule);
        self.entries.len() < before
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_millis(10);

    fn calls(queue: &mut Queue, now: i64) -> Vec<i64> {
        std::iter::from_fn(|| queue.due(now).map(|due| due.punctuation.time)).collect()
    }

    #[test]
    fn stream_time_is_called_as_soon_as_it_is_known_and_then_on_a_grid_from_zero() {
        let mut schedules = Schedules::default();
        schedules.by_stream_time(0, EVERY).unwrap();
        let queue = &mut schedules.stream;
        assert_eq!(calls(queue, 13), [13]);
        assert!(calls(queue, 19).is_empty());
        assert_eq!(calls(queue, 20), [20]);
        // Two calls were missed: one makes up for both.
        assert_eq!(calls(queue, 45), [45]);
        assert!(calls(queue, 49).is_empty());
        assert_eq!(calls(queue, 50), [50]);
    }

    #[test]
    fn the_wall_clock_is_called_first_after_the_interval() {
        let mut schedules = Schedules::default();
        schedules.by_wall_clock(0, EVERY, 1_003).unwrap();
        let queue = &mut schedules.wall;
        assert!(calls(queue, 1_012).is_empty());
        assert_eq!(calls(queue, 1_013), [1_013]);
        assert_eq!(calls(queue, 1_040), [1_040]);
        assert!(calls(queue, 1_042).is_empty());
        assert_eq!(calls(queue, 1_043), [1_043]);
    }

    #[test]
    fn a_cancelled_schedule_is_not_called_and_cancels_once() {
        let mut schedules = Schedules::default();
        let kept = schedules.by_stream_time(7, EVERY).unwrap();
        let gone = schedules.by_stream_time(8, EVERY).unwrap();
        assert!(schedules.cancel(gone));
        assert!(!schedules.cancel(gone));
        let due = schedules.stream.due(0).unwrap();
        assert_eq!((due.place, due.punctuation.schedule), (7, kept));
        assert_eq!(schedules.stream.due(0), None);
    }

    #[test]
    fn no_interval_and_too_many_schedules_are_refused() {
        let mut schedules = Schedules::default();
        assert!(schedules.by_stream_time(0, Duration::ZERO).is_err());
        for _ in 0..SCHEDULES_MAX {
            schedules.by_wall_clock(0, EVERY, 0).unwrap();
        }
        assert!(schedules.by_wall_clock(0, EVERY, 0).is_err());
    }
}
