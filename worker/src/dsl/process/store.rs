//! Stores of typed processors.

use std::marker::PhantomData;

use millrace_crds::plan::SerdeKind;
use millrace_expr::Bump;

use super::record::{of_data, refused};
use crate::api::{self, ProcessingContext, ProcessorError, ProcessorResult};
use crate::data::Data;

/// A value in a store, and its time.
///
/// ```
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
/// # use millrace_worker::dsl::StoredValue;
/// # doc::process(|record, context| {
/// let mut totals = context.key_value_store::<String, i64>("totals")?;
/// totals.put(&record.key, &record.value, record.timestamp)?;
/// let expected = StoredValue { value: 250, timestamp: 60_000 };
/// assert_eq!(totals.get(&record.key)?, Some(expected));
/// # Ok(())
/// # });
/// ```
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
///
/// ```
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
/// # use millrace_worker::api::ProcessorResult;
/// # use millrace_worker::dsl::{KeyValueStore, Record};
/// fn add(
///     totals: &mut KeyValueStore<'_, '_, String, i64>,
///     order: &Record<'_, String, i64>,
/// ) -> ProcessorResult {
///     let before = totals.get(&order.key)?.map_or(0, |stored| stored.value);
///     totals.put(&order.key, &(before + order.value), order.timestamp)
/// }
/// # doc::process(|record, context| {
/// #     let mut totals = context.key_value_store::<String, i64>("totals")?;
/// #     add(&mut totals, &record)?;
/// #     add(&mut totals, &record)?;
/// #     assert_eq!(totals.get(&record.key)?.map(|stored| stored.value), Some(500));
/// #     Ok(())
/// # });
/// ```
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
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # doc::process(|record, context| {
    /// let mut totals = context.key_value_store::<String, i64>("totals")?;
    /// assert_eq!(totals.get(&"nobody".to_owned())?, None);
    /// # Ok(())
    /// # });
    /// ```
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
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # doc::process(|record, context| {
    /// let mut totals = context.key_value_store::<String, i64>("totals")?;
    /// totals.put(&record.key, &record.value, record.timestamp)?;
    /// assert_eq!(totals.get(&record.key)?.map(|stored| stored.value), Some(250));
    /// # Ok(())
    /// # });
    /// ```
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
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # doc::process(|record, context| {
    /// let mut totals = context.key_value_store::<String, i64>("totals")?;
    /// totals.put(&record.key, &record.value, record.timestamp)?;
    /// totals.delete(&record.key)?;
    /// assert_eq!(totals.get(&record.key)?, None);
    /// # Ok(())
    /// # });
    /// ```
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
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # doc::process(|record, context| {
    /// let mut totals = context.key_value_store::<String, i64>("totals")?;
    /// for (customer, total) in [("ann", 250), ("bob", 40), ("eve", 7)] {
    ///     totals.put(&customer.to_owned(), &total, record.timestamp)?;
    /// }
    /// let mut sum = 0;
    /// totals.scan(Some(&"b".to_owned()), None, |_, stored| {
    ///     sum += stored.value;
    ///     true
    /// })?;
    /// assert_eq!(sum, 47);
    /// # Ok(())
    /// # });
    /// ```
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
///
/// ```
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
/// # use millrace_worker::api::ProcessorError;
/// # use millrace_worker::dsl::{Record, WindowStore};
/// /// What a customer has ordered in the last three hours.
/// fn recent(
///     per_hour: &mut WindowStore<'_, '_, String, i64>,
///     order: &Record<'_, String, i64>,
/// ) -> Result<i64, ProcessorError> {
///     let hours = per_hour.fetch(&order.key, order.timestamp - 3 * 3_600_000, order.timestamp)?;
///     Ok(hours.iter().map(|(_, stored)| stored.value).sum())
/// }
/// # doc::process(|record, context| {
/// #     let mut per_hour = context.window_store::<String, i64>("per-hour")?;
/// #     per_hour.put(&record.key, 0, &record.value, record.timestamp)?;
/// #     assert_eq!(recent(&mut per_hour, &record)?, 250);
/// #     Ok(())
/// # });
/// ```
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
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # doc::process(|record, context| {
    /// let mut per_hour = context.window_store::<String, i64>("per-hour")?;
    /// per_hour.put(&record.key, 0, &record.value, record.timestamp)?;
    /// assert_eq!(per_hour.get(&record.key, 0)?.map(|stored| stored.value), Some(250));
    /// assert_eq!(per_hour.get(&record.key, 3_600_000)?, None);
    /// # Ok(())
    /// # });
    /// ```
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
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # doc::process(|record, context| {
    /// let mut per_hour = context.window_store::<String, i64>("per-hour")?;
    /// let two_days = 2 * 24 * 3_600_000;
    /// assert!(per_hour.put(&record.key, two_days, &record.value, record.timestamp)?);
    /// // The store keeps a day.
    /// assert!(!per_hour.put(&record.key, 0, &record.value, record.timestamp)?);
    /// # Ok(())
    /// # });
    /// ```
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
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # doc::process(|record, context| {
    /// let mut per_hour = context.window_store::<String, i64>("per-hour")?;
    /// per_hour.put(&record.key, 0, &250, record.timestamp)?;
    /// per_hour.put(&record.key, 3_600_000, &40, record.timestamp)?;
    /// let hours = per_hour.fetch(&record.key, 0, 7_200_000)?;
    /// assert_eq!(hours.iter().map(|(start, _)| *start).collect::<Vec<_>>(), [0, 3_600_000]);
    /// # Ok(())
    /// # });
    /// ```
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
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # doc::process(|record, context| {
    /// let mut per_hour = context.window_store::<String, i64>("per-hour")?;
    /// per_hour.put(&"ann".to_owned(), 0, &250, record.timestamp)?;
    /// per_hour.put(&"bob".to_owned(), 0, &40, record.timestamp)?;
    /// let rows = per_hour.fetch_all(0, 0)?;
    /// assert_eq!(rows.iter().map(|(_, _, stored)| stored.value).sum::<i64>(), 290);
    /// # Ok(())
    /// # });
    /// ```
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
