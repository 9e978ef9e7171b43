//! What the lines of the contract share: topics, records for keeps, producers, members.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use millrace_kafka::{
    Cluster, CommittedOffset, ConsumerOptions, ErrorKind, GroupConsumer, Headers, OutRecord,
    PartitionAssignment, ProducerOptions, Rebalance, RecordSink, RecordSource, Result, SourceEvent,
    StartOffset, TopicHandle, TopicPartition, TopicSpec,
};

use super::Names;

/// Longest wait for anything; a session or a transaction that must time out first included.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// How long something that must not come is waited for.
pub(super) const SILENCE: Duration = Duration::from_millis(700);

/// One poll.
pub(super) const POLL: Duration = Duration::from_millis(50);

/// A record for keeps: offset, key, value.
pub(super) type Read = (i64, Option<String>, Option<String>);

/// Creates a topic and waits until it can be used.
pub(super) fn topic(
    cluster: &dyn Cluster,
    names: &mut Names,
    partitions: i32,
    configs: &[(&str, &str)],
) -> String {
    let name = names.unique("topic");
    create(cluster, &name, partitions, configs);
    name
}

/// Creates a topic of this name and waits until it can be used.
pub(super) fn create(cluster: &dyn Cluster, name: &str, partitions: i32, configs: &[(&str, &str)]) {
    let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    // Records here carry timestamps of long ago, which Kafka would delete by age.
    let forever = [("retention.ms", "-1")];
    let configs: BTreeMap<String, String> = forever.iter().chain(configs).map(owned).collect();
    let spec = TopicSpec {
        name: name.to_string(),
        partitions,
        replication_factor: 1,
        configs,
    };
    let admin = cluster.admin().unwrap();
    admin.create_topics(&[spec]).unwrap();
    eventually("the new topic can be used", || {
        let all: Vec<_> = (0..partitions)
            .map(|number| partition(name, number))
            .collect();
        let known = admin
            .topics(&[name])
            .is_ok_and(|topics| topics[0].is_some());
        known && admin.watermarks(&all).is_ok()
    });
}

