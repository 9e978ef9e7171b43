//! [`TopologyDriver`]: an application on the embedded log, driven step by step.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use millrace_crds::StreamApp;
use millrace_crds::plan::{Functions, Plan};
use millrace_crds::read::read_documents;
use millrace_embedded::{EmbeddedCluster, EmbeddedOptions, Isolation, ReadFrom, StoredRecord};
use millrace_kafka::{Cluster, CommittedOffset, HeadersBuf, TopicPartition, TopicSpec};

use super::{DriverError, ManualClock, Member, TempDir};
use crate::api::Processors;
use crate::budget::MemoryBudget;
use crate::clock::Clock;
use crate::config::WorkerConfig;
use crate::error::EngineError;
use crate::runtime::global::{GlobalOptions, GlobalReader};
use crate::runtime::thread::ThreadContext;
use crate::state::flush::FlushBound;
use crate::state::{Row, StateDirectory, StateError, StateMemory};
use crate::status::TaskSnapshot;
use crate::topics::{self, InternalTopics, Looked, TopicsWanted, external_topics};

/// Memory that RocksDB's cache is sized from, in bytes: small, because tests run many databases.
const MEMORY_LIMIT_BYTES: u64 = 64 << 20;
/// The clock's first reading, ms since the epoch.
const START_MS: i64 = 1_700_000_000_000;
/// Records read per call.
const READ_RECORDS_MAX: usize = 100_000;

/// How a driver is set up.
#[derive(Clone, Debug)]
pub struct DriverOptions {
    /// Partitions of the topics that the StreamApp reads and writes. Default 1.
    pub partitions: i32,
    /// Partition counts of single topics, by name; beside `partitions`.
    pub partitions_of: BTreeMap<String, i32>,
    /// Configuration of single topics, by name.
    pub topic_configs: BTreeMap<String, BTreeMap<String, String>>,
    /// Members to begin with, each a worker process of one thread. Default 1.
    pub members: u32,
    /// For how long committed rows may wait to be stored, where they may: so much later they are read
    /// with [`TopologyDriver::rows`]. After `run_until_idle` none waits, up to 500 ms. Default none.
    pub rows_wait: Duration,
    /// Wall-clock time between two looks for results that are complete (`emit: onWindowClose`). Default
    /// none: they are seen at the record that completes them.
    pub emit_interval: Duration,
    /// Settings of the log.
    pub log: EmbeddedOptions,
    /// The processors that the StreamApp may name. Default none.
    pub processors: Processors,
}

impl Default for DriverOptions {
    fn default() -> Self {
        Self {
            partitions: 1,
            partitions_of: BTreeMap::new(),
            topic_configs: BTreeMap::new(),
            members: 1,
            rows_wait: Duration::ZERO,
            emit_interval: Duration::ZERO,
            log: EmbeddedOptions::default(),
            processors: Processors::new(),
        }
    }
}

/// Rows of a store or a changelog: timestamp and value by key.
pub type Rows = BTreeMap<Vec<u8>, (i64, Vec<u8>)>;

/// An application on the embedded log: its topics, its members, one clock. Members are worker
/// processes of one stream thread, numbered by ordinal from 0; each has a state directory of its
/// own, which a member started again under the same number finds as the last one left it.
pub struct TopologyDriver {
    cluster: EmbeddedCluster,
    clock: ManualClock,
    config: WorkerConfig,
    plan: Arc<Plan>,
    context: ThreadContext,
    memory: StateMemory,
    pub(super) members: BTreeMap<u32, Member>,
    /// Reads the global tables, which all members share here.
    global: Option<GlobalReader>,
    /// Last, so that it is removed after the members have closed their files.
    state: TempDir,
}

impl TopologyDriver {
    /// Drives the only StreamApp of a YAML text, with default options: one partition per topic, one
    /// member.
    pub fn new(yaml: &str) -> Result<Self, DriverError> {
        Self::with_options(yaml, &DriverOptions::default())
    }

    /// Drives the only StreamApp of a YAML text. Creates the topics that it reads and writes, and
    /// the application's own.
    pub fn with_options(yaml: &str, options: &DriverOptions) -> Result<Self, DriverError> {
        let clock = ManualClock::new(START_MS);
        let cluster = EmbeddedCluster::in_memory(options.log.clone(), clock.clone());
        Self::on(yaml, options, cluster, clock)
    }

