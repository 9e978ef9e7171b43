//! [`TimeWindowedKStream`] and [`SessionWindowedKStream`]: groups divided by time.

use std::fmt;
use std::time::Duration;

use millrace_crds::topology::{Step, WindowedBy};

use super::aggregator::{aggregator, initializer, merger, reducer};
use super::graph::Kind;
use super::grouped::{Calls, KGroupedStream, aggregate_step, count, reduced};
use super::key::Windowed;
use super::options::Materialized;
use super::table::KTable;
use super::windows::{EmitStrategy, written};
use crate::data::Data;

/// Groups divided by windows of time. Results are tables whose keys are [`Windowed`].
///
/// ```
/// use std::time::Duration;
/// use millrace_worker::dsl::{EmitStrategy, Grouped, StreamsBuilder, TimeWindows};
///
/// let builder = StreamsBuilder::new();
/// builder
///     .stream::<String, String>("requests")
///     .group_by_key(Grouped::new())
///     .windowed_by(TimeWindows::of_size_with_no_grace(Duration::from_secs(600)))
///     .emit_strategy(EmitStrategy::OnWindowClose)
///     .count("last-ten-minutes")
///     .to_stream()
///     .select_key(|windowed, _| format!("{}@{}", windowed.key, windowed.start))
///     .to("requests-per-ten-minutes");
/// builder.build().plan("requests").unwrap();
/// ```
pub struct TimeWindowedKStream<K, V>(Groups<K, V>);

/// Groups divided into sessions. Results are tables whose keys are [`Windowed`].
///
/// ```
/// # use std::time::Duration;
/// # use millrace_worker::dsl::{
/// #     Grouped, SessionWindowedKStream, SessionWindows, StreamsBuilder,
/// # };
/// # use millrace_worker::testing::TopologyTestDriver;
/// # let builder = StreamsBuilder::new();
/// let visits = SessionWindows::of_inactivity_gap_with_no_grace(Duration::from_secs(60));
/// let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
/// let sessions: SessionWindowedKStream<String, String> = clicks.windowed_by_sessions(visits);
/// sessions
///     .count("clicks-per-visit")
///     .to_stream()
///     .select_key(|visit, _| format!("{} {}..{}", visit.key, visit.start, visit.end))
///     .to("visits");
/// # let driver = TopologyTestDriver::new("app", &builder.build())?;
/// # let mut input = driver.input_topic::<String, String>("clicks")?;
/// # let output = driver.output_topic::<String, Option<i64>>("visits")?;
/// input.pipe_at("ann", "/home", 1_000)?;
/// input.pipe_at("ann", "/cart", 31_000)?;
/// let visits = output.read_all()?;
/// assert_eq!(visits.last(), Some(&("ann 1000..31000".to_owned(), Some(2))));
/// # Ok::<(), millrace_worker::testing::DriverError>(())
/// ```
pub struct SessionWindowedKStream<K, V>(Groups<K, V>);

struct Groups<K, V> {
    grouped: KGroupedStream<K, V>,
    windows: WindowedBy,
}

impl<K: Data, V: Data> Groups<K, V> {
    fn aggregated<A>(&self, step: Step) -> KTable<Windowed<K>, A> {
        let (handle, group) = self.grouped.parts();
        let windows = Step::WindowedBy(self.windows.clone());
        let steps = group.iter().cloned().chain([windows, step]).collect();
        KTable::of(handle.steps(steps, Kind::Table, Vec::new()))
    }

    fn keeping(&self, store: impl Into<Materialized>) -> Materialized {
        self.grouped.parts().0.graph.keeping(store)
    }

    fn count(&self, store: Materialized) -> KTable<Windowed<K>, i64> {
        self.aggregated(count::<K>(store))
    }

    fn reduce(
        &self,
        reduce: impl Fn(&V, &V) -> V + Send + Sync + 'static,
        store: Materialized,
    ) -> KTable<Windowed<K>, V::Present> {
        let call = reducer(&self.grouped.parts().0.graph, "reduce", reduce);
        self.aggregated(reduced::<K, V>(call, store))
    }

    fn aggregate<A: Data>(
        &self,
        initial: impl Fn() -> A + Send + Sync + 'static,
        aggregate: impl Fn(&K, &V, A) -> A + Send + Sync + 'static,
        merge: Option<String>,
        store: Materialized,
    ) -> KTable<Windowed<K>, A::Present> {
        let graph = &self.grouped.parts().0.graph;
        let calls = Calls {
            initial: initializer(graph, initial),
            value: aggregator(graph, "aggregate", aggregate),
            merge,
        };
        self.aggregated(aggregate_step::<K, A>(calls, store))
    }
}

impl<K: Data, V: Data> TimeWindowedKStream<K, V> {
    pub(super) fn of(grouped: KGroupedStream<K, V>, windows: WindowedBy) -> Self {
        Self(Groups { grouped, windows })
    }

