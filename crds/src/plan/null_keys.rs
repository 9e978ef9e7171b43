//! Which repartition topics keep records without a key (KIP-962): those above a join that keeps them.
//! Everywhere else such a record could only be dropped behind the topic.

use super::graph::{JoinKind, NodeKind, Plan};

/// Decides for every repartition topic of a stream. A join that keeps null keys may be anywhere below,
/// behind other topics too (NodesWithRelaxedNullKeyJoinDownstream). Nodes are in topological order, the
/// reader of a topic after its writer, so one pass from the end is enough.
pub(super) fn mark(plan: &mut Plan) {
    let mut keeps_below = vec![false; plan.nodes.len()];
    for index in (0..plan.nodes.len()).rev() {
        let node = &plan.nodes[index];
        let readers = plan.nodes.iter().filter(|reader| match &node.kind {
            NodeKind::RepartitionSink { topic, .. } => reader.kind.inputs().contains(&topic),
            _ => false,
        });
        let below = node
            .children
            .iter()
            .copied()
            .chain(readers.map(|reader| reader.id));
        let keeps = below
            .into_iter()
            .any(|child| keeps_below[child.0] || keeps_null_keys(&plan.nodes[child.0].kind));
        keeps_below[index] = keeps;
        if let NodeKind::RepartitionSink {
            drop_null_keys,
            changes: false,
            ..
        } = &mut plan.nodes[index].kind
        {
            *drop_null_keys = !keeps;
        }
    }
}

/// A join with an outer side on a stream.
fn keeps_null_keys(kind: &NodeKind) -> bool {
    match kind {
        NodeKind::StreamTableJoin { left, .. } | NodeKind::StreamGlobalJoin { left, .. } => *left,
        NodeKind::StreamStreamJoin { kind, .. } => *kind != JoinKind::Inner,
        _ => false,
    }
}
