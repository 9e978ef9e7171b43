//! Tables computed record by record: `filter`, `filterNot`, `mapValues` (KTableFilter,
//! KTableMapValues).

use millrace_expr::Bump;

use super::{Context, NodeError, eval, is_true, variables};
use crate::record::{Change, Datum, Record};
use crate::topology::{Operation, ProcessorNode, ProcessorTopology};

impl ProcessorTopology {
    /// Computes the new value of a change, and the old one where a node below needs it. A filter that
    /// let neither through has nothing to tell, if it knows both.
    pub(super) fn computed_table<'r>(
        &'r self,
        node: &'r ProcessorNode,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        let value = computed(node, record, arena)?;
        let mut changed = Record { value, ..*record };
        if node.sends_old {
            let old = Record {
                value: record.old(),
                ..*record
            };
            let old = computed(node, &old, arena)?;
            let quiet = matches!(
                &node.operation,
                Operation::Filter {
                    versioned: false,
                    ..
                }
            );
            if quiet && value.is_null() {
                // Where the filtered table is kept, what it held is asked, not the input.
                let held = match self.kept_in(node) {
                    Some(store) => self
                        .row(node, store, &record.key, context, arena)?
                        .is_some(),
                    None => !old.is_null(),
                };
                if !held {
                    return Ok(());
                }
            }
            let latest = record.is_latest();
            changed.change = Some(arena.alloc(Change { old, latest }));
        }
        self.forward(node, &changed, context, arena)
    }

    /// The store that a computed table is kept in, if it is.
    fn kept_in(&self, node: &ProcessorNode) -> Option<usize> {
        let [child] = node.children[..] else {
            return None;
        };
        match self.nodes.get(child)?.operation {
            Operation::Upsert { store, .. } => Some(store),
            _ => None,
        }
    }
}

/// The value computed from a record's; a tombstone stays one.
fn computed<'r>(
    node: &'r ProcessorNode,
    record: &Record<'r>,
    arena: &'r Bump,
) -> Result<Datum<'r>, NodeError> {
    if record.value.is_null() {
        return Ok(Datum::NULL);
    }
    match &node.operation {
        Operation::Filter {
            predicate, negate, ..
        } => {
            let passes = is_true(node, predicate, record, arena)? != *negate;
            Ok(if passes { record.value } else { Datum::NULL })
        }
        Operation::Map {
            value: Some(value), ..
        } => {
            let value = eval(node, value, &variables(record, arena), arena)?;
            Ok(Datum::computed(value))
        }
        _ => Ok(record.value),
    }
}
