//! A member of a consumer group: joins, follows the division at each poll, reads what it assigns.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use millrace_kafka::{
    CommittedOffset, ConsumerOptions, Error, ErrorKind, GroupConsumer, GroupMetadata,
    PartitionAssignment, Rebalance, RecordSource, Result, SourceEvent, TopicPartition,
};

use crate::cluster::Shared;
use crate::group::{Dismissal, Membership};
use crate::reader::EmbeddedReader;
use crate::state::{State, dismissed};

/// A member of a group.
pub(crate) struct EmbeddedConsumer {
    shared: Arc<Shared>,
    reader: EmbeddedReader,
    member: Member,
}

/// The member's side of the group's protocol.
struct Member {
    tasks_topic: Arc<str>,
    membership: Membership,
    /// Tasks that the caller was told of and has not given back.
    granted: BTreeSet<i32>,
    /// The change the caller has not acknowledged yet.
    pending: Option<Rebalance>,
}

impl EmbeddedConsumer {
    pub(crate) fn join(shared: Arc<Shared>, options: &ConsumerOptions) -> Result<Self> {
        let tasks_topic: Arc<str> = Arc::from(options.tasks_topic.as_str());
        let group = Arc::from(options.group_id.as_str());
        let instance = Arc::from(options.instance_id.as_str());
        let now_ms = shared.now_ms();
        let membership =
            shared.change(|state| state.join(&group, &instance, &tasks_topic, now_ms))?;
        let member = Member {
            tasks_topic,
            membership,
            granted: BTreeSet::new(),
            pending: None,
        };
        let reader = EmbeddedReader::new(Arc::clone(&shared));
        Ok(Self {
            shared,
            reader,
            member,
        })
    }
}

impl Member {
    /// Shows that the member lives and looks for a change; true when there is a new one.
    fn follow(&mut self, state: &mut State, now_ms: i64) -> Result<bool> {
        match state.heartbeat(&mut self.membership, now_ms) {
            Ok(group) => {
                if self.pending.is_none() {
                    self.pending = group.next_change(&self.membership.instance, &self.granted);
                    if let Some(Rebalance::Assigned(tasks)) = &self.pending {
                        self.granted.extend(tasks);
                    }
                    return Ok(self.pending.is_some());
                }
                Ok(false)
            }
            // First the caller acknowledges what it was told before.
            Err(Dismissal::NotAMember) if self.pending.is_some() => Ok(false),
            Err(Dismissal::NotAMember) if self.granted.is_empty() => {
                self.rejoin(state, now_ms)?;
                Ok(false)
            }
            Err(Dismissal::NotAMember) => {
                self.pending = Some(Rebalance::Lost(self.granted.iter().copied().collect()));
                Ok(true)
            }
            Err(dismissal) => Err(dismissed(dismissal, &self.membership, "poll")),
        }
    }

    fn rejoin(&mut self, state: &mut State, now_ms: i64) -> Result<()> {
        let Membership {
            group, instance, ..
        } = &self.membership;
        self.membership = state.join(group, instance, &self.tasks_topic, now_ms)?;
        Ok(())
    }

    fn acknowledge(&mut self, state: &mut State, now_ms: i64) -> Result<()> {
        match self.pending.take() {
            None | Some(Rebalance::Assigned(_)) => Ok(()),
            Some(Rebalance::Revoked(tasks)) => {
                self.granted.retain(|task| !tasks.contains(task));
                state.release(&self.membership, &tasks);
                Ok(())
            }
            Some(Rebalance::Lost(_)) => {
                self.granted.clear();
                self.rejoin(state, now_ms)
            }
        }
    }
}

impl RecordSource for EmbeddedConsumer {
    fn assign(&mut self, partitions: &[PartitionAssignment]) -> Result<()> {
        self.reader.assign(partitions)
    }

    fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.reader.unassign(partitions)
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.reader.pause(partitions)
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.reader.resume(partitions)
    }

    fn poll(
        &mut self,
        timeout: Duration,
        max: usize,
        on_event: &mut dyn FnMut(SourceEvent<'_>),
    ) -> Result<usize> {
        let (shared, member) = (&self.shared, &mut self.member);
        self.reader.poll_with(timeout, max, on_event, |state| {
            member.follow(state, shared.now_ms())
        })
    }
}

impl GroupConsumer for EmbeddedConsumer {
    fn rebalance(&mut self) -> Option<Rebalance> {
        self.member.pending.clone()
    }

    /// The division is made when somebody joins.
    fn has_joined(&self) -> bool {
        true
    }

    fn acknowledge(&mut self) -> Result<()> {
        let now_ms = self.shared.now_ms();
        let member = &mut self.member;
        self.shared
            .change(|state| member.acknowledge(state, now_ms))
    }

    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<CommittedOffset>>> {
        let operation = "fetch committed offsets";
        let (shared, group) = (&self.shared, Arc::clone(&self.member.membership.group));
        let mut unstable = None;
        let membership = &mut self.member.membership;
        let answer = shared.wait_for(shared.options.request_timeout, |state| {
            // Waiting for somebody else's transaction is no reason to lose one's session. Whether
            // this is still a member is for the next poll or commit to find out.
            let _ = state.heartbeat(membership, shared.now_ms());
            let is_unstable =
                |partition: &&TopicPartition| state.has_pending_offset(&group, partition);
            unstable = partitions.iter().find(is_unstable).cloned();
            if unstable.is_some() {
                return Ok(None);
            }
            let committed = partitions
                .iter()
                .map(|partition| state.committed(&group, partition));
            Ok(Some(committed.collect()))
        })?;
        answer.ok_or_else(|| {
            let message = "a transaction that has not ended holds an offset of this partition";
            let error = Error::new(ErrorKind::Unavailable, operation, message);
            match unstable {
                Some(partition) => error.on(partition),
                None => error,
            }
        })
    }

    fn commit(&mut self, offsets: &[(TopicPartition, CommittedOffset)]) -> Result<()> {
        let now_ms = self.shared.now_ms();
        let membership = &self.member.membership;
        self.shared
            .change(|state| state.commit_offsets(membership, offsets, now_ms))
    }

    fn group_metadata(&self) -> Result<GroupMetadata> {
        Ok(GroupMetadata(Box::new(self.member.membership.clone())))
    }

    fn close(self: Box<Self>, leave: bool) -> Result<()> {
        if leave {
            self.shared.change(|state| {
                state.leave(&self.member.membership);
                Ok(())
            })?;
        }
        Ok(())
    }
}
