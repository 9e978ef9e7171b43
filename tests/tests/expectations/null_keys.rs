//! Null keys (KIP-962, RelaxedNullKeyRequirementJoinTest): outer sides keep them, also through a
//! repartition topic.

use serde_json::{Value, json};

use crate::support::{drive, feed, step};

const BAR: &str = r#"(left == null ? "null" : left) + "|" + (right == null ? "null" : right)"#;

fn through_repartition(topic: &str) -> Value {
    json!({"from": topic, "steps": [{"repartition": {"name": format!("{topic}-again")}}]})
}

#[test]
fn outer_sides_of_a_stream_stream_join_keep_null_keys() {
    for (kind, left, right) in [("inner", 0, 0), ("left", 1, 0), ("outer", 1, 1)] {
        let join = json!({
            "stream": "right-again",
            "before": "60s",
            "after": "60s",
            "grace": "10s",
            "value": BAR,
            "name": "joined",
        });
        let topology = json!({"streams": {
            "left": {"topic": "L"},
            "right": {"topic": "R"},
            "left-again": through_repartition("left"),
            "right-again": through_repartition("right"),
            "joined": {
                "from": "left-again",
                "steps": [{step(kind): join}],
                "to": {"topic": "out"},
            },
        }});
        let mut driver = drive(&topology);
        let of_right = feed(&mut driver, "R", "null:rightValue@1");
        assert_eq!(of_right, vec!["null:null|rightValue@1"; right], "{kind}");
        let of_left = feed(&mut driver, "L", "null:leftValue@1");
        assert_eq!(of_left, vec!["null:leftValue|null@1"; left], "{kind}");
    }
}

#[test]
fn a_left_join_with_a_table_keeps_null_keys() {
    for (kind, kept) in [("inner", 0), ("left", 1)] {
        let topology = json!({
            "tables": {"right": {"topic": "R"}},
            "streams": {
                "left": {"topic": "L"},
                "left-again": through_repartition("left"),
                "joined": {
                    "from": "left-again",
                    "steps": [{step(kind): {"table": "right", "value": BAR}}],
                    "to": {"topic": "out"},
                },
            },
        });
        let out = feed(&mut drive(&topology), "L", "null:leftValue@1");
        assert_eq!(out, vec!["null:leftValue|null@1"; kept], "{kind}");
    }
}

#[test]
fn a_left_join_with_a_global_table_keeps_null_keys() {
    for (kind, kept) in [("inner", 0), ("left", 1)] {
        let join = json!({"globalTable": "right", "lookup": "null", "value": BAR});
        let topology = json!({
            "globalTables": {"right": {"topic": "R"}},
            "streams": {
                "left": {"topic": "L"},
                "joined": {
                    "from": "left",
                    "steps": [{step(kind): join}],
                    "to": {"topic": "out"},
                },
            },
        });
        let out = feed(&mut drive(&topology), "L", "null:leftValue@1");
        assert_eq!(out, vec!["null:leftValue|null@1"; kept], "{kind}");
    }
}
