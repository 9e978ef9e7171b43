//! Tables with tables (TableTableJoinIntegrationTest, KTableKTable{Inner,Left,Outer}JoinTest).

use std::collections::BTreeMap;

use millrace_worker::dsl::{
    Consumed, Grouped, KTable, Materialized, MaterializedTable, StreamsBuilder,
};
use serde_json::{Value, json};

use crate::support::{
    Case, RETENTION, Steps, Table, Text, held_back, join_texts, joiner, outputs, rows, run, step,
};

type Rows = KTable<Text, String>;

/// A table `L` joined with a table `R`, and perhaps the result with `R` again.
#[derive(Clone, Copy)]
struct Shape<'a> {
    /// Of each join.
    kinds: &'a [&'a str],
    between: &'static str,
    left_versioned: bool,
    right_versioned: bool,
    /// Whether the result has a store.
    kept: bool,
    /// Whether the stores that can have a cache have one.
    caching: bool,
}

/// Inner, left or outer, nothing else.
fn plain<'a>(kinds: &'a [&'a str]) -> Shape<'a> {
    Shape {
        kinds,
        between: "-",
        left_versioned: false,
        right_versioned: false,
        kept: false,
        caching: false,
    }
}

/// The name of the table that the last join gives, and of its store.
const RESULT: &str = "joined";

impl Shape<'_> {
    fn yaml(self) -> Value {
        let source = |topic: &str, versioned: bool| {
            let mut table = json!({"topic": topic, "caching": self.caching && !versioned});
            if versioned {
                table["versioned"] = json!({"retention": format!("{}s", RETENTION.as_secs())});
            }
            table
        };
        let mut tables = json!({
            "left": source("L", self.left_versioned),
            "right": source("R", self.right_versioned),
        });
        let mut from = "left";
        for (number, kind) in self.kinds.iter().enumerate() {
            let last = number + 1 == self.kinds.len();
            let name = if last { RESULT } else { "first" };
            let join = json!({"table": "right", "value": joiner(self.between)});
            tables[name] = json!({"from": from, "steps": [{step(kind): join}]});
            // What is joined again must be kept.
            if self.kept || !last {
                tables[name]["store"] = json!(name);
                tables[name]["caching"] = json!(self.caching);
            }
            from = name;
        }
        json!({
            "tables": tables,
            "streams": {
                "out": {"from": RESULT, "steps": [{"toStream": {}}], "to": {"topic": "out"}},
            },
        })
    }

    /// The result, not yet written anywhere.
    fn rust_result(self, builder: &StreamsBuilder) -> Rows {
        let store = |name: &str| match self.caching {
            true => Materialized::named(name).with_caching_enabled(),
            false => Materialized::named(name),
        };
        let source = |topic: &str, name: &str, versioned: bool| {
            let store = match versioned {
                true => Materialized::named(name).versioned(RETENTION),
                false => MaterializedTable::from(store(name)),
            };
            builder.table_with::<Text, String>(topic, Consumed::new(), store)
        };
        let left = source("L", "left", self.left_versioned);
        let right = source("R", "right", self.right_versioned);
        let mut result = left;
        for (number, kind) in self.kinds.iter().enumerate() {
            let last = number + 1 == self.kinds.len();
            result = join(kind, self.between, &result, &right);
            if self.kept || !last {
                result = result.materialized(store(if last { RESULT } else { "first" }));
            }
        }
        result
    }

    fn rust(self) -> StreamsBuilder {
        let builder = StreamsBuilder::new();
        self.rust_result(&builder).to_stream().to("out");
        builder
    }
}

fn join(kind: &str, between: &'static str, left: &Rows, right: &Rows) -> Rows {
    match kind {
        "inner" => left.join(right, move |l, r| join_texts(between, Some(l), Some(r))),
        "left" => left.left_join(right, move |l, r| join_texts(between, Some(l), r)),
        "outer" => left.outer_join(right, move |l, r| join_texts(between, l, r)),
        other => panic!("no join {other}"),
    }
}

