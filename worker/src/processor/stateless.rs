//! Operators of streams that keep no state.

use std::io::Write;

use millrace_crds::plan::{Expression, PeekTo};
use millrace_expr::{Bump, Value};

use super::{Context, NodeError, eval, is_true, processing, variables};
use crate::record::{Datum, Record};
use crate::topology::{Operation, ProcessorNode, ProcessorTopology};

impl ProcessorTopology {
    /// A stream's record with another key, or value, or both.
    pub(super) fn map<'r>(
        &'r self,
        node: &'r ProcessorNode,
        key: Option<&'r Expression>,
        value: Option<&'r Expression>,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let mut mapped = *record;
        let variables = variables(record, arena);
        if let Some(key) = key {
            mapped.key = Datum::computed(eval(node, key, &variables, arena)?);
            mapped.window = None;
        }
        if let Some(value) = value {
            mapped.value = Datum::computed(eval(node, value, &variables, arena)?);
        }
        self.forward(node, &mapped, context, arena)
    }

    /// Flat map, peek and split of a stream.
    pub(super) fn stateless<'r>(
        &'r self,
        node: &'r ProcessorNode,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        match &node.operation {
            Operation::FlatMap {
                elements,
                key,
                value,
            } => {
                let new = (key.as_ref(), value.as_ref());
                self.flat_map(node, elements, new, record, context, arena)
            }
            Operation::Peek { message, to } => {
                peek(node, message.as_ref(), to, record, arena)?;
                self.forward(node, record, context, arena)
            }
            Operation::Split { predicates } => {
                for (predicate, &child) in predicates.iter().zip(&node.children) {
                    if is_true(node, predicate, record, arena)? {
                        return self.process(child, record, context, arena);
                    }
                }
                match node.children.get(predicates.len()) {
                    Some(&default) => self.process(default, record, context, arena),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// A record per element, in order. Null is an empty list.
    fn flat_map<'r>(
        &'r self,
        node: &'r ProcessorNode,
        elements: &'r Expression,
        (key, value): (Option<&'r Expression>, Option<&'r Expression>),
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let [own_key, own_value, timestamp, headers, topic, window] = variables(record, arena);
        let known = [own_key, own_value, timestamp, headers, topic, window];
        let list = match eval(node, elements, &known, arena)? {
            Value::List(list) => list,
            Value::Null => return Ok(()),
            other => {
                let source = &elements.source;
                let message = format!("`{source}` gave {other}, not a list");
                return Err(processing(node, message));
            }
        };
        for &element in list {
            let known = [
                own_key, own_value, timestamp, headers, topic, element, window,
            ];
            let mut new = *record;
            if let Some(key) = key {
                new.key = Datum::computed(eval(node, key, &known, arena)?);
                new.window = None;
            }
            new.value = Datum::computed(match value {
                Some(value) => eval(node, value, &known, arena)?,
                None => element,
            });
            self.forward(node, &new, context, arena)?;
        }
        Ok(())
    }
}

fn peek<'r>(
    node: &'r ProcessorNode,
    message: Option<&'r Expression>,
    to: &PeekTo,
    record: &Record<'r>,
    arena: &'r Bump,
) -> Result<(), NodeError> {
    // The expression's errors are errors at any log level: a level is not a semantic.
    let text = match message {
        Some(message) => eval(node, message, &variables(record, arena), arena)?,
        None => Value::Null,
    };
    let (key, value) = (record.key.value, record.value.value);
    let timestamp = record.timestamp;
    match (to, message) {
        (PeekTo::Debug, Some(_)) => tracing::debug!(node = %node.name, "{text}"),
        (PeekTo::Debug, None) => {
            tracing::debug!(node = %node.name, %key, %value, timestamp, "record");
        }
        (PeekTo::Info, Some(_)) => tracing::info!(node = %node.name, "{text}"),
        (PeekTo::Info, None) => {
            tracing::info!(node = %node.name, %key, %value, timestamp, "record");
        }
        // Printing is for trying things out: one system call per record, and a reader that has gone
        // away is nobody's error.
        (PeekTo::Stdout(label), Some(_)) => {
            let _gone = writeln!(std::io::stdout().lock(), "[{label}]: {text}");
        }
        (PeekTo::Stdout(label), None) => {
            let _gone = writeln!(std::io::stdout().lock(), "[{label}]: {key}, {value}");
        }
    }
    Ok(())
}
