//! A stream thread: one consumer, one producer, its tasks, one loop.
//!
//! The consumer's rebalance callback only records what changed; the loop acts on it at its own pace.
//! There is no lock and no allocation per record on this path.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_crds::plan::{Layout, Plan};
use millrace_kafka::{Cluster, ConsumerOptions, ErrorKind, GroupConsumer};

use super::commit::in_doubt;
use super::ending::{End, Ending};
use super::fencings::{FENCINGS_MAX, Fencings, WITHIN};
use super::membership::Transaction;
use super::patience::Patience;
use super::restore::{RestoreJob, Restored};
use super::tasks::{Running, Tasks};
use crate::api::Processors;
use crate::budget::MemoryBudget;
use crate::clock::Clock;
use crate::config::EngineConfig;
use crate::error::{EngineError, Outcome};
use crate::state::GlobalTables;
use crate::status::ThreadStatus;
use crate::task::collector::{Collector, TopicLimits};
use crate::task::retries::Retries;
use crate::topology::OutTopics;

/// Records processed between two looks at consumer, membership and commit interval.
const PROCESS_RECORDS_MAX: usize = 4_000;
/// Events taken from the consumer per poll.
const POLL_EVENTS_MAX: usize = 4_000;
/// Below so many buffered records the consumer is asked for more.
const POLL_BELOW_RECORDS: usize = 4_000;
/// The consumer is asked at least this often, for membership changes.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Longest wait for records when there is nothing to do.
const IDLE_POLL: Duration = Duration::from_millis(100);
/// Wait while records are there that may not be processed yet (`max.task.idle.ms`).
const HELD_BACK_POLL: Duration = Duration::from_millis(2);
/// Losses of a transaction in a row, without a commit in between, before the thread gives up.
const RECOVERIES_MAX: u32 = 10;
/// A loss this long after the one before is the first again: an idle thread commits nothing, and its
/// losses of a whole life must not add up.
const RECOVERIES_FORGOTTEN: Duration = Duration::from_secs(300);
/// Wait before trying again what the log did not answer: the first and the longest.
const RETRY_WAIT_FIRST: Duration = Duration::from_millis(50);
const RETRY_WAIT_MAX: Duration = Duration::from_secs(5);
/// A member that the group gave nothing is settled after this long: what the others have to give up
/// first has come by then (a second rebalance of a few hundred ms).
const NOTHING_COMES: Duration = Duration::from_secs(2);
/// How often the status is published.
const STATUS_INTERVAL: Duration = Duration::from_millis(200);

/// Where restore jobs go: to a thread of their own, or to the test that drives this thread.
pub trait RestoreQueue: Send {
    /// Hands a job over.
    fn submit(&mut self, job: RestoreJob);
    /// Jobs finished since the last call.
    fn finished(&mut self) -> Vec<Restored>;
}

/// Everything a thread is made from; the same for all threads of a worker.
#[derive(Clone)]
pub struct ThreadContext {
    /// Settings.
    pub config: Arc<EngineConfig>,
    /// The topology.
    pub plan: Arc<Plan>,
    /// Its partition counts.
    pub layout: Arc<Layout>,
    /// Topics it writes to.
    pub topics: Arc<OutTopics>,
    /// Their limits, by number.
    pub limits: Arc<Vec<TopicLimits>>,
    /// The processors its topology may name.
    pub processors: Processors,
    /// Its global tables.
    pub globals: GlobalTables,
    /// The log.
    pub cluster: Arc<dyn Cluster>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Memory, divided over the threads.
    pub budget: Arc<MemoryBudget>,
}

impl ThreadContext {
    /// Input partitions of all tasks.
    fn inputs(&self) -> usize {
        let subtopologies = &self.plan.subtopologies;
        let tasks = self.layout.tasks();
        tasks
            .filter_map(|task| subtopologies.get(task.subtopology))
            .map(|part| part.sources.len())
            .sum()
    }
}

/// One stream thread.
pub struct StreamThread {
    pub(super) context: ThreadContext,
    pub(super) index: u32,
    pub(super) consumer: Option<Box<dyn GroupConsumer>>,
    /// `None`: to be made anew, after a transaction was lost.
    pub(super) collector: Option<Collector>,
    pub(super) tasks: Tasks,
    pub(super) restores: Box<dyn RestoreQueue>,
    pub(super) status: Arc<ThreadStatus>,
    pub(super) last_commit: Instant,
    last_poll: Instant,
    last_status: Instant,
    /// Since when the thread is a member without tasks.
    without_tasks: Option<Instant>,
    /// Whether the last round processed anything.
    progressed: bool,
    pub(super) recoveries: u32,
    last_recovery: Instant,
    /// The consumer cannot be used any more: the next recovery replaces it.
    pub(super) rejoin: bool,
    fencings: Fencings,
    /// The wait for committed offsets that an open transaction covers.
    pub(super) offsets_wait: Patience,
    retry_wait: Duration,
    /// Records that failed and are tried again.
    pub(super) retries: Retries,
    /// Not before this time is the log asked again.
    retry_at: Option<Instant>,
}

