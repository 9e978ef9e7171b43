//! [`KStream`]: operators that keep no state.

mod flat;
mod sink;

use std::fmt;
use std::marker::PhantomData;

use millrace_crds::topology::{Print, Repartition, Step, ToTable, Versioned};

use super::branch::BranchedKStream;
use super::call::{computed, of_value, predicate, serdes};
use super::graph::{Handle, Kind};
use super::key::Key;
use super::options::{MaterializedTable, Repartitioned};
use super::table::KTable;
use super::windows::written;
use crate::data::Data;

pub use sink::RecordContext;

/// A stream: each record is an event of its own.
///
/// Closures get key and value; one that takes them as they may be, null keys and tombstones included,
/// has `Option` types. A null where the type is not an `Option` is an error of that record, which goes
/// where the application sends what it cannot process.
///
/// ```
/// use millrace_worker::dsl::StreamsBuilder;
///
/// let builder = StreamsBuilder::new();
/// let readings = builder.stream::<String, f64>("readings");
/// readings
///     .filter(|_, celsius| *celsius > 30.0)
///     .map_values(|celsius| celsius * 1.8 + 32.0)
///     .to("too-hot-in-fahrenheit");
/// builder.build().plan("weather").unwrap();
/// ```
pub struct KStream<K, V> {
    pub(super) handle: Handle,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for KStream<K, V> {
    fn clone(&self) -> Self {
        Self::of(self.handle.clone())
    }
}

impl<K, V> fmt::Debug for KStream<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KStream")
    }
}

impl<K, V> KStream<K, V> {
    pub(super) fn of(handle: Handle) -> Self {
        Self {
            handle,
            types: PhantomData,
        }
    }

    /// Names it in descriptions of the topology (`Named`).
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders");
    /// orders.filter(|_, amount| *amount >= 100).named("large-orders").to("large-orders");
    /// assert!(builder.build().describe("shop").unwrap().contains("large-orders"));
    /// ```
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self::of(self.handle.named(name))
    }
}

