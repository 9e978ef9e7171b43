//! A task's part in a commit, step by step: changelog, offsets, and after the log has committed the one
//! batch that takes rows, changelog positions and input positions into the state. Rows that are found by
//! their keys meanwhile may wait for it, and be written once for several commits (docs/decisions/013).

use std::time::Instant;

use millrace_kafka::{CommittedOffset, Headers, TopicPartition};

use super::collector::Collector;
use super::{OFFSETS_REFRESH, Task, times};
use crate::crash;
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

    /// Commit, last step, after the log has committed: rows and changelog positions go into the state, at
    /// once or, where they may wait, within the interval of [`Task::with_store_interval`].
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
        self.commit_stores(collector, now)?;
        self.store_due(now_ms, now)
    }

    /// Makes what was written committed, and notes how far that is in the changelogs.
    fn commit_stores(&mut self, collector: &Collector, now: Instant) -> Result<(), EngineError> {
        let partition = self.id.partition;
        let mut records = 0;
        for (slot, store) in self.stores.iter_mut().enumerate() {
            if !store.has_uncommitted() {
                continue;
            }
            let changelog = self.topology.stores[slot].changelog;
            if let Some(offset) =
                changelog.and_then(|topic| collector.acknowledged(topic, partition))
            {
                // Never back: an acknowledgement without an offset leaves that of an earlier one.
                self.offsets[slot] = offset.max(self.offsets[slot]);
            }
            if matches!(store.committed.rows, Committed::Rocks(_)) {
                records += store.uncommitted_len().max(1) as u64;
            } else {
                self.state.offsets[slot] = self.offsets[slot];
            }
            store.commit()?;
        }
        if let Some(db) = &self.state.db
            && records > 0
        {
            db.committed(records, now);
            self.unstored_since.get_or_insert(now);
        }
        Ok(())
    }

    /// Stores committed rows, if one of their stores does not let them wait, or they have waited long
    /// enough.
    pub fn store_due(&mut self, now_ms: i64, now: Instant) -> Result<(), EngineError> {
        let Some(since) = self.unstored_since else {
            return Ok(());
        };
        let mut stores = self.stores.iter().zip(&self.topology.stores);
        let waits = now.duration_since(since) < self.store_interval
            // Without a changelog an abort would lose what waits.
            && stores.all(|(store, slot)| {
                store.is_stored() || (store.may_wait() && slot.changelog.is_some())
            });
        if waits {
            return Ok(());
        }
        self.store(now_ms, now)
    }

    /// Writes stored rows to disk, with those that still wait; `wait` returns when they are there.
    pub fn flush(&mut self, wait: bool, now_ms: i64, now: Instant) -> Result<(), EngineError> {
        if self.unstored_since.is_some() {
            self.store(now_ms, now)?;
        }
        match &self.state.db {
            Some(db) => Ok(db.flush(wait)?),
            None => Ok(()),
        }
    }

    /// Writes committed rows, changelog positions and input positions into the state, in one batch.
    pub fn store(&mut self, now_ms: i64, now: Instant) -> Result<(), EngineError> {
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
                offset: self.offsets[slot],
                committed_at_ms: now_ms,
                observed: store.observed(),
                topic_id: self.state.topic_ids[slot].clone(),
            };
            batch.checkpoint(&store.committed.name, &checkpoint)?;
        }
        let inputs = self.group.inputs().iter().zip(&self.committed_positions);
        let inputs: Vec<_> = inputs.map(|(i, &at)| (&i.partition, at)).collect();
        batch.inputs(&inputs)?;
        batch.is_counted();
        batch.write(now)?;
        crash::point("after-batch");
        for store in &mut self.stores {
            store.stored();
        }
        self.state.offsets.clone_from(&self.offsets);
        self.unstored_since = None;
        Ok(())
    }
}
