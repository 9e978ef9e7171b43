//! Reading assigned partitions.

use std::collections::BTreeMap;
use std::time::Duration;

use millrace_kafka::{
    Cluster, ErrorKind, Headers, HeadersBuf, OutRecord, SourceEvent, StartOffset, TopicSpec,
};
use millrace_tests::broker::unique;

use crate::support::*;

#[test]
fn records_come_back_with_key_value_timestamp_and_headers() {
    let cluster = cluster();
    let name = topic(&cluster, "reader-fields", 1);
    let mut headers = HeadersBuf::new();
    headers.push("a", Some(b"1"));
    headers.push("a", None);
    headers.push("b", Some(b""));
    let mut sink = producer(&cluster, None);
    let handle = sink.topic(&name).unwrap();
    assert_eq!(sink.topic(&name).unwrap(), handle);
    assert_eq!(sink.acknowledged(handle, 0), None);
    let record = OutRecord {
        topic: handle,
        partition: 0,
        timestamp: 1_700_000_000_123,
        key: None,
        value: None,
        headers: headers.as_headers(),
    };
    sink.send(&record).unwrap();
    let empty = OutRecord {
        key: Some(b""),
        value: Some(b""),
        headers: Headers::EMPTY,
        ..record
    };
    sink.send(&empty).unwrap();
    sink.flush().unwrap();
    assert_eq!(sink.acknowledged(handle, 0), Some(2));
    assert_eq!(sink.acknowledged(handle, 1), None);

    let mut reader = cluster.reader("reader-fields").unwrap();
    reader
        .assign(&[at(&name, 0, 7, StartOffset::Earliest)])
        .unwrap();
    let mut seen = Vec::new();
    while seen.len() < 2 {
        reader
            .poll(Duration::from_secs(1), 10, &mut |event| {
                if let SourceEvent::Record { slot, record } = event {
                    let headers: Vec<_> = record
                        .headers
                        .iter()
                        .map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec)))
                        .collect();
                    let key = record.key.map(<[u8]>::to_vec);
                    let value = record.value.map(<[u8]>::to_vec);
                    seen.push((slot, record.offset, record.timestamp, key, value, headers));
                }
            })
            .unwrap();
    }
    let expected = vec![
        ("a".to_owned(), Some(b"1".to_vec())),
        ("a".to_owned(), None),
        ("b".to_owned(), Some(Vec::new())),
    ];
    assert_eq!(seen[0], (7, 0, 1_700_000_000_123, None, None, expected));
    let nothing = Some(Vec::new());
    assert_eq!(
        seen[1],
        (
            7,
            1,
            1_700_000_000_123,
            nothing.clone(),
            nothing,
            Vec::new()
        )
    );
}

/// A record's value, and its headers as they are encoded.
type Shape = (Option<Vec<u8>>, HeadersBuf);

/// Values that are null, empty, short and long, each with no header, one, and so many that their count
/// takes two bytes; every value follows every other, so that any of them ends a batch and begins one.
fn shapes() -> Vec<Shape> {
    let values = [
        None,
        Some(vec![]),
        Some(vec![0]),
        Some(vec![7; 100]),
        Some(vec![0; 3_000]),
    ];
    let headers = [0, 1, 64].map(|count| {
        let mut headers = HeadersBuf::new();
        for _ in 0..count {
            headers.push("name", Some(b""));
        }
        headers
    });
    let each: Vec<Shape> = values
        .iter()
        .flat_map(|value| {
            headers
                .iter()
                .map(move |headers| (value.clone(), headers.clone()))
        })
        .collect();
    let pairs = each
        .iter()
        .flat_map(|first| each.iter().map(move |then| [first, then]));
    pairs.flatten().cloned().collect()
}