pub(super) fn partition(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

/// Start and high watermark of a partition.
pub(super) fn watermarks(cluster: &dyn Cluster, topic: &str, number: i32) -> (i64, i64) {
    cluster
        .admin()
        .unwrap()
        .watermarks(&[partition(topic, number)])
        .unwrap()[0]
}

/// Asks again until the answer is yes.
pub(super) fn eventually(what: &str, mut ask: impl FnMut() -> bool) {
    let started = Instant::now();
    while !ask() {
        assert!(
            started.elapsed() < PATIENCE,
            "waited {PATIENCE:?} in vain until {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A call fails, with this kind of error.
#[track_caller]
pub(super) fn assert_kind<T>(result: Result<T>, expected: ErrorKind) {
    match result {
        Ok(_) => panic!("this must fail with {expected:?}"),
        Err(error) => assert_eq!(error.kind, expected, "{error}"),
    }
}

/// A producer, ready to begin.
pub(super) fn transactional(cluster: &dyn Cluster, id: &str) -> Box<dyn RecordSink> {
    let options = ProducerOptions {
        transactional_id: Some(id.to_string()),
        client_id: id.to_string(),
    };
    let mut producer = cluster.producer(&options).unwrap();
    producer.init_transactions().unwrap();
    producer
}

/// A producer without transactions.
pub(super) fn plain(cluster: &dyn Cluster) -> Box<dyn RecordSink> {
    let options = ProducerOptions {
        transactional_id: None,
        client_id: "plain".into(),
    };
    cluster.producer(&options).unwrap()
}

/// A record of text, without headers.
pub(super) fn text<'a>(
    topic: TopicHandle,
    partition: i32,
    key: &'a str,
    value: &'a str,
) -> OutRecord<'a> {
    OutRecord {
        topic,
        partition,
        timestamp: 1_000,
        key: Some(key.as_bytes()),
        value: Some(value.as_bytes()),
        headers: Headers::EMPTY,
    }
}

/// Hands over one record per value, with its key `k`.
pub(super) fn send(producer: &mut dyn RecordSink, topic: &str, number: i32, values: &[&str]) {
    let handle = producer.topic(topic).unwrap();
    for value in values {
        producer.send(&text(handle, number, "k", value)).unwrap();
    }
}

/// Writes values outside any transaction, and waits until they are there.
pub(super) fn write(cluster: &dyn Cluster, topic: &str, number: i32, values: &[&str]) {
    let mut producer = plain(cluster);
    send(producer.as_mut(), topic, number, values);
    producer.flush().unwrap();
}

/// Writes values in one transaction, and commits.
pub(super) fn commit(producer: &mut dyn RecordSink, topic: &str, number: i32, values: &[&str]) {
    producer.begin().unwrap();
    send(producer, topic, number, values);
    producer.commit().unwrap();
}

/// A reader of one partition; what it is given comes as slot 7.
pub(super) fn reader(
    cluster: &dyn Cluster,
    topic: &str,
    number: i32,
    start: StartOffset,
) -> Box<dyn RecordSource> {
    let mut reader = cluster.reader("contract").unwrap();
    assign(reader.as_mut(), topic, number, start).unwrap();
    reader
}

pub(super) fn assign(
    reader: &mut dyn RecordSource,
    topic: &str,
    number: i32,
    start: StartOffset,
) -> Result<()> {
    reader.assign(&[PartitionAssignment {
        partition: partition(topic, number),
        start,
        slot: 7,
    }])
}

/// What one poll brought.
#[derive(Debug, Default)]
pub(super) struct Polled {
    pub(super) records: Vec<Read>,
    pub(super) ends: Vec<i64>,
}

/// Polls once and adds what came.
pub(super) fn poll(reader: &mut dyn RecordSource, max: usize, into: &mut Polled) -> Result<usize> {
    let owned = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into());
    reader.poll(POLL, max, &mut |event| match event {
        SourceEvent::Record { slot, record } => {
            assert_eq!(slot, 7);
            into.records
                .push((record.offset, owned(record.key), owned(record.value)));
        }
        SourceEvent::End { slot, offset } => {
            assert_eq!(slot, 7);
            into.ends.push(offset);
        }
    })
}

/// Polls until the end is reported at this offset; returns the records before it.
#[track_caller]
pub(super) fn read_until(reader: &mut dyn RecordSource, end: i64) -> Vec<Read> {
    let mut polled = Polled::default();
    let started = Instant::now();
    while polled.ends.last() != Some(&end) {
        assert!(
            started.elapsed() < PATIENCE,
            "no end at {end} in {PATIENCE:?}: {polled:?}"
        );
        poll(reader, 100, &mut polled).unwrap();
    }
    polled.records
}

/// Reads a partition from its start until the end is reported at this offset. (Not until the high
/// watermark: Kafka writes a marker a moment after it has acknowledged the commit.)
#[track_caller]
pub(super) fn read_all(cluster: &dyn Cluster, topic: &str, number: i32, end: i64) -> Vec<Read> {
    read_until(
        reader(cluster, topic, number, StartOffset::Earliest).as_mut(),
        end,
    )
}

/// Reads so many records of a partition from its start, and makes sure that no more come. For where
/// the end depends on what a producer had sent before it aborted.
#[track_caller]
pub(super) fn read_only(
    cluster: &dyn Cluster,
    topic: &str,
    number: i32,
    count: usize,
) -> Vec<Read> {
    let mut reader = reader(cluster, topic, number, StartOffset::Earliest);
    let mut polled = Polled::default();
    eventually("the records were read", || {
        poll(reader.as_mut(), 100, &mut polled).unwrap();
        polled.records.len() >= count
    });
    assert_silent(reader.as_mut());
    polled.records
}

/// Start and high watermark get there: the marker of a commit follows its acknowledgement.
#[track_caller]
pub(super) fn assert_watermarks(
    cluster: &dyn Cluster,
    topic: &str,
    number: i32,
    expected: (i64, i64),
) {
    let what = format!("the watermarks are {expected:?}");
    eventually(&what, || watermarks(cluster, topic, number) == expected);
}

/// Polls for a while in which no record may come.
#[track_caller]
pub(super) fn assert_silent(reader: &mut dyn RecordSource) {
    let mut polled = Polled::default();
    let started = Instant::now();
    while started.elapsed() < SILENCE {
        poll(reader, 100, &mut polled).unwrap();
    }
    assert_eq!(polled.records, [], "records came that must not come");
}

/// Polls until polling fails; returns the error.
#[track_caller]
pub(super) fn poll_error(reader: &mut dyn RecordSource) -> millrace_kafka::Error {
    let mut polled = Polled::default();
    let started = Instant::now();
    loop {
        assert!(
            started.elapsed() < PATIENCE,
            "no error in {PATIENCE:?}: {polled:?}"
        );
        if let Err(error) = poll(reader, 100, &mut polled) {
            return error;
        }
    }
}

/// Only the values.
pub(super) fn values(records: &[Read]) -> Vec<&str> {
    records
        .iter()
        .map(|(_, _, value)| value.as_deref().unwrap_or("<null>"))
        .collect()
}

/// Only the offsets.
pub(super) fn record_offsets(records: &[Read]) -> Vec<i64> {
    records.iter().map(|(offset, _, _)| *offset).collect()
}

/// A committed offset without metadata.
pub(super) fn at(offset: i64) -> CommittedOffset {
    CommittedOffset {
        offset,
        metadata: String::new(),
    }
}

/// A member of a group and the tasks it has been told of.
pub(super) struct Member {
    pub(super) consumer: Box<dyn GroupConsumer>,
    pub(super) tasks: BTreeSet<i32>,
    /// Tasks it had to give up so far, in order.
    pub(super) given_up: Vec<i32>,
}

impl Member {
    pub(super) fn join(cluster: &dyn Cluster, group: &str, tasks_topic: &str, id: &str) -> Self {
        let options = ConsumerOptions {
            group_id: group.to_string(),
            instance_id: id.to_string(),
            tasks_topic: tasks_topic.to_string(),
            client_id: id.to_string(),
            inputs: 1,
        };
        let consumer = cluster.consumer(&options).unwrap();
        Self {
            consumer,
            tasks: BTreeSet::new(),
            given_up: Vec::new(),
        }
    }

    /// Polls once; returns the change that waits to be acknowledged.
    pub(super) fn poll(&mut self) -> Option<Rebalance> {
        self.consumer.poll(POLL, 100, &mut |_| {}).unwrap();
        self.consumer.rebalance()
    }

    /// Takes note of the change and acknowledges it.
    pub(super) fn acknowledge(&mut self) {
        match self.consumer.rebalance() {
            Some(Rebalance::Assigned(tasks)) => self.tasks.extend(tasks),
            Some(Rebalance::Revoked(tasks) | Rebalance::Lost(tasks)) => {
                self.tasks.retain(|task| !tasks.contains(task));
                self.given_up.extend(tasks);
            }
            None => return,
        }
        self.consumer.acknowledge().unwrap();
    }

    /// Polls once and goes along with whatever changed.
    pub(super) fn follow(&mut self) {
        self.poll();
        self.acknowledge();
    }
}

/// Lets the members follow until together they have all tasks, divided evenly, and have had time to
/// notice anything that is still to come. No task is ever two members' at a time.
#[track_caller]
pub(super) fn settle(members: &mut [&mut Member], task_count: usize) {
    let started = Instant::now();
    let mut settled_since = None;
    loop {
        for member in members.iter_mut() {
            member.follow();
        }
        let mut all: Vec<i32> = members
            .iter()
            .flat_map(|member| member.tasks.clone())
            .collect();
        let held = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), held, "a task has two owners");
        let counts: Vec<usize> = members.iter().map(|member| member.tasks.len()).collect();
        let spread = counts.iter().max().unwrap() - counts.iter().min().unwrap();
        if held == task_count && spread <= 1 {
            let since = *settled_since.get_or_insert_with(Instant::now);
            if since.elapsed() > SILENCE {
                return;
            }
        } else {
            settled_since = None;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "no even division in {PATIENCE:?}: {counts:?}"
        );
    }
}