/// The columns of the joins of two tables. A result that is kept is the last output, and nothing else.
fn columns() -> Vec<Case> {
    let mut cases = Vec::new();
    for file in ["table_table.csv", "table_table_one_side_versioned.csv"] {
        let table = Table::read(file);
        for column in table.joins() {
            let (kind, versioned) = column.split_once('_').unwrap_or((&column, ""));
            for kept in [false, true] {
                let shape = Shape {
                    left_versioned: matches!(versioned, "vv" | "lv"),
                    right_versioned: matches!(versioned, "vv" | "rv"),
                    kept,
                    ..plain(std::slice::from_ref(&kind))
                };
                let (table, column) = (table.clone(), column.clone());
                cases.push(Case {
                    list: table.list(&column),
                    variant: format!("kept {kept}"),
                    yaml: shape.yaml(),
                    rust: shape.rust(),
                    commit_every: 1,
                    check: Box::new(move |name, mut driver| {
                        let last = table.check(&column, name, &mut driver);
                        if kept {
                            assert_eq!(rows(&mut driver, RESULT), [last], "{name}");
                        }
                    }),
                });
            }
        }
    }
    cases
}

/// Joins of a result with one of its tables: equal record by record, the doubled ones of KAFKA-6443
/// included.
fn multi_joins() -> Vec<Case> {
    let table = Table::read("table_table_multi.csv");
    let case = |column: String| {
        let kinds: Vec<&str> = column.split('_').collect();
        let shape = plain(&kinds);
        let (yaml, rust) = (shape.yaml(), shape.rust());
        let table = table.clone();
        Case {
            list: table.list(&column),
            variant: String::new(),
            yaml,
            rust,
            commit_every: 1,
            check: Box::new(move |name, mut driver| {
                table.check(&column, name, &mut driver);
            }),
        }
    };
    table.joins().into_iter().map(case).collect()
}

/// With caches only the last output counts, which is the only row of the result. Kafka's driver commits
/// after each record; here commits may also be far apart.
fn cached() -> Vec<Case> {
    let input = Table::read("table_table.csv");
    let finals = Table::read("table_table_cached_final.csv");
    let mut cases = Vec::new();
    for row in &finals.rows[1..] {
        let [column, expected] = &row[..] else {
            panic!("{row:?}")
        };
        let words: Vec<&str> = column.split('_').collect();
        let versioned = words.last().copied().unwrap_or_default();
        let (left_versioned, right_versioned) = (versioned == "lv", versioned == "rv");
        let kinds = match left_versioned || right_versioned {
            true => &words[..1],
            false => &words[..],
        };
        for commit_every in [1, 5, 100] {
            let shape = Shape {
                left_versioned,
                right_versioned,
                kept: true,
                caching: true,
                ..plain(kinds)
            };
            let (input, expected) = (input.clone(), expected.clone());
            cases.push(Case {
                list: finals.list(column),
                variant: format!("commits every {commit_every}"),
                yaml: shape.yaml(),
                rust: shape.rust(),
                commit_every,
                check: Box::new(move |name, mut driver| {
                    let last = input.last(&mut driver);
                    let last = held_back(&mut driver).pop().unwrap_or(last);
                    assert_eq!(last, expected, "{name}");
                    assert_eq!(rows(&mut driver, RESULT), [last], "{name}");
                }),
            });
        }
    }
    cases
}

