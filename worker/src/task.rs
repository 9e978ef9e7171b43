//! A task: one subtopology on one partition. Owns its inputs' queues, its nodes and its state; runs
//! on exactly one stream thread, which hands it the producer.
//!
//! ```text
//!   Restoring ──► Starting ──► Running ──► closed
//!       ▲                         │
//!       └──── commit failed ──────┘      (state keeps its committed rows, the tail is restored)
//! ```
//! The first two states live in the runtime (`runtime::tasks`): a [`Task`] is a running one.

mod cache;
pub mod collector;
mod commit;
mod dead_letter;
mod failed;
mod look_ahead;
pub mod partition_group;
pub(crate) mod placement;
mod punctuate;
pub mod record_queue;
pub mod retries;
mod times;

use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_crds::plan::{InvalidTime, TaskId};
use millrace_expr::{Bump, Value};
use millrace_kafka::RecordView;

use crate::api::Instances;
use crate::change;
use crate::config::{ErrorPolicies, Policy};
use crate::error::EngineError;
use crate::processor::{ChangeCache, Context, Dropped, Failure, NodeError, NodeTimes, Stage};
use crate::record::{Change, Datum, Record};
use crate::state::flush::{FlushBound, FlushDue};
use crate::state::{CommittedStore, GlobalTables, Store, TaskDb};
use crate::topology::{Format, ProcessorTopology, Source};
use collector::Collector;
use dead_letter::Cause;
use partition_group::{PartitionGroup, UNKNOWN_TIME};
use placement::Placement;
use retries::Failed;
pub use times::decode_time;

/// Offsets that do not move are committed again after this time. To the broker the group subscribes
/// to the tasks topic alone, and of other topics it forgets what was not committed for
/// `offsets.retention.minutes`, also while the group lives (KIP-211): an input without records for a
/// week would begin anew over existing state.
const OFFSETS_REFRESH: Duration = Duration::from_secs(3600);

/// What a task needs beside its topology and inputs.
pub struct TaskState {
    /// The database; `None` where every store is in memory, or there is none.
    pub db: Option<Arc<TaskDb>>,
    /// The stores, by slot, with committed rows restored.
    pub stores: Vec<CommittedStore>,
    /// Changelog topic ids, by slot.
    pub topic_ids: Vec<String>,
    /// Changelog positions, by slot.
    pub offsets: Vec<i64>,
}

/// Counters of a task, since it started here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskCounters {
    /// Input records processed, poison ones included.
    pub processed: u64,
    /// Records dropped by rule.
    pub dropped: u64,
    /// Records that failed, by stage: deserialization, processing, production.
    pub failed: [u64; 3],
    /// Changes of tables that a cache held back until a later one took their place.
    pub cached: u64,
    /// Times that caches were full before the commit.
    pub cache_full: u64,
}

/// A running task.
pub struct Task {
    /// Which one.
    pub id: TaskId,
    topology: ProcessorTopology,
    /// Its inputs.
    pub group: PartitionGroup,
    /// Source (place in the topology) of each input.
    sources: Vec<usize>,
    /// By input: records at its head whose rows have been looked ahead at.
    looked_ahead: Vec<usize>,
    /// By input: `None` where it does not matter on which partition a key is.
    placements: Vec<Option<Placement>>,
    stores: Vec<Store>,
    /// By store.
    caches: Vec<ChangeCache>,
    cache_bytes_max: usize,
    globals: GlobalTables,
    /// What nodes remember, by place.
    times: Vec<NodeTimes>,
    /// The user's own processors.
    processors: Instances,
    has_processors: bool,
    /// Whether they have been called for the first time.
    processors_ready: bool,
    emit_interval_ms: i64,
    state: TaskState,
    /// Positions of the last commit in the changelogs, by store; those in `state` are of what is stored.
    offsets: Vec<i64>,
    /// For how long committed rows may wait to be stored, and since when some do.
    store_interval: Duration,
    unstored_since: Option<Instant>,
    flush: FlushBound,
    errors: ErrorPolicies,
    arena: Bump,
    scratch: Vec<u8>,
    dropped: Dropped,
    counters: TaskCounters,
    /// Positions of the last commit, by input.
    committed_positions: Vec<i64>,
    /// Whether anything was processed since the last commit.
    processed_since_commit: bool,
    /// By input: the record that failed before and is tried again. Empty where there is none.
    retried: Vec<Option<Failed>>,
    /// Whether a processor did something, since the last commit, that no record led to.
    acted_without_record: bool,
    /// When all positions were committed, or first looked at; `None` before that.
    refreshed: Option<Instant>,
}

