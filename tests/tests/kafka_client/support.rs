//! Short words for what the tests do again and again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use millrace_kafka::{
    Admin, Cluster, CommittedOffset, ConsumerOptions, GroupConsumer, Guarantee, Headers,
    KafkaCluster, OutRecord, PartitionAssignment, ProducerOptions, Rebalance, RecordSink,
    RecordSource, SourceEvent, StartOffset, TopicPartition, TopicSpec,
};
use millrace_tests::broker::{Broker, unique};

/// No wait of a test is longer.
pub const LIMIT: Duration = Duration::from_secs(30);

/// One delivered event, copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Record {
        slot: u32,
        offset: i64,
        key: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
        timestamp: i64,
    },
    End {
        slot: u32,
        offset: i64,
    },
}

impl Event {
    pub fn copy(event: &SourceEvent<'_>) -> Self {
        match event {
            SourceEvent::Record { slot, record } => Self::Record {
                slot: *slot,
                offset: record.offset,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                timestamp: record.timestamp,
            },
            SourceEvent::End { slot, offset } => Self::End {
                slot: *slot,
                offset: *offset,
            },
        }
    }
}

/// A cluster on the shared broker, under exactly-once.
pub fn cluster() -> KafkaCluster {
    cluster_on(Broker::shared().unwrap())
}

pub fn cluster_on(broker: &Broker) -> KafkaCluster {
    broker.cluster(Guarantee::ExactlyOnce).unwrap()
}

/// A new topic; its name.
pub fn topic(cluster: &dyn Cluster, prefix: &str, partitions: i32) -> String {
    let name = unique(prefix);
    create(&*cluster.admin().unwrap(), &name, partitions);
    name
}

pub fn create(admin: &dyn Admin, name: &str, partitions: i32) {
    let spec = TopicSpec {
        name: name.to_owned(),
        partitions,
        replication_factor: -1,
        configs: BTreeMap::new(),
    };
    admin.create_topics(&[spec]).unwrap();
}

pub fn tp(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

pub fn at(topic: &str, partition: i32, slot: u32, start: StartOffset) -> PartitionAssignment {
    PartitionAssignment {
        partition: tp(topic, partition),
        start,
        slot,
    }
}

pub fn offset(offset: i64) -> CommittedOffset {
    CommittedOffset {
        offset,
        metadata: String::new(),
    }
}

pub fn producer(cluster: &dyn Cluster, id: Option<&str>) -> Box<dyn RecordSink> {
    cluster
        .producer(&ProducerOptions {
            transactional_id: id.map(str::to_owned),
            client_id: "test-producer".to_owned(),
        })
        .unwrap()
}

/// A transactional producer that has fenced its predecessors.
pub fn transactional(cluster: &dyn Cluster, id: &str) -> Box<dyn RecordSink> {
    let mut producer = producer(cluster, Some(id));
    producer.init_transactions().unwrap();
    producer
}

pub fn send(producer: &mut dyn RecordSink, topic: &str, partition: i32, value: &[u8]) {
    let topic = producer.topic(topic).unwrap();
    producer
        .send(&OutRecord {
            topic,
            partition,
            timestamp: 1_000,
            key: Some(b"k"),
            value: Some(value),
            headers: Headers::EMPTY,
        })
        .unwrap();
}

/// Writes values outside any transaction.
pub fn write(cluster: &dyn Cluster, topic: &str, partition: i32, values: &[&str]) {
    let mut producer = producer(cluster, None);
    for value in values {
        send(&mut *producer, topic, partition, value.as_bytes());
    }
    producer.flush().unwrap();
}

/// Polls until `done` says so about all events so far.
pub fn poll_until(
    source: &mut (impl RecordSource + ?Sized),
    mut done: impl FnMut(&[Event]) -> bool,
) -> Vec<Event> {
    let deadline = Instant::now() + LIMIT;
    let mut events = Vec::new();
    while !done(&events) {
        assert!(
            Instant::now() < deadline,
            "still waiting after {LIMIT:?}; so far: {events:?}"
        );
        source
            .poll(Duration::from_millis(100), 1000, &mut |event| {
                events.push(Event::copy(&event))
            })
            .unwrap();
    }
    events
}

/// Polls until the slot's end has been reached; the end's offset is the last event's.
pub fn poll_to_end(source: &mut (impl RecordSource + ?Sized), slot: u32) -> Vec<Event> {
    poll_until(source, |events| {
        events
            .iter()
            .any(|e| matches!(e, Event::End { slot: s, .. } if *s == slot))
    })
}

/// The values of the records of a slot.
pub fn values(events: &[Event], slot: u32) -> Vec<String> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Record {
                slot: s,
                value: Some(value),
                ..
            } if *s == slot => Some(String::from_utf8(value.clone()).unwrap()),
            _ => None,
        })
        .collect()
}

/// The offset of the last end of a slot.
pub fn end(events: &[Event], slot: u32) -> Option<i64> {
    events.iter().rev().find_map(|event| match event {
        Event::End { slot: s, offset } if *s == slot => Some(*offset),
        _ => None,
    })
}

/// Joins a group as a static member.
pub fn member(
    cluster: &dyn Cluster,
    group: &str,
    tasks: &str,
    instance: &str,
) -> Box<dyn GroupConsumer> {
    cluster
        .consumer(&ConsumerOptions {
            group_id: group.to_owned(),
            instance_id: instance.to_owned(),
            tasks_topic: tasks.to_owned(),
            client_id: format!("{group}-{instance}"),
            inputs: 1,
        })
        .unwrap()
}

/// A member, and the tasks it has been given so far.
pub struct TestMember {
    pub consumer: Box<dyn GroupConsumer>,
    pub tasks: Vec<i32>,
    /// Every change, in order.
    pub changes: Vec<Rebalance>,
}

impl TestMember {
    pub fn join(cluster: &dyn Cluster, group: &str, tasks: &str, instance: &str) -> Self {
        let consumer = member(cluster, group, tasks, instance);
        Self {
            consumer,
            tasks: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// One poll, and the answer to what it noticed.
    pub fn step(&mut self) {
        self.consumer
            .poll(Duration::from_millis(10), 100, &mut |_| {})
            .unwrap();
        while let Some(change) = self.consumer.rebalance() {
            match &change {
                Rebalance::Assigned(tasks) => self.tasks.extend(tasks),
                Rebalance::Revoked(tasks) | Rebalance::Lost(tasks) => {
                    self.tasks.retain(|task| !tasks.contains(task));
                }
            }
            self.tasks.sort_unstable();
            self.changes.push(change);
            self.consumer.acknowledge().unwrap();
        }
    }
}

/// Lets members poll in turn until `done`; how long that took.
pub fn settle(
    members: &mut [&mut TestMember],
    mut done: impl FnMut(&[&mut TestMember]) -> bool,
) -> Duration {
    let start = Instant::now();
    while !done(members) {
        assert!(
            start.elapsed() < LIMIT,
            "the group has not settled: {:?}",
            members
                .iter()
                .map(|m| (&m.tasks, &m.changes))
                .collect::<Vec<_>>()
        );
        for member in &mut *members {
            member.step();
        }
    }
    start.elapsed()
}

/// Whether the members' tasks are exactly these, each owned once.
pub fn own_all(members: &[&mut TestMember], tasks: i32) -> bool {
    let mut owned: Vec<i32> = members
        .iter()
        .flat_map(|m| m.tasks.iter().copied())
        .collect();
    owned.sort_unstable();
    owned == (0..tasks).collect::<Vec<_>>()
}
