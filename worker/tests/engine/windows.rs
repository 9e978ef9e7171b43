//! Goal: windows, sessions, stream-stream joins, suppression and joins with a grace give what Kafka
//! Streams gives, record by record, and go on where they were after a crash. Method: few records,
//! written `key:value@time`; each expected result follows from the rules of the class the test names.
//! The same operators meet Kafka Streams itself in the differential tests.

use std::time::Duration;

use millrace_kafka::HeadersBuf;
use millrace_worker::testing::{CapturedRecord, StepDriver, StepOptions, TopologyDriver};

use super::support::{app, shown};

/// A table of windows from `in`, shown on `out` with keys as `key[start,end]`.
fn windowed(steps: &str) -> String {
    app(&format!(
        r#"  topology:
    streams:
      in: {{topic: in}}
      shown:
        from: windows
        steps:
        - toStream: {{}}
        - selectKey: 'key + "[" + string(window.start) + "," + string(window.end) + "]"'
        to: {{topic: out, value: json}}
    tables:
      windows:
        from: in
        steps:
        - groupByKey: {{}}
{steps}
"#
    ))
}

/// A count over windows.
fn counted(windows: &str) -> String {
    windowed(&format!(
        "        - windowedBy: {{{windows}}}\n        - count: {{name: counts, serdes: {{value: json}}}}"
    ))
}

/// `key:value@time`, `null` for none.
fn parse(record: &str) -> (Option<&str>, Option<&str>, i64) {
    let (rest, time) = record.rsplit_once('@').unwrap();
    let (key, value) = rest.split_once(':').unwrap();
    let some = |text| Some(text).filter(|&text: &&str| text != "null");
    (some(key), some(value), time.parse().unwrap())
}

fn show(record: &CapturedRecord) -> String {
    let text = |bytes: &Option<Box<[u8]>>| {
        bytes.as_ref().map_or("null".to_owned(), |bytes| {
            String::from_utf8_lossy(bytes).into_owned()
        })
    };
    let (key, value) = (text(&record.key), text(&record.value));
    format!("{key}:{value}@{}", record.timestamp)
}

struct Steps(StepDriver);

impl Steps {
    fn new(yaml: &str) -> Self {
        Self(StepDriver::new(yaml, StepOptions::default()).unwrap())
    }

    /// What a record on a topic leads to on `out`.
    fn to(&mut self, topic: &str, record: &str) -> Vec<String> {
        let (key, value, time) = parse(record);
        let (key, value) = (key.map(str::as_bytes), value.map(str::as_bytes));
        let headers = HeadersBuf::new();
        let written = self.0.pipe(topic, key, value, time, &headers).unwrap();
        let out = written.iter().filter(|record| &*record.topic == "out");
        out.map(show).collect()
    }

    /// Records on `in`, each with what it leads to.
    fn check(&mut self, cases: &[(&str, &[&str])]) {
        for (record, expected) in cases {
            assert_eq!(self.to("in", record), *expected, "after {record}");
        }
    }

    /// As `check`, with the topic before each record.
    fn check_topics(&mut self, cases: &[(&str, &str, &[&str])]) {
        for (topic, record, expected) in cases {
            let found = self.to(topic, record);
            assert_eq!(found, *expected, "after {topic} {record}");
        }
    }
}

#[test]
fn tumbling_windows_take_late_records_until_the_grace_is_over() {
    // KStreamWindowAggregate: a window is closed when its end is not after stream time − grace.
    let mut steps = Steps::new(&counted("tumbling: {size: 10ms}, grace: 5ms"));
    steps.check(&[
        ("a:1@1", &["a[0,10]:1@1"]),
        ("a:1@5", &["a[0,10]:2@5"]),
        ("a:1@12", &["a[10,20]:1@12"]),
        ("a:1@3", &["a[0,10]:3@5"]),
        ("b:1@15", &["b[10,20]:1@15"]),
        ("a:1@9", &[]),
        ("null:1@16", &[]),
        ("b:null@16", &["b[10,20]:2@16"]),
    ]);
    assert_eq!(steps.0.dropped(), 2, "the late one and the one without key");
}

#[test]
fn a_record_is_in_every_hopping_window_that_covers_it() {
    let mut steps = Steps::new(&counted(
        "hopping: {size: 10ms, advance: 5ms}, grace: 100ms",
    ));
    steps.check(&[
        ("a:1@12", &["a[5,15]:1@12", "a[10,20]:1@12"]),
        ("a:1@3", &["a[0,10]:1@3"]),
        ("a:1@7", &["a[0,10]:2@7", "a[5,15]:2@12"]),
    ]);
}

