//! Event time by expression.

use millrace_crds::plan::Expression;
use millrace_expr::{Bump, Value};
use millrace_kafka::RecordView;

use crate::record::{Datum, Record};
use crate::topology::Format;

/// Takes a record's event time from its contents, where a source declares `timestamp`.
pub struct TimestampExtractor {
    expression: Expression,
    key: Format,
    value: Format,
}

impl TimestampExtractor {
    /// An extractor for records of one source.
    pub fn new(expression: Expression, key: Format, value: Format) -> Self {
        Self {
            expression,
            key,
            value,
        }
    }

    /// Event time of a topic's record in ms since the epoch; the error says why it has none.
    pub fn extract(
        &self,
        topic: &str,
        record: &RecordView<'_>,
        arena: &Bump,
    ) -> Result<i64, String> {
        let datum = |format: &Format, bytes: Option<&'_ [u8]>| -> Result<Datum<'_>, String> {
            let Some(bytes) = bytes else {
                return Ok(Datum::NULL);
            };
            let bytes = arena.alloc_slice_copy(bytes);
            let value = format
                .serde
                .deserialize(bytes, arena)
                .map_err(|error| error.to_string())?;
            Ok(Datum::computed(value))
        };
        let headers = arena.alloc_slice_copy(record.headers.as_encoded());
        let record = Record {
            key: datum(&self.key, record.key)?,
            value: datum(&self.value, record.value)?,
            timestamp: record.timestamp,
            headers: millrace_kafka::Headers::from_encoded(headers),
            topic: arena.alloc_str(topic),
            change: None,
            window: None,
        };
        let variables = super::variables(&record, arena);
        match self.expression.eval(&variables, arena) {
            Ok(Value::Int(time)) if time >= 0 => Ok(time),
            Ok(other) => Err(format!(
                "the timestamp `{}` gave {other}, not milliseconds since the epoch",
                self.expression.source
            )),
            Err(error) => Err(error.to_string()),
        }
    }
}
