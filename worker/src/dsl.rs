//! The typed DSL: topologies in Rust, with Kafka Streams' names.
//!
//! ```text
//!   StreamsBuilder ──► KStream, KTable, GlobalKTable ──build──► Topology ──plan──► Plan
//!                       closures ──► functions that expressions call ──┘
//! ```
//!
//! A topology built here is the same data that YAML gives (`millrace_crds::topology`), and everything
//! behind it is the same: checks, plan, names of internal topics, engine. A closure becomes a function
//! that the topology's expressions call by name (`map_values_3(value)`), so a description shows where
//! each one is.
//!
//! What types can say, they do: a table cannot be grouped by the key it has, keys with a window cannot
//! be joined, both sides of a join have one type of key. The rest is said by [`Topology::plan`], before
//! any record.
//!
//! Closures get values of their own ([`Data`]), so a `String` is an allocation per
//! record; the topology language, which borrows, has none.

mod aggregator;
mod application;
mod branch;
mod call;
mod cogroup;
mod declare;
mod extractor;
mod global;
mod graph;
mod grouped;
mod grouped_table;
mod joiner;
mod key;
mod options;
mod process;
mod stream;
mod stream_join;
mod table;
mod table_join;
mod topology;
mod windowed;
mod windows;

use millrace_crds::topology as language;

pub use application::Application;
pub(crate) use application::plan_document;
pub use branch::BranchedKStream;
pub use cogroup::{
    CogroupedKStream, SessionWindowedCogroupedKStream, TimeWindowedCogroupedKStream,
};
pub use extractor::ConsumedRecord;
pub use global::GlobalKTable;
pub use grouped::KGroupedStream;
pub use grouped_table::KGroupedTable;
pub use key::{Key, Windowed};
/// ```
/// use millrace_worker::dsl::{Consumed, ErrorPolicy, StreamsBuilder};
///
/// let builder = StreamsBuilder::new();
/// let strict = Consumed::new().with_deserialization_errors(ErrorPolicy::Stop);
/// builder.stream_with::<String, i64>(["orders"], strict).to("copied-orders");
/// assert!(builder.build().plan("shop").is_ok());
/// ```
#[doc(inline)]
pub use millrace_crds::stream_app::ErrorPolicy;
/// ```
/// use millrace_worker::dsl::{Consumed, InvalidTimestamp, StreamsBuilder};
///
/// let builder = StreamsBuilder::new();
/// let lenient = Consumed::new().with_invalid_timestamp(InvalidTimestamp::UsePartitionTime);
/// builder.stream_with::<String, i64>(["orders"], lenient).to("copied-orders");
/// assert!(builder.build().plan("shop").is_ok());
/// ```
#[doc(inline)]
pub use millrace_crds::topology::InvalidTimestamp;
/// ```
/// use millrace_worker::dsl::{Consumed, OffsetReset, StreamsBuilder};
///
/// let builder = StreamsBuilder::new();
/// let from_now_on = Consumed::new().with_offset_reset_policy(OffsetReset::Latest);
/// builder.stream_with::<String, i64>(["orders"], from_now_on).to("copied-orders");
/// assert!(builder.build().plan("shop").is_ok());
/// ```
#[doc(inline)]
pub use millrace_crds::topology::OffsetResetName as OffsetReset;
pub use options::{
    BufferConfig, Consumed, EagerBuffer, Grouped, Joined, Materialized, MaterializedTable,
    Repartitioned, StreamJoined, StrictBuffer, Suppressed, SuppressedBy, UntilTimeLimit,
    UntilWindowCloses,
};
pub use process::{
    FixedKeyProcessor, FixedKeyProcessorContext, FixedKeyRecord, KeyValueStore, Processed,
    Processor, ProcessorContext, Record, SessionStore, StoreBuilder, StoredValue, VersionedStore,
    WindowStore,
};
pub use stream::{KStream, RecordContext};
pub use table::KTable;
pub use topology::Topology;
pub use windowed::{SessionWindowedKStream, TimeWindowedKStream};
pub use windows::{
    EmitStrategy, FixedWindows, JoinWindows, SessionWindows, SlidingWindows, TimeWindows,
};

use crate::data::Data;
use declare::{keep, plain_name};
use graph::{Graph, format_name};

