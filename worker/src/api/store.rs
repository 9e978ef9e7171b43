//! What the views of a processor's stores have in common.

use millrace_crds::plan::SerdeKind;
use millrace_expr::{Bump, Value};

use super::error::ProcessorError;
use crate::error::EngineError;
use crate::processor::Context;
use crate::state::{Row, Shape, Store};
use crate::topology::{Format, ProcessorNode, ProcessorTopology};

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
        self.format().refused(why)
    }

    /// How its keys and values are written.
    pub(super) fn format(&self) -> StoreFormat<'r> {
        let slot = &self.topology.stores[self.access.slot];
        StoreFormat {
            store: &self.access.name,
            key: &slot.key,
            value: &slot.value,
        }
    }

    /// The bytes of a key.
    pub(super) fn key(&mut self, key: &Value<'_>) -> Result<&'r [u8], ProcessorError> {
        self.format()
            .key_bytes(key, self.engine.scratch, self.arena)
    }

    /// The bytes of a value; `None` is null.
    pub(super) fn value(&mut self, value: &Value<'_>) -> Result<Option<&'r [u8]>, ProcessorError> {
        self.format()
            .value_bytes(value, self.engine.scratch, self.arena)
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
            .map_err(|error| ProcessorError::node(error.into_failure()))
    }

    /// What a row means.
    pub(super) fn stored(&self, row: Row<'r>) -> Result<Stored<'r>, ProcessorError> {
        self.format().row(row, self.arena)
    }

    /// What key bytes mean.
    pub(super) fn read_key<'a>(
        &self,
        bytes: &'a [u8],
        arena: &'a Bump,
    ) -> Result<Value<'a>, ProcessorError> {
        self.format().key(bytes, arena)
    }
}

/// How a store's keys and values are written.
#[derive(Clone, Copy)]
pub(super) struct StoreFormat<'r> {
    /// The store's name.
    pub(super) store: &'r str,
    pub(super) key: &'r Format,
    pub(super) value: &'r Format,
}

impl<'r> StoreFormat<'r> {
    pub(super) fn refused(&self, why: &str) -> ProcessorError {
        ProcessorError::new(format!("cannot use the store {} so: {why}", self.store))
    }

    /// The bytes of a key.
    pub(super) fn key_bytes(
        &self,
        key: &Value<'_>,
        scratch: &mut Vec<u8>,
        arena: &'r Bump,
    ) -> Result<&'r [u8], ProcessorError> {
        if key.is_null() {
            return Err(self.refused("the key is null"));
        }
        scratch.clear();
        let written = self.key.serde.serialize(key, scratch);
        written.map_err(|error| self.refused(&format!("the key: {error}")))?;
        Ok(arena.alloc_slice_copy(scratch))
    }

    /// The bytes of a value; `None` is null.
    fn value_bytes(
        &self,
        value: &Value<'_>,
        scratch: &mut Vec<u8>,
        arena: &'r Bump,
    ) -> Result<Option<&'r [u8]>, ProcessorError> {
        if value.is_null() {
            return Ok(None);
        }
        scratch.clear();
        let written = self.value.serde.serialize(value, scratch);
        written.map_err(|error| self.refused(&format!("the value: {error}")))?;
        Ok(Some(arena.alloc_slice_copy(scratch)))
    }

    /// What a row means, its parts in an arena.
    pub(super) fn row<'a>(
        &self,
        row: Row<'a>,
        arena: &'a Bump,
    ) -> Result<Stored<'a>, ProcessorError> {
        let value = self.value.serde.deserialize(row.value, arena);
        let value = value.map_err(|error| self.refused(&format!("the stored row is {error}")))?;
        Ok(Stored {
            value,
            timestamp: row.timestamp,
        })
    }

    /// What key bytes mean.
    fn key<'a>(&self, bytes: &'a [u8], arena: &'a Bump) -> Result<Value<'a>, ProcessorError> {
        let key = self.key.serde.deserialize(bytes, arena);
        key.map_err(|error| self.refused(&format!("a stored key is {error}")))
    }

    /// Makes of a look at rows one at keys and values, which live for that call only. What could not be
    /// read is left in `failed`, and ends the look.
    pub(super) fn shown<'f>(
        self,
        failed: &'f mut Option<ProcessorError>,
        mut row: impl FnMut(Value<'_>, Stored<'_>) -> bool + 'f,
    ) -> impl FnMut(&[u8], Row<'_>) -> bool + 'f
    where
        'r: 'f,
    {
        let mut arena = Bump::new();
        move |key, bytes| {
            let read = self
                .key(key, &arena)
                .and_then(|key| Ok((key, self.row(bytes, &arena)?)));
            let go_on = match read {
                Ok((key, stored)) => row(key, stored),
                Err(error) => {
                    *failed = Some(error);
                    false
                }
            };
            arena.reset();
            go_on
        }
    }
}
