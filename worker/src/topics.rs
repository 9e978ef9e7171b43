//! Topics an application needs: waits for the user's, makes its own, refuses what does not fit.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millrace_crds::plan::{InternalTopicKind, Layout, NodeKind, Plan, TopicRef};
use millrace_kafka::{Admin, ErrorKind, TopicSpec};

use crate::error::EngineError;
use crate::task::collector::TopicLimits;
use crate::topology::OutTopics;

/// Wait between two looks for a missing topic or an absent broker.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The producer's own limit of a record (`message.max.bytes`), where the user sets none.
pub const PRODUCER_RECORD_BYTES_MAX: usize = 1_000_000;

/// An application's topics, found or made.
pub struct Topics {
    /// The plan with partition counts.
    pub layout: Layout,
    /// Topics written to.
    pub out: OutTopics,
    /// Their limits, by number.
    pub limits: Vec<TopicLimits>,
}

/// The user's own topics of a plan, sorted: sources, and sinks.
pub fn external_topics(plan: &Plan) -> (Vec<&str>, Vec<&str>) {
    let (mut sources, mut sinks) = (Vec::new(), Vec::new());
    let external = |topic: &TopicRef| matches!(topic, TopicRef::External(_));
    for node in &plan.nodes {
        match &node.kind {
            NodeKind::StreamSource { topics, .. } => {
                sources.extend(
                    topics
                        .iter()
                        .filter(|topic| external(topic))
                        .map(TopicRef::name),
                );
            }
            NodeKind::TableSource { topic, .. } if external(topic) => sources.push(topic.name()),
            NodeKind::Sink { topic, .. } => sinks.push(topic.as_str()),
            _ => {}
        }
    }
    sources.sort_unstable();
    sources.dedup();
    sinks.sort_unstable();
    sinks.dedup();
    (sources, sinks)
}

/// Finds the user's topics and makes the application's own, waiting for the broker and for missing
/// topics until told to stop. `waiting` is told what is waited for.
pub fn prepare(
    admin: &dyn Admin,
    plan: &Plan,
    dead_letter_topic: &str,
    replication_factor: i32,
    record_bytes_max: usize,
    stop: &AtomicBool,
    waiting: &dyn Fn(&str),
) -> Result<Option<Topics>, EngineError> {
    while !stop.load(Ordering::Acquire) {
        let tried = try_prepare(
            admin,
            plan,
            dead_letter_topic,
            replication_factor,
            record_bytes_max,
        );
        match tried {
            Ok(Ok(topics)) => return Ok(Some(topics)),
            Ok(Err(missing)) => waiting(&missing),
            Err(EngineError::Log(error)) if error.kind == ErrorKind::Unavailable => {
                waiting(&error.to_string());
            }
            Err(error) => return Err(error),
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    Ok(None)
}

/// `Ok(Err(_))`: something is missing that may still come.
fn try_prepare(
    admin: &dyn Admin,
    plan: &Plan,
    dead_letter_topic: &str,
    replication_factor: i32,
    record_bytes_max: usize,
) -> Result<Result<Topics, String>, EngineError> {
    let (sources, sinks) = external_topics(plan);
    let wanted: Vec<&str> = sources.iter().chain(&sinks).copied().collect();
    let found = admin.topics(&wanted)?;
    let missing: Vec<&str> = wanted
        .iter()
        .zip(&found)
        .filter(|(_, info)| info.is_none())
        .map(|(name, _)| *name)
        .collect();
    if !missing.is_empty() {
        return Ok(Err(format!(
            "topics that do not exist yet: {}; create them and the application starts by itself",
            missing.join(", ")
        )));
    }
    let partitions: BTreeMap<String, i32> = wanted
        .iter()
        .zip(&found)
        .filter_map(|(name, info)| Some(((*name).to_owned(), info.as_ref()?.partitions)))
        .collect();
    let layout = plan.layout(&partitions).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        EngineError::Topics(lines.join("\n"))
    })?;
    make_internal(admin, plan, &layout, replication_factor)?;
    let out = OutTopics::new(plan, dead_letter_topic);
    let names: Vec<&str> = out.names().iter().map(String::as_str).collect();
    let infos = admin.topics(&names)?;
    let mut limits = Vec::with_capacity(names.len());
    for (name, info) in names.iter().zip(infos) {
        let Some(info) = info else {
            return Ok(Err(format!(
                "topic {name} was created and is not there yet"
            )));
        };
        let topic_max = admin
            .topic_configs(name)?
            .get("max.message.bytes")
            .and_then(|text| text.parse().ok())
            .unwrap_or(PRODUCER_RECORD_BYTES_MAX);
        limits.push(TopicLimits {
            partitions: info.partitions,
            record_bytes_max: topic_max.min(record_bytes_max),
        });
    }
    Ok(Ok(Topics {
        layout,
        out,
        limits,
    }))
}

