//! A program with a topology in Rust, against a real Kafka: the example `word-count`.

use std::collections::BTreeMap;

use millrace_kafka::{Headers, OutRecord, RecordSink, TopicSpec};

use super::support::{Scene, wait_for};

/// The program's topics have names of their own: one test alone uses them.
const LINES: &str = "lines";
const COUNTS: &str = "word-counts";

fn create_topics(scene: &Scene) {
    let specs = [LINES, COUNTS].map(|name| TopicSpec {
        name: name.to_owned(),
        partitions: 3,
        replication_factor: -1,
        configs: BTreeMap::new(),
    });
    scene.admin.create_topics(&specs).unwrap();
}

fn write(producer: &mut dyn RecordSink, line: &str, partition: i32) {
    let topic = producer.topic(LINES).unwrap();
    let record = OutRecord {
        topic,
        partition,
        timestamp: 1_000,
        key: None,
        value: Some(line.as_bytes()),
        headers: Headers::EMPTY,
    };
    producer.send(&record).unwrap();
    producer.flush().unwrap();
}

/// The latest count of each word.
fn counts(scene: &Scene) -> BTreeMap<String, String> {
    let (records, _) = scene.read_topic(COUNTS);
    let latest = records.iter();
    latest
        .map(|record| (record.key().to_owned(), record.value().to_owned()))
        .collect()
}

fn wait_for_counts(scene: &Scene, expected: &[(&str, &str)]) {
    let expected: BTreeMap<String, String> = expected
        .iter()
        .map(|(word, count)| ((*word).to_owned(), (*count).to_owned()))
        .collect();
    wait_for("sum of the words", || counts(scene) == expected);
}

#[test]
fn it_runs_without_a_stream_app_and_goes_on_after_a_kill() {
    let scene = Scene::new("rust-program");
    create_topics(&scene);
    let options = scene.program("word-count");
    let mut lines = scene.producer(None);
    let mut worker = options.start().unwrap();
    write(&mut *lines, "the mill", 0);
    write(&mut *lines, "the race", 1);
    wait_for_counts(&scene, &[("the", "2"), ("mill", "1"), ("race", "1")]);
    worker.kill().unwrap();
    write(&mut *lines, "the end", 2);
    let mut worker = options.start().unwrap();
    let expected = [("the", "3"), ("mill", "1"), ("race", "1"), ("end", "1")];
    wait_for_counts(&scene, &expected);
    assert!(worker.terminate().unwrap().success());
}
