//! Stream-table joins (KStreamKTableJoinProcessor).

use millrace_crds::plan::Expression;
use millrace_expr::{Bump, Value};

use super::{Context, NodeError, eval};
use crate::record::{Datum, Record};
use crate::topology::{ProcessorNode, ProcessorTopology};

impl ProcessorTopology {
    /// Joins a stream record with the row its key has now, of a versioned table at the record's time. The result has the stream record's time.
    /// A null value never joins; a null key joins nothing, and a left join still forwards it
    /// (KIP-962).
    #[allow(clippy::too_many_arguments)]
    pub(super) fn join<'r>(
        &'r self,
        node: &'r ProcessorNode,
        store: usize,
        left: bool,
        value: &'r Expression,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        if record.value.is_null() || (record.key.is_null() && !left) {
            context.dropped.records += 1;
            return Ok(());
        }
        let right = match self.row_as_of(node, store, record, context, arena)? {
            Some(row) => self.row_value(node, store, row, arena)?,
            None if left => Value::Null,
            None => return Ok(()),
        };
        let variables = [record.key.value, record.value.value, right];
        let value = Datum::computed(eval(node, value, &variables, arena)?);
        self.forward(node, &Record { value, ..*record }, context, arena)
    }
}
