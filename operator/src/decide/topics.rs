//! Which topics are missing, wrong, or to be made: the plan laid out over what Kafka has.

use std::collections::{BTreeMap, BTreeSet};

use millrace_crds::plan::{InternalTopic, InternalTopicKind, Layout, Plan};
use millrace_crds::stream_app::Reason;
use millrace_kafka::TopicSpec;

use crate::kafka::{KafkaFacts, TopicFacts};

/// What the application's topics allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topics {
    /// Pods can run on them, once `create` and `grow` are done.
    Fit(Fit),
    /// They cannot; the reason and the words of the condition.
    Unfit(Reason, String),
}

/// Topics that pods can run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fit {
    /// Tasks, by the partitions the application works on.
    pub layout: Layout,
    /// Internal topics that do not exist.
    pub create: Vec<TopicSpec>,
    /// Internal topics that need more partitions, with the number they need.
    pub grow: Vec<(String, i32)>,
    /// Set where source topics have other counts than the application works on: reason and words.
    pub changed: Option<(Reason, String)>,
}

/// Names of all topics to look for, and of those whose clean-up policy matters.
pub fn wanted(plan: &Plan) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut topics: BTreeSet<String> = plan
        .source_topics()
        .into_iter()
        .map(|(topic, _)| topic.to_owned())
        .collect();
    topics.extend(plan.sink_topics().into_iter().map(str::to_owned));
    let mut configured = BTreeSet::new();
    for topic in &plan.internal_topics {
        topics.insert(topic.name.clone());
        if policy(topic).is_some() {
            configured.insert(topic.name.clone());
        }
    }
    (topics, configured)
}

/// The clean-up policy that a topic must have. A dead-letter topic may be the user's own.
fn policy(topic: &InternalTopic) -> Option<&String> {
    (topic.kind != InternalTopicKind::DeadLetter)
        .then(|| topic.configs.get("cleanup.policy"))
        .flatten()
}

/// Lays the plan out over a cluster. `known` are the tasks of each subtopology as the status has them,
/// empty where it has none.
pub fn topics(plan: &Plan, facts: &KafkaFacts, replication_factor: i32, known: &[i32]) -> Topics {
    let missing = missing(plan, facts);
    if !missing.is_empty() {
        let message = format!(
            "topics that do not exist: {}; create them, and the application starts by itself. Their \
             partition count is the number of tasks that can share the work",
            missing.join(", ")
        );
        return Topics::Unfit(Reason::SourceTopicMissing, message);
    }
    let layout = match plan.layout(&facts.partitions()) {
        Ok(layout) => layout,
        Err(problems) => {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            return Topics::Unfit(Reason::CoPartitioningMismatch, lines.join("\n"));
        }
    };
    let wrong = wrong_policies(plan, facts);
    if !wrong.is_empty() {
        return Topics::Unfit(Reason::InternalTopicMismatch, wrong.join("\n"));
    }
    fit(plan, facts, replication_factor, known, layout)
}

/// Sources and sinks that do not exist. Sinks too: whoever reads them chooses their partition count.
fn missing<'a>(plan: &'a Plan, facts: &KafkaFacts) -> Vec<&'a str> {
    let sources = plan.source_topics().into_iter().map(|(topic, _)| topic);
    let all: BTreeSet<&str> = sources.chain(plan.sink_topics()).collect();
    all.into_iter()
        .filter(|topic| !facts.topics.contains_key(*topic))
        .collect()
}

/// A changelog that is not compacted grows for ever, and one that is cut by age loses state.
fn wrong_policies(plan: &Plan, facts: &KafkaFacts) -> Vec<String> {
    let mut wrong = Vec::new();
    for topic in &plan.internal_topics {
        let found = facts.topics.get(&topic.name);
        let (Some(wanted), Some(found)) = (policy(topic), found) else {
            continue;
        };
        let found = found.cleanup_policy.as_deref().unwrap_or("delete");
        if found != wanted {
            wrong.push(format!(
                "the internal topic {name} has cleanup.policy={found} and needs {wanted}: state would \
                 be lost or grow for ever. Set it with kafka-configs.sh --alter --entity-type topics \
                 --entity-name {name} --add-config cleanup.policy={wanted}",
                name = topic.name,
            ));
        }
    }
    wrong
}

