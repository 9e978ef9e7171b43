//! Goal: every step of the topology language means what Kafka Streams' operator of the same name
//! means. Method: few records in, all records out compared, as `key:value@timestamp`.

use millrace_kafka::HeadersBuf;
use millrace_worker::testing::{DriverOptions, TopologyDriver};

use super::support::{drive, drive_with, shown};

/// Writes `(key, value, timestamp)` to topic `in` and waits until all is processed.
fn feed(driver: &mut TopologyDriver, records: &[(Option<&str>, Option<&str>, i64)]) {
    for &(key, value, timestamp) in records {
        driver.produce("in", key, value, timestamp).unwrap();
    }
    driver.run_until_idle().unwrap();
}

/// A stream from `in` to `out` with these steps, indented by eight.
fn stream(steps: &str) -> TopologyDriver {
    drive(&format!(
        "  topology:\n    streams:\n      in: {{topic: in}}\n      out:\n        from: in\n        \
         steps:\n{steps}\n        to: {{topic: out}}\n"
    ))
}

#[test]
fn filter_keeps_what_matches_and_filter_not_what_does_not() {
    let mut driver = stream("        - filter: value > 1\n        - filterNot: value > 3");
    let records: Vec<_> = ["1", "2", "3", "4"]
        .iter()
        .map(|v| (Some("k"), Some(*v), 10))
        .collect();
    feed(&mut driver, &records);
    assert_eq!(shown(&driver, "out"), ["k:2@10", "k:3@10"]);
}

#[test]
fn map_changes_key_and_value_map_values_the_value_select_key_the_key() {
    let mut driver = stream(
        "        - map: {key: 'key + \"1\"', value: value * 2}\n        - mapValues: value + 1\n        \
         - selectKey: '\"<\" + key + \">\"'",
    );
    feed(
        &mut driver,
        &[(Some("a"), Some("5"), 7), (Some("b"), Some("0.25"), 8)],
    );
    assert_eq!(shown(&driver, "out"), ["<a1>:11@7", "<b1>:1.50@8"]);
}

#[test]
fn peek_changes_nothing_and_headers_pass_through_all_steps() {
    let mut driver = stream("        - peek: {}\n        - mapValues: value + 1");
    let mut headers = HeadersBuf::new();
    headers.push("trace", Some(b"abc"));
    headers.push("empty", None);
    driver
        .produce_bytes("in", None, Some(b"k"), Some(b"1"), 5, &headers)
        .unwrap();
    driver.run_until_idle().unwrap();
    let out = driver.read("out").unwrap();
    assert_eq!(out.len(), 1);
    let passed: Vec<_> = out[0].headers.as_headers().iter().collect();
    assert_eq!(passed, [("trace", Some(&b"abc"[..])), ("empty", None)]);
}

#[test]
fn a_stream_passes_null_keys_and_null_values_to_its_sink() {
    let mut driver = stream("        - filter: \"true\"");
    feed(&mut driver, &[(None, Some("1"), 1), (Some("k"), None, 2)]);
    assert_eq!(shown(&driver, "out"), ["null:1@1", "k:null@2"]);
}

#[test]
fn split_takes_the_first_branch_that_matches_or_the_default() {
    let mut driver = drive(
        r#"  topology:
    streams:
      in: {topic: in}
      parts:
        from: in
        steps:
        - split:
            branches:
            - {name: large, when: value >= 10}
            - {name: even, when: value % 2 == 0}
            default: rest
      large-out: {from: large, to: {topic: large}}
      even-out: {from: even, to: {topic: even}}
      rest-out: {from: rest, to: {topic: rest}}
"#,
    );
    let records: Vec<_> = ["12", "4", "3", "11"]
        .iter()
        .map(|v| (Some("k"), Some(*v), 1))
        .collect();
    feed(&mut driver, &records);
    assert_eq!(shown(&driver, "large"), ["k:12@1", "k:11@1"]);
    assert_eq!(shown(&driver, "even"), ["k:4@1"]);
    assert_eq!(shown(&driver, "rest"), ["k:3@1"]);
}

