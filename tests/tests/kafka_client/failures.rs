//! Brokers that die or freeze.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use millrace_kafka::{
    Cluster, ErrorKind, Guarantee, KafkaCluster, KafkaConfig, RecordSink, StartOffset,
    TopicPartition,
};
use millrace_tests::broker::{Broker, BrokerOptions};

use crate::support::*;

/// Longer than a broker takes to write the markers of a transaction it has decided.
const MARKERS: Duration = Duration::from_millis(300);

#[test]
fn commits_over_broker_restarts_are_all_or_nothing_and_never_lie() {
    // Nor may the broker itself end one that has timed out before its partitions have leaders again.
    let interval = "transaction.abort.timed.out.transaction.cleanup.interval.ms";
    let options = BrokerOptions::new().property(interval, "60000");
    let broker = Broker::start_with(&options).unwrap();
    let cluster = cluster_on(&broker);
    let name = topic(&cluster, "restart", 1);
    let mut sink = transactional(&cluster, "restart");
    let (mut committed, mut unknown, mut aborted) = (Vec::new(), Vec::new(), Vec::new());
    // Held by who ends a transaction, and by who takes the broker away until it is back in service:
    // else it may drop the markers of an ending one (docs/decisions/006-dropped-markers.md).
    let ending = Mutex::new(());
    std::thread::scope(|scope| {
        let restarts = scope.spawn(|| take_away_thrice(&broker, &ending));
        let mut number = 0;
        while !restarts.is_finished() || committed.len() < 3 {
            number += 1;
            match one_transaction(&mut *sink, &name, number, &ending) {
                Ok(()) => committed.push(number),
                Err(error) => {
                    println!("transaction {number}: {:?}: {error}", error.kind);
                    let _ends = ending.lock().unwrap();
                    if error.kind == ErrorKind::Abort && sink.abort().is_ok() {
                        aborted.push(number);
                        continue;
                    }
                    unknown.push(number);
                    // As the engine: a new producer settles the old one's transaction.
                    sink = producer(&cluster, Some("restart"));
                    while let Err(error) = sink.init_transactions() {
                        assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
                    }
                }
            }
        }
        restarts.join().unwrap();
    });
    println!(
        "{} committed, unknown {unknown:?}, aborted {aborted:?}",
        committed.len()
    );
    let read = read_to_the_end(&cluster, &name);
    for number in &committed {
        assert_eq!(
            count(&read, *number),
            10,
            "transaction {number} was committed"
        );
    }
    for number in &aborted {
        assert_eq!(count(&read, *number), 0, "transaction {number} was aborted");
    }
    for number in &unknown {
        assert!(
            matches!(count(&read, *number), 0 | 10),
            "transaction {number} is all or nothing"
        );
    }
}

/// Kills the broker, stops it, kills it, and each time brings it back.
fn take_away_thrice(broker: &Broker, ending: &Mutex<()>) {
    for round in 0..3 {
        std::thread::sleep(Duration::from_millis(700));
        let _none_ends = ending.lock().unwrap();
        std::thread::sleep(MARKERS);
        if round == 1 {
            broker.stop().unwrap()
        } else {
            broker.kill().unwrap()
        }
        broker.restart().unwrap();
    }
}

/// The values of a topic, to its end behind the last transaction.
fn read_to_the_end(cluster: &KafkaCluster, topic: &str) -> Vec<String> {
    let mut reader = cluster.reader("restart").unwrap();
    reader
        .assign(&[at(topic, 0, 0, StartOffset::Earliest)])
        .unwrap();
    // A commit is acknowledged before its marker is in the log, and a broker that was killed in
    // between writes the marker after its restart. Until then a reader's end is before the
    // transaction; only an end past the high watermark is the end.
    let partition = TopicPartition::new(topic, 0);
    let admin = cluster.admin().unwrap();
    // A broker that has just come back may not know its own partitions' leaders yet.
    let deadline = Instant::now() + Duration::from_secs(60);
    let high = loop {
        match admin.watermarks(std::slice::from_ref(&partition)) {
            Ok(watermarks) => break watermarks[0].1,
            Err(error) => assert!(
                error.kind == ErrorKind::Unavailable && Instant::now() < deadline,
                "{error}"
            ),
        }
    };
    let events = poll_until(&mut *reader, |events| end(events, 0) >= Some(high));
    values(&events, 0)
}

