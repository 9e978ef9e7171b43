//! One member of a driven application: a stream thread with its restorer and its status.

use std::sync::Arc;
use std::time::Duration;

use crate::error::EngineError;
use crate::runtime::restorer::Restorer;
use crate::runtime::thread::{StreamThread, ThreadContext};
use crate::state::{StateDirectory, StateMemory};
use crate::status::{TaskSnapshot, ThreadStatus};

use super::InlineRestores;

/// A stream thread that runs when told to.
pub struct Member {
    thread: StreamThread,
    status: Arc<ThreadStatus>,
}

impl Member {
    /// A member that has not joined yet; it does at its first step.
    pub(super) fn new(
        context: ThreadContext,
        directory: StateDirectory,
        memory: StateMemory,
    ) -> Result<Self, EngineError> {
        let name = format!(
            "{}-{}",
            context.config.application_id, context.config.ordinal
        );
        let (cluster, clock) = (Arc::clone(&context.cluster), Arc::clone(&context.clock));
        let restorer = Restorer::new(cluster, &name, directory, memory, clock)?;
        let status = Arc::new(ThreadStatus::new(name));
        let restores = Box::new(InlineRestores::new(restorer));
        let thread = StreamThread::new(context, 0, restores, Arc::clone(&status));
        Ok(Self { thread, status })
    }

    /// One round of the thread's loop, without waiting. An error is one the thread cannot mend: in a
    /// process it would end the application.
    pub fn step(&mut self) -> Result<(), EngineError> {
        self.thread.run_once(Duration::ZERO)
    }

    /// What the thread publishes; tasks as of a moment up to 200 ms of the clock ago.
    pub fn status(&self) -> &ThreadStatus {
        &self.status
    }

    /// The thread's tasks, as last published.
    pub fn tasks(&self) -> Vec<TaskSnapshot> {
        self.status.snapshot().tasks.clone()
    }

    pub(super) fn close(mut self, leave: bool) -> Result<(), EngineError> {
        let closed = self.thread.close(leave);
        self.status.ended(None);
        closed
    }
}
