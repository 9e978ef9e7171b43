//! The status: conditions with reasons of the closed list, counts, and what events a change of them
//! is worth.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::ResourceExt;
use millrace_crds::stream_app::{ConditionType, Reason, StreamAppStatus, SubtopologyStatus};

use super::{Health, Progress, SOON, STEADY, Verdict, WAITING, task_counts};
use crate::observe::{KafkaView, Observed};
use crate::render;

/// Longest message of a condition, in bytes; Kubernetes accepts 32768.
const MESSAGE_BYTES: usize = 4096;

/// The status of what was observed and decided.
pub(super) fn status(
    observed: &Observed,
    verdict: &Verdict<'_>,
    health: &Health,
    progress: &Progress,
) -> StreamAppStatus {
    let app = &observed.app;
    let old = app.status.clone().unwrap_or_default();
    let accepted = accepted_hash(observed, verdict, progress);
    let tasks = verdict.tasks().and_then(|tasks| i32::try_from(tasks).ok());
    let restoring = (progress.wanted > 0).then_some(health.restoring).flatten();
    StreamAppStatus {
        observed_generation: app.metadata.generation,
        conditions: Conditions {
            observed,
            verdict,
            health,
            progress,
            old: &old.conditions,
        }
        .all(),
        application_id: Some(app.application_id().to_owned()),
        kafka_cluster_id: old.kafka_cluster_id.clone(),
        replicas: to_i32(observed.live.pods.len()),
        ready_replicas: i32::try_from(health.ready).unwrap_or(i32::MAX),
        selector: Some(render::selector(&app.name_any())),
        tasks: tasks.or(old.tasks),
        threads: progress
            .threads
            .and_then(|threads| i32::try_from(threads).ok()),
        lag: health.lag,
        lag_text: Some(
            health
                .lag
                .map_or("unknown".to_owned(), |lag| lag.to_string()),
        ),
        restoring: match restoring {
            Some((0, _)) => Some(String::new()),
            Some((tasks, percent)) => Some(restore_text(tasks, percent)),
            None if progress.wanted == 0 => Some(String::new()),
            None => None,
        },
        topology_hash: accepted.or(old.topology_hash),
        accepted_config_map: progress.config_map.clone().or(old.accepted_config_map),
        subtopologies: subtopologies(verdict).unwrap_or(old.subtopologies),
    }
}