#[test]
fn merge_has_the_records_of_all_its_inputs() {
    let mut driver = drive(
        r#"  topology:
    streams:
      in: {topic: in}
      other: {topic: other}
      doubled: {from: other, steps: [{mapValues: value * 2}]}
      out: {merge: [in, doubled], to: {topic: out}}
"#,
    );
    driver.produce("other", Some("o"), Some("4"), 2).unwrap();
    feed(
        &mut driver,
        &[(Some("i"), Some("1"), 1), (Some("i"), Some("3"), 3)],
    );
    assert_eq!(
        shown(&driver, "out"),
        ["i:1@1", "o:8@2", "i:3@3"],
        "and in order of time"
    );
}

/// A table `out` aggregated from `in`, its changes in topic `out`.
fn table(steps: &str) -> TopologyDriver {
    drive(&format!(
        "  topology:\n    streams:\n      in: {{topic: in}}\n    tables:\n      out:\n        from: \
         in\n        steps:\n{steps}\n        to: {{topic: out}}\n"
    ))
}

#[test]
fn an_aggregate_forwards_each_update_with_the_later_time() {
    let mut driver = table(
        "        - groupByKey: {}\n        - aggregate: {name: sum, initial: '0', value: aggregate \
         + value}",
    );
    feed(
        &mut driver,
        &[
            (Some("a"), Some("1"), 10),
            (Some("b"), Some("5"), 11),
            (Some("a"), Some("0.1"), 30),
            (Some("a"), Some("0.2"), 20),
        ],
    );
    assert_eq!(
        shown(&driver, "out"),
        ["a:1@10", "b:5@11", "a:1.1@30", "a:1.3@30"]
    );
    let rows = driver.rows("sum").unwrap();
    assert_eq!(rows[&b"a"[..]], (30, b"1.3".to_vec()));
    assert_eq!(rows, driver.compacted("app-sum-changelog").unwrap());
}

#[test]
fn aggregations_drop_and_count_records_without_key_or_value() {
    let mut driver = table("        - groupByKey: {}\n        - count: {name: counted}");
    feed(
        &mut driver,
        &[
            (None, Some("1"), 1),
            (Some("a"), None, 2),
            (Some("a"), Some("1"), 3),
        ],
    );
    let out = driver.read("out").unwrap();
    assert_eq!(out.len(), 1);
    assert_eq!(
        out[0].value.as_deref(),
        Some(&1i64.to_be_bytes()[..]),
        "a count is a long"
    );
    let dropped: u64 = driver
        .tasks()
        .iter()
        .map(|task| task.counters.dropped)
        .sum();
    assert_eq!(dropped, 2);
}

#[test]
fn reduce_starts_from_the_first_value() {
    let mut driver = table(
        "        - groupByKey: {}\n        - reduce: {name: largest, value: 'value > aggregate ? \
         value : aggregate'}",
    );
    let records: Vec<_> = ["3", "1", "7"]
        .iter()
        .map(|v| (Some("k"), Some(*v), 1))
        .collect();
    feed(&mut driver, &records);
    assert_eq!(shown(&driver, "out"), ["k:3@1", "k:3@1", "k:7@1"]);
}

