//! [`Record`]: a record as a processor sees it.

use millrace_expr::Value;
use millrace_kafka::Headers;

use crate::record::{self, Datum, Window};

/// A record as a processor sees it (Kafka Streams' `api.Record`). It borrows from the input's buffer and
/// from the arena of the call, and is copied freely; the `with_` methods give a changed copy.
///
/// ```
/// # use millrace_worker::api::{Record, Value};
/// let order = Record::new(Value::String("ann"), Value::Int(250), 60_000);
/// let doubled = order.with_value(Value::Int(500));
/// assert_eq!((order.value(), doubled.value()), (Value::Int(250), Value::Int(500)));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Record<'r>(pub(super) record::Record<'r>);

impl<'r> Record<'r> {
    /// A record without headers. Texts, lists and maps of a value are made by the context.
    ///
    /// ```
    /// # use millrace_worker::api::{Record, Value};
    /// let order = Record::new(Value::String("ann"), Value::Int(250), 60_000);
    /// assert!(order.headers().is_empty());
    /// ```
    pub fn new(key: Value<'r>, value: Value<'r>, timestamp: i64) -> Self {
        Self(record::Record {
            key: Datum::computed(key),
            value: Datum::computed(value),
            timestamp,
            headers: Headers::EMPTY,
            topic: "",
            change: None,
            window: None,
        })
    }

    /// The key; null where there is none.
    ///
    /// ```
    /// # use millrace_worker::api::{Record, Value};
    /// let order = Record::new(Value::String("ann"), Value::Int(250), 60_000);
    /// assert_eq!(order.key(), Value::String("ann"));
    /// ```
    pub fn key(&self) -> Value<'r> {
        self.0.key.value
    }

    /// The value; null is a tombstone.
    ///
    /// ```
    /// # use millrace_worker::api::{Record, Value};
    /// let deleted = Record::new(Value::String("ann"), Value::Null, 60_000);
    /// assert!(deleted.value().is_null());
    /// ```
    pub fn value(&self) -> Value<'r> {
        self.0.value.value
    }

    /// Event time, ms since the epoch.
    ///
    /// ```
    /// # use millrace_worker::api::{Record, Value};
    /// let order = Record::new(Value::String("ann"), Value::Int(250), 60_000);
    /// assert_eq!(order.timestamp(), 60_000);
    /// ```
    pub fn timestamp(&self) -> i64 {
        self.0.timestamp
    }

    /// Headers, in order.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # doc::process(|record, _| {
    /// let source = record.headers().iter().find(|(name, _)| *name == "source");
    /// assert_eq!(source, Some(("source", Some(&b"web"[..]))));
    /// # Ok(())
    /// # });
    /// ```
    pub fn headers(&self) -> Headers<'r> {
        self.0.headers
    }

    /// The window beside the key, below a windowed aggregation.
    ///
    /// ```
    /// # use millrace_worker::api::{Record, Value};
    /// let order = Record::new(Value::String("ann"), Value::Int(250), 60_000);
    /// assert!(order.window().is_none());
    /// ```
    pub fn window(&self) -> Option<Window> {
        self.0.window
    }

    /// With another key.
    ///
    /// ```
    /// # use millrace_worker::api::{Record, Value};
    /// let order = Record::new(Value::String("ann"), Value::Int(250), 60_000);
    /// assert_eq!(order.with_key(Value::Int(7)).key(), Value::Int(7));
    /// ```
    #[must_use]
    pub fn with_key(mut self, key: Value<'r>) -> Self {
        self.0.key = Datum::computed(key);
        self
    }

    /// With another value.
    ///
    /// ```
    /// # use millrace_worker::api::{Record, Value};
    /// let order = Record::new(Value::String("ann"), Value::Int(250), 60_000);
    /// assert_eq!(order.with_value(Value::Int(300)).value(), Value::Int(300));
    /// ```
    #[must_use]
    pub fn with_value(mut self, value: Value<'r>) -> Self {
        self.0.value = Datum::computed(value);
        self
    }

    /// With another event time, ms since the epoch, not negative.
    ///
    /// ```
    /// # use millrace_worker::api::{Record, Value};
    /// let order = Record::new(Value::String("ann"), Value::Int(250), 60_000);
    /// assert_eq!(order.with_timestamp(61_000).timestamp(), 61_000);
    /// ```
    #[must_use]
    pub fn with_timestamp(mut self, timestamp: i64) -> Self {
        self.0.timestamp = timestamp;
        self
    }

    /// With other headers, such as
    /// [`ProcessingContext::headers`](super::ProcessingContext::headers) makes.
    ///
    /// ```
    /// # use millrace_worker::api::{HeadersBuf, Record, Value};
    /// let mut headers = HeadersBuf::new();
    /// headers.push("source", Some(b"web"));
    /// let order = Record::new(Value::String("ann"), Value::Int(250), 60_000);
    /// assert_eq!(order.with_headers(headers.as_headers()).headers().iter().count(), 1);
    /// ```
    #[must_use]
    pub fn with_headers(mut self, headers: Headers<'r>) -> Self {
        self.0.headers = headers;
        self
    }
}