impl<K: Key, V: Data> KStream<K, V> {
    /// Keeps records for which the predicate is true.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders");
    /// orders.filter(|_, amount| *amount >= 100).to("large-orders");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// # let output = driver.output_topic::<String, i64>("large-orders")?;
    /// input.pipe("ann", 250)?;
    /// input.pipe("bob", 40)?;
    /// assert_eq!(output.read_all()?, [("ann".to_owned(), 250)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn filter(&self, keep: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Self {
        let call = predicate(&self.handle.graph, "filter", keep);
        Self::of(self.handle.step(Step::Filter(call)))
    }

    /// Keeps records for which the predicate is false.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders");
    /// orders.filter_not(|customer, _| customer == "test").to("real-orders");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// # let output = driver.output_topic::<String, i64>("real-orders")?;
    /// input.pipe("test", 1)?;
    /// input.pipe("ann", 250)?;
    /// assert_eq!(output.read_all()?, [("ann".to_owned(), 250)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn filter_not(&self, drop: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Self {
        let call = predicate(&self.handle.graph, "filter_not", drop);
        Self::of(self.handle.step(Step::FilterNot(call)))
    }

    /// New values.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let readings = builder.stream::<String, f64>("readings");
    /// readings.map_values(|celsius| celsius * 1.8 + 32.0).to("in-fahrenheit");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, f64>("readings")?;
    /// # let output = driver.output_topic::<String, f64>("in-fahrenheit")?;
    /// input.pipe("roof", 20.0)?;
    /// assert_eq!(output.read()?, ("roof".to_owned(), 68.0));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn map_values<W: Data>(
        &self,
        mapper: impl Fn(&V) -> W + Send + Sync + 'static,
    ) -> KStream<K, W> {
        let call = of_value(&self.handle.graph, "map_values", mapper);
        KStream::of(self.handle.step(Step::MapValues(call)))
    }

    /// New values, with a look at the keys.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders");
    /// orders.map_values_with_key(|customer, amount| format!("{customer} pays {amount}")).to("lines");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// # let output = driver.output_topic::<String, String>("lines")?;
    /// input.pipe("ann", 250)?;
    /// assert_eq!(output.read()?.1, "ann pays 250");
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn map_values_with_key<W: Data>(
        &self,
        mapper: impl Fn(&K, &V) -> W + Send + Sync + 'static,
    ) -> KStream<K, W> {
        let call = computed(&self.handle.graph, "map_values", mapper);
        KStream::of(self.handle.step(Step::MapValues(call)))
    }

    /// New keys.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let clicks = builder.stream::<String, String>("clicks");
    /// clicks.select_key(|_, page| page.clone()).to("clicks-by-page");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("clicks")?;
    /// # let output = driver.output_topic::<String, String>("clicks-by-page")?;
    /// input.pipe("ann", "/home")?;
    /// assert_eq!(output.read()?.0, "/home");
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn select_key<L: Data>(
        &self,
        mapper: impl Fn(&K, &V) -> L + Send + Sync + 'static,
    ) -> KStream<L, V> {
        let call = computed(&self.handle.graph, "select_key", mapper);
        KStream::of(self.handle.step(Step::SelectKey(call)))
    }

    /// New keys and values.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let clicks = builder.stream::<String, String>("clicks");
    /// clicks.map(|user, page| (page.clone(), user.clone())).to("visitors");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("clicks")?;
    /// # let output = driver.output_topic::<String, String>("visitors")?;
    /// input.pipe("ann", "/home")?;
    /// assert_eq!(output.read()?, ("/home".to_owned(), "ann".to_owned()));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn map<L: Data, W: Data>(
        &self,
        mapper: impl Fn(&K, &V) -> (L, W) + Send + Sync + 'static,
    ) -> KStream<L, W> {
        self.flat_map_by("map", move |key, value| Some(mapper(key, value)))
    }

    /// Looks at records, which go on unchanged. In the topology this is a filter that lets all pass.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # use std::sync::atomic::{AtomicI64, Ordering};
    /// static SUM: AtomicI64 = AtomicI64::new(0);
    /// let orders = builder.stream::<String, i64>("orders");
    /// let add = |_: &String, amount: &i64| drop(SUM.fetch_add(*amount, Ordering::Relaxed));
    /// orders.peek(add).to("copied-orders");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// # let output = driver.output_topic::<String, i64>("copied-orders")?;
    /// input.pipe("ann", 250)?;
    /// assert_eq!((output.len(), SUM.load(Ordering::Relaxed)), (1, 250));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn peek(&self, look: impl Fn(&K, &V) + Send + Sync + 'static) -> Self {
        let call = predicate(&self.handle.graph, "peek", move |key, value| {
            look(key, value);
            true
        });
        Self::of(self.handle.step(Step::Filter(call)))
    }

    /// Does something with each record, and ends the stream. In the topology this is a filter that
    /// lets none pass. What it does happens again where a record is processed again.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # use std::sync::atomic::{AtomicI64, Ordering};
    /// static ORDERS: AtomicI64 = AtomicI64::new(0);
    /// let orders = builder.stream::<String, i64>("orders");
    /// orders.for_each(|_, _| drop(ORDERS.fetch_add(1, Ordering::Relaxed)));
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// input.pipe("ann", 250)?;
    /// assert_eq!(ORDERS.load(Ordering::Relaxed), 1);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn for_each(&self, act: impl Fn(&K, &V) + Send + Sync + 'static) {
        let call = predicate(&self.handle.graph, "for_each", move |key, value| {
            act(key, value);
            false
        });
        self.handle.step(Step::Filter(call));
    }

    /// Prints records to standard output, with a label before each, and ends the stream. For trying
    /// things out.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("orders").print("orders");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// input.pipe("ann", 250)?;
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn print(&self, label: impl Into<String>) {
        self.handle.step(Step::Print(Print {
            label: label.into(),
            message: None,
        }));
    }

    /// The records of both streams; of different streams they have no order.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let web = builder.stream::<String, i64>("web-orders");
    /// let phone = builder.stream::<String, i64>("phone-orders");
    /// web.merge(&phone).to("orders");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let output = driver.output_topic::<String, i64>("orders")?;
    /// driver.input_topic::<String, i64>("web-orders")?.pipe("ann", 250)?;
    /// driver.input_topic::<String, i64>("phone-orders")?.pipe("bob", 40)?;
    /// assert_eq!(output.read_all()?, [("ann".to_owned(), 250), ("bob".to_owned(), 40)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn merge(&self, other: &Self) -> Self {
        let inputs = vec![self.handle.node, self.handle.other(&other.handle)];
        Self::of(self.handle.graph.merge(inputs))
    }

    /// Divides it: see [`BranchedKStream`].
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let readings = builder.stream::<String, f64>("readings");
    /// let frost = readings.split().branch("frost", |_, celsius| *celsius < 0.0);
    /// let branches = frost.default_branch("mild");
    /// branches["frost"].to("frost");
    /// branches["mild"].to("mild");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, f64>("readings")?;
    /// # let output = driver.output_topic::<String, f64>("frost")?;
    /// input.pipe("roof", -3.0)?;
    /// assert_eq!(output.read()?, ("roof".to_owned(), -3.0));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn split(&self) -> BranchedKStream<K, V> {
        BranchedKStream::of(self.clone())
    }

    /// Turns it into a table: the latest value of each key. A record without a value deletes its key:
    /// the values of a stream that has such are an `Option`, those of the table what is in it.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let changes = builder.stream::<String, Option<String>>("customer-changes");
    /// changes.to_table("customers");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, Option<String>>("customer-changes")?;
    /// # let store = driver.store::<String, String>("customers")?;
    /// input.pipe("c1", "Ann".to_owned())?;
    /// input.pipe("c2", "Bob".to_owned())?;
    /// input.pipe("c1", None)?;
    /// assert_eq!(store.all()?, [("c2".to_owned(), "Bob".to_owned())]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn to_table(&self, store: impl Into<MaterializedTable>) -> KTable<K, V::Present> {
        let MaterializedTable { store, versioned } = self.handle.graph.keeping_table(store);
        let step = Step::ToTable(ToTable {
            name: store.store,
            serdes: serdes::<K, V>(),
            in_memory: store.in_memory,
            logging: store.logging,
            caching: store.caching,
            versioned: versioned.map(|retention| Versioned {
                retention: written(retention),
            }),
        });
        let steps = vec![step];
        KTable::of(self.handle.steps(steps, Kind::Table, Vec::new()))
    }
}

impl<K: Data, V: Data> KStream<K, V> {
    /// Sends records through a topic of their own, to the partition of the key they have.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let clicks = builder.stream::<String, String>("clicks");
    /// clicks.select_key(|_, page| page.clone()).repartition("by-page").to("clicks-by-page");
    /// assert!(builder.build().describe("shop").unwrap().contains("shop-by-page-repartition"));
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("clicks")?;
    /// # let output = driver.output_topic::<String, String>("clicks-by-page")?;
    /// input.pipe("ann", "/home")?;
    /// assert_eq!(output.read()?.0, "/home");
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn repartition(&self, topic: impl Into<Repartitioned>) -> Self {
        let topic = topic.into();
        Self::of(self.handle.step(Step::Repartition(Repartition {
            name: topic.name,
            partitions: topic.partitions,
            serdes: serdes::<K, V>(),
        })))
    }
}