impl Task {
    /// A task whose state is restored. `sources[i]` is the source that reads input `i` of the group;
    /// the inputs' positions are those that the group has committed. `cache_bytes`: committed rows
    /// cached per store.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        id: TaskId,
        topology: ProcessorTopology,
        group: PartitionGroup,
        sources: Vec<usize>,
        state: TaskState,
        flush: FlushBound,
        errors: ErrorPolicies,
        cache_bytes: usize,
    ) -> Self {
        let stores = topology
            .stores
            .iter()
            .zip(&state.stores)
            .map(|(slot, committed)| Store::new(slot.id, committed.clone(), cache_bytes))
            .collect();
        let committed_positions = group
            .inputs()
            .iter()
            .map(|input| input.position())
            .collect();
        let times = vec![NodeTimes::default(); topology.nodes.len()];
        let caches = topology.stores.iter().map(|_| ChangeCache::default());
        let caches = caches.collect();
        let processors = Instances::of(&topology);
        Self {
            id,
            topology,
            group,
            placements: vec![None; sources.len()],
            looked_ahead: vec![0; sources.len()],
            sources,
            stores,
            caches,
            cache_bytes_max: usize::MAX,
            globals: GlobalTables::default(),
            times,
            has_processors: !processors.places().is_empty(),
            processors,
            processors_ready: false,
            emit_interval_ms: 0,
            offsets: state.offsets.clone(),
            store_interval: Duration::ZERO,
            unstored_since: None,
            state,
            flush,
            errors,
            arena: Bump::new(),
            scratch: Vec::new(),
            dropped: Dropped::default(),
            counters: TaskCounters::default(),
            committed_positions,
            processed_since_commit: false,
            retried: Vec::new(),
            acted_without_record: false,
            refreshed: None,
        }
    }

    /// Lets the task look global tables up.
    #[must_use]
    pub fn with_globals(mut self, globals: GlobalTables) -> Self {
        self.globals = globals;
        self
    }

    /// Sets the wall-clock time between two looks for results that are complete; 0, always, before.
    #[must_use]
    pub fn with_emit_interval(mut self, interval: Duration) -> Self {
        self.emit_interval_ms = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
        self
    }

    /// Lets committed rows wait for so long before they are stored, where they are found by their keys
    /// meanwhile; not at all before. For so long queries do not see them.
    #[must_use]
    pub fn with_store_interval(mut self, interval: Duration) -> Self {
        self.store_interval = interval;
        self
    }

    /// Takes what nodes knew from the texts beside the inputs' committed offsets.
    #[must_use]
    pub fn with_times<'m>(mut self, metadata: impl Iterator<Item = &'m str>) -> Self {
        for text in metadata {
            times::restore(text, &self.topology.nodes, &mut self.times);
        }
        self
    }

    /// Says which record of each input has failed before, if any.
    #[must_use]
    pub fn with_retried(mut self, retried: Vec<Option<Failed>>) -> Self {
        if retried.iter().any(Option::is_some) {
            self.retried = retried;
        }
        self
    }

    /// Looks whether the keys of some inputs are on their partitions; by input.
    #[must_use]
    pub(crate) fn with_placements(mut self, placements: Vec<Option<Placement>>) -> Self {
        self.placements = placements;
        self
    }

    /// Keys of an input found on a partition that is not theirs, since the task started here.
    pub fn misplaced(&self, input: usize) -> u64 {
        let placement = self.placements.get(input).and_then(Option::as_ref);
        placement.map_or(0, Placement::misplaced)
    }

    /// Processes the next record; false when there is none to process now.
    pub fn process_one(
        &mut self,
        collector: &mut Collector,
        now_ms: i64,
    ) -> Result<bool, EngineError> {
        let Some(input) = self.group.choose(now_ms) else {
            return Ok(false);
        };
        if self.commits_first(input) {
            return Ok(false);
        }
        self.look_ahead(input);
        let (time, failure) = self.run(input, collector, now_ms);
        self.arena.reset();
        match failure.map(NodeError::into_failure) {
            None => {}
            Some(Failure::Engine(error)) => return Err(error),
            Some(Failure::Record {
                stage,
                node,
                message,
            }) => {
                let cause = Cause {
                    stage,
                    node: &node,
                    message: &message,
                };
                self.poison(input, &cause, collector)?;
            }
        }
        self.group.pop(input, time);
        self.counters.processed += 1;
        self.processed_since_commit = true;
        self.punctuate_by_stream_time(collector, now_ms)?;
        self.bound_caches(collector, now_ms)?;
        Ok(true)
    }

    /// Reads the chosen input's head and runs it through the nodes. Returns its event time.
    fn run(
        &mut self,
        input: usize,
        collector: &mut Collector,
        now_ms: i64,
    ) -> (i64, Option<NodeError>) {
        let Self {
            topology,
            group,
            sources,
            placements,
            stores,
            caches,
            globals,
            arena,
            scratch,
            dropped,
            times,
            processors,
            emit_interval_ms,
            id,
            ..
        } = self;
        let source = &topology.sources[sources[input]];
        let Some(raw) = group.head(input) else {
            return (UNKNOWN_TIME, None);
        };
        let at = &group.inputs()[input].partition;
        if let Some(Some(placement)) = placements.get_mut(input) {
            placement.look(raw.key, raw.offset, at);
        }
        let topic = &*at.topic;
        let unreadable = |message: String| {
            let node = &topology.nodes[source.node];
            Some(NodeError::of_record(Stage::Deserialization, node, message))
        };
        let partition_time = group.inputs()[input].time();
        let timestamp = match event_time(source, (topic, &raw), partition_time, now_ms, arena) {
            Ok(Some(timestamp)) => timestamp,
            Ok(None) => {
                dropped.records += 1;
                return (UNKNOWN_TIME, None);
            }
            Err(message) => return (UNKNOWN_TIME, unreadable(message)),
        };
        let key = match decode(raw.key, &source.key, "key", arena) {
            Ok(key) => key,
            Err(message) => return (timestamp, unreadable(message)),
        };
        let (new, change) = match decode_change(source, raw.value, arena) {
            Ok(read) => read,
            Err(message) => return (timestamp, unreadable(message)),
        };
        let value = match decode(new, &source.value, "value", arena) {
            Ok(value) => value,
            Err(message) => return (timestamp, unreadable(message)),
        };
        let record = Record {
            key: Datum::read(key, source.key.kind, raw.key),
            value: Datum::read(value, source.value.kind, new),
            timestamp,
            headers: raw.headers,
            topic,
            change,
            window: None,
        };
        let partition = id.partition;
        let mut context = Context {
            stores,
            caches,
            globals,
            collector,
            scratch,
            partition,
            dropped,
            times,
            processors,
            offset: Some(raw.offset),
            stream_time: group.stream_time().max(timestamp),
            now_ms,
            emit_interval_ms: *emit_interval_ms,
        };
        let result = topology.process(source.node, &record, &mut context, arena);
        (timestamp, result.err())
    }

    /// What the flush bound asks for now.
    pub fn flush_due(&self, now: Instant) -> FlushDue {
        self.state
            .db
            .as_ref()
            .map_or(FlushDue::Nothing, |db| db.flush_due(&self.flush, now))
    }

    /// Closes a task with everything committed: refreshes the checkpoints' time, so that a long rest
    /// is not taken for age, and flushes, so that the next start restores nothing.
    pub fn close_clean(mut self, now_ms: i64, now: Instant) -> Result<(), EngineError> {
        self.store(now_ms, now)?;
        self.flush(true, now_ms, now)
    }

    /// Forgets everything that is not stored, queues included; what was committed can be restored again.
    pub fn into_state(mut self) -> TaskState {
        for store in &mut self.stores {
            store.discard();
        }
        self.state
    }

    /// Positions of the last commit, by input.
    pub fn committed_positions(&self) -> &[i64] {
        &self.committed_positions
    }

    /// Its database, if it has one.
    pub fn db(&self) -> Option<&TaskDb> {
        self.state.db.as_deref()
    }

    /// What queries may read.
    pub fn committed_stores(&self) -> &[CommittedStore] {
        &self.state.stores
    }

    /// Memory of uncommitted writes, in bytes.
    pub fn uncommitted_bytes(&self) -> usize {
        self.stores.iter().map(Store::uncommitted_bytes).sum()
    }

    /// Counters since the task started here.
    pub fn counters(&self) -> TaskCounters {
        TaskCounters {
            dropped: self.dropped.records,
            cached: self.caches.iter().map(ChangeCache::replaced).sum(),
            ..self.counters
        }
    }
}