#[test]
fn sessions_within_the_gap_become_one_and_the_old_ones_are_deleted() {
    // KStreamSessionWindowAggregate.
    let mut steps = Steps::new(&counted("session: {gap: 5ms}, grace: 10ms"));
    steps.check(&[
        ("a:1@0", &["a[0,0]:1@0"]),
        ("a:1@3", &["a[0,0]:null@0", "a[0,3]:2@3"]),
        ("a:1@10", &["a[10,10]:1@10"]),
        ("a:1@10", &["a[10,10]:2@10"]),
        (
            "a:1@7",
            &["a[0,3]:null@3", "a[10,10]:null@10", "a[0,10]:5@10"],
        ),
        ("a:1@40", &["a[40,40]:1@40"]),
        ("a:1@20", &[]),
    ]);
    assert_eq!(steps.0.dropped(), 1);
}

#[test]
fn merged_sessions_are_merged_by_the_step_s_own_rule() {
    let mut steps = Steps::new(&windowed(
        "        - windowedBy: {session: {gap: 5ms}, grace: 10ms}\n        - aggregate: {name: sums, initial: \
         '0', value: aggregate + value, merge: left + right}",
    ));
    steps.check(&[
        ("a:1@0", &["a[0,0]:1@0"]),
        ("a:10@10", &["a[10,10]:10@10"]),
        (
            "a:100@5",
            &["a[0,0]:null@0", "a[10,10]:null@10", "a[0,10]:111@10"],
        ),
    ]);
}

#[test]
fn sliding_windows_are_the_distinct_sets_of_records_near_each_other() {
    // KStreamSlidingWindowAggregate, KIP-450.
    let mut steps = Steps::new(&counted("sliding: {difference: 10ms}, grace: 50ms"));
    steps.check(&[
        ("a:1@20", &["a[10,20]:1@20"]),
        ("a:1@25", &["a[21,31]:1@25", "a[15,25]:2@25"]),
        (
            "a:1@22",
            &[
                "a[21,31]:2@25",
                "a[15,25]:3@25",
                "a[12,22]:2@22",
                "a[23,33]:1@25",
            ],
        ),
        ("a:null@23", &[]),
        ("a:1@5", &["a[0,10]:1@5"]),
    ]);
}

#[test]
fn windows_are_forwarded_once_when_they_close_by_time_and_key() {
    let mut steps = Steps::new(&counted("tumbling: {size: 10ms}, emit: onWindowClose"));
    steps.check(&[
        ("b:1@1", &[]),
        ("a:1@2", &[]),
        ("a:1@9", &[]),
        ("a:1@11", &["a[0,10]:2@9", "b[0,10]:1@1"]),
        ("b:1@12", &[]),
        ("c:1@45", &["a[10,20]:1@11", "b[10,20]:1@12"]),
        ("a:1@13", &[]),
    ]);
}

#[test]
fn sessions_are_forwarded_once_when_no_record_can_join_them() {
    let mut steps = Steps::new(&counted("session: {gap: 5ms}, emit: onWindowClose"));
    steps.check(&[
        ("a:1@0", &[]),
        ("a:1@3", &[]),
        ("b:1@2", &[]),
        ("c:1@8", &["b[2,2]:1@2"]),
        ("c:1@20", &["a[0,3]:2@3", "c[8,8]:1@8"]),
    ]);
}

const LEFT_JOIN: &str = r#"  topology:
    streams:
      left: {topic: left}
      right: {topic: right}
      joined:
        from: left
        steps:
        - KIND: {stream: right, before: 10ms, after: 10ms, grace: 0ms, name: j, value: '[left, right]'}
        to: {topic: out}
"#;

fn joined(kind: &str) -> Steps {
    Steps::new(&app(&LEFT_JOIN.replace("KIND", kind)))
}

#[test]
fn streams_join_within_the_window_in_either_order() {
    // KStreamKStreamJoin: the result has the later time of the two.
    joined("join").check_topics(&[
        ("left", "k:1@0", &[]),
        ("right", "k:2@5", &["k:[1,2]@5"]),
        ("left", "k:3@3", &["k:[3,2]@5"]),
        ("left", "k:4@15", &["k:[4,2]@15"]),
        ("left", "k:5@16", &[]),
        (
            "right",
            "k:6@6",
            &["k:[1,6]@6", "k:[3,6]@6", "k:[4,6]@15", "k:[5,6]@16"],
        ),
        ("right", "other:6@6", &[]),
        ("right", "k:null@6", &[]),
        ("left", "null:1@6", &[]),
    ]);
}

#[test]
fn unmatched_left_records_follow_when_their_window_has_closed() {
    joined("leftJoin").check_topics(&[
        ("left", "k:1@0", &[]),
        ("right", "k:2@5", &["k:[1,2]@5"]),
        ("left", "k:3@100", &[]),
        ("left", "k:4@100", &[]),
        ("right", "other:0@110", &[]),
        (
            "right",
            "other:0@111",
            &["k:[3,null]@100", "k:[4,null]@100"],
        ),
        ("left", "null:1@112", &["null:[1,null]@112"]),
        ("left", "k:5@90", &["k:[5,null]@90"]),
    ]);
}

