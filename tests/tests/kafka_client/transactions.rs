//! Transactions: commit, abort, offsets, fencing.

use std::time::{Duration, Instant};

use millrace_kafka::{
    Cluster, ErrorKind, Guarantee, Headers, KafkaCluster, KafkaConfig, OutRecord, RecordSink,
    StartOffset,
};
use millrace_tests::broker::{Broker, unique};

use crate::support::*;

#[test]
fn outputs_and_offsets_of_a_transaction_appear_together() {
    let cluster = cluster();
    let (group, tasks) = (unique("txn-both"), topic(&cluster, "txn-both-tasks", 1));
    let (input, output) = (topic(&cluster, "txn-in", 1), topic(&cluster, "txn-out", 1));
    let mut member = TestMember::join(&cluster, &group, &tasks, "00000-000");
    settle(&mut [&mut member], |m| own_all(m, 1));
    let mut sink = transactional(&cluster, &group);

    sink.begin().unwrap();
    send(&mut *sink, &output, 0, b"aborted");
    let metadata = member.consumer.group_metadata().unwrap();
    sink.send_offsets(&[(tp(&input, 0), offset(3))], &metadata)
        .unwrap();
    sink.abort().unwrap();
    assert_eq!(member.consumer.committed(&[tp(&input, 0)]).unwrap(), [None]);

    sink.begin().unwrap();
    send(&mut *sink, &output, 0, b"committed");
    sink.flush().unwrap();
    let handle = sink.topic(&output).unwrap();
    let acknowledged = sink.acknowledged(handle, 0).unwrap();
    let committed = millrace_kafka::CommittedOffset {
        offset: 4,
        metadata: "AQAAAA==".to_owned(),
    };
    let metadata = member.consumer.group_metadata().unwrap();
    sink.send_offsets(&[(tp(&input, 0), committed.clone())], &metadata)
        .unwrap();
    sink.commit().unwrap();
    assert_eq!(
        member.consumer.committed(&[tp(&input, 0)]).unwrap(),
        [Some(committed)]
    );

    let mut reader = cluster.reader("txn-both").unwrap();
    reader
        .assign(&[at(&output, 0, 0, StartOffset::Earliest)])
        .unwrap();
    let events = poll_to_end(&mut *reader, 0);
    assert_eq!(values(&events, 0), ["committed"]);
    let Some(Event::Record { offset, .. }) = events.first() else {
        panic!("{events:?}")
    };
    assert_eq!(acknowledged, offset + 1);
}

