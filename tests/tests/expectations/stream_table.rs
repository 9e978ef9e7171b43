//! Streams with tables (StreamTableJoinIntegrationTest, StreamTableJoinWithGraceIntegrationTest).

use serde_json::json;

use crate::support::{DASH, Table, drive, step};

#[test]
fn a_stream_joins_a_table_as_kafka_streams_does() {
    let table = Table::read("stream_table.csv");
    for join in table.joins() {
        let mut right = json!({"topic": "R"});
        if join.contains("_v") {
            right["versioned"] = json!({"retention": "5m"});
        }
        let kind = join.split('_').next().unwrap();
        let mut settings = json!({"table": "right", "value": DASH});
        if join.ends_with("_grace2") {
            settings["grace"] = json!("2ms");
            settings["name"] = json!("held");
        }
        let topology = json!({
            "tables": {"right": right},
            "streams": {
                "left": {"topic": "L"},
                "joined": {
                    "from": "left",
                    "steps": [{step(kind): settings}],
                    "to": {"topic": "out"},
                },
            },
        });
        table.check(&join, drive(&topology));
    }
}
