//! The restorer on a thread of its own, as in production.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::restore::{RestoreJob, Restored};
use super::restorer::Restorer;
use super::thread::RestoreQueue;
use crate::error::EngineError;

/// Wait per step, while there is something to restore or to wait for.
const STEP: Duration = Duration::from_millis(50);
/// Wait for a job, while there is none.
const IDLE: Duration = Duration::from_millis(500);

/// A restorer thread; ends when dropped. Jobs are bounded by the stream thread's tasks.
pub struct RestoreThread {
    jobs: Option<Sender<RestoreJob>>,
    finished: Receiver<Restored>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl RestoreThread {
    /// Starts the thread.
    pub fn start(name: &str, restorer: Restorer) -> Result<Self, EngineError> {
        let (jobs, incoming) = channel();
        let (outgoing, finished) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name(format!("{name}-restore"))
            .spawn(move || run(restorer, &incoming, &outgoing, &stopped))
            .map_err(|error| EngineError::Thread(format!("start the restore thread: {error}")))?;
        Ok(Self {
            jobs: Some(jobs),
            finished,
            stop,
            thread: Some(thread),
        })
    }
}

fn run(
    mut restorer: Restorer,
    incoming: &Receiver<RestoreJob>,
    outgoing: &Sender<Restored>,
    stop: &AtomicBool,
) {
    while !stop.load(Ordering::Acquire) {
        if restorer.is_idle() {
            match incoming.recv_timeout(IDLE) {
                Ok(job) => restorer.submit(job),
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        while let Ok(job) = incoming.try_recv() {
            restorer.submit(job);
        }
        for restored in restorer.run_once(STEP) {
            if outgoing.send(restored).is_err() {
                return;
            }
        }
        if !restorer.is_idle() && !restorer.is_reading() {
            // What is left waits for a directory or for the log.
            std::thread::sleep(STEP);
        }
    }
}

impl RestoreQueue for RestoreThread {
    fn submit(&mut self, job: RestoreJob) {
        if let Some(jobs) = &self.jobs {
            // A restorer that has ended (it does so only when told to) takes no jobs any more.
            let _ended = jobs.send(job);
        }
    }

    fn finished(&mut self) -> Vec<Restored> {
        self.finished.try_iter().collect()
    }
}

impl Drop for RestoreThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}
