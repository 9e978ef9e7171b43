//! [`StepDriver`]: a topology driven record by record, without a log.

mod open;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_crds::StreamApp;
use millrace_crds::plan::{GlobalTableId, Plan, StoreId};
use millrace_expr::Bump;
use millrace_kafka::{Headers, HeadersBuf, RecordView};

use super::capture::{Capture, CapturedRecord};
use super::driver::{Rows, plan_of, settings_of};
use super::turns::Turns;
use super::{DriverError, TempDir};
use crate::api::Processors;
use crate::error::EngineError;
use crate::state::{CommittedStore, GlobalTables, Row, Shape, Store, VersionedStore};
use crate::task::Task;
use crate::task::collector::Collector;

/// Records that one call may lead to, repartitioned ones included: a topology that feeds itself ends
/// here.
const RECORDS_PER_CALL_MAX: usize = 100_000;

/// How a [`StepDriver`] is set up.
#[derive(Clone, Copy, Debug)]
pub struct StepOptions {
    /// Keeps stores in RocksDB, in a directory of its own; otherwise every store is in memory,
    /// whatever the StreamApp says. Default false.
    pub on_disk: bool,
    /// Records between two commits, at least 1. Results do not depend on it. Default 1.
    pub commit_every: usize,
    /// Lets committed rows wait until they are asked for, in stores that can look them up meanwhile.
    /// Results do not depend on it. Default false.
    pub rows_wait: bool,
    /// The wall clock's first reading, ms since the epoch. Default 0.
    pub now_ms: i64,
    /// Keeps what commits write to changelog topics, for [`StepDriver::take_changelog`]. Default false.
    pub keep_changelog: bool,
}

impl Default for StepOptions {
    fn default() -> Self {
        Self {
            on_disk: false,
            commit_every: 1,
            rows_wait: false,
            now_ms: 0,
            keep_changelog: false,
        }
    }
}

/// The tasks of an application with one partition per topic, fed one record at a time; what a record
/// leads to has all been written when the call returns. Processing, stores and commit are
/// the engine's own; group, transactions and restore are left to
/// [`TopologyDriver`](super::TopologyDriver), which this one is a hundred times faster than.
///
/// Records on internal topics (and on topics that are both written and read) go on in the order of
/// Kafka Streams' `TopologyTestDriver`: the topic whose first record has the lowest timestamp goes
/// first; where some are equal, the one that Java's priority queue happens to take.
///
/// ```
/// use std::time::Duration;
///
/// use millrace_kafka::HeadersBuf;
/// use millrace_worker::testing::{StepDriver, StepOptions};
///
/// let app = r#"
/// apiVersion: millrace.dev/v1alpha1
/// kind: StreamApp
/// metadata: {name: purchases}
/// spec:
///   kafka: {bootstrapServers: "none:9092"}
///   topology:
///     streams:
///       purchases: {topic: purchases, key: string, value: decimal}
///     tables:
///       sums:
///         from: purchases
///         steps: [groupByKey: {}, reduce: {name: sums, value: aggregate + value}]
///         to: {topic: sums}
/// "#;
/// let mut driver = StepDriver::new(app, StepOptions::default())?;
/// let none = HeadersBuf::new();
/// driver.pipe("purchases", Some(b"ann"), Some(b"12.30"), 1_000, &none)?;
/// driver.advance(Duration::from_secs(10))?;
/// let written = driver.pipe("purchases", Some(b"ann"), Some(b"0.70"), 2_000, &none)?;
///
/// assert_eq!(&*written[0].topic, "sums");
/// assert_eq!(written[0].value.as_deref(), Some(&b"13.00"[..]));
/// assert_eq!(driver.rows("sums")?[&b"ann"[..]], (2_000, b"13.00".to_vec()));
/// # Ok::<(), millrace_worker::testing::DriverError>(())
/// ```
pub struct StepDriver {
    tasks: Vec<Task>,
    collector: Collector,
    capture: Capture,
    /// Task and input by topic.
    routes: HashMap<String, (usize, usize)>,
    /// Records on their way, by topic.
    waiting: BTreeMap<String, VecDeque<CapturedRecord>>,
    /// Topics with records on their way, by the time of their first.
    turns: Turns,
    next_offset: i64,
    globals: GlobalTables,
    /// Global tables by topic.
    global_topics: HashMap<String, GlobalTableId>,
    options: StepOptions,
    changelog: Vec<CapturedRecord>,
    uncommitted: usize,
    /// Written at a commit that no call of the caller's led to.
    late: Vec<CapturedRecord>,
    now_ms: i64,
    started: Instant,
    /// Last, so that it is removed after the tasks have closed their files.
    state: TempDir,
}

