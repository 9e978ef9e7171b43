//! From restored state to a running task: committed offsets, first positions, inputs assigned.

use std::collections::HashMap;
use std::sync::Arc;

use millrace_crds::plan::{OffsetReset, TaskId, TopicRef};
use millrace_kafka::{
    CommittedOffset, ErrorKind, GroupConsumer, Guarantee, PartitionAssignment, ProducerOptions,
    StartOffset, TopicPartition,
};

use super::restore::RestoredState;
use super::tasks::{Pending, Running};
use super::thread::StreamThread;
use crate::error::{EngineError, Outcome};
use crate::task::collector::Collector;
use crate::task::partition_group::{Input, PartitionGroup, UNKNOWN_TIME};
use crate::task::placement::Placement;
use crate::task::{Task, TaskState, decode_time};
use crate::topics::{self, PRODUCER_RECORD_BYTES_MAX};
use crate::topology::ProcessorTopology;

/// A task whose offsets are being looked up.
struct Prepared {
    number: i32,
    id: TaskId,
    state: TaskState,
    existed: bool,
    topology: ProcessorTopology,
    /// Source and partition of each input.
    inputs: Vec<(usize, TopicPartition)>,
}

impl StreamThread {
    /// Takes finished restores over. One that failed for a reason that passes begins again.
    pub(super) fn collect_restored(&mut self) -> Result<(), EngineError> {
        let mut failed = Ok(());
        for restored in self.restores.finished() {
            let Some((
                task,
                Pending::Restoring {
                    cancelled,
                    progress,
                },
            )) = self.tasks.pending().get(&restored.number)
            else {
                continue;
            };
            if !Arc::ptr_eq(cancelled, &restored.cancelled) {
                // An earlier job of a task that went and came back.
                continue;
            }
            self.status.add_past(0, progress.restored());
            let task = *task;
            match restored.result {
                Ok(RestoredState { state, existed }) => {
                    let starting = Pending::Starting { state, existed };
                    self.tasks.put_pending(restored.number, task, starting);
                }
                Err(error) if error.outcome() == Outcome::Fatal => failed = failed.and(Err(error)),
                Err(error) => {
                    if let Err(error) = self.condemn_unrestored(task, &error) {
                        failed = failed.and(Err(error));
                        continue;
                    }
                    tracing::warn!(%task, %error, "restore begins again");
                    self.restore(restored.number, task, None);
                }
            }
        }
        failed
    }

    /// Starts every task whose state is complete.
    pub(super) fn start_tasks(&mut self) -> Result<(), EngineError> {
        if !self.tasks.any_starting() {
            return Ok(());
        }
        let mut prepared = Vec::new();
        for (number, id, state, existed) in self.tasks.take_starting() {
            prepared.push(self.prepare(number, id, state, existed)?);
        }
        let committed = match self.committed(&prepared) {
            Ok(committed) => committed,
            Err(error) => {
                // Offsets that a pending transaction covers: asked again in a later round.
                for task in prepared {
                    self.wait_to_start(task);
                }
                return match &error {
                    EngineError::Log(log) if log.kind == ErrorKind::Unavailable => {
                        self.await_offsets(&error);
                        Ok(())
                    }
                    _ => Err(error),
                };
            }
        };
        self.offsets_wait.over();
        let mut started = Ok(());
        for task in prepared {
            if started.is_ok() {
                match self.assign_inputs(&task, &committed) {
                    Ok((group, slots)) => {
                        self.start(task, group, slots, &committed);
                        continue;
                    }
                    Err(error) => started = Err(error),
                }
            }
            // What did not start keeps its state, and is tried again in a later round.
            self.wait_to_start(task);
        }
        self.publish(true);
        started
    }

    /// Normal for the moment that a commit takes, and up to a transaction's timeout.
    fn await_offsets(&mut self, error: &EngineError) {
        tracing::debug!(%error, "tasks wait for their offsets");
        if let Some(waited) = self.offsets_wait.wait(self.context.clock.monotonic()) {
            tracing::warn!(
                thread = self.index,
                %error,
                ?waited,
                "tasks wait for their committed offsets: either the broker is away, or a transaction \
                 holds them that nobody ends (kafka-transactions.sh find-hanging names it, abort ends it)"
            );
        }
    }

    fn wait_to_start(&mut self, task: Prepared) {
        let Prepared {
            number,
            id,
            state,
            existed,
            ..
        } = task;
        self.tasks
            .put_pending(number, id, Pending::Starting { state, existed });
    }

    fn prepare(
        &self,
        number: i32,
        id: TaskId,
        state: TaskState,
        existed: bool,
    ) -> Result<Prepared, EngineError> {
        let context = &self.context;
        let topology = ProcessorTopology::build(
            &context.plan,
            id.subtopology,
            &context.topics,
            &context.config.dead_letter_topic,
            &context.processors,
        )
        .ok_or_else(|| EngineError::Topics(format!("the plan has no subtopology for task {id}")))?;
        let inputs = topology
            .sources
            .iter()
            .enumerate()
            .flat_map(|(source, spec)| spec.topics.iter().map(move |topic| (source, topic)))
            .filter(|(_, topic)| context.layout.has_partition(topic.name(), id.partition))
            .map(|(source, topic)| (source, TopicPartition::new(topic.name(), id.partition)))
            .collect();
        Ok(Prepared {
            number,
            id,
            state,
            existed,
            topology,
            inputs,
        })
    }

