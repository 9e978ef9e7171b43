//! [`KGroupedStream`]: a stream on its way into an aggregation.

use std::fmt;
use std::marker::PhantomData;

use millrace_crds::topology::{Aggregate, Count, GroupBy, GroupByKey, Reduce, Step};

use super::aggregator::{aggregator, initializer, reducer};
use super::call::{computed, serdes};
use super::cogroup::CogroupedKStream;
use super::graph::{Handle, Kind};
use super::key::Key;
use super::options::{Grouped, Materialized};
use super::stream::KStream;
use super::table::KTable;
use super::windowed::{SessionWindowedKStream, TimeWindowedKStream};
use super::windows::{FixedWindows, SessionWindows};
use crate::data::Data;

/// A grouped stream. Records without key or value are left out of aggregations.
///
/// ```
/// use millrace_worker::dsl::{Grouped, StreamsBuilder};
///
/// let builder = StreamsBuilder::new();
/// let words = builder
///     .stream::<String, String>("lines")
///     .flat_map_values(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
/// words
///     .group_by(|_, word| word.clone(), Grouped::new())
///     .count("counts")
///     .to_stream()
///     .to("word-counts");
/// builder.build().plan("word-count").unwrap();
/// ```
pub struct KGroupedStream<K, V> {
    handle: Handle,
    /// The grouping, and windows if there are: steps that only an aggregation may follow.
    group: Vec<Step>,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for KGroupedStream<K, V> {
    fn clone(&self) -> Self {
        Self {
            handle: self.handle.clone(),
            group: self.group.clone(),
            types: PhantomData,
        }
    }
}

impl<K, V> fmt::Debug for KGroupedStream<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KGroupedStream")
    }
}

impl<K: Data, V: Data> KStream<K, V> {
    /// Groups records by the key they have; through a repartition topic where an operator before has
    /// changed it.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders");
    /// orders.group_by_key(Grouped::new()).count("orders-per-customer");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// # let store = driver.store::<String, i64>("orders-per-customer")?;
    /// input.pipe("ann", 250)?;
    /// input.pipe("ann", 40)?;
    /// assert_eq!(store.get(&"ann".to_owned())?, Some(2));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn group_by_key(&self, grouped: impl Into<Grouped>) -> KGroupedStream<K, V> {
        let step = Step::GroupByKey(GroupByKey {
            name: grouped.into().name,
            serdes: serdes::<K, V>(),
        });
        KGroupedStream::of(self.handle.clone(), vec![step])
    }
}

impl<K: Key, V: Data> KStream<K, V> {
    /// Groups records by a new key, through a repartition topic.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let clicks = builder.stream::<String, String>("clicks");
    /// clicks.group_by(|_, page| page.clone(), Grouped::named("by-page")).count("clicks-per-page");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("clicks")?;
    /// # let store = driver.store::<String, i64>("clicks-per-page")?;
    /// input.pipe("ann", "/home")?;
    /// input.pipe("bob", "/home")?;
    /// assert_eq!(store.get(&"/home".to_owned())?, Some(2));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn group_by<L: Data>(
        &self,
        mapper: impl Fn(&K, &V) -> L + Send + Sync + 'static,
        grouped: impl Into<Grouped>,
    ) -> KGroupedStream<L, V> {
        let step = Step::GroupBy(GroupBy {
            key: computed(&self.handle.graph, "group_by", mapper),
            value: None,
            name: grouped.into().name,
            serdes: serdes::<L, V>(),
        });
        KGroupedStream::of(self.handle.clone(), vec![step])
    }
}

impl<K: Data, V: Data> KGroupedStream<K, V> {
    fn of(handle: Handle, group: Vec<Step>) -> Self {
        Self {
            handle,
            group,
            types: PhantomData,
        }
    }

    /// The stream and its grouping.
    pub(super) fn parts(&self) -> (&Handle, &[Step]) {
        (&self.handle, &self.group)
    }

    fn aggregated<A>(&self, step: Step) -> KTable<K, A> {
        let steps = self.group.iter().cloned().chain([step]).collect();
        KTable::of(self.handle.steps(steps, Kind::Table, Vec::new()))
    }