/// The new values of the changes, as they are forwarded.
fn changes() -> Vec<Case> {
    let case = |steps: Steps| {
        let kind = steps.name().to_owned();
        let kinds = [kind.as_str()];
        let shape = Shape {
            between: "+",
            ..plain(&kinds)
        };
        Case {
            list: steps.list(),
            variant: "new values".to_owned(),
            yaml: shape.yaml(),
            rust: shape.rust(),
            commit_every: 1,
            check: Box::new(move |name, driver| {
                steps.run(driver, |inputs, expected, out| {
                    let new = |change: &String| {
                        let (new, old) = change.split_once("<-").unwrap();
                        format!("{new}@{}", old.rsplit_once('@').unwrap().1)
                    };
                    let expected: Vec<String> = outputs(expected).iter().map(new).collect();
                    assert_eq!(out, expected, "{name}: {inputs}");
                });
            }),
        }
    };
    let lists = Steps::read("table_table_unit.steps");
    lists.into_iter().map(case).collect()
}

/// The old values of the changes: an aggregation of the result, by its own key, writes down what it was
/// told to take out and to put in.
fn old_values() -> Vec<Case> {
    let case = |steps: Steps| {
        let kind = steps.name().to_owned();
        let kinds = [kind.as_str()];
        let shape = Shape {
            between: "+",
            ..plain(&kinds)
        };
        let mut yaml = shape.yaml();
        yaml["tables"]["told"] = json!({"from": RESULT, "steps": [
            {"groupBy": {"key": "key", "value": "value"}},
            {"aggregate": {
                "name": "told",
                "initial": r#""""#,
                "value": r#"aggregate + " +" + value"#,
                "subtract": r#"aggregate + " -" + value"#,
            }},
        ]});
        yaml["streams"]["out"]["from"] = json!("told");
        let rust = StreamsBuilder::new();
        let told = shape.rust_result(&rust).group_by(
            |key: &Text, value: &String| (key.clone(), value.clone()),
            Grouped::new(),
        );
        told.aggregate(
            String::new,
            |_, value, told| format!("{told} +{value}"),
            |_, value, told| format!("{told} -{value}"),
            "told",
        )
        .to_stream()
        .to("out");
        Case {
            list: steps.list(),
            variant: "old values".to_owned(),
            yaml,
            rust,
            commit_every: 1,
            check: Box::new(move |name, driver| {
                let mut told = BTreeMap::new();
                steps.run(driver, |inputs, expected, out| {
                    let expected = outputs(expected);
                    let expected = expected.iter().map(|change| tell(&mut told, change));
                    let without_time = |out: &String| out.rsplit_once('@').unwrap().0.to_owned();
                    let out: Vec<String> = out.iter().map(without_time).collect();
                    assert_eq!(out, expected.collect::<Vec<_>>(), "{name}: {inputs}");
                });
            }),
        }
    };
    let lists = Steps::read("table_table_unit.steps");
    lists.into_iter().map(case).collect()
}

/// What the aggregation of [`old_values`] has told of a key after a change `key:new<-old@time`.
fn tell(told: &mut BTreeMap<String, String>, change: &str) -> String {
    let (change, _) = change.rsplit_once('@').unwrap();
    let (key, change) = change.split_once(':').unwrap();
    let (new, old) = change.split_once("<-").unwrap();
    let told = told.entry(key.to_owned()).or_default();
    for (sign, value) in [('-', old), ('+', new)] {
        if value != "null" {
            told.push_str(&format!(" {sign}{value}"));
        }
    }
    format!("{key}:{told}")
}

pub(crate) fn cases() -> Vec<Case> {
    [columns(), multi_joins(), cached(), changes(), old_values()]
        .into_iter()
        .flatten()
        .collect()
}

#[test]
fn a_table_joins_a_table_as_kafka_streams_does() {
    run(&columns());
}

#[test]
fn the_result_of_a_join_joins_one_of_its_tables_again_as_kafka_streams_does() {
    run(&multi_joins());
}

#[test]
fn with_caches_the_last_output_is_the_one_kafka_streams_gives() {
    run(&cached());
}

#[test]
fn each_change_of_a_joined_table_is_the_one_kafka_streams_sends() {
    run(&changes());
}

#[test]
fn each_change_of_a_joined_table_has_the_old_value_kafka_streams_sends() {
    run(&old_values());
}
