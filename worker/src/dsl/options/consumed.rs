//! [`Consumed`]: how a topic is read.

use std::fmt;

use millrace_crds::stream_app::ErrorPolicy;
use millrace_crds::topology::{InvalidTimestamp, OffsetResetName};

use crate::dsl::extractor::Extractor;

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
    pub(in crate::dsl) offset_reset: Option<OffsetResetName>,
    pub(in crate::dsl) time: EventTime<K, V>,
    pub(in crate::dsl) invalid_timestamp: Option<InvalidTimestamp>,
    pub(in crate::dsl) deserialization_errors: Option<ErrorPolicy>,
    pub(in crate::dsl) processing_errors: Option<ErrorPolicy>,
    pub(in crate::dsl) production_errors: Option<ErrorPolicy>,
}

/// Where a record's time comes from.
pub(in crate::dsl) enum EventTime<K, V> {
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
