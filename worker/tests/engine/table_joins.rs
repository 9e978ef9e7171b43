//! Goal: joins of two tables, by key and by foreign key, give what Kafka Streams' own tests expect
//! (KTableKTableInnerJoinTest and its kin, KTableKTableForeignKeyJoinIntegrationTest). Method: their
//! steps as text, one record at a time; `=>` separates records in from records out.

use std::collections::BTreeMap;

use millrace_kafka::HeadersBuf;
use millrace_worker::testing::{
    CapturedRecord, DriverOptions, StepDriver, StepOptions, TopologyDriver,
};

/// A StreamApp with text keys and values and these tables and streams.
fn app(topology: &str) -> String {
    format!(
        "apiVersion: millrace.dev/v1alpha1\nkind: StreamApp\nmetadata: {{name: app}}\nspec:\n  \
         kafka: {{bootstrapServers: \"none:9092\"}}\n  defaults: {{key: string, value: string}}\n  \
         topology:\n{topology}"
    )
}

/// A record as the steps write it: `key:value@time`, null as `null`.
struct Written<'w> {
    key: Option<&'w str>,
    value: Option<&'w str>,
    time: i64,
}

fn read(text: &str) -> Written<'_> {
    let (record, time) = text.rsplit_once('@').unwrap();
    let (key, value) = record.split_once(':').unwrap();
    let given = |part| (part != "null").then_some(part);
    Written {
        key: given(key),
        value: given(value),
        time: time.parse().unwrap(),
    }
}

fn text(bytes: Option<&[u8]>) -> String {
    bytes.map_or("null".to_owned(), |bytes| {
        String::from_utf8(bytes.to_vec()).unwrap()
    })
}

fn show(record: &CapturedRecord) -> String {
    let (key, value) = (text(record.key.as_deref()), text(record.value.as_deref()));
    format!("{key}:{value}@{}", record.timestamp)
}

/// Feeds one side's records, `L key:value@time; …`, and returns what was written to `out`.
fn feed(driver: &mut StepDriver, records: &str) -> Vec<CapturedRecord> {
    let mut out = Vec::new();
    for record in records.split("; ") {
        let (side, record) = record.split_once(' ').unwrap();
        let topic = if side == "L" { "left" } else { "right" };
        let Written { key, value, time } = read(record);
        let (key, value) = (key.map(str::as_bytes), value.map(str::as_bytes));
        let written = driver.pipe(topic, key, value, time, &HeadersBuf::new());
        out.extend(written.unwrap().into_iter().filter(|r| &*r.topic == "out"));
    }
    out
}

fn run(steps: &str, topology: &str) {
    for on_disk in [false, true] {
        let options = StepOptions {
            on_disk,
            ..StepOptions::default()
        };
        let mut driver = StepDriver::new(&app(topology), options).unwrap();
        for step in steps.lines() {
            let (records, expected) = step.split_once(" => ").unwrap();
            let out: Vec<String> = feed(&mut driver, records).iter().map(show).collect();
            let expected: Vec<&str> = match expected {
                "-" => vec![],
                expected => expected.split("; ").collect(),
            };
            assert_eq!(out, expected, "{records}");
        }
    }
}

/// Two tables, joined; `store` is a further field of the join.
fn joined(kind: &str, store: &str) -> String {
    format!(
        r#"    tables:
      left: {{topic: left}}
      right: {{topic: right}}
      joined:
        from: left
        steps:
        - {kind}:
            table: right
            value: '(left == null ? "null" : left) + "+" + (right == null ? "null" : right)'
            {store}
        to: {{topic: out}}
"#
    )
}

