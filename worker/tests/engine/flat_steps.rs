//! Goal: steps that multiply, end or redirect a stream, and sources with times and errors of their own,
//! mean what they say. Method: few records in, all records out compared.

use millrace_kafka::{Cluster, HeadersBuf, TopicSpec};
use millrace_worker::testing::{DriverOptions, TopologyDriver};

use super::support::{drive, drive_with, shown};

fn feed(driver: &mut TopologyDriver, topic: &str, records: &[(&str, Option<&str>, i64)]) {
    for &(key, value, time) in records {
        driver.produce(topic, Some(key), value, time).unwrap();
    }
    driver.run_until_idle().unwrap();
}

fn stream(source: &str, steps: &str) -> TopologyDriver {
    drive(&format!(
        "  topology:\n    streams:\n      in: {{topic: in{source}}}\n      out:\n        from: in\n        \
         steps:\n{steps}\n        to: {{topic: out}}\n"
    ))
}

#[test]
fn flat_map_values_gives_a_record_per_element_and_none_for_null() {
    let mut driver = stream("", "        - flatMapValues: value.list");
    let records = [
        ("k", Some(r#"{"list":[1,2]}"#), 5),
        ("k", Some(r#"{"list":[]}"#), 6),
        ("k", Some(r#"{"list":null}"#), 7),
        ("k", Some(r#"{"list":["x"]}"#), 8),
    ];
    feed(&mut driver, "in", &records);
    assert_eq!(shown(&driver, "out"), ["k:1@5", "k:2@5", "k:\"x\"@8"]);
}

#[test]
fn flat_map_makes_keys_and_values_of_elements_and_what_is_no_list_is_the_record_s_fault() {
    let step =
        "        - flatMap: {elements: value, key: element.id, value: 'element.n + timestamp'}";
    let mut driver = stream("", step);
    let records = [
        ("k", Some(r#"[{"id":"a","n":1},{"id":"b","n":2}]"#), 5),
        ("k", Some("7"), 6),
    ];
    feed(&mut driver, "in", &records);
    assert_eq!(shown(&driver, "out"), ["a:6@5", "b:7@5"]);
    assert_eq!(driver.read("app-dead-letter").unwrap().len(), 1);
}

#[test]
fn foreach_and_print_end_a_stream_and_others_take_the_same_one() {
    let mut driver = drive(
        r#"  topology:
    streams:
      in: {topic: in}
      told: {from: in, steps: [{foreach: {message: key}}]}
      printed: {from: in, steps: [{print: {label: seen}}]}
      out: {from: in, to: {topic: out}}
"#,
    );
    feed(&mut driver, "in", &[("k", Some("1"), 5)]);
    assert_eq!(shown(&driver, "out"), ["k:1@5"]);
}

#[test]
fn a_repartition_has_the_partitions_it_asks_for_and_drops_records_without_a_key() {
    let mut driver = stream("", "        - repartition: {name: again, partitions: 3}");
    for key in [Some("a"), Some("b"), Some("c"), Some("d"), None] {
        driver.produce("in", key, Some("1"), 5).unwrap();
    }
    driver.run_until_idle().unwrap();
    let admin = driver.cluster().admin().unwrap();
    let info = admin.topics(&["app-again-repartition"]).unwrap();
    assert_eq!(info[0].as_ref().unwrap().partitions, 3);
    assert_eq!(shown(&driver, "out").len(), 4, "none without a key");
}

#[test]
fn a_record_names_its_topic_and_one_that_is_not_there_is_the_record_s_fault() {
    let mut driver = drive(
        r#"  topology:
    streams:
      in: {topic: in}
      out: {from: in, to: {topicFrom: '"to-" + key'}}
"#,
    );
    let topic = TopicSpec {
        name: "to-here".to_owned(),
        partitions: 1,
        replication_factor: -1,
        configs: Default::default(),
    };
    let admin = driver.cluster().admin().unwrap();
    admin.create_topics(&[topic]).unwrap();
    let records = [
        ("here", Some("1"), 5),
        ("nowhere", Some("2"), 6),
        ("not a name", Some("3"), 7),
        ("here", Some("4"), 8),
    ];
    feed(&mut driver, "in", &records);
    assert_eq!(shown(&driver, "to-here"), ["here:1@5", "here:4@8"]);
    assert_eq!(driver.read("app-dead-letter").unwrap().len(), 2);
}

#[test]
fn event_time_is_the_wall_clock_s_where_a_source_says_so() {
    let mut driver = stream(", timestamp: wallClock", "        - peek: {}");
    feed(&mut driver, "in", &[("k", Some("1"), 5)]);
    let out = driver.read("out").unwrap();
    assert!(
        out[0].timestamp >= 1_700_000_000_000,
        "{}",
        out[0].timestamp
    );
}

#[test]
fn a_record_without_a_valid_time_is_unreadable_or_skipped_or_has_its_partition_s_time() {
    let records = [
        ("k", Some(r#"{"at":7}"#), 1),
        ("k", Some(r#"{"at":-1}"#), 2),
        ("k", Some(r#"{"at":9}"#), 3),
    ];
    for (policy, expected, dead) in [
        ("fail", vec![7, 9], 1),
        ("skip", vec![7, 9], 0),
        ("usePartitionTime", vec![7, 7, 9], 0),
    ] {
        let source = format!(", timestamp: value.at, invalidTimestamp: {policy}");
        let mut driver = stream(&source, "        - peek: {}");
        feed(&mut driver, "in", &records);
        let out = driver.read("out").unwrap();
        let times: Vec<i64> = out.iter().map(|record| record.timestamp).collect();
        assert_eq!(times, expected, "{policy}");
        let dead_letters = driver.read("app-dead-letter").unwrap();
        assert_eq!(dead_letters.len(), dead, "{policy}");
    }
}

#[test]
fn a_source_has_a_policy_of_its_own_for_what_it_cannot_read() {
    let spec = r#"  errors: {deserialization: stop, processing: stop, production: stop}
  topology:
    streams:
      in: {topic: in, deserializationErrors: deadLetter}
      out: {from: in, to: {topic: out}}
"#;
    let mut driver = drive(spec);
    let no_json = Some(&b"{"[..]);
    let headers = HeadersBuf::new();
    driver
        .produce_bytes("in", None, Some(b"k"), no_json, 5, &headers)
        .unwrap();
    feed(&mut driver, "in", &[("k", Some("1"), 6)]);
    assert_eq!(shown(&driver, "out"), ["k:1@6"]);
    assert_eq!(driver.read("app-dead-letter").unwrap().len(), 1);
}

const ENRICHED: &str = r#"  topology:
    globalTables:
      rates: {topic: rates}
    streams:
      in: {topic: in}
      out:
        from: in
        steps:
        - leftJoin: {globalTable: rates, lookup: value.currency, value: '[left.amount, right]'}
        to: {topic: out}
"#;

#[test]
fn a_global_table_is_read_to_its_end_before_tasks_run_and_goes_on_from_there() {
    let mut options = DriverOptions {
        partitions: 2,
        members: 0,
        ..DriverOptions::default()
    };
    options.partitions_of.insert("rates".to_owned(), 3);
    let mut driver = drive_with(ENRICHED, &options);
    for (currency, rate) in [("EUR", "1"), ("USD", "2"), ("CHF", "3"), ("USD", "4")] {
        driver
            .produce("rates", Some(currency), Some(rate), 50)
            .unwrap();
    }
    driver.start(0).unwrap();
    let in_dollars = Some(r#"{"currency":"USD","amount":10}"#);
    feed(&mut driver, "in", &[("a", in_dollars, 5)]);
    assert_eq!(shown(&driver, "out"), ["a:[10,4]@5"]);
    driver.produce("rates", Some("USD"), None, 60).unwrap();
    driver.run_until_idle().unwrap();
    let without = Some(r#"{"currency":null,"amount":7}"#);
    feed(
        &mut driver,
        "in",
        &[("a", in_dollars, 6), ("a", without, 7)],
    );
    let out = shown(&driver, "out");
    assert_eq!(out[1..], ["a:[10,null]@6", "a:[7,null]@7"]);
}

#[test]
fn an_inner_join_with_a_global_table_drops_what_it_does_not_find() {
    let mut driver = drive(&ENRICHED.replace("leftJoin", "join"));
    driver.produce("rates", Some("EUR"), Some("1"), 1).unwrap();
    driver.run_until_idle().unwrap();
    let records = [
        ("a", Some(r#"{"currency":"EUR","amount":1}"#), 5),
        ("b", Some(r#"{"currency":"USD","amount":2}"#), 6),
        ("c", Some(r#"{"currency":null,"amount":3}"#), 7),
        ("d", None, 8),
    ];
    feed(&mut driver, "in", &records);
    assert_eq!(shown(&driver, "out"), ["a:[1,1]@5"]);
    let dropped: u64 = driver
        .tasks()
        .iter()
        .map(|task| task.counters.dropped)
        .sum();
    assert_eq!(dropped, 2, "without a key to look up, and without a value");
}
