//! Goal: windows, stream joins, suppression and versioned joins give what Kafka Streams gives, record by
//! record. Method: `worker/tests/data/kafka-streams-windows.txt` holds random inputs and what Kafka
//! Streams 4.3.0's `TopologyTestDriver` made of each, written by `WindowCases` of `tests/oracle`. Each
//! case names a topology; its inputs go through ours, and every output is compared.

use std::collections::BTreeMap;

use millrace_kafka::HeadersBuf;
use millrace_worker::testing::{StepDriver, StepOptions};

use super::support::app;

const CASES: &str = include_str!("../data/kafka-streams-windows.txt");

/// One input record, and what it led to.
struct Step<'t> {
    topic: &'t str,
    key: Option<&'t str>,
    value: Option<&'t str>,
    timestamp: i64,
    outputs: Vec<&'t str>,
}

struct Case<'t> {
    topology: &'t str,
    steps: Vec<Step<'t>>,
}

fn cases() -> Vec<Case<'static>> {
    let mut cases: Vec<Case<'static>> = Vec::new();
    for line in CASES.lines().filter(|line| !line.starts_with('#')) {
        let (kind, rest) = line.split_once(['\t', ' ']).unwrap();
        if kind == "case" {
            let steps = Vec::new();
            cases.push(Case {
                topology: rest,
                steps,
            });
            continue;
        }
        let steps = &mut cases.last_mut().unwrap().steps;
        if kind == "out" {
            steps.last_mut().unwrap().outputs.push(rest);
            continue;
        }
        let parts: Vec<&str> = rest.split('\t').collect();
        let some = |text: &'static str| Some(text).filter(|&text| text != "null");
        steps.push(Step {
            topic: parts[0],
            key: some(parts[1]),
            value: some(parts[2]),
            timestamp: parts[3].parse().unwrap(),
            outputs: Vec::new(),
        });
    }
    cases
}

/// A count over windows of `in`, shown on `out`.
fn counted(windows: &str, more: &str) -> String {
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
        - windowedBy: {{{windows}}}
        - count: {{name: counts, serdes: {{value: json}}}}
{more}
"#
    ))
}

fn stream_join(kind: &str) -> String {
    app(&format!(
        r#"  topology:
    streams:
      in: {{topic: in}}
      right: {{topic: right}}
      joined:
        from: in
        steps:
        - {kind}: {{stream: right, before: 10ms, after: 5ms, grace: 4ms, name: j, value: '[left, right]'}}
        to: {{topic: out}}
"#
    ))
}

fn table_suppressed(suppress: &str) -> String {
    app(&format!(
        r#"  topology:
    tables:
      in: {{topic: in}}
      slow:
        from: in
        steps:
        - suppress: {{name: slow, {suppress}}}
        to: {{topic: out}}
"#
    ))
}

fn versioned_join(grace: &str) -> String {
    app(&format!(
        r#"  topology:
    tables:
      right: {{topic: right, versioned: {{retention: 50ms}}}}
    streams:
      in: {{topic: in}}
      joined:
        from: in
        steps:
        - leftJoin: {{table: right, {grace}value: '[left, right]'}}
        to: {{topic: out}}
"#
    ))
}

fn topology(name: &str) -> String {
    let final_results = "        - suppress: {name: final, untilWindowCloses: {}}";
    let closing = |windows: &str| counted(&format!("{windows}, emit: onWindowClose"), "");
    match name {
        "tumbling" => counted("tumbling: {size: 10ms}, grace: 5ms", ""),
        "hopping" => counted("hopping: {size: 10ms, advance: 4ms}, grace: 7ms", ""),
        "session" => counted("session: {gap: 5ms}, grace: 10ms", ""),
        "sliding" => counted("sliding: {difference: 10ms}, grace: 15ms", ""),
        "closing" => closing("tumbling: {size: 10ms}, grace: 5ms"),
        "closing-hop" => closing("hopping: {size: 10ms, advance: 4ms}, grace: 5ms"),
        "closing-session" => closing("session: {gap: 5ms}, grace: 3ms"),
        "closing-sliding" => closing("sliding: {difference: 10ms}, grace: 5ms"),
        "join" | "leftJoin" | "outerJoin" => stream_join(name),
        "suppress" => counted("tumbling: {size: 10ms}, grace: 5ms", final_results),
        "suppress-session" => counted("session: {gap: 5ms}, grace: 3ms", final_results),
        "suppress-time" => {
            table_suppressed("untilTimeLimit: 10ms, maxRecords: 2, whenFull: emitEarly")
        }
        "suppress-bytes" => {
            table_suppressed("untilTimeLimit: 20ms, maxBytes: 100, whenFull: emitEarly")
        }
        "grace" => versioned_join("grace: 10ms, name: held, "),
        "versioned" => versioned_join(""),
        other => panic!("there is no topology {other}"),
    }
}

/// The first step at which the results differ, told.
fn difference(case: &Case<'_>, options: StepOptions) -> Option<String> {
    let mut driver = StepDriver::new(&topology(case.topology), options).unwrap();
    let mut inputs = String::new();
    for step in &case.steps {
        inputs += &format!(
            "{} {:?}:{:?}@{}\n",
            step.topic, step.key, step.value, step.timestamp
        );
        let (key, value) = (step.key.map(str::as_bytes), step.value.map(str::as_bytes));
        let written = driver
            .pipe(step.topic, key, value, step.timestamp, &HeadersBuf::new())
            .unwrap();
        let text = |bytes: &Option<Box<[u8]>>| {
            bytes.as_ref().map_or("null".to_owned(), |bytes| {
                String::from_utf8_lossy(bytes).into_owned()
            })
        };
        let found: Vec<String> = written
            .iter()
            .filter(|record| &*record.topic == "out")
            .map(|record| {
                let (key, value) = (text(&record.key), text(&record.value));
                format!("{key}:{value}@{}", record.timestamp)
            })
            .collect();
        if found != step.outputs {
            return Some(format!(
                "after\n{inputs}Kafka Streams: {:?}\nhere:          {found:?}",
                step.outputs
            ));
        }
    }
    None
}

fn compare(options: StepOptions) {
    let mut failed: BTreeMap<&str, (usize, usize, String)> = BTreeMap::new();
    for case in cases() {
        let counted = failed.entry(case.topology).or_default();
        counted.0 += 1;
        if let Some(difference) = difference(&case, options) {
            counted.1 += 1;
            if counted.2.is_empty() || difference.len() < counted.2.len() {
                counted.2 = difference;
            }
        }
    }
    let mut report = String::new();
    for (topology, (cases, different, first)) in failed {
        println!("{topology}: {different} of {cases} cases differ");
        if different > 0 {
            report += &format!("{topology}, {different} of {cases} cases, shortest: {first}\n");
        }
    }
    assert!(report.is_empty(), "{report}");
}

#[test]
fn windows_and_joins_give_what_kafka_streams_gives() {
    compare(StepOptions::default());
}

#[test]
fn windows_and_joins_on_disk_give_the_same_however_seldom_they_are_committed() {
    let (on_disk, commit_every) = (true, 7);
    compare(StepOptions {
        on_disk,
        commit_every,
        ..StepOptions::default()
    });
}