impl StreamThread {
    /// A thread that has not joined yet.
    pub fn new(
        context: ThreadContext,
        index: u32,
        restores: Box<dyn RestoreQueue>,
        status: Arc<ThreadStatus>,
    ) -> Self {
        let now = context.clock.monotonic();
        Self {
            context,
            index,
            consumer: None,
            collector: None,
            tasks: Tasks::default(),
            restores,
            status,
            last_commit: now,
            last_poll: now,
            last_status: now,
            without_tasks: None,
            progressed: false,
            recoveries: 0,
            last_recovery: now,
            rejoin: false,
            fencings: Fencings::default(),
            offsets_wait: Patience::default(),
            retry_wait: RETRY_WAIT_FIRST,
            retries: Retries::default(),
            retry_at: None,
        }
    }

    /// `<ordinal>-<thread>` as text that sorts as numbers do.
    pub fn instance_id(&self) -> String {
        format!("{:05}-{:03}", self.context.config.ordinal, self.index)
    }

    /// Runs until told to end, or until an error that nothing here can mend. Closes cleanly in the
    /// first case: commits, flushes, leaves the group if asked to.
    pub fn run(&mut self, ending: &Ending) -> Result<(), EngineError> {
        loop {
            if let Some(end) = ending.asked() {
                return self.close(end == End::Leave);
            }
            self.run_once(IDLE_POLL)?;
        }
    }

    /// One round. Errors that can be mended are, or are tried again in a later round; what comes out
    /// is fatal.
    pub fn run_once(&mut self, idle_poll: Duration) -> Result<(), EngineError> {
        let round = self.round(idle_poll);
        let handled = match round {
            Ok(()) => Ok(()),
            Err(error) => self.handle(error),
        };
        self.publish(false);
        handled
    }

    fn round(&mut self, idle_poll: Duration) -> Result<(), EngineError> {
        if !self.ready(idle_poll)? {
            return Ok(());
        }
        self.poll(idle_poll)?;
        self.act_on_membership()?;
        if self.collector.is_none() {
            // The transaction was lost with a task. A new producer settles it before anybody asks
            // for offsets that it may still hold.
            return Ok(());
        }
        self.collect_restored()?;
        self.start_tasks()?;
        // A record that failed half way has left traces in stores and transaction: it is never
        // simply processed again.
        self.process().map_err(in_doubt)?;
        self.commit_if_due()?;
        // Between losses of a transaction, rounds go well.
        if self.recoveries == 0 {
            self.retry_wait = RETRY_WAIT_FIRST;
        }
        Ok(())
    }

    /// Makes producer and consumer where there are none. The producer first: it settles what a dead
    /// predecessor left open before anyone looks at offsets or changelogs (architecture D2).
    fn ready(&mut self, idle_poll: Duration) -> Result<bool, EngineError> {
        if let Some(at) = self.retry_at {
            let wait = at.saturating_duration_since(self.context.clock.monotonic());
            if !wait.is_zero() {
                std::thread::sleep(wait.min(idle_poll));
                return Ok(false);
            }
            self.retry_at = None;
        }
        if self.collector.is_none() {
            self.collector = Some(self.new_collector()?);
        }
        if self.consumer.is_none() {
            let config = &self.context.config;
            let options = ConsumerOptions {
                group_id: config.application_id.clone(),
                instance_id: self.instance_id(),
                tasks_topic: format!("{}-tasks", config.application_id),
                client_id: format!("{}-{}-consumer", config.application_id, self.instance_id()),
                inputs: self.context.inputs() / self.context.budget.threads(),
            };
            self.consumer = Some(self.context.cluster.consumer(&options)?);
        }
        Ok(true)
    }

    /// Takes fetched records over, if there is use for more.
    fn poll(&mut self, idle_poll: Duration) -> Result<(), EngineError> {
        let now = self.context.clock.monotonic();
        let buffered = self.tasks.buffered();
        let wanted = buffered < POLL_BELOW_RECORDS || !self.progressed;
        if !wanted && now.duration_since(self.last_poll) < POLL_INTERVAL {
            return Ok(());
        }
        self.last_poll = now;
        let timeout = match (self.progressed, buffered) {
            (true, _) => Duration::ZERO,
            (false, 0) => idle_poll.min(self.until_commit(now)),
            (false, _) => HELD_BACK_POLL.min(idle_poll),
        };
        let Some(consumer) = &mut self.consumer else {
            return Ok(());
        };
        let tasks = &mut self.tasks;
        let polled = consumer.poll(timeout, POLL_EVENTS_MAX, &mut |event| tasks.deliver(&event));
        // Fenced here, and only here, means that the consumer itself is none any more.
        self.rejoin |= polled
            .as_ref()
            .is_err_and(|error| error.kind == ErrorKind::Fenced);
        polled?;
        let (pause, resume) = tasks.flow();
        if !pause.is_empty() {
            consumer.pause(&pause)?;
        }
        if !resume.is_empty() {
            consumer.resume(&resume)?;
        }
        Ok(())
    }

