//! Tables with tables (TableTableJoinIntegrationTest, KTableKTable{Inner,Left,Outer}JoinTest).

use serde_json::{Value, json};

use crate::support::{DASH, PLUS, Steps, Table, drive, step};

fn source(topic: &str, versioned: bool) -> Value {
    let mut table = json!({"topic": topic});
    if versioned {
        table["versioned"] = json!({"retention": "5m"});
    }
    table
}

/// `left` and `right` joined into `out`.
fn joined(kind: &str, joiner: &str, left: &Value, right: &Value) -> Value {
    json!({"tables": {
        "left": left,
        "right": right,
        "joined": {
            "from": "left",
            "steps": [{step(kind): {"table": "right", "value": joiner}}],
            "to": {"topic": "out"},
        },
    }})
}

#[test]
fn a_table_joins_a_table_as_kafka_streams_does() {
    for file in ["table_table.csv", "table_table_one_side_versioned.csv"] {
        let table = Table::read(file);
        for join in table.joins() {
            let (kind, versioned) = join.split_once('_').unwrap_or((&join, ""));
            let left = source("L", matches!(versioned, "vv" | "lv"));
            let right = source("R", matches!(versioned, "vv" | "rv"));
            table.check(&join, drive(&joined(kind, DASH, &left, &right)));
        }
    }
}

/// Equal record by record, the doubled ones of KAFKA-6443 included.
#[test]
fn the_result_of_a_join_joins_one_of_its_tables_again_as_kafka_streams_does() {
    let table = Table::read("table_table_multi.csv");
    for join in table.joins() {
        let (first, second) = join.split_once('_').unwrap();
        let topology = json!({"tables": {
            "left": source("L", false),
            "right": source("R", false),
            "first": {
                "from": "left",
                "steps": [{step(first): {"table": "right", "value": DASH, "store": "first"}}],
            },
            "second": {
                "from": "first",
                "steps": [{step(second): {"table": "right", "value": DASH}}],
                "to": {"topic": "out"},
            },
        }});
        table.check(&join, drive(&topology));
    }
}

#[test]
fn each_change_of_a_joined_table_is_the_one_kafka_streams_sends() {
    for steps in Steps::read("table_table_unit.steps") {
        let kind = steps.heading[0].clone();
        let (left, right) = (source("L", false), source("R", false));
        let driver = drive(&joined(&kind, PLUS, &left, &right));
        steps.run(driver, |inputs, expected, out| {
            let new = |change: &str| match change.split_once("<-") {
                Some((new, old)) => format!("{new}@{}", old.rsplit_once('@').unwrap().1),
                None => change.to_owned(),
            };
            let expected: Vec<String> = match expected {
                "-" => Vec::new(),
                changes => changes.split("; ").map(new).collect(),
            };
            assert_eq!(out, expected, "{kind}: {inputs}");
        });
    }
}
