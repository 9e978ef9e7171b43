//! [`WorkerStatus`]: what a worker answers on `/status`.

use serde::{Deserialize, Serialize};

/// The body of `GET /status`, as JSON. Readers tolerate fields and words they do not know, so that
/// workers and operators of different versions understand each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerStatus {
    /// The applications of the process: one in a pod, any number under `dev`.
    #[serde(default)]
    pub applications: Vec<ApplicationStatus>,
}

/// One application in one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationStatus {
    /// Its name in Kafka.
    pub application_id: String,
    /// Where it is.
    pub phase: WorkerPhase,
    /// What it waits for, why it failed, or why it drains; of one that runs, which topics match a
    /// pattern and are not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Hash of the plan it runs.
    #[serde(default)]
    pub plan: String,
    /// Records behind, over all inputs read here. `None` is unknown (some input's lag could not be
    /// looked up, or a task does not run yet), never 0.
    #[serde(default)]
    pub lag: Option<i64>,
    /// Its stream threads, those that are ending included.
    #[serde(default)]
    pub threads: Vec<ThreadStatus>,
}

/// Where an application is in its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WorkerPhase {
    /// It waits for topics, for the broker or for its runtime settings; the message says for what.
    Waiting,
    /// Its threads run. Whether their tasks do is said of each.
    Running,
    /// Told to run nothing here: its threads commit, close and leave the group.
    Draining,
    /// It runs nothing here and is no member of the group: the pod may go.
    Drained,
    /// Ended, as asked by a signal.
    Stopped,
    /// Ended by an error, which the message is; the process ends.
    Failed,
    /// A word of a later version.
    #[serde(other)]
    Unknown,
}

/// A stream thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThreadStatus {
    /// Its name: `<application id>-<thread>`.
    pub name: String,
    /// Whether it has become a member of the consumer group.
    #[serde(default)]
    pub joined: bool,
    /// Commits since it started.
    #[serde(default)]
    pub commits: u64,
    /// Input records processed since it started.
    #[serde(default)]
    pub processed: u64,
    /// Changelog records restored since it started.
    #[serde(default)]
    pub restored: u64,
    /// Why it ended, if an error ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Its tasks, sorted.
    #[serde(default)]
    pub tasks: Vec<TaskStatus>,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskStatus {
    /// `<subtopology>_<partition>`.
    pub id: String,
    /// Where it is.
    pub state: TaskState,
    /// Records behind, over its inputs; `None` is unknown.
    #[serde(default)]
    pub lag: Option<i64>,
    /// Its inputs, while it runs.
    #[serde(default)]
    pub inputs: Vec<InputStatus>,
    /// How far its restore is, while there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<RestoreStatus>,
    /// Its stores, while it runs.
    #[serde(default)]
    pub stores: Vec<String>,
    /// Input records processed since it started here.
    #[serde(default)]
    pub processed: u64,
    /// Records dropped by rule, such as a null key.
    #[serde(default)]
    pub dropped: u64,
    /// Records that could not be read, processed or written.
    #[serde(default)]
    pub failed: u64,
    /// Highest event time processed, ms since the epoch; negative before the first record.
    #[serde(default)]
    pub stream_time: i64,
}

/// Where a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TaskState {
    /// Its state is being restored.
    Restoring,
    /// It waits for its committed offsets.
    Starting,
    /// It processes.
    Running,
    /// A word of a later version.
    #[serde(other)]
    Unknown,
}

/// An input partition of a running task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InputStatus {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset of the next record to process.
    #[serde(default)]
    pub position: i64,
    /// Records behind; `None` is unknown.
    #[serde(default)]
    pub lag: Option<i64>,
    /// Records fetched and not processed.
    #[serde(default)]
    pub buffered: usize,
    /// Keys found on a partition that is not theirs by murmur2, where joins or tables look for them
    /// there; of those that were looked at, since the task started.
    #[serde(default)]
    pub misplaced: u64,
}

/// How far a restore is, in changelog records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreStatus {
    /// Records applied.
    pub restored: u64,
    /// Changelog offsets to go through in all: an upper bound of the records (compacted ones and
    /// transaction markers count).
    pub total: u64,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_status_of_a_later_version_is_understood_as_far_as_it_goes() {
        let text = r#"{"applications": [{"applicationId": "loans", "phase": "meditating",
            "lag": null, "later": 1, "threads": [{"name": "loans-0", "tasks": [
            {"id": "0_1", "state": "levitating", "newer": {}}]}]}], "node": "x"}"#;
        let status: WorkerStatus = serde_json::from_str(text).unwrap();
        let app = &status.applications[0];
        assert_eq!(app.phase, WorkerPhase::Unknown);
        assert_eq!(app.lag, None);
        assert_eq!(app.threads[0].tasks[0].state, TaskState::Unknown);
    }

    #[test]
    fn phases_and_states_are_words_in_lower_case() {
        let phase = serde_json::to_string(&WorkerPhase::Draining).unwrap();
        let state = serde_json::to_string(&TaskState::Restoring).unwrap();
        assert_eq!((&*phase, &*state), ("\"draining\"", "\"restoring\""));
    }
}