#[test]
fn committed_offsets_wait_for_the_pending_transaction_of_a_predecessor() {
    let cluster = cluster();
    let (group, tasks) = (unique("txn-stable"), topic(&cluster, "txn-stable-tasks", 1));
    let input = topic(&cluster, "txn-stable-in", 1);
    let mut member = TestMember::join(&cluster, &group, &tasks, "00000-000");
    settle(&mut [&mut member], |m| own_all(m, 1));
    let mut dead = transactional(&cluster, &group);
    dead.begin().unwrap();
    send(&mut *dead, &input, 0, b"x");
    let metadata = member.consumer.group_metadata().unwrap();
    dead.send_offsets(&[(tp(&input, 0), offset(9))], &metadata)
        .unwrap();
    dead.flush().unwrap();

    // The successor's init settles it, and the offsets are readable at once.
    let start = Instant::now();
    let _successor = transactional(&cluster, &group);
    assert_eq!(member.consumer.committed(&[tp(&input, 0)]).unwrap(), [None]);
    println!(
        "predecessor settled and offsets read in {:?}",
        start.elapsed()
    );
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_newer_producer_of_the_same_id_fences_the_older_in_every_call() {
    let cluster = cluster();
    let name = topic(&cluster, "txn-fence", 1);
    for call in ["flush", "commit", "abort", "begin"] {
        let id = unique("txn-fence");
        let mut old = transactional(&cluster, &id);
        if call != "begin" {
            old.begin().unwrap();
            send(&mut *old, &name, 0, b"zombie before");
            old.flush().unwrap();
        }
        let mut new = transactional(&cluster, &id);
        let error = match call {
            "flush" => {
                send(&mut *old, &name, 0, b"zombie");
                old.flush().unwrap_err()
            }
            "commit" => old.commit().unwrap_err(),
            "abort" => {
                // An abort of what is aborted may succeed; the next transaction cannot.
                match old.abort() {
                    Err(error) => error,
                    Ok(()) => begin_and_write(&mut *old, &name),
                }
            }
            _ => begin_and_write(&mut *old, &name),
        };
        assert_eq!(error.kind, ErrorKind::Fenced, "{call}: {error}");
        let after = old.begin().unwrap_err();
        assert_eq!(after.kind, ErrorKind::Fenced, "{call}, then begin: {after}");
        new.begin().unwrap();
        send(&mut *new, &name, 0, call.as_bytes());
        new.commit().unwrap();
    }
    let mut reader = cluster.reader("txn-fence").unwrap();
    reader
        .assign(&[at(&name, 0, 0, StartOffset::Earliest)])
        .unwrap();
    assert_eq!(
        values(&poll_to_end(&mut *reader, 0), 0),
        ["flush", "commit", "abort", "begin"]
    );
}

/// The error of a transaction that must not succeed.
fn begin_and_write(sink: &mut dyn RecordSink, topic: &str) -> millrace_kafka::Error {
    if let Err(error) = sink.begin() {
        return error;
    }
    send(sink, topic, 0, b"zombie");
    if let Err(error) = sink.flush() {
        return error;
    }
    sink.commit().unwrap_err()
}

#[test]
fn offsets_of_a_member_that_the_group_has_replaced_are_fenced() {
    let cluster = cluster();
    let (group, tasks) = (unique("txn-gen"), topic(&cluster, "txn-gen-tasks", 2));
    let input = topic(&cluster, "txn-gen-in", 1);
    let mut one = TestMember::join(&cluster, &group, &tasks, "00000-000");
    settle(&mut [&mut one], |m| own_all(m, 2));
    let old = one.consumer.group_metadata().unwrap();
    let mut two = TestMember::join(&cluster, &group, &tasks, "00001-000");
    settle(&mut [&mut one, &mut two], |m| {
        own_all(m, 2) && m.iter().all(|m| m.tasks.len() == 1)
    });

    let mut sink = transactional(&cluster, &group);
    sink.begin().unwrap();
    send(&mut *sink, &input, 0, b"x");
    let error = sink
        .send_offsets(&[(tp(&input, 0), offset(1))], &old)
        .unwrap_err();
    assert_eq!(
        error.kind,
        ErrorKind::Fenced,
        "an older generation: {error}"
    );
    // The producer itself is healthy.
    sink.abort().unwrap();
    sink.begin().unwrap();
    send(&mut *sink, &input, 0, b"y");
    let now = one.consumer.group_metadata().unwrap();
    sink.send_offsets(&[(tp(&input, 0), offset(1))], &now)
        .unwrap();
    sink.commit().unwrap();

    one.consumer.close(true).unwrap();
    sink.begin().unwrap();
    send(&mut *sink, &input, 0, b"z");
    let error = sink
        .send_offsets(&[(tp(&input, 0), offset(2))], &now)
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Fenced, "a member that left: {error}");
    sink.abort().unwrap();
    assert_eq!(
        two.consumer.committed(&[tp(&input, 0)]).unwrap(),
        [Some(offset(1))]
    );
}

