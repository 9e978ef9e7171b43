//! The calls of a task's processors that no record leads to: the first one, and punctuations.

use super::collector::Collector;
use super::partition_group::UNKNOWN_TIME;
use super::{Policy, Task};
use crate::api::Due;
use crate::error::EngineError;
use crate::processor::{Context, Failure, NodeError, Stage};
use crate::topology::ProcessorTopology;

impl Task {
    /// Calls the processors that the wall clock asks for, and all of them for the first time; to be
    /// called before the first record, and then as often as there is time.
    pub fn punctuate(&mut self, collector: &mut Collector, now_ms: i64) -> Result<(), EngineError> {
        if !self.has_processors {
            return Ok(());
        }
        if !self.processors_ready {
            self.processors_ready = true;
            self.outside_records(collector, now_ms, |topology, context, arena| {
                topology.init_processors(context, arena)
            })
            .map_err(|error| self.stopped("begin", error))?;
        }
        while let Some(due) = self.processors.due_by_wall_clock(now_ms) {
            self.call(due, collector, now_ms)?;
        }
        Ok(())
    }

    /// Calls the processors that stream time asks for, after a record (Kafka Streams'
    /// `maybePunctuateStreamTime`).
    pub(super) fn punctuate_by_stream_time(
        &mut self,
        collector: &mut Collector,
        now_ms: i64,
    ) -> Result<(), EngineError> {
        let stream_time = self.group.stream_time();
        if !self.has_processors || stream_time == UNKNOWN_TIME {
            return Ok(());
        }
        while let Some(due) = self.processors.due_by_stream_time(stream_time) {
            self.call(due, collector, now_ms)?;
        }
        Ok(())
    }

    fn call(
        &mut self,
        due: Due,
        collector: &mut Collector,
        now_ms: i64,
    ) -> Result<(), EngineError> {
        let called = self.outside_records(collector, now_ms, |topology, context, arena| {
            topology.punctuate(due, context, arena)
        });
        let Err(error) = called else { return Ok(()) };
        let Failure::Record {
            stage,
            node,
            message,
        } = error.failure()
        else {
            return Err(self.stopped("punctuate", error));
        };
        self.counters.failed[*stage as usize] += 1;
        let mut policy = match stage {
            Stage::Production => self.errors.production,
            Stage::Deserialization | Stage::Processing => self.errors.processing,
        };
        if policy == Policy::Retry {
            // A punctuation comes again by itself.
            policy = self.errors.retry.then();
        }
        match policy {
            // There is no record that could be a dead letter.
            Policy::DeadLetter => {
                tracing::warn!(task = %self.id, node, message, "a punctuation failed");
                Ok(())
            }
            Policy::Stop | Policy::Retry => Err(self.stopped("punctuate", error)),
        }
    }

    fn stopped(&self, attempt: &'static str, error: NodeError) -> EngineError {
        match error.into_failure() {
            Failure::Engine(error) => error,
            Failure::Record { node, message, .. } => EngineError::Processor {
                attempt,
                task: self.id.to_string(),
                node,
                message,
            },
        }
    }

    /// Runs nodes without a record. What they did is committed, though no input has moved on.
    pub(super) fn outside_records(
        &mut self,
        collector: &mut Collector,
        now_ms: i64,
        run: impl FnOnce(&ProcessorTopology, &mut Context<'_>, &bumpalo::Bump) -> Result<(), NodeError>,
    ) -> Result<(), NodeError> {
        let mut context = Context {
            stores: &mut self.stores,
            caches: &mut self.caches,
            globals: &self.globals,
            collector,
            scratch: &mut self.scratch,
            partition: self.id.partition,
            dropped: &mut self.dropped,
            times: &mut self.times,
            processors: &mut self.processors,
            offset: None,
            stream_time: self.group.stream_time(),
            now_ms,
            emit_interval_ms: self.emit_interval_ms,
        };
        let result = run(&self.topology, &mut context, &self.arena);
        self.arena.reset();
        self.acted_without_record |= collector.is_dirty() || self.uncommitted_bytes() > 0;
        result
    }
}
