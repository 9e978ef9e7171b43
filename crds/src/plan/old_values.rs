//! Which table nodes forward old values (Kafka Streams' `enableSendingOldValues`).

use super::graph::{JoinKind, NodeKind, Plan, Side, StoreId};

/// Marks every node whose changes must carry the old value. Nodes are in topological order, so one
/// pass from the end is enough.
pub(super) fn mark(plan: &mut Plan) {
    for index in (0..plan.nodes.len()).rev() {
        let sends = plan.nodes[index]
            .children
            .iter()
            .any(|child| wants(&plan.nodes[child.0].kind, plan.nodes[child.0].sends_old));
        let stores = plan.nodes[index].kind.stores();
        let caches = |(store, writes): (StoreId, bool)| writes && plan.store(store).caching;
        let caches = stores.into_iter().any(caches);
        plan.nodes[index].sends_old = sends || caches || always(&plan.nodes[index].kind);
    }
}

// A cache knows what it has forwarded last: a key that came and went meanwhile is no change.

/// A table's filter knows old values even where nobody below asks: without them it would send a
/// tombstone for each value that it never let through (the constructor of KTableFilter).
fn always(kind: &NodeKind) -> bool {
    matches!(kind, NodeKind::Filter { table: true, .. })
}

/// Whether a node wants old values of its parents, given whether it sends them itself.
fn wants(kind: &NodeKind, sends: bool) -> bool {
    match kind {
        NodeKind::TableGroup { .. }
        | NodeKind::ForeignKeySend { .. }
        | NodeKind::ForeignKeyChanged { .. } => true,
        // A side whose rows have results of their own must know whether there was one to delete.
        NodeKind::TableTableJoin { side, kind, .. } => match (kind, side) {
            (JoinKind::Outer, _) | (JoinKind::Left, Side::Left) => true,
            (JoinKind::Inner, _) | (JoinKind::Left, Side::Right) => sends,
        },
        NodeKind::Filter { table, .. }
        | NodeKind::Map { table, .. }
        | NodeKind::ToTable { table, .. } => *table && sends,
        NodeKind::Merge => sends,
        // A bound in bytes counts old values too (KTableSuppressProcessorSupplier wants them always).
        NodeKind::Suppress { bounds, .. } => sends || bounds.bytes.is_some(),
        _ => false,
    }
}