const INNER: &str = "\
L 0:X0@5; L 1:X1@6; L null:SomeVal@42 => -
R 0:Y0@0; R 1:Y1@10; R null:AnotherVal@73 => 0:X0+Y0@5; 1:X1+Y1@10
L 0:XX0@7; L 1:XX1@7; L 2:XX2@7; L 3:XX3@7 => 0:XX0+Y0@7; 1:XX1+Y1@10
R 0:YY0@0; R 1:YY1@5; R 2:YY2@10; R 3:YY3@15 => 0:XX0+YY0@7; 1:XX1+YY1@7; 2:XX2+YY2@10; 3:XX3+YY3@15
L 0:XXX0@6; L 1:XXX1@6; L 2:XXX2@6; L 3:XXX3@6 => 0:XXX0+YY0@6; 1:XXX1+YY1@6; 2:XXX2+YY2@10; 3:XXX3+YY3@15
R 0:null@5; R 1:null@7 => 0:null@6; 1:null@7
L 0:XXXX0@13; L 1:XXXX1@13; L 2:XXXX2@13; L 3:XXXX3@13 => 2:XXXX2+YY2@13; 3:XXXX3+YY3@15
L 0:null@0; L 1:null@42; L 2:null@5; L 3:null@20 => 2:null@10; 3:null@20";

const LEFT: &str = "\
L 0:X0@5; L 1:X1@6; L null:SomeVal@42 => 0:X0+null@5; 1:X1+null@6
R 0:Y0@0; R 1:Y1@10; R null:AnotherVal@73 => 0:X0+Y0@5; 1:X1+Y1@10
L 0:XX0@7; L 1:XX1@7; L 2:XX2@7; L 3:XX3@7 => 0:XX0+Y0@7; 1:XX1+Y1@10; 2:XX2+null@7; 3:XX3+null@7
R 0:YY0@0; R 1:YY1@5; R 2:YY2@10; R 3:YY3@15 => 0:XX0+YY0@7; 1:XX1+YY1@7; 2:XX2+YY2@10; 3:XX3+YY3@15
L 0:XXX0@6; L 1:XXX1@6; L 2:XXX2@6; L 3:XXX3@6 => 0:XXX0+YY0@6; 1:XXX1+YY1@6; 2:XXX2+YY2@10; 3:XXX3+YY3@15
R 0:null@5; R 1:null@7 => 0:XXX0+null@6; 1:XXX1+null@7
L 0:XXXX0@13; L 1:XXXX1@13; L 2:XXXX2@13; L 3:XXXX3@13 => 0:XXXX0+null@13; 1:XXXX1+null@13; 2:XXXX2+YY2@13; 3:XXXX3+YY3@15
L 0:null@0; L 1:null@42; L 2:null@5; L 3:null@20 => 0:null@0; 1:null@42; 2:null@10; 3:null@20";

const OUTER: &str = "\
L 0:X0@5; L 1:X1@6; L null:SomeVal@42 => 0:X0+null@5; 1:X1+null@6
R 0:Y0@0; R 1:Y1@10; R null:AnotherVal@73 => 0:X0+Y0@5; 1:X1+Y1@10
L 0:XX0@7; L 1:XX1@7; L 2:XX2@7; L 3:XX3@7 => 0:XX0+Y0@7; 1:XX1+Y1@10; 2:XX2+null@7; 3:XX3+null@7
R 0:YY0@0; R 1:YY1@5; R 2:YY2@10; R 3:YY3@15 => 0:XX0+YY0@7; 1:XX1+YY1@7; 2:XX2+YY2@10; 3:XX3+YY3@15
L 0:XXX0@6; L 1:XXX1@6; L 2:XXX2@6; L 3:XXX3@6 => 0:XXX0+YY0@6; 1:XXX1+YY1@6; 2:XXX2+YY2@10; 3:XXX3+YY3@15
R 0:null@5; R 1:null@7 => 0:XXX0+null@6; 1:XXX1+null@7
L 0:XXXX0@13; L 1:XXXX1@13; L 2:XXXX2@13; L 3:XXXX3@13 => 0:XXXX0+null@13; 1:XXXX1+null@13; 2:XXXX2+YY2@13; 3:XXXX3+YY3@15
L 0:null@0; L 1:null@42; L 2:null@5; L 3:null@20 => 0:null@0; 1:null@42; 2:null+YY2@10; 3:null+YY3@20";