/// A record's time by what its source says; `None` where the record is dropped for want of one, and
/// the reason where it counts as unreadable.
fn event_time(
    source: &Source,
    (topic, raw): (&str, &RecordView<'_>),
    partition_time: i64,
    now_ms: i64,
    arena: &Bump,
) -> Result<Option<i64>, String> {
    if source.wall_clock {
        return Ok(Some(now_ms));
    }
    let found = match &source.timestamp {
        Some(extractor) => extractor.extract(topic, raw, arena),
        None if raw.timestamp < 0 => Err(format!("the record's timestamp is {}", raw.timestamp)),
        None => Ok(raw.timestamp),
    };
    match (found, source.invalid_time) {
        (Ok(time), _) => Ok(Some(time)),
        (Err(_), InvalidTime::Skip) => Ok(None),
        (Err(_), InvalidTime::UsePartitionTime) if partition_time >= 0 => Ok(Some(partition_time)),
        (Err(message), _) => Err(message),
    }
}

/// The bytes of a record's value and, of a repartitioned table, the change they are in.
#[allow(clippy::type_complexity)]
fn decode_change<'r>(
    source: &Source,
    bytes: Option<&'r [u8]>,
    arena: &'r Bump,
) -> Result<(Option<&'r [u8]>, Option<&'r Change<'r>>), String> {
    let (true, Some(both)) = (source.changes, bytes) else {
        return Ok((bytes, None));
    };
    let (old, new) = change::decode(both).ok_or("the value is no change of a table")?;
    let old = Datum::read(
        decode(old, &source.value, "old value", arena)?,
        source.value.kind,
        old,
    );
    Ok((new, Some(arena.alloc(Change { old, latest: true }))))
}

fn decode<'r>(
    bytes: Option<&'r [u8]>,
    format: &Format,
    part: &str,
    arena: &'r Bump,
) -> Result<Value<'r>, String> {
    let Some(bytes) = bytes else {
        return Ok(Value::Null);
    };
    format
        .serde
        .deserialize(bytes, arena)
        .map_err(|error| format!("the {part} is {error}"))
}
