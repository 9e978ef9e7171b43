//! A global table's store in the hands of a processor: every task reads it, none writes it.

use millrace_crds::plan::GlobalTableId;
use millrace_expr::Bump;

use super::error::ProcessorError;
use super::store::StoreFormat;
use crate::processor::Context;
use crate::state::Row;
use crate::topology::Format;

/// The store of a global table, as a step may use it.
pub struct GlobalAccess {
    /// The store's name.
    pub name: String,
    /// The table.
    pub table: GlobalTableId,
    /// Format of its keys.
    pub key: Format,
    /// Format of its values.
    pub value: Format,
}

impl GlobalAccess {
    /// How its keys and values are written.
    pub(super) fn format(&self) -> StoreFormat<'_> {
        StoreFormat {
            store: &self.name,
            key: &self.key,
            value: &self.value,
        }
    }
}

/// The same, in the hands of a processor.
pub(super) struct GlobalAt<'s, 'r> {
    pub(super) access: &'r GlobalAccess,
    pub(super) engine: Context<'s>,
    pub(super) arena: &'r Bump,
}

impl<'r> GlobalAt<'_, 'r> {
    /// The row of a key, as it is now: the table is not in step with the task.
    pub(super) fn get(&mut self, key: &[u8]) -> Result<Option<Row<'r>>, ProcessorError> {
        let row = self.engine.globals.get(self.access.table, key, self.arena);
        row.map_err(|error| self.engine.processors.fail(error.into()))
    }

    /// Rows with `from <= key < to` in order, until the callback says stop.
    pub(super) fn scan(
        &mut self,
        from: &[u8],
        to: Option<&[u8]>,
        row: impl FnMut(&[u8], Row<'_>) -> bool,
    ) -> Result<(), ProcessorError> {
        let table = self.access.table;
        let scanned = self.engine.globals.scan(table, from, to, row);
        scanned.map_err(|error| self.engine.processors.fail(error.into()))
    }
}
