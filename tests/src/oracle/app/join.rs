//! Joins of a case as steps of the topology language.

use anyhow::bail;
use serde_json::{Value, json};

use super::{millis, serdes, topic_name};
use crate::oracle::case::{JoinKind, Op};
use crate::oracle::function::joiner;

/// Where the left side comes from, and the step.
pub(super) fn join<'c>(name: &str, op: &'c Op) -> anyhow::Result<(&'c str, Vec<Value>)> {
    let mut join = json!({"value": joiner(), "name": topic_name(name), "serdes": serdes()});
    let (kind, left) = match op {
        Op::StreamJoin {
            kind,
            left,
            right,
            before,
            after,
            grace,
        } => {
            join["stream"] = json!(right);
            join["rightValue"] = json!("json");
            join["before"] = json!(millis(*before));
            join["after"] = json!(millis(*after));
            join["grace"] = json!(millis(*grace));
            (kind, left)
        }
        Op::StreamTableJoin {
            kind,
            left,
            table,
            grace,
        } => {
            join["table"] = json!(table);
            if let Some(grace) = grace {
                join["grace"] = json!(millis(*grace));
            }
            (kind, left)
        }
        Op::GlobalJoin {
            kind,
            left,
            table,
            key,
        } => {
            join = json!({"globalTable": table, "value": joiner(), "lookup": key.cel()});
            (kind, left)
        }
        Op::TableJoin {
            kind,
            left,
            right,
            store,
        } => {
            join = json!({"table": right, "value": joiner(), "serdes": serdes()});
            if let Some(store) = store {
                join["store"] = json!(store);
            }
            (kind, left)
        }
        Op::ForeignKeyJoin {
            kind,
            left,
            right,
            key,
            store,
        } => {
            join["table"] = json!(right);
            join["foreignKey"] = json!(key.cel());
            join["store"] = json!(store);
            (kind, left)
        }
        op => bail!("not in the topology language: {op:?}"),
    };
    let tag = match kind {
        JoinKind::Inner => "join",
        JoinKind::Left => "leftJoin",
        JoinKind::Outer => "outerJoin",
    };
    Ok((left, vec![json!({tag: join})]))
}
