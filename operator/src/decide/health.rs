//! What the workers tell, added up: lag, restore, failures. What one of them does not tell is not
//! known of the whole.

use std::collections::BTreeSet;

use millrace_crds::stream_app::Reason;
use millrace_crds::worker_api::{TaskState, WorkerPhase};

use super::Verdict;
use crate::observe::Observed;

/// Mark of a worker's message when it has state and no offsets for it.
const OFFSETS_LOST: &str = "the committed offsets of group";

/// The sum over the workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Health {
    /// Pods that are ready.
    pub ready: u32,
    /// Records behind; `None` is unknown.
    pub lag: Option<i64>,
    /// Tasks that restore, and how far they are in percent; `None` is unknown.
    pub restoring: Option<(usize, u64)>,
    /// What does not go as it should.
    pub troubles: Vec<(Reason, String)>,
}

impl Health {
    /// Adds up.
    pub(super) fn of(observed: &Observed, verdict: &Verdict<'_>) -> Self {
        let live = &observed.live;
        let ready = live
            .pods
            .values()
            .filter(|pod| pod.ready && !pod.terminating);
        let mut health = Self {
            ready: u32::try_from(ready.count()).unwrap_or(u32::MAX),
            ..Self::default()
        };
        let mut tasks = BTreeSet::new();
        let (mut restoring, mut restored, mut total) = (0, 0, 0);
        let mut lag = Some(0_i64);
        let mut silent = Vec::new();
        for (ordinal, pod) in &live.pods {
            let Some(Ok(status)) = observed.workers.get(ordinal) else {
                lag = None;
                if let Some(Err(why)) = observed.workers.get(ordinal).filter(|_| pod.ready) {
                    silent.push(format!("{} ({why})", pod.name));
                }
                continue;
            };
            for task in status.threads.iter().flat_map(|thread| &thread.tasks) {
                tasks.insert(task.id.clone());
                if task.state == TaskState::Restoring {
                    restoring += 1;
                    let progress = task.restore.unwrap_or_default();
                    restored += progress.restored.min(progress.total);
                    total += progress.total;
                }
            }
            // A worker without tasks is behind nothing.
            let has_tasks = status.threads.iter().any(|thread| !thread.tasks.is_empty());
            if has_tasks {
                lag = lag
                    .zip(status.lag)
                    .map(|(sum, own)| sum.saturating_add(own));
            }
            health.note_failure(&pod.name, status.phase, status.message.as_deref());
        }
        // A task that no worker has is behind by nobody knows how much.
        let all_seen = verdict.tasks() == Some(tasks.len());
        health.lag = lag.filter(|_| all_seen);
        let percent = (restored * 100).checked_div(total).unwrap_or(0);
        health.restoring = (restoring > 0 || all_seen).then_some((restoring, percent));
        if !silent.is_empty() {
            let message = format!("no answer at /status from {}", silent.join(", "));
            health.troubles.push((Reason::WorkerUnreachable, message));
        }
        health
    }

    fn note_failure(&mut self, pod: &str, phase: WorkerPhase, message: Option<&str>) {
        if phase != WorkerPhase::Failed {
            return;
        }
        let message = message.unwrap_or("no reason given");
        let reason = if message.contains(OFFSETS_LOST) {
            Reason::OffsetsLost
        } else {
            Reason::PodsFailing
        };
        self.troubles.push((reason, format!("{pod}: {message}")));
    }
}
