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
