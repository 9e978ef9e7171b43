//! A consumer group: its static members, the division of its tasks, its committed offsets.
//!
//! A task has a target (who shall have it) and a holder (who has been told so and not yet given it
//! back). Only a task that nobody holds is handed out:
//!
//! ```text
//!   held by A, target A ──membership changes──► held by A, target B ──A polls──► A: Revoked
//!                                                                                  │ acknowledges,
//!                                                                                  │ or its session
//!                                                                                  ▼ ends
//!   held by B, target B ◄──── B polls: Assigned ──────────────────── held by nobody, target B
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use millrace_kafka::{CommittedOffset, Rebalance, TopicPartition};

mod division;

/// Proof of membership: who one is, and as of which generation.
#[derive(Clone, Debug)]
pub(crate) struct Membership {
    pub(crate) group: Arc<str>,
    pub(crate) instance: Arc<str>,
    /// Another one for each object that joins.
    pub(crate) member: u64,
    pub(crate) generation: i32,
}

/// Why a membership counts no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dismissal {
    /// The session ended, or the member left.
    NotAMember,
    /// Another object joined under the same instance id.
    Replaced,
    /// The membership was taken before a rebalance that the member has gone along with since.
    OldGeneration {
        /// The member's generation now.
        current: i32,
    },
}

impl Dismissal {
    /// The words for an error.
    pub(crate) fn describe(self, membership: &Membership) -> String {
        let Membership {
            group,
            instance,
            generation,
            ..
        } = membership;
        match self {
            Self::NotAMember => format!(
                "{instance} is not a member of group {group} any more (its session ended or it \
                 left): join again"
            ),
            Self::Replaced => format!(
                "another consumer joined group {group} under the instance id {instance}: this one \
                 must stop"
            ),
            Self::OldGeneration { current } => format!(
                "generation {generation} of group {group} is over, {instance} is in generation \
                 {current}: take the group metadata anew for each commit"
            ),
        }
    }
}

#[derive(Debug)]
struct Member {
    id: u64,
    /// The generation the member has gone along with, at its last poll.
    generation: i32,
    expires_at_ms: i64,
}

#[derive(Clone, Debug, Default)]
struct Task {
    target: Option<Arc<str>>,
    holder: Option<Arc<str>>,
}

/// A consumer group.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// The topic whose partitions are the tasks; none before the first member.
    pub(crate) tasks_topic: Option<Arc<str>>,
    /// What the group has committed.
    pub(crate) offsets: HashMap<TopicPartition, CommittedOffset>,
    generation: i32,
    /// By instance id, in order of its bytes.
    members: BTreeMap<Arc<str>, Member>,
    tasks: Vec<Task>,
}

impl Group {
    pub(crate) fn has_members(&self) -> bool {
        !self.members.is_empty()
    }

    /// When the next session ends unless its member shows up.
    pub(crate) fn next_expiry_ms(&self) -> Option<i64> {
        self.members
            .values()
            .map(|member| member.expires_at_ms)
            .min()
    }

    /// Joins, or takes the place of an older object with the same instance id: that changes nothing
    /// for the others (KIP-345), but what the older one held has to be handed out anew.
    pub(crate) fn join(&mut self, instance: &Arc<str>, id: u64, expires_at_ms: i64) {
        let generation = self.generation;
        let member = Member {
            id,
            generation,
            expires_at_ms,
        };
        if self.members.insert(Arc::clone(instance), member).is_some() {
            self.release_all(instance);
        } else {
            self.divide();
        }
    }

    /// The member shows that it lives, and goes along with the newest generation.
    pub(crate) fn heartbeat(
        &mut self,
        membership: &mut Membership,
        expires_at_ms: i64,
    ) -> Result<(), Dismissal> {
        let generation = self.generation;
        let member = self.member_mut(membership)?;
        member.expires_at_ms = expires_at_ms;
        member.generation = generation;
        membership.generation = generation;
        Ok(())
    }

