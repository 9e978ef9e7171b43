//! Topics and stores of a topology under test, with the Rust types of their keys and values.
//!
//! ```text
//!   TestInputTopic<K, V> ── pipe ──► TopologyTestDriver ── read ──► TestOutputTopic<K, V>
//!                                            └──────────── all ───► TestStore<K, V>
//! ```
//!
//! Types that are not those of the topology are refused where a topic or store is asked for, not with
//! the first record.

mod data;
mod engine;
mod input;
mod output;
mod store;

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use millrace_kafka::HeadersBuf;

use super::driver::settings_of;
use super::{CapturedRecord, DriverError, StepDriver, StepOptions};
use crate::data::Data;
use crate::dsl::{Application, Key, Topology};
use data::TypedFormats;

pub use input::TestInputTopic;
pub use output::TestOutputTopic;
pub use store::TestStore;

/// A record with its types.
///
/// ```
/// # use millrace_worker::testing::TestRecord;
/// # use millrace_worker::api::HeadersBuf;
/// let mut headers = HeadersBuf::new();
/// headers.push("source", Some(b"web"));
/// let order = TestRecord { key: "ann".to_owned(), value: 250, timestamp: 60_000, headers };
/// assert_eq!(order.value, 250);
/// ```
#[derive(Clone, Debug)]
pub struct TestRecord<K, V> {
    /// Key.
    pub key: K,
    /// Value.
    pub value: V,
    /// Its time, ms since the epoch.
    pub timestamp: i64,
    /// Headers, in order.
    pub headers: HeadersBuf,
}

/// Runs a topology in Rust record by record, without Kafka (Kafka Streams' `TopologyTestDriver`): a
/// [`StepDriver`] whose topics and stores have types. What comes of a record is all there when `pipe`
/// returns; time stands still until moved. Clones are the same driver.
///
/// ```
/// use millrace_worker::dsl::{Grouped, StreamsBuilder};
/// use millrace_worker::testing::TopologyTestDriver;
///
/// let builder = StreamsBuilder::new();
/// builder
///     .stream::<String, i64>("purchases")
///     .group_by_key(Grouped::new())
///     .reduce(|sum, more| sum + more, "sums")
///     .to_stream()
///     .to("sums");
/// let driver = TopologyTestDriver::new("purchases", &builder.build())?;
/// let mut purchases = driver.input_topic::<String, i64>("purchases")?;
/// let sums = driver.output_topic::<String, i64>("sums")?;
///
/// purchases.pipe("ann", 12)?;
/// purchases.pipe("bob", 5)?;
/// purchases.pipe("ann", 3)?;
/// let expected = [("ann", 12), ("bob", 5), ("ann", 15)];
/// assert_eq!(sums.read_all()?, expected.map(|(name, sum)| (name.to_owned(), sum)));
/// assert_eq!(driver.store::<String, i64>("sums")?.get(&"ann".to_owned())?, Some(15));
/// # Ok::<(), millrace_worker::testing::DriverError>(())
/// ```
#[derive(Clone)]
pub struct TopologyTestDriver(Rc<RefCell<Inner>>);

struct Inner {
    driver: StepDriver,
    formats: TypedFormats,
    now_ms: i64,
    /// By topic, what was written and not yet read.
    written: HashMap<String, VecDeque<CapturedRecord>>,
}

impl TopologyTestDriver {
    /// Drives a topology under this application id; the clock shows 1970.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("orders").to("copied-orders");
    /// let driver = TopologyTestDriver::new("shop", &builder.build())?;
    /// assert_eq!(driver.now_ms(), 0);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    ///
    /// # Errors
    /// The topology is refused, or the state directory cannot be made.
    pub fn new(application_id: &str, topology: &Topology) -> Result<Self, DriverError> {
        Self::with_options(application_id, topology, StepOptions::default())
    }

    /// As [`TopologyTestDriver::new`], set up in this way.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # use millrace_worker::testing::StepOptions;
    /// builder.stream::<String, i64>("orders").to("copied-orders");
    /// let options = StepOptions { now_ms: 60_000, ..StepOptions::default() };
    /// let driver = TopologyTestDriver::with_options("shop", &builder.build(), options)?;
    /// assert_eq!(driver.now_ms(), 60_000);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    ///
    /// # Errors
    /// As [`TopologyTestDriver::new`].
    pub fn with_options(
        application_id: &str,
        topology: &Topology,
        options: StepOptions,
    ) -> Result<Self, DriverError> {
        let application = Application::new(application_id, topology.clone());
        let app = application.stream_app();
        let plan = topology.plan_of(&app);
        let plan = plan.map_err(|problems| DriverError::refused(&problems))?;
        let (config, state) = settings_of(&app);
        let formats = TypedFormats::of(&plan, &config.engine.dead_letter_topic);
        drop(state);
        let driver = StepDriver::of_plan_with(&app, &plan, topology.processors(), options)?;
        Ok(Self(Rc::new(RefCell::new(Inner {
            driver,
            formats,
            now_ms: options.now_ms,
            written: HashMap::new(),
        }))))
    }

