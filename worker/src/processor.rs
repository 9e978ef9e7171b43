//! What nodes do with a record: depth first from the source, each result handed straight to the
//! children. Nodes hold no state of their own; stores and the producer are in the [`Context`].
//!
//! Semantics are Kafka Streams'; where a rule is subtle, the place names its class or KIP.

mod aggregate;
mod join;
mod time;

pub use time::TimestampExtractor;

use millrace_crds::plan::Expression;
use millrace_expr::{Bump, Value};
use millrace_kafka::{ErrorKind, Headers};

use crate::error::EngineError;
use crate::record::{Datum, Record};
use crate::state::KeyValueStore;
use crate::task::collector::Collector;
use crate::topology::{Format, Operation, ProcessorNode, ProcessorTopology};

/// Where in a record's way it failed; decides which error policy applies (KIP-1033).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Its bytes are not what the source declares.
    Deserialization,
    /// A node's expression has no result for it.
    Processing,
    /// An output cannot be written: wrong type for the serde, or too large.
    Production,
}

/// Why a record stopped on its way.
#[derive(Debug)]
pub enum NodeError {
    /// This record alone is at fault: the error policy decides.
    Record {
        /// Where on its way.
        stage: Stage,
        /// Node name and field path, the failing record's way.
        node: String,
        /// What is wrong.
        message: String,
    },
    /// The engine cannot go on (state, producer).
    Engine(EngineError),
}

impl<E: Into<EngineError>> From<E> for NodeError {
    fn from(error: E) -> Self {
        Self::Engine(error.into())
    }
}

/// Records that were dropped by rule, not by error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Records without key or value where one is needed (Kafka Streams' `dropped-records-total`).
    pub records: u64,
}

/// What nodes of one task act on.
pub struct Context<'t> {
    /// The task's stores, by slot.
    pub stores: &'t mut [KeyValueStore],
    /// Where output goes.
    pub collector: &'t mut Collector,
    /// For bytes being written.
    pub scratch: &'t mut Vec<u8>,
    /// Partition of the task: where keyless output goes.
    pub partition: i32,
    /// Dropped records.
    pub dropped: &'t mut Dropped,
}

/// Variables of an expression over a record: `key, value, timestamp, headers, topic`.
fn variables<'r>(record: &Record<'r>, arena: &'r Bump) -> [Value<'r>; 5] {
    [
        record.key.value,
        record.value.value,
        Value::Int(record.timestamp),
        headers_value(record.headers, arena),
        Value::String(record.topic),
    ]
}

/// Headers as a map of text; bytes that are not UTF-8 stay bytes, of a repeated name the last wins.
fn headers_value<'r>(headers: Headers<'r>, arena: &'r Bump) -> Value<'r> {
    if headers.is_empty() {
        return Value::Map(&[]);
    }
    let mut entries = bumpalo::collections::Vec::new_in(arena);
    for (name, bytes) in headers.iter() {
        let value = match bytes {
            None => Value::Null,
            Some(bytes) => std::str::from_utf8(bytes).map_or(Value::Bytes(bytes), Value::String),
        };
        entries.retain(|(known, _)| *known != name);
        entries.push((name, value));
    }
    Value::Map(entries.into_bump_slice())
}

impl ProcessorTopology {
    /// Runs a record through a node and everything below it.
    pub fn process<'r>(
        &'r self,
        place: usize,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let node = &self.nodes[place];
        match &node.operation {
            Operation::Forward => self.forward(node, record, context, arena),
            Operation::Upsert { store } => self.upsert(node, *store, record, context, arena),
            Operation::Filter {
                predicate,
                negate,
                table,
            } => {
                // A tombstone never matches a table's filter (KTableFilter).
                let tombstone = *table && record.value.is_null();
                let passes = !tombstone && is_true(node, predicate, record, arena)? != *negate;
                if passes {
                    self.forward(node, record, context, arena)
                } else if *table {
                    let record = Record {
                        value: Datum::NULL,
                        ..*record
                    };
                    self.forward(node, &record, context, arena)
                } else {
                    Ok(())
                }
            }
            Operation::Map { key, value, table } => {
                let mut mapped = *record;
                if !(*table && record.value.is_null()) {
                    let variables = variables(record, arena);
                    if let Some(key) = key {
                        mapped.key = Datum::computed(eval(node, key, &variables, arena)?);
                    }
                    if let Some(value) = value {
                        mapped.value = Datum::computed(eval(node, value, &variables, arena)?);
                    }
                }
                self.forward(node, &mapped, context, arena)
            }
            Operation::Peek { message } => {
                peek(node, message.as_ref(), record, arena)?;
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
            Operation::Aggregate { store, aggregation } => {
                self.aggregate(node, *store, aggregation, record, context, arena)
            }
            Operation::Join { store, left, value } => {
                self.join(node, *store, *left, value, record, context, arena)
            }
            Operation::Sink {
                topic,
                key,
                value,
                needs_key,
            } => {
                if *needs_key && record.key.is_null() {
                    context.dropped.records += 1;
                    return Ok(());
                }
                let key = encode(node, &record.key, key, context.scratch, arena)?;
                let value = encode(node, &record.value, value, context.scratch, arena)?;
                let partition = context.collector.partition(*topic, key, context.partition);
                context
                    .collector
                    .send(
                        *topic,
                        partition,
                        record.timestamp,
                        key,
                        value,
                        record.headers,
                    )
                    .map_err(|error| match error.kind {
                        ErrorKind::TooLarge => production(node, error.to_string()),
                        _ => NodeError::Engine(error.into()),
                    })
            }
        }
    }

