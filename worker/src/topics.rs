//! Topics an application needs: waits for the user's, makes its own, refuses what does not fit.

use std::collections::BTreeMap;

use millrace_crds::plan::{InternalTopicKind, Layout, NodeKind, Plan, SinkTopic, TopicRef};
use millrace_kafka::{Admin, ErrorKind, TopicSpec};

use crate::error::EngineError;
use crate::task::collector::{TopicLimits, TopicLookup};
use crate::topology::OutTopics;

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
            NodeKind::Sink {
                topic: SinkTopic::Fixed(topic),
                ..
            } => sinks.push(topic.as_str()),
            _ => {}
        }
    }
    sources.extend(plan.global_tables.iter().map(|table| table.topic.as_str()));
    sources.sort_unstable();
    sources.dedup();
    sinks.sort_unstable();
    sinks.dedup();
    (sources, sinks)
}

/// Who makes internal topics that are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InternalTopics {
    /// The worker.
    #[default]
    Create,
    /// Someone else, whom the worker waits for: under an operator, the operator.
    Check,
}

/// What is asked of an application's topics beside its plan.
#[derive(Clone, Copy, Debug)]
pub struct TopicsWanted<'a> {
    /// Where records go that fail.
    pub dead_letter_topic: &'a str,
    /// Who makes what is missing.
    pub internal: InternalTopics,
    /// Copies of what the worker makes; −1 is the cluster's default.
    pub replication_factor: i32,
    /// Largest record the producer takes, bytes.
    pub record_bytes_max: usize,
}

/// Outcome of one look at an application's topics.
pub enum Looked {
    /// All are there.
    Found(Box<Topics>),
    /// Something is missing that may still come; the text says what.
    Missing(String),
}

/// Looks once for the user's topics and for the application's own, and makes the latter if it is
/// asked to. A log that is away is [`Looked::Missing`] as a topic is.
pub fn look(
    admin: &dyn Admin,
    plan: &Plan,
    wanted: &TopicsWanted<'_>,
) -> Result<Looked, EngineError> {
    match try_look(admin, plan, wanted) {
        Ok(Ok(topics)) => Ok(Looked::Found(Box::new(topics))),
        Ok(Err(missing)) => Ok(Looked::Missing(missing)),
        Err(EngineError::Log(error)) if error.kind == ErrorKind::Unavailable => {
            Ok(Looked::Missing(error.to_string()))
        }
        Err(error) => Err(error),
    }
}

/// `Ok(Err(_))`: something is missing that may still come.
fn try_look(
    admin: &dyn Admin,
    plan: &Plan,
    asked: &TopicsWanted<'_>,
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
    if let Some(missing) = internal(admin, plan, &layout, asked)? {
        return Ok(Err(missing));
    }
    let out = OutTopics::new(plan, asked.dead_letter_topic);
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
            record_bytes_max: topic_max.min(asked.record_bytes_max),
        });
    }
    Ok(Ok(Topics {
        layout,
        out,
        limits,
    }))
}

/// Creates missing internal topics, or says which are missing; refuses existing ones that do not fit.
fn internal(
    admin: &dyn Admin,
    plan: &Plan,
    layout: &Layout,
    asked: &TopicsWanted<'_>,
) -> Result<Option<String>, EngineError> {
    let names: Vec<&str> = plan
        .internal_topics
        .iter()
        .map(|topic| topic.name.as_str())
        .collect();
    let existing = admin.topics(&names)?;
    let (mut create, mut grow) = (Vec::new(), Vec::new());
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
                replication_factor: asked.replication_factor,
                configs: topic.configs.clone(),
            }),
            // A dead-letter topic may be the user's own and have any number of partitions.
            Some(_) if topic.kind == InternalTopicKind::DeadLetter => {}
            // More tasks than before: task numbers are by partition, so new ones append.
            Some(info) if topic.kind == InternalTopicKind::Tasks && info.partitions < wanted => {
                grow.push((&topic.name, info.partitions, wanted));
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
    if asked.internal == InternalTopics::Check {
        return Ok(missing_internal(&create, &grow));
    }
    for (topic, _, wanted) in grow {
        admin.create_partitions(topic, wanted)?;
    }
    if !create.is_empty() {
        let names: Vec<&str> = create.iter().map(|topic| topic.name.as_str()).collect();
        tracing::info!(topics = names.join(", "), "creating internal topics");
        admin.create_topics(&create)?;
    }
    Ok(None)
}

/// What the operator has still to do, in words.
fn missing_internal(create: &[TopicSpec], grow: &[(&String, i32, i32)]) -> Option<String> {
    let mut missing: Vec<String> = create
        .iter()
        .map(|topic| format!("{} ({} partitions)", topic.name, topic.partitions))
        .collect();
    missing.extend(
        grow.iter()
            .map(|(topic, has, wanted)| format!("{topic} ({wanted} partitions; it has {has})")),
    );
    (!missing.is_empty()).then(|| {
        format!(
            "internal topics that the operator has not made yet: {}; without an operator start the \
             worker with --internal-topics create",
            missing.join(", ")
        )
    })
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

/// Asks the log for topics that records name, each once.
pub fn lookup(admin: Box<dyn Admin>, record_bytes_max: usize) -> TopicLookup {
    Box::new(move |name| {
        let info = admin.topics(&[name])?.into_iter().flatten().next();
        let Some(info) = info else { return Ok(None) };
        let topic_max = admin
            .topic_configs(name)?
            .get("max.message.bytes")
            .and_then(|text| text.parse().ok())
            .unwrap_or(PRODUCER_RECORD_BYTES_MAX);
        Ok(Some(TopicLimits {
            partitions: info.partitions,
            record_bytes_max: topic_max.min(record_bytes_max),
        }))
    })
}
