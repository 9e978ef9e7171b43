//! The plan's hash: what all running members must agree on.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::graph::{NodeKind, Plan, StoreKind};

/// The first 16 hex digits of the SHA-256 of [`agreement`].
pub(super) fn hash(plan: &Plan) -> String {
    let digest = Sha256::digest(agreement(plan).as_bytes());
    digest.iter().take(8).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Everything members must agree on, as text: subtopologies (task numbering) with their sources and
/// stores, formats of stores and repartition topics, internal topics. A line each, in an order that
/// the order of fields in the StreamApp cannot change. Names cannot contain the separators.
fn agreement(plan: &Plan) -> String {
    let mut lines = vec!["millrace plan 1".to_owned()];
    for subtopology in &plan.subtopologies {
        let sources: Vec<&str> = subtopology
            .sources
            .iter()
            .map(|topic| topic.name())
            .collect();
        lines.push(format!(
            "subtopology {} reads {}",
            subtopology.id,
            sources.join(",")
        ));
    }
    let mut stores: Vec<String> = plan
        .stores
        .iter()
        .map(|s| {
            let kind = match s.kind {
                StoreKind::KeyValue => "",
                StoreKind::Versioned { .. } => " versioned",
                StoreKind::Window { .. } => " windows",
                StoreKind::Session { .. } => " sessions",
            };
            format!(
                "store {} {} {} {} in {}{kind}",
                s.name,
                s.key,
                s.value,
                s.changelog.as_deref().unwrap_or("not-logged"),
                s.subtopology
            )
        })
        .collect();
    stores.sort_unstable();
    lines.extend(stores);
    let mut topics: Vec<String> = plan
        .internal_topics
        .iter()
        .map(|topic| {
            format!(
                "internal {} {:?} of {:?}",
                topic.name, topic.kind, topic.subtopology
            )
        })
        .collect();
    topics.extend(plan.nodes.iter().filter_map(|node| match &node.kind {
        NodeKind::RepartitionSink {
            topic, key, value, ..
        } => Some(format!("repartition {} {key} {value}", topic.name())),
        _ => None,
    }));
    topics.extend(plan.global_tables.iter().map(|table| {
        let (key, value) = (table.key, table.value);
        format!("global {} {key} {value} from {}", table.store, table.topic)
    }));
    topics.sort_unstable();
    lines.extend(topics);
    lines.join("\n")
}
