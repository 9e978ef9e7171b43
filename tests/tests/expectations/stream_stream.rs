//! Streams with streams (StreamStreamJoinIntegrationTest, KStreamKStream{Join,LeftJoin,OuterJoin}Test).

use std::time::Duration;

use millrace_worker::dsl::{JoinWindows, KStream, StreamsBuilder};
use serde_json::{Value, json};

use crate::support::{Case, Steps, Table, Text, join_texts, joiner, outputs, run, step};

type Texts = KStream<Text, Text>;

/// In milliseconds, seen from the left record.
#[derive(Clone, Copy)]
struct Windows {
    before: u64,
    after: u64,
    grace: u64,
}

/// 10 s on both sides, 24 h of grace.
const WIDE: Windows = Windows {
    before: 10_000,
    after: 10_000,
    grace: 24 * 3_600_000,
};
/// Those of the table in Kafka's documentation.
const DOCUMENTED: Windows = Windows {
    before: 15_000,
    after: 15_000,
    grace: 5_000,
};

impl Windows {
    fn of(steps: &Steps) -> Self {
        let setting = |name| steps.setting(name).parse().unwrap();
        Self {
            before: setting("before"),
            after: setting("after"),
            grace: setting("grace"),
        }
    }

    fn rust(self) -> JoinWindows {
        let (before, after) = (self.before, self.after);
        let (before, after) = (Duration::from_millis(before), Duration::from_millis(after));
        let grace = Duration::from_millis(self.grace);
        JoinWindows::of_time_difference_and_grace(before, grace).after(after)
    }
}

/// What two streams are joined.
#[derive(Clone, Copy, PartialEq)]
enum Sides {
    /// `L` and `R`.
    Two,
    /// `L` and `R`, after steps that change keys: through repartition topics.
    Repartitioned,
    /// `L` and `L`.
    Itself,
    /// `L` and `R`, and the result with `R` again.
    Multi,
}

#[derive(Clone, Copy)]
struct Shape<'a> {
    kind: &'a str,
    between: &'static str,
    windows: Windows,
    sides: Sides,
}

impl Shape<'_> {
    fn yaml(self) -> Value {
        let (left, right) = match self.sides {
            Sides::Repartitioned => ("mapped-left", "mapped-right"),
            Sides::Itself => ("left", "left"),
            Sides::Two | Sides::Multi => ("left", "right"),
        };
        let join = |name: &str| {
            let ms = |time: u64| format!("{time}ms");
            json!({step(self.kind): {
                "stream": right,
                "before": ms(self.windows.before),
                "after": ms(self.windows.after),
                "grace": ms(self.windows.grace),
                "value": joiner(self.between),
                "name": name,
            }})
        };
        let mut steps = vec![join("first")];
        if self.sides == Sides::Multi {
            steps.push(join("second"));
        }
        let mut streams = json!({
            "left": {"topic": "L"},
            "joined": {"from": left, "steps": steps, "to": {"topic": "out"}},
        });
        if self.sides != Sides::Itself {
            streams["right"] = json!({"topic": "R"});
        }
        if self.sides == Sides::Repartitioned {
            let map = json!({"map": {"key": "key", "value": "value"}});
            let flat =
                json!({"flatMap": {"elements": "[value]", "key": "key", "value": "element"}});
            streams["mapped-left"] = json!({"from": "left", "steps": [map]});
            streams["mapped-right"] =
                json!({"from": "right", "steps": [flat, {"selectKey": "key"}]});
        }
        json!({"streams": streams})
    }

    fn rust(self) -> StreamsBuilder {
        let builder = StreamsBuilder::new();
        let mut left = builder.stream::<Text, Text>("L");
        let mut right = match self.sides {
            Sides::Itself => left.clone(),
            _ => builder.stream("R"),
        };
        if self.sides == Sides::Repartitioned {
            left = left.map(|key, value| (key.clone(), value.clone()));
            right = right
                .flat_map(|key, value| [(key.clone(), value.clone())])
                .select_key(|key, _| key.clone());
        }
        let mut joined = self.join(&left, &right, "first");
        if self.sides == Sides::Multi {
            joined = self.join(&joined, &right, "second");
        }
        joined.to("out");
        builder
    }

    fn join(self, left: &Texts, right: &Texts, name: &str) -> Texts {
        let (between, windows) = (self.between, self.windows.rust());
        let text = move |l: Option<&String>, r: Option<&String>| Some(join_texts(between, l, r));
        match self.kind {
            "inner" => left.join(
                right,
                move |l, r| text(l.as_ref(), r.as_ref()),
                windows,
                name,
            ),
            "left" => left.left_join(
                right,
                move |l, r| text(l.as_ref(), r.and_then(Option::as_ref)),
                windows,
                name,
            ),
            "outer" => left.outer_join(
                right,
                move |l, r| text(l.and_then(Option::as_ref), r.and_then(Option::as_ref)),
                windows,
                name,
            ),
            other => panic!("no join {other}"),
        }
    }
}

