//! Decides what to do: [`decide`], a pure function from what there is to what is to be written and
//! said. No clock, no cluster: every rule can be tested by a value.
//!
//! ```text
//!   Observed ─ verdict ─► may the spec run?   topology, rival, Kafka, topics
//!        │        └────── no: the template stays as it is; pods are still scaled
//!        ├─ scale ──► RuntimeSettings, and how many pods the StatefulSet may have
//!        ├─ pods ───► objects to write, pods to tell or to replace, volumes to grow, orphans
//!        └─ status ─► conditions, counts, events
//! ```

pub mod duplicate;
pub mod scale;
pub mod topics;

mod health;
mod notices;
mod pods;
mod status;
mod topology;
mod verdict;
mod volumes;

use std::time::Duration;

use kube::api::DynamicObject;
use millrace_crds::plan::Plan;
use millrace_crds::stream_app::{Reason, StreamAppStatus};
use millrace_kafka::TopicSpec;

use health::Health;
pub use notices::notices;
pub use status::{degrade, deleting};
use verdict::Verdict;

use crate::observe::{Kind, Observed};

/// Pause before the next look while something is under way.
const SOON: Duration = Duration::from_secs(1);
/// Pause before the next look while somebody or something else is waited for.
const WAITING: Duration = Duration::from_secs(3);
/// Pause before the next look at an application that is as it should be: the age of its lag.
const STEADY: Duration = Duration::from_secs(10);

/// What is the same for all StreamApps.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Image of the workers of StreamApps that name none.
    pub worker_image: String,
    /// Where the operator runs, and connects from.
    pub operator_namespace: String,
}

/// What is to be done, in the order of the fields.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// Topics to create.
    pub create_topics: Vec<TopicSpec>,
    /// Topics to give more partitions, and how many.
    pub grow_topics: Vec<(String, i32)>,
    /// Objects to write, in this order.
    pub apply: Vec<DynamicObject>,
    /// Number of pods to set, where the rest of the StatefulSet must stay as it is.
    pub set_replicas: Option<SetReplicas>,
    /// Pods to be told that a mounted file has changed, and the digest of the files.
    pub nudge: Vec<String>,
    /// Digest of the mounted files.
    pub nudge_digest: String,
    /// Names and uids of pods to delete, so that the StatefulSet makes them anew.
    pub replace_pods: Vec<(String, String)>,
    /// Volume claims to raise to a size.
    pub grow_claims: Vec<(String, String)>,
    /// Delete the StatefulSet, and leave its pods: it is written anew at the next look.
    pub orphan_pods: bool,
    /// Objects that nothing wants any more.
    pub prune: Vec<(Kind, String)>,
    /// What to tell beside what the conditions tell.
    pub notices: Vec<Notice>,
    /// The status.
    pub status: StreamAppStatus,
    /// When to look again, if nothing happens before.
    pub requeue: Duration,
}

/// A change of the number of pods alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetReplicas {
    /// The number.
    pub replicas: u32,
    /// Keep the volumes of pods above it, whatever `spec.state` says: they come back.
    pub keep_volumes: bool,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whether a person should look at it.
    pub warning: bool,
    /// Why.
    pub reason: Reason,
    /// What happened.
    pub note: String,
}

/// Decides. The uid, name and namespace of the StreamApp must be set.
pub fn decide(observed: &Observed, environment: &Environment) -> Decision {
    let verdict = Verdict::of(observed);
    let health = Health::of(observed, &verdict);
    let mut decision = Decision::default();
    if let Some(fit) = verdict.fit.as_ref().filter(|_| verdict.block.is_none()) {
        decision.create_topics.clone_from(&fit.create);
        decision.grow_topics.clone_from(&fit.grow);
        if !fit.create.is_empty() {
            decision.notices.push(created(&fit.create));
        }
        let grown = fit.grow.iter().map(|(topic, count)| Notice {
            warning: false,
            reason: Reason::SourceTopicGrew,
            note: format!("Raised the partitions of {topic} to {count}: source topics have grown"),
        });
        decision.notices.extend(grown);
    }
    let progress = pods::plan_pods(observed, environment, &verdict, &mut decision);
    decision.status = status::status(observed, &verdict, &health, &progress);
    decision.requeue = status::requeue(&decision.status, &progress);
    decision
}

fn created(topics: &[TopicSpec]) -> Notice {
    let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
    Notice {
        warning: false,
        reason: Reason::Creating,
        note: format!("Creating internal topics: {}", names.join(", ")),
    }
}

/// What the pods are on their way to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Under way: why, and in which words.
    pub step: Option<(Reason, String)>,
    /// What does not go as it should.
    pub troubles: Vec<(Reason, String)>,
    /// Pods that are wanted now.
    pub wanted: u32,
    /// Threads of each, where that is known.
    pub threads: Option<u32>,
    /// Name of the ConfigMap that pods start from.
    pub config_map: Option<String>,
}

/// Tasks of each subtopology, as far as they are known.
fn task_counts(plan: &Plan, layout: Option<&millrace_crds::plan::Layout>) -> Vec<Option<i32>> {
    (0..plan.subtopologies.len())
        .map(|id| layout.and_then(|layout| layout.partitions.get(id).copied()))
        .collect()
}
