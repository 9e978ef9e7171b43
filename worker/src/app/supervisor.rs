//! [`Supervisor`]: brings the threads of an application to what is wanted, and keeps them there.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use millrace_crds::plan::Plan;
use millrace_kafka::ErrorKind;

use super::patterns::{self, Patterns};
use super::renewal::Renewal;
use super::runtime_file::{RuntimeFile, Wanted};
use super::stream_threads::StreamThreads;
use super::{AppOptions, AppShared, Phase, lock};
use crate::budget::MemoryBudget;
use crate::error::EngineError;
use crate::runtime::ending::End;
use crate::runtime::global::GlobalOptions;
use crate::runtime::global_thread::GlobalThread;
use crate::runtime::housekeeping;
use crate::runtime::thread::ThreadContext;
use crate::state::{ApplicationLock, GlobalTables, StateDirectory};
use crate::topics::{self, Looked, Topics, TopicsWanted};

/// Between two rounds.
const ROUND: Duration = Duration::from_millis(50);
/// Between two looks for a missing topic or an absent broker.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Between two looks for changed credentials.
const REFRESH: Duration = if cfg!(test) {
    Duration::from_millis(100)
} else {
    Duration::from_secs(10)
};

/// What all stream threads are made from, once the topics are there.
struct Prepared {
    context: ThreadContext,
    tasks: usize,
    /// Input and changelog partitions of all tasks.
    partitions: usize,
}

/// The state directory, this process's alone from the first thread on until the end.
struct State {
    directory: StateDirectory,
    _locked: ApplicationLock,
    housekeeping: JoinHandle<()>,
}

/// Runs an application: on a thread of its own, until told to stop or until something fails.
pub(super) struct Supervisor<'a> {
    options: &'a AppOptions,
    shared: &'a Arc<AppShared>,
    file: Option<RuntimeFile>,
    threads: StreamThreads,
    prepared: Option<Prepared>,
    looked_for_topics: Option<Instant>,
    /// Before the state: its files are closed first.
    globals: Option<GlobalThread>,
    state: Option<State>,
    refreshed: Instant,
    renewal: Renewal,
    patterns: Patterns,
}

impl<'a> Supervisor<'a> {
    /// Nothing runs yet.
    pub(super) fn new(options: &'a AppOptions, shared: &'a Arc<AppShared>) -> Self {
        let ordinal = options.config.engine.ordinal;
        let directory = options.runtime_dir.as_deref();
        Self {
            options,
            shared,
            file: directory.map(|directory| RuntimeFile::new(directory, ordinal)),
            threads: StreamThreads::new(shared),
            prepared: None,
            looked_for_topics: None,
            globals: None,
            state: None,
            refreshed: Instant::now(),
            renewal: Renewal::default(),
            patterns: Patterns::default(),
        }
    }

    /// Runs to the end; the error is the first that ended something.
    pub(super) fn run(mut self) -> Result<(), EngineError> {
        let mut result = Ok(());
        while result.is_ok() && !self.shared.is_stopping() {
            result = self.round();
            std::thread::sleep(ROUND);
        }
        let result = self.threads.finish().and(result);
        self.globals = None;
        // Housekeeping watches the flag, which an error of a round has not set.
        self.shared.stop.store(true, Ordering::Release);
        if let Some(state) = self.state.take() {
            let _panicked = state.housekeeping.join();
        }
        result
    }

    fn round(&mut self) -> Result<(), EngineError> {
        self.threads.reap()?;
        if let Some(globals) = &self.globals {
            // Its failure ends the application: tables that stand still would give old results.
            let _progress = globals.tables()?;
        }
        self.renew_credentials();
        self.look_for_matching_topics();
        let wanted = match &mut self.file {
            Some(file) => file.wanted(),
            None => Wanted::Declared,
        };
        match wanted {
            Wanted::Unknown(why) => {
                let what = format!("its runtime settings: {why}");
                self.shared.set_phase(Phase::Waiting(what));
                Ok(())
            }
            Wanted::Nothing(why) => {
                self.drain(why);
                Ok(())
            }
            Wanted::Declared => self.have(None),
            Wanted::Threads { count, keep } => {
                let kept = if keep { self.threads.staying() } else { 0 };
                match count.max(kept) {
                    0 => {
                        self.drain("it is to drain, and has no threads".to_owned());
                        Ok(())
                    }
                    count => self.have(Some(count)),
                }
            }
        }
    }