fn column(table: &Table, column: &str, variant: &str, shape: Shape<'_>) -> Case {
    let (checked, join) = (table.clone(), column.to_owned());
    Case {
        list: table.list(column),
        variant: variant.to_owned(),
        yaml: shape.yaml(),
        rust: shape.rust(),
        commit_every: 1,
        check: Box::new(move |name, mut driver| {
            checked.check(&join, name, &mut driver);
        }),
    }
}

/// With windows that never close. Kafka's tests of streams with new keys expect the same.
fn columns() -> Vec<Case> {
    let table = Table::read("stream_stream.csv");
    let mut cases = Vec::new();
    for join in table.joins() {
        let multi = join.starts_with("multi_");
        let shape = Shape {
            kind: join.trim_start_matches("multi_"),
            between: "-",
            windows: WIDE,
            sides: if multi { Sides::Multi } else { Sides::Two },
        };
        cases.push(column(&table, &join, "", shape));
        if !multi {
            let sides = Sides::Repartitioned;
            cases.push(column(&table, &join, "new keys", Shape { sides, ..shape }));
        }
    }
    cases
}

fn with_itself() -> Vec<Case> {
    let table = Table::read("stream_stream_self.csv");
    let case = |join: String| {
        let shape = Shape {
            kind: &join,
            between: "-",
            windows: WIDE,
            sides: Sides::Itself,
        };
        column(&table, &join, "", shape)
    };
    table.joins().into_iter().map(case).collect()
}

/// The table in Kafka's documentation.
fn documented() -> Vec<Case> {
    let table = Table::read("stream_stream_documented.csv");
    let case = |join: String| {
        let shape = Shape {
            kind: &join,
            between: "-",
            windows: DOCUMENTED,
            sides: Sides::Two,
        };
        column(&table, &join, "", shape)
    };
    table.joins().into_iter().map(case).collect()
}

/// With windows that close. Of the lists of `JoinWindows.of`, which Kafka removed in 4.0, what matched
/// nothing at once is left out: it comes when the window has closed, if nothing has matched it by then.
fn windows() -> Vec<Case> {
    let case = |steps: Steps| {
        let eager = steps.has("oldapi");
        let shape = Shape {
            kind: steps.setting("kind"),
            between: "+",
            windows: Windows::of(&steps),
            sides: Sides::Two,
        };
        let matched = |output: &String| !output.contains("null+") && !output.contains("+null");
        Case {
            list: steps.list(),
            variant: String::new(),
            yaml: shape.yaml(),
            rust: shape.rust(),
            commit_every: 1,
            check: Box::new(move |name, driver| {
                steps.run(driver, |inputs, expected, out| {
                    let mut expected = outputs(expected);
                    expected.retain(|output| !eager || matched(output));
                    assert_eq!(out, expected, "{name}: {inputs}");
                });
            }),
        }
    };
    let lists = Steps::read("stream_stream_windows.steps");
    lists.into_iter().map(case).collect()
}

pub(crate) fn cases() -> Vec<Case> {
    [columns(), with_itself(), documented(), windows()]
        .into_iter()
        .flatten()
        .collect()
}

#[test]
fn a_stream_joins_a_stream_as_kafka_streams_does() {
    run(&columns());
}

#[test]
fn a_stream_joins_itself_as_kafka_streams_does() {
    run(&with_itself());
}

#[test]
fn windows_of_a_join_close_as_they_do_in_kafka_streams() {
    run(&windows());
}

#[test]
fn windows_of_a_join_close_as_kafkas_documentation_says() {
    run(&documented());
}
