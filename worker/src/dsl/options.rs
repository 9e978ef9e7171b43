//! What operators are told beside their functions. Names and defaults are Kafka Streams'.

mod joined;
mod suppressed;

use std::fmt;
use std::time::Duration;

use millrace_crds::stream_app::ErrorPolicy;
use millrace_crds::topology::{InvalidTimestamp, OffsetResetName};

pub use joined::{Joined, StreamJoined};
pub use suppressed::{
    BufferConfig, EagerBuffer, StrictBuffer, Suppressed, SuppressedBy, UntilTimeLimit,
    UntilWindowCloses,
};

use super::extractor::Extractor;

/// How a topic is read. By default from its earliest record, by the records' own times, and with the
/// application's policy for what cannot be read. `K` and `V` are the types of the records; mostly the
/// stream or table says them.
///
/// ```
/// # use millrace_worker::dsl::{Consumed, ErrorPolicy, StreamsBuilder};
/// # use millrace_worker::testing::TopologyTestDriver;
/// # let builder = StreamsBuilder::new();
/// let strict = Consumed::new().with_wall_clock().with_processing_errors(ErrorPolicy::Stop);
/// let orders = builder.stream_with::<String, i64>(["orders"], strict);
/// orders.map_values(|amount| amount * 100).to("in-cents");
/// # let driver = TopologyTestDriver::new("app", &builder.build())?;
/// # let mut input = driver.input_topic::<String, i64>("orders")?;
/// assert!(input.pipe_tombstone("ann").is_err());
/// # Ok::<(), millrace_worker::testing::DriverError>(())
/// ```
pub struct Consumed<K, V> {
    pub(super) offset_reset: Option<OffsetResetName>,
    pub(super) time: EventTime<K, V>,
    pub(super) invalid_timestamp: Option<InvalidTimestamp>,
    pub(super) deserialization_errors: Option<ErrorPolicy>,
    pub(super) processing_errors: Option<ErrorPolicy>,
    pub(super) production_errors: Option<ErrorPolicy>,
}

/// Where a record's time comes from.
pub(super) enum EventTime<K, V> {
    /// The record.
    Record,
    /// The clock, when it is processed.
    WallClock,
    /// A closure.
    Extracted(Extractor<K, V>),
}

impl<K, V> Default for Consumed<K, V> {
    fn default() -> Self {
        Self {
            offset_reset: None,
            time: EventTime::Record,
            invalid_timestamp: None,
            deserialization_errors: None,
            processing_errors: None,
            production_errors: None,
        }
    }
}

impl<K, V> Clone for Consumed<K, V> {
    fn clone(&self) -> Self {
        Self {
            time: self.time.clone(),
            ..*self
        }
    }
}

impl<K, V> fmt::Debug for Consumed<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Consumed by the time {:?}", self.time)
    }
}

impl<K, V> Consumed<K, V> {
    /// The defaults.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Consumed, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// builder.stream_with::<String, i64>(["orders"], Consumed::new()).to("copied-orders");
    /// let topology = builder.build();
    /// assert_eq!(topology.data().streams["orders"].offset_reset, None);
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Where to start while the application has no committed offset.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Consumed, OffsetReset, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// let latest = Consumed::new().with_offset_reset_policy(OffsetReset::Latest);
    /// builder.stream_with::<String, i64>(["orders"], latest).to("copied-orders");
    /// let topology = builder.build();
    /// assert_eq!(topology.data().streams["orders"].offset_reset, Some(OffsetReset::Latest));
    /// ```
    #[must_use]
    pub fn with_offset_reset_policy(mut self, reset: OffsetResetName) -> Self {
        self.offset_reset = Some(reset);
        self
    }

    /// A record's time is that of its processing (WallclockTimestampExtractor).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{Consumed, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let consumed = Consumed::new().with_wall_clock();
    /// builder.stream_with::<String, i64>(["orders"], consumed).to("copied-orders");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// # let output = driver.output_topic::<String, i64>("copied-orders")?;
    /// driver.advance(Duration::from_secs(60))?;
    /// input.pipe_at("ann", 250, 7)?;
    /// assert_eq!(output.read_record()?.timestamp, 60_000);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    #[must_use]
    pub fn with_wall_clock(mut self) -> Self {
        self.time = EventTime::WallClock;
        self
    }

