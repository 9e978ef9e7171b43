//! Goal: a stream-table join gives what Kafka Streams' own tests expect (KIP-962 for null keys).
//! Method: the record sequence of `StreamTableJoinIntegrationTest`, out-of-order records included,
//! one at a time; then time order of what lies on the log before the application starts.

use millrace_worker::testing::{DriverOptions, TopologyDriver};

use super::support::{drive, drive_with, shown};

fn join(kind: &str) -> String {
    format!(
        r#"  topology:
    tables:
      right: {{topic: right}}
    streams:
      left: {{topic: left}}
      joined:
        from: left
        steps:
        - {kind}:
            table: right
            value: 'left + "-" + (right == null ? "null" : right)'
        to: {{topic: out}}
"#
    )
}

/// Side, value (`-` is null), timestamp, inner join's result, left join's result.
type Step = (
    char,
    &'static str,
    i64,
    Option<&'static str>,
    Option<&'static str>,
);

const SEQUENCE: &[Step] = &[
    ('L', "-", 1, None, None),
    ('R', "-", 2, None, None),
    ('L', "A", 3, None, Some("A-null")),
    ('R', "a", 4, None, None),
    ('L', "B", 5, Some("B-a"), Some("B-a")),
    ('R', "b", 6, None, None),
    ('L', "-", 7, None, None),
    ('R', "-", 8, None, None),
    ('L', "C", 9, None, Some("C-null")),
    ('R', "c", 10, None, None),
    ('R', "-", 11, None, None),
    ('L', "-", 12, None, None),
    ('R', "-", 13, None, None),
    ('R', "d", 7, None, None),
    ('L', "D", 6, Some("D-d"), Some("D-d")),
    ('L', "-", 2, None, None),
    ('R', "-", 3, None, None),
    ('R', "e", 14, None, None),
    ('L', "E", 15, Some("E-e"), Some("E-e")),
    ('L', "-", 10, None, None),
    ('R', "-", 9, None, None),
    ('L', "F", 4, None, Some("F-null")),
    ('R', "f", 3, None, None),
];

fn run_sequence(kind: &str, expected: fn(usize) -> Option<&'static str>) {
    let mut driver = drive(&join(kind));
    let mut seen = 0;
    for (step, &(side, value, timestamp, ..)) in SEQUENCE.iter().enumerate() {
        let quoted = format!("\"{value}\"");
        let value = (value != "-").then_some(quoted.as_str());
        let topic = if side == 'L' { "left" } else { "right" };
        driver.produce(topic, Some("0"), value, timestamp).unwrap();
        driver.run_until_idle().unwrap();
        let out = shown(&driver, "out");
        let expected: Vec<String> = expected(step)
            .iter()
            .map(|value| format!("0:\"{value}\"@{timestamp}"))
            .collect();
        assert_eq!(out[seen..], expected, "{kind}, step {}", step + 1);
        seen = out.len();
    }
}

#[test]
fn an_inner_join_gives_what_kafka_streams_gives() {
    run_sequence("join", |step| SEQUENCE[step].3);
}

#[test]
fn a_left_join_gives_what_kafka_streams_gives() {
    run_sequence("leftJoin", |step| SEQUENCE[step].4);
}

#[test]
fn a_null_key_joins_nothing_and_only_a_left_join_passes_it_on() {
    for (kind, expected) in [
        ("join", vec![]),
        ("leftJoin", vec!["null:\"A-null\"@1".to_owned()]),
    ] {
        let mut driver = drive(&join(kind));
        driver.produce("left", None, Some("\"A\""), 1).unwrap();
        driver.run_until_idle().unwrap();
        assert_eq!(shown(&driver, "out"), expected, "{kind}");
        let dropped: u64 = driver
            .tasks()
            .iter()
            .map(|task| task.counters.dropped)
            .sum();
        assert_eq!(dropped, u64::from(expected.is_empty()), "{kind}");
    }
}

