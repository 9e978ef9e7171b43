//! Joins of two tables by their keys (KTableKTableInnerJoin, …LeftJoin, …RightJoin, …OuterJoin).

use millrace_crds::plan::{JoinKind, Side};
use millrace_expr::Bump;

use super::{Context, NodeError, eval};
use crate::record::{Change, Datum, Record};
use crate::topology::{Operation, ProcessorNode, ProcessorTopology};

impl ProcessorTopology {
    /// Joins one side's change with the other side's row. The result's time is the later of both.
    pub(super) fn table_join<'r>(
        &'r self,
        node: &'r ProcessorNode,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let Operation::TableJoin {
            side,
            other,
            kind,
            value,
        } = &node.operation
        else {
            return Ok(());
        };
        if record.key.is_null() || !record.is_latest() {
            context.dropped.records += 1;
            return Ok(());
        }
        let row = self.table_row(node, *other, record, context, arena)?;
        let theirs = self.row_datum(node, *other, row, arena)?;
        let (new, old) = (record.value, record.old());
        // Without the other row: an inner join has no result, a left join none for its right side; and
        // nothing is deleted that was never there.
        let needs_other = match (kind, side) {
            (JoinKind::Inner, _) | (JoinKind::Left, Side::Right) => true,
            (JoinKind::Left, Side::Left) | (JoinKind::Outer, _) => new.is_null() && old.is_null(),
        };
        if theirs.is_null() && needs_other {
            return Ok(());
        }
        // Whether a result stands without an own value: it is the other row's.
        let own_optional = match (kind, side) {
            (JoinKind::Inner, _) | (JoinKind::Left, Side::Left) => false,
            (JoinKind::Left, Side::Right) => true,
            (JoinKind::Outer, _) => !theirs.is_null(),
        };
        let join = |own: Datum<'r>| -> Result<Datum<'r>, NodeError> {
            if own.is_null() && !own_optional {
                return Ok(Datum::NULL);
            }
            let (left, right) = match side {
                Side::Left => (own.value, theirs.value),
                Side::Right => (theirs.value, own.value),
            };
            let known = [record.key.value, left, right];
            Ok(Datum::computed(eval(node, value, &known, arena)?))
        };
        let joined = join(new)?;
        let change = if node.sends_old {
            let (old, latest) = (join(old)?, true);
            Some(&*arena.alloc(Change { old, latest }))
        } else {
            None
        };
        let result = Record {
            value: joined,
            timestamp: row.map_or(record.timestamp, |row| row.timestamp.max(record.timestamp)),
            change,
            ..*record
        };
        self.forward(node, &result, context, arena)
    }
}
