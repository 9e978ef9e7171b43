//! How many pods and threads there are to be, and when pods above that number may go.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use millrace_crds::stream_app::Threads;
use millrace_crds::worker_api::{ApplicationStatus, RuntimeSettings, WorkerPhase};
use millrace_crds::{StreamApp, limits};

use crate::observe::PodView;
use crate::workers::Answer;

/// Longest wait for pods to hand over their tasks before they are removed all the same.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(120);

/// Longest time for which pods that are to drain wait for the threads that take over.
pub const GROW_LIMIT: Duration = Duration::from_secs(30);

/// What the workers are to be told, for this many tasks. `None` while `auto` does not know the tasks.
pub fn settings(app: &StreamApp, tasks: Option<usize>) -> Option<RuntimeSettings> {
    let wanted = app.spec.replicas.max(0).unsigned_abs();
    let threads = match app.spec.threads {
        Threads::Count(count) => count.unsigned_abs(),
        Threads::Auto => {
            let tasks = u32::try_from(tasks?).unwrap_or(u32::MAX);
            tasks
                .div_ceil(wanted.max(1))
                .clamp(1, limits::THREADS.unsigned_abs())
        }
    };
    let replicas = if app.spec.suspend { 0 } else { wanted };
    Some(RuntimeSettings {
        replicas,
        threads,
        growing: false,
    })
}

/// Whether pods or threads are on their way while some pod has more threads than it is to have in
/// the end. Its tasks wait for the new ones where they are. `since`: when pods were told to drain,
/// which is not put off for longer than [`GROW_LIMIT`].
pub fn is_growing(
    pods: &BTreeMap<u32, PodView>,
    answers: &BTreeMap<u32, Answer>,
    settings: RuntimeSettings,
    since: Option<Timestamp>,
    now: Timestamp,
) -> bool {
    let answered = || {
        let pairs = answers.iter();
        pairs.filter_map(|(ordinal, answer)| Some((*ordinal, answer.as_ref().ok()?)))
    };
    let ready = |ordinal: u32| pods.get(&ordinal).is_some_and(|pod| pod.ready);
    let starts = |(ordinal, status): (u32, &ApplicationStatus)| {
        let members = status.threads.iter().filter(|thread| thread.joined).count();
        members < settings.threads_of(ordinal) as usize
    };
    let has_more = |(ordinal, status): (u32, &ApplicationStatus)| {
        status.threads.len() > settings.threads_of(ordinal) as usize
    };
    let waits = (0..settings.replicas).any(|ordinal| !ready(ordinal)) || answered().any(starts);
    let waited = since.map_or(Duration::ZERO, |since| passed(since, now));
    settings.replicas > 0 && waits && answered().any(has_more) && waited < GROW_LIMIT
}

fn passed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

/// How far the pods above the wanted number are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drain {
    /// None of them is a member any more: the StatefulSet can be lowered.
    Done,
    /// These still hand over: their names.
    Waiting(Vec<String>),
    /// These had [`DRAIN_LIMIT`] and did not.
    TimedOut(Vec<String>),
}

/// Looks at the pods with an ordinal of `replicas` or above. `since`: when they were told to drain.
pub fn drain(
    pods: &BTreeMap<u32, PodView>,
    answers: &BTreeMap<u32, Answer>,
    replicas: u32,
    since: Option<Timestamp>,
    now: Timestamp,
) -> Drain {
    let leaving = pods.range(replicas..);
    let members: Vec<String> = leaving
        .filter(|(ordinal, pod)| is_member(pod, answers.get(ordinal)))
        .map(|(_, pod)| pod.name.clone())
        .collect();
    if members.is_empty() {
        return Drain::Done;
    }
    let waited = since.map_or(Duration::ZERO, |since| passed(since, now));
    if waited >= DRAIN_LIMIT {
        Drain::TimedOut(members)
    } else {
        Drain::Waiting(members)
    }
}

/// Whether a pod may still be a member of the group. One whose container does not run is none: its
/// session ends by itself. One that runs and cannot be asked may be.
fn is_member(pod: &PodView, answer: Option<&Answer>) -> bool {
    if !pod.running {
        return false;
    }
    !matches!(
        answer,
        Some(Ok(status)) if matches!(status.phase, WorkerPhase::Drained | WorkerPhase::Stopped)
    )
}