fn preloaded(driver: &mut TopologyDriver) {
    // The stream's topic is full before the table's has anything, and both before the start.
    for time in [15, 25, 35] {
        driver
            .produce("left", Some("k"), Some(&format!("\"at {time}\"")), time)
            .unwrap();
    }
    for time in [10, 20, 25, 40] {
        driver
            .produce("right", Some("k"), Some(&format!("\"of {time}\"")), time)
            .unwrap();
    }
}

#[test]
fn preloaded_topics_join_in_order_of_time_and_a_table_goes_first_where_equal() {
    let options = DriverOptions {
        members: 0,
        ..DriverOptions::default()
    };
    let mut driver = drive_with(&join("join"), &options);
    preloaded(&mut driver);
    driver.start(0).unwrap();
    driver.run_until_idle().unwrap();
    assert_eq!(
        shown(&driver, "out"),
        [
            "k:\"at 15-of 10\"@15",
            "k:\"at 25-of 25\"@25",
            "k:\"at 35-of 25\"@35"
        ]
    );
}

#[test]
fn a_caught_up_table_is_waited_for_as_long_as_max_task_idle_ms_says() {
    let spec = format!("  maxTaskIdleMs: 2000\n{}", join("leftJoin"));
    let mut driver = drive(&spec);
    driver.run_until_idle().unwrap();
    driver
        .produce("left", Some("k"), Some("\"x\""), 50)
        .unwrap();
    let step = std::time::Duration::from_millis(100);
    for _ in 0..15 {
        driver.pass(step).unwrap();
    }
    assert!(shown(&driver, "out").is_empty(), "1.5 s are not over 2 s");
    driver
        .produce("right", Some("k"), Some("\"early\""), 40)
        .unwrap();
    driver.run_until_idle().unwrap();
    assert_eq!(shown(&driver, "out"), ["k:\"x-early\"@50"]);
    driver
        .produce("left", Some("k"), Some("\"y\""), 60)
        .unwrap();
    for _ in 0..30 {
        driver.pass(step).unwrap();
    }
    assert_eq!(
        shown(&driver, "out").len(),
        2,
        "after 2 s it goes on without the table"
    );
}

/// As ValueJoinerWithKey does.
#[test]
fn every_kind_of_join_sees_the_key() {
    let value = "value: 'key + left + right'";
    let mut driver = drive(&format!(
        r#"  topology:
    globalTables:
      everywhere: {{topic: everywhere}}
    tables:
      left-rows: {{topic: left-rows}}
      rows: {{topic: rows}}
      both:
        from: left-rows
        steps: [join: {{table: rows, {value}}}]
        to: {{topic: tables}}
      referred:
        from: left-rows
        steps: [join: {{table: rows, foreignKey: key, name: referred, {value}}}]
        to: {{topic: foreign}}
    streams:
      left: {{topic: left}}
      other: {{topic: other}}
      with-stream:
        from: left
        steps: [join: {{stream: other, before: 1m, after: 1m, name: pairs, {value}}}]
        to: {{topic: streams}}
      with-table: {{from: left, steps: [join: {{table: rows, {value}}}], to: {{topic: table}}}}
      with-global:
        from: left
        steps: [join: {{globalTable: everywhere, {value}}}]
        to: {{topic: global}}
"#
    ));
    for topic in ["everywhere", "rows", "left-rows", "other", "left"] {
        let value = format!("\"-{topic}\"");
        driver.produce(topic, Some("k"), Some(&value), 1).unwrap();
        driver.run_until_idle().unwrap();
    }
    for (topic, expected) in [
        ("tables", "k-left-rows-rows"),
        ("foreign", "k-left-rows-rows"),
        ("streams", "k-left-other"),
        ("table", "k-left-rows"),
        ("global", "k-left-everywhere"),
    ] {
        assert_eq!(shown(&driver, topic), [format!("k:\"{expected}\"@1")]);
    }
}
