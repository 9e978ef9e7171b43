//! Tables with tables by a foreign key (KTableKTableForeignKeyJoinIntegrationTest).

use std::collections::BTreeMap;

use millrace_worker::testing::StepDriver;
use serde_json::json;

use crate::support::{Steps, drive, feed, step};

/// The text after `|` is the foreign key; without one it is null.
const FOREIGN_KEY: &str = r#"value.contains("|") ? value.split("|")[1] : null"#;
const PAIR: &str =
    r#""(" + (left == null ? "null" : left) + "," + (right == null ? "null" : right) + ")""#;

fn joined(kind: &str, foreign_key: &str, versioned: (bool, bool)) -> StepDriver {
    let source = |topic: &str, versioned: bool| {
        let mut table = json!({"topic": topic});
        if versioned {
            table["versioned"] = json!({"retention": "5m"});
        }
        table
    };
    drive(&json!({"tables": {
        "left": source("L", versioned.0),
        "right": source("R", versioned.1),
        "joined": {
            "from": "left",
            "steps": [{step(kind): {
                "table": "right",
                "foreignKey": foreign_key,
                "value": PAIR,
                "name": "joined",
            }}],
            "to": {"topic": "out"},
        },
    }}))
}

/// The outputs that hold for one kind of join: `INNER x / LEFT y`, `leftV x / leftU y`.
fn expected_of(text: &str, tags: &[&str]) -> String {
    let all = ["INNER", "LEFT", "leftV", "leftU", "rightV", "rightU"];
    text.split(" / ")
        .find_map(|variant| {
            let mut rest = variant;
            while let Some((word, tail)) = rest.split_once(' ') {
                if !all.contains(&word) {
                    break;
                }
                if !tags.contains(&word) {
                    return None;
                }
                rest = tail;
            }
            Some(rest.to_owned())
        })
        .unwrap()
}

/// Answers of a foreign-key join have no order: the last value of each key counts, without its time.
fn last_of_each_key(outputs: impl Iterator<Item = String>) -> BTreeMap<String, String> {
    outputs
        .filter_map(|output| {
            let (key, value) = output.split_once(':')?;
            Some((key.to_owned(), value.to_owned()))
        })
        .collect()
}

#[test]
fn a_table_joins_a_table_by_a_foreign_key_as_kafka_streams_does() {
    for steps in Steps::read("foreign_key.steps") {
        let test = steps.heading[0].clone();
        for kind in ["inner", "left"] {
            for versioned in [(false, false), (true, false), (false, true), (true, true)] {
                let tags = [
                    if kind == "inner" { "INNER" } else { "LEFT" },
                    if versioned.0 { "leftV" } else { "leftU" },
                    if versioned.1 { "rightV" } else { "rightU" },
                ];
                let driver = joined(kind, FOREIGN_KEY, versioned);
                steps.run(driver, |inputs, expected, out| {
                    let expected = expected_of(expected, &tags);
                    let expected = last_of_each_key(expected.split("; ").map(str::to_owned));
                    let without_time =
                        |output: String| output.rsplit_once('@').unwrap().0.to_owned();
                    let out = last_of_each_key(out.into_iter().map(without_time));
                    assert_eq!(out, expected, "{test}, {tags:?}: {inputs}");
                });
            }
        }
    }
}

/// KIP-962.
#[test]
fn a_left_join_keeps_rows_without_a_foreign_key() {
    let mut driver = joined("left", "null", (false, false));
    assert_eq!(
        feed(&mut driver, "L", "lhs1:lhsValue1|rhs1@0"),
        ["lhs1:(lhsValue1|rhs1,null)@0"]
    );
    let foreign_key = r#"value.endsWith("Null") ? null : value.split("|")[1]"#;
    let mut driver = joined("left", foreign_key, (false, false));
    assert_eq!(
        feed(&mut driver, "L", "lhs1:lhsValue1|rhs1@0"),
        ["lhs1:(lhsValue1|rhs1,null)@0"]
    );
    assert_eq!(
        feed(&mut driver, "L", "lhs1:lhsValue1|returnNull@0"),
        ["lhs1:(lhsValue1|returnNull,null)@0"]
    );
    let nobody_asks = feed(&mut driver, "R", "rhs1:rhsValue1@1");
    assert_eq!(nobody_asks, Vec::<String>::new());
}
