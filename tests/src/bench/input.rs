//! The two input topics, written once and read by every side of every workload.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use millrace_kafka::partitioner::partition;
use millrace_kafka::{Cluster, Headers, OutRecord, ProducerOptions, TopicHandle, TopicSpec};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::interrupt;

/// Balances of accounts: a table's changes, or events. Its name in the StreamApps, and of the topic that
/// is measured.
pub(super) const BALANCES_TOPIC: &str = "bench-balances";

/// Requests for loans: events that join them.
pub(super) const REQUESTS_TOPIC: &str = "bench-requests";

/// Partitions of every topic.
pub(super) const PARTITIONS: i32 = 3;

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

/// Two topics and what is in them.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub(super) balances: String,
    pub(super) requests: String,
    /// Records in each of the two.
    pub(super) records: u64,
    /// Different keys, the same in both: accounts of branch 001.
    pub(super) keys: u32,
    /// Milliseconds between two records, whichever topic they are in.
    pub(super) step_ms: i64,
}

impl Input {
    /// What is measured: 100,000 keys, and a record every millisecond. A key has a record in each topic
    /// every 200 s.
    pub(super) fn measured(records: u64) -> Self {
        Self {
            balances: BALANCES_TOPIC.to_owned(),
            requests: REQUESTS_TOPIC.to_owned(),
            records,
            keys: 100_000,
            step_ms: 1,
        }
    }

    /// A hundredth of the keys in as much more time each, so that windows hold as many records of a key.
    pub(super) fn checked() -> Self {
        Self {
            balances: "bench-check-balances".to_owned(),
            requests: "bench-check-requests".to_owned(),
            records: 20_000,
            keys: 1_000,
            step_ms: 100,
        }
    }

    /// Creates the topics and writes the records, taking turns: their timestamps interleave one by one,
    /// so that whoever reads in timestamp order has both flowing all the time.
    pub(super) fn preload(&self, cluster: &dyn Cluster) -> anyhow::Result<()> {
        let (records, balances, requests) = (self.records, &self.balances, &self.requests);
        println!("preloading {records} records into each of {balances} and {requests}");
        let began = Instant::now();
        create(cluster, balances)?;
        create(cluster, requests)?;
        let client_id = "bench-input".to_owned();
        let mut sink = cluster.producer(&ProducerOptions {
            transactional_id: None,
            client_id,
        })?;
        let (balances, requests) = (sink.topic(balances)?, sink.topic(requests)?);
        let mut record = Generator::new(self)?;
        for index in 0..records {
            sink.send(&record.next(balances, "balance"))?;
            sink.send(&record.next(requests, "amount"))?;
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
}

/// Makes records one after the other, the last one now.
struct Generator {
    random: StdRng,
    keys: u32,
    step_ms: i64,
    timestamp: i64,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Generator {
    fn new(input: &Input) -> anyhow::Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let records = i64::try_from(2 * input.records)?;
        Ok(Self {
            random: StdRng::seed_from_u64(1),
            keys: input.keys,
            step_ms: input.step_ms,
            timestamp: i64::try_from(now)? - records * input.step_ms,
            key: Vec::new(),
            value: Vec::new(),
        })
    }

    /// `{"account":"001-12345","amount":1234.56}`, keyed by account.
    fn next(&mut self, topic: TopicHandle, field: &str) -> OutRecord<'_> {
        let account = self.random.random_range(0..self.keys);
        let cents = self.random.random_range(1..=CENTS_MAX);
        self.timestamp += self.step_ms;
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
