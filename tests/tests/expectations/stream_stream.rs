//! Streams with streams (StreamStreamJoinIntegrationTest, KStreamKStream{Join,LeftJoin,OuterJoin}Test).

use serde_json::{Value, json};

use crate::support::{DASH, PLUS, Steps, Table, drive, step};

fn join(kind: &str, with: &str, joiner: &str, windows: (&str, &str, &str), name: &str) -> Value {
    let (before, after, grace) = windows;
    json!({step(kind): {
        "stream": with,
        "before": before,
        "after": after,
        "grace": grace,
        "value": joiner,
        "name": name,
    }})
}

/// 10 s on both sides, 24 h of grace.
const WIDE: (&str, &str, &str) = ("10s", "10s", "24h");

#[test]
fn a_stream_joins_a_stream_as_kafka_streams_does() {
    let table = Table::read("stream_stream.csv");
    for kind in table.joins() {
        let multi = kind == "multi_inner";
        let first = kind.trim_start_matches("multi_");
        let mut steps = vec![join(first, "right", DASH, WIDE, "first")];
        if multi {
            steps.push(join("inner", "right", DASH, WIDE, "second"));
        }
        let topology = json!({"streams": {
            "left": {"topic": "L"},
            "right": {"topic": "R"},
            "joined": {"from": "left", "steps": steps, "to": {"topic": "out"}},
        }});
        table.check(&kind, drive(&topology));
    }
}

#[test]
fn a_stream_joins_itself_as_kafka_streams_does() {
    let table = Table::read("stream_stream_self.csv");
    let topology = json!({"streams": {
        "left": {"topic": "L"},
        "joined": {
            "from": "left",
            "steps": [join("inner", "left", DASH, WIDE, "self")],
            "to": {"topic": "out"},
        },
    }});
    table.check("inner", drive(&topology));
}

#[test]
fn windows_of_a_join_close_as_they_do_in_kafka_streams() {
    for steps in Steps::read("stream_stream_windows.steps") {
        let setting = |name: &str| format!("{}ms", steps.setting(name));
        let (before, after, grace) = (setting("before"), setting("after"), setting("grace"));
        let windows = (before.as_str(), after.as_str(), grace.as_str());
        let topology = json!({"streams": {
            "left": {"topic": "L"},
            "right": {"topic": "R"},
            "joined": {
                "from": "left",
                "steps": [join(steps.setting("kind"), "right", PLUS, windows, "joined")],
                "to": {"topic": "out"},
            },
        }});
        let test = steps.heading[0].clone();
        steps.run(drive(&topology), |inputs, expected, out| {
            let out = match out.join("; ") {
                none if none.is_empty() => "-".to_owned(),
                some => some,
            };
            assert_eq!(out, expected, "{test}: {inputs}");
        });
    }
}
