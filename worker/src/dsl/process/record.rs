//! Records as typed processors see them.

use millrace_expr::{Bump, Value};
use millrace_kafka::Headers;

use crate::api::{self, ProcessorError};
use crate::data::{Data, DataError};
use crate::dsl::Key;

/// A record with the types of key and value (Kafka Streams' `api.Record`).
///
/// ```
/// # use millrace_worker::dsl::Record;
/// let order = Record::new("ann".to_owned(), 250, 60_000);
/// assert_eq!((&*order.key, order.value, order.timestamp), ("ann", 250, 60_000));
/// assert!(order.headers.is_empty());
/// ```
#[derive(Clone, Debug)]
pub struct Record<'r, K, V> {
    /// Key.
    pub key: K,
    /// Value.
    pub value: V,
    /// Event time, ms since the epoch.
    pub timestamp: i64,
    /// Headers, in order; the context makes others.
    pub headers: Headers<'r>,
}

impl<'r, K, V> Record<'r, K, V> {
    /// A record without headers.
    ///
    /// ```
    /// # use millrace_worker::dsl::Record;
    /// let order = Record::new("ann".to_owned(), 250, 60_000);
    /// assert_eq!(order.value, 250);
    /// ```
    pub fn new(key: K, value: V, timestamp: i64) -> Self {
        Self {
            key,
            value,
            timestamp,
            headers: Headers::EMPTY,
        }
    }

    /// With another key.
    ///
    /// ```
    /// # use millrace_worker::dsl::Record;
    /// let order = Record::new("ann".to_owned(), 250, 60_000).with_key(7);
    /// assert_eq!((order.key, order.value), (7, 250));
    /// ```
    #[must_use]
    pub fn with_key<L>(self, key: L) -> Record<'r, L, V> {
        Record {
            key,
            value: self.value,
            timestamp: self.timestamp,
            headers: self.headers,
        }
    }

    /// With another value.
    ///
    /// ```
    /// # use millrace_worker::dsl::Record;
    /// let order = Record::new("ann".to_owned(), 250, 60_000).with_value(2.5);
    /// assert_eq!((&*order.key, order.value), ("ann", 2.5));
    /// ```
    #[must_use]
    pub fn with_value<W>(self, value: W) -> Record<'r, K, W> {
        Record {
            key: self.key,
            value,
            timestamp: self.timestamp,
            headers: self.headers,
        }
    }
}

impl<'r, K: Key, V: Data> Record<'r, K, V> {
    pub(super) fn read(record: &api::Record<'r>, arena: &Bump) -> Result<Self, ProcessorError> {
        Ok(Self {
            key: key(record, arena)?,
            value: value(record)?,
            timestamp: record.timestamp(),
            headers: record.headers(),
        })
    }
}

impl<'r, K: Data, V: Data> Record<'r, K, V> {
    pub(super) fn written(self, arena: &'r Bump) -> Result<api::Record<'r>, ProcessorError> {
        let (key, value) = (
            of_data("key", &self.key, arena)?,
            of_data("value", &self.value, arena)?,
        );
        Ok(api::Record::new(key, value, self.timestamp).with_headers(self.headers))
    }
}

/// A record whose key stays as it is (Kafka Streams' `FixedKeyRecord`): there is none but the one that
/// was processed, and changed copies of it.
///
/// ```
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
/// # let forwarded = doc::process_values(|record, context| {
/// let with_tax = record.value() * 6 / 5;
/// context.forward(record.with_value(with_tax))
/// # });
/// # assert_eq!((&*forwarded[0].key, forwarded[0].value), ("ann", 300));
/// ```
#[derive(Clone, Debug)]
pub struct FixedKeyRecord<'r, K, V> {
    record: api::FixedKeyRecord<'r>,
    key: K,
    value: V,
}

impl<'r, K: Key, V: Data> FixedKeyRecord<'r, K, V> {
    pub(super) fn read(
        record: api::FixedKeyRecord<'r>,
        arena: &Bump,
    ) -> Result<Self, ProcessorError> {
        let (key, value) = (key(&record.record(), arena)?, value(&record.record())?);
        Ok(Self { record, key, value })
    }
}