    /// As [`TopologyDriver::with_options`], on a log that is there already and goes by this clock:
    /// another application's, whose output this one reads.
    pub fn on(
        yaml: &str,
        options: &DriverOptions,
        cluster: EmbeddedCluster,
        clock: ManualClock,
    ) -> Result<Self, DriverError> {
        Self::opened(plan_of(yaml)?, options, cluster, clock)
    }

    /// Drives a StreamApp that has been planned, as [`TopologyDriver::with_options`] does.
    pub fn of_plan(
        app: &StreamApp,
        plan: Plan,
        options: &DriverOptions,
    ) -> Result<Self, DriverError> {
        let clock = ManualClock::new(START_MS);
        let cluster = EmbeddedCluster::in_memory(options.log.clone(), clock.clone());
        let (config, state) = settings_of(app);
        Self::opened((config, Arc::new(plan), state), options, cluster, clock)
    }

    fn opened(
        (mut config, plan, state): (WorkerConfig, Arc<Plan>, TempDir),
        options: &DriverOptions,
        cluster: EmbeddedCluster,
        clock: ManualClock,
    ) -> Result<Self, DriverError> {
        config.engine.store_interval = options.rows_wait;
        config.engine.emit_interval = options.emit_interval;
        options.processors.check(&plan).map_err(EngineError::from)?;
        let (sources, sinks) = external_topics(&plan);
        let specs: Vec<_> = sources
            .into_iter()
            .chain(sinks)
            .chain(options.topic_configs.keys().map(String::as_str))
            .chain(options.partitions_of.keys().map(String::as_str))
            .map(|name| spec(name, options))
            .collect();
        let admin = cluster.admin()?;
        admin.create_topics(&specs)?;
        let plan = if plan.has_patterns() {
            let names = admin.list_topics()?;
            Arc::new(plan.resolve(names.iter().map(String::as_str)))
        } else {
            plan
        };
        let engine = Arc::new(config.engine.clone());
        let wanted = TopicsWanted {
            dead_letter_topic: &engine.dead_letter_topic,
            internal: InternalTopics::Create,
            replication_factor: engine.replication_factor,
            record_bytes_max: config.record_bytes_max(),
        };
        let found = match topics::look(admin.as_ref(), &plan, &wanted)? {
            Looked::Found(found) => found,
            Looked::Missing(what) => return Err(EngineError::Topics(what).into()),
        };
        let memory = StateMemory::new(Some(MEMORY_LIMIT_BYTES));
        let memory_of = (&memory, engine.flush);
        let global = open_globals(&plan, &cluster, &clock, state.path(), memory_of)?;
        let context = ThreadContext {
            config: engine,
            plan: Arc::clone(&plan),
            layout: Arc::new(found.layout),
            processors: options.processors.clone(),
            topics: Arc::new(found.out),
            limits: Arc::new(found.limits),
            globals: global
                .as_ref()
                .map(|global| global.tables().clone())
                .unwrap_or_default(),
            cluster: Arc::new(cluster.clone()),
            clock: Arc::new(clock.clone()),
            budget: Arc::new(MemoryBudget::new(None)),
        };
        let members = BTreeMap::new();
        let mut driver = Self {
            cluster,
            clock,
            config,
            plan,
            context,
            memory,
            members,
            global,
            state,
        };
        driver.read_globals()?;
        for ordinal in 0..options.members {
            driver.start(ordinal)?;
        }
        Ok(driver)
    }

    /// Lets members started from here on reach the log through another one, such as a
    /// `FaultyCluster` around [`TopologyDriver::cluster`].
    pub fn reach_log_through(&mut self, log: Arc<dyn Cluster>) {
        self.context.cluster = log;
    }

    /// The log.
    pub fn cluster(&self) -> &EmbeddedCluster {
        &self.cluster
    }

    /// The clock of engine and log.
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where records go that failed.
    pub(super) fn dead_letter_topic(&self) -> &str {
        &self.config.engine.dead_letter_topic
    }

    /// Milliseconds since the epoch, by the clock.
    pub fn now_ms(&self) -> i64 {
        self.clock.wall_ms()
    }

    /// Number of tasks of the topology, over all members.
    pub fn task_count(&self) -> usize {
        self.context.layout.tasks().count()
    }

    /// Time between two commits.
    pub fn commit_interval(&self) -> Duration {
        self.config.engine.commit_interval
    }