fn count(read: &[String], number: u32) -> usize {
    read.iter()
        .filter(|value| **value == number.to_string())
        .count()
}

fn one_transaction(
    sink: &mut dyn RecordSink,
    topic: &str,
    number: u32,
    ending: &Mutex<()>,
) -> millrace_kafka::Result<()> {
    sink.begin()?;
    for _ in 0..10 {
        send(sink, topic, 0, number.to_string().as_bytes());
    }
    sink.flush()?;
    let _ends = ending.lock().unwrap();
    sink.commit()
}

#[test]
fn a_commit_that_nobody_answers_is_unknown_within_the_transaction_timeout() {
    let broker = Broker::start().unwrap();
    let mut config = KafkaConfig::new(broker.bootstrap(), Guarantee::ExactlyOnce);
    config.transaction_timeout = Duration::from_secs(3);
    let cluster = KafkaCluster::new(config).unwrap();
    let name = topic(&cluster, "frozen", 1);
    let mut sink = transactional(&cluster, "frozen");
    sink.begin().unwrap();
    send(&mut *sink, &name, 0, b"x");
    sink.flush().unwrap();
    broker.freeze().unwrap();
    let start = Instant::now();
    let error = sink.commit().unwrap_err();
    println!(
        "a frozen broker: {:?} after {:?}: {error}",
        error.kind,
        start.elapsed()
    );
    assert_eq!(error.kind, ErrorKind::Unknown, "{error}");
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    let start = Instant::now();
    drop(sink);
    println!("dropping its producer took {:?}", start.elapsed());
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    broker.thaw().unwrap();
    let mut sink = transactional(&cluster, "frozen");
    sink.begin().unwrap();
    send(&mut *sink, &name, 0, b"y");
    sink.commit().unwrap();
    // Unknown it was: the broker may have read the request when it went on, before its successor came.
    let mut reader = cluster.reader("frozen").unwrap();
    reader
        .assign(&[at(&name, 0, 0, StartOffset::Earliest)])
        .unwrap();
    let last = |events: &[_]| values(events, 0).last().is_some_and(|last| last == "y");
    let read = values(&poll_until(&mut *reader, last), 0);
    assert!(read == ["x", "y"] || read == ["y"], "{read:?}");
}

#[test]
fn readers_and_members_outlive_a_broker_restart() {
    let broker = Broker::start().unwrap();
    let cluster = cluster_on(&broker);
    let tasks = topic(&cluster, "outlive-tasks", 2);
    let input = topic(&cluster, "outlive-input", 1);
    write(&cluster, &input, 0, &["before"]);
    let mut member = TestMember::join(&cluster, "outlive", &tasks, "00000-000");
    settle(&mut [&mut member], |m| own_all(m, 2));
    member
        .consumer
        .assign(&[at(&input, 0, 0, StartOffset::Earliest)])
        .unwrap();
    assert_eq!(
        values(&poll_to_end(&mut *member.consumer, 0), 0),
        ["before"]
    );

    broker.kill().unwrap();
    std::thread::scope(|scope| {
        let restart = scope.spawn(|| {
            std::thread::sleep(Duration::from_secs(1));
            broker.restart().unwrap();
        });
        // A restart may last longer than the session: then the tasks are lost, and come back.
        while !restart.is_finished() {
            member.step();
        }
    });
    write(&cluster, &input, 0, &["after"]);
    let events = poll_until(&mut *member.consumer, |events| {
        !values(events, 0).is_empty()
    });
    assert_eq!(values(&events, 0), ["after"]);
    settle(&mut [&mut member], |m| {
        own_all(m, 2) && m[0].consumer.group_metadata().is_ok()
    });
    member
        .consumer
        .commit(&[(tp(&input, 0), offset(2))])
        .unwrap();
}