#[test]
fn group_by_brings_equal_keys_together_from_all_partitions() {
    let mut driver = drive_with(
        r#"  topology:
    streams:
      in: {topic: in}
    tables:
      out:
        from: in
        steps:
        - groupBy: {key: value.group, name: by-group}
        - count: {name: counted}
        to: {topic: out}
"#,
        &DriverOptions {
            partitions: 3,
            ..DriverOptions::default()
        },
    );
    for number in 0..30 {
        let value = format!(r#"{{"group":"g{}"}}"#, number % 2);
        driver
            .produce("in", Some(&format!("key-{number}")), Some(&value), number)
            .unwrap();
    }
    driver.run_until_idle().unwrap();
    let rows = driver.rows("counted").unwrap();
    let counts: Vec<_> = rows.values().map(|(_, value)| value.clone()).collect();
    assert_eq!(
        counts,
        [15i64.to_be_bytes().to_vec(), 15i64.to_be_bytes().to_vec()]
    );
    // Its record's time goes with each record through the repartition topic.
    assert_eq!(rows[&b"g0"[..]].0, 28);
    assert_eq!(rows[&b"g1"[..]].0, 29);
}

#[test]
fn a_key_that_becomes_null_is_dropped_before_the_repartition_topic() {
    let mut driver = table(
        "        - groupBy: {key: 'has(value.group) ? value.group : null', name: by-group}\n        \
         - count: {name: counted}",
    );
    feed(
        &mut driver,
        &[
            (Some("a"), Some(r#"{"group":"g"}"#), 1),
            (Some("a"), Some("{}"), 2),
        ],
    );
    assert_eq!(driver.read("app-by-group-repartition").unwrap().len(), 1);
    assert_eq!(driver.read("out").unwrap().len(), 1);
}

#[test]
fn a_table_filter_turns_what_does_not_match_into_a_deletion() {
    let mut driver = drive(
        r#"  topology:
    tables:
      in: {topic: in}
      out:
        from: in
        steps:
        - filter: value > 1
        - mapValues: value * 10
        store: kept
        to: {topic: out}
"#,
    );
    feed(
        &mut driver,
        &[
            (Some("a"), Some("5"), 1),
            (Some("b"), Some("6"), 2),
            (Some("a"), Some("0"), 3),
            (Some("b"), None, 4),
            (None, Some("9"), 5),
        ],
    );
    assert_eq!(
        shown(&driver, "out"),
        ["a:50@1", "b:60@2", "a:null@3", "b:null@4"]
    );
    assert!(driver.rows("kept").unwrap().is_empty());
    let source = driver.rows("in").unwrap();
    assert_eq!(
        source.len(),
        1,
        "a has 0, b is deleted, null keys are dropped: {source:?}"
    );
    assert_eq!(source, driver.compacted("app-in-changelog").unwrap());
}

#[test]
fn to_table_keeps_the_latest_value_and_to_stream_gives_its_changes() {
    let mut driver = drive(
        r#"  topology:
    streams:
      in: {topic: in}
      changes:
        from: latest
        steps:
        - toStream: {}
        - mapValues: 'value == null ? "gone" : "now " + string(value)'
        to: {topic: out}
    tables:
      latest: {from: in, steps: [{toTable: {name: latest}}]}
"#,
    );
    feed(
        &mut driver,
        &[
            (Some("a"), Some("1"), 1),
            (Some("a"), None, 2),
            (Some("b"), Some("2"), 3),
        ],
    );
    assert_eq!(
        shown(&driver, "out"),
        ["a:\"now 1\"@1", "a:\"gone\"@2", "b:\"now 2\"@3"]
    );
    assert_eq!(driver.rows("latest").unwrap().len(), 1);
    let changelog = driver.read("app-latest-changelog").unwrap();
    assert!(
        changelog
            .iter()
            .all(|record| record.key.as_deref() != Some(b"a") || record.value.is_none())
    );
}

#[test]
fn an_unversioned_table_takes_an_older_record_as_its_latest() {
    let mut driver = drive("  topology:\n    tables:\n      in: {topic: in}\n");
    feed(&mut driver, &[(Some("a"), Some("1"), 10)]);
    feed(&mut driver, &[(Some("a"), Some("2"), 5)]);
    assert_eq!(driver.rows("in").unwrap()[&b"a"[..]], (5, b"2".to_vec()));
}

#[test]
fn event_time_by_expression_decides_order_and_results() {
    let mut driver = drive(
        r#"  topology:
    streams:
      in: {topic: in, timestamp: value.at}
      out: {from: in, steps: [{mapValues: timestamp}], to: {topic: out}}
"#,
    );
    feed(
        &mut driver,
        &[
            (Some("a"), Some(r#"{"at":77}"#), 1),
            (Some("a"), Some(r#"{"at":66}"#), 2),
        ],
    );
    assert_eq!(shown(&driver, "out"), ["a:77@77", "a:66@66"]);
}

#[test]
fn serdes_of_sources_and_sinks_are_kafka_s_own_bytes() {
    let mut driver = drive(
        r#"  topology:
    streams:
      in: {topic: in, key: long, value: decimal}
      out:
        from: in
        steps:
        - map: {key: string(key), value: value * 2}
        to: {topic: out, key: string, value: decimal}
"#,
    );
    let (key, none) = (258i64.to_be_bytes(), HeadersBuf::new());
    driver
        .produce_bytes("in", None, Some(&key), Some(b"12.30"), 1, &none)
        .unwrap();
    driver.run_until_idle().unwrap();
    assert_eq!(shown(&driver, "out"), ["258:24.60@1"]);
}
