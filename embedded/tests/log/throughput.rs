//! Goal: the embedded log is fast enough for `worker dev`. Method: one thread produces in
//! transactions of 10,000 records, commits, and polls them back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use millrace_embedded::EmbeddedCluster;
use millrace_kafka::{
    Cluster, Headers, OutRecord, PartitionAssignment, ProducerOptions, SourceEvent, StartOffset,
    TopicPartition, TopicSpec,
};

const RECORDS: usize = 1_000_000;
const PER_TRANSACTION: usize = 10_000;
const PARTITIONS: i32 = 3;

fn produce_and_poll_back(cluster: &EmbeddedCluster) -> f64 {
    let spec = TopicSpec {
        name: "t".into(),
        partitions: PARTITIONS,
        replication_factor: 1,
        configs: BTreeMap::new(),
    };
    cluster.admin().unwrap().create_topics(&[spec]).unwrap();
    let options = ProducerOptions {
        transactional_id: Some("p".into()),
        client_id: "p".into(),
    };
    let mut producer = cluster.producer(&options).unwrap();
    producer.init_transactions().unwrap();
    let topic = producer.topic("t").unwrap();
    let mut reader = cluster.reader("r").unwrap();
    for partition in 0..PARTITIONS {
        let assignment = PartitionAssignment {
            partition: TopicPartition::new("t", partition),
            start: StartOffset::Earliest,
            slot: partition as u32,
        };
        reader.assign(&[assignment]).unwrap();
    }
    let started = Instant::now();
    let (mut polled, mut bytes) = (0, 0);
    for transaction in 0..RECORDS / PER_TRANSACTION {
        producer.begin().unwrap();
        for index in 0..PER_TRANSACTION {
            let key = ((transaction * PER_TRANSACTION + index) as u64).to_be_bytes();
            let record = OutRecord {
                topic,
                partition: (index % PARTITIONS as usize) as i32,
                timestamp: index as i64,
                key: Some(&key),
                value: Some(b"{\"account\":\"001-00101\",\"amount\":100}"),
                headers: Headers::EMPTY,
            };
            producer.send(&record).unwrap();
        }
        producer.commit().unwrap();
        let target = (transaction + 1) * PER_TRANSACTION;
        while polled < target {
            reader
                .poll(Duration::from_secs(1), 1000, &mut |event| {
                    if let SourceEvent::Record { record, .. } = event {
                        polled += 1;
                        bytes += record.value.unwrap().len();
                    }
                })
                .unwrap();
        }
    }
    assert!(bytes > RECORDS);
    RECORDS as f64 / started.elapsed().as_secs_f64()
}

#[test]
fn one_thread_moves_300_000_records_a_second_in_memory_and_with_a_journal() {
    let in_memory = produce_and_poll_back(&EmbeddedCluster::new());
    let dir = tempfile::tempdir().unwrap();
    let options = millrace_embedded::EmbeddedOptions::default();
    let clock = millrace_embedded::SystemClock::new();
    let journaled = EmbeddedCluster::open(dir.path(), options, clock).unwrap();
    let with_journal = produce_and_poll_back(&journaled);
    println!("records/s: {in_memory:.0} in memory, {with_journal:.0} with a journal");
    assert!(in_memory > 300_000.0, "{in_memory:.0} records/s in memory");
    assert!(
        with_journal > 300_000.0,
        "{with_journal:.0} records/s with a journal"
    );
}
