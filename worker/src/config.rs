//! What a worker runs: the StreamApp's settings (flags and environment are put
//! into the StreamApp before it is planned), in the engine's own units.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use millrace_crds::limits;
use millrace_crds::stream_app::{
    AfterRetries, ErrorPolicy, ProcessingGuarantee, RetrySpec, StreamApp, Threads,
};
use millrace_kafka::Guarantee;

use crate::processor::Stage;
use crate::state::flush::FlushBound;

/// What is done with a record that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// To the dead-letter topic, in the same transaction.
    DeadLetter,
    /// The application stops before it.
    Stop,
    /// The thread goes back to the last commit and tries again, as often as [`Retry`] says.
    Retry,
}

impl From<ErrorPolicy> for Policy {
    fn from(policy: ErrorPolicy) -> Self {
        match policy {
            ErrorPolicy::DeadLetter => Self::DeadLetter,
            ErrorPolicy::Stop => Self::Stop,
            ErrorPolicy::Retry => Self::Retry,
        }
    }
}

/// How [`Policy::Retry`] tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts at a record after the first.
    pub attempts: u32,
    /// Wait before the first of them; doubled before each other, up to [`Retry::WAIT_MAX`].
    pub backoff: Duration,
    /// Where a record that still fails goes: to the dead-letter topic, or it stops the application.
    pub dead_letter: bool,
}

impl Retry {
    /// The longest wait before an attempt.
    pub const WAIT_MAX: Duration = Duration::from_millis(limits::RETRY_BACKOFF_MS.unsigned_abs());

    /// The wait before an attempt; they are counted from 1.
    pub fn wait(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(16);
        (self.backoff * (1 << doublings)).min(Self::WAIT_MAX)
    }

    /// What is done after the last attempt.
    pub fn then(&self) -> Policy {
        if self.dead_letter {
            Policy::DeadLetter
        } else {
            Policy::Stop
        }
    }
}

impl From<RetrySpec> for Retry {
    fn from(spec: RetrySpec) -> Self {
        Self {
            attempts: u32::try_from(spec.attempts).unwrap_or_default(),
            backoff: Duration::from_millis(at_least(spec.backoff_ms, 1)),
            dead_letter: spec.then == AfterRetries::DeadLetter,
        }
    }
}

/// Policies by stage (KIP-1033).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorPolicies {
    /// Bytes that are not of the source's format.
    pub deserialization: Policy,
    /// Expressions without a result.
    pub processing: Policy,
    /// Outputs that cannot be written.
    pub production: Policy,
    /// How the policy `retry` tries again.
    pub retry: Retry,
}

impl ErrorPolicies {
    /// The policy for a stage.
    pub fn of(&self, stage: Stage) -> Policy {
        match stage {
            Stage::Deserialization => self.deserialization,
            Stage::Processing => self.processing,
            Stage::Production => self.production,
        }
    }
}

/// Wall-clock time between two looks for results that are complete (closed windows, unmatched records
/// of a join), as in Kafka Streams: each look is a scan.
pub const EMIT_INTERVAL: Duration = Duration::from_secs(1);

/// For how long committed rows may wait to be stored, where that saves writing them more than once: so
/// much later than the commit queries see them.
pub const STORE_INTERVAL: Duration = Duration::from_millis(500);

/// Settings of the engine, the same for all threads.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Consumer group, prefix of internal topics and transactional ids.
    pub application_id: String,
    /// This process's number among its peers: the StatefulSet's ordinal.
    pub ordinal: u32,
    /// Exactly once or at least once.
    pub guarantee: Guarantee,
    /// Time between commits.
    pub commit_interval: Duration,
    /// `max.task.idle.ms` (KIP-695); −1 never waits.
    pub max_task_idle_ms: i64,
    /// Records per input partition before its fetching stops.
    pub buffered_records_max: usize,
    /// Wall-clock time between two looks for results that are complete.
    pub emit_interval: Duration,
    /// For how long committed rows may wait to be stored.
    pub store_interval: Duration,
    /// When committed state goes to disk.
    pub flush: FlushBound,
    /// Bytes of changes that all tasks together may hold back.
    pub cache_bytes: usize,
    /// What is done with records that fail.
    pub errors: ErrorPolicies,
    /// Where they go.
    pub dead_letter_topic: String,
    /// Directory of the local state; the application's own is below it.
    pub state_dir: PathBuf,
    /// Copies of internal topics that the worker creates; −1 is the cluster's default.
    pub replication_factor: i32,
}