#[test]
fn an_outer_join_forwards_unmatched_records_of_both_sides() {
    joined("outerJoin").check_topics(&[
        ("left", "a:1@0", &[]),
        ("right", "b:2@1", &[]),
        ("left", "c:3@50", &["a:[1,null]@0", "b:[null,2]@1"]),
        ("right", "null:4@51", &["null:[null,4]@51"]),
    ]);
}

#[test]
fn a_stream_joins_itself_as_two_streams_would() {
    let mut steps = Steps::new(&app(r#"  topology:
    streams:
      in: {topic: in}
      joined:
        from: in
        steps:
        - join: {stream: in, before: 10ms, after: 10ms, name: j, value: '[left, right]'}
        to: {topic: out}
"#));
    steps.check(&[
        ("k:1@0", &["k:[1,1]@0"]),
        ("k:2@5", &["k:[2,1]@5", "k:[1,2]@5", "k:[2,2]@5"]),
    ]);
}

#[test]
fn suppressed_windows_come_once_with_their_last_result() {
    // KTableSuppressProcessor with Suppressed.untilWindowCloses.
    let mut steps = Steps::new(&windowed(
        "        - windowedBy: {tumbling: {size: 10ms}, grace: 2ms}\n        - count: {name: counts, \
         serdes: {value: json}}\n        - suppress: {name: final, untilWindowCloses: {}}",
    ));
    steps.check(&[
        ("a:1@1", &[]),
        ("b:1@2", &[]),
        ("a:1@3", &[]),
        ("c:1@11", &[]),
        ("c:1@12", &["a[0,10]:2@3", "b[0,10]:1@2"]),
        ("c:1@30", &["c[10,20]:2@12"]),
    ]);
}

#[test]
fn a_suppression_by_time_holds_the_first_change_s_place_and_its_bounds_let_the_oldest_go() {
    let mut steps = Steps::new(&app(r#"  topology:
    tables:
      in: {topic: in}
      slow:
        from: in
        steps:
        - suppress: {name: slow, untilTimeLimit: 10ms, maxRecords: 2, whenFull: emitEarly}
        to: {topic: out}
"#));
    steps.check(&[
        ("a:1@0", &[]),
        ("a:2@5", &[]),
        ("b:1@10", &["a:2@5"]),
        ("c:1@11", &[]),
        ("d:1@12", &["b:1@10"]),
        ("d:null@13", &[]),
        ("e:1@22", &["c:1@11", "d:null@13"]),
    ]);
}

#[test]
fn a_grace_joins_each_record_with_the_version_of_its_own_time() {
    // KStreamKTableJoinProcessor with a versioned table, KIP-923.
    let mut steps = Steps::new(&app(r#"  topology:
    tables:
      prices: {topic: prices, versioned: {retention: 1h}}
    streams:
      in: {topic: in}
      joined:
        from: in
        steps:
        - leftJoin: {table: prices, grace: 10ms, name: held, value: '[left, right]'}
        to: {topic: out}
"#));
    steps.check_topics(&[
        ("prices", "p:1@10", &[]),
        ("prices", "p:2@20", &[]),
        ("in", "p:5@15", &[]),
        ("in", "p:6@25", &["p:[5,1]@15"]),
        ("prices", "p:3@24", &[]),
        ("in", "q:7@35", &["p:[6,3]@25"]),
        ("in", "p:8@5", &["p:[8,null]@5"]),
    ]);
}

#[test]
fn windows_go_on_after_a_crash_and_late_records_are_as_late() {
    let yaml = counted("tumbling: {size: 10ms}, grace: 5ms");
    let mut driver = TopologyDriver::new(&yaml).unwrap();
    let feed = |driver: &mut TopologyDriver, records: &[&str]| {
        for record in records {
            let (key, value, time) = parse(record);
            driver.produce("in", key, value, time).unwrap();
        }
        driver.run_until_idle().unwrap();
    };
    feed(&mut driver, &["a:1@1", "a:1@2", "b:1@14"]);
    driver.pass(Duration::from_millis(200)).unwrap();
    driver.crash(0).unwrap();
    driver.clock().advance(Duration::from_secs(60));
    driver.start(0).unwrap();
    feed(&mut driver, &["a:1@3", "b:1@15", "a:1@4"]);
    let expected = [
        "a[0,10]:1@1",
        "a[0,10]:2@2",
        "b[10,20]:1@14",
        "a[0,10]:3@3",
        "b[10,20]:2@15",
    ];
    assert_eq!(shown(&driver, "out"), expected);
    let rows = driver.rows("counts").unwrap();
    assert_eq!(rows, driver.compacted("app-counts-changelog").unwrap());
    assert_eq!(rows.len(), 2);
}