    fn committed(
        &mut self,
        tasks: &[Prepared],
    ) -> Result<HashMap<TopicPartition, CommittedOffset>, EngineError> {
        let partitions: Vec<_> = tasks
            .iter()
            .flat_map(|task| &task.inputs)
            .map(|(_, at)| at.clone())
            .collect();
        let committed = self.consumer()?.committed(&partitions)?;
        Ok(partitions
            .into_iter()
            .zip(committed)
            .filter_map(|(partition, offset)| Some((partition, offset?)))
            .collect())
    }

    fn consumer(&mut self) -> Result<&mut Box<dyn GroupConsumer>, EngineError> {
        self.consumer.as_mut().ok_or_else(|| {
            millrace_kafka::Error::new(
                ErrorKind::Unavailable,
                "use the consumer",
                "the thread has not joined its group yet",
            )
            .into()
        })
    }

    /// Lets the consumer read a task's inputs, from where the group stands.
    fn assign_inputs(
        &mut self,
        prepared: &Prepared,
        committed: &HashMap<TopicPartition, CommittedOffset>,
    ) -> Result<(PartitionGroup, Vec<u32>), EngineError> {
        let Prepared {
            existed,
            topology,
            inputs,
            ..
        } = prepared;
        let missing: Vec<&TopicPartition> = inputs
            .iter()
            .map(|(_, partition)| partition)
            .filter(|partition| !committed.contains_key(*partition))
            .collect();
        if *existed && missing.len() == inputs.len() {
            return Err(self.offsets_lost(&missing));
        }
        if let Some(db) = &prepared.state.db {
            self.refuse_lost(&missing, &db.inputs()?)?;
        }
        let first = self.first_positions(topology, inputs, committed)?;
        let slots = self.tasks.free_slots(inputs.len());
        let mut group_inputs = Vec::with_capacity(inputs.len());
        let mut assignments = Vec::with_capacity(inputs.len());
        for ((source, partition), &slot) in inputs.iter().zip(&slots) {
            let at = committed.get(partition).or_else(|| first.get(partition));
            let offset = at.map_or(0, |at| at.offset);
            let time = at.map_or(UNKNOWN_TIME, |at| decode_time(&at.metadata));
            let source = &topology.sources[*source];
            let extractor = source.timestamp.clone();
            group_inputs.push(Input::new(
                partition.clone(),
                source.table,
                extractor,
                offset,
                time,
            ));
            let (partition, start) = (partition.clone(), StartOffset::At(offset));
            assignments.push(PartitionAssignment {
                partition,
                start,
                slot,
            });
        }
        let config = &self.context.config;
        let group = PartitionGroup::new(
            group_inputs,
            config.max_task_idle_ms,
            config.buffered_records_max,
        );
        self.consumer()?.assign(&assignments)?;
        Ok((group, slots))
    }

    /// Some inputs have offsets and some have none. Those that the state has seen at a commit had one:
    /// it is lost. The others are new, by a change of the topology, and begin by their reset policy.
    fn refuse_lost(
        &self,
        missing: &[&TopicPartition],
        known: &[(TopicPartition, i64)],
    ) -> Result<(), EngineError> {
        let seen = |at: &TopicPartition| known.iter().any(|(known, _)| known == at);
        let (lost, new): (Vec<_>, Vec<_>) = missing.iter().copied().partition(|at| seen(at));
        if !lost.is_empty() {
            return Err(self.offsets_lost(&lost));
        }
        if !known.is_empty() {
            for input in new {
                tracing::info!(%input, "a new input: it begins by its reset policy");
            }
        }
        Ok(())
    }

    fn offsets_lost(&self, lost: &[&TopicPartition]) -> EngineError {
        let partitions: Vec<String> = lost.iter().map(ToString::to_string).collect();
        EngineError::OffsetsLost {
            group: self.context.config.application_id.clone(),
            partitions: partitions.join(", "),
        }
    }

    fn start(
        &mut self,
        prepared: Prepared,
        group: PartitionGroup,
        slots: Vec<u32>,
        committed: &HashMap<TopicPartition, CommittedOffset>,
    ) {
        let Prepared {
            number,
            id,
            state,
            topology,
            inputs,
            ..
        } = prepared;
        let placements = self.placements(id, &topology, &inputs);
        let sources = inputs.iter().map(|(source, _)| *source).collect();
        let (flush, errors) = (self.context.config.flush, self.context.config.errors);
        let cache = self.cache_bytes_per_store();
        let retried = inputs.iter().map(|(_, at)| self.retries.of(at)).collect();
        let known = inputs.iter().filter_map(|(_, at)| committed.get(at));
        let known = known.map(|at| at.metadata.as_str());
        let task = Task::new(id, topology, group, sources, state, flush, errors, cache)
            .with_globals(self.context.globals.clone())
            .with_emit_interval(self.context.config.emit_interval)
            .with_store_interval(self.context.config.store_interval)
            .with_times(known)
            .with_retried(retried)
            .with_cache(self.cache_bytes_per_task())
            .with_placements(placements);
        self.tasks.start(Running {
            number,
            task,
            slots,
        });
        tracing::info!(task = %id, thread = self.index, "task running");
    }

