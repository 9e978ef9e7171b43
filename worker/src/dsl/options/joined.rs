//! How joins of a stream are named and kept.

use std::time::Duration;

/// How a stream is joined with a table.
///
/// ```
/// # use millrace_worker::dsl::{Joined, StreamsBuilder};
/// # let builder = StreamsBuilder::new();
/// let pages = builder.table::<String, String>("pages");
/// let clicks = builder.stream::<String, String>("clicks").select_key(|_, page| page.clone());
/// let titled = |_: &String, title: &String| title.clone();
/// clicks.join_table(&pages, titled, Joined::named("titled")).to("clicked-titles");
/// assert!(builder.build().describe("site").unwrap().contains("site-titled-repartition"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Joined {
    pub(in crate::dsl) name: Option<String>,
    pub(in crate::dsl) grace: Option<Duration>,
}

impl Joined {
    /// Without a name: enough while the stream's key is that of its topic.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Joined, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// let customers = builder.table::<String, String>("customers");
    /// let orders = builder.stream::<String, i64>("orders");
    /// orders.join_table(&customers, |_, name| name.clone(), Joined::new()).to("buyers");
    /// assert!(builder.build().plan("shop").is_ok());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// With a name, that of the repartition topic: needed behind an operator that changes keys, and
    /// with a grace.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Joined, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// let customers = builder.table::<String, String>("customers");
    /// let clicks = builder.stream::<i64, String>("clicks").select_key(|_, customer| customer.clone());
    /// clicks.join_table(&customers, |_, name| name.clone(), Joined::named("named")).to("visitors");
    /// assert!(builder.build().describe("site").unwrap().contains("site-named-repartition"));
    /// ```
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            grace: None,
        }
    }

    /// Holds records back for so long, for a versioned table to catch up (KIP-923).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{Consumed, Joined, Materialized, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let minute = Duration::from_secs(60);
    /// let prices = Materialized::named("prices").versioned(60 * minute);
    /// let prices = builder.table_with::<String, i64>("prices", Consumed::new(), prices);
    /// let orders = builder.stream::<String, i64>("orders");
    /// let joined = Joined::named("priced").with_grace_period(minute);
    /// orders.join_table(&prices, |pieces, price| pieces * price, joined).to("dues");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// # let output = driver.output_topic::<String, i64>("dues")?;
    /// input.pipe_at("flour", 2, 1_000)?;
    /// driver.input_topic::<String, i64>("prices")?.pipe_at("flour", 4, 0)?;
    /// input.pipe_at("flour", 1, 61_000)?;
    /// assert_eq!(output.read_all()?, [("flour".to_owned(), 8)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    #[must_use]
    pub fn with_grace_period(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }
}

impl From<&str> for Joined {
    fn from(name: &str) -> Self {
        Self::named(name)
    }
}

/// Name of a join of two streams, and where it keeps their records. A text stands for stores on disk.
///
/// ```
/// # use std::time::Duration;
/// # use millrace_worker::dsl::{JoinWindows, StreamJoined, StreamsBuilder};
/// # let builder = StreamsBuilder::new();
/// let orders = builder.stream::<String, i64>("orders");
/// let payments = builder.stream::<String, i64>("payments");
/// let hour = JoinWindows::of_time_difference_with_no_grace(Duration::from_secs(3600));
/// let stores = StreamJoined::named("paid").in_memory();
/// orders.join(&payments, |due, paid| due - paid, hour, stores).to("still-due");
/// assert!(builder.build().plan("shop").unwrap().stores.iter().all(|store| store.in_memory));
/// ```
#[derive(Clone, Debug)]
pub struct StreamJoined {
    pub(in crate::dsl) name: String,
    pub(in crate::dsl) in_memory: bool,
}

impl StreamJoined {
    /// Stores, changelogs and repartition topics begin with this name.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{JoinWindows, StreamJoined, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders");
    /// let payments = builder.stream::<String, i64>("payments");
    /// let hour = JoinWindows::of_time_difference_with_no_grace(Duration::from_secs(3600));
    /// orders.join(&payments, |due, paid| due - paid, hour, StreamJoined::named("paid")).to("due");
    /// let plan = builder.build().plan("shop").unwrap();
    /// assert!(plan.stores.iter().all(|store| store.name.starts_with("paid")));
    /// ```
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            in_memory: false,
        }
    }

    /// Keeps the stores in memory.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{JoinWindows, StreamJoined, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders");
    /// let hour = JoinWindows::of_time_difference_with_no_grace(Duration::from_secs(3600));
    /// let stores = StreamJoined::named("pairs").in_memory();
    /// orders.join(&orders, |one, other| one + other, hour, stores).to("pairs");
    /// assert!(builder.build().plan("shop").unwrap().stores[0].in_memory);
    /// ```
    #[must_use]
    pub fn in_memory(mut self) -> Self {
        self.in_memory = true;
        self
    }
}

impl From<&str> for StreamJoined {
    fn from(name: &str) -> Self {
        Self::named(name)
    }
}
