//! What a change of the group's division of tasks means for this thread.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use millrace_crds::plan::TaskId;
use millrace_kafka::{ErrorKind, Rebalance, TopicPartition};

use super::restore::{RestoreJob, RestoreProgress, StoreToRestore};
use super::tasks::{Pending, Running};
use super::thread::StreamThread;
use crate::error::EngineError;
use crate::task::TaskState;
use crate::task::collector::Collector;

/// What is known of the open transaction where work goes back to the last commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transaction {
    /// Nobody has asked for its end. Where all that was sent is acknowledged, it is aborted and its
    /// producer goes on, else a new one settles it. The first takes a few milliseconds, where a new producer waits half a second for the coordinator to end what the old
    /// one left open: a commit that a rebalance overtakes (its generation is the old one when it
    /// arrives) must not cost the tasks that stay more than that.
    Open,
    /// It may have been committed, or may never answer: a new producer settles it.
    InDoubt,
}

impl Transaction {
    /// What an error says of it.
    pub(super) fn after(error: &EngineError) -> Self {
        match error {
            EngineError::Log(log) if !matches!(log.kind, ErrorKind::Fenced | ErrorKind::Abort) => {
                Self::InDoubt
            }
            _ => Self::Open,
        }
    }
}

impl StreamThread {
    /// Acts on every change the consumer has noticed, then tells the group.
    pub(super) fn act_on_membership(&mut self) -> Result<(), EngineError> {
        while let Some(change) = self
            .consumer
            .as_mut()
            .and_then(|consumer| consumer.rebalance())
        {
            match &change {
                Rebalance::Assigned(numbers) => self.open(numbers),
                Rebalance::Revoked(numbers) => self.hand_over(numbers)?,
                Rebalance::Lost(numbers) => self.lose(numbers),
            }
            if let Some(consumer) = &mut self.consumer {
                consumer.acknowledge()?;
            }
            self.publish(true);
        }
        Ok(())
    }

    /// New tasks: their state is restored, or they start at once if they have none.
    fn open(&mut self, numbers: &[i32]) {
        for &number in numbers {
            // Numbers beyond a subtopology's partitions are in the tasks topic, but no tasks.
            let Some(task) = self.context.layout.task(number) else {
                continue;
            };
            if !self.tasks.contains(number) {
                tracing::info!(%task, thread = self.index, "task assigned");
                self.restore(number, task, None);
            }
        }
    }

    /// Sends a task to the restorer; one without stores has nothing to restore.
    pub(super) fn restore(&mut self, number: i32, task: TaskId, state: Option<TaskState>) {
        let stores = StoreToRestore::of(
            &self.context.plan,
            task.subtopology,
            &self.context.processors,
        );
        if stores.is_empty() {
            let state = TaskState {
                db: None,
                stores: Vec::new(),
                topic_ids: Vec::new(),
                offsets: Vec::new(),
            };
            self.tasks.put_pending(
                number,
                task,
                Pending::Starting {
                    state,
                    existed: false,
                },
            );
            return;
        }
        let progress = Arc::new(RestoreProgress::default());
        let cancelled = Arc::new(AtomicBool::new(false));
        self.restores.submit(RestoreJob {
            number,
            task,
            stores,
            state,
            progress: Arc::clone(&progress),
            cancelled: Arc::clone(&cancelled),
        });
        self.tasks.put_pending(
            number,
            task,
            Pending::Restoring {
                progress,
                cancelled,
            },
        );
    }

    /// Tasks that go elsewhere: committed, closed, given up. A commit that fails changes nothing
    /// about that: the next owner goes on from the last commit that succeeded.
    fn hand_over(&mut self, numbers: &[i32]) -> Result<(), EngineError> {
        let committed = self.commit();
        if let Err(error) = &committed {
            tracing::warn!(%error, "tasks are handed over from their last commit");
            self.recover(Transaction::after(error));
        }
        let leaving = self.take_out(numbers);
        self.unassign_or_rejoin(&leaving);
        let (now_ms, now) = (self.context.clock.wall_ms(), self.context.clock.monotonic());
        for Running { task, .. } in leaving {
            tracing::info!(task = %task.id, thread = self.index, "task handed over");
            task.close_clean(now_ms, now)?;
        }
        match committed {
            Err(error) if error.outcome() == crate::error::Outcome::Fatal => Err(error),
            _ => Ok(()),
        }
    }

