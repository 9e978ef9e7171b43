//! A scene of one test: its topics, its StreamApps, its workers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use millrace_kafka::partitioner::partition;
use millrace_kafka::{
    Admin, Cluster, ConsumerOptions, Guarantee, Headers, HeadersBuf, KafkaCluster, OutRecord,
    PartitionAssignment, ProducerOptions, RecordSink, SourceEvent, StartOffset, TopicPartition,
    TopicSpec,
};
use millrace_tests::broker::{Broker, unique};
use millrace_tests::worker::WorkerOptions;
use tempfile::TempDir;

/// No wait of a test is longer.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// Pause between two looks.
pub(crate) const LOOK_PAUSE: Duration = Duration::from_millis(25);

/// A record read from a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rec {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Rec {
    pub(crate) fn key(&self) -> &str {
        self.key
            .as_deref()
            .map_or("null", |key| std::str::from_utf8(key).unwrap())
    }

    pub(crate) fn value(&self) -> &str {
        self.value
            .as_deref()
            .map_or("null", |value| std::str::from_utf8(value).unwrap())
    }

    /// The value of a header as text; the last of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().rev().find(|(key, _)| key == name)?;
        Some(std::str::from_utf8(value.as_deref()?).unwrap())
    }
}

/// A test's own corner of a broker.
pub(crate) struct Scene {
    /// Application id, and prefix of the topics.
    pub(crate) id: String,
    pub(crate) cluster: KafkaCluster,
    pub(crate) admin: Box<dyn Admin>,
    pub(crate) folder: TempDir,
    bootstrap: String,
    producer: Box<dyn RecordSink>,
    partitions: BTreeMap<String, i32>,
}

impl Scene {
    /// A scene on the shared broker.
    pub(crate) fn new(name: &str) -> Self {
        Self::on(Broker::shared().unwrap(), name)
    }

    pub(crate) fn on(broker: &Broker, name: &str) -> Self {
        let cluster = broker.cluster(Guarantee::ExactlyOnce).unwrap();
        let options = ProducerOptions {
            transactional_id: None,
            client_id: format!("{name}-input"),
        };
        Self {
            id: unique(name),
            admin: cluster.admin().unwrap(),
            producer: cluster.producer(&options).unwrap(),
            folder: TempDir::new().unwrap(),
            bootstrap: broker.bootstrap(),
            partitions: BTreeMap::new(),
            cluster,
        }
    }

    /// The full name of a topic of this scene.
    pub(crate) fn name(&self, topic: &str) -> String {
        format!("{}-{topic}", self.id)
    }

    /// Creates a topic of this scene.
    pub(crate) fn topic(&mut self, topic: &str, partitions: i32) {
        self.topic_with(topic, partitions, &[]);
    }

    pub(crate) fn topic_with(&mut self, topic: &str, partitions: i32, configs: &[(&str, &str)]) {
        let configs = configs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let name = self.name(topic);
        let spec = TopicSpec {
            name,
            partitions,
            replication_factor: -1,
            configs,
        };
        self.admin.create_topics(&[spec]).unwrap();
        self.partitions.insert(topic.to_owned(), partitions);
    }

    /// Writes a StreamApp file. `ID` in the text is this scene's id: `name: ID`, `topic: ID-input`.
    pub(crate) fn app(&self, file: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(format!("{file}.yaml"));
        std::fs::write(&path, text.replace("ID", &self.id)).unwrap();
        path
    }

    /// A worker of a StreamApp of this scene.
    pub(crate) fn worker(&self, app: &std::path::Path, ordinal: u32) -> WorkerOptions {
        WorkerOptions::new(app, &self.bootstrap, self.folder.path(), ordinal)
    }

    /// A worker that is a program with a topology of its own; its application id is this scene's.
    pub(crate) fn program(&self, program: &str) -> WorkerOptions {
        let options = WorkerOptions::of_program(program, &self.bootstrap, self.folder.path());
        options.env("APPLICATION_ID", &self.id)
    }

    /// Writes one record, to the partition of its key.
    pub(crate) fn write(&mut self, topic: &str, key: &str, value: &str, timestamp: i64) {
        self.write_bytes(
            topic,
            Some(key.as_bytes()),
            Some(value.as_bytes()),
            timestamp,
            &[],
        );
    }

    pub(crate) fn write_bytes(
        &mut self,
        topic: &str,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        timestamp: i64,
        headers: &[(&str, &str)],
    ) {
        let mut buf = HeadersBuf::new();
        headers
            .iter()
            .for_each(|(name, value)| buf.push(name, Some(value.as_bytes())));
        let count = self.partitions[topic];
        let handle = self.producer.topic(&self.name(topic)).unwrap();
        self.producer
            .send(&OutRecord {
                topic: handle,
                partition: key.map_or(0, |key| partition(key, count)),
                timestamp,
                key,
                value,
                headers: if headers.is_empty() {
                    Headers::EMPTY
                } else {
                    buf.as_headers()
                },
            })
            .unwrap();
    }