/// Creates missing internal topics; refuses existing ones that do not fit.
fn make_internal(
    admin: &dyn Admin,
    plan: &Plan,
    layout: &Layout,
    replication_factor: i32,
) -> Result<(), EngineError> {
    let names: Vec<&str> = plan
        .internal_topics
        .iter()
        .map(|topic| topic.name.as_str())
        .collect();
    let existing = admin.topics(&names)?;
    let mut create = Vec::new();
    let mut wrong = Vec::new();
    for (topic, info) in plan.internal_topics.iter().zip(existing) {
        let wanted = layout
            .internal_partitions
            .get(&topic.name)
            .copied()
            .unwrap_or(1);
        match info {
            None => create.push(TopicSpec {
                name: topic.name.clone(),
                partitions: wanted,
                replication_factor,
                configs: topic.configs.clone(),
            }),
            // A dead-letter topic may be the user's own and have any number of partitions.
            Some(_) if topic.kind == InternalTopicKind::DeadLetter => {}
            // More tasks than before: task numbers are by partition, so new ones append.
            Some(info) if topic.kind == InternalTopicKind::Tasks && info.partitions < wanted => {
                admin.create_partitions(&topic.name, wanted)?;
            }
            Some(info) if info.partitions == wanted => check_cleanup(admin, topic, &mut wrong)?,
            Some(info) if topic.kind == InternalTopicKind::Tasks && info.partitions > wanted => {}
            Some(info) => wrong.push(format!(
                "internal topic {} has {} partitions and needs {wanted}: the source topics' \
                 partition count has changed since its state was built. Restore the old count, or \
                 delete the application's internal topics and state to start anew",
                topic.name, info.partitions
            )),
        }
    }
    if !wrong.is_empty() {
        return Err(EngineError::Topics(wrong.join("\n")));
    }
    if !create.is_empty() {
        let names: Vec<&str> = create.iter().map(|topic| topic.name.as_str()).collect();
        tracing::info!(topics = names.join(", "), "creating internal topics");
        admin.create_topics(&create)?;
    }
    Ok(())
}

fn check_cleanup(
    admin: &dyn Admin,
    topic: &millrace_crds::plan::InternalTopic,
    wrong: &mut Vec<String>,
) -> Result<(), EngineError> {
    let Some(wanted) = topic.configs.get("cleanup.policy") else {
        return Ok(());
    };
    let configs = admin.topic_configs(&topic.name)?;
    let found = configs
        .get("cleanup.policy")
        .map_or("delete", String::as_str);
    if found != wanted {
        wrong.push(format!(
            "internal topic {} has cleanup.policy={found} and needs {wanted}: state would be lost \
             or grow for ever. Set it with kafka-configs.sh --alter --entity-type topics \
             --entity-name {} --add-config cleanup.policy={wanted}",
            topic.name, topic.name
        ));
    }
    Ok(())
}
