//! How a [`StepDriver`] comes to be: its tasks, their empty stores, the ways of their topics.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use millrace_crds::plan::{Plan, TaskId};
use millrace_kafka::{Guarantee, TopicPartition};

use super::{StepDriver, StepOptions};
use crate::api::Processors;
use crate::config::WorkerConfig;
use crate::error::EngineError;
use crate::runtime::restore::StoreToRestore;
use crate::state::{
    Committed, CommittedStore, GlobalTables, MemoryRows, StateDirectory, StateMemory, TaskDb,
};
use crate::task::collector::{Collector, TopicLimits};
use crate::task::partition_group::{Input, PartitionGroup, UNKNOWN_TIME};
use crate::task::{Task, TaskState};
use crate::testing::capture::Capture;
use crate::testing::turns::Turns;
use crate::testing::{DriverError, TempDir};
use crate::topics::PRODUCER_RECORD_BYTES_MAX;
use crate::topology::{OutTopics, ProcessorTopology};

/// Memory that RocksDB's cache is sized from, in bytes.
const MEMORY_LIMIT_BYTES: u64 = 64 << 20;
/// Committed rows cached per store on disk, in bytes.
const ROW_CACHE_BYTES: usize = 64 << 10;

impl StepDriver {
    pub(super) fn open(
        config: &WorkerConfig,
        plan: &Plan,
        processors: &Processors,
        state: TempDir,
        options: StepOptions,
    ) -> Result<Self, DriverError> {
        processors.check(plan).map_err(EngineError::from)?;
        let topics = OutTopics::new(plan, &config.engine.dead_letter_topic);
        let limits = vec![
            TopicLimits {
                partitions: 1,
                record_bytes_max: PRODUCER_RECORD_BYTES_MAX,
            };
            topics.names().len()
        ];
        let capture = Capture::default();
        let sink = Box::new(capture.clone());
        let collector = Collector::new(sink, Guarantee::AtLeastOnce, &topics, &limits)?;
        let collector = collector.with_lookup(Box::new(any_topic));
        let mut driver = Self {
            tasks: Vec::new(),
            collector,
            capture,
            routes: HashMap::new(),
            waiting: BTreeMap::new(),
            turns: Turns::default(),
            next_offset: 0,
            globals: GlobalTables::new(&plan.global_tables, None),
            global_topics: plan
                .global_tables
                .iter()
                .map(|table| (table.topic.clone(), table.id))
                .collect(),
            changelog: Vec::new(),
            uncommitted: 0,
            late: Vec::new(),
            now_ms: options.now_ms,
            started: Instant::now(),
            options,
            state,
        };
        for subtopology in 0..plan.subtopologies.len() {
            let topology = ProcessorTopology::build(
                plan,
                subtopology,
                &topics,
                &config.engine.dead_letter_topic,
                processors,
            );
            let id = TaskId {
                subtopology,
                partition: 0,
            };
            let topology = topology.ok_or_else(|| {
                EngineError::Topics(format!("the plan has no subtopology for task {id}"))
            })?;
            let stores = driver.stores(plan, id, processors)?;
            driver.add_task(config, id, topology, stores);
        }
        for task in &mut driver.tasks {
            task.punctuate(&mut driver.collector, driver.now_ms)?;
        }
        Ok(driver)
    }

    fn add_task(
        &mut self,
        config: &WorkerConfig,
        id: TaskId,
        topology: ProcessorTopology,
        stores: TaskState,
    ) {
        let (group, sources) = self.inputs(&topology);
        let (flush, mut errors) = (config.engine.flush, config.engine.errors);
        // Without transactions there is no way back, and no time passes by itself.
        errors.retry.attempts = 0;
        let task = Task::new(
            id,
            topology,
            group,
            sources,
            stores,
            flush,
            errors,
            ROW_CACHE_BYTES,
        );
        let task = task
            .with_globals(self.globals.clone())
            .with_emit_interval(config.engine.emit_interval)
            .with_store_interval(if self.options.rows_wait {
                Duration::MAX
            } else {
                Duration::ZERO
            });
        self.tasks.push(task);
    }

    /// Empty stores of a task.
    fn stores(
        &self,
        plan: &Plan,
        id: TaskId,
        processors: &Processors,
    ) -> Result<TaskState, DriverError> {
        let specs = StoreToRestore::of(plan, id.subtopology, processors);
        let db = if self.options.on_disk && !specs.is_empty() {
            let directory = StateDirectory::open(self.state.path(), &plan.application_id)?;
            let names: Vec<&str> = specs.iter().map(|spec| &*spec.name).collect();
            let memory = StateMemory::new(Some(MEMORY_LIMIT_BYTES));
            let db = TaskDb::open(directory.lock(id)?, &names, &memory)?;
            Some(Arc::new(db))
        } else {
            None
        };
        let stores = specs.iter().map(|spec| {
            let rows = match (&spec.supplier, &db) {
                (Some(supplier), _) => Committed::Supplied(supplier.open(&spec.name, id)?),
                (None, Some(db)) => Committed::Rocks(Arc::clone(db)),
                (None, None) => Committed::Memory(MemoryRows::from(RwLock::new(BTreeMap::new()))),
            };
            let formats = (spec.key, spec.value);
            let name = Arc::clone(&spec.name);
            Ok(CommittedStore::new(name, spec.shape, formats, rows))
        });
        Ok(TaskState {
            stores: stores.collect::<Result<_, DriverError>>()?,
            topic_ids: vec![String::new(); specs.len()],
            offsets: vec![0; specs.len()],
            db,
        })
    }

    /// The inputs of the next task, each noted as the way of its topic.
    fn inputs(&mut self, topology: &ProcessorTopology) -> (PartitionGroup, Vec<usize>) {
        let task = self.tasks.len();
        let (mut inputs, mut sources) = (Vec::new(), Vec::new());
        for (source, spec) in topology.sources.iter().enumerate() {
            for topic in &spec.topics {
                self.routes
                    .insert(topic.name().to_owned(), (task, inputs.len()));
                let partition = TopicPartition::new(topic.name(), 0);
                let extractor = spec.timestamp.clone();
                inputs.push(Input::new(
                    partition,
                    spec.table,
                    extractor,
                    0,
                    UNKNOWN_TIME,
                ));
                sources.push(source);
            }
        }
        // Only one record at a time is in the group, so that nothing is ever waited for.
        (PartitionGroup::new(inputs, -1, 1), sources)
    }
}

/// Every topic that a record names is there, with one partition.
fn any_topic(_name: &str) -> millrace_kafka::Result<Option<TopicLimits>> {
    Ok(Some(TopicLimits {
        partitions: 1,
        record_bytes_max: PRODUCER_RECORD_BYTES_MAX,
    }))
}