    /// What is done with a record whose time is missing or negative.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Consumed, InvalidTimestamp, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let consumed = Consumed::new().with_invalid_timestamp(InvalidTimestamp::Skip);
    /// builder.stream_with::<String, i64>(["orders"], consumed).to("copied-orders");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// # let output = driver.output_topic::<String, i64>("copied-orders")?;
    /// input.pipe_at("ann", 250, -1)?;
    /// assert_eq!((output.len(), driver.dropped()), (0, 1));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    #[must_use]
    pub fn with_invalid_timestamp(mut self, invalid: InvalidTimestamp) -> Self {
        self.invalid_timestamp = Some(invalid);
        self
    }

    /// What is done with a record that cannot be read.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Consumed, ErrorPolicy, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// let consumed = Consumed::new().with_deserialization_errors(ErrorPolicy::Stop);
    /// builder.stream_with::<String, i64>(["orders"], consumed).to("copied-orders");
    /// let topology = builder.build();
    /// let orders = &topology.data().streams["orders"];
    /// assert_eq!(orders.deserialization_errors, Some(ErrorPolicy::Stop));
    /// ```
    #[must_use]
    pub fn with_deserialization_errors(mut self, policy: ErrorPolicy) -> Self {
        self.deserialization_errors = Some(policy);
        self
    }

    /// What is done with one of its records that a step has no result for.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Consumed, ErrorPolicy, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let consumed = Consumed::new().with_processing_errors(ErrorPolicy::DeadLetter);
    /// let orders = builder.stream_with::<String, i64>(["orders"], consumed);
    /// orders.map_values(|amount| amount * 100).to("in-cents");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// // A record without a value, which the closure has no use for.
    /// input.pipe_tombstone("ann")?;
    /// assert_eq!(driver.output_topic::<Vec<u8>, Vec<u8>>("app-dead-letter")?.len(), 1);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    #[must_use]
    pub fn with_processing_errors(mut self, policy: ErrorPolicy) -> Self {
        self.processing_errors = Some(policy);
        self
    }

    /// What is done with one of its records whose results cannot be written.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Consumed, ErrorPolicy, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// let consumed = Consumed::new().with_production_errors(ErrorPolicy::Stop);
    /// builder.stream_with::<String, i64>(["orders"], consumed).to("copied-orders");
    /// let topology = builder.build();
    /// assert_eq!(topology.data().streams["orders"].production_errors, Some(ErrorPolicy::Stop));
    /// ```
    #[must_use]
    pub fn with_production_errors(mut self, policy: ErrorPolicy) -> Self {
        self.production_errors = Some(policy);
        self
    }
}

/// A store: its name, which also names its changelog topic, and how it is kept. A text stands for a
/// store on disk of that name, logged.
///
/// ```
/// use millrace_worker::dsl::Materialized;
///
/// let counts = Materialized::named("counts").in_memory().with_logging_disabled();
/// ```
#[derive(Clone, Debug)]
pub struct Materialized {
    pub(super) store: String,
    pub(super) in_memory: bool,
    pub(super) logging: Option<bool>,
    pub(super) supplier: Option<String>,
    pub(super) caching: bool,
}

impl Materialized {
    /// A store of this name; its changelog is `<application id>-<name>-changelog`.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Grouped, Materialized, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders");
    /// orders.group_by_key(Grouped::new()).count(Materialized::named("counts"));
    /// let plan = builder.build().plan("shop").unwrap();
    /// assert_eq!(plan.stores[0].changelog.as_deref(), Some("shop-counts-changelog"));
    /// ```
    pub fn named(store: impl Into<String>) -> Self {
        Self {
            store: store.into(),
            in_memory: false,
            logging: None,
            supplier: None,
            caching: false,
        }
    }