/// A worker's settings: the engine's, and those around it.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// The engine's.
    pub engine: EngineConfig,
    /// Stream threads; `None` is `auto`: one per task, divided over the replicas.
    pub threads: Option<usize>,
    /// Number of worker processes, for `auto`.
    pub replicas: usize,
    /// Kafka's addresses.
    pub bootstrap_servers: String,
    /// Kafka client properties.
    pub properties: BTreeMap<String, String>,
}

fn at_least(value: i64, least: i64) -> u64 {
    u64::try_from(value.max(least)).unwrap_or_default()
}

/// With commits so far apart that only one falls into the interval, rows do not wait.
fn store_interval(commit_interval_ms: i64) -> Duration {
    let commits = Duration::from_millis(at_least(commit_interval_ms, 1)) * 2;
    if commits <= STORE_INTERVAL {
        STORE_INTERVAL
    } else {
        Duration::ZERO
    }
}

impl WorkerConfig {
    /// Settings of a StreamApp that [`millrace_crds::plan()`] has accepted (ranges are checked there).
    pub fn new(app: &StreamApp, ordinal: u32, state_dir: PathBuf) -> Self {
        let spec = &app.spec;
        let application_id = app.application_id().to_owned();
        let dead_letter_topic = spec
            .errors
            .dead_letter_topic
            .clone()
            .unwrap_or_else(|| format!("{application_id}-dead-letter"));
        let engine = EngineConfig {
            ordinal,
            guarantee: match spec.processing_guarantee {
                ProcessingGuarantee::ExactlyOnceV2 => Guarantee::ExactlyOnce,
                ProcessingGuarantee::AtLeastOnce => Guarantee::AtLeastOnce,
            },
            commit_interval: Duration::from_millis(at_least(spec.commit_interval_ms(), 1)),
            max_task_idle_ms: spec.max_task_idle_ms,
            buffered_records_max: usize::try_from(spec.buffered_records_per_partition)
                .unwrap_or(1)
                .max(1),
            emit_interval: EMIT_INTERVAL,
            store_interval: store_interval(spec.commit_interval_ms()),
            flush: FlushBound {
                records: at_least(spec.state.flush.records, 1),
                interval_ms: at_least(spec.state.flush.interval_ms, 1),
            },
            cache_bytes: usize::try_from(spec.state.cache_bytes).unwrap_or_default(),
            errors: ErrorPolicies {
                deserialization: spec.errors.deserialization.into(),
                processing: spec.errors.processing.into(),
                production: spec.errors.production.into(),
                retry: spec.errors.retry.into(),
            },
            dead_letter_topic,
            state_dir,
            replication_factor: -1,
            application_id,
        };
        let threads = match spec.threads {
            Threads::Auto => None,
            Threads::Count(count) => usize::try_from(count).ok(),
        };
        Self {
            engine,
            threads,
            replicas: usize::try_from(spec.replicas).unwrap_or(1).max(1),
            bootstrap_servers: spec.kafka.bootstrap_servers.clone(),
            properties: spec.kafka.properties.clone(),
        }
    }

    /// Largest record the producer takes, bytes (`message.max.bytes`).
    pub fn record_bytes_max(&self) -> usize {
        self.properties
            .get("message.max.bytes")
            .and_then(|text| text.parse().ok())
            .unwrap_or(crate::topics::PRODUCER_RECORD_BYTES_MAX)
    }

    /// Stream threads of this process for so many tasks: ceil(tasks ÷ replicas) under `auto`.
    pub fn thread_count(&self, tasks: usize) -> usize {
        /// A thread has a producer, a consumer and their sockets: more than this is a mistake.
        const AUTO_MAX: usize = 64;
        self.threads
            .unwrap_or_else(|| tasks.div_ceil(self.replicas).clamp(1, AUTO_MAX))
    }
}
