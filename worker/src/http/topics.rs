//! Topics of dev mode over HTTP: list, produce, read and tail. Apache Kafka has its own tools; this
//! is for a log that lives in this process.
//!
//! | call | does |
//! |---|---|
//! | `GET /topics` | names, partition and record counts |
//! | `POST /topics/{topic}/records` | `{"records":[{"key","value","timestamp"?,"partition"?}]}` → offsets |
//! | `GET /topics/{topic}/records?from=earliest\|latest\|OFFSET&partition=&limit=&wait_ms=` | records, and where to read on |

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use millrace_embedded::{EmbeddedCluster, Isolation, ReadFrom, StoredRecord, TopicSummary};
use millrace_expr::{Bump, Value, json};
use millrace_kafka::{ErrorKind, HeadersBuf, TopicPartition};
use serde::Deserialize;

use super::{Refusal, error, json_text};

/// Largest body of a produce call.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Records of one read: default and most.
const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 10_000;
/// Longest wait of a tail.
const WAIT_MS_MAX: u64 = 20_000;
/// Wait between two looks over several partitions.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The routes, to be merged with the worker's.
pub fn router(cluster: EmbeddedCluster) -> Router {
    Router::new()
        .route("/topics", get(list))
        .route("/topics/{topic}/records", post(produce).get(read))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(cluster)
}

fn refuse(failure: &millrace_kafka::Error) -> Refusal {
    let status = match failure.kind {
        ErrorKind::UnknownTopic => StatusCode::NOT_FOUND,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::OffsetOutOfRange => StatusCode::BAD_REQUEST,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    Refusal(status, failure.to_string())
}

async fn list(State(cluster): State<EmbeddedCluster>) -> Response {
    let topics: Vec<_> = cluster
        .topics()
        .iter()
        .map(|topic| {
            let records: u64 = topic
                .partitions
                .iter()
                .map(|partition| partition.records)
                .sum();
            serde_json::json!({
                "name": topic.name,
                "partitions": topic.partitions.len(),
                "records": records,
            })
        })
        .collect();
    json_text(serde_json::Value::Array(topics).to_string())
}

async fn produce(
    State(cluster): State<EmbeddedCluster>,
    Path(topic): Path<String>,
    body: Bytes,
) -> Response {
    let done = tokio::task::spawn_blocking(move || {
        let arena = Bump::new();
        let records = parse_records(&body, &arena)
            .map_err(|message| Refusal(StatusCode::BAD_REQUEST, message))?;
        let mut offsets = Vec::with_capacity(records.len());
        for record in records {
            let (partition, offset) = cluster
                .produce(
                    &topic,
                    record.partition,
                    record.timestamp,
                    record.key.as_deref(),
                    record.value.as_deref(),
                    &HeadersBuf::new(),
                )
                .map_err(|failure| refuse(&failure))?;
            offsets.push(serde_json::json!({ "partition": partition, "offset": offset }));
        }
        Ok::<_, Refusal>(serde_json::json!({ "offsets": offsets }).to_string())
    });
    match done.await {
        Ok(Ok(body)) => json_text(body),
        Ok(Err(refusal)) => refusal.into_response(),
        Err(_) => error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the records could not be written",
        ),
    }
}

/// A record to write.
struct NewRecord {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    timestamp: Option<i64>,
    partition: Option<i32>,
}

/// Reads the body with the engine's own JSON, so that `12.30` stays what it is.
fn parse_records(body: &[u8], arena: &Bump) -> Result<Vec<NewRecord>, String> {
    const SHAPE: &str = r#"the body must be {"records":[{"key":…,"value":…}, …]}"#;
    let parsed = json::parse(body, arena).map_err(|error| format!("{SHAPE}: {error}"))?;
    let Some(Value::List(records)) = parsed.get("records") else {
        return Err(SHAPE.to_owned());
    };
    records
        .iter()
        .enumerate()
        .map(|(index, record)| {
            let Value::Map(fields) = record else {
                return Err(format!("records[{index}] is not an object; {SHAPE}"));
            };
            let mut new = NewRecord {
                key: None,
                value: None,
                timestamp: None,
                partition: None,
            };
            for (name, value) in *fields {
                match (*name, value) {
                    ("key", value) => new.key = bytes_of(value)?,
                    ("value", value) => new.value = bytes_of(value)?,
                    ("timestamp", Value::Int(ms)) if *ms >= 0 => new.timestamp = Some(*ms),
                    ("partition", Value::Int(number)) => {
                        new.partition = Some(i32::try_from(*number).unwrap_or(-1));
                    }
                    (other, _) => {
                        return Err(format!(
                            "records[{index}].{other}: expected key, value, timestamp (ms) or \
                             partition"
                        ));
                    }
                }
            }
            Ok(new)
        })
        .collect()
}