/// Compares the internal topics that exist with those the layout needs.
fn fit(
    plan: &Plan,
    facts: &KafkaFacts,
    replication_factor: i32,
    known: &[i32],
    layout: Layout,
) -> Topics {
    let (mut create, mut grow) = (Vec::new(), Vec::new());
    let (mut few, mut many) = (Vec::new(), Vec::new());
    for topic in &plan.internal_topics {
        let needed = layout.internal_partitions.get(&topic.name).copied();
        let needed = needed.unwrap_or(1);
        let Some(&TopicFacts { partitions, .. }) = facts.topics.get(&topic.name) else {
            create.push(TopicSpec {
                name: topic.name.clone(),
                partitions: needed,
                replication_factor,
                configs: topic.configs.clone(),
            });
            continue;
        };
        match topic.kind {
            // It may be the user's own, with any number of partitions.
            InternalTopicKind::DeadLetter => {}
            // Task numbers go by partition, so those of more partitions append; too many do no harm.
            InternalTopicKind::Tasks if partitions < needed => {
                grow.push((topic.name.clone(), needed));
            }
            InternalTopicKind::Tasks => {}
            _ if partitions < needed => few.push((topic, partitions, needed)),
            _ if partitions > needed => many.push((topic, partitions, needed)),
            _ => {}
        }
    }
    if few.is_empty() && many.is_empty() {
        return Topics::Fit(Fit {
            layout,
            create,
            grow,
            changed: None,
        });
    }
    // Keys would be on other partitions than their state. What runs goes on with the partitions it
    // knows.
    let changed = changed(&few, &many);
    let Some(layout) = kept(plan, facts, known, &layout) else {
        return Topics::Unfit(changed.0, changed.1);
    };
    Topics::Fit(Fit {
        layout,
        create: Vec::new(),
        grow: Vec::new(),
        changed: Some(changed),
    })
}

type Counts<'a> = [(&'a InternalTopic, i32, i32)];

/// What to say of sources whose counts do not fit the state built from them.
fn changed(few: &Counts<'_>, many: &Counts<'_>) -> (Reason, String) {
    let all = few.iter().chain(many);
    let lines: Vec<String> = all
        .map(|(topic, found, needed)| {
            format!(
                "the internal topic {} has {found} partitions, and the source topics now ask for \
                 {needed}",
                topic.name
            )
        })
        .collect();
    let reason = if few.is_empty() {
        Reason::SourceTopicShrank
    } else {
        Reason::SourceTopicGrew
    };
    let message = format!(
        "{}: with another number of partitions keys are on other partitions than their state. Running \
         pods go on with the partitions they know, and read no others. To use the new ones give the \
         application another applicationId, or delete the StreamApp with its internal topics, group \
         and volumes, and apply it anew",
        lines.join("; ")
    );
    (reason, message)
}

/// The layout that the application works on: as its internal topics and its status remember it.
/// `None` where they remember too little.
fn kept(plan: &Plan, facts: &KafkaFacts, known: &[i32], now: &Layout) -> Option<Layout> {
    let found = |name: &str| facts.topics.get(name).map(|topic| topic.partitions);
    let mut internal_partitions = BTreeMap::new();
    for topic in &plan.internal_topics {
        internal_partitions.insert(topic.name.clone(), found(&topic.name)?);
    }
    let remembered = (known.len() == plan.subtopologies.len()).then_some(known);
    let of_changelog = |id: usize| {
        let mut topics = plan.internal_topics.iter();
        let changelog = topics.find(|topic| {
            topic.kind == InternalTopicKind::Changelog && topic.subtopology == Some(id)
        })?;
        found(&changelog.name)
    };
    let partitions = (0..plan.subtopologies.len())
        .map(|id| {
            let count = remembered.map(|known| known[id]);
            count
                .or_else(|| of_changelog(id))
                .unwrap_or(now.partitions[id])
        })
        .collect();
    Some(Layout {
        partitions,
        internal_partitions,
        source_partitions: BTreeMap::new(),
    })
}