impl<'r, K, V> FixedKeyRecord<'r, K, V> {
    /// The key.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # doc::process_values(|record, context| {
    /// assert_eq!(record.key(), "ann");
    /// # Ok(())
    /// # });
    /// ```
    pub fn key(&self) -> &K {
        &self.key
    }

    /// The value.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # doc::process_values(|record, context| {
    /// assert_eq!(*record.value(), 250);
    /// # Ok(())
    /// # });
    /// ```
    pub fn value(&self) -> &V {
        &self.value
    }

    /// Event time, ms since the epoch.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # doc::process_values(|record, context| {
    /// assert_eq!(record.timestamp(), 60_000);
    /// # Ok(())
    /// # });
    /// ```
    pub fn timestamp(&self) -> i64 {
        self.record.record().timestamp()
    }

    /// Headers, in order.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # doc::process_values(|record, context| {
    /// let source = record.headers().iter().find(|(name, _)| *name == "source");
    /// assert_eq!(source, Some(("source", Some(&b"web"[..]))));
    /// # Ok(())
    /// # });
    /// ```
    pub fn headers(&self) -> Headers<'r> {
        self.record.record().headers()
    }

    /// With another value.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # let forwarded = doc::process_values(|record, context| {
    /// let doubled = record.value() * 2;
    /// context.forward(record.with_value(doubled))
    /// # });
    /// # assert_eq!(forwarded[0].value, 500);
    /// ```
    #[must_use]
    pub fn with_value<W>(self, value: W) -> FixedKeyRecord<'r, K, W> {
        let (record, key) = (self.record, self.key);
        FixedKeyRecord { record, key, value }
    }

    /// With another event time, ms since the epoch, not negative.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # let forwarded = doc::process_values(|record, context| {
    /// let later = record.timestamp() + 1_000;
    /// context.forward(record.with_timestamp(later))
    /// # });
    /// # assert_eq!(forwarded[0].timestamp, 61_000);
    /// ```
    #[must_use]
    pub fn with_timestamp(mut self, timestamp: i64) -> Self {
        self.record = self.record.with_timestamp(timestamp);
        self
    }

    /// With other headers.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # use millrace_worker::api::HeadersBuf;
    /// # let forwarded = doc::process_values(|record, context| {
    /// let mut headers = HeadersBuf::from_headers(record.headers());
    /// headers.push("audited", Some(b"yes"));
    /// let headers = context.headers(&headers);
    /// context.forward(record.with_headers(headers))
    /// # });
    /// # assert_eq!(forwarded[0].headers.as_headers().iter().count(), 2);
    /// ```
    #[must_use]
    pub fn with_headers(mut self, headers: Headers<'r>) -> Self {
        self.record = self.record.with_headers(headers);
        self
    }
}

impl<'r, K, V: Data> FixedKeyRecord<'r, K, V> {
    pub(super) fn written(
        self,
        arena: &'r Bump,
    ) -> Result<api::FixedKeyRecord<'r>, ProcessorError> {
        Ok(self
            .record
            .with_value(of_data("value", &self.value, arena)?))
    }
}

fn key<K: Key>(record: &api::Record<'_>, arena: &Bump) -> Result<K, ProcessorError> {
    let key = match record.window() {
        None => K::read(record.key()),
        Some(window) => {
            let parts = [
                record.key(),
                Value::Int(window.start),
                Value::Int(window.end),
            ];
            K::read(Value::List(arena.alloc_slice_copy(&parts)))
        }
    };
    key.map_err(|error| refused("key", &error))
}

fn value<V: Data>(record: &api::Record<'_>) -> Result<V, ProcessorError> {
    V::from_value(record.value()).map_err(|error| refused("value", &error))
}

/// A key or value as the engine has them; `what` names it in messages.
pub(super) fn of_data<'r, T: Data>(
    what: &str,
    data: &T,
    arena: &'r Bump,
) -> Result<Value<'r>, ProcessorError> {
    data.to_value(arena).map_err(|error| refused(what, &error))
}

pub(super) fn refused(what: &str, error: &DataError) -> ProcessorError {
    ProcessorError::new(format!("the {what}: {error}"))
}
