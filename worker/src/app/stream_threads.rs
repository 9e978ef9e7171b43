//! [`StreamThreads`]: the stream threads of an application, by number. Starts them, asks them to end,
//! and takes those that have ended out; never waits for a thread but at the end of all.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::thread::JoinHandle;

use super::{AppOptions, AppShared, lock, panicked};
use crate::error::{EngineError, Outcome};
use crate::runtime::ending::{End, Ending};
use crate::runtime::restore_thread::RestoreThread;
use crate::runtime::restorer::Restorer;
use crate::runtime::thread::{StreamThread, ThreadContext};
use crate::state::StateDirectory;
use crate::status::{TaskState, ThreadStatus};

/// One of them.
struct Slot {
    status: Arc<ThreadStatus>,
    ending: Arc<Ending>,
    handle: JoinHandle<Result<(), EngineError>>,
}

/// The stream threads of an application. A number is free again when its thread has ended: two
/// threads of one number would fence each other.
pub(super) struct StreamThreads {
    shared: Arc<AppShared>,
    slots: BTreeMap<u32, Slot>,
}

impl StreamThreads {
    /// None yet.
    pub(super) fn new(shared: &Arc<AppShared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            slots: BTreeMap::new(),
        }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether there is one of this number, ending or not.
    pub(super) fn contains(&self, index: u32) -> bool {
        self.slots.contains_key(&index)
    }

    /// The numbers of all, lowest first.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> {
        self.slots.keys().copied()
    }

    /// How many threads there are that nobody has asked to end, counted from number 0.
    pub(super) fn staying(&self) -> u32 {
        let stays = |index: &u32| {
            let slot = self.slots.get(index);
            slot.is_some_and(|slot| slot.ending.asked().is_none())
        };
        (0..).take_while(stays).count() as u32
    }

    /// Whether a thread is there, is to stay, knows its tasks and runs them all.
    pub(super) fn is_settled(&self, index: u32) -> bool {
        self.slots.get(&index).is_some_and(|slot| {
            let snapshot = slot.status.snapshot();
            let mut tasks = snapshot.tasks.iter();
            slot.ending.asked().is_none()
                && slot.status.joined()
                && tasks.all(|task| task.state == TaskState::Running)
        })
    }

    /// Asks the threads from this number on to end.
    pub(super) fn end_from(&self, index: u32, end: End) {
        for (&number, slot) in self.slots.range(index..) {
            if slot.ending.asked().is_none() {
                tracing::info!(thread = number, ?end, "stream thread ends");
            }
            slot.ending.ask(end);
        }
    }

    /// Asks one thread to end.
    pub(super) fn end(&self, index: u32, end: End) {
        if let Some(slot) = self.slots.get(&index) {
            slot.ending.ask(end);
        }
    }

    /// Starts a thread under a number that is free.
    pub(super) fn start(
        &mut self,
        index: u32,
        context: &ThreadContext,
        options: &AppOptions,
        directory: &StateDirectory,
    ) -> Result<(), EngineError> {
        let name = format!("{}-{index}", context.config.application_id);
        let restorer = Restorer::new(
            Arc::clone(&options.cluster),
            &format!("{name}-restore"),
            directory.clone(),
            options.memory.clone(),
            Arc::clone(&options.clock),
        )?;
        let restores = Box::new(RestoreThread::start(&name, restorer)?);
        let status = Arc::new(ThreadStatus::new(name.clone()));
        let ending = Arc::new(Ending::default());
        let thread = StreamThread::new(context.clone(), index, restores, Arc::clone(&status));
        let (shared, told, asked) = (
            Arc::clone(&self.shared),
            Arc::clone(&status),
            Arc::clone(&ending),
        );
        let handle = std::thread::Builder::new()
            .name(name)
            .spawn(move || run(thread, &shared, &told, &asked))
            .map_err(|error| EngineError::Thread(format!("start a stream thread: {error}")))?;
        lock(&self.shared.threads).push(Arc::clone(&status));
        let slot = Slot {
            status,
            ending,
            handle,
        };
        self.slots.insert(index, slot);
        Ok(())
    }

    /// Takes out the threads that have ended; the error is that of one that failed.
    pub(super) fn reap(&mut self) -> Result<(), EngineError> {
        let ended: Vec<u32> = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.handle.is_finished())
            .map(|(&index, _)| index)
            .collect();
        let mut result = Ok(());
        for index in ended {
            if let Some(slot) = self.slots.remove(&index) {
                let status = Arc::clone(&slot.status);
                let ended = join(slot);
                if ended.is_ok() {
                    lock(&self.shared.threads).retain(|known| !Arc::ptr_eq(known, &status));
                }
                result = result.and(ended);
            }
        }
        result
    }

    /// Ends all and waits for them; what they said last stays to be asked for.
    pub(super) fn finish(&mut self) -> Result<(), EngineError> {
        self.end_from(0, End::Close);
        let mut result = Ok(());
        // All are waited for, whatever the first says.
        for slot in std::mem::take(&mut self.slots).into_values() {
            result = result.and(join(slot));
        }
        result
    }
}

fn join(slot: Slot) -> Result<(), EngineError> {
    let name = &slot.status.name;
    slot.handle
        .join()
        .unwrap_or_else(|panic| Err(panicked(name, panic.as_ref())))
}

/// Runs a stream thread to its end. One that fails, or panics, ends the application: the others
/// commit and close, and the process's exit code tells.
fn run(
    mut thread: StreamThread,
    shared: &AppShared,
    status: &ThreadStatus,
    ending: &Ending,
) -> Result<(), EngineError> {
    let run = std::panic::catch_unwind(AssertUnwindSafe(|| thread.run(ending)));
    let mut result = run.unwrap_or_else(|panic| Err(panicked(&status.name, panic.as_ref())));
    // A thread that was asked to leave has closed whatever the log said to it. Its tasks go on from
    // their last commit, elsewhere, after the session timeout at the latest: no reason to end the
    // threads that stay.
    if let Err(error) = &result
        && ending.asked() == Some(End::Leave)
        && error.outcome() != Outcome::Fatal
    {
        tracing::warn!(thread = status.name, %error, "left in the middle of a commit");
        result = Ok(());
    }
    status.ended(result.as_ref().err().map(ToString::to_string));
    if let Err(error) = &result {
        shared.fail(error);
    }
    result
}
