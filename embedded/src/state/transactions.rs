//! The transaction coordinator: one producer at a time per transactional id, one transaction at a
//! time per producer.

use std::sync::Arc;

use millrace_kafka::{CommittedOffset, Error, ErrorKind, Result, TopicPartition};

use super::State;
use crate::change::{Change, GroupOffset};
use crate::clock::millis;
use crate::group::Membership;

/// A producer's claim to a transactional id.
#[derive(Clone, Debug)]
pub(crate) struct ProducerEpoch {
    pub(crate) transactional_id: Arc<str>,
    pub(crate) epoch: u32,
}

/// What is known of a transactional id.
#[derive(Debug, Default)]
pub(crate) struct TransactionalProducer {
    epoch: u32,
    open: Option<Transaction>,
    /// The epoch was raised because a transaction took too long, not by a newer producer.
    timed_out: bool,
}

/// A transaction that has written something.
#[derive(Debug)]
struct Transaction {
    number: u64,
    expires_at_ms: i64,
    partitions: Vec<TopicPartition>,
    offsets: Vec<GroupOffset>,
}

impl TransactionalProducer {
    /// When the open transaction times out.
    pub(crate) fn expires_at_ms(&self) -> Option<i64> {
        self.open.as_ref().map(|open| open.expires_at_ms)
    }
}

impl State {
    /// Fences older producers of a transactional id, aborts what they left open, and returns the new
    /// producer's claim.
    pub(crate) fn init_producer(
        &mut self,
        transactional_id: &Arc<str>,
        now_ms: i64,
    ) -> Result<ProducerEpoch> {
        let producer = self
            .producers
            .entry(Arc::clone(transactional_id))
            .or_default();
        producer.epoch += 1;
        producer.timed_out = false;
        let epoch = producer.epoch;
        if let Some(left_open) = producer.open.take() {
            self.abort_transaction(&left_open, now_ms);
        }
        Ok(ProducerEpoch {
            transactional_id: Arc::clone(transactional_id),
            epoch,
        })
    }

    /// Number of the producer's transaction, which begins here if this is its first write.
    pub(super) fn write_transaction(
        &mut self,
        producer: &ProducerEpoch,
        partition: Option<&TopicPartition>,
        now_ms: i64,
    ) -> Result<u64> {
        let timeout_ms = millis(self.options.transaction_timeout);
        let number = self.next_transaction;
        let known = self.claimed_producer(producer, "write in a transaction")?;
        let begins = known.open.is_none();
        let open = known.open.get_or_insert_with(|| Transaction {
            number,
            expires_at_ms: now_ms.saturating_add(timeout_ms),
            partitions: Vec::new(),
            offsets: Vec::new(),
        });
        if let Some(partition) = partition
            && !open.partitions.contains(partition)
        {
            open.partitions.push(partition.clone());
        }
        let (open_number, expires_at_ms) = (open.number, open.expires_at_ms);
        if begins {
            self.next_transaction += 1;
            self.next_expiry_ms = self.next_expiry_ms.min(expires_at_ms);
        }
        Ok(open_number)
    }

    /// Whether the producer is still the one of its transactional id.
    pub(crate) fn has_claim(&self, claim: &ProducerEpoch) -> bool {
        let known = self.producers.get(&claim.transactional_id);
        known.is_some_and(|known| known.epoch == claim.epoch)
    }

    /// Adds a group's offsets to the producer's transaction.
    pub(crate) fn send_offsets(
        &mut self,
        producer: &ProducerEpoch,
        offsets: &[(TopicPartition, CommittedOffset)],
        membership: &Membership,
        now_ms: i64,
    ) -> Result<()> {
        let operation = "add offsets to the transaction";
        self.claimed_producer(producer, operation)?;
        self.check_membership(membership, operation)?;
        for (partition, _) in offsets {
            self.partition(partition, operation)?;
        }
        self.write_transaction(producer, None, now_ms)?;
        let of_group = |(partition, committed): &(TopicPartition, CommittedOffset)| GroupOffset {
            group: Arc::clone(&membership.group),
            partition: partition.clone(),
            committed: committed.clone(),
        };
        if let Some(open) = &mut self.claimed_producer(producer, operation)?.open {
            open.offsets.extend(offsets.iter().map(of_group));
        }
        Ok(())
    }