    /// Starts a member under a number that has none; it joins at its first step.
    pub fn start(&mut self, ordinal: u32) -> Result<(), DriverError> {
        let mut context = self.context.clone();
        let mut config = (*context.config).clone();
        config.ordinal = ordinal;
        config.state_dir = self.state_dir(ordinal);
        let directory = StateDirectory::open(&config.state_dir, &config.application_id)?;
        context.config = Arc::new(config);
        let member = Member::new(context, directory, self.memory.clone())?;
        self.members.insert(ordinal, member);
        Ok(())
    }

    /// Numbers of the members that run.
    pub fn ordinals(&self) -> Vec<u32> {
        self.members.keys().copied().collect()
    }

    /// A running member.
    pub fn member(&self, ordinal: u32) -> Option<&Member> {
        self.members.get(&ordinal)
    }

    /// One round of one member, at the clock's present time. A member whose round fails is gone, as
    /// its process would be.
    pub fn step(&mut self, ordinal: u32) -> Result<(), DriverError> {
        self.read_globals()?;
        let member = self
            .members
            .get_mut(&ordinal)
            .ok_or(DriverError::NoMember(ordinal))?;
        let stepped = member.step();
        if stepped.is_err() {
            self.members.remove(&ordinal);
        }
        Ok(stepped?)
    }

    /// Brings the global tables up to the end of their topics.
    fn read_globals(&mut self) -> Result<(), DriverError> {
        let Some(global) = &mut self.global else {
            return Ok(());
        };
        global.run_once(Duration::ZERO)?;
        while !global.caught_up() {
            global.run_once(Duration::ZERO)?;
        }
        Ok(())
    }

    /// Lets time pass, then steps every member once, in order of their numbers.
    pub fn pass(&mut self, time: Duration) -> Result<(), DriverError> {
        self.clock.advance(time);
        self.ordinals()
            .into_iter()
            .try_for_each(|ordinal| self.step(ordinal))
    }

    /// Ends a member as SIGTERM does: commits, flushes, closes. With `leave` the others have its
    /// tasks at once.
    pub fn close(&mut self, ordinal: u32, leave: bool) -> Result<(), DriverError> {
        let member = self
            .members
            .remove(&ordinal)
            .ok_or(DriverError::NoMember(ordinal))?;
        Ok(member.close(leave)?)
    }

    /// Ends a member as `kill -9` does: its transaction stays open, and what RocksDB had not
    /// written to disk is lost.
    pub fn crash(&mut self, ordinal: u32) -> Result<(), DriverError> {
        let member = self
            .members
            .remove(&ordinal)
            .ok_or(DriverError::NoMember(ordinal))?;
        let directory = self.state_dir(ordinal);
        // Dropping the member closes RocksDB, which writes everything out: what a crash leaves is
        // taken before.
        let left = self.state.path().join(format!("{ordinal}-left"));
        super::crash::copy_as_a_crash_leaves_it(&directory, &left)?;
        drop(member);
        let failed = |error: std::io::Error| {
            StateError::io("put back what a crash left", &directory, &error)
        };
        std::fs::remove_dir_all(&directory).map_err(&failed)?;
        std::fs::rename(&left, &directory).map_err(failed)?;
        Ok(())
    }

    /// Removes what a member that does not run has on disk.
    pub fn empty_state(&self, ordinal: u32) -> Result<(), DriverError> {
        let directory = self.state_dir(ordinal);
        std::fs::remove_dir_all(&directory)
            .map_err(|error| StateError::io("empty the state directory", &directory, &error))?;
        Ok(())
    }

    /// A member's state directory.
    pub fn state_dir(&self, ordinal: u32) -> PathBuf {
        self.state.path().join(ordinal.to_string())
    }

    /// All members' tasks, as last published.
    pub fn tasks(&self) -> Vec<TaskSnapshot> {
        self.members.values().flat_map(Member::tasks).collect()
    }

    /// Writes a record without headers, the partition by key; returns its partition and offset.
    pub fn produce(
        &self,
        topic: &str,
        key: Option<&str>,
        value: Option<&str>,
        timestamp: i64,
    ) -> Result<(i32, i64), DriverError> {
        let (key, value) = (key.map(str::as_bytes), value.map(str::as_bytes));
        self.produce_bytes(topic, None, key, value, timestamp, &HeadersBuf::new())
    }

    /// Writes a record; `partition` `None` is by key (murmur2).
    pub fn produce_bytes(
        &self,
        topic: &str,
        partition: Option<i32>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        timestamp: i64,
        headers: &HeadersBuf,
    ) -> Result<(i32, i64), DriverError> {
        Ok(self
            .cluster
            .produce(topic, partition, Some(timestamp), key, value, headers)?)
    }

