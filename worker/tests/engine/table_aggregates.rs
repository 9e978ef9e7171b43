//! Goal: aggregations of tables take old values out and put new ones in, as Kafka Streams' do
//! (KTableAggregateTest, KTableFilterTest). Method: few records in, all changes out compared.

use super::support::{drive, shown};

fn fed(topology: &str, records: &[(&str, Option<&str>, i64)]) -> Vec<String> {
    let mut driver = drive(topology);
    for (key, value, time) in records {
        driver.produce("in", Some(key), *value, *time).unwrap();
        driver.run_until_idle().unwrap();
    }
    shown(&driver, "out")
}

const SUMS: &str = r#"  topology:
    tables:
      in: {topic: in}
      sums:
        from: in
        steps:
        - groupBy: {key: value.of, value: value.amount}
        - aggregate: {name: sums, initial: '0', value: aggregate + value, subtract: aggregate - value}
        to: {topic: out}
"#;

#[test]
fn a_changed_value_leaves_one_group_for_another_or_changes_within_its_own() {
    let records = [
        ("a", Some(r#"{"of":"x","amount":5}"#), 1),
        ("b", Some(r#"{"of":"x","amount":7}"#), 2),
        ("a", Some(r#"{"of":"x","amount":6}"#), 3),
        ("b", Some(r#"{"of":"y","amount":8}"#), 4),
        ("a", None, 5),
        ("a", None, 6),
        ("b", Some(r#"{"of":"y","amount":1}"#), 2),
    ];
    // One change where the group stays (KIP-904), two where it does not; the later time stays.
    let expected = [
        "x:5@1", "x:12@2", "x:13@3", "x:6@4", "y:8@4", "x:0@5", "y:1@4",
    ];
    assert_eq!(fed(SUMS, &records), expected);
}

#[test]
fn rows_without_a_group_or_a_value_count_nowhere() {
    let records = [
        ("a", Some(r#"{"of":null,"amount":5}"#), 1),
        ("b", Some(r#"{"of":"x","amount":null}"#), 2),
        ("a", Some(r#"{"of":"x","amount":5}"#), 3),
        ("a", Some(r#"{"of":null,"amount":5}"#), 4),
    ];
    assert_eq!(fed(SUMS, &records), ["x:5@3", "x:0@4"]);
}

#[test]
fn a_count_of_rows_goes_down_again_and_a_reduction_starts_with_the_first_value() {
    let counts = SUMS.replace(
        "- aggregate: {name: sums, initial: '0', value: aggregate + value, subtract: aggregate - value}",
        "- count: {name: counts, serdes: {value: json}}\n        - mapValues: value * 10",
    );
    let reduced = SUMS.replace(
        "- aggregate: {name: sums, initial: '0', value: aggregate + value, subtract: aggregate - value}",
        "- reduce: {name: sums, value: aggregate + value, subtract: 'aggregate == value ? null : aggregate - value'}",
    );
    let records = [
        ("a", Some(r#"{"of":"x","amount":5}"#), 9),
        ("b", Some(r#"{"of":"x","amount":7}"#), 2),
        ("a", None, 3),
        ("b", None, 4),
    ];
    let counts = fed(&counts, &records);
    assert_eq!(counts, ["x:10@9", "x:20@9", "x:10@9", "x:0@9"]);
    let reduced = fed(&reduced, &records);
    assert_eq!(reduced, ["x:5@9", "x:12@9", "x:7@9", "x:null@9"]);
}

#[test]
fn a_filter_before_a_grouping_tells_nothing_of_rows_it_never_let_through() {
    let filtered = SUMS.replace("steps:\n", "steps:\n        - filter: value.amount < 10\n");
    let records = [
        ("a", Some(r#"{"of":"x","amount":50}"#), 1),
        ("a", Some(r#"{"of":"x","amount":5}"#), 2),
        ("a", Some(r#"{"of":"x","amount":60}"#), 3),
        ("a", None, 4),
    ];
    assert_eq!(fed(&filtered, &records), ["x:5@2", "x:0@3"]);
}

#[test]
fn an_aggregate_of_a_stream_can_be_grouped_again() {
    let topology = r#"  topology:
    streams:
      in: {topic: in}
    tables:
      latest:
        from: in
        steps:
        - groupByKey: {}
        - reduce: {name: latest, value: value}
        - groupBy: {key: string(value)}
        - count: {name: of-each, serdes: {value: json}}
        to: {topic: out}
"#;
    let records = [
        ("a", Some("1"), 1),
        ("b", Some("1"), 2),
        ("a", Some("2"), 3),
    ];
    assert_eq!(
        fed(topology, &records),
        ["1:1@1", "1:2@2", "1:1@3", "2:1@3"]
    );
}

/// The counts of a window are rows with that window in their keys; a new key brings them together.
#[test]
fn a_table_of_windows_can_be_grouped_by_a_new_key() {
    let topology = r#"  topology:
    streams:
      in: {topic: in}
    tables:
      of-each:
        from: in
        steps:
        - groupByKey: {}
        - windowedBy: {tumbling: {size: 10ms}}
        - count: {name: of-each}
      of-all:
        from: of-each
        steps:
        - groupBy: {key: '"from " + string(window.start)', value: value}
        - aggregate:
            name: of-all
            initial: '0'
            value: aggregate + value
            subtract: aggregate - value
            serdes: {value: json}
        to: {topic: out}
"#;
    let records = [("a", 1), ("b", 2), ("a", 3), ("a", 11), ("b", 4)];
    let records = records.map(|(key, time)| (key, Some("1"), time));
    assert_eq!(
        fed(topology, &records),
        ["from 0:1@1", "from 0:2@2", "from 0:3@3", "from 10:1@11"]
    );
}

#[test]
fn a_cogroup_is_one_table_of_the_groups_of_several_streams() {
    let topology = r#"  topology:
    streams:
      in: {topic: in}
      other: {topic: other}
    tables:
      both:
        from: in
        steps:
        - groupByKey: {}
        - cogroup:
            name: both
            initial: '0'
            value: aggregate + value
            with:
            - {stream: other, key: value.of, name: others, value: aggregate - value.n}
        to: {topic: out}
"#;
    let mut driver = drive(topology);
    driver.produce("in", Some("a"), Some("5"), 10).unwrap();
    driver.run_until_idle().unwrap();
    let other = Some(r#"{"of":"a","n":2}"#);
    driver.produce("other", Some("x"), other, 7).unwrap();
    driver.run_until_idle().unwrap();
    driver.produce("in", Some("b"), Some("1"), 12).unwrap();
    driver.run_until_idle().unwrap();
    assert_eq!(shown(&driver, "out"), ["a:5@10", "a:3@10", "b:1@12"]);
}
