//! A group member that fails by plan.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use millrace_kafka::{
    Cluster, CommittedOffset, ConsumerOptions, Error, ErrorKind, GroupConsumer, GroupMetadata,
    PartitionAssignment, Rebalance, RecordSource, Result, SourceEvent, TopicPartition,
};

use super::{Call, Fault, Faults};

pub(super) struct FaultyConsumer {
    cluster: Arc<dyn Cluster>,
    options: ConsumerOptions,
    faults: Arc<Faults>,
    /// None between an injected loss of the session and its acknowledgement.
    inner: Option<Box<dyn GroupConsumer>>,
    /// What is assigned to `inner`.
    assigned: BTreeSet<TopicPartition>,
    /// Tasks that the caller was told of and has not given back.
    granted: BTreeSet<i32>,
    /// The injected loss, until it is acknowledged.
    lost: Option<Rebalance>,
    /// An injected fence.
    fenced: Option<Error>,
}

impl FaultyConsumer {
    pub(super) fn join(
        cluster: Arc<dyn Cluster>,
        faults: Arc<Faults>,
        options: &ConsumerOptions,
    ) -> Result<Self> {
        let inner = Some(cluster.consumer(options)?);
        Ok(Self {
            cluster,
            options: options.clone(),
            faults,
            inner,
            assigned: BTreeSet::new(),
            granted: BTreeSet::new(),
            lost: None,
            fenced: None,
        })
    }

    /// The wrapped member; fails while its session is lost and after a fence.
    fn member(&mut self, operation: &str) -> Result<&mut Box<dyn GroupConsumer>> {
        if let Some(error) = &self.fenced {
            return Err(error.clone());
        }
        self.inner.as_mut().ok_or_else(|| not_a_member(operation))
    }

    /// Leaves the group under the caller's feet.
    fn lose_session(&mut self) -> Result<()> {
        self.lost = Some(Rebalance::Lost(self.granted.iter().copied().collect()));
        self.assigned.clear();
        match self.inner.take() {
            Some(inner) => inner.close(true),
            None => Ok(()),
        }
    }

    fn fence(&mut self, error: Error) -> Error {
        self.fenced = Some(error.clone());
        error
    }

    /// Those of the partitions that are assigned: after a lost session none is.
    fn present(&self, partitions: &[TopicPartition]) -> Vec<TopicPartition> {
        let is_assigned = |partition: &&TopicPartition| self.assigned.contains(*partition);
        partitions.iter().filter(is_assigned).cloned().collect()
    }
}

impl RecordSource for FaultyConsumer {
    fn assign(&mut self, partitions: &[PartitionAssignment]) -> Result<()> {
        self.member("assign partitions")?.assign(partitions)?;
        self.assigned.extend(
            partitions
                .iter()
                .map(|assignment| assignment.partition.clone()),
        );
        Ok(())
    }

    fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let present = self.present(partitions);
        self.assigned
            .retain(|partition| !present.contains(partition));
        match &mut self.inner {
            Some(inner) if !present.is_empty() => inner.unassign(&present),
            _ => Ok(()),
        }
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let present = self.present(partitions);
        self.inner
            .as_mut()
            .map_or(Ok(()), |inner| inner.pause(&present))
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let present = self.present(partitions);
        self.inner
            .as_mut()
            .map_or(Ok(()), |inner| inner.resume(&present))
    }

    fn poll(
        &mut self,
        timeout: Duration,
        max: usize,
        on_event: &mut dyn FnMut(SourceEvent<'_>),
    ) -> Result<usize> {
        let call = Call::Poll;
        if let Some(error) = &self.fenced {
            return Err(error.clone());
        }
        let Some(inner) = &mut self.inner else {
            // Nothing comes before the loss is acknowledged.
            return Ok(0);
        };
        let has_tasks = !self.granted.is_empty();
        let possible = |fault| fault != Fault::SessionLoss || has_tasks;
        let Some(firing) = self.faults.befall(call, possible) else {
            return inner.poll(timeout, max, on_event);
        };
        match firing.fault {
            Fault::SessionLoss => self.lose_session().map(|()| 0),
            Fault::Fenced => Err(self.fence(firing.error(ErrorKind::Fenced, call))),
            _ => Err(firing.error(ErrorKind::Unavailable, call)),
        }
    }
}

impl GroupConsumer for FaultyConsumer {
    fn rebalance(&mut self) -> Option<Rebalance> {
        match &mut self.inner {
            Some(inner) => {
                let change = inner.rebalance();
                if let Some(Rebalance::Assigned(tasks)) = &change {
                    self.granted.extend(tasks);
                }
                change
            }
            None => self.lost.clone(),
        }
    }

    fn has_joined(&self) -> bool {
        self.inner.as_ref().is_some_and(|inner| inner.has_joined())
    }

    fn acknowledge(&mut self) -> Result<()> {
        let Some(inner) = &mut self.inner else {
            self.inner = Some(self.cluster.consumer(&self.options)?);
            self.lost = None;
            self.granted.clear();
            return Ok(());
        };
        let change = inner.rebalance();
        inner.acknowledge()?;
        match change {
            Some(Rebalance::Assigned(tasks)) => self.granted.extend(tasks),
            Some(Rebalance::Revoked(tasks) | Rebalance::Lost(tasks)) => {
                self.granted.retain(|task| !tasks.contains(task));
            }
            None => {}
        }
        Ok(())
    }

    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<CommittedOffset>>> {
        self.faults.unavailable(Call::Committed)?;
        self.member(Call::Committed.operation())?
            .committed(partitions)
    }

    fn commit(&mut self, offsets: &[(TopicPartition, CommittedOffset)]) -> Result<()> {
        let call = Call::CommitOffsets;
        let faults = Arc::clone(&self.faults);
        let member = self.member(call.operation())?;
        let Some(firing) = faults.befall(call, |_| true) else {
            return member.commit(offsets);
        };
        match firing.fault {
            Fault::ReplyLost => {
                member.commit(offsets)?;
                Err(firing.error(ErrorKind::Unknown, call))
            }
            Fault::RequestLost => Err(firing.error(ErrorKind::Unknown, call)),
            Fault::Fenced => Err(self.fence(firing.error(ErrorKind::Fenced, call))),
            _ => Err(firing.error(ErrorKind::Unavailable, call)),
        }
    }

    fn group_metadata(&self) -> Result<GroupMetadata> {
        if let Some(error) = &self.fenced {
            return Err(error.clone());
        }
        let operation = "read the group metadata";
        self.inner
            .as_ref()
            .ok_or_else(|| not_a_member(operation))?
            .group_metadata()
    }

    fn close(self: Box<Self>, leave: bool) -> Result<()> {
        self.inner.map_or(Ok(()), |inner| inner.close(leave))
    }
}

fn not_a_member(operation: &str) -> Error {
    let message = "the session was lost by an injected fault: acknowledge the loss first";
    Error::new(ErrorKind::Fenced, operation, message)
}
