//! What the views of a processor's stores have in common.

use millrace_crds::plan::SerdeKind;
use millrace_expr::{Bump, Value};

use super::error::ProcessorError;
use crate::error::EngineError;
use crate::processor::Context;
use crate::state::{Row, Shape, Store};
use crate::topology::{ProcessorNode, ProcessorTopology};

/// A value in a store, and its time.
///
/// ```
/// # use millrace_worker::api::Value;
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
/// # doc::process(|record, context| {
/// let mut totals = context.key_value("totals")?;
/// totals.put(record.key(), record.value(), record.timestamp())?;
/// let stored = totals.get(record.key())?.unwrap();
/// assert_eq!((stored.value, stored.timestamp), (Value::Int(250), 60_000));
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Stored<'r> {
    /// The value.
    pub value: Value<'r>,
    /// Its time, ms since the epoch, as it was written.
    pub timestamp: i64,
}

/// A store that a processor may use.
pub struct StoreAccess {
    /// Its name.
    pub name: String,
    /// Store slot.
    pub slot: usize,
    /// Whether it may be written: a table's may not.
    pub writes: bool,
}

/// A store in the hands of a processor.
pub(super) struct StoreAt<'s, 'r> {
    pub(super) access: &'r StoreAccess,
    pub(super) topology: &'r ProcessorTopology,
    pub(super) node: &'r ProcessorNode,
    pub(super) engine: Context<'s>,
    pub(super) arena: &'r Bump,
}

impl<'r> StoreAt<'_, 'r> {
    pub(super) fn store(&mut self) -> &mut Store {
        &mut self.engine.stores[self.access.slot]
    }

    pub(super) fn shape(&self) -> Shape {
        self.engine.stores[self.access.slot].shape()
    }

    /// The formats of its keys and values.
    pub(super) fn formats(&self) -> (SerdeKind, SerdeKind) {
        let committed = &self.engine.stores[self.access.slot].committed;
        (committed.key, committed.value)
    }

    /// Refuses to write what is only read.
    pub(super) fn check_writable(&self) -> Result<(), ProcessorError> {
        if self.access.writes {
            return Ok(());
        }
        Err(self.refused("it is a table's, and only read"))
    }

    /// The state has failed: the engine goes no further.
    pub(super) fn failed(&mut self, error: EngineError) -> ProcessorError {
        self.engine.processors.fail(error)
    }

    pub(super) fn refused(&self, why: &str) -> ProcessorError {
        ProcessorError::new(format!(
            "cannot use the store {} so: {why}",
            self.access.name
        ))
    }

    /// The bytes of a key.
    pub(super) fn key(&mut self, key: &Value<'_>) -> Result<&'r [u8], ProcessorError> {
        if key.is_null() {
            return Err(self.refused("the key is null"));
        }
        let serde = &self.topology.stores[self.access.slot].key.serde;
        self.engine.scratch.clear();
        serde
            .serialize(key, self.engine.scratch)
            .map_err(|error| self.refused(&format!("the key: {error}")))?;
        Ok(self.arena.alloc_slice_copy(self.engine.scratch))
    }

    /// The bytes of a value; `None` is null.
    pub(super) fn value(&mut self, value: &Value<'_>) -> Result<Option<&'r [u8]>, ProcessorError> {
        if value.is_null() {
            return Ok(None);
        }
        let serde = &self.topology.stores[self.access.slot].value.serde;
        self.engine.scratch.clear();
        serde
            .serialize(value, self.engine.scratch)
            .map_err(|error| self.refused(&format!("the value: {error}")))?;
        Ok(Some(self.arena.alloc_slice_copy(self.engine.scratch)))
    }

    /// Refuses a row that its changelog topic would refuse.
    pub(super) fn check_size(
        &self,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<(), ProcessorError> {
        let (topology, slot) = (self.topology, self.access.slot);
        topology
            .check_size(self.node, slot, key, value, &self.engine)
            .map_err(ProcessorError::node)
    }

    /// What a row means.
    pub(super) fn stored(&self, row: Row<'r>) -> Result<Stored<'r>, ProcessorError> {
        self.read_row(row, self.arena)
    }

    /// What a row means, its parts in an arena of one's own.
    pub(super) fn read_row<'a>(
        &self,
        row: Row<'a>,
        arena: &'a Bump,
    ) -> Result<Stored<'a>, ProcessorError> {
        let serde = &self.topology.stores[self.access.slot].value.serde;
        let value = serde
            .deserialize(row.value, arena)
            .map_err(|error| self.refused(&format!("the stored row is {error}")))?;
        Ok(Stored {
            value,
            timestamp: row.timestamp,
        })
    }

    /// What key bytes mean.
    pub(super) fn read_key<'a>(
        &self,
        bytes: &'a [u8],
        arena: &'a Bump,
    ) -> Result<Value<'a>, ProcessorError> {
        let serde = &self.topology.stores[self.access.slot].key.serde;
        serde
            .deserialize(bytes, arena)
            .map_err(|error| self.refused(&format!("a stored key is {error}")))
    }
}
