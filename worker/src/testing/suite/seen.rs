//! [`Seen`]: a record or a row as it came, read by its format.

use millrace_crds::plan::SerdeKind;
use millrace_crds::test_file::RecordFormat;
use millrace_expr::{Bump, Value};
use millrace_kafka::Headers;

use crate::record::Window;
use crate::serde::serde;
use crate::testing::CapturedRecord;

/// A record or a row that came.
pub(in crate::testing) struct Seen<'r> {
    pub(in crate::testing) key: Value<'r>,
    pub(in crate::testing) window: Option<Window>,
    pub(in crate::testing) value: Value<'r>,
    pub(in crate::testing) at: i64,
    pub(in crate::testing) headers: Headers<'r>,
}

impl<'r> Seen<'r> {
    /// A record of a topic.
    pub(in crate::testing) fn record(
        record: &'r CapturedRecord,
        format: RecordFormat,
        arena: &'r Bump,
    ) -> Self {
        let (key, window) = match &record.key {
            Some(bytes) => key(bytes, format, arena),
            None => (Value::Null, None),
        };
        let value = record.value.as_deref();
        Self {
            key,
            window,
            value: value.map_or(Value::Null, |bytes| read(format.value, bytes, arena)),
            at: record.timestamp,
            headers: record.headers.as_headers(),
        }
    }

    /// A row of a store.
    pub(in crate::testing) fn row(
        key_bytes: &'r [u8],
        value: &'r [u8],
        at: i64,
        format: RecordFormat,
        arena: &'r Bump,
    ) -> Self {
        let (key, window) = key(key_bytes, format, arena);
        Self {
            key,
            window,
            value: read(format.value, value, arena),
            at,
            headers: Headers::EMPTY,
        }
    }
}

/// A key and its window.
fn key<'r>(bytes: &'r [u8], format: RecordFormat, arena: &'r Bump) -> (Value<'r>, Option<Window>) {
    let Some(kind) = format.windowed else {
        return (read(format.key, bytes, arena), None);
    };
    let rest = match (format.sequence, bytes.split_last_chunk::<4>()) {
        (true, Some((rest, _))) => rest,
        _ => bytes,
    };
    match Window::of_key(kind, rest) {
        Some((key, window)) => (read(format.key, key, arena), Some(window)),
        None => (Value::Bytes(bytes), None),
    }
}

/// A value; its bytes where they are not of the format. Bytes that are text compare as `bytes` does.
fn read<'r>(kind: SerdeKind, bytes: &'r [u8], arena: &'r Bump) -> Value<'r> {
    let read = serde(kind).deserialize(bytes, arena);
    read.unwrap_or(Value::Bytes(bytes))
}
