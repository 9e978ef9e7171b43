//! Windows of time: of aggregations, and of joins of two streams.

use std::time::Duration;

use millrace_crds::topology::{EmitName, Hopping, Session, Sliding, Tumbling, WindowedBy};

/// A duration as the topology language writes it; whole milliseconds, rounded down.
pub(super) fn written(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

/// When the results of windows go on (KIP-825).
///
/// ```
/// # use millrace_worker::dsl::EmitStrategy;
/// assert_eq!(EmitStrategy::default(), EmitStrategy::OnWindowUpdate);
/// ```
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
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::TimeWindows;
    /// let minutes = TimeWindows::of_size_with_no_grace(Duration::from_secs(60));
    /// assert_eq!(minutes, TimeWindows::of_size_and_grace(Duration::from_secs(60), Duration::ZERO));
    /// ```
    pub fn of_size_with_no_grace(size: Duration) -> Self {
        Self::of_size_and_grace(size, Duration::ZERO)
    }

    /// Windows of this length that take late records for so long after their end.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder, TimeWindows, Windowed};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let minute = Duration::from_secs(60);
    /// let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
    /// clicks.windowed_by(TimeWindows::of_size_and_grace(minute, minute)).count("per-minute");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("clicks")?;
    /// # let store = driver.store::<Windowed<String>, i64>("per-minute")?;
    /// input.pipe_at("ann", "/home", 90_000)?;
    /// input.pipe_at("ann", "/home", 30_000)?;
    /// assert_eq!((store.all()?.len(), driver.dropped()), (2, 0));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn of_size_and_grace(size: Duration, grace: Duration) -> Self {
        Self {
            size,
            advance: None,
            grace,
        }
    }

    /// Makes them hopping: so long from one window's start to the next one's, at most the size.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder, TimeWindows, Windowed};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let minute = Duration::from_secs(60);
    /// let hopping = TimeWindows::of_size_with_no_grace(2 * minute).advance_by(minute);
    /// let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
    /// clicks.windowed_by(hopping).count("last-two-minutes");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("clicks")?;
    /// # let store = driver.store::<Windowed<String>, i64>("last-two-minutes")?;
    /// input.pipe_at("ann", "/home", 90_000)?;
    /// let starts = store.all()?.into_iter().map(|(window, _)| window.start);
    /// assert_eq!(starts.collect::<Vec<_>>(), [0, 60_000]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    #[must_use]
    pub fn advance_by(mut self, advance: Duration) -> Self {
        self.advance = Some(advance);
        self
    }
}

/// A window for each set of records of a key that are within a difference of each other (KIP-450).
///
/// ```
/// # use std::time::Duration;
/// # use millrace_worker::dsl::{Grouped, SlidingWindows, StreamsBuilder, Windowed};
/// # use millrace_worker::testing::TopologyTestDriver;
/// # let builder = StreamsBuilder::new();
/// let minute = SlidingWindows::of_time_difference_with_no_grace(Duration::from_secs(60));
/// let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
/// clicks.windowed_by(minute).count("within-a-minute");
/// # let driver = TopologyTestDriver::new("app", &builder.build())?;
/// # let mut input = driver.input_topic::<String, String>("clicks")?;
/// # let store = driver.store::<Windowed<String>, i64>("within-a-minute")?;
/// input.pipe_at("ann", "/home", 100_000)?;
/// input.pipe_at("ann", "/cart", 130_000)?;
/// let last_minute = Windowed { key: "ann".to_owned(), start: 70_000, end: 130_000 };
/// assert_eq!(store.get(&last_minute)?, Some(2));
/// # Ok::<(), millrace_worker::testing::DriverError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlidingWindows {
    difference: Duration,
    grace: Duration,
}

impl SlidingWindows {
    /// Windows of records at most so far apart; late ones are dropped.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::SlidingWindows;
    /// let minute = Duration::from_secs(60);
    /// let windows = SlidingWindows::of_time_difference_with_no_grace(minute);
    /// assert_eq!(windows, SlidingWindows::of_time_difference_and_grace(minute, Duration::ZERO));
    /// ```
    pub fn of_time_difference_with_no_grace(difference: Duration) -> Self {
        Self::of_time_difference_and_grace(difference, Duration::ZERO)
    }

