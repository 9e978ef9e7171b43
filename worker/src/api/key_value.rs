//! [`KeyValueStore`]: a store of one value per key.

use millrace_crds::plan::SerdeKind;
use millrace_expr::{Bump, Value};

use super::error::{ProcessorError, ProcessorResult};
use super::store::{StoreAt, Stored};

/// A store of one value per key, with its time (Kafka Streams' `TimestampedKeyValueStore`). Keys are
/// sorted by their bytes.
///
/// ```
/// # use millrace_worker::api::{KeyValueStore, ProcessorResult, Record, Value};
/// fn count(counts: &mut KeyValueStore<'_, '_>, record: &Record<'_>) -> ProcessorResult {
///     let before = match counts.get(record.key())?.map(|stored| stored.value) {
///         Some(Value::Int(before)) => before,
///         _ => 0,
///     };
///     counts.put(record.key(), Value::Int(before + 1), record.timestamp())
/// }
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
/// # doc::process(|record, context| {
/// #     let mut counts = context.key_value("totals")?;
/// #     count(&mut counts, &record)?;
/// #     count(&mut counts, &record)?;
/// #     assert_eq!(counts.get(record.key())?.map(|stored| stored.value), Some(Value::Int(2)));
/// #     Ok(())
/// # });
/// ```
pub struct KeyValueStore<'s, 'r>(pub(super) StoreAt<'s, 'r>);

impl<'r> KeyValueStore<'_, 'r> {
    /// The formats of its keys and values.
    pub(crate) fn formats(&self) -> (SerdeKind, SerdeKind) {
        self.0.formats()
    }

    /// The value of a key.
    ///
    /// ```
    /// # use millrace_worker::api::Value;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # doc::process(|_, context| {
    /// let mut totals = context.key_value("totals")?;
    /// assert!(totals.get(Value::String("nobody"))?.is_none());
    /// assert!(totals.get(Value::Null).is_err());
    /// # Ok(())
    /// # });
    /// ```
    ///
    /// # Errors
    /// A null key, or one that the store's format cannot hold; state that cannot be read.
    pub fn get(&mut self, key: Value<'_>) -> Result<Option<Stored<'r>>, ProcessorError> {
        let key = self.0.key(&key)?;
        let arena = self.0.arena;
        let row = self.0.store().get(key, arena);
        let row = row.map_err(|error| self.0.failed(error.into()))?;
        row.map(|row| self.0.stored(row)).transpose()
    }

    /// Writes the value of a key, and its time in ms since the epoch; null deletes it.
    ///
    /// ```
    /// # use millrace_worker::api::Value;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # doc::process(|record, context| {
    /// let mut totals = context.key_value("totals")?;
    /// totals.put(record.key(), Value::Int(250), record.timestamp())?;
    /// assert_eq!(totals.get(record.key())?.map(|stored| stored.value), Some(Value::Int(250)));
    /// # Ok(())
    /// # });
    /// ```
    ///
    /// # Errors
    /// A store that is only read; a key or value that its format cannot hold, or its changelog topic not
    /// take.
    pub fn put(&mut self, key: Value<'_>, value: Value<'_>, timestamp: i64) -> ProcessorResult {
        self.0.check_writable()?;
        let key = self.0.key(&key)?;
        let value = self.0.value(&value)?;
        self.0.check_size(key, value)?;
        self.0.store().put(key, value, timestamp);
        Ok(())
    }

    /// Deletes a key.
    ///
    /// ```
    /// # use millrace_worker::api::Value;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # doc::process(|record, context| {
    /// let mut totals = context.key_value("totals")?;
    /// totals.put(record.key(), Value::Int(250), record.timestamp())?;
    /// totals.delete(record.key())?;
    /// assert!(totals.get(record.key())?.is_none());
    /// # Ok(())
    /// # });
    /// ```
    ///
    /// # Errors
    /// As [`KeyValueStore::put`].
    pub fn delete(&mut self, key: Value<'_>) -> ProcessorResult {
        let now = self.0.engine.stream_time.max(0);
        self.put(key, Value::Null, now)
    }

    /// Shows the rows with `from <= key <= to`, in order, until `row` gives false; without a bound, from
    /// the first or to the last. Key and value live for that call only, so that a look at the whole store
    /// needs no memory: what is to be kept is copied.
    ///
    /// ```
    /// # use millrace_worker::api::Value;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # doc::process(|record, context| {
    /// let mut totals = context.key_value("totals")?;
    /// for (customer, total) in [("ann", 250), ("bob", 40), ("eve", 7)] {
    ///     totals.put(Value::String(customer), Value::Int(total), record.timestamp())?;
    /// }
    /// let mut from_b = Vec::new();
    /// totals.scan(Some(Value::String("b")), None, |_, stored| {
    ///     from_b.push(stored.value.to_string());
    ///     true
    /// })?;
    /// assert_eq!(from_b, ["40", "7"]);
    /// # Ok(())
    /// # });
    /// ```
    ///
    /// # Errors
    /// As [`KeyValueStore::get`].
    pub fn scan(
        &mut self,
        from: Option<Value<'_>>,
        to: Option<Value<'_>>,
        mut row: impl FnMut(Value<'_>, Stored<'_>) -> bool,
    ) -> ProcessorResult {
        let from = match from {
            Some(from) => self.0.key(&from)?,
            None => &[],
        };
        // The least key after the last.
        let to = match to {
            Some(to) => Some([self.0.key(&to)?, &[0]].concat()),
            None => None,
        };
        let (at, mut scratch, mut failed) = (&self.0, Bump::new(), None);
        let store = &at.engine.stores[at.access.slot];
        let scanned = store.scan(from, to.as_deref(), |key, bytes| {
            let read = at
                .read_key(key, &scratch)
                .and_then(|key| Ok((key, at.read_row(bytes, &scratch)?)));
            let go_on = match read {
                Ok((key, stored)) => row(key, stored),
                Err(error) => {
                    failed = Some(error);
                    false
                }
            };
            scratch.reset();
            go_on
        });
        match (scanned, failed) {
            (Err(error), _) => Err(self.0.failed(error.into())),
            (Ok(()), Some(error)) => Err(error),
            (Ok(()), None) => Ok(()),
        }
    }
}
