//! The cluster: options, the lock around the state, the ways to wait for it, and the clients.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use millrace_kafka::{
    Admin, Cluster, ConsumerOptions, GroupConsumer, ProducerOptions, RecordSink, RecordSource,
    Result,
};

use crate::admin::EmbeddedAdmin;
use crate::clock::{Clock, SystemClock};
use crate::consumer::EmbeddedConsumer;
use crate::journal::OpenError;
use crate::producer::EmbeddedProducer;
use crate::reader::EmbeddedReader;
use crate::state::State;

/// Settings of an [`EmbeddedCluster`].
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// A member that has not polled for this long loses its tasks. Default 10 s.
    pub session_timeout: Duration,
    /// A transaction open for longer is aborted and its producer fenced. Default 10 s.
    pub transaction_timeout: Duration,
    /// How long a call waits for something to happen elsewhere (a pending transaction on an offset).
    /// Default 15 s.
    pub request_timeout: Duration,
    /// Memory for the records of all topics, in bytes. Producing beyond it fails with
    /// [`ErrorKind::Unavailable`](millrace_kafka::ErrorKind::Unavailable). Default 1 GiB.
    pub memory_bytes: usize,
    /// Size that each partition of a topic is held to, the oldest records going first, in bytes;
    /// applies to topics that are not compacted and have no `retention.bytes` of their own. Default
    /// none.
    pub retention_bytes: Option<usize>,
    /// The journal is synced to disk at most this often, and loses at most this much (plus the time
    /// until the next call) in a power failure; never anything when only the process ends. Default
    /// 1 s.
    pub sync_interval: Duration,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self {
            session_timeout: Duration::from_secs(10),
            transaction_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(15),
            memory_bytes: 1 << 30,
            retention_bytes: None,
            sync_interval: Duration::from_secs(1),
        }
    }
}

/// A log in this process. Clones are the same log.
#[derive(Clone)]
pub struct EmbeddedCluster {
    shared: Arc<Shared>,
}

impl EmbeddedCluster {
    /// An empty log in memory, with default options, on the machine's time.
    pub fn new() -> Self {
        Self::in_memory(EmbeddedOptions::default(), SystemClock::new())
    }

    /// An empty log in memory.
    pub fn in_memory(options: EmbeddedOptions, clock: impl Clock + 'static) -> Self {
        Self::with_state(State::new(options.clone()), options, clock)
    }

    /// The log kept in a directory, which is created if it is not there. Records are held in memory
    /// as well. The directory is locked until the last clone and the last client are gone.
    pub fn open(
        dir: &Path,
        options: EmbeddedOptions,
        clock: impl Clock + 'static,
    ) -> Result<Self, OpenError> {
        let state = State::replay(dir, options.clone(), clock.now_ms())?;
        Ok(Self::with_state(state, options, clock))
    }

    fn with_state(state: State, options: EmbeddedOptions, clock: impl Clock + 'static) -> Self {
        let shared = Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
            clock: Box::new(clock),
            options,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Compacts a topic now: the last value per key stays, and tombstones older than
    /// `delete.retention.ms` go. Kafka does this in the background, and so does this log (for topics
    /// with `cleanup.policy` `compact`, when enough of a partition is new).
    pub fn compact(&self, topic: &str) -> Result<()> {
        let now_ms = self.shared.now_ms();
        self.shared.change(|state| state.compact(topic, now_ms))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Default for EmbeddedCluster {
    fn default() -> Self {
        Self::new()
    }
}

impl Cluster for EmbeddedCluster {
    fn admin(&self) -> Result<Box<dyn Admin>> {
        Ok(Box::new(EmbeddedAdmin::new(Arc::clone(&self.shared))))
    }

    fn consumer(&self, options: &ConsumerOptions) -> Result<Box<dyn GroupConsumer>> {
        Ok(Box::new(EmbeddedConsumer::join(
            Arc::clone(&self.shared),
            options,
        )?))
    }

    fn reader(&self, _name: &str) -> Result<Box<dyn RecordSource>> {
        Ok(Box::new(EmbeddedReader::new(Arc::clone(&self.shared))))
    }

    fn producer(&self, options: &ProducerOptions) -> Result<Box<dyn RecordSink>> {
        Ok(Box::new(EmbeddedProducer::new(
            Arc::clone(&self.shared),
            options,
        )))
    }
}

/// What all clients share.
pub(crate) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    clock: Box<dyn Clock>,
    pub(crate) options: EmbeddedOptions,
}

impl Shared {
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// The state, with everything ended whose time has come.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panicked under the lock left at most a batch half counted; the others go on.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.tick(&mut state);
        state
    }

    /// Makes a change, and wakes whoever waits for one.
    pub(crate) fn change<T>(&self, work: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let mut state = self.lock();
        let before = state.version();
        let result = work(&mut state);
        let changed = state.version() != before;
        drop(state);
        if changed {
            self.changed.notify_all();
        }
        result
    }

    /// Asks again and again until there is an answer, the deadline passes (`None`), or asking fails;
    /// sleeps in between until something changes. `ask` is called at least once, and before sessions
    /// are ended, so that a waiting member can show that it lives.
    pub(crate) fn wait_for<T>(
        &self,
        timeout: Duration,
        mut ask: impl FnMut(&mut State) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.lock();
        loop {
            let before = state.version();
            let answer = ask(&mut state);
            self.tick(&mut state);
            if state.version() != before {
                self.changed.notify_all();
            }
            if !matches!(answer, Ok(None)) {
                return answer;
            }
            let left = deadline.map_or(timeout, |at| at.saturating_duration_since(Instant::now()));
            if state.version() != before && !left.is_zero() {
                continue;
            }
            if left.is_zero() || !self.clock.blocks() {
                return Ok(None);
            }
            let until_expiry = state.next_expiry_ms().saturating_sub(self.now_ms()).max(1);
            let nap = left.min(Duration::from_millis(until_expiry.unsigned_abs()));
            let woken = self.changed.wait_timeout(state, nap);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn tick(&self, state: &mut State) {
        let before = state.version();
        state.tick(self.now_ms());
        if state.version() != before {
            self.changed.notify_all();
        }
    }
}