impl StepDriver {
    /// Drives the only StreamApp of a YAML text.
    ///
    /// # Errors
    /// The StreamApp is refused, or the state directory cannot be made.
    pub fn new(yaml: &str, options: StepOptions) -> Result<Self, DriverError> {
        Self::changed(yaml, options, |_| {})
    }

    /// As [`StepDriver::new`], of a StreamApp that may name these processors.
    ///
    /// # Errors
    /// As [`StepDriver::new`]; a processor is not among them.
    pub fn with_processors(
        yaml: &str,
        options: StepOptions,
        processors: &Processors,
    ) -> Result<Self, DriverError> {
        Self::made(yaml, options, processors, |_| {})
    }

    /// As [`StepDriver::new`], with a plan that was changed before it is run: a mistake planted to see
    /// whether tests find it.
    ///
    /// # Errors
    /// As [`StepDriver::new`].
    pub fn changed(
        yaml: &str,
        options: StepOptions,
        change: impl FnOnce(&mut Plan),
    ) -> Result<Self, DriverError> {
        Self::made(yaml, options, &Processors::new(), change)
    }

    fn made(
        yaml: &str,
        options: StepOptions,
        processors: &Processors,
        change: impl FnOnce(&mut Plan),
    ) -> Result<Self, DriverError> {
        let (config, plan, state) = plan_of(yaml)?;
        let mut plan = Arc::unwrap_or_clone(plan);
        change(&mut plan);
        Self::open(&config, &plan, processors, state, options)
    }

    /// Drives a StreamApp that has been planned.
    ///
    /// # Errors
    /// The state directory cannot be made, or the plan names a processor: there are none here.
    pub fn of_plan(
        app: &StreamApp,
        plan: &Plan,
        options: StepOptions,
    ) -> Result<Self, DriverError> {
        Self::of_plan_with(app, plan, &Processors::new(), options)
    }

    /// As [`StepDriver::of_plan`], of a plan that may name these processors.
    ///
    /// # Errors
    /// The state directory cannot be made; a processor is not among them.
    pub fn of_plan_with(
        app: &StreamApp,
        plan: &Plan,
        processors: &Processors,
        options: StepOptions,
    ) -> Result<Self, DriverError> {
        let (config, state) = settings_of(app);
        Self::open(&config, plan, processors, state, options)
    }

    /// Processes a record, and everything that follows from it; returns what was written to topics
    /// other than changelogs, in order, repartition topics included.
    ///
    /// # Errors
    /// A record that cannot be processed where the error policy is to stop; state that cannot be read
    /// or written.
    pub fn pipe(
        &mut self,
        topic: &str,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        timestamp: i64,
        headers: &HeadersBuf,
    ) -> Result<Vec<CapturedRecord>, DriverError> {
        self.enqueue(CapturedRecord {
            topic: topic.into(),
            timestamp,
            key: key.map(Into::into),
            value: value.map(Into::into),
            headers: headers.clone(),
        });
        self.process_waiting()
    }

    /// Moves the wall clock on; returns what followed from it.
    ///
    /// # Errors
    /// As [`StepDriver::pipe`].
    pub fn advance(&mut self, time: Duration) -> Result<Vec<CapturedRecord>, DriverError> {
        let ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.now_ms = self.now_ms.saturating_add(ms);
        for task in &mut self.tasks {
            task.punctuate(&mut self.collector, self.now_ms)?;
        }
        let mut written = Vec::new();
        self.take_outputs(&mut written);
        written.extend(self.process_waiting()?);
        Ok(written)
    }

    /// Commits what is uncommitted.
    ///
    /// # Errors
    /// State that cannot be written.
    pub fn commit(&mut self) -> Result<(), DriverError> {
        self.uncommitted = 0;
        self.forward_cached()?;
        let mut late = std::mem::take(&mut self.late);
        self.take_outputs(&mut late);
        self.late = late;
        for task in &mut self.tasks {
            task.send_changelog(&mut self.collector)?;
            self.collector.flush().map_err(EngineError::from)?;
            task.apply_commit(&self.collector, self.now_ms, self.started)?;
        }
        let changelog = self.capture.take();
        if self.options.keep_changelog {
            self.changelog.extend(changelog);
        }
        Ok(())
    }

    /// What commits wrote to changelog topics since the last call, in order, if that is kept.
    pub fn take_changelog(&mut self) -> Vec<CapturedRecord> {
        std::mem::take(&mut self.changelog)
    }