    /// Waits until everything written is acknowledged.
    pub(crate) fn flush(&mut self) {
        self.producer.flush().unwrap();
    }

    /// A producer of its own for a thread that feeds a topic.
    pub(crate) fn producer(&self, transactional_id: Option<&str>) -> Box<dyn RecordSink> {
        self.cluster
            .producer(&ProducerOptions {
                transactional_id: transactional_id.map(str::to_owned),
                client_id: format!("{}-feed", self.id),
            })
            .unwrap()
    }

    /// All committed records of a topic, in the order of partition and offset, and the position
    /// after the last record or marker of each partition.
    pub(crate) fn read(&self, topic: &str) -> (Vec<Rec>, Vec<i64>) {
        self.read_topic(&self.name(topic))
    }

    pub(crate) fn read_topic(&self, topic: &str) -> (Vec<Rec>, Vec<i64>) {
        let count = self.admin.topics(&[topic]).unwrap()[0]
            .as_ref()
            .unwrap()
            .partitions;
        let mut reader = self.cluster.reader("scenario-reader").unwrap();
        let assignments: Vec<_> = (0..count)
            .map(|index| PartitionAssignment {
                partition: TopicPartition::new(topic, index),
                start: StartOffset::Earliest,
                slot: u32::try_from(index).unwrap(),
            })
            .collect();
        reader.assign(&assignments).unwrap();
        let mut records = Vec::new();
        let mut ends: BTreeMap<u32, i64> = BTreeMap::new();
        let began = Instant::now();
        while ends.len() < assignments.len() {
            assert!(
                began.elapsed() < LIMIT,
                "no end of {topic} after {LIMIT:?}: {ends:?}"
            );
            reader
                .poll(
                    Duration::from_millis(100),
                    10_000,
                    &mut |event| match event {
                        SourceEvent::End { slot, offset } => {
                            ends.insert(slot, offset);
                        }
                        SourceEvent::Record { slot, record } => {
                            records.push(Rec {
                                partition: i32::try_from(slot).unwrap(),
                                offset: record.offset,
                                timestamp: record.timestamp,
                                key: record.key.map(<[u8]>::to_vec),
                                value: record.value.map(<[u8]>::to_vec),
                                headers: record
                                    .headers
                                    .iter()
                                    .map(|(key, value)| (key.to_owned(), value.map(<[u8]>::to_vec)))
                                    .collect(),
                            });
                        }
                    },
                )
                .unwrap();
        }
        records.sort_by_key(|record| (record.partition, record.offset));
        (records, ends.into_values().collect())
    }

    /// Waits until a topic has at least so many committed records, and reads it.
    pub(crate) fn read_at_least(&self, topic: &str, count: usize) -> Vec<Rec> {
        let began = Instant::now();
        loop {
            let (records, _) = self.read(topic);
            if records.len() >= count {
                return records;
            }
            assert!(
                began.elapsed() < LIMIT,
                "{} of {count} records in {topic} after {LIMIT:?}: {records:?}",
                records.len()
            );
        }
    }

    /// Partitions of a topic of this scene.
    pub(crate) fn partitions_of(&self, topic: &str) -> Vec<TopicPartition> {
        let name = self.name(topic);
        (0..self.partitions[topic])
            .map(|index| TopicPartition::new(&*name, index))
            .collect()
    }

    /// Makes static members leave the group at once, instead of after the session timeout.
    pub(crate) fn leave_group(&self, ordinals: &[u32], threads: u32) {
        for ordinal in ordinals {
            for thread in 0..threads {
                let member = self
                    .cluster
                    .consumer(&ConsumerOptions {
                        group_id: self.id.clone(),
                        instance_id: format!("{ordinal:05}-{thread:03}"),
                        tasks_topic: format!("{}-tasks", self.id),
                        client_id: "scenario-leaver".to_owned(),
                        inputs: 1,
                    })
                    .unwrap();
                member.close(true).unwrap();
            }
        }
    }
}

/// Waits until `look` is true.
pub(crate) fn wait_for(what: &str, mut look: impl FnMut() -> bool) {
    let began = Instant::now();
    while !look() {
        assert!(began.elapsed() < LIMIT, "still no {what} after {LIMIT:?}");
        std::thread::sleep(LOOK_PAUSE);
    }
}

/// Records' values by key, in order.
pub(crate) fn by_key(records: &[Rec]) -> BTreeMap<String, Vec<String>> {
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in records {
        keys.entry(record.key().to_owned())
            .or_default()
            .push(record.value().to_owned());
    }
    keys
}
