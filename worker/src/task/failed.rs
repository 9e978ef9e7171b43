//! A record that failed: a dead letter, the end, or another attempt, as its source or the application
//! says.

use super::collector::Collector;
use super::dead_letter::{self, Cause};
use super::{Policy, Task};
use crate::error::EngineError;
use crate::processor::Stage;

impl Task {
    /// Whether the chosen input's head has failed before, and what came before it is not committed yet:
    /// then it is, so that a further failure costs nothing but this record.
    pub(super) fn commits_first(&mut self, input: usize) -> bool {
        if self.retried.is_empty() || !self.processed_since_commit {
            return false;
        }
        let head = self.group.head(input).map(|record| record.offset);
        let failed = self.times_failed(input, head);
        self.processors.commit_requested |= failed > 0;
        failed > 0
    }

    /// How often a record of an input has failed, in this task's predecessors.
    fn times_failed(&self, input: usize, offset: Option<i64>) -> u32 {
        let failed = self.retried.get(input).copied().flatten();
        let failed = failed.filter(|failed| Some(failed.offset) == offset);
        failed.map_or(0, |failed| failed.times)
    }

    /// Applies the error policy to the chosen input's head: dead letter, stop, or another attempt, which
    /// is the stream thread's to begin.
    pub(super) fn poison(
        &mut self,
        input: usize,
        stage: Stage,
        node: &str,
        message: &str,
        collector: &mut Collector,
    ) -> Result<(), EngineError> {
        let Some(record) = self.group.head(input) else {
            return Ok(());
        };
        let partition = &self.group.inputs()[input].partition;
        let own = self.topology.sources[self.sources[input]].errors;
        let mut policy = own[stage as usize].unwrap_or(self.errors.of(stage));
        if policy == Policy::Retry {
            if self.times_failed(input, Some(record.offset)) < self.errors.retry.attempts {
                return Err(EngineError::RecordFailed {
                    at: partition.clone(),
                    offset: record.offset,
                    node: node.to_owned(),
                    message: message.to_owned(),
                });
            }
            policy = self.errors.retry.then();
        }
        self.counters.failed[stage as usize] += 1;
        let (Policy::DeadLetter, Some(topic)) = (policy, self.topology.dead_letters) else {
            return Err(EngineError::PoisonRecord {
                topic: partition.topic.to_string(),
                partition: partition.partition,
                offset: record.offset,
                node: node.to_owned(),
                message: message.to_owned(),
            });
        };
        tracing::debug!(%partition, offset = record.offset, node, message, "dead letter");
        let cause = Cause {
            stage,
            node,
            message,
        };
        dead_letter::send(collector, topic, partition, &record, &cause)?;
        Ok(())
    }
}
