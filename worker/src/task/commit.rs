//! A task's part in a commit, step by step: changelog, offsets, and after the log has committed the one
//! batch that takes rows, changelog positions and input positions into the state.

use std::time::Instant;

use millrace_kafka::{CommittedOffset, Headers, TopicPartition};

use super::collector::Collector;
use super::{OFFSETS_REFRESH, Task, times};
use crate::error::EngineError;
use crate::state::{Checkpoint, Committed};

impl Task {
    /// Whether a commit would change anything: records processed, a position that moved over
    /// transaction markers, or positions that have not moved for so long that the broker may forget
    /// them. `now`: the commit's time, the same in all its steps.
    pub fn needs_commit(&mut self, now: Instant) -> bool {
        self.refreshed.get_or_insert(now);
        self.processed_since_commit
            || self.acted_without_record
            || self.refresh_due(now)
            || self
                .group
                .inputs()
                .iter()
                .zip(&self.committed_positions)
                .any(|(input, &committed)| input.position() != committed)
    }

    /// Whether a processor has asked for a commit.
    pub fn commit_requested(&self) -> bool {
        self.processors.commit_requested
    }

    fn refresh_due(&self, now: Instant) -> bool {
        self.refreshed
            .is_some_and(|at| now.duration_since(at) >= OFFSETS_REFRESH)
    }

    /// Commit, step 1: one changelog record per key written since the last commit.
    pub fn send_changelog(&self, collector: &mut Collector) -> Result<(), EngineError> {
        let (partition, stream_time) = (self.id.partition, self.group.stream_time().max(0));
        for (store, slot) in self.stores.iter().zip(&self.topology.stores) {
            let Some(changelog) = slot.changelog else {
                continue;
            };
            store.changes(|record| {
                let time = record.timestamp.unwrap_or(stream_time);
                let (key, value, headers) = (Some(record.key), record.value, Headers::EMPTY);
                collector.send(changelog, partition, time, key, value, headers)
            })?;
        }
        Ok(())
    }

    /// Commit, step 2: input offsets that have moved, or all when that is due, with the partitions'
    /// times beside them.
    pub fn offsets(&self, offsets: &mut Vec<(TopicPartition, CommittedOffset)>, now: Instant) {
        // What was done without a record goes with the offsets as they stand: by them alone the log
        // knows that the task is still this member's, and refuses the transaction otherwise (KIP-447).
        let all = self.refresh_due(now) || self.acted_without_record;
        for (input, &committed) in self.group.inputs().iter().zip(&self.committed_positions) {
            let offset = input.position();
            if all || offset != committed {
                let metadata = times::encode(input.time(), &self.topology.nodes, &self.times);
                offsets.push((
                    input.partition.clone(),
                    CommittedOffset { offset, metadata },
                ));
            }
        }
    }

    /// Commit, last step, after the log has committed: uncommitted rows and changelog positions go
    /// into the state in one batch.
    pub fn apply_commit(
        &mut self,
        collector: &Collector,
        now_ms: i64,
        now: Instant,
    ) -> Result<(), EngineError> {
        self.processed_since_commit = false;
        self.acted_without_record = false;
        self.processors.commit_requested = false;
        if self.refresh_due(now) {
            self.refreshed = Some(now);
        }
        for (input, committed) in self
            .group
            .inputs()
            .iter()
            .zip(&mut self.committed_positions)
        {
            *committed = input.position();
        }
        if self.stores.iter().all(|store| store.uncommitted_len() == 0) {
            return Ok(());
        }
        for (slot, store) in self.stores.iter().enumerate() {
            if store.uncommitted_len() > 0 {
                let changelog = self.topology.stores[slot].changelog;
                let partition = self.id.partition;
                if let Some(offset) =
                    changelog.and_then(|topic| collector.acknowledged(topic, partition))
                {
                    // Never back: an acknowledgement without an offset leaves that of an earlier one.
                    self.state.offsets[slot] = offset.max(self.state.offsets[slot]);
                }
            }
        }
        self.write_batch(now_ms, now)?;
        for store in &mut self.stores {
            store.apply_committed()?;
        }
        Ok(())
    }

    pub(super) fn write_batch(&self, now_ms: i64, now: Instant) -> Result<(), EngineError> {
        let Some(db) = &self.state.db else {
            return Ok(());
        };
        let mut batch = db.batch();
        for (slot, store) in self.stores.iter().enumerate() {
            if !matches!(store.committed.rows, Committed::Rocks(_)) {
                continue;
            }
            store.write_to(&mut batch)?;
            let checkpoint = Checkpoint {
                offset: self.state.offsets[slot],
                committed_at_ms: now_ms,
                observed: store.observed(),
                topic_id: self.state.topic_ids[slot].clone(),
            };
            batch.checkpoint(&store.committed.name, &checkpoint)?;
        }
        let inputs = self.group.inputs().iter().zip(&self.committed_positions);
        let inputs: Vec<_> = inputs.map(|(i, &at)| (&i.partition, at)).collect();
        batch.inputs(&inputs)?;
        Ok(batch.write(now)?)
    }
}
