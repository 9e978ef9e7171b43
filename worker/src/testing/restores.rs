//! The restorer without a thread.

use std::time::Duration;

use crate::runtime::restore::{RestoreJob, Restored};
use crate::runtime::restorer::Restorer;
use crate::runtime::thread::RestoreQueue;

/// Does one step of restoring each time the stream thread asks what is finished, so that restoring
/// and processing take turns as they would on two threads, and always in the same order.
pub struct InlineRestores(Restorer);

impl InlineRestores {
    /// Takes a restorer over.
    pub fn new(restorer: Restorer) -> Self {
        Self(restorer)
    }
}

impl RestoreQueue for InlineRestores {
    fn submit(&mut self, job: RestoreJob) {
        self.0.submit(job);
    }

    fn finished(&mut self) -> Vec<Restored> {
        self.0.run_once(Duration::ZERO)
    }
}
