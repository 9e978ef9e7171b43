//! [`VersionedStore`]: a store of the versions of each key.

use millrace_crds::plan::SerdeKind;
use millrace_expr::Value;

use super::error::ProcessorError;
use super::store::{StoreAt, Stored};
use crate::state::{self, Placed};

/// A store of each key's latest value, and for the store's retention of those before (Kafka Streams'
/// `VersionedKeyValueStore`, KIP-889). A version is valid from its time until the next one's.
///
/// ```
/// use millrace_worker::api::{ProcessorError, Value, VersionedStore};
///
/// /// What a product cost when it was ordered, and costs now.
/// fn then_and_now<'r>(
///     prices: &mut VersionedStore<'_, 'r>,
///     product: Value<'_>,
///     ordered_at: i64,
/// ) -> Result<[Value<'r>; 2], ProcessorError> {
///     let then = prices.get_as_of(product, ordered_at)?;
///     let now = prices.get(product)?;
///     Ok([then, now].map(|price| price.map_or(Value::Null, |price| price.value)))
/// }
/// ```
pub struct VersionedStore<'s, 'r>(pub(super) StoreAt<'s, 'r>);

impl<'r> VersionedStore<'_, 'r> {
    /// The formats of its keys and values.
    pub(crate) fn formats(&self) -> (SerdeKind, SerdeKind) {
        self.0.formats()
    }

    /// The latest version of a key, however old.
    ///
    /// # Errors
    /// A null key, or one that the store's format cannot hold; state that cannot be read.
    ///
    /// ```
    /// # use millrace_worker::api::{ProcessorError, Value, VersionedStore};
    /// fn since(prices: &mut VersionedStore<'_, '_>) -> Result<Option<i64>, ProcessorError> {
    ///     Ok(prices.get(Value::String("tea"))?.map(|price| price.timestamp))
    /// }
    /// ```
    pub fn get(&mut self, key: Value<'_>) -> Result<Option<Stored<'r>>, ProcessorError> {
        let key = self.0.key(&key)?;
        let arena = self.0.arena;
        let row = state::VersionedStore::new(self.0.store()).latest(key, arena);
        let row = row.map_err(|error| self.0.failed(error.into()))?;
        row.map(|row| self.0.stored(row)).transpose()
    }

    /// The version of a key that was valid at a time (ms since the epoch). None where the time is
    /// further back than versions are kept, unless the latest one is older still.
    ///
    /// # Errors
    /// As [`VersionedStore::get`].
    ///
    /// ```
    /// # use millrace_worker::api::{ProcessorError, Value, VersionedStore};
    /// fn was_known(prices: &mut VersionedStore<'_, '_>) -> Result<bool, ProcessorError> {
    ///     Ok(prices.get_as_of(Value::String("tea"), 1_700_000_000_000)?.is_some())
    /// }
    /// ```
    pub fn get_as_of(
        &mut self,
        key: Value<'_>,
        time: i64,
    ) -> Result<Option<Stored<'r>>, ProcessorError> {
        let key = self.0.key(&key)?;
        let arena = self.0.arena;
        let row = state::VersionedStore::new(self.0.store()).get_as_of(key, time, arena);
        let row = row.map_err(|error| self.0.failed(error.into()))?;
        row.map(|row| self.0.stored(row)).transpose()
    }

    /// Writes a version that is valid from a time on (ms since the epoch, not negative); null deletes the
    /// key from then on. Says where it has come to lie among the others. One that is older than versions
    /// are kept is not written, and counted as a dropped record.
    ///
    /// # Errors
    /// A store that is only read; a negative time; a key or value that its format cannot hold, or its
    /// changelog topic not take.
    ///
    /// ```
    /// # use millrace_worker::api::{Placed, ProcessorError, Value, VersionedStore};
    /// fn is_new(prices: &mut VersionedStore<'_, '_>, at: i64) -> Result<bool, ProcessorError> {
    ///     let placed = prices.put(Value::String("tea"), Value::Int(5), at)?;
    ///     Ok(placed == Placed::Latest)
    /// }
    /// ```
    pub fn put(
        &mut self,
        key: Value<'_>,
        value: Value<'_>,
        timestamp: i64,
    ) -> Result<Placed, ProcessorError> {
        self.0.check_writable()?;
        if timestamp < 0 {
            return Err(self.0.refused("a version begins before 1970"));
        }
        let key = self.0.key(&key)?;
        let value = self.0.value(&value)?;
        self.0.check_size(key, value)?;
        let arena = self.0.arena;
        let placed = state::VersionedStore::new(self.0.store()).put(key, value, timestamp, arena);
        let placed = placed.map_err(|error| self.0.failed(error.into()))?;
        if placed == Placed::Expired {
            self.0.engine.dropped.records += 1;
        }
        Ok(placed)
    }

    /// Deletes a key from a time on, until a later version; gives back the version that was valid then.
    ///
    /// # Errors
    /// As [`VersionedStore::put`].
    ///
    /// ```
    /// # use millrace_worker::api::{ProcessorError, Value, VersionedStore};
    /// fn end(prices: &mut VersionedStore<'_, '_>, at: i64) -> Result<bool, ProcessorError> {
    ///     Ok(prices.delete(Value::String("tea"), at)?.is_some())
    /// }
    /// ```
    pub fn delete(
        &mut self,
        key: Value<'_>,
        timestamp: i64,
    ) -> Result<Option<Stored<'r>>, ProcessorError> {
        self.0.check_writable()?;
        let deleted = self.get_as_of(key, timestamp)?;
        let placed = self.put(key, Value::Null, timestamp)?;
        Ok(deleted.filter(|_| placed != Placed::Expired))
    }
}
