//! [`CogroupedKStream`]: several grouped streams on their way into one table, perhaps by windows.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use millrace_crds::topology::{Cogroup, Cogrouped, Step, WindowedBy};

use super::aggregator::{aggregator, initializer, merger};
use super::call::serdes;
use super::graph::{Handle, Kind, NodeId};
use super::grouped::KGroupedStream;
use super::key::Windowed;
use super::options::Materialized;
use super::table::KTable;
use super::windows::{FixedWindows, SessionWindows, written};
use crate::data::Data;

/// Several grouped streams with keys `K`, each with an aggregator of its own, and one aggregate `A`
/// (KIP-150). A stream after the first whose key has changed needs a name of its grouping.
///
/// ```
/// use millrace_worker::dsl::{Grouped, StreamsBuilder};
///
/// let builder = StreamsBuilder::new();
/// let orders = builder.stream::<String, i64>("orders").group_by_key(Grouped::new());
/// let payments = builder.stream::<String, f64>("payments").group_by_key(Grouped::new());
/// orders
///     .cogroup(|_, ordered, open: i64| open + ordered)
///     .cogroup(&payments, |_, paid, open| open - *paid as i64)
///     .aggregate(|| 0, "open")
///     .to_stream()
///     .to("open-amounts");
/// builder.build().plan("shop").unwrap();
/// ```
pub struct CogroupedKStream<K, A> {
    handle: Handle,
    group: Vec<Step>,
    value: String,
    with: Vec<Cogrouped>,
    others: Vec<NodeId>,
    types: PhantomData<fn() -> (K, A)>,
}

impl<K: Data, A: Data> CogroupedKStream<K, A> {
    pub(super) fn of<V: Data>(
        first: &KGroupedStream<K, V>,
        aggregate: impl Fn(&K, &V, A) -> A + Send + Sync + 'static,
    ) -> Self {
        let (handle, group) = first.parts();
        Self {
            value: aggregator(&handle.graph, "cogroup", aggregate),
            handle: handle.clone(),
            group: group.to_vec(),
            with: Vec::new(),
            others: Vec::new(),
            types: PhantomData,
        }
    }

    /// Takes another stream's groups in.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders").group_by_key(Grouped::new());
    /// let payments = builder.stream::<String, i64>("payments").group_by_key(Grouped::new());
    /// let refunds = builder.stream::<String, i64>("refunds").group_by_key(Grouped::new());
    /// orders
    ///     .cogroup(|_, ordered, open: i64| open + ordered)
    ///     .cogroup(&payments, |_, paid, open| open - paid)
    ///     .cogroup(&refunds, |_, refunded, open| open + refunded)
    ///     .aggregate(|| 0, "open");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// driver.input_topic::<String, i64>("orders")?.pipe("ann", 30)?;
    /// driver.input_topic::<String, i64>("payments")?.pipe("ann", 20)?;
    /// assert_eq!(driver.store::<String, i64>("open")?.get(&"ann".to_owned())?, Some(10));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    #[must_use]
    pub fn cogroup<V: Data>(
        mut self,
        other: &KGroupedStream<K, V>,
        aggregate: impl Fn(&K, &V, A) -> A + Send + Sync + 'static,
    ) -> Self {
        let (handle, group) = other.parts();
        let (key, name) = match group {
            [Step::GroupBy(by), ..] => (Some(by.key.clone()), by.name.clone()),
            [Step::GroupByKey(by), ..] => (None, by.name.clone()),
            _ => (None, None),
        };
        self.with.push(Cogrouped {
            stream: String::new(),
            key,
            value: aggregator(&handle.graph, "cogroup", aggregate),
            name,
        });
        self.others.push(self.handle.other(handle));
        self
    }