    /// The rows of a store that its readers see, after a commit: timestamp and value by the key that
    /// the changelog has; of a versioned store the latest versions.
    ///
    /// # Errors
    /// State that cannot be read or written.
    pub fn rows(&mut self, store: &str) -> Result<Rows, DriverError> {
        self.store_all()?;
        let mut rows = Rows::new();
        let stores = self.tasks.iter().flat_map(Task::committed_stores);
        for found in stores.filter(|found| &*found.name == store) {
            found.scan(|key, Row { timestamp, value }| {
                rows.insert(key.to_vec(), (timestamp, value.to_vec()));
                true
            })?;
        }
        Ok(rows)
    }

    /// The version of a key that readers of a versioned store see at a time, after a commit: timestamp
    /// and value.
    ///
    /// # Errors
    /// The store keeps no versions; state that cannot be read or written.
    pub fn row_as_of(
        &mut self,
        store: &str,
        key: &[u8],
        time: i64,
    ) -> Result<Option<(i64, Vec<u8>)>, DriverError> {
        self.store_all()?;
        let mut stores = self.tasks.iter().flat_map(Task::committed_stores);
        let versioned = |found: &&CommittedStore| {
            &*found.name == store && matches!(found.shape, Shape::Versioned { .. })
        };
        let Some(found) = stores.find(versioned) else {
            let message = format!("the store {store} keeps no versions but the latest");
            return Err(DriverError::Types(message));
        };
        let mut rows = Store::of_committed(StoreId(0), found.clone());
        let arena = Bump::new();
        let row = VersionedStore::new(&mut rows).get_as_of(key, time, &arena)?;
        Ok(row.map(|row| (row.timestamp, row.value.to_vec())))
    }

    /// Commits, and has everything stored where readers find it.
    fn store_all(&mut self) -> Result<(), DriverError> {
        self.commit()?;
        for task in &mut self.tasks {
            task.store(self.now_ms, self.started)?;
        }
        Ok(())
    }

    /// Records dropped by rule so far, over all tasks.
    pub fn dropped(&self) -> u64 {
        self.tasks.iter().map(|task| task.counters().dropped).sum()
    }

    /// Passes on what caches hold back.
    fn forward_cached(&mut self) -> Result<(), DriverError> {
        for task in &mut self.tasks {
            task.forward_cached(&mut self.collector, self.now_ms)?;
        }
        Ok(())
    }

    fn enqueue(&mut self, record: CapturedRecord) {
        let waiting = self.waiting.entry(record.topic.to_string()).or_default();
        if waiting.is_empty() {
            self.turns
                .offer(record.timestamp, Arc::clone(&record.topic));
        }
        waiting.push_back(record);
    }

    /// The record whose turn it is.
    fn next(&mut self) -> Option<CapturedRecord> {
        let topic = self.turns.poll()?;
        let waiting = self.waiting.get_mut(&*topic)?;
        let record = waiting.pop_front()?;
        if let Some(next) = waiting.front() {
            self.turns.offer(next.timestamp, topic);
        }
        Some(record)
    }

    fn process_waiting(&mut self) -> Result<Vec<CapturedRecord>, DriverError> {
        let mut written = std::mem::take(&mut self.late);
        let mut processed = 0;
        while let Some(record) = self.next() {
            processed += 1;
            if processed > RECORDS_PER_CALL_MAX {
                let seen = format!("{processed} records followed from one");
                return Err(DriverError::NeverIdle {
                    passes: processed,
                    seen,
                });
            }
            self.process(&record)?;
            self.uncommitted += 1;
            let commit = self.uncommitted >= self.options.commit_every;
            if commit {
                self.forward_cached()?;
            }
            self.take_outputs(&mut written);
            if commit {
                self.commit()?;
            }
        }
        Ok(written)
    }

    /// Takes what was written; what is read again goes on.
    fn take_outputs(&mut self, written: &mut Vec<CapturedRecord>) {
        for output in self.capture.take() {
            if self.routes.contains_key(&*output.topic) {
                self.enqueue(output.clone());
            }
            written.push(output);
        }
    }

    fn process(&mut self, record: &CapturedRecord) -> Result<(), DriverError> {
        if let Some(&table) = self.global_topics.get(&*record.topic) {
            if let Some(key) = &record.key {
                let value = record.value.as_deref();
                self.globals
                    .put_in_memory(table, key, value, record.timestamp);
            }
            return Ok(());
        }
        let Some(&(task, input)) = self.routes.get(&*record.topic) else {
            return Err(EngineError::Topics(format!("no source reads {}", record.topic)).into());
        };
        let task = &mut self.tasks[task];
        let view = RecordView {
            offset: self.next_offset,
            timestamp: record.timestamp,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: Headers::from_encoded(record.headers.as_headers().as_encoded()),
        };
        self.next_offset += 1;
        task.group.push(input, &view);
        while task.process_one(&mut self.collector, self.now_ms)? {}
        Ok(())
    }
}
