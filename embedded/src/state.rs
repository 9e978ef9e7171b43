//! Everything the embedded log knows, behind one lock: topics, groups, transactions, the journal.
//!
//! Topics and appending are here; `transactions` and `groups` have the coordinators' parts, `replay`
//! what happens at the start. A change is checked, written to the journal, then applied to memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use millrace_kafka::{Error, ErrorKind, Result, TopicPartition};

use crate::batch::BatchBuilder;
use crate::change::{Change, GroupOffset};
use crate::cluster::EmbeddedOptions;
use crate::group::Group;
use crate::journal::Journal;
use crate::partition::PartitionLog;
use crate::topic::{Topic, check_topic, new_topic_id};

mod groups;
mod replay;
mod transactions;

pub(crate) use groups::dismissed;
pub(crate) use transactions::ProducerEpoch;
use transactions::TransactionalProducer;

/// Where a producer's batch ended up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Appended {
    /// Offset of the batch's first record.
    pub(crate) first: i64,
    /// Offset after its last record.
    pub(crate) end: i64,
}

/// The state of the log.
pub(crate) struct State {
    topics: BTreeMap<Arc<str>, Topic>,
    groups: BTreeMap<Arc<str>, Group>,
    producers: HashMap<Arc<str>, TransactionalProducer>,
    next_transaction: u64,
    next_member: u64,
    journal: Option<Journal>,
    /// Memory that all records take together.
    memory_bytes: usize,
    options: EmbeddedOptions,
    /// No session and no transaction ends before this time.
    next_expiry_ms: i64,
    /// Counts the changes a waiting call may be waiting for.
    version: u64,
}

impl State {
    pub(crate) fn new(options: EmbeddedOptions) -> Self {
        Self {
            topics: BTreeMap::new(),
            groups: BTreeMap::new(),
            producers: HashMap::new(),
            next_transaction: 1,
            next_member: 1,
            journal: None,
            memory_bytes: 0,
            options,
            next_expiry_ms: i64::MAX,
            version: 0,
        }
    }

