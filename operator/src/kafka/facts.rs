//! [`KafkaFacts`]: what one look at a cluster found.

use std::collections::{BTreeMap, BTreeSet};

use millrace_crds::plan::Plan;
use millrace_kafka::{Admin, Result};

/// A topic that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicFacts {
    /// Number of partitions.
    pub partitions: i32,
    /// `cleanup.policy`, where it was asked for.
    pub cleanup_policy: Option<String>,
}

/// The cluster's id, and those topics asked for that exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaFacts {
    /// The cluster's id.
    pub cluster_id: String,
    /// Topics by name; those that do not exist are absent.
    pub topics: BTreeMap<String, TopicFacts>,
}

impl KafkaFacts {
    /// Partition counts, as the plan's layout takes them.
    pub fn partitions(&self) -> BTreeMap<String, i32> {
        let counts = self.topics.iter();
        counts
            .map(|(name, topic)| (name.clone(), topic.partitions))
            .collect()
    }
}

/// Looks at a cluster. Of the topics in `configured` the clean-up policy is read too: a request each.
/// With a plan that reads by pattern, also at the topics that match.
///
/// # Errors
/// Kafka does not answer, or refuses.
pub fn look(
    admin: &dyn Admin,
    topics: &BTreeSet<String>,
    configured: &BTreeSet<String>,
    patterns: Option<&Plan>,
) -> Result<KafkaFacts> {
    let cluster_id = admin.cluster_id()?;
    let all = match patterns {
        Some(_) => admin.list_topics()?,
        None => Vec::new(),
    };
    let mut names: BTreeSet<&str> = topics.iter().map(String::as_str).collect();
    if let Some(plan) = patterns {
        names.extend(plan.matching(all.iter().map(String::as_str)));
    }
    let names: Vec<&str> = names.into_iter().collect();
    let mut found = BTreeMap::new();
    for (name, info) in names.iter().zip(admin.topics(&names)?) {
        let Some(info) = info else { continue };
        let cleanup_policy = if configured.contains(*name) {
            admin.topic_configs(name)?.remove("cleanup.policy")
        } else {
            None
        };
        let topic = TopicFacts {
            partitions: info.partitions,
            cleanup_policy,
        };
        found.insert((*name).to_owned(), topic);
    }
    Ok(KafkaFacts {
        cluster_id,
        topics: found,
    })
}