    /// The table of all of them.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders").group_by_key(Grouped::new());
    /// let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
    /// orders
    ///     .cogroup(|_, amount, score: i64| score + amount)
    ///     .cogroup(&clicks, |_, _, score| score + 1)
    ///     .aggregate(|| 100, "scores")
    ///     .to_stream()
    ///     .to("scores");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let output = driver.output_topic::<String, i64>("scores")?;
    /// driver.input_topic::<String, String>("clicks")?.pipe("ann", "/home")?;
    /// assert_eq!(output.read()?, ("ann".to_owned(), 101));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn aggregate(
        self,
        initial: impl Fn() -> A + Send + Sync + 'static,
        store: impl Into<Materialized>,
    ) -> KTable<K, A::Present> {
        KTable::of(self.aggregated(None, initial, None, store.into()))
    }

    /// Divides the groups by time: see [`TimeWindowedCogroupedKStream`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder, TimeWindows};
    /// # let builder = StreamsBuilder::new();
    /// # let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
    /// # let hour = Duration::from_secs(3600);
    /// let windows = TimeWindows::of_size_with_no_grace(hour);
    /// let counted = clicks.cogroup(|_, _, n: i64| n + 1).windowed_by(windows);
    /// counted.aggregate(|| 0, "clicks-per-hour").to_stream();
    /// # builder.build().plan("clicks").unwrap();
    /// ```
    pub fn windowed_by(self, windows: impl FixedWindows) -> TimeWindowedCogroupedKStream<K, A> {
        TimeWindowedCogroupedKStream {
            cogrouped: self,
            windows: windows.step(),
        }
    }

    /// Divides the groups into sessions: see [`SessionWindowedCogroupedKStream`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{Grouped, SessionWindows, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
    /// # let hour = Duration::from_secs(3600);
    /// let windows = SessionWindows::of_inactivity_gap_with_no_grace(hour);
    /// let counted = clicks.cogroup(|_, _, n: i64| n + 1).windowed_by_sessions(windows);
    /// counted.aggregate(|| 0, |_, one, other| one + other, "clicks-per-visit").to_stream();
    /// # builder.build().plan("clicks").unwrap();
    /// ```
    pub fn windowed_by_sessions(
        self,
        windows: SessionWindows,
    ) -> SessionWindowedCogroupedKStream<K, A> {
        SessionWindowedCogroupedKStream {
            cogrouped: self,
            windows: windows.step(),
        }
    }

    fn aggregated(
        self,
        windows: Option<WindowedBy>,
        initial: impl Fn() -> A + Send + Sync + 'static,
        merge: Option<String>,
        store: Materialized,
    ) -> Handle {
        let store = self.handle.graph.keeping(store);
        let step = Step::Cogroup(Cogroup {
            name: store.store,
            initial: initializer(&self.handle.graph, initial),
            value: self.value,
            with: self.with,
            merge,
            serdes: serdes::<K, A>(),
            in_memory: store.in_memory,
            logging: store.logging,
            caching: store.caching,
        });
        let windows = windows.map(Step::WindowedBy);
        let steps = self.group.into_iter().chain(windows).chain([step]);
        self.handle.steps(steps.collect(), Kind::Table, self.others)
    }
}

/// Several grouped streams, divided by windows of time. Results go on at each record, as in Kafka
/// Streams; for one result per window, let [`suppress`](KTable::suppress) follow.
///
/// ```
/// use std::time::Duration;
/// use millrace_worker::dsl::{Grouped, StreamsBuilder, TimeWindows};
///
/// let builder = StreamsBuilder::new();
/// let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
/// let calls = builder.stream::<String, i64>("calls").group_by_key(Grouped::new());
/// clicks
///     .cogroup(|_, _, contacts: i64| contacts + 1)
///     .cogroup(&calls, |_, _, contacts| contacts + 1)
///     .windowed_by(TimeWindows::of_size_with_no_grace(Duration::from_secs(3600)))
///     .aggregate(|| 0, "contacts-per-hour")
///     .to_stream()
///     .select_key(|windowed, _| windowed.key.clone())
///     .to("contacts");
/// builder.build().plan("contacts").unwrap();
/// ```
pub struct TimeWindowedCogroupedKStream<K, A> {
    cogrouped: CogroupedKStream<K, A>,
    windows: WindowedBy,
}

impl<K: Data, A: Data> TimeWindowedCogroupedKStream<K, A> {
    /// How long windows are kept, for queries. Default, and least: as long as they can change.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder, TimeWindows};
    /// # let builder = StreamsBuilder::new();
    /// # let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
    /// # let hour = Duration::from_secs(3600);
    /// let windows = TimeWindows::of_size_with_no_grace(hour);
    /// let counted = clicks.cogroup(|_, _, n: i64| n + 1).windowed_by(windows);
    /// counted.with_retention(24 * hour).aggregate(|| 0, "clicks-of-the-day");
    /// # builder.build().plan("clicks").unwrap();
    /// ```
    #[must_use]
    pub fn with_retention(mut self, retention: Duration) -> Self {
        self.windows.retention = Some(written(retention));
        self
    }