    /// All committed records of a topic, by partition and offset.
    pub fn read(&self, topic: &str) -> Result<Vec<StoredRecord>, DriverError> {
        let mut records = Vec::new();
        let count = self
            .cluster
            .topics()
            .into_iter()
            .find(|known| known.name == topic);
        for partition in 0..count.map_or(0, |topic| topic.partitions.len()) {
            let partition = TopicPartition::new(topic, i32::try_from(partition).unwrap_or(0));
            let mut next = 0;
            loop {
                let (from, isolation) = (ReadFrom::Offset(next), Isolation::ReadCommitted);
                let (max, wait) = (READ_RECORDS_MAX, Duration::ZERO);
                let batch = self.cluster.read(&partition, from, isolation, max, wait)?;
                let Some(last) = batch.last() else { break };
                next = last.offset + 1;
                records.extend(batch);
            }
        }
        Ok(records)
    }

    /// What the application's group has committed, per partition asked.
    pub fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<CommittedOffset>>, DriverError> {
        let group = &self.config.engine.application_id;
        Ok(self.cluster.admin()?.group_offsets(group, partitions)?)
    }

    /// The committed rows of a store over all members' tasks: timestamp and value by key.
    pub fn rows(&self, store: &str) -> Result<Rows, DriverError> {
        let mut rows = BTreeMap::new();
        for task in self.tasks() {
            for found in task.stores.iter().filter(|found| &*found.name == store) {
                found.scan(|key, Row { timestamp, value }| {
                    rows.insert(key.to_vec(), (timestamp, value.to_vec()));
                    true
                })?;
            }
        }
        Ok(rows)
    }

    /// The latest committed value per key of a topic, tombstones left out: what a compacted
    /// changelog means.
    pub fn compacted(&self, topic: &str) -> Result<Rows, DriverError> {
        let mut rows = BTreeMap::new();
        for record in self.read(topic)? {
            let Some(key) = record.key else { continue };
            match record.value {
                Some(value) => rows.insert(key, (record.timestamp, value)),
                None => rows.remove(&key),
            };
        }
        Ok(rows)
    }
}

/// The only StreamApp of a YAML text: its settings, its plan, and a directory for its state.
pub(super) fn plan_of(yaml: &str) -> Result<(WorkerConfig, Arc<Plan>, TempDir), DriverError> {
    let refused = |problems: Vec<_>| DriverError::refused(&problems);
    let documents = read_documents(yaml, "driver").map_err(refused)?;
    let [document] = &documents[..] else {
        let message = format!(
            "{} StreamApps in the text where one was expected",
            documents.len()
        );
        return Err(DriverError::StreamApp(message));
    };
    let plan = Arc::new(document.plan_with(&Functions::new()).map_err(refused)?);
    let (config, state) = settings_of(&document.app);
    Ok((config, plan, state))
}

/// The settings of a StreamApp under test, and a directory for its state.
pub(super) fn settings_of(app: &StreamApp) -> (WorkerConfig, TempDir) {
    let state = TempDir::new();
    let mut config = WorkerConfig::new(app, 0, state.path().to_owned());
    // What is complete is seen at the record that completes it.
    config.engine.emit_interval = Duration::ZERO;
    (config, state)
}

fn spec(name: &str, options: &DriverOptions) -> TopicSpec {
    TopicSpec {
        name: name.to_owned(),
        partitions: options
            .partitions_of
            .get(name)
            .copied()
            .unwrap_or(options.partitions),
        replication_factor: -1,
        configs: options.topic_configs.get(name).cloned().unwrap_or_default(),
    }
}

/// The reader of a plan's global tables, if it has any.
fn open_globals(
    plan: &Arc<Plan>,
    cluster: &EmbeddedCluster,
    clock: &ManualClock,
    state: &Path,
    (memory, flush): (&StateMemory, FlushBound),
) -> Result<Option<GlobalReader>, DriverError> {
    if plan.global_tables.is_empty() {
        return Ok(None);
    }
    let reader = GlobalReader::open(GlobalOptions {
        plan: Arc::clone(plan),
        cluster: Arc::new(cluster.clone()),
        clock: Arc::new(clock.clone()),
        directory: StateDirectory::open(&state.join("global"), &plan.application_id)?,
        memory: memory.clone(),
        flush,
    })?;
    Ok(Some(reader))
}