    /// Changes whenever a waiting call may find something new.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn next_expiry_ms(&self) -> i64 {
        self.next_expiry_ms
    }

    pub(crate) fn topics(&self) -> &BTreeMap<Arc<str>, Topic> {
        &self.topics
    }

    /// Ends the sessions and transactions whose time has come, and syncs the journal when due. Costs
    /// a comparison when there is nothing to do.
    pub(crate) fn tick(&mut self, now_ms: i64) {
        if let Some(journal) = &mut self.journal {
            journal.sync_when_due(now_ms);
        }
        if now_ms < self.next_expiry_ms {
            return;
        }
        self.expire_transactions(now_ms);
        self.expire_members(now_ms);
        let transactions = self
            .producers
            .values()
            .filter_map(TransactionalProducer::expires_at_ms);
        let sessions = self.groups.values().filter_map(Group::next_expiry_ms);
        self.next_expiry_ms = transactions.chain(sessions).min().unwrap_or(i64::MAX);
    }

    /// A partition that must be there.
    pub(crate) fn partition(
        &self,
        partition: &TopicPartition,
        operation: &str,
    ) -> Result<&PartitionLog> {
        self.topics
            .get(&partition.topic)
            .and_then(|topic| topic.partition(partition.partition))
            .ok_or_else(|| unknown_partition(partition, operation))
    }

    pub(crate) fn create_topic(
        &mut self,
        name: &str,
        partitions: i32,
        configs: BTreeMap<String, String>,
        now_ms: i64,
    ) -> Result<()> {
        if self.topics.contains_key(name) {
            return Ok(());
        }
        check_topic(name, partitions)?;
        // Checked before it is written: what the journal has can always be applied.
        let id = new_topic_id();
        Topic::new(id.clone(), partitions, configs.clone())?;
        let change = Change::CreateTopic {
            name: Arc::from(name),
            id,
            partitions,
            configs,
        };
        self.change(change, "create a topic", now_ms)
    }

    pub(crate) fn add_partitions(&mut self, name: &str, count: i32, now_ms: i64) -> Result<()> {
        let operation = "add partitions";
        let Some(topic) = self.topics.get(name) else {
            return Err(unknown_topic(name, operation));
        };
        check_topic(name, count)?;
        let present = topic.partition_count();
        if count < present {
            let message =
                format!("topic {name} has {present} partitions, they cannot become fewer");
            return Err(Error::new(ErrorKind::Config, operation, message));
        }
        let change = Change::AddPartitions {
            name: Arc::from(name),
            partitions: count,
        };
        self.change(change, operation, now_ms)
    }

    pub(crate) fn delete_topic(&mut self, name: &str, now_ms: i64) -> Result<()> {
        if !self.topics.contains_key(name) {
            return Ok(());
        }
        self.change(
            Change::DeleteTopic {
                name: Arc::from(name),
            },
            "delete a topic",
            now_ms,
        )
    }

    /// Deletes the records before an offset; −1 is all of them.
    pub(crate) fn delete_records(
        &mut self,
        partition: &TopicPartition,
        before: i64,
        now_ms: i64,
    ) -> Result<()> {
        let operation = "delete records";
        let log = self.partition(partition, operation)?;
        let (start, end) = (log.start(), log.end());
        let before = if before == -1 { end } else { before };
        if !(0..=end).contains(&before) {
            let message = format!("offset {before} is not within 0 and the end, {end}");
            let error = Error::new(ErrorKind::OffsetOutOfRange, operation, message);
            return Err(error.on(partition.clone()));
        }
        if before <= start {
            return Ok(());
        }
        let change = Change::Bounds {
            partition: partition.clone(),
            start: before,
            end,
        };
        self.change(change, operation, now_ms)
    }

    /// Compacts a topic now, whatever its policy.
    pub(crate) fn compact(&mut self, name: &str, now_ms: i64) -> Result<()> {
        let Some(topic) = self.topics.get_mut(name) else {
            return Err(unknown_topic(name, "compact"));
        };
        let retention_ms = topic.policy.delete_retention_ms;
        for log in &mut topic.partitions {
            let before = log.bytes();
            log.compact(now_ms, retention_ms);
            self.memory_bytes = self.memory_bytes - before + log.bytes();
        }
        Ok(())
    }

    /// Appends what the builder has collected. On an error the builder keeps its records.
    pub(crate) fn append(
        &mut self,
        partition: &TopicPartition,
        producer: Option<&ProducerEpoch>,
        builder: &mut BatchBuilder,
        now_ms: i64,
    ) -> Result<Appended> {
        let operation = "produce";
        let base = self.partition(partition, operation)?.end();
        self.check_memory(builder.size_bytes(), operation)?;
        let transaction = match producer {
            Some(producer) => Some(self.write_transaction(producer, Some(partition), now_ms)?),
            None => None,
        };
        let Some(batch) = builder.build(base) else {
            return Ok(Appended {
                first: base,
                end: base,
            });
        };
        let batch = Arc::new(batch);
        let appended = Appended {
            first: batch.base(),
            end: batch.last_offset() + 1,
        };
        let change = Change::Append {
            partition: partition.clone(),
            transaction,
            batch: Arc::clone(&batch),
        };
        if let Err(error) = self.change(change, operation, now_ms) {
            if let Some(batch) = Arc::into_inner(batch) {
                builder.restore(batch);
            }
            return Err(error.on(partition.clone()));
        }
        Ok(appended)
    }

    fn check_memory(&self, more_bytes: usize, operation: &str) -> Result<()> {
        let limit = self.options.memory_bytes;
        if self.memory_bytes.saturating_add(more_bytes) <= limit {
            return Ok(());
        }
        let size = |topic: &Topic| {
            topic
                .partitions
                .iter()
                .map(PartitionLog::bytes)
                .sum::<usize>()
        };
        let largest = self.topics.iter().max_by_key(|(_, topic)| size(topic));
        let largest = largest
            .map(|(name, topic)| format!(" (topic {name} has {} of them)", size(topic)))
            .unwrap_or_default();
        let message = format!(
            "the embedded log's memory is used up: {} of {limit} bytes{largest}; delete records or \
             topics, set retention.bytes, or raise the budget",
            self.memory_bytes
        );
        Err(Error::new(ErrorKind::Unavailable, operation, message))
    }

    /// Writes a change to the journal, then applies it.
    fn change(&mut self, change: Change, operation: &str, now_ms: i64) -> Result<()> {
        if let Some(journal) = &mut self.journal {
            journal
                .append(&change, now_ms)
                .map_err(|error| error.into_log_error(operation))?;
        }
        self.apply(change, now_ms);
        self.rewrite_journal_when_mostly_dead(now_ms);
        Ok(())
    }

    /// Applies a change to memory. What it names and is not there (any more) is left out.
    fn apply(&mut self, change: Change, now_ms: i64) {
        match change {
            Change::CreateTopic {
                name,
                id,
                partitions,
                configs,
            } => {
                self.apply_create_topic(&name, id, partitions, configs);
            }
            Change::DeleteTopic { name } => {
                if let Some(topic) = self.topics.remove(&name) {
                    let bytes = topic.partitions.iter().map(PartitionLog::bytes);
                    self.memory_bytes -= bytes.sum::<usize>();
                }
                for group in self.groups.values_mut() {
                    group.offsets.retain(|partition, _| partition.topic != name);
                }
                self.resize_groups(&name);
            }
            Change::AddPartitions { name, partitions } => {
                if let Some(topic) = self.topics.get_mut(&name) {
                    topic.add_partitions(partitions);
                }
                self.resize_groups(&name);
            }
            Change::Append {
                partition,
                transaction,
                batch,
            } => {
                self.next_transaction = self
                    .next_transaction
                    .max(transaction.map_or(0, |number| number + 1));
                self.with_log(&partition, |log| log.append(batch, transaction));
                self.trim(&partition, now_ms);
            }
            Change::EndTransaction {
                transaction,
                commit,
                markers,
                offsets,
            } => {
                for (partition, marker) in markers {
                    self.with_log(&partition, |log| {
                        log.end_transaction(transaction, commit, marker);
                    });
                }
                self.apply_offsets(offsets);
            }
            Change::CommitOffsets { offsets } => self.apply_offsets(offsets),
            Change::Bounds {
                partition,
                start,
                end,
            } => {
                self.with_log(&partition, |log| log.raise_bounds(start, end));
            }
            Change::DeleteGroup { group } => {
                self.groups.remove(&group);
            }
        }
        self.version += 1;
    }

    fn apply_create_topic(
        &mut self,
        name: &Arc<str>,
        id: String,
        partitions: i32,
        configs: BTreeMap<String, String>,
    ) {
        match Topic::new(id, partitions, configs) {
            Ok(topic) => {
                self.topics.insert(Arc::clone(name), topic);
                self.resize_groups(name);
            }
            // The configuration was checked before it was written: only a journal of a later
            // version can have one that is refused here.
            Err(error) => tracing::error!(topic = %name, %error, "topic left out"),
        }
    }

    fn apply_offsets(&mut self, offsets: Vec<GroupOffset>) {
        for GroupOffset {
            group,
            partition,
            committed,
        } in offsets
        {
            self.groups
                .entry(group)
                .or_default()
                .offsets
                .insert(partition, committed);
        }
    }

    /// Works on one partition, if it is there, and keeps the memory count right.
    fn with_log(&mut self, partition: &TopicPartition, work: impl FnOnce(&mut PartitionLog)) {
        let topic = self.topics.get_mut(&partition.topic);
        if let Some(log) = topic.and_then(|topic| topic.partition_mut(partition.partition)) {
            let before = log.bytes();
            work(log);
            self.memory_bytes = self.memory_bytes - before + log.bytes();
        }
    }

    /// Applies size retention and compaction to a partition that has grown.
    fn trim(&mut self, partition: &TopicPartition, now_ms: i64) {
        let Some(policy) = self
            .topics
            .get(&partition.topic)
            .map(|topic| topic.policy.clone())
        else {
            return;
        };
        let default_retention = self.options.retention_bytes.filter(|_| !policy.compact);
        self.with_log(partition, |log| {
            if policy.compact && log.wants_compaction(policy.min_dirty_ratio) {
                log.compact(now_ms, policy.delete_retention_ms);
            }
            if let Some(max_bytes) = policy.retention_bytes.or(default_retention) {
                log.retain_bytes(max_bytes);
            }
        });
    }
}

pub(crate) fn unknown_topic(name: &str, operation: &str) -> Error {
    let message = format!("there is no topic {name}: create it first");
    Error::new(ErrorKind::UnknownTopic, operation, message)
}

pub(crate) fn unknown_partition(partition: &TopicPartition, operation: &str) -> Error {
    let message = "there is no such topic or partition: create it first";
    Error::new(ErrorKind::UnknownTopic, operation, message).on(partition.clone())
}
