//! One application in one process: its topics, its stream threads, their end.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use millrace_crds::plan::Plan;
use millrace_kafka::{Admin, Cluster};

use crate::clock::Clock;
use crate::config::WorkerConfig;
use crate::error::EngineError;
use crate::runtime::housekeeping;
use crate::runtime::restore_thread::RestoreThread;
use crate::runtime::restorer::Restorer;
use crate::runtime::thread::{StreamThread, ThreadContext};
use crate::state::{StateDirectory, StateMemory};
use crate::status::ThreadStatus;
use crate::topics::{self, Topics};

/// What an application is made from.
pub struct AppOptions {
    /// Settings.
    pub config: WorkerConfig,
    /// The topology.
    pub plan: Arc<Plan>,
    /// The log.
    pub cluster: Arc<dyn Cluster>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Memory of RocksDB, shared by all applications of the process.
    pub memory: StateMemory,
}

/// Where an application is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waits for topics or for the broker; the text says for what.
    Waiting(String),
    /// Its threads run.
    Running,
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
    stop: AtomicBool,
    leave: AtomicBool,
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

    /// Whether the application is to end.
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    fn set_phase(&self, phase: Phase) {
        if let Phase::Waiting(what) = &phase
            && *lock(&self.phase) != phase
        {
            tracing::info!(application = %self.plan.application_id, "waiting for {what}");
        }
        *lock(&self.phase) = phase;
    }

    fn fail(&self, error: &EngineError) {
        tracing::error!(
            application = %self.plan.application_id,
            reason = error.reason(),
            %error,
            "application failed"
        );
        self.set_phase(Phase::Failed(error.to_string()));
        self.stop.store(true, Ordering::Release);
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
        let shared = Arc::new(AppShared {
            plan: Arc::clone(&options.plan),
            config: options.config.clone(),
            admin: options.cluster.admin()?,
            phase: Mutex::new(Phase::Waiting("the log".to_owned())),
            threads: Mutex::default(),
            layout: Mutex::default(),
            stop: AtomicBool::new(false),
            leave: AtomicBool::new(false),
        });
        let in_thread = Arc::clone(&shared);
        let main = std::thread::Builder::new()
            .name(format!("{}-app", options.plan.application_id))
            .spawn(move || {
                let result = run(&options, &in_thread);
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

    /// Asks the application to end: finish, commit, flush. `leave`: its tasks go to others at once.
    pub fn stop(&self, leave: bool) {
        self.shared.leave.store(leave, Ordering::Release);
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

fn run(options: &AppOptions, shared: &Arc<AppShared>) -> Result<(), EngineError> {
    let engine = &options.config.engine;
    let found = topics::prepare(
        shared.admin.as_ref(),
        &options.plan,
        &engine.dead_letter_topic,
        engine.replication_factor,
        options.config.record_bytes_max(),
        &shared.stop,
        &|what| shared.set_phase(Phase::Waiting(what.to_owned())),
    )?;
    let Some(Topics {
        layout,
        out,
        limits,
    }) = found
    else {
        return Ok(());
    };
    let directory = StateDirectory::open(&engine.state_dir, &engine.application_id)?;
    let _locked = directory.lock_application()?;
    let tasks = layout.tasks().count();
    let layout = Arc::new(layout);
    *lock(&shared.layout) = Some(Arc::clone(&layout));
    let context = ThreadContext {
        config: Arc::new(engine.clone()),
        plan: Arc::clone(&options.plan),
        layout,
        topics: Arc::new(out),
        limits: Arc::new(limits),
        cluster: Arc::clone(&options.cluster),
        clock: Arc::clone(&options.clock),
    };
    let count = options.config.thread_count(tasks);
    tracing::info!(
        application = %engine.application_id,
        tasks,
        threads = count,
        plan = %options.plan.hash,
        "application starts"
    );
    let handles = start_threads(count, &context, options, &directory, shared)?;
    shared.set_phase(Phase::Running);
    let housekeeping = housekeeping::start(Arc::clone(shared), directory)?;
    let mut result = Ok(());
    for (name, handle) in handles {
        let ended = handle
            .join()
            .unwrap_or_else(|panic| Err(panicked(&name, panic.as_ref())));
        result = result.and(ended);
    }
    // It ends with the threads: both watch the same flag, set by now.
    shared.stop.store(true, Ordering::Release);
    let _panicked = housekeeping.join();
    result
}

type ThreadHandles = Vec<(String, JoinHandle<Result<(), EngineError>>)>;

fn start_threads(
    count: usize,
    context: &ThreadContext,
    options: &AppOptions,
    directory: &StateDirectory,
    shared: &Arc<AppShared>,
) -> Result<ThreadHandles, EngineError> {
    let mut handles = Vec::with_capacity(count);
    for index in 0..u32::try_from(count).unwrap_or(u32::MAX) {
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
        lock(&shared.threads).push(Arc::clone(&status));
        let thread = StreamThread::new(context.clone(), index, restores, Arc::clone(&status));
        let shared = Arc::clone(shared);
        let handle = std::thread::Builder::new()
            .name(name.clone())
            .spawn(move || run_thread(thread, &shared, &status))
            .map_err(|error| EngineError::Thread(format!("start a stream thread: {error}")))?;
        handles.push((name, handle));
    }
    Ok(handles)
}

/// Runs a stream thread to its end. One that fails, or panics, ends the application: the others
/// commit and close, and the process's exit code tells.
fn run_thread(
    mut thread: StreamThread,
    shared: &AppShared,
    status: &ThreadStatus,
) -> Result<(), EngineError> {
    let run =
        std::panic::catch_unwind(AssertUnwindSafe(|| thread.run(&shared.stop, &shared.leave)));
    let result = run.unwrap_or_else(|panic| Err(panicked(&status.name, panic.as_ref())));
    status.ended(result.as_ref().err().map(ToString::to_string));
    if let Err(error) = &result {
        shared.fail(error);
    }
    result
}
