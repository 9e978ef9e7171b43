//! The group coordinator: membership, sessions, committed offsets.

use std::sync::Arc;

use millrace_kafka::{CommittedOffset, Error, ErrorKind, Result, TopicPartition};

use super::{State, unknown_topic};
use crate::change::{Change, GroupOffset};
use crate::clock::millis;
use crate::group::{Dismissal, Group, Membership};

impl State {
    /// Joins a group under an instance id, in place of an older member with the same one.
    pub(crate) fn join(
        &mut self,
        group: &Arc<str>,
        instance: &Arc<str>,
        tasks_topic: &Arc<str>,
        now_ms: i64,
    ) -> Result<Membership> {
        let operation = "join the group";
        let Some(topic) = self.topics.get(tasks_topic) else {
            return Err(unknown_topic(tasks_topic, operation));
        };
        let task_count = topic.partitions.len();
        let expires_at_ms = self.session_end_ms(now_ms);
        let known = self.groups.entry(Arc::clone(group)).or_default();
        if known.has_members() && known.tasks_topic.as_ref() != Some(tasks_topic) {
            let present = known.tasks_topic.as_deref().unwrap_or("another topic");
            let message = format!(
                "group {group} divides {present}, not {tasks_topic}: all members must leave before \
                 it divides another topic"
            );
            return Err(Error::new(ErrorKind::Config, operation, message));
        }
        known.tasks_topic = Some(Arc::clone(tasks_topic));
        known.resize(task_count);
        let member = self.next_member;
        self.next_member += 1;
        known.join(instance, member, expires_at_ms);
        let mut membership = Membership {
            group: Arc::clone(group),
            instance: Arc::clone(instance),
            member,
            generation: 0,
        };
        // The member has just been added, so this only fills in the generation.
        let _ = known.heartbeat(&mut membership, expires_at_ms);
        self.next_expiry_ms = self.next_expiry_ms.min(expires_at_ms);
        self.version += 1;
        Ok(membership)
    }

    /// Shows that a member lives, and moves it to the newest generation.
    pub(crate) fn heartbeat(
        &mut self,
        membership: &mut Membership,
        now_ms: i64,
    ) -> Result<&mut Group, Dismissal> {
        let expires_at_ms = self.session_end_ms(now_ms);
        let group = self
            .groups
            .get_mut(&membership.group)
            .ok_or(Dismissal::NotAMember)?;
        group.heartbeat(membership, expires_at_ms)?;
        Ok(group)
    }

    /// Gives tasks back that the member was asked for.
    pub(crate) fn release(&mut self, membership: &Membership, tasks: &[i32]) {
        if let Some(group) = self.groups.get_mut(&membership.group) {
            group.release(membership, tasks);
            self.version += 1;
        }
    }

    /// Leaves the group. Being no member any more is what was wanted, so it is no error.
    pub(crate) fn leave(&mut self, membership: &Membership) {
        let group = self.groups.get_mut(&membership.group);
        if group.is_some_and(|group| group.leave(membership).is_ok()) {
            self.version += 1;
        }
    }

    pub(crate) fn check_membership(
        &mut self,
        membership: &Membership,
        operation: &str,
    ) -> Result<()> {
        let group = self.groups.get_mut(&membership.group);
        group
            .map_or(Err(Dismissal::NotAMember), |group| group.check(membership))
            .map_err(|dismissal| dismissed(dismissal, membership, operation))
    }

    pub(crate) fn commit_offsets(
        &mut self,
        membership: &Membership,
        offsets: &[(TopicPartition, CommittedOffset)],
        now_ms: i64,
    ) -> Result<()> {
        let operation = "commit offsets";
        self.check_membership(membership, operation)?;
        for (partition, _) in offsets {
            self.partition(partition, operation)?;
        }
        let of_group = |(partition, committed): &(TopicPartition, CommittedOffset)| GroupOffset {
            group: Arc::clone(&membership.group),
            partition: partition.clone(),
            committed: committed.clone(),
        };
        let offsets = offsets.iter().map(of_group).collect();
        self.change(Change::CommitOffsets { offsets }, operation, now_ms)
    }

    pub(crate) fn committed(
        &self,
        group: &str,
        partition: &TopicPartition,
    ) -> Option<CommittedOffset> {
        self.groups.get(group)?.offsets.get(partition).cloned()
    }

    pub(crate) fn delete_group(&mut self, name: &str, now_ms: i64) -> Result<()> {
        let operation = "delete the group";
        match self.groups.get(name) {
            None => Ok(()),
            Some(group) if group.has_members() => {
                let message = format!("group {name} has members: stop them first");
                Err(Error::new(ErrorKind::Unavailable, operation, message))
            }
            Some(_) => self.change(
                Change::DeleteGroup { group: name.into() },
                operation,
                now_ms,
            ),
        }
    }

    /// Ends the sessions of members that have not polled for too long.
    pub(super) fn expire_members(&mut self, now_ms: i64) {
        for group in self.groups.values_mut() {
            if group.expire(now_ms) {
                self.version += 1;
            }
        }
    }

    /// Divides anew where a tasks topic has another number of partitions now.
    pub(super) fn resize_groups(&mut self, topic: &str) {
        let task_count = self
            .topics
            .get(topic)
            .map_or(0, |topic| topic.partitions.len());
        for group in self.groups.values_mut() {
            if group.tasks_topic.as_deref() == Some(topic) {
                group.resize(task_count);
            }
        }
    }

    fn session_end_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_add(millis(self.options.session_timeout))
    }
}

/// The error of a member that is none any more.
pub(crate) fn dismissed(dismissal: Dismissal, membership: &Membership, operation: &str) -> Error {
    Error::new(ErrorKind::Fenced, operation, dismissal.describe(membership))
}