    /// Lets every running task process what it may, up to a bound.
    fn process(&mut self) -> Result<(), EngineError> {
        self.progressed = false;
        let Some(collector) = &mut self.collector else {
            return Ok(());
        };
        let now_ms = self.context.clock.wall_ms();
        for Running { task, .. } in self.tasks.running_mut() {
            task.punctuate(collector, now_ms)?;
        }
        let mut uncommitted = self.tasks.uncommitted_bytes();
        let uncommitted_max = self.context.budget.overlay_bytes();
        let tasks = self.tasks.running_mut();
        let share = (PROCESS_RECORDS_MAX / tasks.len().max(1)).max(1);
        for Running { task, .. } in tasks {
            for _ in 0..share {
                let before = task.uncommitted_bytes();
                if uncommitted >= uncommitted_max || !task.process_one(collector, now_ms)? {
                    break;
                }
                uncommitted += task.uncommitted_bytes() - before;
                self.progressed = true;
            }
        }
        Ok(())
    }

    fn commit_if_due(&mut self) -> Result<(), EngineError> {
        let now = self.context.clock.monotonic();
        let uncommitted_max = self.context.budget.overlay_bytes();
        let asked = |running: &Running| running.task.commit_requested();
        if !self.until_commit(now).is_zero()
            && self.tasks.uncommitted_bytes() < uncommitted_max
            && !self.tasks.running().iter().any(asked)
        {
            return Ok(());
        }
        self.commit()
    }

    fn until_commit(&self, now: Instant) -> Duration {
        self.context
            .config
            .commit_interval
            .saturating_sub(now.duration_since(self.last_commit))
    }

    /// Does about an error what its kind asks for.
    fn handle(&mut self, error: EngineError) -> Result<(), EngineError> {
        match error.outcome() {
            Outcome::Fatal => Err(error),
            Outcome::Rebuild => self.rebuild(error),
            Outcome::Retry => {
                tracing::warn!(thread = self.index, %error, wait = ?self.retry_wait, "trying again");
                self.wait_before_retry();
                Ok(())
            }
            Outcome::Again => {
                self.try_record_again(&error);
                Ok(())
            }
            Outcome::Migrated | Outcome::Corrupted => {
                let now = self.context.clock.monotonic();
                if self.rejoin && self.fencings.note(now) {
                    let config = &self.context.config;
                    return Err(EngineError::OrdinalTaken {
                        application: config.application_id.clone(),
                        ordinal: config.ordinal,
                        times: FENCINGS_MAX,
                        seconds: WITHIN.as_secs(),
                        last: Box::new(error),
                    });
                }
                if now.duration_since(self.last_recovery) >= RECOVERIES_FORGOTTEN {
                    self.recoveries = 0;
                }
                self.last_recovery = now;
                self.recoveries += 1;
                if self.recoveries > RECOVERIES_MAX {
                    let (attempts, last) = (RECOVERIES_MAX, Box::new(error));
                    return Err(EngineError::GaveUp { attempts, last });
                }
                tracing::warn!(
                    thread = self.index,
                    %error,
                    reason = error.reason(),
                    "transaction lost: going back to the last commit"
                );
                self.recover(Transaction::after(&error));
                if self.recoveries > 1 {
                    self.wait_before_retry();
                }
                Ok(())
            }
        }
    }

    /// Goes back to the last commit for a record that failed. It shares its transaction with all that the
    /// thread has done since, so all of that is done again.
    fn try_record_again(&mut self, error: &EngineError) {
        let EngineError::RecordFailed { at, offset, .. } = error else {
            return;
        };
        let attempt = self.retries.note(at, *offset);
        let retry = self.context.config.errors.retry;
        let (attempts, wait) = (retry.attempts, retry.wait(attempt));
        tracing::warn!(thread = self.index, %error, attempt, attempts, ?wait, "going back to the last commit");
        self.status.add_retried();
        self.recover(Transaction::Open);
        self.retry_at = Some(self.context.clock.monotonic() + wait);
    }

    fn wait_before_retry(&mut self) {
        self.retry_at = Some(self.context.clock.monotonic() + self.retry_wait);
        self.retry_wait = (self.retry_wait * 2).min(RETRY_WAIT_MAX);
    }

    /// Makes the thread's state visible to status, metrics and queries.
    pub(super) fn publish(&mut self, now: bool) {
        let time = self.context.clock.monotonic();
        if now || time.duration_since(self.last_status) >= STATUS_INTERVAL {
            self.last_status = time;
            self.note_joined(time);
            self.status.publish(
                &self.tasks,
                self.collector.as_ref().map_or(0, Collector::sent),
            );
        }
    }

    /// Notes when the group has told the thread which tasks it has: at the first one, or when none
    /// has come for a while.
    fn note_joined(&mut self, now: Instant) {
        let member = self
            .consumer
            .as_ref()
            .is_some_and(|consumer| consumer.has_joined());
        if self.status.joined() || !member {
            self.without_tasks = None;
            return;
        }
        let since = *self.without_tasks.get_or_insert(now);
        if !self.tasks.is_empty() || now.duration_since(since) >= NOTHING_COMES {
            self.status.set_joined();
        }
    }
}
