//! [`KeyValueStore`]: a store of one value per key.

use millrace_crds::plan::SerdeKind;
use millrace_expr::{Bump, Value};

use super::error::{ProcessorError, ProcessorResult};
use super::store::{StoreAt, Stored};

/// A store of one value per key, with its time (Kafka Streams' `TimestampedKeyValueStore`). Keys are
/// sorted by their bytes.
pub struct KeyValueStore<'s, 'r>(pub(super) StoreAt<'s, 'r>);

impl<'r> KeyValueStore<'_, 'r> {
    /// The formats of its keys and values.
    pub(crate) fn formats(&self) -> (SerdeKind, SerdeKind) {
        self.0.formats()
    }

    /// The value of a key.
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