#[test]
fn joins_of_tables_give_what_kafka_streams_gives_kept_in_a_store_or_not() {
    for (kind, steps) in [("join", INNER), ("leftJoin", LEFT), ("outerJoin", OUTER)] {
        run(steps, &joined(kind, ""));
        run(steps, &joined(kind, "store: joined"));
    }
}

#[test]
fn a_join_that_is_aggregated_takes_its_old_results_out_again() {
    let topology = r#"    tables:
      left: {topic: left}
      right: {topic: right}
      by-right:
        from: left
        steps:
        - leftJoin: {table: right, value: 'right == null ? "none" : right'}
        - groupBy: {key: value}
        - count: {name: by-right, serdes: {value: json}}
        to: {topic: out}
"#;
    let steps = "\
L a:1@1 => none:1@1
L b:1@2 => none:2@2
R a:red@3 => none:1@3; red:1@3
R b:red@4 => none:0@4; red:2@4
L b:null@5 => red:1@5
R a:null@6 => red:0@6; none:1@6
R c:red@7 => -";
    run(steps, topology);
}

/// A left table whose value ends in `|key` of the right table, joined by that.
fn referring(kind: &str, foreign_key: &str) -> String {
    format!(
        r#"    tables:
      left: {{topic: left}}
      right: {{topic: right}}
      joined:
        from: left
        steps:
        - {kind}:
            table: right
            foreignKey: '{foreign_key}'
            name: referring
            value: '"(" + left + "," + (right == null ? "null" : right) + ")"'
        to: {{topic: out}}
"#
    )
}

const AFTER_BAR: &str = r#"value.split("|")[1] == "none" ? null : value.split("|")[1]"#;

/// Answers may come in any order: the last value of each key after a step is compared.
fn run_referring(kind: &str, steps: &str) {
    let yaml = app(&referring(kind, AFTER_BAR));
    let mut driver = StepDriver::new(&yaml, StepOptions::default()).unwrap();
    for step in steps.lines() {
        let (records, expected) = step.split_once(" => ").unwrap();
        let last: BTreeMap<String, String> = feed(&mut driver, records)
            .iter()
            .map(|record| (text(record.key.as_deref()), text(record.value.as_deref())))
            .collect();
        let expected: BTreeMap<String, String> = match expected {
            "-" => BTreeMap::new(),
            expected => expected
                .split("; ")
                .map(|record| record.split_once(':').unwrap())
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        };
        assert_eq!(last, expected, "{kind}: {records}");
    }
}

#[test]
fn a_left_row_joins_the_right_row_it_refers_to_until_either_goes() {
    let steps = "\
R r1:R1@0; R r2:R2@1; R r3:R3@2 => -
L l1:L1|r1@3; L l2:L2|r2@4 => l1:(L1|r1,R1); l2:(L2|r2,R2)
L l3:L3|r1@5 => l3:(L3|r1,R1)
R r1:R1b@6 => l1:(L1|r1,R1b); l3:(L3|r1,R1b)
L l1:null@7 => l1:null
R r1:R1c@8 => l3:(L3|r1,R1c)";
    run_referring("join", steps);
    run_referring("leftJoin", steps);
}

#[test]
fn without_a_right_row_only_a_left_join_has_a_result() {
    run_referring(
        "join",
        "\
L l1:L1|r1@0; L l2:L2|r2@1; L l3:L3|r1@2 => -
R r1:R1@3 => l1:(L1|r1,R1); l3:(L3|r1,R1)
R r3:R3@5 => -
R r1:null@6 => l1:null; l3:null
L l2:null@7 => l2:null
L l2:null@8 => -",
    );
    run_referring(
        "leftJoin",
        "\
L l1:L1|r1@0; L l2:L2|r2@1; L l3:L3|r1@2 => l1:(L1|r1,null); l2:(L2|r2,null); l3:(L3|r1,null)
R r1:R1@3 => l1:(L1|r1,R1); l3:(L3|r1,R1)
R r3:R3@5 => -
R r1:null@6 => l1:(L1|r1,null); l3:(L3|r1,null)
L l2:null@7 => l2:null
L l2:null@8 => -",
    );
}

