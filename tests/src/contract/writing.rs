//! Writing: what comes back, what is acknowledged, what is refused.

use millrace_kafka::{
    Cluster, ErrorKind, Headers, HeadersBuf, OutRecord, SourceEvent, StartOffset,
};

use super::Names;
use super::support::*;

/// Null and empty are different things, header keys may repeat, timestamps are the producer's.
pub fn keys_values_headers_and_timestamps_come_back_as_they_were(
    cluster: &dyn Cluster,
    names: &mut Names,
) {
    let topic = topic(cluster, names, 1, &[]);
    let mut headers = HeadersBuf::new();
    headers.push("a", Some(b"1"));
    headers.push("a", None);
    headers.push("b", Some(b""));
    let mut producer = plain(cluster);
    let handle = producer.topic(&topic).unwrap();
    let record = |timestamp, key, value, headers| OutRecord {
        topic: handle,
        partition: 0,
        timestamp,
        key,
        value,
        headers,
    };
    let all = [
        record(
            1_600_000_000_123,
            Some(&b"key"[..]),
            Some(&b"value"[..]),
            headers.as_headers(),
        ),
        record(1, None, Some(b"\0\xff"), Headers::EMPTY),
        record(2, Some(b""), Some(b""), Headers::EMPTY),
        record(3, Some(b"key"), None, headers.as_headers()),
    ];
    for record in &all {
        producer.send(record).unwrap();
    }
    producer.flush().unwrap();
    let mut reader = reader(cluster, &topic, 0, StartOffset::Earliest);
    let mut next = 0;
    eventually("all records were read", || {
        let read = reader.poll(POLL, 10, &mut |event| {
            if let SourceEvent::Record { record, .. } = event {
                let sent = &all[next];
                assert_eq!(record.offset, next as i64);
                assert_eq!(record.timestamp, sent.timestamp);
                assert_eq!((record.key, record.value), (sent.key, sent.value));
                assert_eq!(record.headers, sent.headers);
                next += 1;
            }
        });
        read.unwrap();
        next == all.len()
    });
}

/// Acknowledged offsets are where the changelog of a store stands; markers are not the store's.
pub fn acknowledged_is_the_offset_after_the_last_record_and_never_the_marker(
    cluster: &dyn Cluster,
    names: &mut Names,
) {
    let topic = topic(cluster, names, 2, &[]);
    let mut producer = transactional(cluster, &names.unique("producer"));
    let handle = producer.topic(&topic).unwrap();
    assert_eq!(
        producer.topic(&topic).unwrap(),
        handle,
        "a topic has one number"
    );
    assert_eq!(producer.acknowledged(handle, 0), None);
    producer.begin().unwrap();
    send(producer.as_mut(), &topic, 0, &["a", "b"]);
    producer.flush().unwrap();
    assert_eq!(producer.acknowledged(handle, 0), Some(2));
    assert_eq!(producer.acknowledged(handle, 1), None);
    producer.commit().unwrap();
    assert_eq!(producer.acknowledged(handle, 0), Some(2));
    commit(producer.as_mut(), &topic, 0, &["c"]);
    assert_eq!(producer.acknowledged(handle, 0), Some(4));
    assert_watermarks(cluster, &topic, 0, (0, 5));
}

/// The transaction goes on without the record.
pub fn a_record_that_is_too_large_is_refused_alone(cluster: &dyn Cluster, names: &mut Names) {
    let topic = topic(cluster, names, 1, &[]);
    let mut producer = transactional(cluster, &names.unique("producer"));
    let large = "x".repeat(3 << 20);
    let handle = producer.topic(&topic).unwrap();
    producer.begin().unwrap();
    send(producer.as_mut(), &topic, 0, &["a"]);
    let refused = producer.send(&text(handle, 0, "k", &large));
    assert_kind(refused, ErrorKind::TooLarge);
    send(producer.as_mut(), &topic, 0, &["b"]);
    producer.commit().unwrap();
    assert_eq!(values(&read_all(cluster, &topic, 0, 3)), ["a", "b"]);
}

/// Compaction could never let go of it.
pub fn a_compacted_topic_takes_no_record_without_a_key(cluster: &dyn Cluster, names: &mut Names) {
    let topic = topic(cluster, names, 1, &[("cleanup.policy", "compact")]);
    let id = names.unique("producer");
    let mut producer = transactional(cluster, &id);
    let handle = producer.topic(&topic).unwrap();
    producer.begin().unwrap();
    let refused = producer
        .send(&OutRecord {
            key: None,
            ..text(handle, 0, "", "value")
        })
        .and_then(|()| producer.flush())
        .and_then(|()| producer.commit());
    assert!(refused.is_err());
    producer.abort().unwrap();
    // Kafka's producer has lost count of its records by the refusal: a newer one goes on.
    commit(transactional(cluster, &id).as_mut(), &topic, 0, &["a"]);
    assert_eq!(values(&read_only(cluster, &topic, 0, 1)), ["a"]);
}

/// Sooner or later: with the send, or with the flush.
pub fn writing_to_a_partition_that_is_not_there_fails(cluster: &dyn Cluster, names: &mut Names) {
    let topic = topic(cluster, names, 1, &[]);
    let mut producer = plain(cluster);
    let handle = producer.topic(&topic).unwrap();
    let result = producer
        .send(&text(handle, 5, "k", "v"))
        .and_then(|()| producer.flush());
    assert_kind(result, ErrorKind::UnknownTopic);
    assert_eq!(watermarks(cluster, &topic, 0), (0, 0));
}

/// No marker, visible with the flush.
pub fn a_producer_without_a_transactional_id_writes_at_once(
    cluster: &dyn Cluster,
    names: &mut Names,
) {
    let topic = topic(cluster, names, 1, &[]);
    write(cluster, &topic, 0, &["a", "b"]);
    assert_eq!(watermarks(cluster, &topic, 0), (0, 2));
    assert_eq!(values(&read_all(cluster, &topic, 0, 2)), ["a", "b"]);
}
