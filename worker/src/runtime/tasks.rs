//! The tasks of one stream thread, by number, and the way from a fetched record to its task.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use millrace_crds::plan::TaskId;
use millrace_kafka::{SourceEvent, TopicPartition};

use super::restore::RestoreProgress;
use crate::task::{Task, TaskState};

/// A task that does not run yet.
pub enum Pending {
    /// The restorer has it.
    Restoring {
        /// How far it is.
        progress: Arc<RestoreProgress>,
        /// Tells the restorer to drop it.
        cancelled: Arc<AtomicBool>,
    },
    /// Its state is complete; it waits for its committed offsets.
    Starting {
        /// The state.
        state: TaskState,
        /// Whether there was state before, see `RestoredState`.
        existed: bool,
    },
}

/// A running task and the slots of its inputs at the consumer.
pub struct Running {
    /// Task number.
    pub number: i32,
    /// The task.
    pub task: Task,
    /// Slot of each input.
    pub slots: Vec<u32>,
}

/// Where a slot's events go.
#[derive(Clone, Copy, Debug)]
struct Route {
    running: usize,
    input: usize,
}

/// All tasks of one stream thread.
#[derive(Default)]
pub struct Tasks {
    pending: BTreeMap<i32, (TaskId, Pending)>,
    running: Vec<Running>,
    /// By slot; rebuilt when tasks start or stop.
    routes: Vec<Option<Route>>,
}

impl Tasks {
    /// Number of tasks, in any state.
    pub fn len(&self) -> usize {
        self.pending.len() + self.running.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Running tasks, by number.
    pub fn running(&self) -> &[Running] {
        &self.running
    }

    /// Running tasks, by number.
    pub fn running_mut(&mut self) -> &mut [Running] {
        &mut self.running
    }

    /// Tasks that do not run yet, by number.
    pub fn pending(&self) -> &BTreeMap<i32, (TaskId, Pending)> {
        &self.pending
    }

    /// Whether the task is here, in any state.
    pub fn contains(&self, number: i32) -> bool {
        self.pending.contains_key(&number)
            || self.running.iter().any(|running| running.number == number)
    }

    /// Puts a task into a state before running.
    pub fn put_pending(&mut self, number: i32, task: TaskId, pending: Pending) {
        self.pending.insert(number, (task, pending));
    }

    /// Takes all tasks out that wait for their offsets.
    pub fn take_starting(&mut self) -> Vec<(i32, TaskId, TaskState, bool)> {
        let numbers: Vec<i32> = self
            .pending
            .iter()
            .filter(|(_, (_, pending))| matches!(pending, Pending::Starting { .. }))
            .map(|(&number, _)| number)
            .collect();
        numbers
            .into_iter()
            .filter_map(|number| match self.pending.remove(&number)? {
                (task, Pending::Starting { state, existed }) => {
                    Some((number, task, state, existed))
                }
                (_, Pending::Restoring { .. }) => None,
            })
            .collect()
    }

    /// Whether any task waits for its offsets.
    pub fn any_starting(&self) -> bool {
        self.pending
            .values()
            .any(|(_, pending)| matches!(pending, Pending::Starting { .. }))
    }

    /// Gives slots to a task's inputs: numbers that no running task uses.
    pub fn free_slots(&self, count: usize) -> Vec<u32> {
        let taken = |slot: u32| self.routes.get(slot as usize).is_some_and(Option::is_some);
        (0..).filter(|&slot| !taken(slot)).take(count).collect()
    }

    /// Lets a task run.
    pub fn start(&mut self, running: Running) {
        let place = self
            .running
            .partition_point(|other| other.number < running.number);
        self.running.insert(place, running);
        self.route();
    }

    /// Takes a running task out.
    pub fn stop(&mut self, number: i32) -> Option<Running> {
        let place = self
            .running
            .iter()
            .position(|running| running.number == number)?;
        let running = self.running.remove(place);
        self.route();
        Some(running)
    }

    /// Takes all running tasks out.
    pub fn stop_all(&mut self) -> Vec<Running> {
        let running = std::mem::take(&mut self.running);
        self.route();
        running
    }

    /// Drops a task that does not run yet; true if there was one.
    pub fn cancel(&mut self, number: i32) -> bool {
        match self.pending.remove(&number) {
            None => false,
            Some((_, Pending::Starting { .. })) => true,
            Some((_, Pending::Restoring { cancelled, .. })) => {
                cancelled.store(true, Ordering::Release);
                true
            }
        }
    }

    /// Drops all tasks that do not run yet, and says which they were.
    pub fn cancel_all(&mut self) -> Vec<(i32, TaskId)> {
        let all: Vec<_> = self
            .pending
            .iter()
            .map(|(&number, (task, _))| (number, *task))
            .collect();
        for (number, _) in &all {
            self.cancel(*number);
        }
        all
    }

    fn route(&mut self) {
        self.routes.clear();
        for (place, running) in self.running.iter().enumerate() {
            for (input, &slot) in running.slots.iter().enumerate() {
                let slot = slot as usize;
                if self.routes.len() <= slot {
                    self.routes.resize(slot + 1, None);
                }
                self.routes[slot] = Some(Route {
                    running: place,
                    input,
                });
            }
        }
    }

    /// Hands a fetched event to its task; events of nobody are dropped.
    pub fn deliver(&mut self, event: &SourceEvent<'_>) {
        let (SourceEvent::Record { slot, .. } | SourceEvent::End { slot, .. }) = *event;
        let Some(Some(route)) = self.routes.get(slot as usize) else {
            return;
        };
        let group = &mut self.running[route.running].task.group;
        match event {
            SourceEvent::Record { record, .. } => group.push(route.input, record),
            SourceEvent::End { offset, .. } => group.end(route.input, *offset),
        }
    }

    /// Inputs whose fetching is to stop, and those where it may go on; marks them so.
    pub fn flow(&mut self) -> (Vec<TopicPartition>, Vec<TopicPartition>) {
        let (mut pause, mut resume) = (Vec::new(), Vec::new());
        for running in &mut self.running {
            let group = &mut running.task.group;
            for input in 0..group.inputs().len() {
                let full = group.is_full(input);
                let half_empty = group.is_half_empty(input);
                let state = &mut group.inputs_mut()[input];
                if full && !state.paused {
                    state.paused = true;
                    pause.push(state.partition.clone());
                } else if half_empty && state.paused {
                    state.paused = false;
                    resume.push(state.partition.clone());
                }
            }
        }
        (pause, resume)
    }

    /// Memory of the uncommitted writes of all running tasks, in bytes.
    pub fn uncommitted_bytes(&self) -> usize {
        self.running
            .iter()
            .map(|running| running.task.uncommitted_bytes())
            .sum()
    }

    /// Records fetched and not processed.
    pub fn buffered(&self) -> usize {
        self.running
            .iter()
            .map(|running| running.task.group.buffered())
            .sum()
    }
}
