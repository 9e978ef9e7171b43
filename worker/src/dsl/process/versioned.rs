//! Versioned stores of typed processors.

use std::marker::PhantomData;

use millrace_expr::Bump;

use super::record::of_data;
use super::store::{StoredValue, check};
use crate::api::{self, Placed, ProcessingContext, ProcessorError};
use crate::data::Data;

/// A store of each key's latest value, and for the store's retention of those before (Kafka Streams'
/// `VersionedKeyValueStore`, KIP-889). A version is valid from its time until the next one's.
///
/// ```
/// use millrace_worker::api::ProcessorError;
/// use millrace_worker::dsl::VersionedStore;
///
/// /// By how much a price has risen since an order.
/// fn risen(
///     prices: &mut VersionedStore<'_, '_, String, i64>,
///     product: &String,
///     ordered_at: i64,
/// ) -> Result<Option<i64>, ProcessorError> {
///     let then = prices.get_as_of(product, ordered_at)?;
///     let now = prices.get(product)?;
///     Ok(now.zip(then).map(|(now, then)| now.value - then.value))
/// }
/// ```
pub struct VersionedStore<'s, 'r, K, V> {
    store: api::VersionedStore<'s, 'r>,
    arena: &'r Bump,
    types: PhantomData<fn(K) -> V>,
}

impl<'s, 'r, K: Data, V: Data> VersionedStore<'s, 'r, K, V> {
    pub(super) fn of(
        context: &'s mut ProcessingContext<'_, 'r>,
        name: &str,
    ) -> Result<Self, ProcessorError> {
        let arena = context.arena();
        let store = context.versioned(name)?;
        check::<K, V>(name, store.formats())?;
        Ok(Self {
            store,
            arena,
            types: PhantomData,
        })
    }

    /// The latest version of a key, however old.
    ///
    /// # Errors
    /// A null key; state that cannot be read.
    ///
    /// ```
    /// # use millrace_worker::api::ProcessorError;
    /// # use millrace_worker::dsl::VersionedStore;
    /// type Prices<'s, 'r> = VersionedStore<'s, 'r, String, i64>;
    ///
    /// fn since(prices: &mut Prices<'_, '_>) -> Result<Option<i64>, ProcessorError> {
    ///     Ok(prices.get(&"tea".to_owned())?.map(|price| price.timestamp))
    /// }
    /// ```
    pub fn get(&mut self, key: &K) -> Result<Option<StoredValue<V>>, ProcessorError> {
        let key = of_data("key", key, self.arena)?;
        let stored = self.store.get(key)?;
        stored.map(|stored| StoredValue::read(&stored)).transpose()
    }

    /// The version of a key that was valid at a time (ms since the epoch). None where the time is
    /// further back than versions are kept, unless the latest one is older still.
    ///
    /// # Errors
    /// As [`VersionedStore::get`].
    ///
    /// ```
    /// # use millrace_worker::api::ProcessorError;
    /// # use millrace_worker::dsl::VersionedStore;
    /// type Prices<'s, 'r> = VersionedStore<'s, 'r, String, i64>;
    ///
    /// fn was_known(prices: &mut Prices<'_, '_>, time: i64) -> Result<bool, ProcessorError> {
    ///     Ok(prices.get_as_of(&"tea".to_owned(), time)?.is_some())
    /// }
    /// ```
    pub fn get_as_of(
        &mut self,
        key: &K,
        time: i64,
    ) -> Result<Option<StoredValue<V>>, ProcessorError> {
        let key = of_data("key", key, self.arena)?;
        let stored = self.store.get_as_of(key, time)?;
        stored.map(|stored| StoredValue::read(&stored)).transpose()
    }

    /// Writes a version that is valid from a time on (ms since the epoch, not negative); a `None` deletes
    /// the key from then on. Says where it has come to lie among the others. One that is older than
    /// versions are kept is not written, and counted as a dropped record.
    ///
    /// # Errors
    /// A store that is only read; a negative time; a row that its changelog topic would not take.
    ///
    /// ```
    /// # use millrace_worker::api::{Placed, ProcessorError};
    /// # use millrace_worker::dsl::VersionedStore;
    /// type Prices<'s, 'r> = VersionedStore<'s, 'r, String, i64>;
    ///
    /// fn is_new(prices: &mut Prices<'_, '_>, at: i64) -> Result<bool, ProcessorError> {
    ///     Ok(prices.put(&"tea".to_owned(), &5, at)? == Placed::Latest)
    /// }
    /// ```
    pub fn put(&mut self, key: &K, value: &V, timestamp: i64) -> Result<Placed, ProcessorError> {
        let (key, value) = (
            of_data("key", key, self.arena)?,
            of_data("value", value, self.arena)?,
        );
        self.store.put(key, value, timestamp)
    }

    /// Deletes a key from a time on, until a later version; gives back the version that was valid then.
    ///
    /// # Errors
    /// As [`VersionedStore::put`].
    ///
    /// ```
    /// # use millrace_worker::api::ProcessorError;
    /// # use millrace_worker::dsl::VersionedStore;
    /// type Prices<'s, 'r> = VersionedStore<'s, 'r, String, i64>;
    ///
    /// fn end(prices: &mut Prices<'_, '_>, at: i64) -> Result<bool, ProcessorError> {
    ///     Ok(prices.delete(&"tea".to_owned(), at)?.is_some())
    /// }
    /// ```
    pub fn delete(
        &mut self,
        key: &K,
        timestamp: i64,
    ) -> Result<Option<StoredValue<V>>, ProcessorError> {
        let key = of_data("key", key, self.arena)?;
        let stored = self.store.delete(key, timestamp)?;
        stored.map(|stored| StoredValue::read(&stored)).transpose()
    }
}
