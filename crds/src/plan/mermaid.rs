//! [`mermaid`]: a plan as a Mermaid flowchart.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::graph::{Node, NodeKind, Plan, SinkTopic, TopicRef};

/// A plan as the text of a Mermaid flowchart: a subgraph per subtopology, topics outside of them,
/// stores as cylinders.
pub fn mermaid(plan: &Plan) -> String {
    let mut text = "flowchart LR\n".to_owned();
    for subtopology in &plan.subtopologies {
        let _ = writeln!(
            text,
            "  subgraph sub{0}[\"subtopology {0}\"]",
            subtopology.id
        );
        for id in &subtopology.nodes {
            let node = plan.node(*id);
            let _ = writeln!(text, "    n{}[\"{}\"]", id.0, escape(&node.name));
        }
        for id in &subtopology.stores {
            let _ = writeln!(
                text,
                "    s{}[(\"{}\")]",
                id.0,
                escape(&plan.store(*id).name)
            );
        }
        text.push_str("  end\n");
    }
    let topics = Topics::of(plan);
    for table in &plan.global_tables {
        let id = table.id.0;
        let _ = writeln!(text, "  g{id}[(\"{}\")]", escape(&table.store));
        let _ = writeln!(text, "  t{} --> g{id}", topics.ids[table.topic.as_str()]);
    }
    for (name, index) in &topics.ids {
        let _ = writeln!(text, "  t{index}([\"{}\"])", escape(name));
    }
    for node in &plan.nodes {
        edges(node, &topics, &mut text);
    }
    text
}

/// Numbers of topics, by name.
struct Topics<'a> {
    ids: BTreeMap<&'a str, usize>,
}

impl<'a> Topics<'a> {
    fn of(plan: &'a Plan) -> Self {
        let mut ids: BTreeMap<&str, usize> = BTreeMap::new();
        for node in &plan.nodes {
            let inputs = node.kind.inputs().into_iter().map(|topic| topic.name());
            for name in inputs.chain(output(node)) {
                ids.insert(name, 0);
            }
        }
        for table in &plan.global_tables {
            ids.insert(&table.topic, 0);
        }
        for (index, id) in ids.values_mut().enumerate() {
            *id = index;
        }
        Self { ids }
    }
}

/// The topic a node writes to.
fn output(node: &Node) -> Option<&str> {
    match &node.kind {
        NodeKind::Sink {
            topic: SinkTopic::Fixed(topic),
            ..
        } => Some(topic),
        kind => kind.repartition().map(TopicRef::name),
    }
}

fn edges(node: &Node, topics: &Topics<'_>, text: &mut String) {
    let id = node.id.0;
    for topic in node.kind.inputs() {
        let _ = writeln!(text, "  t{} --> n{id}", topics.ids[topic.name()]);
    }
    for child in &node.children {
        let _ = writeln!(text, "  n{id} --> n{}", child.0);
    }
    if let Some(topic) = output(node) {
        let _ = writeln!(text, "  n{id} --> t{}", topics.ids[topic]);
    }
    for (store, writes) in node.kind.stores() {
        let edge = match writes {
            true => format!("n{id} -.-> s{}", store.0),
            false => format!("s{} -.-> n{id}", store.0),
        };
        let _ = writeln!(text, "  {edge}");
    }
    let globals = match &node.kind {
        NodeKind::StreamGlobalJoin { table, .. } => std::slice::from_ref(table),
        NodeKind::Process { globals, .. } => globals,
        _ => &[],
    };
    for table in globals {
        let _ = writeln!(text, "  g{} -.-> n{id}", table.0);
    }
}

/// Mermaid's quoted text knows entities, not backslashes.
fn escape(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;")
}
