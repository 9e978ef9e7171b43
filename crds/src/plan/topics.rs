//! The application's internal topics: names and configurations.

use std::collections::BTreeMap;

use super::graph::{InternalTopic, InternalTopicKind, Node, NodeKind, Plan, StoreKind, TopicRef};
use crate::stream_app::ErrorsSpec;

/// One hour: nothing is ever written to the tasks topic.
const TASKS_RETENTION_MS: &str = "3600000";
/// 50 MB, Kafka Streams' own choice: records are deleted by whole segments once they were processed.
const REPARTITION_SEGMENT_BYTES: &str = "52428800";
/// 1 GiB per partition. Dead letters are kept by size, not by age: they have the time of the record
/// that failed, and an old one would be gone at once.
const DEAD_LETTER_RETENTION_BYTES: &str = "1073741824";
/// One day on top of what a window or a version needs: the log's clock is not stream time (Kafka
/// Streams' `windowstore.changelog.additional.retention.ms`).
const ADDITIONAL_RETENTION_MS: i64 = 24 * 3600 * 1000;

pub(super) fn tasks_topic(application_id: &str) -> String {
    format!("{application_id}-tasks")
}

pub(super) fn changelog_topic(application_id: &str, store: &str) -> String {
    format!("{application_id}-{store}-changelog")
}

pub(super) fn repartition_topic(application_id: &str, name: &str) -> String {
    format!("{application_id}-{name}-repartition")
}

fn dead_letter_topic(application_id: &str) -> String {
    format!("{application_id}-dead-letter")
}

/// All internal topics: tasks, changelogs, repartition topics, dead letters. `partitions` has the
/// counts that were asked for, by full name.
pub(super) fn internal_topics(
    plan: &Plan,
    errors: &ErrorsSpec,
    partitions: &BTreeMap<String, i32>,
) -> Vec<InternalTopic> {
    let mut topics = vec![InternalTopic {
        name: tasks_topic(&plan.application_id),
        kind: InternalTopicKind::Tasks,
        configs: configs(&[
            ("cleanup.policy", "delete"),
            ("retention.ms", TASKS_RETENTION_MS),
        ]),
        subtopology: None,
        partitions: None,
    }];
    for store in &plan.stores {
        let Some(name) = &store.changelog else {
            continue;
        };
        topics.push(InternalTopic {
            name: name.clone(),
            kind: InternalTopicKind::Changelog,
            configs: changelog_configs(store.kind),
            subtopology: Some(store.subtopology),
            partitions: None,
        });
    }
    for node in &plan.nodes {
        let NodeKind::StreamSource { topics: inputs, .. } = &node.kind else {
            continue;
        };
        for input in inputs {
            let TopicRef::Repartition(name) = input else {
                continue;
            };
            topics.push(InternalTopic {
                name: name.clone(),
                kind: InternalTopicKind::Repartition,
                configs: configs(&[
                    ("cleanup.policy", "delete"),
                    ("message.timestamp.type", "CreateTime"),
                    ("retention.ms", "-1"),
                    ("segment.bytes", REPARTITION_SEGMENT_BYTES),
                ]),
                subtopology: Some(node.subtopology),
                partitions: partitions.get(name).copied(),
            });
        }
    }
    let of_source = |node: &Node| match &node.kind {
        NodeKind::StreamSource { options, .. } | NodeKind::TableSource { options, .. } => {
            let own = options.errors;
            let own = [own.deserialization, own.processing, own.production];
            own.into_iter()
                .flatten()
                .any(|policy| errors.may_dead_letter(policy))
        }
        _ => false,
    };
    if errors.uses_dead_letters() || plan.nodes.iter().any(of_source) {
        let own = || dead_letter_topic(&plan.application_id);
        topics.push(InternalTopic {
            name: errors.dead_letter_topic.clone().unwrap_or_else(own),
            kind: InternalTopicKind::DeadLetter,
            configs: configs(&[
                ("cleanup.policy", "delete"),
                ("message.timestamp.type", "CreateTime"),
                ("retention.bytes", DEAD_LETTER_RETENTION_BYTES),
                ("retention.ms", "-1"),
            ]),
            subtopology: None,
            partitions: None,
        });
    }
    topics
}

/// How a changelog is kept, as Kafka Streams does: rows of windows go with their windows.
fn changelog_configs(kind: StoreKind) -> BTreeMap<String, String> {
    let (policy, (name, ms)) = match kind {
        StoreKind::KeyValue => ("compact", ("", 0)),
        StoreKind::Versioned {
            history_retention_ms,
        } => {
            let lag = history_retention_ms.saturating_add(ADDITIONAL_RETENTION_MS);
            ("compact", ("min.compaction.lag.ms", lag))
        }
        StoreKind::Window { retention_ms, .. } | StoreKind::Session { retention_ms } => {
            let retention = retention_ms.saturating_add(ADDITIONAL_RETENTION_MS);
            ("compact,delete", ("retention.ms", retention))
        }
    };
    let mut configs = configs(&[
        ("cleanup.policy", policy),
        ("message.timestamp.type", "CreateTime"),
    ]);
    if !name.is_empty() {
        configs.insert(name.to_owned(), ms.to_string());
    }
    configs
}

fn configs(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}
