//! What nodes do with a record: depth first from the source, each result handed straight to the
//! children. Nodes hold no state of their own; stores and the producer are in the [`Context`].
//!
//! Semantics are Kafka Streams'; where a rule is subtle, the place names its class or KIP.

mod aggregate;
mod aggregation;
mod change_cache;
mod computed;
mod foreign_key;
mod global;
mod grace_join;
mod held;
mod held_back;
mod join;
mod node_times;
mod process;
mod rows;
mod sink;
mod stateless;
mod stream_join;
mod suppress;
mod table_aggregate;
mod table_join;
mod time;
mod windowed;

pub use change_cache::{ChangeCache, HeldChange};
pub use grace_join::GraceJoin;
pub use node_times::NodeTimes;
pub use process::ProcessStep;
pub use stream_join::StreamJoin;
pub use suppress::Suppress;
pub use time::TimestampExtractor;
pub use windowed::WindowedAggregate;
pub(crate) use windowed::first_window;

use millrace_crds::plan::Expression;
use millrace_expr::{Bump, Value};
use millrace_kafka::Headers;

use crate::api::Instances;
use crate::error::EngineError;
use crate::record::{Change, Datum, Record, Window};
use crate::state::{GlobalTables, Placed, Shape, Store, VersionedStore};
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

/// Why a record stopped on its way. A pointer, so that the results which every record passes through
/// are no larger than what they hold (docs/decisions/014).
#[derive(Debug)]
pub struct NodeError(Box<Failure>);

/// What stopped a record.
#[derive(Debug)]
pub enum Failure {
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

impl NodeError {
    /// An error of the record itself, at a node.
    #[cold]
    pub(crate) fn of_record(stage: Stage, node: &ProcessorNode, message: String) -> Self {
        let node = format!("{} ({})", node.name, node.path);
        Self(Box::new(Failure::Record {
            stage,
            node,
            message,
        }))
    }

    /// What happened.
    pub fn failure(&self) -> &Failure {
        &self.0
    }

    /// What happened, to be kept.
    pub fn into_failure(self) -> Failure {
        *self.0
    }
}

impl From<Failure> for NodeError {
    fn from(failure: Failure) -> Self {
        Self(Box::new(failure))
    }
}

impl<E: Into<EngineError>> From<E> for NodeError {
    #[cold]
    fn from(error: E) -> Self {
        Self(Box::new(Failure::Engine(error.into())))
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
    pub stores: &'t mut [Store],
    /// What they hold back, by slot.
    pub caches: &'t mut [ChangeCache],
    /// Global tables, by id.
    pub globals: &'t GlobalTables,
    /// Where output goes.
    pub collector: &'t mut Collector,
    /// For bytes being written.
    pub scratch: &'t mut Vec<u8>,
    /// Partition of the task: where keyless output goes.
    pub partition: i32,
    /// Dropped records.
    pub dropped: &'t mut Dropped,
    /// What nodes with a sense of time remember, by place.
    pub times: &'t mut [NodeTimes],
    /// The processors of the user's own.
    pub processors: &'t mut Instances,
    /// Offset of the input record; `None` where no record led here.
    pub offset: Option<i64>,
    /// Highest event time of the task, the input record's included, ms since the epoch; −1 before the
    /// first.
    pub stream_time: i64,
    /// The wall clock, ms since the epoch.
    pub now_ms: i64,
    /// Wall-clock time between two looks for results that are complete, ms.
    pub emit_interval_ms: i64,
}

impl Context<'_> {
    /// The same for a shorter time.
    pub(crate) fn reborrow(&mut self) -> Context<'_> {
        Context {
            stores: &mut *self.stores,
            caches: &mut *self.caches,
            globals: self.globals,
            collector: &mut *self.collector,
            scratch: &mut *self.scratch,
            dropped: &mut *self.dropped,
            times: &mut *self.times,
            processors: &mut *self.processors,
            ..*self
        }
    }
}

/// Variables of an expression over a record: `key, value, timestamp, headers, topic`, and `window`,
/// which only expressions below a windowed aggregation know.
fn variables<'r>(record: &Record<'r>, arena: &'r Bump) -> [Value<'r>; 6] {
    [
        record.key.value,
        record.value.value,
        Value::Int(record.timestamp),
        headers_value(record.headers, arena),
        Value::String(record.topic),
        window_value(record.window, arena),
    ]
}

