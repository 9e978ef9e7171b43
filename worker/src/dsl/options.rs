//! What operators are told beside their functions. Names and defaults are Kafka Streams'.

mod consumed;
mod joined;
mod suppressed;

use std::time::Duration;

pub use consumed::Consumed;
pub(super) use consumed::EventTime;
pub use joined::{Joined, StreamJoined};
pub use suppressed::{
    BufferConfig, EagerBuffer, StrictBuffer, Suppressed, SuppressedBy, UntilTimeLimit,
    UntilWindowCloses,
};

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
