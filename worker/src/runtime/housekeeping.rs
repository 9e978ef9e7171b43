//! What has to be done now and then, and never on a stream thread: records of repartition topics that
//! are done for good are deleted, and so is the state of tasks that have lived elsewhere for long.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use millrace_crds::plan::InternalTopicKind;
use millrace_kafka::TopicPartition;

use crate::app::AppShared;
use crate::error::EngineError;
use crate::state::StateDirectory;

/// Between two deletions (Kafka Streams' `repartition.purge.interval.ms`).
const PURGE_INTERVAL: Duration = Duration::from_secs(30);
/// Between two looks for state that nobody uses.
const CLEAN_INTERVAL: Duration = Duration::from_secs(60);
/// State that nobody has used for this long goes (Kafka Streams' `state.cleanup.delay.ms`).
const UNUSED_STATE_AGE: Duration = Duration::from_secs(600);
/// How often the end of the application is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// Starts the thread; it ends with the application.
pub fn start(
    app: Arc<AppShared>,
    directory: StateDirectory,
) -> Result<JoinHandle<()>, EngineError> {
    std::thread::Builder::new()
        .name(format!("{}-housekeeping", app.plan.application_id))
        .spawn(move || run(&app, &directory))
        .map_err(|error| EngineError::Thread(format!("start the housekeeping thread: {error}")))
}

fn run(app: &AppShared, directory: &StateDirectory) {
    let started = Instant::now();
    let (mut purged, mut cleaned) = (started, started);
    while !app.is_stopping() {
        std::thread::sleep(LOOK);
        if purged.elapsed() >= PURGE_INTERVAL {
            purged = Instant::now();
            purge_repartition_topics(app);
        }
        // Never soon after a start: state of before it may belong to tasks that are about to come.
        if cleaned.elapsed() >= CLEAN_INTERVAL && started.elapsed() >= UNUSED_STATE_AGE {
            cleaned = Instant::now();
            for task in directory.clean(UNUSED_STATE_AGE) {
                tracing::info!(task, "state of a task that lives elsewhere removed");
            }
        }
    }
}

/// Deletes what this process's tasks have committed. Repartition topics keep their records for ever
/// otherwise: their retention is unlimited, so that nothing is lost that was not yet processed.
pub fn purge_repartition_topics(app: &AppShared) {
    let topics: BTreeSet<&str> = app
        .plan
        .internal_topics
        .iter()
        .filter(|topic| topic.kind == InternalTopicKind::Repartition)
        .map(|topic| topic.name.as_str())
        .collect();
    let done: Vec<(TopicPartition, i64)> = app
        .threads()
        .iter()
        .flat_map(|thread| thread.snapshot().tasks.clone())
        .flat_map(|task| task.inputs)
        .filter(|input| input.committed > 0 && topics.contains(&*input.partition.topic))
        .map(|input| (input.partition, input.committed))
        .collect();
    if done.is_empty() {
        return;
    }
    if let Err(error) = app.admin.delete_records(&done) {
        tracing::warn!(%error, "processed records of repartition topics stay until the next time");
    }
}