#[test]
fn a_transaction_that_timed_out_at_the_broker_is_fenced_or_aborted_never_committed() {
    let broker = Broker::shared().unwrap();
    let mut config = KafkaConfig::new(broker.bootstrap(), Guarantee::ExactlyOnce);
    config.transaction_timeout = Duration::from_secs(1);
    let cluster = KafkaCluster::new(config).unwrap();
    let name = topic(&cluster, "txn-timeout", 1);
    let mut sink = transactional(&cluster, &name);
    sink.begin().unwrap();
    send(&mut *sink, &name, 0, b"too slow");
    sink.flush().unwrap();
    std::thread::sleep(Duration::from_millis(2500));
    let error = sink.commit().unwrap_err();
    assert!(
        matches!(error.kind, ErrorKind::Fenced | ErrorKind::Abort),
        "{error}"
    );
    let mut reader = cluster.reader("txn-timeout").unwrap();
    reader
        .assign(&[at(&name, 0, 0, StartOffset::Earliest)])
        .unwrap();
    assert_eq!(values(&poll_to_end(&mut *reader, 0), 0), [] as [&str; 0]);
}

#[test]
fn a_record_too_large_is_refused_alone_and_the_transaction_goes_on() {
    let cluster = cluster();
    let name = topic(&cluster, "txn-large", 1);
    let mut sink = transactional(&cluster, &name);
    sink.begin().unwrap();
    send(&mut *sink, &name, 0, b"small");
    let handle = sink.topic(&name).unwrap();
    let large = vec![0; 2_000_000];
    let record = OutRecord {
        topic: handle,
        partition: 0,
        timestamp: 0,
        key: None,
        value: Some(&large),
        headers: Headers::EMPTY,
    };
    let error = sink.send(&record).unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge, "{error}");
    assert_eq!(error.partition, Some(tp(&name, 0)));
    send(&mut *sink, &name, 0, b"after");
    sink.commit().unwrap();
    let mut reader = cluster.reader("txn-large").unwrap();
    reader
        .assign(&[at(&name, 0, 0, StartOffset::Earliest)])
        .unwrap();
    assert_eq!(values(&poll_to_end(&mut *reader, 0), 0), ["small", "after"]);
}

#[test]
fn a_record_larger_than_the_topic_accepts_is_told_at_the_flush() {
    let cluster = cluster();
    let name = unique("txn-topic-limit");
    let spec = millrace_kafka::TopicSpec {
        name: name.clone(),
        partitions: 1,
        replication_factor: -1,
        configs: [("max.message.bytes".to_owned(), "1000".to_owned())].into(),
    };
    cluster.admin().unwrap().create_topics(&[spec]).unwrap();
    let mut sink = transactional(&cluster, &name);
    sink.begin().unwrap();
    send(&mut *sink, &name, 0, &[0; 5_000]);
    let error = sink.flush().unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge, "{error}");
    assert_eq!(error.partition, Some(tp(&name, 0)));
    sink.abort().unwrap();
    // The refused record has left a gap in the producer's sequence numbers. librdkafka notices it
    // with the next record, and closes it with the abort after that.
    let mut tries = 0;
    while let Err(error) = write_and_commit(&mut *sink, &name, b"small") {
        tries += 1;
        assert!(error.kind == ErrorKind::Abort && tries < 3, "{error}");
        sink.abort().unwrap();
    }
    let mut reader = cluster.reader("txn-topic-limit").unwrap();
    reader
        .assign(&[at(&name, 0, 0, StartOffset::Earliest)])
        .unwrap();
    assert_eq!(values(&poll_to_end(&mut *reader, 0), 0), ["small"]);
}

fn write_and_commit(
    sink: &mut dyn RecordSink,
    topic: &str,
    value: &[u8],
) -> millrace_kafka::Result<()> {
    sink.begin()?;
    send(sink, topic, 0, value);
    sink.flush()?;
    sink.commit()
}

#[test]
fn a_producer_without_an_id_has_no_transactions() {
    let cluster = cluster();
    let mut sink = producer(&cluster, None);
    assert_eq!(sink.begin().unwrap_err().kind, ErrorKind::Config);
    assert_eq!(
        sink.init_transactions().unwrap_err().kind,
        ErrorKind::Config
    );
}
