//! One application in one process: its topics, its stream threads, their end.
//!
//! ```text
//!   App ── thread `<id>-app`: Supervisor ──► stream threads, each with a restore thread
//!    │            ▲                     └──► housekeeping
//!    │            └── RuntimeFile: how many threads are wanted, as of now
//!    └── AppShared: phase, what the threads publish; for HTTP
//! ```

mod patterns;
mod renewal;
mod runtime_file;
mod stream_threads;
mod supervisor;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use millrace_crds::plan::Plan;
use millrace_kafka::{Admin, Cluster};

use crate::api::Processors;
use crate::clock::Clock;
use crate::config::WorkerConfig;
use crate::error::EngineError;
use crate::state::StateMemory;
use crate::status::ThreadStatus;
use crate::topics::InternalTopics;
use supervisor::Supervisor;

/// What an application is made from.
pub struct AppOptions {
    /// Settings.
    pub config: WorkerConfig,
    /// The topology.
    pub plan: Arc<Plan>,
    /// The processors that it may name.
    pub processors: Processors,
    /// The log.
    pub cluster: Arc<dyn Cluster>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Memory of RocksDB, shared by all applications of the process.
    pub memory: StateMemory,
    /// Who makes internal topics that are missing.
    pub internal_topics: InternalTopics,
    /// Directory of the runtime settings
    /// ([`RUNTIME_FILE`](millrace_crds::worker_api::RUNTIME_FILE)); `None`: replicas and threads are
    /// the StreamApp's for as long as it runs.
    pub runtime_dir: Option<PathBuf>,
}

/// Where an application is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waits for topics, for the broker or for its settings; the text says for what.
    Waiting(String),
    /// Its threads run.
    Running,
    /// Nothing is to run here, the text says why: its threads commit, close and leave the group.
    Draining(String),
    /// Nothing runs here, the text says why, and the group knows of no member here.
    Drained(String),
    /// Ended, as asked.
    Stopped,
    /// Ended by an error.
    Failed(String),
}

/// What is shared between an application's threads and those who ask about it.
pub struct AppShared {
    /// The plan.
    pub plan: Arc<Plan>,
    /// Settings.
    pub config: WorkerConfig,
    /// Topics, watermarks: for lag.
    pub admin: Box<dyn Admin>,
    phase: Mutex<Phase>,
    threads: Mutex<Vec<Arc<ThreadStatus>>>,
    layout: Mutex<Option<Arc<millrace_crds::plan::Layout>>>,
    held_back: Mutex<Option<String>>,
    stop: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AppShared {
    /// Where the application is.
    pub fn phase(&self) -> Phase {
        lock(&self.phase).clone()
    }

    /// What its threads publish.
    pub fn threads(&self) -> Vec<Arc<ThreadStatus>> {
        lock(&self.threads).clone()
    }

    /// Partition counts, once they are known.
    pub fn layout(&self) -> Option<Arc<millrace_crds::plan::Layout>> {
        lock(&self.layout).clone()
    }

    /// Topics that match a pattern and are not read, in words; `None` where there is none.
    pub fn held_back(&self) -> Option<String> {
        lock(&self.held_back).clone()
    }

    /// Whether the application is to end.
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    fn set_phase(&self, phase: Phase) {
        let mut now = lock(&self.phase);
        if *now == phase {
            return;
        }
        let application = &self.plan.application_id;
        match &phase {
            Phase::Waiting(what) => tracing::info!(application, "waiting for {what}"),
            Phase::Running => tracing::info!(application, "running"),
            Phase::Draining(why) => tracing::info!(application, why, "draining"),
            Phase::Drained(why) => tracing::info!(application, why, "drained"),
            // The process's end, and errors, are told where they come up.
            Phase::Stopped | Phase::Failed(_) => {}
        }
        *now = phase;
    }

    /// Ends the application by an error; the first one is the reason.
    fn fail(&self, error: &EngineError) {
        self.stop.store(true, Ordering::Release);
        if matches!(self.phase(), Phase::Failed(_)) {
            return;
        }
        tracing::error!(
            application = %self.plan.application_id,
            reason = error.reason(),
            %error,
            "application failed"
        );
        self.set_phase(Phase::Failed(error.to_string()));
    }
}

/// A running application.
pub struct App {
    shared: Arc<AppShared>,
    main: Option<JoinHandle<Result<(), EngineError>>>,
}

impl App {
    /// Starts an application on threads of its own; returns at once.
    pub fn start(options: AppOptions) -> Result<Self, EngineError> {
        options.processors.check(&options.plan)?;
        let shared = Arc::new(AppShared {
            plan: Arc::clone(&options.plan),
            config: options.config.clone(),
            admin: options.cluster.admin()?,
            phase: Mutex::new(Phase::Waiting("the log".to_owned())),
            threads: Mutex::default(),
            layout: Mutex::default(),
            held_back: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let in_thread = Arc::clone(&shared);
        let main = std::thread::Builder::new()
            .name(format!("{}-app", options.plan.application_id))
            .spawn(move || {
                let result = Supervisor::new(&options, &in_thread).run();
                match &result {
                    Ok(()) => in_thread.set_phase(Phase::Stopped),
                    Err(error) => in_thread.fail(error),
                }
                result
            })
            .map_err(|error| EngineError::Thread(format!("start the application: {error}")))?;
        Ok(Self {
            shared,
            main: Some(main),
        })
    }

    /// For status, metrics and queries.
    pub fn shared(&self) -> Arc<AppShared> {
        Arc::clone(&self.shared)
    }

    /// Asks the application to end: finish, commit, flush. Its members stay in the group until the
    /// session timeout, so that one that comes back finds its tasks; to leave it, drain first.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.main.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for its end.
    pub fn join(mut self) -> Result<(), EngineError> {
        match self.main.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(panic)) => Err(panicked("application", panic.as_ref())),
        }
    }
}

fn panicked(thread: &str, panic: &(dyn std::any::Any + Send)) -> EngineError {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    EngineError::Panicked {
        thread: thread.to_owned(),
        message: message.to_owned(),
    }
}
