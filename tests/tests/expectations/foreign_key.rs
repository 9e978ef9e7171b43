//! Tables with tables by a foreign key (KTableKTableForeignKeyJoinIntegrationTest, and the table in
//! Kafka's documentation).

use std::collections::BTreeMap;

use millrace_worker::dsl::{Consumed, Materialized, MaterializedTable, StreamsBuilder};
use serde_json::{Value, json};

use crate::support::{Case, RETENTION, Steps, Text, run, step};

/// The text after `|` is the foreign key, `returnNull` none.
const FOREIGN_KEY: &str = r#"value.endsWith("|returnNull") ? null : value.split("|")[1]"#;
const PAIR: &str =
    r#""(" + (left == null ? "null" : left) + "," + (right == null ? "null" : right) + ")""#;

#[derive(Clone, Copy)]
struct Shape<'a> {
    kind: &'a str,
    left_versioned: bool,
    right_versioned: bool,
    kept: bool,
    /// Whether the extractor gives a foreign key at all.
    refers: bool,
}

impl Shape<'_> {
    fn yaml(self) -> Value {
        let source = |topic: &str, versioned: bool| {
            let mut table = json!({"topic": topic});
            if versioned {
                table["versioned"] = json!({"retention": format!("{}s", RETENTION.as_secs())});
            }
            table
        };
        let mut join = json!({
            "table": "right",
            "foreignKey": if self.refers { FOREIGN_KEY } else { "null" },
            "value": PAIR,
            "name": "joined",
        });
        if self.kept {
            join["store"] = json!("kept");
        }
        json!({"tables": {
            "left": source("L", self.left_versioned),
            "right": source("R", self.right_versioned),
            "joined": {
                "from": "left",
                "steps": [{step(self.kind): join}],
                "to": {"topic": "out"},
            },
        }})
    }

    fn rust(self) -> StreamsBuilder {
        let builder = StreamsBuilder::new();
        let source = |topic: &str, name: &str, versioned: bool| {
            let store = Materialized::named(name);
            let store = match versioned {
                true => store.versioned(RETENTION),
                false => MaterializedTable::from(store),
            };
            builder.table_with::<Text, String>(topic, Consumed::new(), store)
        };
        let left = source("L", "left", self.left_versioned);
        let right = source("R", "right", self.right_versioned);
        let refers = self.refers;
        let foreign_key = move |value: &String| foreign_key(value).filter(|_| refers);
        let pair = |left: &String, right: Option<&String>| {
            format!("({left},{})", right.map_or("null", String::as_str))
        };
        let joined = match self.kind {
            "inner" => {
                left.join_foreign_key(&right, foreign_key, move |l, r| pair(l, Some(r)), "joined")
            }
            "left" => left.left_join_foreign_key(&right, foreign_key, pair, "joined"),
            other => panic!("no join {other}"),
        };
        let joined = match self.kept {
            true => joined.materialized("kept"),
            false => joined,
        };
        joined.to_stream().to("out");
        builder
    }
}

fn foreign_key(value: &str) -> Text {
    let (_, key) = value.split_once('|').unwrap();
    (key != "returnNull").then(|| key.to_owned())
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

fn case(steps: &Steps, shape: Shape<'_>) -> Case {
    let tags = [
        if shape.kind == "inner" {
            "INNER"
        } else {
            "LEFT"
        },
        if shape.left_versioned {
            "leftV"
        } else {
            "leftU"
        },
        if shape.right_versioned {
            "rightV"
        } else {
            "rightU"
        },
    ];
    let list = steps.list();
    let steps = steps.clone();
    Case {
        list,
        variant: format!("{tags:?}, kept {}", shape.kept),
        yaml: shape.yaml(),
        rust: shape.rust(),
        commit_every: 1,
        check: Box::new(move |name, driver| {
            steps.run(driver, |inputs, expected, out| {
                let expected = expected_of(expected, &tags);
                let expected = last_of_each_key(expected.split("; ").map(str::to_owned));
                let without_time = |output: String| output.rsplit_once('@').unwrap().0.to_owned();
                let out = last_of_each_key(out.into_iter().map(without_time));
                assert_eq!(out, expected, "{name}: {inputs}");
            });
        }),
    }
}

/// Results do not depend on whether tables are versioned, unless a list says so, nor on whether the
/// result is kept.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for steps in Steps::read("foreign_key.steps") {
        let kinds = match steps.option("kind") {
            Some(kind) => vec![kind],
            None => vec!["inner", "left"],
        };
        for kind in kinds {
            for bits in 0..8 {
                let shape = Shape {
                    kind,
                    left_versioned: bits & 1 != 0,
                    right_versioned: bits & 2 != 0,
                    kept: bits & 4 != 0,
                    refers: steps.option("foreignKey") != Some("none"),
                };
                cases.push(case(&steps, shape));
            }
        }
    }
    cases
}

#[test]
fn a_table_joins_a_table_by_a_foreign_key_as_kafka_streams_does() {
    run(&cases());
}