    /// Windows of records at most so far apart, that take late ones for so long after their end.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{Grouped, SlidingWindows, StreamsBuilder, Windowed};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let minute = Duration::from_secs(60);
    /// let windows = SlidingWindows::of_time_difference_and_grace(minute, 10 * minute);
    /// let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
    /// clicks.windowed_by(windows).count("within-a-minute");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("clicks")?;
    /// input.pipe_at("ann", "/home", 500_000)?;
    /// input.pipe_at("ann", "/cart", 100_000)?;
    /// assert_eq!(driver.dropped(), 0);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn of_time_difference_and_grace(difference: Duration, grace: Duration) -> Self {
        Self { difference, grace }
    }
}

/// Records of a key without a longer pause between them.
///
/// ```
/// # use std::time::Duration;
/// # use millrace_worker::dsl::{Grouped, SessionWindows, StreamsBuilder, Windowed};
/// # use millrace_worker::testing::TopologyTestDriver;
/// # let builder = StreamsBuilder::new();
/// let minute = Duration::from_secs(60);
/// let pauses = SessionWindows::of_inactivity_gap_and_grace(minute, 10 * minute);
/// let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
/// clicks.windowed_by_sessions(pauses).count("visits");
/// # let driver = TopologyTestDriver::new("app", &builder.build())?;
/// # let mut input = driver.input_topic::<String, String>("clicks")?;
/// # let store = driver.store::<Windowed<String>, i64>("visits")?;
/// for second in [0, 30, 300] {
///     input.pipe_at("ann", "/home", second * 1_000)?;
/// }
/// let clicks = store.all()?.into_iter().map(|(_, clicks)| clicks);
/// assert_eq!(clicks.collect::<Vec<_>>(), [2, 1]);
/// # Ok::<(), millrace_worker::testing::DriverError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionWindows {
    gap: Duration,
    grace: Duration,
}

impl SessionWindows {
    /// Sessions with pauses of at most so long; late records are dropped.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::SessionWindows;
    /// let minute = Duration::from_secs(60);
    /// let windows = SessionWindows::of_inactivity_gap_with_no_grace(minute);
    /// assert_eq!(windows, SessionWindows::of_inactivity_gap_and_grace(minute, Duration::ZERO));
    /// ```
    pub fn of_inactivity_gap_with_no_grace(gap: Duration) -> Self {
        Self::of_inactivity_gap_and_grace(gap, Duration::ZERO)
    }

    /// Sessions with pauses of at most so long, that take late records for so long after their end.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{Grouped, SessionWindows, StreamsBuilder, Windowed};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let minute = Duration::from_secs(60);
    /// let windows = SessionWindows::of_inactivity_gap_and_grace(minute, 10 * minute);
    /// let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
    /// clicks.windowed_by_sessions(windows).count("visits");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("clicks")?;
    /// # let store = driver.store::<Windowed<String>, i64>("visits")?;
    /// input.pipe_at("ann", "/home", 500_000)?;
    /// input.pipe_at("ann", "/cart", 100_000)?;
    /// assert_eq!((store.all()?.len(), driver.dropped()), (2, 0));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
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
///
/// ```
/// # use std::time::Duration;
/// # use millrace_worker::dsl::{
/// #     FixedWindows, Grouped, KStream, KTable, SlidingWindows, StreamsBuilder, Windowed,
/// # };
/// /// Records of each key within windows.
/// fn counts(
///     clicks: &KStream<String, String>,
///     windows: impl FixedWindows,
/// ) -> KTable<Windowed<String>, i64> {
///     clicks.group_by_key(Grouped::new()).windowed_by(windows).count("counts")
/// }
///
/// let builder = StreamsBuilder::new();
/// let minute = SlidingWindows::of_time_difference_with_no_grace(Duration::from_secs(60));
/// counts(&builder.stream("clicks"), minute);
/// assert!(builder.build().plan("site").is_ok());
/// ```
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
///
/// ```
/// # use std::time::Duration;
/// # use millrace_worker::dsl::{JoinWindows, StreamsBuilder};
/// # use millrace_worker::testing::TopologyTestDriver;
/// # let builder = StreamsBuilder::new();
/// let hour = Duration::from_secs(3600);
/// // Payments up to an hour after their orders, not before them.
/// let windows = JoinWindows::of_time_difference_with_no_grace(hour).before(Duration::ZERO);
/// let orders = builder.stream::<String, i64>("orders");
/// let payments = builder.stream::<String, i64>("payments");
/// orders.join(&payments, |due, paid| due - paid, windows, "paid").to("still-due");
/// # let driver = TopologyTestDriver::new("app", &builder.build())?;
/// # let output = driver.output_topic::<String, i64>("still-due")?;
/// driver.input_topic::<String, i64>("orders")?.pipe_at("o1", 250, 0)?;
/// driver.input_topic::<String, i64>("payments")?.pipe_at("o1", 50, 60_000)?;
/// assert_eq!(output.read()?, ("o1".to_owned(), 200));
/// # Ok::<(), millrace_worker::testing::DriverError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinWindows {
    pub(super) before: Duration,
    pub(super) after: Duration,
    pub(super) grace: Duration,
}

