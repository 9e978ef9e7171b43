//! Between records and the bytes of rows, for nodes that look into stores by more than a key.

use bumpalo::collections::Vec as ArenaVec;
use millrace_crds::plan::WindowedKey;
use millrace_expr::{Bump, Value};
use millrace_kafka::Headers;

use super::{Context, NodeError, encode, processing, production};
use crate::record::{Datum, Record, Window};
use crate::state::{Row, SessionStore, Shape, VersionedStore, WindowStore};
use crate::topology::{Format, ProcessorNode, ProcessorTopology};

impl ProcessorTopology {
    /// A key's bytes in a store's format.
    pub(super) fn key_bytes<'r>(
        &'r self,
        node: &'r ProcessorNode,
        store: usize,
        key: &Datum<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<&'r [u8], NodeError> {
        let format = &self.stores[store].key;
        Ok(encode(node, key, format, context.scratch, arena)?.unwrap_or_default())
    }

    /// What key bytes of a store mean.
    pub(super) fn key_datum<'r>(
        &'r self,
        node: &'r ProcessorNode,
        store: usize,
        bytes: &'r [u8],
        arena: &'r Bump,
    ) -> Result<Datum<'r>, NodeError> {
        read(node, &self.stores[store].key, bytes, arena)
    }

    /// What value bytes of a store mean.
    pub(super) fn value_datum<'r>(
        &'r self,
        node: &'r ProcessorNode,
        store: usize,
        bytes: &'r [u8],
        arena: &'r Bump,
    ) -> Result<Datum<'r>, NodeError> {
        read(node, &self.stores[store].value, bytes, arena)
    }

    /// The bytes of a record's key in a store, with its window where the store's keys have one.
    pub(super) fn windowed_key_bytes<'r>(
        &'r self,
        node: &'r ProcessorNode,
        store: usize,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<&'r [u8], NodeError> {
        let key = self.key_bytes(node, store, &record.key, context, arena)?;
        let (Some(kind), Some(window)) = (self.stores[store].windowed, record.window) else {
            return Ok(key);
        };
        let mut bytes = ArenaVec::with_capacity_in(key.len() + 16, arena);
        bytes.extend_from_slice_copy(key);
        if kind == WindowedKey::Session {
            bytes.extend_from_slice_copy(&window.end.to_be_bytes());
        }
        bytes.extend_from_slice_copy(&window.start.to_be_bytes());
        Ok(bytes.into_bump_slice())
    }

    /// Key and window of the bytes that [`ProcessorTopology::windowed_key_bytes`] made.
    pub(super) fn windowed_key<'r>(
        &'r self,
        node: &'r ProcessorNode,
        store: usize,
        bytes: &'r [u8],
        arena: &'r Bump,
    ) -> Result<(Datum<'r>, Option<Window>), NodeError> {
        let (key, window) = match self.stores[store].windowed {
            None => (bytes, None),
            Some(kind) => Window::of_key(kind, bytes)
                .map(|(key, window)| (key, Some(window)))
                .ok_or_else(|| processing(node, "a stored key has no window".to_owned()))?,
        };
        Ok((self.key_datum(node, store, key, arena)?, window))
    }

    /// The row a table has for a record's key, and its window where it has one; of a versioned table the
    /// latest.
    pub(super) fn table_row<'r>(
        &'r self,
        node: &'r ProcessorNode,
        store: usize,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<Option<Row<'r>>, NodeError> {
        if record.key.is_null() {
            return Ok(None);
        }
        let shape = context.stores[store].shape();
        if matches!(shape, Shape::KeyValue { .. }) {
            let key = self.windowed_key_bytes(node, store, record, context, arena)?;
            return Ok(context.stores[store].get(key, arena)?);
        }
        let key = self.key_bytes(node, store, &record.key, context, arena)?;
        let table = &mut context.stores[store];
        Ok(match (shape, record.window) {
            (Shape::Versioned { .. }, _) => VersionedStore::new(table).latest(key, arena)?,
            (Shape::Window { .. }, Some(window)) => {
                WindowStore::new(table).get(key, window.start, arena)?
            }
            (Shape::Session { .. }, Some(window)) => {
                SessionStore::new(table).get(key, (window.start, window.end), arena)?
            }
            _ => None,
        })
    }

    /// Refuses a row that its changelog topic would refuse: at the commit nobody could tell any more
    /// which record it came from.
    pub(crate) fn check_size(
        &self,
        node: &ProcessorNode,
        store: usize,
        key: &[u8],
        value: Option<&[u8]>,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        let Some(changelog) = self.stores[store].changelog else {
            return Ok(());
        };
        context
            .collector
            .check_size(changelog, Some(key), value, Headers::EMPTY)
            .map_err(|error| production(node, error.to_string()))
    }

    /// A row's value with its bytes.
    pub(super) fn present<'r>(
        &'r self,
        node: &'r ProcessorNode,
        store: usize,
        row: Row<'r>,
        arena: &'r Bump,
    ) -> Result<Datum<'r>, NodeError> {
        self.value_datum(node, store, row.value, arena)
    }
}

fn read<'r>(
    node: &'r ProcessorNode,
    format: &'r Format,
    bytes: &'r [u8],
    arena: &'r Bump,
) -> Result<Datum<'r>, NodeError> {
    let value: Value<'r> = format
        .serde
        .deserialize(bytes, arena)
        .map_err(|error| processing(node, format!("the stored row is {error}")))?;
    Ok(Datum {
        value,
        encoded: Some((format.kind, bytes)),
    })
}