    /// Looks now and then for changed credentials; threads that were made with the old ones are made
    /// anew, in turn.
    fn renew_credentials(&mut self) {
        if self.refreshed.elapsed() >= REFRESH {
            self.refreshed = Instant::now();
            match self.options.cluster.refresh() {
                Ok(false) => {}
                Ok(true) => {
                    tracing::info!("Kafka's TLS or SASL files have changed: new clients, in turn");
                    self.renewal.begin(self.threads.numbers());
                }
                Err(error) => tracing::warn!(%error, "changed TLS or SASL files"),
            }
        }
        self.renewal.step(&self.threads);
    }

    /// Lets all threads commit, close and leave. When they have, nothing is kept of the topics as
    /// they were: who raises the number again may have changed them.
    fn drain(&mut self, why: String) {
        self.threads.end_from(0, End::Leave);
        if self.threads.is_empty() {
            self.prepared = None;
            self.shared.set_phase(Phase::Drained(why));
        } else {
            self.shared.set_phase(Phase::Draining(why));
        }
    }

    /// Ends what is too much, starts what is missing. Threads that stay never notice.
    fn have(&mut self, count: Option<u32>) -> Result<(), EngineError> {
        if self.prepared.is_none() {
            self.prepared = self.prepare()?;
        }
        let Some(prepared) = &self.prepared else {
            return Ok(());
        };
        let declared = self.options.config.thread_count(prepared.tasks);
        let count = count.unwrap_or_else(|| u32::try_from(declared).unwrap_or(u32::MAX));
        let budget = &prepared.context.budget;
        budget.divide(usize::try_from(count).unwrap_or(usize::MAX));
        let fetch = budget.fetch_bytes(prepared.partitions);
        // A record larger than the buffer could never be sent.
        let record = self.options.config.record_bytes_max();
        let send = budget.send_bytes().max(2 * record);
        self.options.cluster.set_buffers(fetch, send);
        self.threads.end_from(count, End::Leave);
        for index in 0..count {
            // A number whose thread is still ending is free in a later round.
            if !self.threads.contains(index) {
                let directory = match &self.state {
                    Some(state) => &state.directory,
                    None => &self.state.insert(self.open_state()?).directory,
                };
                tracing::info!(thread = index, threads = count, "stream thread starts");
                self.threads
                    .start(index, &prepared.context, self.options, directory)?;
            }
        }
        self.shared.set_phase(Phase::Running);
        Ok(())
    }

