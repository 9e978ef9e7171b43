//! `/status`: what runs here and how far it is, as [`WorkerStatus`].

use std::collections::HashMap;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::Response;
use millrace_crds::worker_api::{self as api, WorkerPhase, WorkerStatus};
use millrace_kafka::TopicPartition;

use super::{HttpState, json_text};
use crate::app::{AppShared, Phase};
use crate::status::{InputSnapshot, TaskSnapshot, TaskState, ThreadStatus};

/// Watermarks are asked for at most this often, however often status and metrics are read.
const LAG_AGE_MAX: Duration = Duration::from_secs(1);

/// Longest wait of an answer for lags that are being looked up: with the log away, status and metrics
/// still answer, without them.
const LAG_WAIT: Duration = Duration::from_secs(1);

/// Lag of each input partition: records after the position. Unknown (absent) is not zero.
pub(super) type Lags = Arc<HashMap<TopicPartition, i64>>;

/// The last lags looked up, by application.
#[derive(Default)]
pub(super) struct LagCache {
    known: Mutex<HashMap<String, KnownLags>>,
}

#[derive(Default)]
struct KnownLags {
    lags: Option<(Instant, Lags)>,
    /// Whether a look-up is under way: there is one at a time.
    looking: bool,
}

impl LagCache {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, KnownLags>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lags of an application's running inputs; while the log does not answer, only those that are
    /// known without it.
    pub(super) fn get(self: &Arc<Self>, app: &Arc<AppShared>) -> Lags {
        let name = app.plan.application_id.clone();
        {
            let mut known = self.lock();
            let known = known.entry(name.clone()).or_default();
            match &known.lags {
                Some((looked_up, lags)) if looked_up.elapsed() < LAG_AGE_MAX => {
                    return Arc::clone(lags);
                }
                _ if known.looking => return Arc::new(caught_up(app).0),
                _ => known.looking = true,
            }
        }
        let (answer, answered) = channel();
        let (cache, asked) = (Arc::clone(self), Arc::clone(app));
        // The log's own timeout bounds the thread's life.
        let thread = std::thread::Builder::new()
            .name("lags".to_owned())
            .spawn(move || {
                let lags = Arc::new(look_up(&asked));
                let known = KnownLags {
                    lags: Some((Instant::now(), Arc::clone(&lags))),
                    looking: false,
                };
                cache
                    .lock()
                    .insert(asked.plan.application_id.clone(), known);
                // Nobody waits any more if it took too long.
                let _late = answer.send(lags);
            });
        if thread.is_err() {
            self.lock().remove(&name);
        }
        answered
            .recv_timeout(LAG_WAIT)
            .unwrap_or_else(|_| Arc::new(caught_up(app).0))
    }
}

/// Lag 0 of inputs that are known to be caught up, and the inputs to ask the log about. Trailing
/// transaction markers are after the position and are no lag: "caught up" knows.
fn caught_up(app: &AppShared) -> (HashMap<TopicPartition, i64>, Vec<InputSnapshot>) {
    let inputs: Vec<InputSnapshot> = app
        .threads()
        .iter()
        .flat_map(|thread| thread.snapshot().tasks.clone())
        .flat_map(|task| task.inputs)
        .collect();
    let (done, behind): (Vec<_>, Vec<_>) = inputs.into_iter().partition(|input| input.caught_up);
    (
        done.into_iter().map(|input| (input.partition, 0)).collect(),
        behind,
    )
}

fn look_up(app: &AppShared) -> HashMap<TopicPartition, i64> {
    let (mut lags, behind) = caught_up(app);
    let partitions: Vec<_> = behind.iter().map(|input| input.partition.clone()).collect();
    if partitions.is_empty() {
        return lags;
    }
    match app.admin.watermarks(&partitions) {
        Ok(watermarks) => {
            for (input, (_, high)) in behind.into_iter().zip(watermarks) {
                lags.insert(input.partition, (high - input.position).max(0));
            }
        }
        Err(error) => tracing::debug!(%error, "lag is unknown"),
    }
    lags
}

/// The sum, if all are known.
fn sum(lags: impl Iterator<Item = Option<i64>>) -> Option<i64> {
    lags.sum()
}

fn task_status(task: &TaskSnapshot, lags: &Lags) -> api::TaskStatus {
    let inputs: Vec<api::InputStatus> = task
        .inputs
        .iter()
        .map(|input| api::InputStatus {
            topic: input.partition.topic.to_string(),
            partition: input.partition.partition,
            position: input.position,
            lag: lags.get(&input.partition).copied(),
            buffered: input.buffered,
            misplaced: input.misplaced,
        })
        .collect();
    // What a task that does not run yet is behind is not known: its inputs are not.
    let running = task.state == TaskState::Running;
    let lag = sum(inputs.iter().map(|input| input.lag)).filter(|_| running);
    api::TaskStatus {
        id: task.id.to_string(),
        state: match task.state {
            TaskState::Restoring => api::TaskState::Restoring,
            TaskState::Starting => api::TaskState::Starting,
            TaskState::Running => api::TaskState::Running,
        },
        lag,
        inputs,
        restore: task.restore.as_ref().map(|progress| api::RestoreStatus {
            restored: progress.restored(),
            total: progress.total(),
        }),
        stores: task
            .stores
            .iter()
            .map(|store| store.name.to_string())
            .collect(),
        processed: task.counters.processed,
        dropped: task.counters.dropped,
        failed: task.counters.failed.iter().sum(),
        stream_time: task.stream_time,
    }
}

fn thread_status(thread: &ThreadStatus, lags: &Lags) -> api::ThreadStatus {
    let snapshot = thread.snapshot();
    api::ThreadStatus {
        name: thread.name.clone(),
        joined: thread.joined(),
        commits: thread.commits().0,
        processed: thread.processed(),
        restored: thread.restored(),
        error: snapshot.error.clone(),
        tasks: snapshot
            .tasks
            .iter()
            .map(|task| task_status(task, lags))
            .collect(),
    }
}

fn application_status(app: &AppShared, lags: &Lags) -> api::ApplicationStatus {
    let (phase, message) = match app.phase() {
        Phase::Waiting(what) => (WorkerPhase::Waiting, Some(what)),
        Phase::Running => (WorkerPhase::Running, app.held_back()),
        Phase::Draining(why) => (WorkerPhase::Draining, Some(why)),
        Phase::Drained(why) => (WorkerPhase::Drained, Some(why)),
        Phase::Stopped => (WorkerPhase::Stopped, None),
        Phase::Failed(message) => (WorkerPhase::Failed, Some(message)),
    };
    let threads: Vec<api::ThreadStatus> = app
        .threads()
        .iter()
        .map(|thread| thread_status(thread, lags))
        .collect();
    let tasks = threads.iter().flat_map(|thread| &thread.tasks);
    api::ApplicationStatus {
        application_id: app.plan.application_id.clone(),
        phase,
        message,
        plan: app.plan.hash.clone(),
        lag: sum(tasks.map(|task| task.lag)),
        threads,
    }
}

/// The handler.
pub(super) async fn get_status(State(state): State<HttpState>) -> Response {
    let body = tokio::task::spawn_blocking(move || {
        let applications = state
            .apps
            .iter()
            .map(|app| application_status(app, &state.lags.get(app)))
            .collect();
        serde_json::to_string(&WorkerStatus { applications }).unwrap_or_default()
    });
    json_text(body.await.unwrap_or_default())
}
