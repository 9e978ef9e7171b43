//! [`describe`]: a plan as text.

mod kind;

use std::fmt::Write;

use super::graph::{
    Expression, InternalTopicKind, Node, NodeKind, Plan, Store, StoreKind, Subtopology, TopicRef,
    WindowedKey,
};
use crate::duration::duration;
use kind::describe_kind;

/// A plan for people: subtopologies with their topics, stores and nodes, then the internal topics.
/// Arrows show where a node's results go.
pub fn describe(plan: &Plan) -> String {
    let mut text = format!("Application {} (plan {})\n", plan.application_id, plan.hash);
    for subtopology in &plan.subtopologies {
        describe_subtopology(plan, subtopology, &mut text);
    }
    for table in &plan.global_tables {
        if table.id.0 == 0 {
            text.push_str("\nGlobal tables\n");
        }
        let place = if table.in_memory { ", in memory" } else { "" };
        let (store, topic) = (&table.store, &table.topic);
        let (key, value) = (table.key, table.value);
        let _ = writeln!(text, "  {store}: {key} → {value}{place}, from {topic}");
    }
    text.push_str("\nInternal topics\n");
    let width = plan
        .internal_topics
        .iter()
        .map(|topic| topic.name.len())
        .max()
        .unwrap_or(0);
    for topic in &plan.internal_topics {
        let configs: Vec<String> = topic
            .configs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let kind = match topic.kind {
            InternalTopicKind::Tasks => "tasks",
            InternalTopicKind::Changelog => "changelog",
            InternalTopicKind::Repartition => "repartition",
            InternalTopicKind::DeadLetter => "dead letters",
        };
        let _ = writeln!(
            text,
            "  {:width$}  {kind:12}  {}",
            topic.name,
            configs.join(" ")
        );
    }
    text
}

fn describe_subtopology(plan: &Plan, subtopology: &Subtopology, text: &mut String) {
    let _ = writeln!(text, "\nSubtopology {}", subtopology.id);
    let mut reads = topics(&subtopology.sources);
    for id in &subtopology.nodes {
        if let NodeKind::StreamSource {
            topics, options, ..
        } = &plan.node(*id).kind
            && let Some(pattern) = options.pattern.as_ref().filter(|_| topics.is_empty())
        {
            let comma = if reads.is_empty() { "" } else { ", " };
            let _ = write!(reads, "{comma}topics matching `{}`", pattern.source);
        }
    }
    let _ = writeln!(text, "  reads   {reads}");
    for group in &subtopology.copartitioned {
        let _ = writeln!(text, "  equal partition counts: {}", topics(group));
    }
    for id in &subtopology.stores {
        let _ = writeln!(text, "  store   {}", describe_store(plan.store(*id)));
    }
    for id in &subtopology.nodes {
        let node = plan.node(*id);
        let _ = writeln!(
            text,
            "  node    {}: {}",
            node.name,
            describe_kind(plan, &node.kind)
        );
        for (index, child) in node.children.iter().enumerate() {
            let branch = branch_label(node, index);
            let _ = writeln!(text, "            → {}{branch}", plan.node(*child).name);
        }
    }
}

fn topics(topics: &[TopicRef]) -> String {
    topics
        .iter()
        .map(TopicRef::name)
        .collect::<Vec<_>>()
        .join(", ")
}

fn describe_store(store: &Store) -> String {
    let Store {
        name, key, value, ..
    } = store;
    let kind = match store.kind {
        StoreKind::KeyValue => String::new(),
        StoreKind::Versioned {
            history_retention_ms,
        } => format!(", versions of {}", duration(history_retention_ms)),
        StoreKind::Window {
            size_ms,
            retention_ms,
            retain_duplicates,
        } => {
            let all = if retain_duplicates {
                ", all records"
            } else {
                ""
            };
            let (size, kept) = (duration(size_ms), duration(retention_ms));
            format!(", windows of {size} kept {kept}{all}")
        }
        StoreKind::Session { retention_ms } => {
            format!(", sessions kept {}", duration(retention_ms))
        }
    };
    let windowed = match store.windowed {
        None => "",
        Some(WindowedKey::Time { .. }) => " by window",
        Some(WindowedKey::Session) => " by session",
    };
    let place = match (&store.supplier, store.in_memory) {
        (Some(supplier), _) => format!(", kept by {supplier}"),
        (None, true) => ", in memory".to_owned(),
        (None, false) => String::new(),
    };
    let cached = if store.caching { ", cached" } else { "" };
    let changelog = match &store.changelog {
        Some(changelog) => format!(", changelog {changelog}"),
        None => ", not logged".to_owned(),
    };
    format!("{name}: {key}{windowed} → {value}{kind}{place}{cached}{changelog}")
}

/// For a split's child: which records it gets.
fn branch_label(node: &Node, index: usize) -> String {
    match &node.kind {
        NodeKind::Split { predicates } => match predicates.get(index) {
            Some(predicate) => format!(" when {}", one_line(predicate)),
            None => " otherwise".to_owned(),
        },
        _ => String::new(),
    }
}

/// Characters of an expression that are shown.
const SHOWN_LENGTH: usize = 100;

/// An expression's text on one line, cut where it is long.
fn one_line(expression: &Expression) -> String {
    let text = expression
        .source
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    if text.chars().count() <= SHOWN_LENGTH {
        return text;
    }
    let shown: String = text.chars().take(SHOWN_LENGTH - 1).collect();
    format!("{shown}…")
}