    /// The table of all of them, by key and window.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder, TimeWindows};
    /// # let builder = StreamsBuilder::new();
    /// # let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
    /// # let hour = Duration::from_secs(3600);
    /// let windows = TimeWindows::of_size_with_no_grace(hour);
    /// let counted = clicks.cogroup(|_, _, n: i64| n + 1).windowed_by(windows);
    /// counted.aggregate(|| 0, "clicks-per-hour").to_stream();
    /// # builder.build().plan("clicks").unwrap();
    /// ```
    pub fn aggregate(
        self,
        initial: impl Fn() -> A + Send + Sync + 'static,
        store: impl Into<Materialized>,
    ) -> KTable<Windowed<K>, A::Present> {
        let windows = Some(self.windows);
        KTable::of(
            self.cogrouped
                .aggregated(windows, initial, None, store.into()),
        )
    }
}

/// Several grouped streams, divided into sessions: records of any of them make one last.
///
/// ```
/// use std::time::Duration;
/// use millrace_worker::dsl::{Grouped, SessionWindows, StreamsBuilder};
///
/// let builder = StreamsBuilder::new();
/// let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
/// let calls = builder.stream::<String, i64>("calls").group_by_key(Grouped::new());
/// let pause = Duration::from_secs(1800);
/// clicks
///     .cogroup(|_, _, contacts: i64| contacts + 1)
///     .cogroup(&calls, |_, _, contacts| contacts + 1)
///     .windowed_by_sessions(SessionWindows::of_inactivity_gap_with_no_grace(pause))
///     .aggregate(|| 0, |_, one, other| one + other, "contacts-per-visit")
///     .to_stream()
///     .select_key(|windowed, _| windowed.key.clone())
///     .to("visits");
/// builder.build().plan("visits").unwrap();
/// ```
pub struct SessionWindowedCogroupedKStream<K, A> {
    cogrouped: CogroupedKStream<K, A>,
    windows: WindowedBy,
}

impl<K: Data, A: Data> SessionWindowedCogroupedKStream<K, A> {
    /// How long sessions are kept, for queries. Default, and least: as long as they can change.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{Grouped, SessionWindows, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
    /// # let hour = Duration::from_secs(3600);
    /// let windows = SessionWindows::of_inactivity_gap_with_no_grace(hour);
    /// let counted = clicks.cogroup(|_, _, n: i64| n + 1).windowed_by_sessions(windows);
    /// let kept = counted.with_retention(24 * hour);
    /// kept.aggregate(|| 0, |_, one, other| one + other, "visits-of-the-day");
    /// # builder.build().plan("clicks").unwrap();
    /// ```
    #[must_use]
    pub fn with_retention(mut self, retention: Duration) -> Self {
        self.windows.retention = Some(written(retention));
        self
    }

    /// The table of all of them, by key and session; `merge` makes one of two sessions that a record
    /// joins.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{Grouped, SessionWindows, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
    /// # let hour = Duration::from_secs(3600);
    /// let windows = SessionWindows::of_inactivity_gap_with_no_grace(hour);
    /// let counted = clicks.cogroup(|_, _, n: i64| n + 1).windowed_by_sessions(windows);
    /// counted.aggregate(|| 0, |_, one, other| one + other, "clicks-per-visit").to_stream();
    /// # builder.build().plan("clicks").unwrap();
    /// ```
    pub fn aggregate(
        self,
        initial: impl Fn() -> A + Send + Sync + 'static,
        merge: impl Fn(&K, A, A) -> A + Send + Sync + 'static,
        store: impl Into<Materialized>,
    ) -> KTable<Windowed<K>, A::Present> {
        let merge = Some(merger(&self.cogrouped.handle.graph, merge));
        let windows = Some(self.windows);
        KTable::of(
            self.cogrouped
                .aggregated(windows, initial, merge, store.into()),
        )
    }
}

impl<K, A> fmt::Debug for CogroupedKStream<K, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CogroupedKStream of {}", self.with.len() + 1)
    }
}

impl<K, A> fmt::Debug for TimeWindowedCogroupedKStream<K, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TimeWindowed{:?} by {:?}", self.cogrouped, self.windows)
    }
}

impl<K, A> fmt::Debug for SessionWindowedCogroupedKStream<K, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SessionWindowed{:?} by {:?}",
            self.cogrouped, self.windows
        )
    }
}
