//! [`TestStore`].

use std::fmt;
use std::marker::PhantomData;

use millrace_crds::test_file::RecordFormat;

use super::{TopologyTestDriver, data};
use crate::data::Data;
use crate::dsl::Key;
use crate::testing::DriverError;

/// A store of a topology under test, as its readers see it after a commit; of a versioned store the
/// latest versions, but for [`TestStore::get_as_of`].
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

    /// The value that a key of a versioned store had at a time, ms since the epoch.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{Consumed, Materialized, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let prices = Materialized::named("prices").versioned(Duration::from_secs(3600));
    /// builder.table_with::<String, i64>("prices", Consumed::new(), prices).to_stream().to("changes");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("prices")?;
    /// input.pipe_at("flour", 4, 1_000)?;
    /// input.pipe_at("flour", 5, 2_000)?;
    /// let prices = driver.store::<String, i64>("prices")?;
    /// assert_eq!(prices.get_as_of(&"flour".to_owned(), 1_500)?, Some(4));
    /// assert_eq!(prices.get_as_of(&"flour".to_owned(), 999)?, None);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    ///
    /// # Errors
    /// The store keeps no versions; or as [`TestStore::all`].
    pub fn get_as_of(&self, key: &K, time: i64) -> Result<Option<V>, DriverError>
    where
        K: Data,
    {
        let Some(key) = data::bytes(key)? else {
            return Ok(None);
        };
        let row = self
            .driver
            .with(|inner| inner.driver.row_as_of(&self.name, &key, time))?;
        let Some((at, value)) = row else {
            return Ok(None);
        };
        let (_, value) = data::row::<K, V>(&self.name, &key, (at, &value), self.format)?;
        Ok(Some(value))
    }
}

impl<K, V> fmt::Debug for TestStore<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TestStore({})", self.name)
    }
}
