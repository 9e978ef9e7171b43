//! [`KeyValueStore`]: a store of one value per key.

use millrace_crds::plan::SerdeKind;
use millrace_expr::Value;

use super::error::{ProcessorError, ProcessorResult};
use super::global::GlobalAt;
use super::store::{StoreAt, StoreFormat, Stored};

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
pub struct KeyValueStore<'s, 'r>(pub(super) Rows<'s, 'r>);

/// Where its rows are.
pub(super) enum Rows<'s, 'r> {
    /// In a store of the task.
    OfTask(StoreAt<'s, 'r>),
    /// In a global table.
    Global(GlobalAt<'s, 'r>),
}

impl<'r> KeyValueStore<'_, 'r> {
    fn format(&self) -> StoreFormat<'r> {
        match &self.0 {
            Rows::OfTask(at) => at.format(),
            Rows::Global(at) => at.access.format(),
        }
    }

    /// The formats of its keys and values.
    pub(crate) fn formats(&self) -> (SerdeKind, SerdeKind) {
        let format = self.format();
        (format.key.kind, format.value.kind)
    }

    fn key(&mut self, key: &Value<'_>) -> Result<&'r [u8], ProcessorError> {
        let format = self.format();
        match &mut self.0 {
            Rows::OfTask(at) => format.key_bytes(key, at.engine.scratch, at.arena),
            Rows::Global(at) => format.key_bytes(key, at.engine.scratch, at.arena),
        }
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
        let key = self.key(&key)?;
        let (row, arena) = match &mut self.0 {
            Rows::OfTask(at) => {
                let arena = at.arena;
                let row = at.store().get(key, arena);
                (row.map_err(|error| at.failed(error.into()))?, arena)
            }
            Rows::Global(at) => (at.get(key)?, at.arena),
        };
        let format = self.format();
        row.map(|row| format.row(row, arena)).transpose()
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
        let Rows::OfTask(at) = &mut self.0 else {
            let why = "it is a global table's, and only read";
            return Err(self.format().refused(why));
        };
        at.check_writable()?;
        let key = at.key(&key)?;
        let value = at.value(&value)?;
        at.check_size(key, value)?;
        at.store().put(key, value, timestamp);
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
        let now = match &self.0 {
            Rows::OfTask(at) => at.engine.stream_time.max(0),
            Rows::Global(_) => 0,
        };
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
        row: impl FnMut(Value<'_>, Stored<'_>) -> bool,
    ) -> ProcessorResult {
        let from = match from {
            Some(from) => self.key(&from)?,
            None => &[],
        };
        // The least key after the last.
        let to = match to {
            Some(to) => Some([self.key(&to)?, &[0]].concat()),
            None => None,
        };
        let mut failed = None;
        let shown = self.format().shown(&mut failed, row);
        match &mut self.0 {
            Rows::OfTask(at) => {
                let scanned = at.store().scan(from, to.as_deref(), shown);
                scanned.map_err(|error| at.failed(error.into()))?;
            }
            Rows::Global(at) => at.scan(from, to.as_deref(), shown)?,
        }
        failed.map_or(Ok(()), Err)
    }
}
