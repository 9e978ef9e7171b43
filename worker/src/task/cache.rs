//! A task's caches: what they hold back goes on before each commit, in the same transaction, or earlier
//! when it is too much.

use millrace_kafka::{Headers, RecordView, TopicPartition};

use super::collector::Collector;
use super::dead_letter::Cause;
use super::failed::act;
use super::{Policy, Task};
use crate::error::EngineError;
use crate::processor::{ChangeCache, Failure, HeldChange, NodeError};

impl Task {
    /// Sets how many bytes of changes the task may hold back; unbounded before.
    #[must_use]
    pub fn with_cache(mut self, bytes: usize) -> Self {
        self.cache_bytes_max = bytes;
        self
    }

    /// Passes everything on, if it is too much.
    pub(super) fn bound_caches(
        &mut self,
        collector: &mut Collector,
        now_ms: i64,
    ) -> Result<(), EngineError> {
        if self.topology.cached.is_empty() {
            return Ok(());
        }
        let held: usize = self.caches.iter().map(ChangeCache::size_bytes).sum();
        if held <= self.cache_bytes_max {
            return Ok(());
        }
        self.counters.cache_full += 1;
        self.forward_cached(collector, now_ms)
    }

    /// Passes on what caches hold back, those of tables from which others are made first: a commit is to
    /// leave nothing in them.
    pub fn forward_cached(
        &mut self,
        collector: &mut Collector,
        now_ms: i64,
    ) -> Result<(), EngineError> {
        for index in 0..self.topology.cached.len() {
            let (place, store) = self.topology.cached[index];
            for held in self.caches[store].take() {
                let forwarded =
                    self.outside_records(collector, now_ms, |topology, context, arena| {
                        context.offset = held.offset;
                        topology.forward_held((place, store), &held, context, arena)
                    });
                if let Err(error) = forwarded {
                    self.held_failed(&held, error, collector)?;
                }
            }
        }
        Ok(())
    }

    /// Applies the error policy to a change that was held back. What stands for the record is the
    /// change: its key, its new value, and the place of the last record that is in it. It is not tried
    /// again: after a return to the last commit other records may be in it, and it would count as another
    /// failure each time.
    fn held_failed(
        &mut self,
        held: &HeldChange,
        error: NodeError,
        collector: &mut Collector,
    ) -> Result<(), EngineError> {
        let (stage, node, message) = match error.into_failure() {
            Failure::Engine(error) => return Err(error),
            Failure::Record {
                stage,
                node,
                message,
            } => (stage, node, message),
        };
        let inputs = self.group.inputs();
        let input = inputs
            .iter()
            .position(|input| input.partition.topic == held.topic);
        let at = TopicPartition::new(held.topic.clone(), self.id.partition);
        let record = RecordView {
            offset: held.offset.unwrap_or(-1),
            timestamp: held.timestamp,
            key: Some(&held.key),
            value: held.new.as_deref(),
            headers: Headers::from_encoded(&held.headers),
        };
        let cause = Cause {
            stage,
            node: &node,
            message: &message,
        };
        let policy = match self.policy(input, stage) {
            Policy::Retry => self.errors.retry.then(),
            policy => policy,
        };
        self.counters.failed[stage as usize] += 1;
        let topic = self.topology.dead_letters;
        act((policy, topic), &at, &record, &cause, collector)
    }
}
