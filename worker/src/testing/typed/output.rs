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
    /// # Errors
    /// As [`TestOutputTopic::read_record`].
    pub fn read(&self) -> Result<(K, V), DriverError> {
        let record = self.read_record()?;
        Ok((record.key, record.value))
    }

    /// All records that were not read yet.
    ///
    /// # Errors
    /// One of them is nothing that these types can be.
    pub fn read_records(&self) -> Result<Vec<TestRecord<K, V>>, DriverError> {
        (0..self.len()).map(|_| self.read_record()).collect()
    }

    /// Keys and values of all records that were not read yet.
    ///
    /// # Errors
    /// As [`TestOutputTopic::read_records`].
    pub fn read_all(&self) -> Result<Vec<(K, V)>, DriverError> {
        (0..self.len()).map(|_| self.read()).collect()
    }

    /// Number of records that were not read yet.
    pub fn len(&self) -> usize {
        let waiting = |records: &std::collections::VecDeque<_>| records.len();
        self.driver
            .with(|inner| inner.written.get(&self.topic).map_or(0, waiting))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K, V> fmt::Debug for TestOutputTopic<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TestOutputTopic({})", self.topic)
    }
}
