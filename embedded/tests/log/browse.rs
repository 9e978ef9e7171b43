//! Goal: people see in `worker dev` what is in their topics.

use std::time::{Duration, Instant};

use millrace_embedded::{EmbeddedCluster, Isolation, ReadFrom};
use millrace_kafka::{ErrorKind, HeadersBuf, TopicPartition};

use super::support::{cluster, create, send, transactional};

fn produce(cluster: &EmbeddedCluster, key: Option<&str>, value: &str) -> (i32, i64) {
    let headers = HeadersBuf::new();
    let key = key.map(str::as_bytes);
    cluster
        .produce("t", None, None, key, Some(value.as_bytes()), &headers)
        .unwrap()
}

#[test]
fn keys_choose_their_partition_as_in_java_and_null_keys_spread() {
    let (cluster, _) = cluster();
    create(&cluster, "t", 3, &[]);
    let (partition, offset) = produce(&cluster, Some("001-00101"), "1");
    assert_eq!(
        partition,
        millrace_kafka::partitioner::partition(b"001-00101", 3)
    );
    assert_eq!(offset, 0);
    assert_eq!(produce(&cluster, Some("001-00101"), "2"), (partition, 1));
    let mut others = vec![
        produce(&cluster, None, "3").0,
        produce(&cluster, None, "4").0,
    ];
    others.push(partition);
    others.sort_unstable();
    assert_eq!(others, [0, 1, 2]);
}

#[test]
fn topics_are_listed_with_their_counts_and_read_from_an_offset_or_the_tail() {
    let (cluster, _) = cluster();
    create(&cluster, "empty", 1, &[("cleanup.policy", "compact")]);
    create(&cluster, "t", 1, &[]);
    let one = TopicPartition::new("t", 0);
    for value in ["a", "b", "c"] {
        produce(&cluster, Some("k"), value);
    }
    let mut producer = transactional(&cluster, "p");
    producer.begin().unwrap();
    send(producer.as_mut(), &one, "k", "open");
    producer.flush().unwrap();
    let topics = cluster.topics();
    let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
    assert_eq!(names, ["empty", "t"]);
    assert_eq!(topics[0].configs["cleanup.policy"], "compact");
    let counts = topics[1].partitions[0];
    assert_eq!(
        (counts.start, counts.stable, counts.end, counts.records),
        (0, 3, 4, 4)
    );
    let read = |from, isolation| {
        let records = cluster
            .read(&one, from, isolation, 10, Duration::ZERO)
            .unwrap();
        let value = |record: millrace_embedded::StoredRecord| record.value.unwrap();
        records
            .into_iter()
            .map(|record| String::from_utf8(value(record)).unwrap())
            .collect()
    };
    let texts: Vec<String> = read(ReadFrom::Offset(1), Isolation::ReadCommitted);
    assert_eq!(texts, ["b", "c"]);
    let texts: Vec<String> = read(ReadFrom::Tail(2), Isolation::ReadUncommitted);
    assert_eq!(texts, ["c", "open"]);
    let texts: Vec<String> = read(ReadFrom::Tail(2), Isolation::ReadCommitted);
    assert_eq!(texts, ["b", "c"]);
    let nothing = TopicPartition::new("nothing", 0);
    let error = cluster
        .read(
            &nothing,
            ReadFrom::Tail(1),
            Isolation::ReadCommitted,
            1,
            Duration::ZERO,
        )
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::UnknownTopic);
}

#[test]
fn a_tail_waits_for_the_next_record_and_no_longer_than_it_was_told() {
    let cluster = EmbeddedCluster::new();
    create(&cluster, "t", 1, &[]);
    let one = TopicPartition::new("t", 0);
    let tail = |timeout| {
        cluster
            .read(
                &one,
                ReadFrom::Offset(0),
                Isolation::ReadCommitted,
                1,
                timeout,
            )
            .unwrap()
    };
    let short = Duration::from_millis(50);
    let started = Instant::now();
    assert!(tail(short).is_empty());
    assert!(started.elapsed() >= short);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| tail(Duration::from_secs(30)));
        produce(&cluster, Some("k"), "v");
        assert_eq!(waiting.join().unwrap().len(), 1);
    });
    assert!(started.elapsed() < Duration::from_secs(20));
}