/// A key's window as a map of ints; null where it has none.
fn window_value<'r>(window: Option<Window>, arena: &'r Bump) -> Value<'r> {
    match window {
        None => Value::Null,
        Some(Window { start, end }) => Value::Map(
            arena.alloc_slice_copy(&[("start", Value::Int(start)), ("end", Value::Int(end))]),
        ),
    }
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
            Operation::Upsert { store, changes } => {
                self.upsert(node, *store, *changes, record, context, arena)
            }
            Operation::Filter {
                predicate,
                negate,
                table: false,
                ..
            } => {
                if is_true(node, predicate, record, arena)? == *negate {
                    return Ok(());
                }
                self.forward(node, record, context, arena)
            }
            Operation::Map {
                key,
                value,
                table: false,
                ..
            } => self.map(node, key.as_ref(), value.as_ref(), record, context, arena),
            Operation::FlatMap { .. } | Operation::Peek { .. } | Operation::Split { .. } => {
                self.stateless(node, record, context, arena)
            }
            Operation::Filter { .. } | Operation::Map { .. } => {
                self.computed_table(node, record, context, arena)
            }
            Operation::Aggregate { store, aggregation } => {
                self.aggregate(node, *store, aggregation, record, context, arena)
            }
            Operation::TableGroup { .. } | Operation::TableAggregate { .. } => {
                self.table_aggregation(node, record, context, arena)
            }
            Operation::Join { store, left, value } => {
                self.join(node, *store, *left, value, record, context, arena)
            }
            Operation::Windowed(step) => {
                self.windowed_aggregate(node, step, record, context, arena)
            }
            Operation::StreamJoin(join) => self.stream_join(node, join, record, context, arena),
            Operation::GraceJoin(join) => self.grace_join(node, join, record, context, arena),
            Operation::Suppress(step) => self.suppress(node, step, record, context, arena),
            Operation::GlobalJoin { .. } => self.global_join(node, record, context, arena),
            Operation::TableJoin { .. } => self.table_join(node, record, context, arena),
            Operation::ForeignSend { .. }
            | Operation::ForeignReceive { .. }
            | Operation::ForeignChanged { .. }
            | Operation::ForeignAnswer { .. }
            | Operation::ForeignSink { .. } => self.foreign_key(node, record, context, arena),
            Operation::Process(_) => self.run_processor(place, record, context, arena),
            Operation::Sink { .. } => self.sink(node, record, context, arena),
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
        changes: bool,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        if record.key.is_null() {
            context.dropped.records += 1;
            return Ok(());
        }
        let key = self.windowed_key_bytes(node, store, record, context, arena)?;
        let format = &self.stores[store].value;
        let value = encode(node, &record.value, format, context.scratch, arena)?;
        if matches!(context.stores[store].shape(), Shape::Versioned { .. }) {
            return self.upsert_version(node, store, (key, value), record, context, arena);
        }
        let old = match (node.sends_old, changes) {
            (false, _) => None,
            (true, true) => Some(record.old()),
            (true, false) => {
                let row = context.stores[store].get(key, arena)?;
                Some(self.row_datum(node, store, row, arena)?)
            }
        };
        self.put_bytes(node, store, (key, value), record.timestamp, context)?;
        let change = old.map(|old| &*arena.alloc(Change { old, latest: true }));
        let changed = Record { change, ..*record };
        self.forward_change(node, store, &changed, context, arena)
    }

    /// As [`ProcessorTopology::upsert`], into a versioned table: a version that is older than history is
    /// kept goes no further, and one that is not the latest says so (KIP-914).
    fn upsert_version<'r>(
        &'r self,
        node: &'r ProcessorNode,
        store: usize,
        (key, value): (&'r [u8], Option<&'r [u8]>),
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        self.check_size(node, store, key, value, context)?;
        let mut versions = VersionedStore::new(&mut context.stores[store]);
        let before = if node.sends_old {
            versions.latest(key, arena)?
        } else {
            None
        };
        let placed = versions.put(key, value, record.timestamp, arena)?;
        if placed == Placed::Expired {
            context.dropped.records += 1;
            return Ok(());
        }
        let old = self.row_datum(node, store, before, arena)?;
        let latest = placed == Placed::Latest;
        let change = Some(&*arena.alloc(Change { old, latest }));
        self.forward(node, &Record { change, ..*record }, context, arena)
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
        self.put_bytes(node, store, (key, value), timestamp, context)
    }

    /// As [`ProcessorTopology::put`], of bytes.
    fn put_bytes(
        &self,
        node: &ProcessorNode,
        store: usize,
        (key, value): (&[u8], Option<&[u8]>),
        timestamp: i64,
        context: &mut Context<'_>,
    ) -> Result<(), NodeError> {
        self.check_size(node, store, key, value, context)?;
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

fn production(node: &ProcessorNode, message: String) -> NodeError {
    NodeError::of_record(Stage::Production, node, message)
}

fn processing(node: &ProcessorNode, message: String) -> NodeError {
    NodeError::of_record(Stage::Processing, node, message)
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