    /// A topic that the topology reads.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("orders").to("copied-orders");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// let mut orders = driver.input_topic::<String, i64>("orders")?;
    /// orders.pipe("ann", 250)?;
    /// assert!(driver.input_topic::<String, f64>("orders").is_err());
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    ///
    /// # Errors
    /// It reads no such topic, or one of other types.
    pub fn input_topic<K: Data, V: Data>(
        &self,
        topic: &str,
    ) -> Result<TestInputTopic<K, V>, DriverError> {
        self.0.borrow().formats.input::<K, V>(topic)?;
        Ok(TestInputTopic::new(self.clone(), topic))
    }

    /// A topic that the topology writes; also its dead-letter topic, of bytes. Keys may be
    /// [`Windowed`](crate::dsl::Windowed).
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("orders").to("copied-orders");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// input.pipe("ann", 250)?;
    /// let copied = driver.output_topic::<String, i64>("copied-orders")?;
    /// assert_eq!(copied.read()?, ("ann".to_owned(), 250));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    ///
    /// # Errors
    /// It writes no such topic, or one of other types.
    pub fn output_topic<K: Key, V: Data>(
        &self,
        topic: &str,
    ) -> Result<TestOutputTopic<K, V>, DriverError> {
        let format = self.0.borrow().formats.output::<K, V>(topic)?;
        Ok(TestOutputTopic::new(self.clone(), topic, format))
    }

    /// A store. Of one with windows keys are [`Windowed`](crate::dsl::Windowed).
    ///
    /// ```
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("orders").group_by_key(Grouped::new()).count("counts");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// input.pipe("ann", 250)?;
    /// let counts = driver.store::<String, i64>("counts")?;
    /// assert_eq!(counts.all()?, [("ann".to_owned(), 1)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    ///
    /// # Errors
    /// There is no such store, or one of other types.
    pub fn store<K: Key, V: Data>(&self, name: &str) -> Result<TestStore<K, V>, DriverError> {
        let format = self.0.borrow().formats.store::<K, V>(name)?;
        Ok(TestStore::new(self.clone(), name, format))
    }

    /// Moves the wall clock on, and makes the punctuations that are due (`advanceWallClockTime`).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("orders").to("copied-orders");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// driver.advance(Duration::from_secs(60))?;
    /// assert_eq!(driver.now_ms(), 60_000);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    ///
    /// # Errors
    /// A punctuation fails where the error policy is to stop.
    pub fn advance(&self, time: Duration) -> Result<(), DriverError> {
        let mut inner = self.0.borrow_mut();
        let ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        inner.now_ms = inner.now_ms.saturating_add(ms);
        let written = inner.driver.advance(time)?;
        inner.keep(written);
        Ok(())
    }

    /// The wall clock, ms since the epoch.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("orders").to("copied-orders");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// # let output = driver.output_topic::<String, i64>("copied-orders")?;
    /// input.pipe("ann", 250)?;
    /// assert_eq!(output.read_record()?.timestamp, driver.now_ms());
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn now_ms(&self) -> i64 {
        self.0.borrow().now_ms
    }

    /// Records dropped by rule so far, such as late ones.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder, TimeWindows};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let minutes = TimeWindows::of_size_with_no_grace(Duration::from_secs(60));
    /// let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
    /// clicks.windowed_by(minutes).count("per-minute");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("clicks")?;
    /// input.pipe_at("ann", "/home", 120_000)?;
    /// input.pipe_at("ann", "/cart", 0)?;
    /// assert_eq!(driver.dropped(), 1);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn dropped(&self) -> u64 {
        self.0.borrow().driver.dropped()
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.0.borrow_mut())
    }
}

impl fmt::Debug for TopologyTestDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TopologyTestDriver")
    }
}

impl Inner {
    fn keep(&mut self, written: Vec<CapturedRecord>) {
        for record in written {
            let topic = record.topic.to_string();
            self.written.entry(topic).or_default().push_back(record);
        }
    }
}
