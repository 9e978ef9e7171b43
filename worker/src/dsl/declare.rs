//! From nodes to a topology: names, and which nodes share a declaration.

use std::collections::BTreeSet;

use millrace_crds::Problem;
use millrace_crds::topology::{Step, Stream, Table, Topology, Versioned};

use super::graph::{Kind, Node, NodeId, Origin, problem};
use super::options::MaterializedTable;
use super::windows::written;

/// Steps of one declaration; the topology language's own bound.
const STEPS_MAX: usize = millrace_crds::limits::STEPS;
/// Characters of a made-up name before its number.
const NAME_MAX: usize = millrace_crds::limits::NAME_LENGTH - 8;

/// The topology of all nodes, and names that were asked for more than once.
pub(super) fn declare(nodes: &[Node]) -> (Topology, Vec<Problem>) {
    let (names, twice) = names(nodes);
    let inlined = inlined(nodes);
    let declarations = Declarations {
        nodes,
        names,
        inlined,
    };
    let twice = twice.into_iter().map(|name| {
        problem(
            format!("the name `{name}` was given twice"),
            "give each stream, table and branch a name of its own",
        )
    });
    (declarations.topology(), twice.collect())
}

/// A name for each node: the one asked for, else one like it that nobody has.
fn names(nodes: &[Node]) -> (Vec<String>, Vec<String>) {
    let mut taken = BTreeSet::new();
    let mut twice = Vec::new();
    for node in nodes.iter().filter(|node| node.named) {
        if !taken.insert(node.name.clone()) {
            twice.push(node.name.clone());
        }
    }
    let name = |node: &Node| {
        if node.named {
            return node.name.clone();
        }
        let plain = plain_name(&node.name);
        let mut name = plain.clone();
        let mut number = 2;
        while !taken.insert(name.clone()) {
            name = format!("{plain}-{number}");
            number += 1;
        }
        name
    };
    (nodes.iter().map(name).collect(), twice)
}

/// A name of the topology language like this text.
pub(super) fn plain_name(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    text.chars()
        .map(|c| if plain(c) { c } else { '-' })
        .take(NAME_MAX)
        .collect()
}

/// Whether each node is part of the declaration of the one node that goes on from it.
fn inlined(nodes: &[Node]) -> Vec<bool> {
    let mut goes_on: Vec<Option<NodeId>> = vec![None; nodes.len()];
    let mut several = vec![false; nodes.len()];
    for (id, node) in nodes.iter().enumerate() {
        match &node.origin {
            Origin::Steps(from, _) => several[*from] |= goes_on[*from].replace(id).is_some(),
            Origin::Merge(inputs) => inputs.iter().for_each(|input| several[*input] = true),
            _ => {}
        }
        for other in &node.refers_to {
            several[*other] = true;
        }
    }
    let mut length = vec![0; nodes.len()];
    let mut inlined = vec![false; nodes.len()];
    for (id, node) in nodes.iter().enumerate() {
        if let Origin::Steps(from, steps) = &node.origin {
            length[id] += steps.len() + if inlined[*from] { length[*from] } else { 0 };
        }
        let derived = matches!(node.origin, Origin::Steps(..) | Origin::Merge(_));
        let more = goes_on[id].map_or(STEPS_MAX, |next| match &nodes[next].origin {
            Origin::Steps(_, steps) => steps.len(),
            _ => STEPS_MAX,
        });
        inlined[id] = derived
            && !several[id]
            && !node.named
            && node.store.is_none()
            && goes_on[id].is_some()
            && length[id] + more <= STEPS_MAX;
    }
    inlined
}

/// Nodes with their names.
struct Declarations<'g> {
    nodes: &'g [Node],
    names: Vec<String>,
    /// Nodes that are part of another one's declaration.
    inlined: Vec<bool>,
}

impl Declarations<'_> {
    fn topology(&self) -> Topology {
        let mut topology = Topology::default();
        for (id, node) in self.nodes.iter().enumerate() {
            if self.inlined[id] {
                continue;
            }
            let name = self.names[id].clone();
            match &node.origin {
                Origin::Branch => {}
                Origin::Stream(stream) => {
                    topology.streams.insert(name, stream.clone());
                }
                Origin::Table(table) => {
                    topology.tables.insert(name, table.clone());
                }
                Origin::Global(table) => {
                    topology.global_tables.insert(name, table.clone());
                }
                Origin::Merge(_) | Origin::Steps(..) => self.derived(id, &mut topology),
            }
        }
        topology
    }

    /// Declares a node with all that is inlined in it.
    fn derived(&self, last: NodeId, topology: &mut Topology) {
        let mut parts: Vec<Vec<Step>> = Vec::new();
        let (mut from, mut merge) = (None, None);
        let mut node = &self.nodes[last];
        loop {
            match &node.origin {
                Origin::Merge(inputs) => {
                    let names = inputs.iter().map(|input| self.names[*input].clone());
                    merge = Some(names.collect());
                    break;
                }
                Origin::Steps(parent, steps) => {
                    parts.push(self.with_names(steps, &node.refers_to));
                    if !self.inlined[*parent] {
                        from = Some(self.names[*parent].clone());
                        break;
                    }
                    node = &self.nodes[*parent];
                }
                _ => break,
            }
        }
        let steps = parts.into_iter().rev().flatten().collect();
        let name = self.names[last].clone();
        let last = &self.nodes[last];
        match last.kind {
            Kind::Table => {
                let mut table = Table {
                    from,
                    steps,
                    ..Table::default()
                };
                if let Some(store) = &last.store {
                    keep(&mut table, store);
                }
                topology.tables.insert(name, table);
            }
            _ => {
                let stream = Stream {
                    from,
                    merge,
                    steps,
                    ..Stream::default()
                };
                topology.streams.insert(name, stream);
            }
        }
    }

    /// The steps with the names of the nodes they refer to.
    fn with_names(&self, steps: &[Step], refers_to: &[NodeId]) -> Vec<Step> {
        let mut others = refers_to.iter().copied();
        let mut steps = steps.to_vec();
        for step in &mut steps {
            match step {
                Step::Join(join) | Step::LeftJoin(join) | Step::OuterJoin(join) => {
                    let Some(right) = others.next() else { continue };
                    let name = Some(self.names[right].clone());
                    match self.nodes[right].kind {
                        Kind::Stream => join.stream = name,
                        Kind::Table => join.table = name,
                        Kind::Global => join.global_table = name,
                    }
                }
                Step::Cogroup(cogroup) => {
                    for (with, other) in cogroup.with.iter_mut().zip(&mut others) {
                        with.stream.clone_from(&self.names[other]);
                    }
                }
                _ => {}
            }
        }
        steps
    }
}

/// Has a table kept in a store.
pub(super) fn keep(table: &mut Table, MaterializedTable { store, versioned }: &MaterializedTable) {
    table.store = Some(store.store.clone());
    table.in_memory = store.in_memory;
    table.logging = store.logging;
    table.caching = store.caching;
    table.versioned = versioned.map(|retention| Versioned {
        retention: written(retention),
    });
}
