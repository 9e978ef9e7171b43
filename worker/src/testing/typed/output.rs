//! [`TestOutputTopic`].

use std::fmt;
use std::marker::PhantomData;

use millrace_crds::test_file::RecordFormat;

use super::{TestRecord, TopologyTestDriver, data};
use crate::data::Data;
use crate::dsl::Key;
use crate::testing::DriverError;

/// A topic that a topology under test writes (Kafka Streams' `TestOutputTopic`). Each record is read
/// once, in the order written.
///
/// ```
/// # use millrace_worker::dsl::StreamsBuilder;
/// # use millrace_worker::testing::TopologyTestDriver;
/// # let builder = StreamsBuilder::new();
/// builder.stream::<String, i64>("orders").to("copied-orders");
/// # let driver = TopologyTestDriver::new("app", &builder.build())?;
/// # let mut input = driver.input_topic::<String, i64>("orders")?;
/// let copied = driver.output_topic::<String, i64>("copied-orders")?;
/// input.pipe("ann", 250)?;
/// assert_eq!(copied.read()?, ("ann".to_owned(), 250));
/// assert!(copied.is_empty());
/// # Ok::<(), millrace_worker::testing::DriverError>(())
/// ```
pub struct TestOutputTopic<K, V> {
    driver: TopologyTestDriver,
    topic: String,
    format: RecordFormat,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K: Key, V: Data> TestOutputTopic<K, V> {
    pub(super) fn new(driver: TopologyTestDriver, topic: &str, format: RecordFormat) -> Self {
        Self {
            driver,
            topic: topic.to_owned(),
            format,
            types: PhantomData,
        }
    }

    /// The next record.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("orders").to("copied-orders");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// # let output = driver.output_topic::<String, i64>("copied-orders")?;
    /// input.pipe_at("ann", 250, 60_000)?;
    /// let record = output.read_record()?;
    /// assert_eq!((&*record.key, record.value, record.timestamp), ("ann", 250, 60_000));
    /// assert!(output.read_record().is_err());
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    ///
    /// # Errors
    /// There is none, or one that these types cannot be: a tombstone where values are no `Option`.
    pub fn read_record(&self) -> Result<TestRecord<K, V>, DriverError> {
        let next = self
            .driver
            .with(|inner| inner.written.get_mut(&self.topic)?.pop_front());
        let none = || DriverError::Types(format!("there is no further record in {}", self.topic));
        data::record(&next.ok_or_else(none)?, self.format)
    }

    /// Key and value of the next record.
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
    /// assert_eq!(output.read()?, ("ann".to_owned(), 250));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    ///
    /// # Errors
    /// As [`TestOutputTopic::read_record`].
    pub fn read(&self) -> Result<(K, V), DriverError> {
        let record = self.read_record()?;
        Ok((record.key, record.value))
    }

    /// All records that were not read yet.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("orders").to("copied-orders");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// # let output = driver.output_topic::<String, i64>("copied-orders")?;
    /// input.pipe_at("ann", 250, 1_000)?;
    /// input.pipe_at("bob", 40, 2_000)?;
    /// let times = output.read_records()?.into_iter().map(|record| record.timestamp);
    /// assert_eq!(times.collect::<Vec<_>>(), [1_000, 2_000]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    ///
    /// # Errors
    /// One of them is nothing that these types can be.
    pub fn read_records(&self) -> Result<Vec<TestRecord<K, V>>, DriverError> {
        (0..self.len()).map(|_| self.read_record()).collect()
    }

    /// Keys and values of all records that were not read yet.
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
    /// input.pipe("bob", 40)?;
    /// assert_eq!(output.read_all()?, [("ann".to_owned(), 250), ("bob".to_owned(), 40)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    ///
    /// # Errors
    /// As [`TestOutputTopic::read_records`].
    pub fn read_all(&self) -> Result<Vec<(K, V)>, DriverError> {
        (0..self.len()).map(|_| self.read()).collect()
    }

    /// Number of records that were not read yet.
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
    /// assert_eq!(output.len(), 1);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn len(&self) -> usize {
        let waiting = |records: &std::collections::VecDeque<_>| records.len();
        self.driver
            .with(|inner| inner.written.get(&self.topic).map_or(0, waiting))
    }

    /// Whether there are none.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("orders").filter(|_, amount| *amount > 100).to("large-orders");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// # let output = driver.output_topic::<String, i64>("large-orders")?;
    /// input.pipe("bob", 40)?;
    /// assert!(output.is_empty());
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K, V> fmt::Debug for TestOutputTopic<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TestOutputTopic({})", self.topic)
    }
}