fn to_i32(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn restore_text(tasks: usize, percent: u64) -> String {
    let noun = if tasks == 1 { "task" } else { "tasks" };
    format!("{tasks} {noun}, {percent} %")
}

/// Hash of the topology that pods start from.
fn accepted_hash(
    observed: &Observed,
    verdict: &Verdict<'_>,
    progress: &Progress,
) -> Option<String> {
    let running = observed.accepted.as_ref();
    let unchanged =
        running.is_some_and(|running| Some(&running.config_map) == progress.config_map.as_ref());
    let plan = match running {
        Some(running) if unchanged => running.plan.as_ref(),
        _ => verdict.running,
    };
    progress.config_map.as_ref()?;
    plan.map(|plan| plan.hash.clone())
}

fn subtopologies(verdict: &Verdict<'_>) -> Option<Vec<SubtopologyStatus>> {
    let plan = verdict.running?;
    // Before the partitions are known nothing is accepted.
    verdict.layout.as_ref()?;
    let counts = task_counts(plan, verdict.layout.as_ref());
    let parts = plan.subtopologies.iter().zip(counts);
    Some(
        parts
            .map(|(part, tasks)| SubtopologyStatus {
                id: to_i32(part.id),
                tasks,
                sources: part
                    .sources
                    .iter()
                    .map(|topic| topic.name().to_owned())
                    .collect(),
                stores: part
                    .stores
                    .iter()
                    .map(|id| plan.store(*id).name.clone())
                    .collect(),
            })
            .collect(),
    )
}

/// When to look again.
pub(super) fn requeue(status: &StreamAppStatus, progress: &Progress) -> Duration {
    let is = |kind: ConditionType, wanted: &str| {
        let kind = kind.as_str();
        status
            .conditions
            .iter()
            .any(|c| c.type_ == kind && c.status == wanted)
    };
    if progress.step.is_some() {
        SOON
    } else if is(ConditionType::Ready, "True") && is(ConditionType::Degraded, "False")
        || is(ConditionType::Suspended, "True")
    {
        STEADY
    } else {
        WAITING
    }
}

/// Status, reason and message of a condition.
type Said = (&'static str, Reason, String);

struct Conditions<'a> {
    observed: &'a Observed,
    verdict: &'a Verdict<'a>,
    health: &'a Health,
    progress: &'a Progress,
    old: &'a [Condition],
}

impl Conditions<'_> {
    fn all(&self) -> Vec<Condition> {
        ConditionType::ALL
            .into_iter()
            .map(|kind| {
                let said = match kind {
                    ConditionType::Ready => self.ready(),
                    ConditionType::Progressing => self.progressing(),
                    ConditionType::Degraded => self.degraded(),
                    ConditionType::TopologyAccepted => self.topology_accepted(),
                    ConditionType::Restoring => self.restoring(),
                    ConditionType::ScaleLimited => self.scale_limited(),
                    ConditionType::Suspended => self.suspended(),
                };
                condition(
                    kind,
                    said,
                    self.old,
                    self.observed.app.metadata.generation,
                    self.observed.now,
                )
            })
            .collect()
    }

    /// The first thing that does not go as it should.
    fn trouble(&self) -> Option<(Reason, String)> {
        if let Some(block) = &self.verdict.block {
            return Some((block.reason, block.message.clone()));
        }
        let changed = self.verdict.changed.iter();
        let troubles = self.progress.troubles.iter();
        let mut all = troubles.chain(&self.health.troubles).chain(changed);
        all.next().cloned()
    }

    fn suspends(&self) -> bool {
        self.observed.app.spec.suspend
    }

    fn has_pods(&self) -> bool {
        !self.observed.live.pods.is_empty()
    }

    fn ready(&self) -> Said {
        if self.suspends() {
            let reason = if self.has_pods() {
                Reason::Suspending
            } else {
                Reason::Suspended
            };
            return ("False", reason, "spec.suspend is set".to_owned());
        }
        let runs = self.observed.live.stateful_set.is_some();
        if !runs {
            return match self.trouble() {
                Some((reason, words)) => ("False", reason, words),
                None => ("False", Reason::Creating, "no pods yet".to_owned()),
            };
        }
        let (ready, wanted) = (self.health.ready, self.progress.wanted);
        let words = format!("{ready} of {wanted} pods are ready");
        if ready >= wanted && self.rolled_out() {
            return ("True", Reason::AllReplicasReady, words);
        }
        let first = self.progress.troubles.first();
        if let Some((reason, trouble)) = first {
            return ("False", *reason, format!("{words}; {trouble}"));
        }
        match &self.progress.step {
            Some((reason, step)) => ("False", *reason, format!("{words}; {step}")),
            None => ("False", Reason::PodsNotReady, words),
        }
    }

    /// Whether no pod has an earlier template, and the StatefulSet is the one last asked for.
    fn rolled_out(&self) -> bool {
        let live = &self.observed.live;
        let update = live.update_revision();
        let mut pods = live.pods.values();
        update.is_some()
            && pods.all(|pod| pod.revision.as_deref() == update)
            && !matches!(
                self.progress.step,
                Some((Reason::RollingOut | Reason::ScalingUp, _))
            )
    }

    fn progressing(&self) -> Said {
        if let Some((reason, words)) = &self.progress.step {
            return ("True", *reason, words.clone());
        }
        if let Some(block) = &self.verdict.block {
            return ("False", block.reason, block.message.clone());
        }
        if self.suspends() {
            return ("False", Reason::Suspended, "no pod is left".to_owned());
        }
        if self.observed.live.stateful_set.is_none() {
            return (
                "True",
                Reason::Creating,
                "pods are being created".to_owned(),
            );
        }
        if self.health.ready < self.progress.wanted {
            let words = format!(
                "{} of {} pods are ready",
                self.health.ready, self.progress.wanted
            );
            return ("True", Reason::PodsNotReady, words);
        }
        (
            "False",
            Reason::AsExpected,
            "what runs is what the spec asks".to_owned(),
        )
    }

    fn degraded(&self) -> Said {
        match self.trouble() {
            // Nothing is wrong before the first look at Kafka.
            Some((Reason::Unknown, words)) => ("Unknown", Reason::Unknown, words),
            Some((reason, words)) => ("True", reason, words),
            None => ("False", Reason::AsExpected, String::new()),
        }
    }

    fn topology_accepted(&self) -> Said {
        let hash = || {
            self.verdict
                .plan
                .map(|plan| plan.hash.clone())
                .unwrap_or_default()
        };
        let accepted = |hash: String| ("True", Reason::Accepted, format!("topology {hash}"));
        let Some(block) = &self.verdict.block else {
            return accepted(hash());
        };
        match block.reason {
            Reason::InvalidSpec
            | Reason::IncompatibleTopology
            | Reason::CoPartitioningMismatch
            | Reason::DuplicateApplicationId => ("False", block.reason, block.message.clone()),
            // What keeps it from running now says nothing about a topology that was accepted before.
            _ => {
                let running = self
                    .observed
                    .accepted
                    .as_ref()
                    .and_then(|a| a.plan.as_ref());
                match (running, self.verdict.plan) {
                    (Some(running), Some(plan)) if running.hash == plan.hash => accepted(hash()),
                    _ => ("Unknown", block.reason, block.message.clone()),
                }
            }
        }
    }

    fn restoring(&self) -> Said {
        match self.health.restoring {
            Some((0, _)) => ("False", Reason::Restored, String::new()),
            Some((tasks, percent)) => {
                ("True", Reason::RestoringState, restore_text(tasks, percent))
            }
            None if self.progress.wanted == 0 && !self.has_pods() => {
                ("False", Reason::Restored, "there are no pods".to_owned())
            }
            None => {
                let words = "not all tasks are at a worker that answers";
                ("Unknown", Reason::Unknown, words.to_owned())
            }
        }
    }

    fn scale_limited(&self) -> Said {
        let (Some(tasks), Some(threads)) = (self.verdict.tasks(), self.progress.threads) else {
            let words = match &self.observed.kafka {
                KafkaView::Failed(_, words) => words.clone(),
                _ => "the number of tasks is not known yet".to_owned(),
            };
            return ("Unknown", Reason::Unknown, words);
        };
        let all = u64::from(self.progress.wanted) * u64::from(threads);
        let words = format!(
            "{} pods with {threads} threads each, {tasks} tasks",
            self.progress.wanted
        );
        if all > tasks as u64 {
            ("True", Reason::MoreThreadsThanTasks, words)
        } else {
            ("False", Reason::NotLimited, words)
        }
    }

    fn suspended(&self) -> Said {
        match (self.suspends(), self.has_pods()) {
            (false, _) => ("False", Reason::NotSuspended, String::new()),
            (true, true) => (
                "False",
                Reason::Suspending,
                "pods are being removed".to_owned(),
            ),
            (true, false) => ("True", Reason::Suspended, "no pod is left".to_owned()),
        }
    }
}

