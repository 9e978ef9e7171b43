//! What a worker tells about itself. Stream threads publish a snapshot a few times a second; HTTP,
//! metrics and queries read the latest. Nothing here is touched per record.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use millrace_crds::plan::TaskId;
use millrace_kafka::TopicPartition;

use crate::runtime::restore::RestoreProgress;
use crate::runtime::tasks::{Pending, Tasks};
use crate::state::CommittedStore;
use crate::task::TaskCounters;

/// State of a task on its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// Its state is being restored.
    Restoring,
    /// It waits for its committed offsets.
    Starting,
    /// It processes.
    Running,
}

impl TaskState {
    /// As shown in status and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Restoring => "restoring",
            Self::Starting => "starting",
            Self::Running => "running",
        }
    }
}

/// An input partition of a running task.
#[derive(Clone, Debug)]
pub struct InputSnapshot {
    /// What is read.
    pub partition: TopicPartition,
    /// Offset of the next record to process.
    pub position: i64,
    /// Offset of the last commit: everything before it is done for good.
    pub committed: i64,
    /// Whether everything readable was processed.
    pub caught_up: bool,
    /// Records fetched and not processed.
    pub buffered: usize,
    /// Keys found on a partition that is not theirs, where that matters (see `task::placement`).
    pub misplaced: u64,
}

/// A task, as of the last snapshot.
#[derive(Clone)]
pub struct TaskSnapshot {
    /// Which one.
    pub id: TaskId,
    /// Its state.
    pub state: TaskState,
    /// Its inputs, while it runs.
    pub inputs: Vec<InputSnapshot>,
    /// Its counters, while it runs.
    pub counters: TaskCounters,
    /// Highest event time processed, ms since the epoch; negative before the first record.
    pub stream_time: i64,
    /// How far its restore is, while there is one.
    pub restore: Option<Arc<RestoreProgress>>,
    /// What queries may read, while it runs.
    pub stores: Vec<CommittedStore>,
}

/// A thread, as of the last snapshot.
#[derive(Clone, Default)]
pub struct ThreadSnapshot {
    /// Its tasks.
    pub tasks: Vec<TaskSnapshot>,
    /// Records written, since its producer was made.
    pub sent: u64,
    /// Why it ended, if it has.
    pub error: Option<String>,
}

/// What one stream thread publishes.
#[derive(Default)]
pub struct ThreadStatus {
    /// Thread name.
    pub name: String,
    snapshot: Mutex<Arc<ThreadSnapshot>>,
    commits: AtomicU64,
    commit_micros: AtomicU64,
    processed_before: AtomicU64,
    restored: AtomicU64,
    retried: AtomicU64,
    joined: AtomicBool,
}

impl ThreadStatus {
    /// Nothing published yet.
    pub fn new(name: String) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    fn lock(&self) -> MutexGuard<'_, Arc<ThreadSnapshot>> {
        self.snapshot
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The latest snapshot.
    pub fn snapshot(&self) -> Arc<ThreadSnapshot> {
        Arc::clone(&self.lock())
    }

    /// Publishes the thread's tasks.
    pub fn publish(&self, tasks: &Tasks, sent: u64) {
        let mut snapshots = Vec::with_capacity(tasks.len());
        for (task, pending) in tasks.pending().values() {
            let (state, restore) = match pending {
                Pending::Restoring { progress, .. } => {
                    (TaskState::Restoring, Some(Arc::clone(progress)))
                }
                Pending::Starting { .. } => (TaskState::Starting, None),
            };
            snapshots.push(TaskSnapshot {
                id: *task,
                state,
                inputs: Vec::new(),
                counters: TaskCounters::default(),
                stream_time: -1,
                restore,
                stores: Vec::new(),
            });
        }
        for running in tasks.running() {
            let task = &running.task;
            let inputs = task.group.inputs().iter().zip(task.committed_positions());
            let inputs = inputs
                .enumerate()
                .map(|(place, (input, &committed))| InputSnapshot {
                    misplaced: task.misplaced(place),
                    committed,
                    partition: input.partition.clone(),
                    position: input.position(),
                    caught_up: input.caught_up(),
                    buffered: input.buffered(),
                });
            snapshots.push(TaskSnapshot {
                id: task.id,
                state: TaskState::Running,
                inputs: inputs.collect(),
                counters: task.counters(),
                stream_time: task.group.stream_time(),
                restore: None,
                stores: task.committed_stores().to_vec(),
            });
        }
        snapshots.sort_by_key(|task| task.id);
        *self.lock() = Arc::new(ThreadSnapshot {
            tasks: snapshots,
            sent,
            error: None,
        });
    }

    /// Publishes that the thread has ended.
    pub fn ended(&self, error: Option<String>) {
        *self.lock() = Arc::new(ThreadSnapshot {
            error,
            ..ThreadSnapshot::default()
        });
    }

    /// Notes that the group has told the thread which tasks it has, if any.
    pub fn set_joined(&self) {
        self.joined.store(true, Ordering::Release);
    }

    /// Whether the group has told the thread which tasks it has.
    pub fn joined(&self) -> bool {
        self.joined.load(Ordering::Acquire)
    }

    /// Counts a commit.
    pub fn committed(&self, began: Instant, ended: Instant) {
        let micros = ended.duration_since(began).as_micros();
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.commit_micros
            .fetch_add(u64::try_from(micros).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Counts records of a task that has left, and restored records of one that has come.
    pub fn add_past(&self, processed: u64, restored: u64) {
        self.processed_before
            .fetch_add(processed, Ordering::Relaxed);
        self.restored.fetch_add(restored, Ordering::Relaxed);
    }

    /// Counts a record that is tried again.
    pub fn add_retried(&self) {
        self.retried.fetch_add(1, Ordering::Relaxed);
    }

    /// Attempts at records that had failed, on this thread since it started.
    pub fn retried(&self) -> u64 {
        self.retried.load(Ordering::Relaxed)
    }

    /// Commits, and microseconds spent in them.
    pub fn commits(&self) -> (u64, u64) {
        (
            self.commits.load(Ordering::Relaxed),
            self.commit_micros.load(Ordering::Relaxed),
        )
    }

    /// Input records processed on this thread since it started.
    pub fn processed(&self) -> u64 {
        let now: u64 = self
            .snapshot()
            .tasks
            .iter()
            .map(|task| task.counters.processed)
            .sum();
        now + self.processed_before.load(Ordering::Relaxed)
    }

    /// Changelog records restored on this thread since it started.
    pub fn restored(&self) -> u64 {
        self.restored.load(Ordering::Relaxed)
    }
}
