//! Dead letters: a record that failed, as it was, with the reason in its headers.
//!
//! Goes through the thread's producer, so that it is part of the transaction that steps over the
//! record. A record larger than the dead-letter topic takes is written without the parts that do not
//! fit: a dead letter never stops the application by its size.

use millrace_kafka::{ErrorKind, Headers, HeadersBuf, RecordView, Result, TopicPartition};

use super::collector::Collector;
use crate::processor::Stage;
use crate::topology::OutTopic;

/// Longest error text in a dead letter's headers, in bytes.
const ERROR_TEXT_BYTES_MAX: usize = 2_000;
/// Longest key of a dead letter that does not fit whole, in bytes.
const KEY_BYTES_MAX: usize = 1_000;

/// Tells that parts of the record did not fit, with the lengths they had, such as
/// `key=12,headers=40,value=2000000` (bytes).
const TRUNCATED: &str = "__millrace.errors.truncated";

/// Why a record failed.
pub(super) struct Cause<'a> {
    /// Where on its way.
    pub stage: Stage,
    /// Node name and field path.
    pub node: &'a str,
    /// What is wrong.
    pub message: &'a str,
}

/// Writes a failed record to the dead-letter topic. Where it does not fit its value and its own
/// headers are left out, and of its key all but the beginning.
pub(super) fn send(
    collector: &mut Collector,
    topic: OutTopic,
    from: &TopicPartition,
    record: &RecordView<'_>,
    cause: &Cause<'_>,
) -> Result<()> {
    let target = collector.partition(topic, record.key, from.partition);
    let time = record.timestamp.max(0);
    let headers = headers(record.headers, from, record, cause);
    let (key, value) = (record.key, record.value);
    match collector.check_size(topic, key, value, headers.as_headers()) {
        Err(error) if error.kind == ErrorKind::TooLarge => {}
        checked => {
            checked?;
            return collector.send(topic, target, time, key, value, headers.as_headers());
        }
    }
    let mut headers = self::headers(Headers::EMPTY, from, record, cause);
    let len = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
    let lengths = format!(
        "key={},headers={},value={}",
        len(key),
        record.headers.as_encoded().len(),
        len(value)
    );
    headers.push(TRUNCATED, Some(lengths.as_bytes()));
    let key = key.map(|key| &key[..key.len().min(KEY_BYTES_MAX)]);
    match collector.send(topic, target, time, key, None, headers.as_headers()) {
        // A topic that takes less than a page of text: its owner wants no dead letters.
        Err(error) if error.kind == ErrorKind::TooLarge => {
            tracing::warn!(%from, offset = record.offset, %error, "a dead letter is dropped");
            Ok(())
        }
        sent => sent,
    }
}

/// The record's own headers, and Kafka Streams' (KIP-1034).
fn headers(
    own: Headers<'_>,
    from: &TopicPartition,
    record: &RecordView<'_>,
    cause: &Cause<'_>,
) -> HeadersBuf {
    let exception = match cause.stage {
        Stage::Deserialization => "DeserializationError",
        Stage::Processing => "ProcessingError",
        Stage::Production => "ProductionError",
    };
    let message = cause.message;
    let mut end = message.len().min(ERROR_TEXT_BYTES_MAX);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    let mut headers = HeadersBuf::from_headers(own);
    let mut push = |name: &str, value: &str| headers.push(name, Some(value.as_bytes()));
    push("__streams.errors.exception", exception);
    push("__streams.errors.message", &message[..end]);
    push("__streams.errors.stacktrace", &format!("at {}", cause.node));
    push("__streams.errors.topic", &from.topic);
    push("__streams.errors.partition", &from.partition.to_string());
    push("__streams.errors.offset", &record.offset.to_string());
    headers
}