    /// The user's own topics whose keys must be on their partitions: those that are joined with others
    /// by partition, and those of tables. What the engine wrote itself is where it belongs.
    fn placements(
        &self,
        id: TaskId,
        topology: &ProcessorTopology,
        inputs: &[(usize, TopicPartition)],
    ) -> Vec<Option<Placement>> {
        let context = &self.context;
        let part = context.plan.subtopologies.get(id.subtopology);
        let joined = |topic: &TopicRef| {
            part.is_some_and(|part| part.copartitioned.iter().flatten().any(|t| t == topic))
        };
        let partitions = context.layout.partitions.get(id.subtopology).copied();
        inputs
            .iter()
            .map(|(source, at)| {
                let source = &topology.sources[*source];
                let topic = source
                    .topics
                    .iter()
                    .find(|topic| topic.name() == &*at.topic)?;
                let own = matches!(topic, TopicRef::External(_));
                (own && (source.table || joined(topic)))
                    .then(|| partitions.map(Placement::new))
                    .flatten()
            })
            .collect()
    }

    /// A store's share of the thread's row cache, as if all tasks ran here: they may come to.
    fn cache_bytes_per_store(&self) -> usize {
        let context = &self.context;
        let stores: usize = context
            .layout
            .tasks()
            .filter_map(|task| context.plan.subtopologies.get(task.subtopology))
            .map(|subtopology| subtopology.stores.len())
            .sum();
        context.budget.row_cache_bytes(stores)
    }

    /// A task's share of what may be held back, as if all tasks with a cache ran in this process: the
    /// bound, and so what goes on when, does not depend on which do.
    fn cache_bytes_per_task(&self) -> usize {
        let context = &self.context;
        let caches = |task: &TaskId| {
            let part = context.plan.subtopologies.get(task.subtopology);
            let stores = part.map(|part| part.stores.as_slice()).unwrap_or_default();
            stores
                .iter()
                .any(|store| context.plan.store(*store).caching)
        };
        let tasks = context.layout.tasks().filter(caches).count();
        context.config.cache_bytes / tasks.max(1)
    }

    /// Positions of inputs that the group has no offset for, by the source's reset policy; committed
    /// before the first record is read, so that "no offset" later can only mean "lost".
    fn first_positions(
        &mut self,
        topology: &ProcessorTopology,
        inputs: &[(usize, TopicPartition)],
        committed: &HashMap<TopicPartition, CommittedOffset>,
    ) -> Result<HashMap<TopicPartition, CommittedOffset>, EngineError> {
        let missing: Vec<_> = inputs
            .iter()
            .filter(|(_, partition)| !committed.contains_key(partition))
            .collect();
        if missing.is_empty() {
            return Ok(HashMap::new());
        }
        let partitions: Vec<_> = missing.iter().map(|(_, at)| at.clone()).collect();
        let watermarks = self.context.cluster.admin()?.watermarks(&partitions)?;
        let first: Vec<_> = missing
            .iter()
            .zip(watermarks)
            .map(|((source, partition), (low, high))| {
                let offset = match topology.sources[*source].reset {
                    OffsetReset::Earliest => low,
                    OffsetReset::Latest => high,
                };
                (
                    partition.clone(),
                    CommittedOffset {
                        offset,
                        metadata: String::new(),
                    },
                )
            })
            .collect();
        self.consumer()?.commit(&first)?;
        Ok(first.into_iter().collect())
    }

    /// A producer whose predecessor's transaction is settled.
    pub(super) fn new_collector(&self) -> Result<Collector, EngineError> {
        let config = &self.context.config;
        let name = format!(
            "{}-{}-{}",
            config.application_id, config.ordinal, self.index
        );
        let transactional = config.guarantee == Guarantee::ExactlyOnce;
        let mut sink = self.context.cluster.producer(&ProducerOptions {
            transactional_id: transactional.then(|| name.clone()),
            client_id: format!("{name}-producer"),
        })?;
        if transactional {
            sink.init_transactions()?;
        }
        let limits = &self.context.limits;
        let topics = &self.context.topics;
        let collector = Collector::new(sink, config.guarantee, topics, limits)?;
        // What the producer takes shows in the topics that are known.
        let record_bytes_max = limits.iter().map(|limits| limits.record_bytes_max).max();
        let record_bytes_max = record_bytes_max.unwrap_or(PRODUCER_RECORD_BYTES_MAX);
        let lookup = topics::lookup(self.context.cluster.admin()?, record_bytes_max);
        Ok(collector.with_lookup(lookup))
    }
}
