//! Numbers, printed; the bounds are loose, and there to catch a step of 100 ms or a stall.

use std::time::{Duration, Instant};

use millrace_kafka::{
    Cluster, Headers, OutRecord, RecordSink, SourceEvent, StartOffset, TopicHandle,
};
use millrace_tests::broker::unique;

use crate::support::*;

const PARTITIONS: i32 = 3;
const RECORDS: u32 = 1_000_000;
const PER_COMMIT: u32 = 30_000;

#[test]
fn throughput_and_commit_latency() {
    let cluster = cluster();
    let name = topic(&cluster, "speed", PARTITIONS);
    let (group, tasks) = (unique("speed"), topic(&cluster, "speed-tasks", 1));
    let mut member = TestMember::join(&cluster, &group, &tasks, "00000-000");
    settle(&mut [&mut member], |m| own_all(m, 1));
    let mut sink = transactional(&cluster, &group);
    let handle = sink.topic(&name).unwrap();

    let start = Instant::now();
    let mut commits: Vec<[Duration; 3]> = Vec::new();
    let mut number = 0;
    while number < RECORDS {
        sink.begin().unwrap();
        for _ in 0..PER_COMMIT.min(RECORDS - number) {
            send_number(&mut *sink, handle, number);
            number += 1;
        }
        let flush = Instant::now();
        sink.flush().unwrap();
        let offsets = Instant::now();
        let metadata = member.consumer.group_metadata().unwrap();
        sink.send_offsets(&[(tp(&name, 0), offset(i64::from(number)))], &metadata)
            .unwrap();
        let commit = Instant::now();
        sink.commit().unwrap();
        commits.push([offsets - flush, commit - offsets, commit.elapsed()]);
    }
    let rate = f64::from(RECORDS) / start.elapsed().as_secs_f64();
    println!("produced {rate:.0} records/s in transactions of {PER_COMMIT}");
    for (step, words) in ["flush", "send_offsets", "commit"].iter().enumerate() {
        let mut times: Vec<Duration> = commits.iter().map(|times| times[step]).collect();
        times.sort_unstable();
        let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
        println!("{words}: median {median:?}, worst {worst:?}");
        assert!(
            median < Duration::from_millis(90),
            "{words} takes {median:?}"
        );
    }

    let mut reader = cluster.reader("speed").unwrap();
    let partitions: Vec<_> = (0..PARTITIONS)
        .map(|p| at(&name, p, p as u32, StartOffset::Earliest))
        .collect();
    reader.assign(&partitions).unwrap();
    let start = Instant::now();
    let (mut read, mut bytes) = (0, 0);
    while read < RECORDS {
        let count = reader
            .poll(LIMIT, 1000, &mut |event| {
                if let SourceEvent::Record { record, .. } = event {
                    read += 1;
                    bytes += record.value.map_or(0, <[u8]>::len);
                }
            })
            .unwrap();
        assert!(count > 0, "nothing in {LIMIT:?} after {read} records");
    }
    let rate = f64::from(RECORDS) / start.elapsed().as_secs_f64();
    println!("consumed {rate:.0} records/s ({} MB)", bytes / 1_000_000);
}

#[test]
fn a_small_commit_takes_milliseconds() {
    let cluster = cluster();
    let name = topic(&cluster, "speed-small", 1);
    let mut sink = transactional(&cluster, &name);
    let handle = sink.topic(&name).unwrap();
    let mut times = Vec::new();
    for number in 0..50_u32 {
        sink.begin().unwrap();
        send_number(&mut *sink, handle, number * PARTITIONS as u32);
        // A commit comes an interval after its first record. (At once, it would wait for the marker
        // of the transaction before: 20 ms, librdkafka's backoff.)
        std::thread::sleep(Duration::from_millis(50));
        let start = Instant::now();
        sink.flush().unwrap();
        sink.commit().unwrap();
        times.push(start.elapsed());
    }
    times.sort_unstable();
    println!(
        "flush and commit of one record: median {:?}, worst {:?}",
        times[25], times[49]
    );
    assert!(times[25] < Duration::from_millis(50), "{:?}", times[25]);
}

fn send_number(sink: &mut dyn RecordSink, topic: TopicHandle, number: u32) {
    let value = format!(
        "{{\"account\":\"001-{:05}\",\"amount\":{number}}}",
        number % 100_000
    );
    let record = OutRecord {
        topic,
        partition: (number % PARTITIONS as u32) as i32,
        timestamp: i64::from(number),
        key: Some(&number.to_be_bytes()),
        value: Some(value.as_bytes()),
        headers: Headers::EMPTY,
    };
    sink.send(&record).unwrap();
}
