//! Topics for people: what `worker dev` serves over HTTP (list, read, tail, produce).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millrace_kafka::{
    Error, ErrorKind, HeadersBuf, OutRecord, ProducerOptions, RecordSink, Result, TopicPartition,
};

use crate::cluster::EmbeddedCluster;
use crate::partition::{Chunk, Isolation, PartitionLog};
use crate::producer::EmbeddedProducer;
use crate::state::unknown_topic;

/// A topic and how much it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSummary {
    /// Topic name.
    pub name: String,
    /// The topic's id, as Kafka's tools print it.
    pub id: String,
    /// Its configuration where it differs from the defaults.
    pub configs: BTreeMap<String, String>,
    /// Its partitions, by index.
    pub partitions: Vec<PartitionSummary>,
}

/// A partition and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionSummary {
    /// The oldest offset that can still be read.
    pub start: i64,
    /// The next offset to be given (high watermark).
    pub end: i64,
    /// Where read_committed readers must stop: `end`, or the begin of an open transaction.
    pub stable: i64,
    /// Number of records held, uncommitted ones included, transaction markers not.
    pub records: u64,
    /// Memory they take, in bytes.
    pub bytes: u64,
}

/// Where [`EmbeddedCluster::read`] begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// At this offset, or at the oldest one if that is later. Read on at the last record's offset
    /// plus one.
    Offset(i64),
    /// So many records before the end (by offsets: markers and compacted records count too).
    Tail(u32),
}

/// A record, for keeps.
#[derive(Clone, Debug)]
pub struct StoredRecord {
    /// Partition index.
    pub partition: i32,
    /// Offset in it.
    pub offset: i64,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// Key bytes; `None` is a null key.
    pub key: Option<Vec<u8>>,
    /// Value bytes; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Headers, in order.
    pub headers: HeadersBuf,
}

impl EmbeddedCluster {
    /// All topics, by name.
    pub fn topics(&self) -> Vec<TopicSummary> {
        let state = self.shared().lock();
        let summary = |(name, topic): (&Arc<str>, &crate::topic::Topic)| TopicSummary {
            name: name.to_string(),
            id: topic.id.clone(),
            configs: topic.configs.clone(),
            partitions: topic.partitions.iter().map(PartitionSummary::of).collect(),
        };
        state.topics().iter().map(summary).collect()
    }

    /// Reads up to `max` records of a partition. Waits up to `timeout` (zero: not at all) while
    /// there is none; the empty answer says that none came.
    pub fn read(
        &self,
        partition: &TopicPartition,
        from: ReadFrom,
        isolation: Isolation,
        max: usize,
        timeout: Duration,
    ) -> Result<Vec<StoredRecord>> {
        let mut position = None;
        let chunks = self.shared().wait_for(timeout, |state| {
            let log = state.partition(partition, "read records")?;
            // A tail is counted from the end as it was at first; then we wait for what comes after.
            let from = *position.get_or_insert_with(|| match from {
                ReadFrom::Offset(offset) => offset,
                ReadFrom::Tail(count) => log.limit(isolation) - i64::from(count),
            });
            let mut chunks = Vec::new();
            let (count, _) = log.read(from, isolation, max, &mut chunks);
            Ok((count > 0).then_some(chunks))
        })?;
        let records = chunks.unwrap_or_default();
        let of_chunk = |chunk: Chunk| {
            let number = partition.partition;
            (chunk.from..chunk.to).map(move |index| StoredRecord::of(number, &chunk, index))
        };
        Ok(records.into_iter().flat_map(of_chunk).collect())
    }

    /// Writes one record outside any transaction and returns its partition and offset. Without a
    /// `partition` the key chooses it as Java's producer does (murmur2); without a key as well, the
    /// partition with the fewest records so far. Without a `timestamp` it is now.
    pub fn produce(
        &self,
        topic: &str,
        partition: Option<i32>,
        timestamp: Option<i64>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &HeadersBuf,
    ) -> Result<(i32, i64)> {
        let partition = match partition {
            Some(partition) => partition,
            None => self.choose_partition(topic, key)?,
        };
        let options = ProducerOptions {
            transactional_id: None,
            client_id: String::new(),
        };
        let mut producer = EmbeddedProducer::new(Arc::clone(self.shared()), &options);
        let handle = producer.topic(topic)?;
        producer.send(&OutRecord {
            topic: handle,
            partition,
            timestamp: timestamp.unwrap_or_else(|| self.shared().now_ms()),
            key,
            value,
            headers: headers.as_headers(),
        })?;
        producer.flush()?;
        let end = producer.acknowledged(handle, partition).ok_or_else(|| {
            Error::new(
                ErrorKind::Fatal,
                "produce",
                "the record was not acknowledged",
            )
        })?;
        Ok((partition, end - 1))
    }

    fn choose_partition(&self, topic: &str, key: Option<&[u8]>) -> Result<i32> {
        let state = self.shared().lock();
        let known = state
            .topics()
            .get(topic)
            .ok_or_else(|| unknown_topic(topic, "produce"))?;
        if let Some(key) = key {
            return Ok(millrace_kafka::partitioner::partition(
                key,
                known.partition_count(),
            ));
        }
        let emptiest = (0..)
            .zip(&known.partitions)
            .min_by_key(|(_, log)| log.end());
        Ok(emptiest.map_or(0, |(partition, _)| partition))
    }
}

impl PartitionSummary {
    fn of(log: &PartitionLog) -> Self {
        Self {
            start: log.start(),
            end: log.end(),
            stable: log.stable(),
            records: log.entries().map(|entry| entry.batch.len() as u64).sum(),
            bytes: log.bytes() as u64,
        }
    }
}

impl StoredRecord {
    fn of(partition: i32, chunk: &Chunk, index: usize) -> Self {
        let record = chunk.batch.record(index);
        Self {
            partition,
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: HeadersBuf::from_headers(record.headers),
        }
    }
}