    /// Looks for the topics, once a second; `None` while something is missing.
    fn prepare(&mut self) -> Result<Option<Prepared>, EngineError> {
        if self
            .looked_for_topics
            .is_some_and(|at| at.elapsed() < LOOK_AGAIN)
        {
            return Ok(None);
        }
        self.looked_for_topics = Some(Instant::now());
        let plan = match self.resolve() {
            Ok(plan) => plan,
            Err(EngineError::Log(error)) if error.kind == ErrorKind::Unavailable => {
                self.shared.set_phase(Phase::Waiting(error.to_string()));
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        if let Some(nothing) = plan.unmatched() {
            let held_back = self.shared.held_back().unwrap_or_default();
            let what = format!("topics: {nothing}\n{held_back}")
                .trim_end()
                .to_owned();
            self.shared.set_phase(Phase::Waiting(what));
            return Ok(None);
        }
        self.prepare_for(plan)
    }

    /// The plan that reads what matches its patterns.
    fn resolve(&mut self) -> Result<Arc<Plan>, EngineError> {
        let plan = &self.options.plan;
        if !plan.has_patterns() {
            return Ok(Arc::clone(plan));
        }
        let reading = self.prepared.as_ref();
        let reading = reading.map(|prepared| prepared.context.plan.source_topics());
        let kept = reading.into_iter().flatten().map(|(topic, _)| topic);
        let found = patterns::resolve(self.shared.admin.as_ref(), plan, &kept.collect())?;
        let held_back = found.held_back_words();
        self.patterns.tell(&plan.application_id, held_back.clone());
        *lock(&self.shared.held_back) = held_back;
        Ok(Arc::new(found.plan))
    }

    /// Looks now and then whether other topics match the patterns. The threads then begin anew, one
    /// after the other, as with new credentials. Until all have, they differ in what they read: a task
    /// is one thread's alone, and a topic's place is committed, so nothing is read twice or left out.
    fn look_for_matching_topics(&mut self) {
        let Some(prepared) = &self.prepared else {
            return;
        };
        if !self.options.plan.has_patterns() || !self.patterns.due() {
            return;
        }
        let before = Arc::clone(&prepared.context.plan);
        let found = self.resolve().and_then(|plan| {
            let same = plan.source_topics() == before.source_topics();
            if same || plan.unmatched().is_some() {
                return Ok(None);
            }
            self.prepare_for(plan)
        });
        match found {
            Ok(Some(prepared)) => {
                let topics = prepared.context.plan.source_topics();
                let topics: Vec<&str> = topics.into_iter().map(|(topic, _)| topic).collect();
                tracing::info!(topics = topics.join(", "), "other topics match now");
                self.prepared = Some(prepared);
                self.renewal.begin(self.threads.numbers());
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "looking for topics that match"),
        }
    }

    /// Looks for the topics of a plan; `None` while something is missing.
    fn prepare_for(&mut self, plan: Arc<Plan>) -> Result<Option<Prepared>, EngineError> {
        let (options, engine) = (self.options, &self.options.config.engine);
        let wanted = TopicsWanted {
            dead_letter_topic: &engine.dead_letter_topic,
            internal: options.internal_topics,
            replication_factor: engine.replication_factor,
            record_bytes_max: options.config.record_bytes_max(),
        };
        let Topics {
            layout,
            out,
            limits,
        } = match topics::look(self.shared.admin.as_ref(), &plan, &wanted)? {
            Looked::Found(found) => *found,
            Looked::Missing(what) => {
                self.shared.set_phase(Phase::Waiting(what));
                return Ok(None);
            }
        };
        let globals = match self.globals()? {
            Ok(globals) => globals,
            Err(what) => {
                self.shared.set_phase(Phase::Waiting(what));
                return Ok(None);
            }
        };
        let tasks = layout.tasks().count();
        let partitions = layout
            .tasks()
            .filter_map(|task| plan.subtopologies.get(task.subtopology))
            .map(|part| part.sources.len() + part.stores.len())
            .sum();
        let layout = Arc::new(layout);
        *lock(&self.shared.layout) = Some(Arc::clone(&layout));
        tracing::info!(
            application = %engine.application_id,
            tasks,
            plan = %plan.hash,
            "application starts"
        );
        let context = ThreadContext {
            config: Arc::new(engine.clone()),
            plan,
            layout,
            processors: options.processors.clone(),
            topics: Arc::new(out),
            limits: Arc::new(limits),
            globals,
            cluster: Arc::clone(&options.cluster),
            clock: Arc::clone(&options.clock),
            budget: Arc::new(MemoryBudget::new(options.memory.limit_bytes())),
        };
        Ok(Some(Prepared {
            context,
            tasks,
            partitions,
        }))
    }

    /// The global tables, read to their end; what is waited for before that.
    fn globals(&mut self) -> Result<Result<GlobalTables, String>, EngineError> {
        let options = self.options;
        if options.plan.global_tables.is_empty() {
            return Ok(Ok(GlobalTables::default()));
        }
        let directory = match &self.state {
            Some(state) => state.directory.clone(),
            None => self.state.insert(self.open_state()?).directory.clone(),
        };
        let thread = match self.globals.take() {
            Some(thread) => thread,
            None => GlobalThread::start(GlobalOptions {
                plan: Arc::clone(&options.plan),
                cluster: Arc::clone(&options.cluster),
                clock: Arc::clone(&options.clock),
                directory,
                memory: options.memory.clone(),
                flush: options.config.engine.flush,
            })?,
        };
        self.globals.insert(thread).tables()
    }

    fn open_state(&self) -> Result<State, EngineError> {
        let engine = &self.options.config.engine;
        let directory = StateDirectory::open(&engine.state_dir, &engine.application_id)?;
        let locked = directory.lock_application()?;
        let housekeeping = housekeeping::start(Arc::clone(self.shared), directory.clone())?;
        Ok(State {
            directory,
            _locked: locked,
            housekeeping,
        })
    }
}