    /// Tasks that are another member's already. They shared a transaction with the thread's other
    /// tasks, so all go back to the last commit.
    fn lose(&mut self, numbers: &[i32]) {
        let lost = self.take_out(numbers);
        if lost.is_empty() {
            return;
        }
        for Running { task, .. } in &lost {
            tracing::warn!(task = %task.id, thread = self.index, "task lost");
        }
        self.unassign_or_rejoin(&lost);
        drop(lost);
        self.recover(Transaction::Open);
    }

    /// Ends tasks here, whatever state they are in; returns those that ran.
    fn take_out(&mut self, numbers: &[i32]) -> Vec<Running> {
        let mut taken = Vec::new();
        for &number in numbers {
            if !self.tasks.cancel(number)
                && let Some(running) = self.tasks.stop(number)
            {
                self.status.add_past(running.task.counters().processed, 0);
                taken.push(running);
            }
        }
        taken
    }

    /// Stops reading the inputs of tasks. A consumer that fails at that is in doubt as a whole: the
    /// thread goes back to the last commit and joins anew.
    fn unassign_or_rejoin(&mut self, running: &[Running]) {
        if let Err(error) = self.unassign(running) {
            tracing::warn!(%error, "stopping to read the inputs of tasks");
            self.rejoin = true;
            self.recover(Transaction::Open);
        }
    }

    /// Back to the last commit: the open transaction settled, uncommitted state discarded, tails
    /// restored, inputs read from the committed offsets.
    pub(super) fn recover(&mut self, transaction: Transaction) {
        let collector = self.collector.take();
        self.collector = match transaction {
            Transaction::Open => collector.and_then(Collector::abort),
            Transaction::InDoubt => None,
        };
        let running = self.tasks.stop_all();
        for Running { task, .. } in &running {
            self.status.add_past(task.counters().processed, 0);
        }
        if !self.rejoin
            && let Err(error) = self.unassign(&running)
        {
            tracing::warn!(%error, "stopping to read the inputs of all tasks");
            self.rejoin = true;
        }
        if std::mem::take(&mut self.rejoin) {
            self.replace_consumer();
        } else {
            for Running { number, task, .. } in running {
                let (id, state) = (task.id, task.into_state());
                let corrupt = state.db.as_ref().is_some_and(|db| db.is_condemned());
                self.restore(number, id, (!corrupt).then_some(state));
            }
        }
        self.publish(true);
    }

    /// Without a consumer the thread owns nothing; a new one, under the same instance id, is told what
    /// it owns.
    fn replace_consumer(&mut self) {
        tracing::warn!(thread = self.index, "joining the group anew");
        self.tasks.cancel_all();
        if let Some(consumer) = self.consumer.take()
            && let Err(error) = consumer.close(false)
        {
            tracing::warn!(%error, "closing the consumer");
        }
    }

    pub(super) fn unassign(&mut self, running: &[Running]) -> Result<(), EngineError> {
        let partitions: Vec<TopicPartition> = running
            .iter()
            .flat_map(|running| running.task.group.inputs())
            .map(|input| input.partition.clone())
            .collect();
        match &mut self.consumer {
            Some(consumer) if !partitions.is_empty() => Ok(consumer.unassign(&partitions)?),
            _ => Ok(()),
        }
    }

    /// Clean end: commits, closes every task, closes the consumer. With `leave` the group gives the
    /// tasks to others at once.
    pub fn close(&mut self, leave: bool) -> Result<(), EngineError> {
        let committed = self.commit();
        if let Err(error) = &committed
            && Transaction::after(error) == Transaction::Open
        {
            // Whoever goes on with the tasks would wait for it until its timeout.
            self.collector.take().and_then(Collector::abort);
        }
        let (now_ms, now) = (self.context.clock.wall_ms(), self.context.clock.monotonic());
        self.tasks.cancel_all();
        let mut closed = Ok(());
        for running in self.tasks.stop_all() {
            self.status.add_past(running.task.counters().processed, 0);
            let result = match &committed {
                Ok(()) => running.task.close_clean(now_ms, now),
                // Nothing uncommitted may reach the disk.
                Err(_) => {
                    drop(running.task.into_state());
                    Ok(())
                }
            };
            closed = closed.and(result);
        }
        self.collector = None;
        if let Some(consumer) = self.consumer.take() {
            closed = closed.and(consumer.close(leave).map_err(EngineError::from));
        }
        self.publish(true);
        committed.and(closed)
    }
}
