//! What is written to topics.

use millrace_crds::plan::WindowedKey;
use millrace_expr::{Bump, Value};
use millrace_kafka::ErrorKind;

use super::{Context, NodeError, encode, eval, production, variables};
use crate::change;
use crate::record::{Record, Window};
use crate::topology::{Operation, OutTopic, ProcessorNode, ProcessorTopology, Target};

impl ProcessorTopology {
    /// Writes a record to its topic.
    pub(super) fn sink<'r>(
        &'r self,
        node: &'r ProcessorNode,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let Operation::Sink {
            topic,
            key,
            windowed,
            value,
            needs_key,
            changes,
        } = &node.operation
        else {
            return Ok(());
        };
        if *needs_key && record.key.is_null() {
            context.dropped.records += 1;
            return Ok(());
        }
        let topic = match topic {
            Target::Fixed(topic) => *topic,
            Target::FromRecord(name) => {
                let known = topic_variables(record, context, arena);
                let name = eval(node, name, &known, arena)?;
                dynamic_topic(node, name, context)?
            }
        };
        let key = encode(node, &record.key, key, context.scratch, arena)?;
        // All windows of a key go to one partition: that of the key alone (WindowedStreamPartitioner).
        let partition_key = key;
        let key = match (windowed, record.window, key) {
            (Some(kind), Some(window), Some(key)) => Some(windowed_key(key, window, *kind, arena)),
            (_, _, key) => key,
        };
        let new = encode(node, &record.value, value, context.scratch, arena)?;
        let value = if *changes {
            let old = encode(node, &record.old(), value, context.scratch, arena)?;
            change::encode(old, new, arena)
        } else {
            new
        };
        let partition = context
            .collector
            .partition(topic, partition_key, context.partition);
        self.send(node, (topic, partition), (key, value), record, context)
    }

    /// Sends bytes with a record's time and headers.
    pub(super) fn send(
        &self,
        node: &ProcessorNode,
        (topic, partition): (OutTopic, i32),
        (key, value): (Option<&[u8]>, Option<&[u8]>),
        record: &Record<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), NodeError> {
        let (timestamp, headers) = (record.timestamp, record.headers);
        context
            .collector
            .send(topic, partition, timestamp, key, value, headers)
            .map_err(|error| match error.kind {
                ErrorKind::TooLarge => production(node, error.to_string()),
                _ => error.into(),
            })
    }
}

/// Variables of the name of a topic: those of most expressions, and `partition, offset` before the
/// window. No record, no offset.
fn topic_variables<'r>(
    record: &Record<'r>,
    context: &Context<'_>,
    arena: &'r Bump,
) -> [Value<'r>; 8] {
    let [key, value, timestamp, headers, topic, window] = variables(record, arena);
    let partition = Value::Int(context.partition.into());
    let offset = context.offset.map_or(Value::Null, Value::Int);
    [
        key, value, timestamp, headers, topic, partition, offset, window,
    ]
}

/// The topic a record names; one that does not exist is the record's fault.
fn dynamic_topic(
    node: &ProcessorNode,
    name: Value<'_>,
    context: &mut Context<'_>,
) -> Result<OutTopic, NodeError> {
    let Value::String(name) = name else {
        let message = format!("the topic's name is {name}, not text");
        return Err(production(node, message));
    };
    match context.collector.dynamic_topic(name)? {
        Some(topic) => Ok(topic),
        None => {
            let message = format!("there is no topic {name} to write to; create it");
            Err(production(node, message))
        }
    }
}

/// A key and its window as Kafka Streams' windowed serdes write them: `key ‖ start` of time windows,
/// `key ‖ end ‖ start` of sessions.
fn windowed_key<'r>(key: &[u8], window: Window, kind: WindowedKey, arena: &'r Bump) -> &'r [u8] {
    let mut bytes = bumpalo::collections::Vec::with_capacity_in(key.len() + 16, arena);
    bytes.extend_from_slice(key);
    if kind == WindowedKey::Session {
        bytes.extend_from_slice(&window.end.to_be_bytes());
    }
    bytes.extend_from_slice(&window.start.to_be_bytes());
    bytes.into_bump_slice()
}