#[test]
fn a_foreign_key_moves_and_the_old_row_is_not_heard_of_any_more() {
    run_referring(
        "join",
        "\
L l1:L1|r1@0 => -
L l1:L1|r2@1 => l1:null
L l1:L1|r3@2 => l1:null
R r1:R1@3 => -
L l1:L1|r1@4 => l1:(L1|r1,R1)
L l1:L1|r2@5 => l1:null
R r1:R1b@6 => -
L l1:L1|none@7 => l1:null
L l1:L1|r1@8 => l1:(L1|r1,R1b)",
    );
    run_referring(
        "leftJoin",
        "\
L l1:L1|r1@0 => l1:(L1|r1,null)
L l1:L1|r2@1 => l1:(L1|r2,null)
R r1:R1@3 => -
L l1:L1|r1@4 => l1:(L1|r1,R1)
L l1:L1|none@5 => l1:(L1|none,null)
R r1:R1b@6 => -",
    );
}

#[test]
fn late_records_of_a_versioned_table_join_nothing_by_key_or_by_foreign_key() {
    let versioned = |topology: String| {
        let left = "left: {topic: left, versioned: {retention: 1h}}";
        let right = "right: {topic: right, versioned: {retention: 1h}}";
        topology
            .replace("left: {topic: left}", left)
            .replace("right: {topic: right}", right)
    };
    let steps = "\
L a:A@10 => -
R a:B@20 => a:A+B@20
L a:late@5 => -
R a:late@15 => -
L a:A2@30 => a:A2+B@30
R a:null@25 => a:null@30";
    run(steps, &versioned(joined("join", "")));
    let steps = "\
R r:R@4 => -
L l:L|r@3 => l:(L|r,R)@4
L l:late|r@2 => -
R r:late@1 => -
R r:R2@6 => l:(L|r,R2)@6";
    run(steps, &versioned(referring("leftJoin", AFTER_BAR)));
}

#[test]
fn answers_find_the_partition_that_asked_and_state_survives_a_crash() {
    let options = DriverOptions {
        partitions: 3,
        ..DriverOptions::default()
    };
    let yaml = app(&referring("leftJoin", AFTER_BAR));
    let mut driver = TopologyDriver::with_options(&yaml, &options).unwrap();
    let feed = |driver: &mut TopologyDriver, topic: &str, key: String, value: Option<String>| {
        let time = 1;
        driver
            .produce(topic, Some(&key), value.as_deref(), time)
            .unwrap();
    };
    for left in 0..20 {
        let value = Some(format!("L{left}|r{}", left % 5));
        feed(&mut driver, "left", format!("l{left}"), value);
    }
    for right in 0..4 {
        feed(
            &mut driver,
            "right",
            format!("r{right}"),
            Some(format!("R{right}")),
        );
    }
    driver.run_until_idle().unwrap();
    driver.crash(0).unwrap();
    driver.start(0).unwrap();
    feed(
        &mut driver,
        "right",
        "r1".to_owned(),
        Some("new".to_owned()),
    );
    feed(&mut driver, "right", "r2".to_owned(), None);
    driver.run_until_idle().unwrap();
    let mut last = BTreeMap::new();
    for record in driver.read("out").unwrap() {
        last.insert(text(record.key.as_deref()), text(record.value.as_deref()));
    }
    let expected: BTreeMap<String, String> = (0..20)
        .map(|left| {
            let refers = left % 5;
            let right = match refers {
                1 => "new".to_owned(),
                2 | 4 => "null".to_owned(),
                right => format!("R{right}"),
            };
            (format!("l{left}"), format!("(L{left}|r{refers},{right})"))
        })
        .collect();
    assert_eq!(last, expected);
}