/// The reader sees by itself that most records have no headers: it must not see it where it is not so.
#[test]
fn headers_come_back_whatever_the_value_and_the_compression() {
    let cluster = cluster();
    let admin = cluster.admin().unwrap();
    let shapes = shapes();
    for codec in ["uncompressed", "gzip", "snappy", "lz4", "zstd"] {
        let name = unique("reader-headers");
        let topic = TopicSpec {
            name: name.clone(),
            partitions: 1,
            replication_factor: -1,
            configs: BTreeMap::from([("compression.type".to_owned(), codec.to_owned())]),
        };
        admin.create_topics(&[topic]).unwrap();
        let mut sink = producer(&cluster, None);
        let topic = sink.topic(&name).unwrap();
        for (number, (value, headers)) in shapes.iter().enumerate() {
            let record = OutRecord {
                topic,
                partition: 0,
                timestamp: 1,
                key: None,
                value: value.as_deref(),
                headers: headers.as_headers(),
            };
            sink.send(&record).unwrap();
            // Batches of one record, of two, and of many.
            if number % 7 == 0 || number % 7 == 2 {
                sink.flush().unwrap();
            }
        }
        sink.flush().unwrap();

        let mut reader = cluster.reader("reader-headers").unwrap();
        reader
            .assign(&[at(&name, 0, 0, StartOffset::Earliest)])
            .unwrap();
        let mut read = 0;
        while read < shapes.len() {
            let look = &mut |event: SourceEvent<'_>| {
                if let SourceEvent::Record { record, .. } = event {
                    let (value, headers) = &shapes[read];
                    assert_eq!(record.value, value.as_deref(), "{codec}, record {read}");
                    assert_eq!(
                        record.headers,
                        headers.as_headers(),
                        "{codec}, record {read}"
                    );
                    read += 1;
                }
            };
            reader.poll(Duration::from_secs(1), 100, look).unwrap();
        }
    }
}

#[test]
fn the_end_is_told_past_a_trailing_transaction_marker_and_again_after_more_records() {
    let cluster = cluster();
    let name = topic(&cluster, "reader-end", 1);
    let mut reader = cluster.reader("reader-end").unwrap();
    reader
        .assign(&[at(&name, 0, 0, StartOffset::Earliest)])
        .unwrap();
    let events = poll_to_end(&mut *reader, 0);
    assert_eq!(events, vec![Event::End { slot: 0, offset: 0 }]);

    let mut sink = transactional(&cluster, &name);
    sink.begin().unwrap();
    send(&mut *sink, &name, 0, b"one");
    send(&mut *sink, &name, 0, b"two");
    sink.commit().unwrap();
    let events = poll_to_end(&mut *reader, 0);
    assert_eq!(values(&events, 0), ["one", "two"]);
    // Two records and the marker.
    assert_eq!(end(&events, 0), Some(3));
    let watermarks = cluster
        .admin()
        .unwrap()
        .watermarks(&[tp(&name, 0)])
        .unwrap();
    assert_eq!(watermarks, [(0, 3)]);

    sink.begin().unwrap();
    send(&mut *sink, &name, 0, b"aborted");
    sink.flush().unwrap();
    sink.abort().unwrap();
    let events = poll_to_end(&mut *reader, 0);
    assert_eq!(events, vec![Event::End { slot: 0, offset: 5 }]);
}

#[test]
fn an_open_transaction_is_not_read_before_its_end() {
    let cluster = cluster();
    let name = topic(&cluster, "reader-open", 1);
    let mut sink = transactional(&cluster, &name);
    sink.begin().unwrap();
    send(&mut *sink, &name, 0, b"later");
    sink.flush().unwrap();
    write(&cluster, &name, 0, &["behind"]);

    let mut reader = cluster.reader("reader-open").unwrap();
    reader
        .assign(&[at(&name, 0, 0, StartOffset::Earliest)])
        .unwrap();
    assert_eq!(
        poll_to_end(&mut *reader, 0),
        vec![Event::End { slot: 0, offset: 0 }]
    );
    let watermarks = cluster
        .admin()
        .unwrap()
        .watermarks(&[tp(&name, 0)])
        .unwrap();
    assert_eq!(
        watermarks,
        [(0, 2)],
        "watermarks are asked with read_uncommitted"
    );
    sink.commit().unwrap();
    assert_eq!(
        values(&poll_to_end(&mut *reader, 0), 0),
        ["later", "behind"]
    );
}