/// A condition; it keeps its time where its status is the same as before.
fn condition(
    kind: ConditionType,
    (status, reason, message): Said,
    old: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
) -> Condition {
    let before = old
        .iter()
        .find(|condition| condition.type_ == kind.as_str());
    let since = before
        .filter(|before| before.status == status)
        .map_or_else(|| Time(now), |before| before.last_transition_time.clone());
    Condition {
        type_: kind.as_str().to_owned(),
        status: status.to_owned(),
        reason: reason.as_str().to_owned(),
        message: shortened(message),
        observed_generation: generation,
        last_transition_time: since,
    }
}

fn shortened(mut message: String) -> String {
    if message.len() > MESSAGE_BYTES {
        let end = message.floor_char_boundary(MESSAGE_BYTES);
        message.truncate(end);
        message.push('…');
    }
    message
}

/// Reason, message and observed generation of a condition.
pub(super) fn condition_reason<'a>(
    status: &'a StreamAppStatus,
    kind: &str,
) -> Option<(&'a str, &'a str, Option<i64>)> {
    let condition = status.conditions.iter().find(|c| c.type_ == kind)?;
    Some((
        &condition.reason,
        &condition.message,
        condition.observed_generation,
    ))
}

/// Sets Degraded for a step that failed after the decision. `old` is the status as it was written last.
pub fn degrade(
    status: &mut StreamAppStatus,
    old: Option<&StreamAppStatus>,
    (reason, message): (Reason, String),
    now: Timestamp,
) {
    let old = old.map(|old| old.conditions.as_slice()).unwrap_or_default();
    set(
        status,
        ConditionType::Degraded,
        ("True", reason, message),
        old,
        now,
    );
}

/// The status of a StreamApp that is being deleted.
pub fn deleting(
    old: &StreamAppStatus,
    generation: Option<i64>,
    step: &str,
    now: Timestamp,
) -> StreamAppStatus {
    let mut status = old.clone();
    status.observed_generation = generation;
    for (kind, holds) in [
        (ConditionType::Ready, "False"),
        (ConditionType::Progressing, "True"),
    ] {
        let said = (holds, Reason::Deleting, step.to_owned());
        set(&mut status, kind, said, &old.conditions, now);
    }
    status
}

/// Sets one condition.
fn set(
    status: &mut StreamAppStatus,
    kind: ConditionType,
    said: Said,
    old: &[Condition],
    now: Timestamp,
) {
    let new = condition(kind, said, old, status.observed_generation, now);
    let mut conditions = status.conditions.iter_mut();
    match conditions.find(|condition| condition.type_ == kind.as_str()) {
        Some(condition) => *condition = new,
        None => status.conditions.push(new),
    }
}
