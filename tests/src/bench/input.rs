//! The two input topics, written once and read by every side.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use millrace_kafka::partitioner::partition;
use millrace_kafka::{Cluster, Headers, OutRecord, ProducerOptions, TopicHandle, TopicSpec};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::interrupt;

/// Upserts of the table.
pub(super) const TABLE_TOPIC: &str = "bench-balances";

/// Records that join it.
pub(super) const STREAM_TOPIC: &str = "bench-requests";

/// Partitions of every topic.
pub(super) const PARTITIONS: i32 = 3;

/// Different keys in each topic: all accounts of branch 001.
const KEYS: u32 = 100_000;

/// Largest balance and largest amount, in cents.
const CENTS_MAX: u32 = 500_000;

/// Records between two looks for an interrupt.
const LOOK_INTERVAL: u64 = 1 << 16;

/// Creates a topic of the bench.
pub(super) fn create(cluster: &dyn Cluster, name: &str) -> anyhow::Result<()> {
    let name = name.to_owned();
    let configs = BTreeMap::new();
    let topic = TopicSpec {
        name,
        partitions: PARTITIONS,
        replication_factor: 1,
        configs,
    };
    Ok(cluster.admin()?.create_topics(&[topic])?)
}

/// Creates the input topics and writes `records` into each, taking turns: their timestamps interleave
/// one by one, so that whoever reads in timestamp order has both sides flowing all the time.
pub(super) fn preload(cluster: &dyn Cluster, records: u64) -> anyhow::Result<()> {
    println!("preloading {records} records into each of {TABLE_TOPIC} and {STREAM_TOPIC}");
    let began = Instant::now();
    create(cluster, TABLE_TOPIC)?;
    create(cluster, STREAM_TOPIC)?;
    let client_id = "bench-input".to_owned();
    let mut sink = cluster.producer(&ProducerOptions {
        transactional_id: None,
        client_id,
    })?;
    let table = sink.topic(TABLE_TOPIC)?;
    let stream = sink.topic(STREAM_TOPIC)?;
    let mut record = Generator::new(i64::try_from(2 * records)?);
    for index in 0..records {
        sink.send(&record.next(table, "balance"))?;
        sink.send(&record.next(stream, "amount"))?;
        if index % LOOK_INTERVAL == 0 {
            interrupt::check()?;
        }
    }
    sink.flush()?;
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "preloaded in {seconds:.1} s, {:.0} k/s",
        2.0 * records as f64 / seconds / 1e3
    );
    Ok(())
}

/// Makes records one after the other, a millisecond apart, the last one now.
struct Generator {
    random: StdRng,
    timestamp: i64,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Generator {
    fn new(records: i64) -> Self {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        let timestamp = i64::try_from(now).unwrap_or(i64::MAX) - records;
        Self {
            random: StdRng::seed_from_u64(1),
            timestamp,
            key: Vec::new(),
            value: Vec::new(),
        }
    }

    /// `{"account":"001-12345","amount":1234.56}`, keyed by account.
    fn next(&mut self, topic: TopicHandle, field: &str) -> OutRecord<'_> {
        let account = self.random.random_range(0..KEYS);
        let cents = self.random.random_range(1..=CENTS_MAX);
        self.timestamp += 1;
        self.key.clear();
        self.value.clear();
        // Writing into memory does not fail.
        let _ = write!(self.key, "001-{account:05}");
        let _ = write!(
            self.value,
            r#"{{"account":"001-{account:05}","{field}":{}.{:02}}}"#,
            cents / 100,
            cents % 100
        );
        OutRecord {
            topic,
            partition: partition(&self.key, PARTITIONS),
            timestamp: self.timestamp,
            key: Some(&self.key),
            value: Some(&self.value),
            headers: Headers::EMPTY,
        }
    }
}