#[test]
fn latest_starts_after_the_newest_record_also_an_uncommitted_one() {
    let cluster = cluster();
    let name = topic(&cluster, "reader-latest", 1);
    write(&cluster, &name, 0, &["old"]);
    let mut sink = transactional(&cluster, &name);
    sink.begin().unwrap();
    send(&mut *sink, &name, 0, b"uncommitted");
    sink.flush().unwrap();

    let mut reader = cluster.reader("reader-latest").unwrap();
    reader
        .assign(&[at(&name, 0, 0, StartOffset::Latest)])
        .unwrap();
    sink.commit().unwrap();
    write(&cluster, &name, 0, &["new"]);
    let events = poll_until(&mut *reader, |events| !values(events, 0).is_empty());
    assert_eq!(values(&events, 0), ["new"]);
}

#[test]
fn an_offset_outside_the_log_is_an_error_that_names_the_partition() {
    let cluster = cluster();
    let name = topic(&cluster, "reader-range", 2);
    write(&cluster, &name, 1, &["a", "b", "c"]);
    cluster
        .admin()
        .unwrap()
        .delete_records(&[(tp(&name, 1), 2)])
        .unwrap();
    for outside in [1, 4] {
        let mut reader = cluster.reader("reader-range").unwrap();
        reader
            .assign(&[at(&name, 1, 0, StartOffset::At(outside))])
            .unwrap();
        let error = loop {
            match reader.poll(LIMIT, 10, &mut |event| panic!("delivered {event:?}")) {
                Ok(count) => assert!(count > 0, "no error after {LIMIT:?}"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind, ErrorKind::OffsetOutOfRange, "{error}");
        assert_eq!(error.partition, Some(tp(&name, 1)));
        assert!(
            error.to_string().contains(&format!("offset {outside}")),
            "{error}"
        );

        // The reader is still good for other offsets of the same partition.
        reader.unassign(&[tp(&name, 1)]).unwrap();
        reader
            .assign(&[at(&name, 1, 1, StartOffset::At(2))])
            .unwrap();
        assert_eq!(values(&poll_to_end(&mut *reader, 1), 1), ["c"]);
    }
    let mut reader = cluster.reader("reader-range").unwrap();
    reader
        .assign(&[at(&name, 1, 0, StartOffset::Earliest)])
        .unwrap();
    assert_eq!(values(&poll_to_end(&mut *reader, 0), 0), ["c"]);
}

#[test]
fn a_topic_that_does_not_exist_is_an_error_that_names_it() {
    let broker = millrace_tests::broker::Broker::shared().unwrap();
    let mut config = millrace_kafka::KafkaConfig::new(
        broker.bootstrap(),
        millrace_kafka::Guarantee::ExactlyOnce,
    );
    // How long librdkafka takes a topic's absence for a delay of the brokers, and how often it looks.
    for (name, value) in [
        ("topic.metadata.propagation.max.ms", "500"),
        ("topic.metadata.refresh.interval.ms", "1000"),
    ] {
        config.properties.insert(name.to_owned(), value.to_owned());
    }
    let cluster = millrace_kafka::KafkaCluster::new(config).unwrap();
    let mut reader = cluster.reader("reader-unknown").unwrap();
    reader
        .assign(&[at("no-such-topic", 0, 0, StartOffset::At(0))])
        .unwrap();
    let error = loop {
        match reader.poll(LIMIT, 10, &mut |_| {}) {
            Ok(count) => assert!(count > 0, "no error after {LIMIT:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, ErrorKind::UnknownTopic, "{error}");
    assert_eq!(error.partition, Some(tp("no-such-topic", 0)));
}

#[test]
fn a_paused_partition_delivers_nothing_and_loses_nothing() {
    let cluster = cluster();
    let name = topic(&cluster, "reader-pause", 2);
    let mut sink = producer(&cluster, None);
    for number in 0..20_000_u32 {
        let partition = i32::from(number % 2 == 1);
        send(&mut *sink, &name, partition, number.to_string().as_bytes());
    }
    sink.flush().unwrap();
    let mut reader = cluster.reader("reader-pause").unwrap();
    reader
        .assign(&[
            at(&name, 0, 0, StartOffset::Earliest),
            at(&name, 1, 1, StartOffset::Earliest),
        ])
        .unwrap();
    let mut paused = false;
    let mut offsets = [Vec::new(), Vec::new()];
    // Slot 0 is paused and resumed every few hundred events, while slot 1 runs on.
    let mut polls = 0;
    while offsets.iter().any(|offsets| offsets.len() < 10_000) {
        polls += 1;
        assert!(polls < 10_000, "{} {}", offsets[0].len(), offsets[1].len());
        if polls % 3 == 0 {
            let partition = [tp(&name, 0)];
            if paused {
                reader.resume(&partition)
            } else {
                reader.pause(&partition)
            }
            .unwrap();
            paused = !paused;
        }
        reader
            .poll(Duration::from_millis(20), 150, &mut |event| {
                if let SourceEvent::Record { slot, record } = event {
                    assert!(
                        slot == 1 || !paused,
                        "a paused partition delivered {record:?}"
                    );
                    offsets[slot as usize].push(record.offset);
                }
            })
            .unwrap();
    }
    for offsets in offsets {
        assert_eq!(offsets, (0..10_000).collect::<Vec<_>>());
    }
}

#[test]
fn nothing_of_an_earlier_assignment_is_delivered() {
    let cluster = cluster();
    let name = topic(&cluster, "reader-stale", 1);
    let numbers: Vec<String> = (0..5_000).map(|number| number.to_string()).collect();
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    write(&cluster, &name, 0, &numbers);
    let mut reader = cluster.reader("reader-stale").unwrap();
    for round in 0..30_u32 {
        let start = i64::from((round * 1_234) % 4_000);
        reader
            .assign(&[at(&name, 0, round, StartOffset::At(start))])
            .unwrap();
        let mut next = start;
        while next < start + 700 {
            let count = reader
                .poll(LIMIT, 100, &mut |event| {
                    if let SourceEvent::Record { slot, record } = event {
                        assert_eq!((slot, record.offset), (round, next));
                        next += 1;
                    }
                })
                .unwrap();
            assert!(count > 0, "nothing in {LIMIT:?}");
        }
        reader.unassign(&[tp(&name, 0)]).unwrap();
        let count = reader
            .poll(Duration::from_millis(1), 100, &mut |_| {})
            .unwrap();
        assert_eq!(count, 0);
    }
}

#[test]
fn mistakes_of_the_caller_are_errors() {
    let cluster = cluster();
    let name = topic(&cluster, "reader-misuse", 1);
    let mut reader = cluster.reader("reader-misuse").unwrap();
    let start = StartOffset::Earliest;
    assert!(
        reader
            .assign(&[at(&name, 0, 0, start), at(&name, 0, 1, start)])
            .is_err()
    );
    reader.assign(&[at(&name, 0, 0, start)]).unwrap();
    assert!(reader.assign(&[at(&name, 0, 1, start)]).is_err());
    assert!(reader.unassign(&[tp(&name, 1)]).is_err());
    assert!(reader.pause(&[tp(&name, 1)]).is_err());
    assert_eq!(end(&poll_to_end(&mut *reader, 0), 0), Some(0));
}