    /// Keeps it in memory instead of on disk; it is restored whole at each start.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Grouped, Materialized, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders");
    /// orders.group_by_key(Grouped::new()).count(Materialized::named("counts").in_memory());
    /// assert!(builder.build().plan("shop").unwrap().stores[0].in_memory);
    /// ```
    #[must_use]
    pub fn in_memory(mut self) -> Self {
        self.in_memory = true;
        self
    }

    /// Keeps no changelog: what is lost here is lost.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Grouped, Materialized, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders");
    /// let counts = Materialized::named("counts").with_logging_disabled();
    /// orders.group_by_key(Grouped::new()).count(counts);
    /// assert_eq!(builder.build().plan("shop").unwrap().stores[0].changelog, None);
    /// ```
    #[must_use]
    pub fn with_logging_disabled(mut self) -> Self {
        self.logging = Some(false);
        self
    }

    /// Has it kept by a supplier of stores that the program registers under this name
    /// ([`Worker::store_supplier`](crate::api::Worker::store_supplier)). Not with windows.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Grouped, Materialized, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders");
    /// let counts = Materialized::named("counts").with_supplier("tree");
    /// orders.group_by_key(Grouped::new()).count(counts);
    /// assert!(builder.build().describe("shop").unwrap().contains("kept by tree"));
    /// ```
    #[must_use]
    pub fn with_supplier(mut self, supplier: impl Into<String>) -> Self {
        self.supplier = Some(supplier.into());
        self
    }

    /// Forwards a key's changes once a commit, the last of them; without it each goes on at once, also
    /// under Kafka Streams' defaults.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Grouped, Materialized, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # use millrace_worker::testing::StepOptions;
    /// let counts = Materialized::named("counts").with_caching_enabled();
    /// let orders = builder.stream::<String, i64>("orders").group_by_key(Grouped::new());
    /// orders.count(counts).to_stream().to("order-counts");
    /// // Commits every two records.
    /// let options = StepOptions { commit_every: 2, ..StepOptions::default() };
    /// let driver = TopologyTestDriver::with_options("shop", &builder.build(), options)?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// # let output = driver.output_topic::<String, i64>("order-counts")?;
    /// input.pipe("ann", 250)?;
    /// input.pipe("ann", 40)?;
    /// assert_eq!(output.read_all()?, [("ann".to_owned(), 2)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    #[must_use]
    pub fn with_caching_enabled(mut self) -> Self {
        self.caching = true;
        self
    }

    /// Keeps earlier versions for so long (KIP-889); of tables that are kept as they are, not of
    /// aggregations.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{Consumed, Materialized, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// let prices = Materialized::named("prices").versioned(Duration::from_secs(3600));
    /// builder.table_with::<String, i64>("prices", Consumed::new(), prices).to_stream().to("changes");
    /// assert!(builder.build().plan("shop").is_ok());
    /// ```
    pub fn versioned(self, retention: Duration) -> MaterializedTable {
        MaterializedTable {
            store: self,
            versioned: Some(retention),
        }
    }
}

impl From<&str> for Materialized {
    fn from(store: &str) -> Self {
        Self::named(store)
    }
}

impl From<String> for Materialized {
    fn from(store: String) -> Self {
        Self::named(store)
    }
}

/// A store of a table as it is, perhaps with earlier versions.
///
/// ```
/// # use std::time::Duration;
/// # use millrace_worker::dsl::{
/// #     Consumed, Joined, Materialized, MaterializedTable, StreamsBuilder,
/// # };
/// # use millrace_worker::testing::TopologyTestDriver;
/// # let builder = StreamsBuilder::new();
/// let hour = Duration::from_secs(3600);
/// let versions: MaterializedTable = Materialized::named("prices").versioned(hour);
/// let prices = builder.table_with::<String, i64>("prices", Consumed::new(), versions);
/// let orders = builder.stream::<String, i64>("orders");
/// orders.join_table(&prices, |pieces, price| pieces * price, Joined::new()).to("dues");
/// # let driver = TopologyTestDriver::new("app", &builder.build())?;
/// # let mut input = driver.input_topic::<String, i64>("orders")?;
/// # let output = driver.output_topic::<String, i64>("dues")?;
/// let mut prices = driver.input_topic::<String, i64>("prices")?;
/// prices.pipe_at("flour", 4, 0)?;
/// prices.pipe_at("flour", 5, 1_000)?;
/// input.pipe_at("flour", 2, 500)?;
/// assert_eq!(output.read()?, ("flour".to_owned(), 8));
/// # Ok::<(), millrace_worker::testing::DriverError>(())
/// ```
#[derive(Clone, Debug)]
pub struct MaterializedTable {
    pub(super) store: Materialized,
    pub(super) versioned: Option<Duration>,
}

