//! Streams with tables (StreamTableJoinIntegrationTest, StreamTableJoinWithGraceIntegrationTest,
//! KStreamKTable{Join,LeftJoin,JoinWithGrace}Test).

use std::time::Duration;

use millrace_worker::dsl::{Consumed, Joined, Materialized, MaterializedTable, StreamsBuilder};
use serde_json::{Value, json};

use crate::support::{Case, RETENTION, Steps, Table, Text, join_texts, joiner, run, step};

const GRACE: Duration = Duration::from_millis(2);

/// A stream `L` joined with a table `R`.
#[derive(Clone, Copy)]
struct Shape<'a> {
    kind: &'a str,
    /// Between the values of the results.
    between: &'static str,
    versioned: bool,
    /// With [`GRACE`].
    grace: bool,
    caching: bool,
}

impl Shape<'_> {
    fn yaml(self) -> Value {
        let mut right = json!({"topic": "R", "caching": self.caching});
        if self.versioned {
            right["versioned"] = json!({"retention": format!("{}s", RETENTION.as_secs())});
        }
        let mut settings = json!({"table": "right", "value": joiner(self.between)});
        if self.grace {
            settings["grace"] = json!(format!("{}ms", GRACE.as_millis()));
            settings["name"] = json!("held");
        }
        json!({
            "tables": {"right": right},
            "streams": {
                "left": {"topic": "L"},
                "joined": {
                    "from": "left",
                    "steps": [{step(self.kind): settings}],
                    "to": {"topic": "out"},
                },
            },
        })
    }

    fn rust(self) -> StreamsBuilder {
        let builder = StreamsBuilder::new();
        let mut store = Materialized::named("right");
        if self.caching {
            store = store.with_caching_enabled();
        }
        let store = match self.versioned {
            true => store.versioned(RETENTION),
            false => MaterializedTable::from(store),
        };
        let right = builder.table_with::<Text, String>("R", Consumed::new(), store);
        let left = builder.stream::<Text, String>("L");
        let how = match self.grace {
            true => Joined::named("held").with_grace_period(GRACE),
            false => Joined::new(),
        };
        let between = self.between;
        let joined = match self.kind {
            "inner" => left.join_table(
                &right,
                move |l, r| join_texts(between, Some(l), Some(r)),
                how,
            ),
            "left" => {
                left.left_join_table(&right, move |l, r| join_texts(between, Some(l), r), how)
            }
            other => panic!("no join {other}"),
        };
        joined.to("out");
        builder
    }
}

/// The columns; those of unversioned tables also with a cache, which must change nothing.
fn columns() -> Vec<Case> {
    let table = Table::read("stream_table.csv");
    let mut cases = Vec::new();
    for join in table.joins() {
        let shape = Shape {
            kind: join.split('_').next().unwrap(),
            between: "-",
            versioned: join.contains("_v"),
            grace: join.ends_with("_grace2"),
            caching: false,
        };
        let cached = [(true, 1), (true, 100)];
        let caches = [(false, 1)].into_iter();
        let caches = caches.chain(cached.into_iter().filter(|_| !shape.versioned));
        for (caching, commit_every) in caches {
            let shape = Shape { caching, ..shape };
            let (table, column) = (table.clone(), join.clone());
            cases.push(Case {
                list: table.list(&join),
                variant: format!("cache {caching}, commits every {commit_every}"),
                yaml: shape.yaml(),
                rust: shape.rust(),
                commit_every,
                check: Box::new(move |name, mut driver| {
                    table.check(&column, name, &mut driver);
                }),
            });
        }
    }
    cases
}

fn lists() -> Vec<Case> {
    let case = |steps: Steps| {
        let grace = steps.option("grace").is_some();
        let shape = Shape {
            kind: steps.setting("kind"),
            between: "+",
            versioned: grace,
            grace,
            caching: false,
        };
        Case {
            list: steps.list(),
            variant: String::new(),
            yaml: shape.yaml(),
            rust: shape.rust(),
            commit_every: 1,
            check: steps.exactly(),
        }
    };
    let lists = Steps::read("stream_table_unit.steps");
    lists.into_iter().map(case).collect()
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = columns();
    cases.extend(lists());
    cases
}

#[test]
fn a_stream_joins_a_table_as_kafka_streams_does() {
    run(&columns());
}

#[test]
fn a_stream_looks_rows_up_that_come_change_and_go_as_kafka_streams_does() {
    run(&lists());
}