    /// The number of records of each key.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let clicks = builder.stream::<String, String>("clicks");
    /// clicks.group_by_key(Grouped::new()).count("counts").to_stream().to("click-counts");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("clicks")?;
    /// # let output = driver.output_topic::<String, i64>("click-counts")?;
    /// input.pipe("ann", "/home")?;
    /// input.pipe("ann", "/cart")?;
    /// assert_eq!(output.read_all()?, [("ann".to_owned(), 1), ("ann".to_owned(), 2)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn count(&self, store: impl Into<Materialized>) -> KTable<K, i64> {
        self.aggregated(count::<K>(self.handle.graph.keeping(store)))
    }

    /// Records of each key combined, starting from the first; the closure gets what was made of those
    /// before, and the new one.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let readings = builder.stream::<String, f64>("readings");
    /// let highest = readings
    ///     .group_by_key(Grouped::new())
    ///     .reduce(|highest, celsius| highest.max(*celsius), "highest");
    /// highest.to_stream().to("highest-readings");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, f64>("readings")?;
    /// # let output = driver.output_topic::<String, f64>("highest-readings")?;
    /// input.pipe("roof", 21.5)?;
    /// input.pipe("roof", 19.0)?;
    /// assert_eq!(output.read_all()?[1], ("roof".to_owned(), 21.5));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn reduce(
        &self,
        reduce: impl Fn(&V, &V) -> V + Send + Sync + 'static,
        store: impl Into<Materialized>,
    ) -> KTable<K, V::Present> {
        let call = reducer(&self.handle.graph, "reduce", reduce);
        self.aggregated(reduced::<K, V>(call, self.handle.graph.keeping(store)))
    }

    /// Records of each key taken into an aggregate. One that becomes `None` is deleted.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let clicks = builder.stream::<String, String>("clicks");
    /// let paths = clicks
    ///     .group_by_key(Grouped::new())
    ///     .aggregate(String::new, |_, page, path| path + page, "paths");
    /// paths.to_stream().to("paths");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("clicks")?;
    /// # let output = driver.output_topic::<String, String>("paths")?;
    /// input.pipe("ann", "/home")?;
    /// input.pipe("ann", "/cart")?;
    /// assert_eq!(output.read_all()?[1].1, "/home/cart");
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn aggregate<A: Data>(
        &self,
        initial: impl Fn() -> A + Send + Sync + 'static,
        aggregate: impl Fn(&K, &V, A) -> A + Send + Sync + 'static,
        store: impl Into<Materialized>,
    ) -> KTable<K, A::Present> {
        let graph = &self.handle.graph;
        let calls = Calls {
            initial: initializer(graph, initial),
            value: aggregator(graph, "aggregate", aggregate),
            merge: None,
        };
        self.aggregated(aggregate_step::<K, A>(
            calls,
            self.handle.graph.keeping(store),
        ))
    }

    /// Begins one table of several groups: see [`CogroupedKStream`].
    ///
    /// ```
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders").group_by_key(Grouped::new());
    /// let refunds = builder.stream::<String, i64>("refunds").group_by_key(Grouped::new());
    /// orders
    ///     .cogroup(|_, amount, sum: i64| sum + amount)
    ///     .cogroup(&refunds, |_, amount, sum| sum - amount)
    ///     .aggregate(|| 0, "sums");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let store = driver.store::<String, i64>("sums")?;
    /// driver.input_topic::<String, i64>("orders")?.pipe("ann", 250)?;
    /// driver.input_topic::<String, i64>("refunds")?.pipe("ann", 40)?;
    /// assert_eq!(store.get(&"ann".to_owned())?, Some(210));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn cogroup<A: Data>(
        &self,
        aggregate: impl Fn(&K, &V, A) -> A + Send + Sync + 'static,
    ) -> CogroupedKStream<K, A> {
        CogroupedKStream::of(self, aggregate)
    }

    /// Divides groups by time.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder, TimeWindows, Windowed};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let minutes = TimeWindows::of_size_with_no_grace(Duration::from_secs(60));
    /// let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
    /// clicks.windowed_by(minutes).count("per-minute").to_stream().to("clicks-per-minute");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("clicks")?;
    /// # let output = driver.output_topic::<Windowed<String>, i64>("clicks-per-minute")?;
    /// input.pipe_at("ann", "/home", 61_000)?;
    /// let window = Windowed { key: "ann".to_owned(), start: 60_000, end: 120_000 };
    /// assert_eq!(output.read()?, (window, 1));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn windowed_by(&self, windows: impl FixedWindows) -> TimeWindowedKStream<K, V> {
        TimeWindowedKStream::of(self.clone(), windows.step())
    }

    /// Divides groups into sessions.
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
    /// input.pipe_at("ann", "/cart", 31_000)?;
    /// let visit = Windowed { key: "ann".to_owned(), start: 1_000, end: 31_000 };
    /// assert_eq!(store.get(&visit)?, Some(2));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn windowed_by_sessions(&self, windows: SessionWindows) -> SessionWindowedKStream<K, V> {
        SessionWindowedKStream::of(self.clone(), windows.step())
    }
}

/// The calls of an aggregation.
pub(super) struct Calls {
    pub(super) initial: String,
    pub(super) value: String,
    pub(super) merge: Option<String>,
}

/// The step `count`.
pub(super) fn count<K: Key>(store: Materialized) -> Step {
    Step::Count(Count {
        name: store.store,
        serdes: serdes::<K, i64>(),
        in_memory: store.in_memory,
        logging: store.logging,
        caching: store.caching,
    })
}

/// The step `reduce`.
pub(super) fn reduced<K: Key, V: Data>(value: String, store: Materialized) -> Step {
    Step::Reduce(Reduce {
        name: store.store,
        value,
        subtract: None,
        serdes: serdes::<K, V>(),
        in_memory: store.in_memory,
        logging: store.logging,
        caching: store.caching,
    })
}

/// The step `aggregate`.
pub(super) fn aggregate_step<K: Key, A: Data>(calls: Calls, store: Materialized) -> Step {
    Step::Aggregate(Aggregate {
        name: store.store,
        initial: calls.initial,
        value: calls.value,
        subtract: None,
        merge: calls.merge,
        serdes: serdes::<K, A>(),
        in_memory: store.in_memory,
        logging: store.logging,
        caching: store.caching,
    })
}
