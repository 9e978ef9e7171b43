//! [`Record`]: a record as a processor sees it.

use millrace_expr::Value;
use millrace_kafka::Headers;

use crate::record::{self, Datum, Window};

/// A record as a processor sees it (Kafka Streams' `api.Record`). It borrows from the input's buffer and
/// from the arena of the call, and is copied freely; the `with_` methods give a changed copy.
#[derive(Clone, Copy, Debug)]
pub struct Record<'r>(pub(super) record::Record<'r>);

impl<'r> Record<'r> {
    /// A record without headers. Texts, lists and maps of a value are made by the context.
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
    pub fn key(&self) -> Value<'r> {
        self.0.key.value
    }

    /// The value; null is a tombstone.
    pub fn value(&self) -> Value<'r> {
        self.0.value.value
    }

    /// Event time, ms since the epoch.
    pub fn timestamp(&self) -> i64 {
        self.0.timestamp
    }

    /// Headers, in order.
    pub fn headers(&self) -> Headers<'r> {
        self.0.headers
    }

    /// The window beside the key, below a windowed aggregation.
    pub fn window(&self) -> Option<Window> {
        self.0.window
    }

    /// With another key.
    #[must_use]
    pub fn with_key(mut self, key: Value<'r>) -> Self {
        self.0.key = Datum::computed(key);
        self
    }

    /// With another value.
    #[must_use]
    pub fn with_value(mut self, value: Value<'r>) -> Self {
        self.0.value = Datum::computed(value);
        self
    }

    /// With another event time, ms since the epoch, not negative.
    #[must_use]
    pub fn with_timestamp(mut self, timestamp: i64) -> Self {
        self.0.timestamp = timestamp;
        self
    }

    /// With other headers, such as
    /// [`ProcessorContext::headers`](super::ProcessorContext::headers) makes.
    #[must_use]
    pub fn with_headers(mut self, headers: Headers<'r>) -> Self {
        self.0.headers = headers;
        self
    }
}
