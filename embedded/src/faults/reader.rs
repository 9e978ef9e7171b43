//! A reader that fails by plan.

use std::sync::Arc;
use std::time::Duration;

use millrace_kafka::{PartitionAssignment, RecordSource, Result, SourceEvent, TopicPartition};

use super::{Call, Faults};

pub(super) struct FaultyReader {
    inner: Box<dyn RecordSource>,
    faults: Arc<Faults>,
}

impl FaultyReader {
    pub(super) fn new(inner: Box<dyn RecordSource>, faults: Arc<Faults>) -> Self {
        Self { inner, faults }
    }
}

impl RecordSource for FaultyReader {
    fn assign(&mut self, partitions: &[PartitionAssignment]) -> Result<()> {
        self.inner.assign(partitions)
    }

    fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.inner.unassign(partitions)
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.inner.pause(partitions)
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.inner.resume(partitions)
    }

    fn poll(
        &mut self,
        timeout: Duration,
        max: usize,
        on_event: &mut dyn FnMut(SourceEvent<'_>),
    ) -> Result<usize> {
        self.faults.unavailable(Call::ReaderPoll)?;
        self.inner.poll(timeout, max, on_event)
    }
}
