//! Stores of typed processors.

use std::marker::PhantomData;

use millrace_crds::plan::SerdeKind;
use millrace_expr::Bump;

use super::record::{of_data, refused};
use crate::api::{self, ProcessingContext, ProcessorError, ProcessorResult};
use crate::data::Data;

/// A value in a store, and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredValue<V> {
    /// The value.
    pub value: V,
    /// Its time, ms since the epoch, as it was written.
    pub timestamp: i64,
}

impl<V: Data> StoredValue<V> {
    pub(super) fn read(stored: &api::Stored<'_>) -> Result<Self, ProcessorError> {
        Ok(Self {
            value: read("a stored value", stored.value)?,
            timestamp: stored.timestamp,
        })
    }
}

pub(super) fn read<T: Data>(
    what: &str,
    value: millrace_expr::Value<'_>,
) -> Result<T, ProcessorError> {
    T::from_value(value).map_err(|error| refused(what, &error))
}

/// Refuses types whose formats are not those of the store: bytes must never be read as another type's.
pub(super) fn check<K: Data, V: Data>(
    name: &str,
    (key, value): (SerdeKind, SerdeKind),
) -> Result<(), ProcessorError> {
    if (K::FORMAT, V::FORMAT) == (key, value) {
        return Ok(());
    }
    Err(ProcessorError::new(format!(
        "the store {name} has keys of {key} and values of {value}, and was asked for with {} and {}: \
         use the types it was made with",
        K::FORMAT,
        V::FORMAT
    )))
}

/// A store of one value per key, with its time (Kafka Streams' `TimestampedKeyValueStore`). Keys are
/// sorted by their bytes.
pub struct KeyValueStore<'s, 'r, K, V> {
    store: api::KeyValueStore<'s, 'r>,
    arena: &'r Bump,
    types: PhantomData<fn(K) -> V>,
}

impl<'s, 'r, K: Data, V: Data> KeyValueStore<'s, 'r, K, V> {
    pub(super) fn of(
        context: &'s mut ProcessingContext<'_, 'r>,
        name: &str,
    ) -> Result<Self, ProcessorError> {
        let arena = context.arena();
        let store = context.key_value(name)?;
        check::<K, V>(name, store.formats())?;
        Ok(Self {
            store,
            arena,
            types: PhantomData,
        })
    }

    /// The value of a key.
    ///
    /// # Errors
    /// A null key; state that cannot be read.
    pub fn get(&mut self, key: &K) -> Result<Option<StoredValue<V>>, ProcessorError> {
        let key = of_data("key", key, self.arena)?;
        let stored = self.store.get(key)?;
        stored.map(|stored| StoredValue::read(&stored)).transpose()
    }

    /// Writes the value of a key, and its time in ms since the epoch; a `None` deletes it.
    ///
    /// # Errors
    /// A store that is only read; a row that its changelog topic would not take.
    pub fn put(&mut self, key: &K, value: &V, timestamp: i64) -> ProcessorResult {
        let (key, value) = (
            of_data("key", key, self.arena)?,
            of_data("value", value, self.arena)?,
        );
        self.store.put(key, value, timestamp)
    }

    /// Deletes a key.
    ///
    /// # Errors
    /// As [`KeyValueStore::put`].
    pub fn delete(&mut self, key: &K) -> ProcessorResult {
        let key = of_data("key", key, self.arena)?;
        self.store.delete(key)
    }

    /// Shows the rows with `from <= key <= to`, in order, until `row` gives false; without a bound, from
    /// the first or to the last.
    ///
    /// # Errors
    /// As [`KeyValueStore::get`].
    pub fn scan(
        &mut self,
        from: Option<&K>,
        to: Option<&K>,
        mut row: impl FnMut(K, StoredValue<V>) -> bool,
    ) -> ProcessorResult {
        let arena = self.arena;
        let bound = |key: Option<&K>| key.map(|key| of_data("key", key, arena)).transpose();
        let (from, to) = (bound(from)?, bound(to)?);
        let mut failed = None;
        self.store.scan(from, to, |key, stored| {
            match read("a stored key", key).and_then(|key| Ok((key, StoredValue::read(&stored)?))) {
                Ok((key, stored)) => row(key, stored),
                Err(error) => {
                    failed = Some(error);
                    false
                }
            }
        })?;
        failed.map_or(Ok(()), Err)
    }
}

/// A store of one value per key and window start (Kafka Streams' `TimestampedWindowStore`). Windows are
/// kept for the store's retention after their start, by the latest start written.
pub struct WindowStore<'s, 'r, K, V> {
    store: api::WindowStore<'s, 'r>,
    arena: &'r Bump,
    types: PhantomData<fn(K) -> V>,
}

impl<'s, 'r, K: Data, V: Data> WindowStore<'s, 'r, K, V> {
    pub(super) fn of(
        context: &'s mut ProcessingContext<'_, 'r>,
        name: &str,
    ) -> Result<Self, ProcessorError> {
        let arena = context.arena();
        let store = context.window(name)?;
        check::<K, V>(name, store.formats())?;
        Ok(Self {
            store,
            arena,
            types: PhantomData,
        })
    }

    /// The value of a key in the window that starts then.
    ///
    /// # Errors
    /// As [`KeyValueStore::get`].
    pub fn get(&mut self, key: &K, start: i64) -> Result<Option<StoredValue<V>>, ProcessorError> {
        let key = of_data("key", key, self.arena)?;
        let stored = self.store.get(key, start)?;
        stored.map(|stored| StoredValue::read(&stored)).transpose()
    }

    /// Writes the value of a key in the window that starts then (ms since the epoch, not negative), and
    /// its time; a `None` deletes it. False where the window has expired, and nothing is written.
    ///
    /// # Errors
    /// As [`KeyValueStore::put`].
    pub fn put(
        &mut self,
        key: &K,
        start: i64,
        value: &V,
        timestamp: i64,
    ) -> Result<bool, ProcessorError> {
        let (key, value) = (
            of_data("key", key, self.arena)?,
            of_data("value", value, self.arena)?,
        );
        self.store.put(key, start, value, timestamp)
    }

    /// The windows of a key that start in `from..=to`: start and value, by start.
    ///
    /// # Errors
    /// As [`KeyValueStore::get`].
    pub fn fetch(
        &mut self,
        key: &K,
        from: i64,
        to: i64,
    ) -> Result<Vec<(i64, StoredValue<V>)>, ProcessorError> {
        let key = of_data("key", key, self.arena)?;
        let rows = self.store.fetch(key, from, to)?.iter();
        rows.map(|row| Ok((row.start, StoredValue::read(&row.stored)?)))
            .collect()
    }

    /// The windows of all keys that start in `from..=to`: key, start and value, by start and key.
    ///
    /// # Errors
    /// As [`KeyValueStore::get`].
    pub fn fetch_all(
        &mut self,
        from: i64,
        to: i64,
    ) -> Result<Vec<(K, i64, StoredValue<V>)>, ProcessorError> {
        let rows = self.store.fetch_all(from, to)?.iter();
        rows.map(|row| {
            let key = read("a stored key", row.key)?;
            Ok((key, row.start, StoredValue::read(&row.stored)?))
        })
        .collect()
    }
}