    /// When results go on. Default: at each record.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{EmitStrategy, Grouped, StreamsBuilder, TimeWindows, Windowed};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let minutes = TimeWindows::of_size_with_no_grace(Duration::from_secs(60));
    /// let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
    /// let windowed = clicks.windowed_by(minutes).emit_strategy(EmitStrategy::OnWindowClose);
    /// windowed.count("per-minute").to_stream().to("clicks-per-minute");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("clicks")?;
    /// # let output = driver.output_topic::<Windowed<String>, i64>("clicks-per-minute")?;
    /// input.pipe_at("ann", "/home", 1_000)?;
    /// input.pipe_at("ann", "/cart", 2_000)?;
    /// assert!(output.is_empty());
    /// input.pipe_at("ann", "/home", 60_000)?;
    /// assert_eq!(output.read()?.1, 2);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    #[must_use]
    pub fn emit_strategy(mut self, strategy: EmitStrategy) -> Self {
        self.0.windows.emit = strategy.into();
        self
    }

    /// How long windows are kept, for queries. Default, and least: as long as they can change.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder, TimeWindows};
    /// # let builder = StreamsBuilder::new();
    /// let minutes = TimeWindows::of_size_with_no_grace(Duration::from_secs(60));
    /// let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
    /// let windowed = clicks.windowed_by(minutes).with_retention(Duration::from_secs(24 * 3600));
    /// windowed.count("per-minute");
    /// assert!(builder.build().plan("site").is_ok());
    /// ```
    #[must_use]
    pub fn with_retention(mut self, retention: Duration) -> Self {
        self.0.windows.retention = Some(written(retention));
        self
    }

    /// The number of records of each key and window.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder, TimeWindows, Windowed};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let minutes = TimeWindows::of_size_with_no_grace(Duration::from_secs(60));
    /// let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
    /// clicks.windowed_by(minutes).count("per-minute");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("clicks")?;
    /// # let store = driver.store::<Windowed<String>, i64>("per-minute")?;
    /// input.pipe_at("ann", "/home", 1_000)?;
    /// input.pipe_at("ann", "/cart", 2_000)?;
    /// let minute = Windowed { key: "ann".to_owned(), start: 0, end: 60_000 };
    /// assert_eq!(store.get(&minute)?, Some(2));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn count(&self, store: impl Into<Materialized>) -> KTable<Windowed<K>, i64> {
        self.0.count(self.0.keeping(store))
    }

    /// Records of each key and window combined, starting from the first.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder, TimeWindows, Windowed};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let hours = TimeWindows::of_size_with_no_grace(Duration::from_secs(3600));
    /// let readings = builder.stream::<String, f64>("readings").group_by_key(Grouped::new());
    /// readings.windowed_by(hours).reduce(|highest, celsius| highest.max(*celsius), "highest");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, f64>("readings")?;
    /// # let store = driver.store::<Windowed<String>, f64>("highest")?;
    /// input.pipe_at("roof", 19.0, 1_000)?;
    /// input.pipe_at("roof", 21.5, 2_000)?;
    /// let hour = Windowed { key: "roof".to_owned(), start: 0, end: 3_600_000 };
    /// assert_eq!(store.get(&hour)?, Some(21.5));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn reduce(
        &self,
        reduce: impl Fn(&V, &V) -> V + Send + Sync + 'static,
        store: impl Into<Materialized>,
    ) -> KTable<Windowed<K>, V::Present> {
        self.0.reduce(reduce, self.0.keeping(store))
    }

    /// Records of each key and window taken into an aggregate.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder, TimeWindows, Windowed};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let minutes = TimeWindows::of_size_with_no_grace(Duration::from_secs(60));
    /// let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
    /// clicks.windowed_by(minutes).aggregate(String::new, |_, page, path| path + page, "paths");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("clicks")?;
    /// # let store = driver.store::<Windowed<String>, String>("paths")?;
    /// input.pipe_at("ann", "/home", 1_000)?;
    /// input.pipe_at("ann", "/cart", 2_000)?;
    /// assert_eq!(store.all()?[0].1, "/home/cart");
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn aggregate<A: Data>(
        &self,
        initial: impl Fn() -> A + Send + Sync + 'static,
        aggregate: impl Fn(&K, &V, A) -> A + Send + Sync + 'static,
        store: impl Into<Materialized>,
    ) -> KTable<Windowed<K>, A::Present> {
        self.0
            .aggregate(initial, aggregate, None, self.0.keeping(store))
    }
}

impl<K: Data, V: Data> SessionWindowedKStream<K, V> {
    pub(super) fn of(grouped: KGroupedStream<K, V>, windows: WindowedBy) -> Self {
        Self(Groups { grouped, windows })
    }

