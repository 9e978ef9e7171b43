//! Windows of time: of aggregations, and of joins of two streams.

use std::time::Duration;

use millrace_crds::topology::{EmitName, Hopping, Session, Sliding, Tumbling, WindowedBy};

/// A duration as the topology language writes it; whole milliseconds, rounded down.
pub(super) fn written(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

/// When the results of windows go on (KIP-825).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmitStrategy {
    /// At each record. The default.
    #[default]
    OnWindowUpdate,
    /// Once, when the window has closed.
    OnWindowClose,
}

impl From<EmitStrategy> for EmitName {
    fn from(strategy: EmitStrategy) -> Self {
        match strategy {
            EmitStrategy::OnWindowUpdate => Self::OnUpdate,
            EmitStrategy::OnWindowClose => Self::OnWindowClose,
        }
    }
}

/// Windows of one length: one after the other (tumbling), or overlapping (hopping).
///
/// ```
/// use std::time::Duration;
/// use millrace_worker::dsl::TimeWindows;
///
/// let minute = Duration::from_secs(60);
/// let tumbling = TimeWindows::of_size_with_no_grace(10 * minute);
/// let hopping = TimeWindows::of_size_and_grace(10 * minute, minute).advance_by(minute);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeWindows {
    size: Duration,
    advance: Option<Duration>,
    grace: Duration,
}

impl TimeWindows {
    /// Windows of this length; a record that comes after the end of its window is dropped.
    pub fn of_size_with_no_grace(size: Duration) -> Self {
        Self::of_size_and_grace(size, Duration::ZERO)
    }

    /// Windows of this length that take late records for so long after their end.
    pub fn of_size_and_grace(size: Duration, grace: Duration) -> Self {
        Self {
            size,
            advance: None,
            grace,
        }
    }

    /// Makes them hopping: so long from one window's start to the next one's, at most the size.
    #[must_use]
    pub fn advance_by(mut self, advance: Duration) -> Self {
        self.advance = Some(advance);
        self
    }
}

/// A window for each set of records of a key that are within a difference of each other (KIP-450).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlidingWindows {
    difference: Duration,
    grace: Duration,
}

impl SlidingWindows {
    /// Windows of records at most so far apart; late ones are dropped.
    pub fn of_time_difference_with_no_grace(difference: Duration) -> Self {
        Self::of_time_difference_and_grace(difference, Duration::ZERO)
    }

    /// Windows of records at most so far apart, that take late ones for so long after their end.
    pub fn of_time_difference_and_grace(difference: Duration, grace: Duration) -> Self {
        Self { difference, grace }
    }
}

/// Records of a key without a longer pause between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionWindows {
    gap: Duration,
    grace: Duration,
}

impl SessionWindows {
    /// Sessions with pauses of at most so long; late records are dropped.
    pub fn of_inactivity_gap_with_no_grace(gap: Duration) -> Self {
        Self::of_inactivity_gap_and_grace(gap, Duration::ZERO)
    }

    /// Sessions with pauses of at most so long, that take late records for so long after their end.
    pub fn of_inactivity_gap_and_grace(gap: Duration, grace: Duration) -> Self {
        Self { gap, grace }
    }

    pub(super) fn step(self) -> WindowedBy {
        WindowedBy {
            session: Some(Session {
                gap: written(self.gap),
            }),
            grace: Some(written(self.grace)),
            ..WindowedBy::default()
        }
    }
}

/// Windows in which each record's time alone, not its neighbours, decides: [`TimeWindows`] and
/// [`SlidingWindows`].
pub trait FixedWindows {
    /// The step of the topology language.
    #[doc(hidden)]
    fn step(self) -> WindowedBy;
}

impl FixedWindows for TimeWindows {
    fn step(self) -> WindowedBy {
        let size = written(self.size);
        let grace = Some(written(self.grace));
        match self.advance.map(written) {
            None => WindowedBy {
                tumbling: Some(Tumbling { size }),
                grace,
                ..WindowedBy::default()
            },
            Some(advance) => WindowedBy {
                hopping: Some(Hopping { size, advance }),
                grace,
                ..WindowedBy::default()
            },
        }
    }
}

impl FixedWindows for SlidingWindows {
    fn step(self) -> WindowedBy {
        WindowedBy {
            sliding: Some(Sliding {
                difference: written(self.difference),
            }),
            grace: Some(written(self.grace)),
            ..WindowedBy::default()
        }
    }
}

/// How far apart in time two records of a join may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinWindows {
    pub(super) before: Duration,
    pub(super) after: Duration,
    pub(super) grace: Duration,
}

impl JoinWindows {
    /// At most so far apart, either way; late records are dropped.
    pub fn of_time_difference_with_no_grace(difference: Duration) -> Self {
        Self::of_time_difference_and_grace(difference, Duration::ZERO)
    }

    /// At most so far apart, either way; late records are waited for for so long.
    pub fn of_time_difference_and_grace(difference: Duration, grace: Duration) -> Self {
        Self {
            before: difference,
            after: difference,
            grace,
        }
    }

    /// How much earlier than the left record the right one may be.
    #[must_use]
    pub fn before(mut self, before: Duration) -> Self {
        self.before = before;
        self
    }

    /// How much later than the left record the right one may be.
    #[must_use]
    pub fn after(mut self, after: Duration) -> Self {
        self.after = after;
        self
    }
}
