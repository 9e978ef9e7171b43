//! What these tests share.

use std::collections::BTreeMap;
use std::time::Duration;

use millrace_embedded::{EmbeddedCluster, EmbeddedOptions, ManualClock};
use millrace_kafka::{
    Cluster, ConsumerOptions, GroupConsumer, Headers, OutRecord, PartitionAssignment,
    ProducerOptions, RecordSink, RecordSource, SourceEvent, StartOffset, TopicPartition, TopicSpec,
};

/// A log in memory under a clock that the test moves.
pub(crate) fn cluster() -> (EmbeddedCluster, ManualClock) {
    let clock = ManualClock::new(1_000_000);
    (
        EmbeddedCluster::in_memory(EmbeddedOptions::default(), clock.clone()),
        clock,
    )
}

pub(crate) fn create(cluster: &dyn Cluster, name: &str, partitions: i32, configs: &[(&str, &str)]) {
    let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    let configs: BTreeMap<String, String> = configs.iter().map(owned).collect();
    let spec = TopicSpec {
        name: name.into(),
        partitions,
        replication_factor: 1,
        configs,
    };
    cluster.admin().unwrap().create_topics(&[spec]).unwrap();
}

pub(crate) fn transactional(cluster: &dyn Cluster, id: &str) -> Box<dyn RecordSink> {
    let options = ProducerOptions {
        transactional_id: Some(id.into()),
        client_id: id.into(),
    };
    let mut producer = cluster.producer(&options).unwrap();
    producer.init_transactions().unwrap();
    producer
}

pub(crate) fn plain(cluster: &dyn Cluster) -> Box<dyn RecordSink> {
    let options = ProducerOptions {
        transactional_id: None,
        client_id: String::new(),
    };
    cluster.producer(&options).unwrap()
}

/// Hands a record over.
pub(crate) fn try_send(
    producer: &mut dyn RecordSink,
    partition: &TopicPartition,
    key: &str,
    value: Option<&str>,
) -> millrace_kafka::Result<()> {
    let topic = producer.topic(&partition.topic)?;
    producer.send(&OutRecord {
        topic,
        partition: partition.partition,
        timestamp: 7,
        key: Some(key.as_bytes()),
        value: value.map(str::as_bytes),
        headers: Headers::EMPTY,
    })
}

pub(crate) fn send(
    producer: &mut dyn RecordSink,
    partition: &TopicPartition,
    key: &str,
    value: &str,
) {
    try_send(producer, partition, key, Some(value)).unwrap();
}

/// Writes one record outside any transaction.
pub(crate) fn write(cluster: &dyn Cluster, partition: &TopicPartition, key: &str, value: &str) {
    let mut producer = plain(cluster);
    send(producer.as_mut(), partition, key, value);
    producer.flush().unwrap();
}

/// All that a read_committed reader sees of a partition: offset, key, value; and the end.
pub(crate) fn read_all(
    cluster: &dyn Cluster,
    partition: &TopicPartition,
) -> (Vec<(i64, String, Option<String>)>, i64) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut reader = cluster.reader("test").unwrap();
    assign(reader.as_mut(), partition, StartOffset::Earliest);
    let (mut records, mut end) = (Vec::new(), None);
    while end.is_none() {
        let poll = reader.poll(Duration::ZERO, 100, &mut |event| match event {
            SourceEvent::Record { record, .. } => records.push((
                record.offset,
                text(record.key.unwrap()),
                record.value.map(text),
            )),
            SourceEvent::End { offset, .. } => end = Some(offset),
        });
        assert!(poll.unwrap() > 0, "neither records nor an end");
    }
    (records, end.unwrap())
}

pub(crate) fn values(cluster: &dyn Cluster, partition: &TopicPartition) -> Vec<String> {
    let (records, _) = read_all(cluster, partition);
    records
        .into_iter()
        .map(|(_, _, value)| value.unwrap_or_default())
        .collect()
}

pub(crate) fn assign(
    reader: &mut dyn RecordSource,
    partition: &TopicPartition,
    start: StartOffset,
) {
    let assignment = PartitionAssignment {
        partition: partition.clone(),
        start,
        slot: 0,
    };
    reader.assign(&[assignment]).unwrap();
}

pub(crate) fn join(cluster: &dyn Cluster, group: &str, instance: &str) -> Box<dyn GroupConsumer> {
    let options = ConsumerOptions {
        group_id: group.into(),
        instance_id: instance.into(),
        tasks_topic: "tasks".into(),
        client_id: instance.into(),
        inputs: 1,
    };
    cluster.consumer(&options).unwrap()
}

/// Polls once without waiting.
pub(crate) fn poll(consumer: &mut dyn GroupConsumer) -> millrace_kafka::Result<usize> {
    consumer.poll(Duration::ZERO, 100, &mut |_| {})
}

/// The generator of the random tests (xorshift64*); a failing test prints its seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}
