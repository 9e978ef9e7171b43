//! What several scenarios do.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use millrace_kafka::{Cluster, Headers, OutRecord, ProducerOptions, partitioner};
use millrace_tests::cluster::{Space, space, wait_until};
use millrace_tests::topic;

/// Longest time of reading a topic.
pub(crate) const READ_LIMIT: Duration = Duration::from_secs(60);

/// Waits until every pod says that it is behind by nothing.
pub(crate) fn processed_to_the_end(space: &Space, app: &str) -> Result<()> {
    wait_until(
        &format!("{app} is behind by nothing"),
        space::READY_LIMIT,
        || {
            for pod in space.pods(app)? {
                let status = pod.status()?;
                let idle = status.threads.iter().all(|thread| thread.tasks.is_empty());
                if status.lag != Some(0) && !idle {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        },
    )
}

/// Writes `count` records, keyed `k-0`, `k-1`, … below `keys`, round and round; waits for all to be
/// acknowledged.
pub(crate) fn write(
    kafka: &dyn Cluster,
    topic: &str,
    partitions: i32,
    keys: u64,
    count: u64,
) -> Result<()> {
    let mut sink = kafka.producer(&ProducerOptions {
        transactional_id: None,
        client_id: "e2e".to_owned(),
    })?;
    let topic = sink.topic(topic)?;
    for number in 0..count {
        let key = format!("k-{}", number % keys);
        sink.send(&OutRecord {
            topic,
            partition: partitioner::partition(key.as_bytes(), partitions),
            timestamp: now_ms(),
            key: Some(key.as_bytes()),
            value: Some(br#"{"n": 1}"#),
            headers: Headers::EMPTY,
        })?;
    }
    sink.flush()?;
    Ok(())
}

/// The time of day, ms since the epoch: what records are stamped with. Of an earlier day, they would
/// be past the topics' retention.
pub(crate) fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_millis() as i64)
}

/// Waits until the application's output counts `each` records for each of `keys` keys, and not one
/// more.
pub(crate) fn counted(space: &Space, keys: u64, each: u64) -> Result<()> {
    let kafka = space.kafka()?;
    let topic = space.own("counts");
    let right = format!(r#""count":{each}}}"#);
    let rows = wait_until(
        &format!("{topic} has {each} for each of {keys} keys"),
        space::READY_LIMIT,
        || {
            let (rows, _) = topic::compacted(kafka.as_ref(), &topic, READ_LIMIT)?;
            let reached = rows
                .values()
                .filter(|(value, _)| value.replace(' ', "").ends_with(&right))
                .count();
            Ok((reached as u64 == keys).then_some(rows))
        },
    )?;
    ensure!(rows.len() as u64 == keys, "{} keys are there", rows.len());
    Ok(())
}
