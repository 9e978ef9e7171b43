//! Stream-global-table joins (KStreamGlobalKTableJoin).

use millrace_expr::{Bump, Value};

use super::{Context, NodeError, encode, eval, processing, variables};
use crate::record::{Datum, Record};
use crate::topology::{Operation, ProcessorNode, ProcessorTopology};

impl ProcessorTopology {
    /// Joins a stream record with the row that its looked-up key has now; the table is not in step with
    /// the stream's time. A null value never joins; a key that gives nothing to look up joins nothing,
    /// and a left join still forwards it.
    pub(super) fn global_join<'r>(
        &'r self,
        node: &'r ProcessorNode,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let Operation::GlobalJoin {
            table,
            lookup,
            key,
            right,
            left,
            value,
        } = &node.operation
        else {
            return Ok(());
        };
        if record.value.is_null() {
            context.dropped.records += 1;
            return Ok(());
        }
        let looked_up = eval(node, lookup, &variables(record, arena), arena)?;
        let looked_up = Datum::computed(looked_up);
        let row = match encode(node, &looked_up, key, context.scratch, arena)? {
            Some(key) => context.globals.get(*table, key, arena)?,
            None if *left => None,
            None => {
                context.dropped.records += 1;
                return Ok(());
            }
        };
        let joined = match row {
            Some(row) => right
                .serde
                .deserialize(row.value, arena)
                .map_err(|error| processing(node, format!("the global table's row is {error}")))?,
            None if *left => Value::Null,
            None => return Ok(()),
        };
        let known = [record.key.value, record.value.value, joined];
        let value = Datum::computed(eval(node, value, &known, arena)?);
        self.forward(node, &Record { value, ..*record }, context, arena)
    }
}
