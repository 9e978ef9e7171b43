//! Goal: memory is bounded, and running into the bound is an error a stranger can act on.

use millrace_embedded::{EmbeddedCluster, EmbeddedOptions, ManualClock};
use millrace_kafka::{Cluster, ErrorKind, TopicPartition};

use super::support::{create, plain, read_all, send, transactional, values, write};

fn cluster_of(memory_bytes: usize) -> EmbeddedCluster {
    let options = EmbeddedOptions {
        memory_bytes,
        ..EmbeddedOptions::default()
    };
    EmbeddedCluster::in_memory(options, ManualClock::new(0))
}

#[test]
fn producing_beyond_the_memory_budget_fails_and_goes_on_once_there_is_room() {
    let cluster = cluster_of(100_000);
    create(&cluster, "t", 1, &[]);
    let one = TopicPartition::new("t", 0);
    let large = "x".repeat(30_000);
    let mut producer = plain(&cluster);
    for _ in 0..3 {
        send(producer.as_mut(), &one, "k", &large);
        producer.flush().unwrap();
    }
    send(producer.as_mut(), &one, "k", &large);
    let error = producer.flush().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    for expected in ["memory is used up", "topic t has", "delete records"] {
        assert!(error.to_string().contains(expected), "{error}");
    }
    cluster
        .admin()
        .unwrap()
        .delete_records(&[(one.clone(), 1)])
        .unwrap();
    producer.flush().unwrap();
    let topic = producer.topic("t").unwrap();
    assert_eq!(producer.acknowledged(topic, 0), Some(4));
    assert_eq!(read_all(&cluster, &one).0.len(), 3);
    cluster.admin().unwrap().delete_topics(&["t"]).unwrap();
    assert!(cluster.topics().is_empty());
}

#[test]
fn a_transaction_that_finds_no_room_can_be_aborted() {
    let cluster = cluster_of(10_000);
    create(&cluster, "t", 1, &[]);
    let one = TopicPartition::new("t", 0);
    let mut producer = transactional(&cluster, "p");
    producer.begin().unwrap();
    send(producer.as_mut(), &one, "k", &"x".repeat(20_000));
    assert_eq!(producer.commit().unwrap_err().kind, ErrorKind::Abort);
    assert_eq!(producer.commit().unwrap_err().kind, ErrorKind::Abort);
    producer.abort().unwrap();
    producer.begin().unwrap();
    send(producer.as_mut(), &one, "k", "small");
    producer.commit().unwrap();
    assert_eq!(values(&cluster, &one), ["small"]);
}

#[test]
fn a_partition_is_held_to_its_retention_bytes_and_never_loses_what_is_not_stable() {
    let cluster = cluster_of(1 << 30);
    create(&cluster, "t", 1, &[("retention.bytes", "20000")]);
    let one = TopicPartition::new("t", 0);
    for index in 0..50 {
        write(&cluster, &one, "k", &format!("{index:01000}"));
    }
    let (start, end) = cluster
        .admin()
        .unwrap()
        .watermarks(std::slice::from_ref(&one))
        .unwrap()[0];
    assert_eq!(end, 50);
    assert!((30..48).contains(&start), "{start}");
    assert_eq!(read_all(&cluster, &one).0.len() as i64, end - start);
    assert!(cluster.topics()[0].partitions[0].bytes <= 20_000);
    let mut producer = transactional(&cluster, "p");
    producer.begin().unwrap();
    send(producer.as_mut(), &one, "k", "held");
    producer.flush().unwrap();
    for index in 0..50 {
        write(&cluster, &one, "k", &format!("{index:01000}"));
    }
    producer.commit().unwrap();
    let (records, _) = read_all(&cluster, &one);
    assert_eq!(records[0].2.as_deref(), Some("held"));
    assert_eq!(records.len(), 51);
}

#[test]
fn a_compacted_topic_compacts_itself_as_it_grows() {
    let cluster = cluster_of(16 << 20);
    create(&cluster, "t", 1, &[("cleanup.policy", "compact")]);
    let one = TopicPartition::new("t", 0);
    let mut producer = transactional(&cluster, "p");
    // 64 MB through 16 MB of memory.
    for round in 0..64 {
        producer.begin().unwrap();
        for key in 0..1000 {
            send(
                producer.as_mut(),
                &one,
                &key.to_string(),
                &format!("{round:01000}"),
            );
        }
        producer.commit().unwrap();
    }
    cluster.compact("t").unwrap();
    let (records, end) = read_all(&cluster, &one);
    assert_eq!((records.len(), end), (1000, 64 * 1001));
}