    /// Ends the producer's transaction. One that has written nothing leaves no trace.
    pub(crate) fn end_transaction(
        &mut self,
        producer: &ProducerEpoch,
        commit: bool,
        now_ms: i64,
    ) -> Result<()> {
        let operation = if commit {
            "commit the transaction"
        } else {
            "abort the transaction"
        };
        let known = self.claimed_producer(producer, operation)?;
        let Some(open) = known.open.take() else {
            return Ok(());
        };
        if !commit {
            self.abort_transaction(&open, now_ms);
            return Ok(());
        }
        let change = Change::EndTransaction {
            transaction: open.number,
            commit: true,
            markers: self.markers(&open.partitions),
            offsets: open.offsets.clone(),
        };
        self.change(change, operation, now_ms).inspect_err(|_| {
            if let Some(known) = self.producers.get_mut(&producer.transactional_id) {
                known.open = Some(open);
            }
        })
    }

    /// Whether a transaction that has not ended yet holds an offset of the group for a partition.
    pub(crate) fn has_pending_offset(&self, group: &str, partition: &TopicPartition) -> bool {
        let open = self
            .producers
            .values()
            .filter_map(|producer| producer.open.as_ref());
        open.flat_map(|open| &open.offsets)
            .any(|offset| &*offset.group == group && offset.partition == *partition)
    }

    /// Aborts the transactions that took too long; their producers are fenced.
    pub(super) fn expire_transactions(&mut self, now_ms: i64) {
        let mut over = Vec::new();
        for (transactional_id, producer) in &mut self.producers {
            if producer
                .expires_at_ms()
                .is_some_and(|expires_at| expires_at <= now_ms)
                && let Some(open) = producer.open.take()
            {
                producer.epoch += 1;
                producer.timed_out = true;
                over.push((Arc::clone(transactional_id), open));
            }
        }
        for (transactional_id, open) in over {
            tracing::warn!(%transactional_id, "transaction timed out and was aborted");
            self.abort_transaction(&open, now_ms);
        }
    }

    /// Aborts, whether or not the journal has room for it: a transaction whose end it does not have
    /// is aborted on replay.
    fn abort_transaction(&mut self, open: &Transaction, now_ms: i64) {
        self.abort_writes(open.number, &open.partitions, now_ms);
    }

    /// Marks what a transaction wrote to some partitions as aborted.
    pub(super) fn abort_writes(
        &mut self,
        transaction: u64,
        partitions: &[TopicPartition],
        now_ms: i64,
    ) {
        let change = Change::EndTransaction {
            transaction,
            commit: false,
            markers: self.markers(partitions),
            offsets: Vec::new(),
        };
        if let Err(error) = self.change(change.clone(), "abort a transaction", now_ms) {
            tracing::warn!(%error, "the abort is in memory alone");
            self.apply(change, now_ms);
        }
    }

    /// The offset that each partition's marker takes; partitions deleted since have none.
    fn markers(&self, partitions: &[TopicPartition]) -> Vec<(TopicPartition, i64)> {
        let end = |partition: &TopicPartition| {
            let log = self.partition(partition, "end the transaction").ok()?;
            Some((partition.clone(), log.end()))
        };
        partitions.iter().filter_map(end).collect()
    }

    fn claimed_producer(
        &mut self,
        claim: &ProducerEpoch,
        operation: &str,
    ) -> Result<&mut TransactionalProducer> {
        let id = &claim.transactional_id;
        match self.producers.get_mut(id) {
            Some(known) if known.epoch == claim.epoch => Ok(known),
            Some(known) if known.timed_out => {
                let message = format!(
                    "the transaction of {id} took longer than {:?} and was aborted: open a new \
                     producer",
                    self.options.transaction_timeout
                );
                Err(Error::new(ErrorKind::Fenced, operation, message))
            }
            _ => {
                let message =
                    format!("a newer producer has the transactional id {id}: this one must stop");
                Err(Error::new(ErrorKind::Fenced, operation, message))
            }
        }
    }
}