    /// Whether offsets may be committed under this membership.
    pub(crate) fn check(&mut self, membership: &Membership) -> Result<(), Dismissal> {
        let generation = membership.generation;
        let current = self.member_mut(membership)?.generation;
        if current == generation {
            Ok(())
        } else {
            Err(Dismissal::OldGeneration { current })
        }
    }

    /// The next change for a member that has been told of the `granted` tasks: first all that it
    /// must give back, then all that are free for it.
    pub(crate) fn next_change(
        &mut self,
        instance: &Arc<str>,
        granted: &BTreeSet<i32>,
    ) -> Option<Rebalance> {
        let is_mine = |task: &Task| task.target.as_ref() == Some(instance);
        let kept = |number: &i32| self.tasks.get(*number as usize).is_some_and(is_mine);
        let revoked: Vec<i32> = granted.iter().copied().filter(|task| !kept(task)).collect();
        if !revoked.is_empty() {
            return Some(Rebalance::Revoked(revoked));
        }
        let mut assigned = Vec::new();
        for (number, task) in self.tasks.iter_mut().enumerate() {
            if task.target.as_ref() == Some(instance) && task.holder.is_none() {
                task.holder = Some(Arc::clone(instance));
                assigned.push(number as i32);
            }
        }
        (!assigned.is_empty()).then_some(Rebalance::Assigned(assigned))
    }

    /// The member has closed these tasks. Means nothing from one that is none any more: they are
    /// somebody else's by now, perhaps a newer object's with the same instance id.
    pub(crate) fn release(&mut self, membership: &Membership, tasks: &[i32]) {
        if self.member_mut(membership).is_err() {
            return;
        }
        for number in tasks {
            if let Some(task) = self.tasks.get_mut(*number as usize)
                && task.holder.as_ref() == Some(&membership.instance)
            {
                task.holder = None;
            }
        }
    }

    /// The member leaves; its tasks go to the others at once.
    pub(crate) fn leave(&mut self, membership: &Membership) -> Result<(), Dismissal> {
        self.member_mut(membership)?;
        self.remove(&membership.instance);
        Ok(())
    }

    /// Ends the sessions whose time has come; tells whether there was one.
    pub(crate) fn expire(&mut self, now_ms: i64) -> bool {
        let is_over = |member: &Member| member.expires_at_ms <= now_ms;
        let over = self.members.iter().filter(|(_, member)| is_over(member));
        let instances: Vec<Arc<str>> = over.map(|(instance, _)| Arc::clone(instance)).collect();
        for instance in &instances {
            self.remove(instance);
        }
        !instances.is_empty()
    }

    /// The number of tasks is another one now.
    pub(crate) fn resize(&mut self, task_count: usize) {
        if task_count != self.tasks.len() {
            self.tasks.resize(task_count, Task::default());
            self.divide();
        }
    }

    fn remove(&mut self, instance: &Arc<str>) {
        self.members.remove(instance);
        self.release_all(instance);
        self.divide();
    }

    fn release_all(&mut self, instance: &Arc<str>) {
        for task in self
            .tasks
            .iter_mut()
            .filter(|task| task.holder.as_ref() == Some(instance))
        {
            task.holder = None;
        }
    }

    /// Begins a new generation with a new division.
    fn divide(&mut self) {
        self.generation += 1;
        let instances: Vec<Arc<str>> = self.members.keys().cloned().collect();
        let number_of = |target: &Arc<str>| instances.binary_search(target).ok();
        let owners: Vec<Option<usize>> = self
            .tasks
            .iter()
            .map(|task| task.target.as_ref().and_then(number_of))
            .collect();
        let division = division::divide(instances.len(), &owners);
        for (task, owner) in self.tasks.iter_mut().zip(division) {
            task.target = owner.map(|number| Arc::clone(&instances[number]));
        }
    }

    fn member_mut(&mut self, membership: &Membership) -> Result<&mut Member, Dismissal> {
        match self.members.get_mut(&membership.instance) {
            None => Err(Dismissal::NotAMember),
            Some(member) if member.id != membership.member => Err(Dismissal::Replaced),
            Some(member) => Ok(member),
        }
    }
}
