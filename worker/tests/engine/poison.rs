//! Goal: a record that fails goes to the dead-letter topic in the same transaction, with its original
//! bytes and Kafka Streams' headers (KIP-1034), or stops the application before it, by stage.
//! Method: one bad record between two good ones, for each stage and policy.

use std::collections::BTreeMap;

use millrace_kafka::HeadersBuf;
use millrace_worker::error::EngineError;
use millrace_worker::testing::{DriverError, DriverOptions, TopologyDriver};

use super::support::{drive_with, shown};

/// Stage, exception header, a value that fails there, the node's name.
const STAGES: &[(&str, &str, &str)] = &[
    ("deserialization", "DeserializationError", "{not json"),
    ("processing", "ProcessingError", r#"{"amount":"three"}"#),
    (
        "production",
        "ProductionError",
        r#"{"amount":3,"pad":true}"#,
    ),
];

fn topology(errors: &str) -> String {
    format!(
        r#"  errors: {errors}
  topology:
    streams:
      in: {{topic: in}}
      out:
        from: in
        steps:
        - mapValues: 'has(value.pad) ? "{}" : string(value.amount * 2)'
        to: {{topic: out}}
"#,
        "x".repeat(2_000)
    )
}

fn options() -> DriverOptions {
    let limit = BTreeMap::from([("max.message.bytes".to_owned(), "1000".to_owned())]);
    DriverOptions {
        partitions: 2,
        topic_configs: BTreeMap::from([("out".to_owned(), limit)]),
        ..DriverOptions::default()
    }
}

fn feed(driver: &mut TopologyDriver, bad: &str) {
    let mut headers = HeadersBuf::new();
    headers.push("trace", Some(b"abc"));
    for (value, timestamp) in [(r#"{"amount":1}"#, 1), (bad, 2), (r#"{"amount":2}"#, 3)] {
        let (key, value) = (Some(&b"k"[..]), Some(value.as_bytes()));
        driver
            .produce_bytes("in", Some(1), key, value, timestamp, &headers)
            .unwrap();
    }
}

#[test]
fn a_record_that_fails_becomes_a_dead_letter_and_the_others_go_on() {
    for (stage, exception, bad) in STAGES {
        let mut driver = drive_with(&topology("{}"), &options());
        feed(&mut driver, bad);
        driver.run_until_idle().unwrap();
        assert_eq!(shown(&driver, "out"), ["k:\"2\"@1", "k:\"4\"@3"], "{stage}");
        let dead = driver.read("app-dead-letter").unwrap();
        assert_eq!(dead.len(), 1, "{stage}");
        let dead = &dead[0];
        assert_eq!(dead.key.as_deref(), Some(&b"k"[..]));
        assert_eq!(
            dead.value.as_deref(),
            Some(bad.as_bytes()),
            "{stage}: the original bytes"
        );
        assert_eq!(dead.timestamp, 2);
        let headers: BTreeMap<&str, String> = dead
            .headers
            .as_headers()
            .iter()
            .map(|(name, value)| (name, String::from_utf8_lossy(value.unwrap()).into_owned()))
            .collect();
        assert_eq!(headers["trace"], "abc", "its own headers stay");
        assert_eq!(headers["__streams.errors.exception"], *exception);
        assert_eq!(headers["__streams.errors.topic"], "in");
        assert_eq!(headers["__streams.errors.partition"], "1");
        assert_eq!(headers["__streams.errors.offset"], "1");
        assert!(!headers["__streams.errors.message"].is_empty());
        assert!(
            headers["__streams.errors.stacktrace"].contains("topology"),
            "{headers:?}"
        );
        let failed: u64 = driver
            .tasks()
            .iter()
            .flat_map(|task| task.counters.failed)
            .sum();
        assert_eq!(failed, 1, "{stage}: counted");
    }
}

#[test]
fn a_record_too_large_for_the_dead_letter_topic_leaves_its_coordinates_there() {
    let limit = BTreeMap::from([("max.message.bytes".to_owned(), "4000".to_owned())]);
    let options = DriverOptions {
        topic_configs: BTreeMap::from([("app-dead-letter".to_owned(), limit)]),
        ..DriverOptions::default()
    };
    let mut driver = drive_with(&topology("{}"), &options);
    let mut headers = HeadersBuf::new();
    headers.push("trace", Some(b"abc"));
    let (key, value) = ("k".repeat(3_000), "{".repeat(5_000));
    let (key, value) = (Some(key.as_bytes()), Some(value.as_bytes()));
    driver
        .produce_bytes("in", None, key, value, 1, &headers)
        .unwrap();
    driver
        .produce("in", Some("k"), Some(r#"{"amount":2}"#), 2)
        .unwrap();
    driver.run_until_idle().unwrap();
    assert_eq!(shown(&driver, "out"), ["k:\"4\"@2"]);
    let dead = driver.read("app-dead-letter").unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].value, None);
    assert_eq!(dead[0].key.as_ref().map(Vec::len), Some(1_000));
    let text = |name: &str| {
        let mut headers = dead[0].headers.as_headers().iter();
        let (_, value) = headers.find(|(key, _)| *key == name)?;
        Some(String::from_utf8_lossy(value?).into_owned())
    };
    let lengths = text("__millrace.errors.truncated").unwrap();
    assert!(lengths.starts_with("key=3000,headers="), "{lengths}");
    assert!(lengths.ends_with(",value=5000"), "{lengths}");
    assert_eq!(text("__streams.errors.offset").as_deref(), Some("0"));
}

#[test]
fn under_the_stop_policy_the_application_stops_before_the_record_and_says_where() {
    for (stage, _, bad) in STAGES {
        let mut driver = drive_with(&topology(&format!("{{{stage}: stop}}")), &options());
        driver.run_until_idle().unwrap();
        feed(&mut driver, bad);
        let error = driver.run_until_idle().unwrap_err();
        let DriverError::Engine(EngineError::PoisonRecord {
            topic,
            partition,
            offset,
            ..
        }) = &error
        else {
            panic!("{stage}: {error}");
        };
        assert_eq!(
            (topic.as_str(), *partition, *offset),
            ("in", 1, 1),
            "{stage}"
        );
        assert!(
            driver
                .read("app-dead-letter")
                .unwrap_or_default()
                .is_empty()
        );
        // Started again it stops again at the same record, and nothing is counted twice.
        driver.start(0).unwrap();
        let again = driver.run_until_idle().unwrap_err();
        assert_eq!(again.to_string(), error.to_string());
        assert!(shown(&driver, "out").len() <= 1, "{stage}");
    }
}

#[test]
fn one_stage_s_policy_is_not_another_s() {
    let mut driver = drive_with(&topology("{processing: stop}"), &options());
    feed(&mut driver, STAGES[0].2);
    driver.run_until_idle().unwrap();
    assert_eq!(driver.read("app-dead-letter").unwrap().len(), 1);
}

#[test]
fn a_row_too_large_for_its_changelog_is_the_record_s_fault_not_the_commit_s() {
    let spec = r#"  topology:
    streams:
      in: {topic: in}
    tables:
      texts:
        from: in
        steps:
        - groupByKey: {}
        - aggregate: {name: texts, initial: '""', value: aggregate + value}
"#;
    let mut driver = drive_with(spec, &DriverOptions::default());
    let half = format!("\"{}\"", "x".repeat(600_000));
    for timestamp in 1..=2 {
        driver
            .produce("in", Some("k"), Some(&half), timestamp)
            .unwrap();
    }
    driver.produce("in", Some("k"), Some("\"end\""), 3).unwrap();
    driver.run_until_idle().unwrap();
    assert_eq!(driver.read("app-dead-letter").unwrap().len(), 1);
    assert_eq!(
        driver.rows("texts").unwrap()[&b"k"[..]].1.len(),
        600_000 + 2 + 3
    );
}