impl JoinWindows {
    /// At most so far apart, either way; late records are dropped.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::JoinWindows;
    /// let hour = Duration::from_secs(3600);
    /// let windows = JoinWindows::of_time_difference_with_no_grace(hour);
    /// assert_eq!(windows, JoinWindows::of_time_difference_and_grace(hour, Duration::ZERO));
    /// ```
    pub fn of_time_difference_with_no_grace(difference: Duration) -> Self {
        Self::of_time_difference_and_grace(difference, Duration::ZERO)
    }

    /// At most so far apart, either way; late records are waited for for so long.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{JoinWindows, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let minute = Duration::from_secs(60);
    /// let windows = JoinWindows::of_time_difference_and_grace(minute, 10 * minute);
    /// let orders = builder.stream::<String, i64>("orders");
    /// let payments = builder.stream::<String, i64>("payments");
    /// orders.join(&payments, |due, paid| due - paid, windows, "paid").to("still-due");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let output = driver.output_topic::<String, i64>("still-due")?;
    /// driver.input_topic::<String, i64>("orders")?.pipe_at("o1", 250, 300_000)?;
    /// // Five minutes late, with an order of its time.
    /// driver.input_topic::<String, i64>("payments")?.pipe_at("o2", 40, 0)?;
    /// driver.input_topic::<String, i64>("orders")?.pipe_at("o2", 40, 1_000)?;
    /// assert_eq!(output.read()?, ("o2".to_owned(), 0));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn of_time_difference_and_grace(difference: Duration, grace: Duration) -> Self {
        Self {
            before: difference,
            after: difference,
            grace,
        }
    }

    /// How much earlier than the left record the right one may be.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{JoinWindows, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let minute = Duration::from_secs(60);
    /// let windows = JoinWindows::of_time_difference_with_no_grace(minute).before(Duration::ZERO);
    /// let orders = builder.stream::<String, i64>("orders");
    /// let payments = builder.stream::<String, i64>("payments");
    /// orders.join(&payments, |due, paid| due - paid, windows, "paid").to("still-due");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let output = driver.output_topic::<String, i64>("still-due")?;
    /// driver.input_topic::<String, i64>("payments")?.pipe_at("o1", 250, 0)?;
    /// driver.input_topic::<String, i64>("orders")?.pipe_at("o1", 250, 10_000)?;
    /// assert!(output.is_empty());
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    #[must_use]
    pub fn before(mut self, before: Duration) -> Self {
        self.before = before;
        self
    }

    /// How much later than the left record the right one may be.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{JoinWindows, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let minute = Duration::from_secs(60);
    /// let windows = JoinWindows::of_time_difference_with_no_grace(minute).after(10 * minute);
    /// let orders = builder.stream::<String, i64>("orders");
    /// let payments = builder.stream::<String, i64>("payments");
    /// orders.join(&payments, |due, paid| due - paid, windows, "paid").to("still-due");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let output = driver.output_topic::<String, i64>("still-due")?;
    /// driver.input_topic::<String, i64>("orders")?.pipe_at("o1", 250, 0)?;
    /// driver.input_topic::<String, i64>("payments")?.pipe_at("o1", 250, 540_000)?;
    /// assert_eq!(output.read()?, ("o1".to_owned(), 0));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    #[must_use]
    pub fn after(mut self, after: Duration) -> Self {
        self.after = after;
        self
    }
}