    /// When results go on. Default: at each record.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{
    /// #     EmitStrategy, Grouped, SessionWindows, StreamsBuilder, Windowed,
    /// # };
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let visits = SessionWindows::of_inactivity_gap_with_no_grace(Duration::from_secs(60));
    /// let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
    /// let sessions = clicks.windowed_by_sessions(visits).emit_strategy(EmitStrategy::OnWindowClose);
    /// sessions.count("per-visit").to_stream().to("visits");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("clicks")?;
    /// # let output = driver.output_topic::<Windowed<String>, i64>("visits")?;
    /// input.pipe_at("ann", "/home", 1_000)?;
    /// input.pipe_at("ann", "/cart", 2_000)?;
    /// assert!(output.is_empty());
    /// input.pipe_at("ann", "/home", 200_000)?;
    /// assert_eq!(output.read()?.1, 2);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    #[must_use]
    pub fn emit_strategy(mut self, strategy: EmitStrategy) -> Self {
        self.0.windows.emit = strategy.into();
        self
    }

    /// How long sessions are kept, for queries. Default, and least: as long as they can change.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{Grouped, SessionWindows, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// let visits = SessionWindows::of_inactivity_gap_with_no_grace(Duration::from_secs(60));
    /// let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
    /// let sessions = clicks.windowed_by_sessions(visits).with_retention(Duration::from_secs(3600));
    /// sessions.count("per-visit");
    /// assert!(builder.build().plan("site").is_ok());
    /// ```
    #[must_use]
    pub fn with_retention(mut self, retention: Duration) -> Self {
        self.0.windows.retention = Some(written(retention));
        self
    }

    /// The number of records of each session.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{Grouped, SessionWindows, StreamsBuilder, Windowed};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let visits = SessionWindows::of_inactivity_gap_with_no_grace(Duration::from_secs(60));
    /// let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
    /// clicks.windowed_by_sessions(visits).count("per-visit");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("clicks")?;
    /// # let store = driver.store::<Windowed<String>, i64>("per-visit")?;
    /// input.pipe_at("ann", "/home", 1_000)?;
    /// input.pipe_at("ann", "/cart", 2_000)?;
    /// let visit = Windowed { key: "ann".to_owned(), start: 1_000, end: 2_000 };
    /// assert_eq!(store.all()?, [(visit, 2)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn count(&self, store: impl Into<Materialized>) -> KTable<Windowed<K>, i64> {
        self.0.count(self.0.keeping(store))
    }

    /// Records of each session combined, starting from the first.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{Grouped, SessionWindows, StreamsBuilder, Windowed};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let pauses = SessionWindows::of_inactivity_gap_with_no_grace(Duration::from_secs(60));
    /// let orders = builder.stream::<String, i64>("orders").group_by_key(Grouped::new());
    /// orders.windowed_by_sessions(pauses).reduce(|sum, amount| sum + amount, "per-visit");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// # let store = driver.store::<Windowed<String>, i64>("per-visit")?;
    /// input.pipe_at("ann", 250, 1_000)?;
    /// input.pipe_at("ann", 40, 2_000)?;
    /// assert_eq!(store.all()?[0].1, 290);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn reduce(
        &self,
        reduce: impl Fn(&V, &V) -> V + Send + Sync + 'static,
        store: impl Into<Materialized>,
    ) -> KTable<Windowed<K>, V::Present> {
        self.0.reduce(reduce, self.0.keeping(store))
    }

    /// Records of each session taken into an aggregate; `merge` makes one of two sessions that a
    /// record joins.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{Grouped, SessionWindows, StreamsBuilder, Windowed};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let minute = Duration::from_secs(60);
    /// let pauses = SessionWindows::of_inactivity_gap_and_grace(minute, minute);
    /// let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
    /// clicks.windowed_by_sessions(pauses).aggregate(
    ///     || 0_i64,
    ///     |_, _, clicks| clicks + 1,
    ///     |_, one, other| one + other,
    ///     "clicks-per-visit",
    /// );
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("clicks")?;
    /// # let store = driver.store::<Windowed<String>, i64>("clicks-per-visit")?;
    /// for time in [0, 100_000, 50_000] {
    ///     input.pipe_at("ann", "/home", time)?;
    /// }
    /// let visit = Windowed { key: "ann".to_owned(), start: 0, end: 100_000 };
    /// assert_eq!(store.all()?, [(visit, 3)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn aggregate<A: Data>(
        &self,
        initial: impl Fn() -> A + Send + Sync + 'static,
        aggregate: impl Fn(&K, &V, A) -> A + Send + Sync + 'static,
        merge: impl Fn(&K, A, A) -> A + Send + Sync + 'static,
        store: impl Into<Materialized>,
    ) -> KTable<Windowed<K>, A::Present> {
        let merge = merger(&self.0.grouped.parts().0.graph, merge);
        self.0
            .aggregate(initial, aggregate, Some(merge), self.0.keeping(store))
    }
}

impl<K, V> fmt::Debug for TimeWindowedKStream<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TimeWindowedKStream({:?})", self.0.windows)
    }
}

impl<K, V> fmt::Debug for SessionWindowedKStream<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionWindowedKStream({:?})", self.0.windows)
    }
}
