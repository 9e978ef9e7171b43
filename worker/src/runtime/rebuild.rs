//! State that turns out to be corrupt while a task works: the task goes back to the last commit with
//! a store rebuilt from its changelog, as the thread's other tasks go back with theirs.

use millrace_crds::plan::TaskId;

use super::membership::Transaction;
use super::restore::StoreToRestore;
use super::thread::StreamThread;
use crate::error::EngineError;
use crate::state::{StateErrorKind, condemn_database};

impl StreamThread {
    /// Rebuilds the state that an error is about, if it may be: the error itself comes back where
    /// that was done within the last hour, or where no task here has that state.
    pub(super) fn rebuild(&mut self, error: EngineError) -> Result<(), EngineError> {
        let EngineError::State(state) = &error else {
            return Err(error);
        };
        let broken = self.tasks.running().iter().find_map(|running| {
            let db = running.task.db().filter(|db| db.is_at(&state.path))?;
            Some((running.task.id, db))
        });
        let Some((task, db)) = broken else {
            return Err(error);
        };
        if !self.is_logged(task) || !db.condemn(&state.message)? {
            return Err(error);
        }
        tracing::warn!(thread = self.index, %task, %error, "going back to the last commit");
        self.recover(Transaction::Open);
        Ok(())
    }

    /// Removes state that turned out to be corrupt while it was restored, by the same rules; nothing
    /// for any other error.
    pub(super) fn condemn_unrestored(
        &self,
        task: TaskId,
        error: &EngineError,
    ) -> Result<(), EngineError> {
        match error {
            EngineError::State(state) if state.kind == StateErrorKind::Corrupt => {
                if self.is_logged(task) && condemn_database(&state.path, &state.message)? {
                    Ok(())
                } else {
                    Err(error.clone())
                }
            }
            _ => Ok(()),
        }
    }

    /// Whether every store of a task has a changelog.
    fn is_logged(&self, task: TaskId) -> bool {
        let stores = StoreToRestore::of(
            &self.context.plan,
            task.subtopology,
            &self.context.processors,
        );
        stores.iter().all(|store| store.changelog.is_some())
    }
}
