//! Reading a topic from its beginning to its end, as a consumer apart from the engine does: under
//! read_committed, in no group.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use millrace_kafka::{Cluster, PartitionAssignment, SourceEvent, StartOffset, TopicPartition};

/// Wait per poll.
const POLL: Duration = Duration::from_millis(100);
/// Events per poll.
const POLL_EVENTS: usize = 10_000;

/// Where a record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    /// Topic and partition.
    pub partition: TopicPartition,
    /// Offset.
    pub offset: i64,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at offset {}", self.partition, self.offset)
    }
}

/// A committed record.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// Where it is.
    pub at: At,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// Key bytes.
    pub key: Option<&'a [u8]>,
    /// Value bytes.
    pub value: Option<&'a [u8]>,
}

/// The last value and timestamp of each key.
pub type Table = BTreeMap<String, (String, i64)>;

/// The partitions of a topic.
pub fn partitions(cluster: &dyn Cluster, topic: &str) -> Result<Vec<TopicPartition>> {
    let found = cluster.admin()?.topics(&[topic])?.pop().flatten();
    let info = found.with_context(|| format!("there is no topic {topic}"))?;
    Ok((0..info.partitions)
        .map(|partition| TopicPartition::new(topic, partition))
        .collect())
}

/// Hands every committed record of a topic to `each`, partition by partition in order of offsets,
/// up to the high watermarks as they are now. Returns the number of records. Fails when `limit` has
/// passed.
pub fn read(
    cluster: &dyn Cluster,
    topic: &str,
    limit: Duration,
    each: &mut dyn FnMut(&Row<'_>) -> Result<()>,
) -> Result<u64> {
    let deadline = Instant::now() + limit;
    let partitions = partitions(cluster, topic)?;
    let watermarks = cluster.admin()?.watermarks(&partitions)?;
    let mut open: BTreeMap<u32, i64> = (0..)
        .zip(watermarks)
        .map(|(slot, (_, high))| (slot, high))
        .collect();
    let assignments: Vec<PartitionAssignment> = (0..)
        .zip(&partitions)
        .map(|(slot, partition)| PartitionAssignment {
            partition: partition.clone(),
            start: StartOffset::Earliest,
            slot,
        })
        .collect();
    let mut reader = cluster.reader("audit")?;
    reader.assign(&assignments)?;
    let mut count = 0;
    let mut result = Ok(());
    while !open.is_empty() {
        ensure!(
            Instant::now() < deadline,
            "{topic} not read to its end in {limit:?}: {open:?}"
        );
        reader.poll(POLL, POLL_EVENTS, &mut |event| match event {
            SourceEvent::Record { slot, record } => {
                if result.is_err() || !open.contains_key(&slot) {
                    return;
                }
                count += 1;
                let partition = partitions[slot as usize].clone();
                let at = At {
                    partition,
                    offset: record.offset,
                };
                let (timestamp, key, value) = (record.timestamp, record.key, record.value);
                result = each(&Row {
                    at,
                    timestamp,
                    key,
                    value,
                });
            }
            SourceEvent::End { slot, offset } => {
                if open.get(&slot).is_some_and(|end| offset >= *end) {
                    open.remove(&slot);
                }
            }
        })?;
        result?;
        result = Ok(());
    }
    Ok(count)
}

/// Values and timestamps by key.
pub type Rows = BTreeMap<String, (String, i64)>;

/// The last value of each key and its timestamp, tombstones left out: a topic as compaction leaves
/// it in the end. Keys and values as text. Also returns the number of records read.
pub fn compacted(cluster: &dyn Cluster, topic: &str, limit: Duration) -> Result<(Rows, u64)> {
    let mut rows = Table::new();
    let count = read(cluster, topic, limit, &mut |row| {
        let text = |bytes: &[u8]| {
            String::from_utf8(bytes.to_vec()).with_context(|| format!("{}: not text", row.at))
        };
        let key = text(
            row.key
                .with_context(|| format!("{}: the key is null", row.at))?,
        )?;
        match row.value {
            Some(value) => rows.insert(key, (text(value)?, row.timestamp)),
            None => rows.remove(&key),
        };
        Ok(())
    })?;
    Ok((rows, count))
}
