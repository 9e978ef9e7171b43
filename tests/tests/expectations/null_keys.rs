//! Null keys (KIP-962) and null values (RelaxedNullKeyRequirementJoinTest, KStreamKTableJoinTest,
//! KStreamGlobalKTable{,Left}JoinTest): outer sides keep null keys, also through a repartition topic;
//! null values are dropped by every join.

use std::time::Duration;

use millrace_worker::dsl::{JoinWindows, Joined, KStream, Repartitioned, StreamsBuilder};
use serde_json::{Value, json};

use crate::support::{Case, Steps, Text, join_texts, joiner, run, step};

const BAR: &str = "|";

fn through_repartition(topic: &str) -> Value {
    json!({"from": topic, "steps": [{"repartition": {"name": format!("{topic}-again")}}]})
}

/// Streams come through repartition topics, where only a join that keeps null keys lets them through; but
/// not to a join with a global table, which finds rows for them.
fn left(steps: &Steps) -> &'static str {
    match steps.setting("with") {
        "globalTable" => "left",
        _ => "left-again",
    }
}

fn yaml(steps: &Steps) -> Value {
    let streams = |joined: Value| {
        let mut streams = json!({"left": {"topic": "L"}, "joined": joined});
        if left(steps) != "left" {
            streams[left(steps)] = through_repartition("left");
        }
        streams
    };
    let join = |mut join: Value| {
        join["value"] = json!(joiner(BAR));
        json!({
            "from": left(steps),
            "steps": [{step(steps.setting("kind")): join}],
            "to": {"topic": "out"},
        })
    };
    match steps.setting("with") {
        "stream" => {
            let joined = join(json!({
                "stream": "right-again",
                "before": "60s",
                "after": "60s",
                "grace": "10s",
                "name": "joined",
            }));
            let mut streams = streams(joined);
            streams["right"] = json!({"topic": "R"});
            streams["right-again"] = through_repartition("right");
            json!({"streams": streams})
        }
        "table" => json!({
            "tables": {"right": {"topic": "R"}},
            "streams": streams(join(json!({"table": "right"}))),
        }),
        "globalTable" => json!({
            "globalTables": {"right": {"topic": "R"}},
            "streams": streams(join(json!({
                "globalTable": "right",
                "lookup": steps.setting("lookup"),
            }))),
        }),
        "nothing" => json!({
            "streams": streams(json!({"from": "left-again", "to": {"topic": "out"}})),
        }),
        other => panic!("no join with {other}"),
    }
}

fn rust(steps: &Steps) -> StreamsBuilder {
    let builder = StreamsBuilder::new();
    let again = |topic: &str, name: &str| {
        let stream = builder.stream::<Text, String>(topic);
        stream.repartition(Repartitioned::named(name))
    };
    let left = match left(steps) {
        "left" => builder.stream("L"),
        name => again("L", name),
    };
    let kind = || steps.setting("kind");
    let out = match steps.setting("with") {
        "stream" => with_stream(kind(), &left, &again("R", "right-again")),
        "table" => {
            let table = builder.table::<Text, String>("R");
            let how = Joined::new();
            match kind() {
                "inner" => left.join_table(&table, |l, r| join_texts(BAR, Some(l), Some(r)), how),
                "left" => left.left_join_table(&table, |l, r| join_texts(BAR, Some(l), r), how),
                other => panic!("no join {other}"),
            }
        }
        "globalTable" => {
            let table = builder.global_table::<Text, String>("R");
            let by_value = steps.setting("lookup") == "value";
            let lookup = move |_: &Text, value: &String| by_value.then(|| value.clone());
            match kind() {
                "inner" => {
                    left.join_global_table(&table, lookup, |l, r| join_texts(BAR, Some(l), Some(r)))
                }
                "left" => {
                    left.left_join_global_table(&table, lookup, |l, r| join_texts(BAR, Some(l), r))
                }
                other => panic!("no join {other}"),
            }
        }
        "nothing" => left,
        other => panic!("no join with {other}"),
    };
    out.to("out");
    builder
}

type Texts = KStream<Text, String>;

fn with_stream(kind: &str, left: &Texts, right: &Texts) -> Texts {
    let (minute, grace) = (Duration::from_secs(60), Duration::from_secs(10));
    let windows = JoinWindows::of_time_difference_and_grace(minute, grace);
    match kind {
        "inner" => left.join(
            right,
            |l, r| join_texts(BAR, Some(l), Some(r)),
            windows,
            "joined",
        ),
        "left" => left.left_join(right, |l, r| join_texts(BAR, Some(l), r), windows, "joined"),
        "outer" => left.outer_join(right, |l, r| join_texts(BAR, l, r), windows, "joined"),
        other => panic!("no join {other}"),
    }
}

pub(crate) fn cases() -> Vec<Case> {
    let case = |steps: Steps| Case {
        list: steps.list(),
        variant: String::new(),
        yaml: yaml(&steps),
        rust: rust(&steps),
        commit_every: 1,
        check: steps.exactly(),
    };
    let lists = Steps::read("null_keys.steps");
    lists.into_iter().map(case).collect()
}

#[test]
fn null_keys_and_null_values_are_kept_and_dropped_as_kafka_streams_does() {
    run(&cases());
}
