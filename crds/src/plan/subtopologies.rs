//! Divides a graph into subtopologies: nodes connected without a topic between them.

use std::collections::BTreeSet;

use super::graph::{NodeId, Plan, Subtopology, TopicRef};

/// Numbers the subtopologies in the order of their first nodes, as Kafka Streams does, and notes in
/// each node and store where it belongs.
pub(super) fn assign(plan: &mut Plan) {
    let mut groups = Groups::new(plan.nodes.len());
    let mut users: Vec<Option<NodeId>> = vec![None; plan.stores.len()];
    for node in &plan.nodes {
        for child in &node.children {
            groups.join(node.id.0, child.0);
        }
        for (store, _) in node.kind.stores() {
            let user = users[store.0].get_or_insert(node.id);
            groups.join(user.0, node.id.0);
        }
    }
    let mut roots: Vec<usize> = Vec::new();
    for index in 0..plan.nodes.len() {
        let root = groups.root(index);
        let id = roots
            .iter()
            .position(|known| *known == root)
            .unwrap_or_else(|| {
                roots.push(root);
                roots.len() - 1
            });
        plan.nodes[index].subtopology = id;
        for (store, _) in plan.nodes[index].kind.stores() {
            plan.stores[store.0].subtopology = id;
        }
    }
    let meetings = meetings(plan, &upstream(plan));
    plan.subtopologies = (0..roots.len())
        .map(|id| subtopology(plan, id, &meetings))
        .collect();
}

fn subtopology(plan: &Plan, id: usize, meetings: &[Meeting]) -> Subtopology {
    let nodes = plan.nodes.iter().filter(|node| node.subtopology == id);
    let mut sources: Vec<TopicRef> = nodes
        .clone()
        .flat_map(|node| node.kind.inputs())
        .cloned()
        .collect();
    sources.sort_by(|a, b| a.name().cmp(b.name()));
    let stores = plan.stores.iter().filter(|store| store.subtopology == id);
    Subtopology {
        id,
        nodes: nodes.map(|node| node.id).collect(),
        stores: stores.map(|store| store.id).collect(),
        sources,
        copartitioned: copartitioned(meetings.iter().filter(|m| m.subtopology == id)),
    }
}

/// The topics that meet in each node which needs equal keys on equal partitions, groups that overlap
/// made one.
fn copartitioned<'m>(meetings: impl Iterator<Item = &'m Meeting>) -> Vec<Vec<TopicRef>> {
    let mut groups: Vec<BTreeSet<TopicRef>> = Vec::new();
    for meeting in meetings {
        let mut group = meeting.topics.clone();
        groups.retain(|other| {
            let apart = group.is_disjoint(other);
            if !apart {
                group.extend(other.iter().cloned());
            }
            apart
        });
        groups.push(group);
    }
    groups.sort();
    groups
        .into_iter()
        .map(|group| group.into_iter().collect())
        .collect()
}

/// A node in which records of several topics meet by key.
pub(super) struct Meeting {
    pub node: NodeId,
    pub subtopology: usize,
    /// At least two.
    pub topics: BTreeSet<TopicRef>,
}

/// All nodes in which records of several topics meet by key: joins, and stores that are written from
/// merged streams. (Kafka Streams asks only joins for equal partition counts; an aggregate over merged
/// topics of unequal counts would have one key's value in two places.) `upstream` is [`upstream`]'s.
pub(super) fn meetings(plan: &Plan, upstream: &[BTreeSet<TopicRef>]) -> Vec<Meeting> {
    let mut written: Vec<BTreeSet<TopicRef>> = vec![BTreeSet::new(); plan.stores.len()];
    for node in &plan.nodes {
        for (store, _) in node.kind.stores().iter().filter(|(_, writes)| *writes) {
            written[store.0].extend(upstream[node.id.0].iter().cloned());
        }
    }
    let mut found = Vec::new();
    for node in &plan.nodes {
        let stores = node.kind.stores();
        if stores.is_empty() {
            continue;
        }
        let mut topics = upstream[node.id.0].clone();
        for (store, _) in stores {
            topics.extend(written[store.0].iter().cloned());
        }
        if topics.len() > 1 {
            found.push(Meeting {
                node: node.id,
                subtopology: node.subtopology,
                topics,
            });
        }
    }
    found
}

/// The topics whose records reach each node without another topic between, by node. Nodes are in
/// topological order, so one pass is enough.
pub(super) fn upstream(plan: &Plan) -> Vec<BTreeSet<TopicRef>> {
    let mut reached: Vec<BTreeSet<TopicRef>> = vec![BTreeSet::new(); plan.nodes.len()];
    for node in &plan.nodes {
        let mut topics = std::mem::take(&mut reached[node.id.0]);
        topics.extend(node.kind.inputs().into_iter().cloned());
        for child in &node.children {
            reached[child.0].extend(topics.iter().cloned());
        }
        reached[node.id.0] = topics;
    }
    reached
}

/// Sets of nodes that grow together (union-find).
struct Groups {
    parent: Vec<usize>,
}

impl Groups {
    fn new(count: usize) -> Self {
        Self {
            parent: (0..count).collect(),
        }
    }

    fn root(&mut self, mut index: usize) -> usize {
        while self.parent[index] != index {
            self.parent[index] = self.parent[self.parent[index]];
            index = self.parent[index];
        }
        index
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent[a.max(b)] = a.min(b);
    }
}