/// Where a topology begins: streams and tables read from topics.
///
/// ```
/// use millrace_worker::dsl::{Joined, StreamsBuilder};
///
/// let builder = StreamsBuilder::new();
/// let customers = builder.table::<String, String>("customers");
/// let orders = builder.stream::<String, i64>("orders");
/// orders
///     .join_table(&customers, |amount, name| format!("{name}: {amount}"), Joined::new())
///     .to("orders-with-name");
/// let topology = builder.build();
/// println!("{}", topology.describe("orders").unwrap());
/// ```
///
/// Keys of different types never meet:
///
/// ```compile_fail
/// # use millrace_worker::dsl::{Joined, StreamsBuilder};
/// # let builder = StreamsBuilder::new();
/// let customers = builder.table::<i64, String>("customers");
/// let orders = builder.stream::<String, i64>("orders");
/// orders.join_table(&customers, |amount, name| format!("{name}: {amount}"), Joined::new());
/// ```
#[derive(Default)]
pub struct StreamsBuilder {
    graph: Graph,
}

impl StreamsBuilder {
    /// An empty topology.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// let builder = StreamsBuilder::new();
    /// assert!(builder.build().data().streams.is_empty());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// A stream of the records of a topic.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders");
    /// orders.to("copied-orders");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// # let output = driver.output_topic::<String, i64>("copied-orders")?;
    /// input.pipe("ann", 250)?;
    /// assert_eq!(output.read()?, ("ann".to_owned(), 250));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn stream<K: Data, V: Data>(&self, topic: impl Into<String>) -> KStream<K, V> {
        self.stream_with([topic], Consumed::new())
    }

    /// A stream of the records of one or more topics, read in this way. Each topic is read once in a
    /// topology.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Consumed, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let topics = ["web-orders", "phone-orders"];
    /// let orders = builder.stream_with::<String, i64>(topics, Consumed::new().with_wall_clock());
    /// orders.to("orders");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// driver.input_topic::<String, i64>("web-orders")?.pipe("ann", 250)?;
    /// driver.input_topic::<String, i64>("phone-orders")?.pipe("bob", 40)?;
    /// # let output = driver.output_topic::<String, i64>("orders")?;
    /// assert_eq!(output.read_all()?, [("ann".to_owned(), 250), ("bob".to_owned(), 40)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn stream_with<K: Data, V: Data>(
        &self,
        topics: impl IntoIterator<Item = impl Into<String>>,
        consumed: Consumed<K, V>,
    ) -> KStream<K, V> {
        let mut topics: Vec<String> = topics.into_iter().map(Into::into).collect();
        let name = topics.first().cloned().unwrap_or_default();
        let topic = if topics.len() == 1 {
            topics.pop()
        } else {
            None
        };
        let origin = language::Stream {
            topic,
            topics: Some(topics).filter(|topics| !topics.is_empty()),
            ..language::Stream::default()
        };
        self.source(&name, origin, consumed)
    }

    /// A stream of the records of all topics whose whole names match a regular expression, also of those
    /// created later, read in this way.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Consumed, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// builder.stream_pattern::<String, i64>("orders-.*", Consumed::new()).to("all-orders");
    /// let plan = builder.build().plan("shop").unwrap();
    /// let read = plan.resolve(["orders-eu", "orders-us", "payments"]);
    /// assert_eq!(read.source_topics().len(), 2);
    /// ```
    pub fn stream_pattern<K: Data, V: Data>(
        &self,
        pattern: impl Into<String>,
        consumed: Consumed<K, V>,
    ) -> KStream<K, V> {
        let pattern = pattern.into();
        let name = pattern.clone();
        let origin = language::Stream {
            topic_pattern: Some(pattern),
            ..language::Stream::default()
        };
        self.source(&name, origin, consumed)
    }

    fn source<K: Data, V: Data>(
        &self,
        name: &str,
        origin: language::Stream,
        consumed: Consumed<K, V>,
    ) -> KStream<K, V> {
        let stream = language::Stream {
            key: Some(format_name(K::FORMAT)),
            value: Some(format_name(V::FORMAT)),
            offset_reset: consumed.offset_reset,
            timestamp: consumed.time.written(&self.graph),
            invalid_timestamp: consumed.invalid_timestamp,
            deserialization_errors: consumed.deserialization_errors,
            processing_errors: consumed.processing_errors,
            production_errors: consumed.production_errors,
            ..origin
        };
        KStream::of(self.graph.stream(name, stream))
    }

    /// A table of the latest record of each key of a topic, kept in a store named as the topic.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let customers = builder.table::<String, String>("customers");
    /// customers.to_stream().to("changed-customers");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("customers")?;
    /// input.pipe("c1", "Ann")?;
    /// input.pipe("c1", "Anna")?;
    /// let store = driver.store::<String, String>("customers")?;
    /// assert_eq!(store.all()?, [("c1".to_owned(), "Anna".to_owned())]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn table<K: Data, V: Data>(&self, topic: impl Into<String>) -> KTable<K, V> {
        let topic = topic.into();
        let store = plain_name(&topic);
        self.table_with(topic, Consumed::new(), store)
    }

    /// A table of the latest record of each key of a topic, read and kept in this way.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Consumed, Materialized, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let names = Materialized::named("names").in_memory();
    /// let customers = builder.table_with::<String, String>("customers", Consumed::new(), names);
    /// customers.to_stream().to("changed-customers");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("customers")?;
    /// input.pipe("c1", "Ann")?;
    /// let store = driver.store::<String, String>("names")?;
    /// assert_eq!(store.get(&"c1".to_owned())?, Some("Ann".to_owned()));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn table_with<K: Data, V: Data>(
        &self,
        topic: impl Into<String>,
        consumed: Consumed<K, V>,
        store: impl Into<MaterializedTable>,
    ) -> KTable<K, V> {
        let topic = topic.into();
        let name = topic.clone();
        let mut table = language::Table {
            topic: Some(topic),
            key: Some(format_name(K::FORMAT)),
            value: Some(format_name(V::FORMAT)),
            offset_reset: consumed.offset_reset,
            timestamp: consumed.time.written(&self.graph),
            invalid_timestamp: consumed.invalid_timestamp,
            deserialization_errors: consumed.deserialization_errors,
            processing_errors: consumed.processing_errors,
            production_errors: consumed.production_errors,
            ..language::Table::default()
        };
        keep(&mut table, &self.graph.keeping_table(store));
        KTable::of(self.graph.table(&name, table))
    }

    /// A table of which every instance has all partitions, kept in a store named as the topic.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let rates = builder.global_table::<String, f64>("rates");
    /// let payments = builder.stream::<String, f64>("payments");
    /// payments
    ///     .join_global_table(&rates, |currency, _| currency.clone(), |amount, rate| amount * rate)
    ///     .to("payments-in-euro");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, f64>("payments")?;
    /// # let output = driver.output_topic::<String, f64>("payments-in-euro")?;
    /// driver.input_topic::<String, f64>("rates")?.pipe("USD", 0.5)?;
    /// input.pipe("USD", 8.0)?;
    /// assert_eq!(output.read()?, ("USD".to_owned(), 4.0));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn global_table<K: Data, V: Data>(&self, topic: impl Into<String>) -> GlobalKTable<K, V> {
        let topic = topic.into();
        let store = plain_name(&topic);
        self.global_table_with(topic, store)
    }

    /// A table of which every instance has all partitions, kept in this way. Its topic is its changelog,
    /// and nobody waits for its changes: it has no logging or caching to be told of, and no supplier.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Materialized, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// let store = Materialized::named("rates-by-currency").in_memory();
    /// let rates = builder.global_table_with::<String, f64>("rates", store);
    /// let payments = builder.stream::<String, f64>("payments");
    /// payments
    ///     .join_global_table(&rates, |currency, _| currency.clone(), |amount, rate| amount * rate)
    ///     .to("payments-in-euro");
    /// let plan = builder.build().plan("bank").unwrap();
    /// assert_eq!(plan.global_tables[0].store, "rates-by-currency");
    /// assert!(plan.global_tables[0].in_memory);
    /// ```
    pub fn global_table_with<K: Data, V: Data>(
        &self,
        topic: impl Into<String>,
        store: impl Into<Materialized>,
    ) -> GlobalKTable<K, V> {
        let (topic, store) = (topic.into(), store.into());
        if store.logging.is_some() || store.caching || store.supplier.is_some() {
            self.graph.meaningless(
                format!(
                    "the global table `{topic}` has no changelog, cache or supplier of its own"
                ),
                "give it a name, and perhaps `in_memory`",
            );
        }
        let name = topic.clone();
        let table = language::GlobalTable {
            store: Some(store.store),
            topic,
            key: Some(format_name(K::FORMAT)),
            value: Some(format_name(V::FORMAT)),
            in_memory: store.in_memory,
        };
        GlobalKTable::of(self.graph.global(&name, table))
    }

    /// What was built so far.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("orders").to("copied-orders");
    /// let topology = builder.build();
    /// assert!(topology.plan("shop").is_ok());
    /// ```
    pub fn build(&self) -> Topology {
        Topology::new(self.graph.topology())
    }
}