/// Text is written as it is, everything else as JSON; null is a null key or a tombstone.
fn bytes_of(value: &Value<'_>) -> Result<Option<Vec<u8>>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.as_bytes().to_vec())),
        other => {
            let mut out = Vec::new();
            json::write(other, &mut out).map_err(|error| error.to_string())?;
            Ok(Some(out))
        }
    }
}

/// Query parameters of a read.
#[derive(Deserialize)]
struct ReadQuery {
    from: Option<String>,
    partition: Option<i32>,
    limit: Option<usize>,
    wait_ms: Option<u64>,
}

async fn read(
    State(cluster): State<EmbeddedCluster>,
    Path(topic): Path<String>,
    Query(query): Query<ReadQuery>,
) -> Response {
    let done = tokio::task::spawn_blocking(move || read_topic(&cluster, &topic, &query));
    match done.await {
        Ok(Ok(body)) => json_text(body),
        Ok(Err(refusal)) => refusal.into_response(),
        Err(_) => error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the records could not be read",
        ),
    }
}

/// Where each asked partition is read from.
fn positions(topic: &TopicSummary, query: &ReadQuery) -> Result<BTreeMap<i32, i64>, Refusal> {
    let mut positions = BTreeMap::new();
    for (number, partition) in (0..).zip(&topic.partitions) {
        if query.partition.is_some_and(|wanted| wanted != number) {
            continue;
        }
        let from = match query.from.as_deref() {
            None | Some("earliest") => partition.start,
            Some("latest") => partition.stable,
            Some(text) => text.parse().map_err(|_| {
                let message = format!("from={text}: expected earliest, latest or an offset");
                Refusal(StatusCode::BAD_REQUEST, message)
            })?,
        };
        positions.insert(number, from);
    }
    if positions.is_empty() {
        let message = format!("topic {} has no such partition", topic.name);
        return Err(Refusal(StatusCode::NOT_FOUND, message));
    }
    Ok(positions)
}

fn read_topic(cluster: &EmbeddedCluster, name: &str, query: &ReadQuery) -> Result<String, Refusal> {
    let topics = cluster.topics();
    let Some(topic) = topics.iter().find(|topic| topic.name == name) else {
        let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
        let message = format!("there is no topic {name}; topics: {}", names.join(", "));
        return Err(Refusal(StatusCode::NOT_FOUND, message));
    };
    let mut positions = positions(topic, query)?;
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX);
    let wait = Duration::from_millis(query.wait_ms.unwrap_or(0).min(WAIT_MS_MAX));
    let until = Instant::now() + wait;
    let mut records = Vec::new();
    loop {
        for (&partition, position) in &mut positions {
            let found = cluster
                .read(
                    &TopicPartition::new(name, partition),
                    ReadFrom::Offset(*position),
                    Isolation::ReadCommitted,
                    limit.saturating_sub(records.len()),
                    Duration::ZERO,
                )
                .map_err(|failure| refuse(&failure))?;
            if let Some(last) = found.last() {
                *position = last.offset + 1;
            }
            records.extend(found);
        }
        if !records.is_empty() || Instant::now() >= until {
            break;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    Ok(body(&records, &positions))
}

fn body(records: &[StoredRecord], positions: &BTreeMap<i32, i64>) -> String {
    let arena = Bump::new();
    let records: Vec<Value<'_>> = records
        .iter()
        .map(|record| record_value(record, &arena))
        .collect();
    let mut out = b"{\"records\":".to_vec();
    // Values read from bytes can always be written back.
    if json::write(&Value::List(&records), &mut out).is_err() {
        out.extend_from_slice(b"[]");
    }
    let next = serde_json::json!(positions);
    out.extend_from_slice(format!(",\"next\":{next}}}").as_bytes());
    String::from_utf8(out).unwrap_or_default()
}

fn record_value<'r>(record: &'r StoredRecord, arena: &'r Bump) -> Value<'r> {
    let headers = record
        .headers
        .as_headers()
        .iter()
        .map(|(name, value)| (name, value.map_or(Value::Null, |bytes| shown(bytes, arena))));
    let headers = bumpalo::collections::Vec::from_iter_in(headers, arena).into_bump_slice();
    let show = |bytes: &'r Option<Vec<u8>>| {
        bytes
            .as_deref()
            .map_or(Value::Null, |bytes| shown(bytes, arena))
    };
    let fields = [
        ("partition", Value::Int(i64::from(record.partition))),
        ("offset", Value::Int(record.offset)),
        ("timestamp", Value::Int(record.timestamp)),
        ("key", show(&record.key)),
        ("value", show(&record.value)),
        ("headers", Value::Map(headers)),
    ];
    Value::Map(arena.alloc_slice_copy(&fields))
}

/// Bytes for people: a JSON object or list as it is, other UTF-8 as text, the rest as base64.
fn shown<'r>(bytes: &'r [u8], arena: &'r Bump) -> Value<'r> {
    match json::parse(bytes, arena) {
        Ok(value @ (Value::Map(_) | Value::List(_))) => value,
        _ => std::str::from_utf8(bytes).map_or(Value::Bytes(bytes), Value::String),
    }
}
