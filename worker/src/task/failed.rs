//! A record that failed: a dead letter, the end, or another attempt, as its source or the application
//! says.

use millrace_kafka::{RecordView, TopicPartition};

use super::collector::Collector;
use super::dead_letter::{self, Cause};
use super::{Policy, Task};
use crate::error::EngineError;
use crate::processor::Stage;
use crate::topology::OutTopic;

impl Task {
    /// Whether the chosen input's head has failed before, and what came before it is not committed yet:
    /// then it is, so that a further failure costs nothing but this record.
    pub(super) fn commits_first(&mut self, input: usize) -> bool {
        if self.retried.is_empty() || !self.processed_since_commit {
            return false;
        }
        let head = self.group.head(input).map(|record| record.offset);
        let failed = head.map_or(0, |offset| self.times_failed(input, offset));
        self.processors.commit_requested |= failed > 0;
        failed > 0
    }

    /// How often a record of an input has failed, in this task's predecessors.
    fn times_failed(&self, input: usize, offset: i64) -> u32 {
        let failed = self.retried.get(input).copied().flatten();
        let failed = failed.filter(|failed| failed.offset == offset);
        failed.map_or(0, |failed| failed.times)
    }

    /// What the source of an input, or else the application, says of a stage's failures.
    pub(super) fn policy(&self, input: Option<usize>, stage: Stage) -> Policy {
        let source = input.map(|input| &self.topology.sources[self.sources[input]]);
        let own = source.and_then(|source| source.errors[stage as usize]);
        own.unwrap_or(self.errors.of(stage))
    }

    /// What is done with a record of an input that has failed. [`Policy::Retry`] is another attempt,
    /// which is the stream thread's to begin.
    fn verdict(&self, input: usize, offset: i64, stage: Stage) -> Policy {
        let retry = self.errors.retry;
        match self.policy(Some(input), stage) {
            Policy::Retry if self.times_failed(input, offset) >= retry.attempts => retry.then(),
            policy => policy,
        }
    }

    /// Applies the error policy to the chosen input's head.
    pub(super) fn poison(
        &mut self,
        input: usize,
        cause: &Cause<'_>,
        collector: &mut Collector,
    ) -> Result<(), EngineError> {
        let Some(record) = self.group.head(input) else {
            return Ok(());
        };
        let at = &self.group.inputs()[input].partition;
        let policy = self.verdict(input, record.offset, cause.stage);
        self.counters.failed[cause.stage as usize] += u64::from(policy != Policy::Retry);
        let topic = self.topology.dead_letters;
        act((policy, topic), at, &record, cause, collector)
    }
}

/// Does what was decided about a record that failed.
pub(super) fn act(
    (policy, dead_letters): (Policy, Option<OutTopic>),
    at: &TopicPartition,
    record: &RecordView<'_>,
    cause: &Cause<'_>,
    collector: &mut Collector,
) -> Result<(), EngineError> {
    let &Cause { node, message, .. } = cause;
    match (policy, dead_letters) {
        (Policy::DeadLetter, Some(topic)) => {
            tracing::debug!(%at, offset = record.offset, node, message, "dead letter");
            dead_letter::send(collector, topic, at, record, cause)?;
            Ok(())
        }
        (Policy::Retry, _) => Err(EngineError::RecordFailed {
            at: at.clone(),
            offset: record.offset,
            node: node.to_owned(),
            message: message.to_owned(),
        }),
        (Policy::DeadLetter | Policy::Stop, _) => Err(EngineError::PoisonRecord {
            topic: at.topic.to_string(),
            partition: at.partition,
            offset: record.offset,
            node: node.to_owned(),
            message: message.to_owned(),
        }),
    }
}