    /// Hands a record to all children.
    fn forward<'r>(
        &'r self,
        node: &'r ProcessorNode,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        for &child in &node.children {
            self.process(child, record, context, arena)?;
        }
        Ok(())
    }

    /// Writes the record into a table's store and passes the change on (KTableSource: also when it
    /// is older than the row, as an unversioned table does).
    fn upsert<'r>(
        &'r self,
        node: &'r ProcessorNode,
        store: usize,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        if record.key.is_null() {
            context.dropped.records += 1;
            return Ok(());
        }
        self.put(
            node,
            store,
            &record.key,
            &record.value,
            record.timestamp,
            context,
            arena,
        )?;
        self.forward(node, record, context, arena)
    }

    /// Writes a row, refusing one that its changelog topic would refuse: at the commit nobody could
    /// tell any more which record it came from.
    #[allow(clippy::too_many_arguments)]
    fn put<'r>(
        &'r self,
        node: &'r ProcessorNode,
        store: usize,
        key: &Datum<'r>,
        value: &Datum<'r>,
        timestamp: i64,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let slot = &self.stores[store];
        let key = encode(node, key, &slot.key, context.scratch, arena)?.unwrap_or_default();
        let value = encode(node, value, &slot.value, context.scratch, arena)?;
        if let Some(changelog) = slot.changelog {
            context
                .collector
                .check_size(changelog, Some(key), value, Headers::EMPTY)
                .map_err(|error| production(node, error.to_string()))?;
        }
        context.stores[store].put(key, value, timestamp);
        Ok(())
    }
}

/// Bytes of a key or value in a format: as they came where nobody changed them, else written into
/// the arena. `None` is null.
fn encode<'r>(
    node: &ProcessorNode,
    datum: &Datum<'r>,
    format: &Format,
    scratch: &mut Vec<u8>,
    arena: &'r Bump,
) -> Result<Option<&'r [u8]>, NodeError> {
    if datum.is_null() {
        return Ok(None);
    }
    match datum.encoded {
        Some((kind, bytes)) if kind == format.kind => return Ok(Some(bytes)),
        _ => {}
    }
    scratch.clear();
    format
        .serde
        .serialize(&datum.value, scratch)
        .map_err(|error| production(node, error.to_string()))?;
    Ok(Some(arena.alloc_slice_copy(scratch)))
}

fn place(node: &ProcessorNode) -> String {
    format!("{} ({})", node.name, node.path)
}

fn production(node: &ProcessorNode, message: String) -> NodeError {
    NodeError::Record {
        stage: Stage::Production,
        node: place(node),
        message,
    }
}

fn processing(node: &ProcessorNode, message: String) -> NodeError {
    NodeError::Record {
        stage: Stage::Processing,
        node: place(node),
        message,
    }
}

fn eval<'r>(
    node: &ProcessorNode,
    expression: &'r Expression,
    variables: &[Value<'r>],
    arena: &'r Bump,
) -> Result<Value<'r>, NodeError> {
    expression
        .eval(variables, arena)
        .map_err(|error| processing(node, error.to_string()))
}

fn is_true<'r>(
    node: &ProcessorNode,
    predicate: &'r Expression,
    record: &Record<'r>,
    arena: &'r Bump,
) -> Result<bool, NodeError> {
    match eval(node, predicate, &variables(record, arena), arena)? {
        Value::Bool(result) => Ok(result),
        other => Err(processing(
            node,
            format!(
                "the predicate `{}` gave {other}, not true or false",
                predicate.source
            ),
        )),
    }
}

fn peek<'r>(
    node: &ProcessorNode,
    message: Option<&'r Expression>,
    record: &Record<'r>,
    arena: &'r Bump,
) -> Result<(), NodeError> {
    // The expression's errors are errors at any log level: a level is not a semantic.
    let text = match message {
        Some(message) => Some(eval(node, message, &variables(record, arena), arena)?),
        None => None,
    };
    match text {
        Some(text) => tracing::debug!(node = %node.name, "{text}"),
        None => tracing::debug!(
            node = %node.name,
            key = %record.key.value,
            value = %record.value.value,
            timestamp = record.timestamp,
            "record"
        ),
    }
    Ok(())
}