impl<M: Into<Materialized>> From<M> for MaterializedTable {
    fn from(store: M) -> Self {
        Self {
            store: store.into(),
            versioned: None,
        }
    }
}

/// Name of a grouping's repartition topic, `<application id>-<name>-repartition`. Default: the name of
/// the aggregation that follows.
///
/// ```
/// # use millrace_worker::dsl::{Grouped, StreamsBuilder};
/// # let builder = StreamsBuilder::new();
/// let clicks = builder.stream::<String, String>("clicks");
/// clicks.group_by(|_, page| page.clone(), Grouped::named("by-page")).count("counts");
/// assert!(builder.build().describe("site").unwrap().contains("site-by-page-repartition"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Grouped {
    pub(super) name: Option<String>,
}

impl Grouped {
    /// The default name.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// let clicks = builder.stream::<String, String>("clicks");
    /// clicks.group_by(|_, page| page.clone(), Grouped::new()).count("counts");
    /// assert!(builder.build().describe("site").unwrap().contains("site-counts-repartition"));
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// This name.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// let clicks = builder.stream::<String, String>("clicks");
    /// let by_page = clicks.group_by(|_, page| page.clone(), Grouped::named("by-page"));
    /// by_page.count("counts");
    /// assert!(builder.build().describe("site").unwrap().contains("site-by-page-repartition"));
    /// ```
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
        }
    }
}

impl From<&str> for Grouped {
    fn from(name: &str) -> Self {
        Self::named(name)
    }
}

/// A repartition topic, `<application id>-<name>-repartition`.
///
/// ```
/// # use millrace_worker::dsl::{Repartitioned, StreamsBuilder};
/// # let builder = StreamsBuilder::new();
/// let clicks = builder.stream::<String, String>("clicks").select_key(|_, page| page.clone());
/// let by_page = Repartitioned::named("by-page").with_number_of_partitions(12);
/// clicks.repartition(by_page).to("clicks-by-page");
/// assert!(builder.build().describe("site").unwrap().contains("site-by-page-repartition"));
/// ```
#[derive(Clone, Debug)]
pub struct Repartitioned {
    pub(super) name: String,
    pub(super) partitions: Option<i32>,
}

impl Repartitioned {
    /// With as many partitions as the topics its records come from.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Repartitioned, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// let clicks = builder.stream::<String, String>("clicks").select_key(|_, page| page.clone());
    /// clicks.repartition(Repartitioned::named("by-page")).to("clicks-by-page");
    /// assert!(builder.build().describe("site").unwrap().contains("site-by-page-repartition"));
    /// ```
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            partitions: None,
        }
    }

    /// With so many partitions, 1 to 10000.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Repartitioned, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// let clicks = builder.stream::<String, String>("clicks").select_key(|_, page| page.clone());
    /// let by_page = Repartitioned::named("by-page").with_number_of_partitions(12);
    /// clicks.repartition(by_page).to("clicks-by-page");
    /// let plan = builder.build().plan("site").unwrap();
    /// assert!(plan.internal_topics.iter().any(|topic| topic.partitions == Some(12)));
    /// ```
    #[must_use]
    pub fn with_number_of_partitions(mut self, partitions: i32) -> Self {
        self.partitions = Some(partitions);
        self
    }
}

impl From<&str> for Repartitioned {
    fn from(name: &str) -> Self {
        Self::named(name)
    }
}
