//! [`TestStore`].

use std::fmt;
use std::marker::PhantomData;

use millrace_crds::test_file::RecordFormat;

use super::{TopologyTestDriver, data};
use crate::data::Data;
use crate::dsl::Key;
use crate::testing::DriverError;

/// A store of a topology under test, as its readers see it after a commit; of a versioned store the
/// latest versions.
///
/// ```
/// # use millrace_worker::dsl::{Grouped, StreamsBuilder};
/// # use millrace_worker::testing::TopologyTestDriver;
/// # let builder = StreamsBuilder::new();
/// builder.stream::<String, i64>("orders").group_by_key(Grouped::new()).count("counts");
/// # let driver = TopologyTestDriver::new("app", &builder.build())?;
/// # let mut input = driver.input_topic::<String, i64>("orders")?;
/// let counts = driver.store::<String, i64>("counts")?;
/// input.pipe("ann", 250)?;
/// input.pipe("ann", 40)?;
/// assert_eq!(counts.get(&"ann".to_owned())?, Some(2));
/// # Ok::<(), millrace_worker::testing::DriverError>(())
/// ```
pub struct TestStore<K, V> {
    driver: TopologyTestDriver,
    name: String,
    format: RecordFormat,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K: Key, V: Data> TestStore<K, V> {
    pub(super) fn new(driver: TopologyTestDriver, name: &str, format: RecordFormat) -> Self {
        Self {
            driver,
            name: name.to_owned(),
            format,
            types: PhantomData,
        }
    }

    /// All rows, in the order of their keys' bytes.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// builder.table::<String, i64>("balances").to_stream().to("balance-changes");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("balances")?;
    /// input.pipe("bob", 20)?;
    /// input.pipe("ann", 70)?;
    /// let balances = driver.store::<String, i64>("balances")?;
    /// assert_eq!(balances.all()?, [("ann".to_owned(), 70), ("bob".to_owned(), 20)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    ///
    /// # Errors
    /// State that cannot be read or written; rows that these types cannot be.
    pub fn all(&self) -> Result<Vec<(K, V)>, DriverError> {
        let rows = self.driver.with(|inner| inner.driver.rows(&self.name))?;
        let rows = rows.iter();
        let typed = rows.map(|(key, (at, value))| {
            data::row(&self.name, key, (*at, value.as_slice()), self.format)
        });
        typed.collect()
    }

    /// The value of a key.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// builder.table::<String, i64>("balances").to_stream().to("balance-changes");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("balances")?;
    /// input.pipe("ann", 70)?;
    /// let balances = driver.store::<String, i64>("balances")?;
    /// assert_eq!(balances.get(&"ann".to_owned())?, Some(70));
    /// assert_eq!(balances.get(&"bob".to_owned())?, None);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    ///
    /// # Errors
    /// As [`TestStore::all`].
    pub fn get(&self, key: &K) -> Result<Option<V>, DriverError>
    where
        K: PartialEq,
    {
        let found = self.all()?.into_iter().find(|(other, _)| other == key);
        Ok(found.map(|(_, value)| value))
    }
}

impl<K, V> fmt::Debug for TestStore<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TestStore({})", self.name)
    }
}
