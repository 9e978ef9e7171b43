//! [`describe`]: a plan as text.

use std::fmt::Write;

use super::graph::{
    Aggregation, Expression, InternalTopicKind, Node, NodeKind, OffsetReset, Plan, Store,
    Subtopology, TopicRef,
};

/// A plan for people: subtopologies with their topics, stores and nodes, then the internal topics.
/// Arrows show where a node's results go.
pub fn describe(plan: &Plan) -> String {
    let mut text = format!("Application {} (plan {})\n", plan.application_id, plan.hash);
    for subtopology in &plan.subtopologies {
        describe_subtopology(plan, subtopology, &mut text);
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
    let _ = writeln!(text, "  reads   {}", topics(&subtopology.sources));
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
        name,
        key,
        value,
        changelog,
        ..
    } = store;
    let place = if store.in_memory { ", in memory" } else { "" };
    format!("{name}: {key} → {value}{place}, changelog {changelog}")
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

fn describe_kind(plan: &Plan, kind: &NodeKind) -> String {
    match kind {
        NodeKind::StreamSource { .. } | NodeKind::TableSource { .. } => describe_source(plan, kind),
        NodeKind::Filter {
            predicate,
            negate,
            table,
        } => {
            let name = if *negate { "filterNot" } else { "filter" };
            format!("{name}{} {}", of_table(*table), one_line(predicate))
        }
        NodeKind::Map { key, value, table } => {
            let key = key.iter().map(|key| format!("key = {}", one_line(key)));
            let value = value
                .iter()
                .map(|value| format!("value = {}", one_line(value)));
            let parts: Vec<String> = key.chain(value).collect();
            format!("map{} {}", of_table(*table), parts.join(", "))
        }
        NodeKind::Peek { message: None } => "peek".to_owned(),
        NodeKind::Peek {
            message: Some(message),
        } => format!("peek {}", one_line(message)),
        NodeKind::Merge => "pass on".to_owned(),
        NodeKind::Split { predicates } => format!("split into {}", predicates.len()),
        NodeKind::RepartitionSink { topic, key, value } => {
            format!("repartition to {} ({key} → {value})", topic.name())
        }
        NodeKind::Aggregate { store, aggregation } => {
            format!(
                "{} in store {}",
                describe_aggregation(aggregation),
                plan.store(*store).name
            )
        }
        NodeKind::StreamTableJoin { store, left, value } => {
            let name = if *left { "left join" } else { "join" };
            format!(
                "{name} with store {} to {}",
                plan.store(*store).name,
                one_line(value)
            )
        }
        NodeKind::ToTable { store } => format!("table in store {}", plan.store(*store).name),
        NodeKind::ToStream => "stream of the changes".to_owned(),
        NodeKind::Sink { topic, key, value } => format!("write to {topic} ({key} → {value})"),
    }
}

fn describe_source(plan: &Plan, kind: &NodeKind) -> String {
    match kind {
        NodeKind::StreamSource {
            topics: from,
            key,
            value,
            reset,
            timestamp,
        } => {
            let time = timestamp
                .as_ref()
                .map(|time| format!(", time {}", one_line(time)));
            let (reset, time) = (reset_label(*reset), time.unwrap_or_default());
            format!(
                "stream from {} ({key} → {value}{reset}{time})",
                topics(from)
            )
        }
        NodeKind::TableSource {
            topic,
            key,
            value,
            reset,
            store,
        } => {
            let (topic, reset) = (topic.name(), reset_label(*reset));
            let store = &plan.store(*store).name;
            format!("table from {topic} ({key} → {value}{reset}) in store {store}")
        }
        _ => String::new(),
    }
}

fn describe_aggregation(aggregation: &Aggregation) -> String {
    match aggregation {
        Aggregation::Count => "count".to_owned(),
        Aggregation::Reduce(update) => format!("reduce {}", one_line(update)),
        Aggregation::Aggregate { initial, update } => {
            format!(
                "aggregate from {} by {}",
                one_line(initial),
                one_line(update)
            )
        }
    }
}

fn reset_label(reset: OffsetReset) -> &'static str {
    match reset {
        OffsetReset::Earliest => "",
        OffsetReset::Latest => ", from latest",
    }
}

fn of_table(table: bool) -> &'static str {
    if table { " of a table" } else { "" }
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
