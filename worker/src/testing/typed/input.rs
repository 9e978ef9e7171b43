//! [`TestInputTopic`].

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use millrace_kafka::HeadersBuf;

use super::data::bytes;
use super::{TestRecord, TopologyTestDriver};
use crate::data::Data;
use crate::testing::DriverError;

/// A topic that a topology under test reads (Kafka Streams' `TestInputTopic`).
///
/// A record's time is that of the driver's clock; or, for a topic with times of its own, the start of
/// these and, with each record, the advance more:
///
/// ```
/// # use std::time::Duration;
/// # use millrace_worker::dsl::StreamsBuilder;
/// # use millrace_worker::testing::TopologyTestDriver;
/// # let builder = StreamsBuilder::new();
/// # builder.stream::<String, i64>("in").to("out");
/// # let driver = TopologyTestDriver::new("app", &builder.build())?;
/// let input = driver.input_topic::<String, i64>("in")?;
/// let mut input = input.with_times(60_000, Duration::from_secs(1));
/// input.pipe("a", 1)?;
/// input.pipe("b", 2)?;
/// let output = driver.output_topic::<String, i64>("out")?;
/// let times = output.read_records()?.into_iter().map(|record| record.timestamp);
/// assert_eq!(times.collect::<Vec<_>>(), [60_000, 61_000]);
/// # Ok::<(), millrace_worker::testing::DriverError>(())
/// ```
pub struct TestInputTopic<K, V> {
    driver: TopologyTestDriver,
    topic: String,
    /// Time of the next record, and what is added after each; `None` is the clock's.
    times: Option<(i64, i64)>,
    types: PhantomData<fn(K, V)>,
}

impl<K: Data, V: Data> TestInputTopic<K, V> {
    pub(super) fn new(driver: TopologyTestDriver, topic: &str) -> Self {
        Self {
            driver,
            topic: topic.to_owned(),
            times: None,
            types: PhantomData,
        }
    }

    /// Gives records times of their own: from `start` (ms since the epoch), each so much after the one
    /// before.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("orders").to("copied-orders");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let output = driver.output_topic::<String, i64>("copied-orders")?;
    /// let orders = driver.input_topic::<String, i64>("orders")?;
    /// let mut orders = orders.with_times(60_000, Duration::from_secs(1));
    /// orders.pipe("ann", 250)?;
    /// orders.pipe("bob", 40)?;
    /// assert_eq!(output.read_records()?[1].timestamp, 61_000);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    #[must_use]
    pub fn with_times(mut self, start: i64, advance: Duration) -> Self {
        let advance = i64::try_from(advance.as_millis()).unwrap_or(i64::MAX);
        self.times = Some((start, advance));
        self
    }

    /// Writes a record, which is processed to its end.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("orders").to("copied-orders");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let output = driver.output_topic::<String, i64>("copied-orders")?;
    /// let mut orders = driver.input_topic::<String, i64>("orders")?;
    /// orders.pipe("ann", 250)?;
    /// assert_eq!(output.read()?, ("ann".to_owned(), 250));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    ///
    /// # Errors
    /// The record cannot be written, or not be processed where the error policy is to stop.
    pub fn pipe(&mut self, key: impl Into<K>, value: impl Into<V>) -> Result<(), DriverError> {
        let time = self.next_time();
        self.pipe_at(key, value, time)
    }

    /// Writes a record of this time, ms since the epoch.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("orders").to("copied-orders");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let output = driver.output_topic::<String, i64>("copied-orders")?;
    /// let mut orders = driver.input_topic::<String, i64>("orders")?;
    /// orders.pipe_at("ann", 250, 60_000)?;
    /// assert_eq!(output.read_record()?.timestamp, 60_000);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    ///
    /// # Errors
    /// As [`TestInputTopic::pipe`].
    pub fn pipe_at(
        &mut self,
        key: impl Into<K>,
        value: impl Into<V>,
        timestamp: i64,
    ) -> Result<(), DriverError> {
        self.pipe_record(&TestRecord {
            key: key.into(),
            value: value.into(),
            timestamp,
            headers: HeadersBuf::new(),
        })
    }

    /// Writes a record.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # use millrace_worker::api::HeadersBuf;
    /// # use millrace_worker::testing::TestRecord;
    /// builder.stream::<String, i64>("orders").to("copied-orders");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let output = driver.output_topic::<String, i64>("copied-orders")?;
    /// let mut headers = HeadersBuf::new();
    /// headers.push("source", Some(b"web"));
    /// let order = TestRecord { key: "ann".to_owned(), value: 250, timestamp: 60_000, headers };
    /// driver.input_topic::<String, i64>("orders")?.pipe_record(&order)?;
    /// assert_eq!(output.read_record()?.headers.as_headers(), order.headers.as_headers());
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    ///
    /// # Errors
    /// As [`TestInputTopic::pipe`].
    pub fn pipe_record(&mut self, record: &TestRecord<K, V>) -> Result<(), DriverError> {
        let (key, value) = (bytes(&record.key)?, bytes(&record.value)?);
        self.write(
            key.as_deref(),
            value.as_deref(),
            record.timestamp,
            &record.headers,
        )
    }

    /// Writes a tombstone: a record without a value, whatever the type of values.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// builder.table::<String, i64>("balances").to_stream().to("balance-changes");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let output = driver.output_topic::<String, Option<i64>>("balance-changes")?;
    /// let mut balances = driver.input_topic::<String, i64>("balances")?;
    /// balances.pipe("ann", 70)?;
    /// balances.pipe_tombstone("ann")?;
    /// assert_eq!(output.read_all()?, [("ann".to_owned(), Some(70)), ("ann".to_owned(), None)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    ///
    /// # Errors
    /// As [`TestInputTopic::pipe`].
    pub fn pipe_tombstone(&mut self, key: impl Into<K>) -> Result<(), DriverError> {
        let time = self.next_time();
        let key = bytes(&key.into())?;
        self.write(key.as_deref(), None, time, &HeadersBuf::new())
    }

    fn next_time(&mut self) -> i64 {
        match &mut self.times {
            None => self.driver.now_ms(),
            Some((time, advance)) => {
                let next = time.saturating_add(*advance);
                std::mem::replace(time, next)
            }
        }
    }

    fn write(
        &self,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        timestamp: i64,
        headers: &HeadersBuf,
    ) -> Result<(), DriverError> {
        self.driver.with(|inner| {
            let written = inner
                .driver
                .pipe(&self.topic, key, value, timestamp, headers);
            inner.keep(written?);
            Ok(())
        })
    }
}

impl<K, V> fmt::Debug for TestInputTopic<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TestInputTopic({})", self.topic)
    }
}
