//! A thread that writes to a log for many callers, and tells each what became of its record.
//!
//! ```text
//!  request ──► bounded queue ──► thread: check, claim, write ──► log
//!     ▲                                          │
//!     └────────── answer, within a deadline ◄────┘
//! ```
//!
//! A record is either claimed by the thread, right before it is handed to the log, or given up by its
//! caller at the deadline; never both. So a caller that waits no longer knows whether its record is
//! certainly not written or might be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;
use std::{io, thread};

use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::log::{Log, Record, WriteError};

/// Records that wait for the thread; more are refused.
const QUEUE_LENGTH: usize = 1_024;

/// Records written in one go.
const BATCH_LENGTH: usize = 256;

/// How often an idle thread looks whether the log still answers.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Sends records to the thread. Dropping it, and with it the queue, ends the thread once all records
/// in the queue are written.
#[derive(Clone, Debug)]
pub struct Publisher {
    queue: SyncSender<Job>,
    ready: Arc<AtomicBool>,
    answer_within: Duration,
}

/// Joins the thread.
#[derive(Debug)]
pub struct PublisherThread(thread::JoinHandle<()>);

impl PublisherThread {
    /// Waits until the thread has ended. Blocks: at most for the log's own bounds, once every
    /// [`Publisher`] is dropped.
    pub fn join(self) {
        if self.0.join().is_err() {
            warn!("the publisher thread panicked");
        }
    }
}

#[derive(Debug)]
struct Job {
    record: Record,
    claim: Arc<Claim>,
    answer: oneshot::Sender<Result<(), WriteError>>,
}

/// Who decides about a record: its caller (by giving it up) or the thread (by handing it over).
#[derive(Debug, Default)]
struct Claim(AtomicU8);

impl Claim {
    const GIVEN_UP: u8 = 1;
    const HANDED_OVER: u8 = 2;

    fn take(&self, owner: u8) -> bool {
        self.0
            .compare_exchange(0, owner, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

impl Publisher {
    /// Starts the thread, which writes to one topic. [`Publisher::publish`] answers within
    /// `answer_within`.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(
        log: Box<dyn Log>,
        topic: &str,
        answer_within: Duration,
    ) -> io::Result<(Self, PublisherThread)> {
        let (queue, jobs) = sync_channel(QUEUE_LENGTH);
        let ready = Arc::new(AtomicBool::new(false));
        let writer = Writer {
            log,
            topic: topic.to_owned(),
            ready: ready.clone(),
        };
        let thread = thread::Builder::new()
            .name("publisher".to_owned())
            .spawn(move || writer.run(&jobs))?;
        Ok((
            Self {
                queue,
                ready,
                answer_within,
            },
            PublisherThread(thread),
        ))
    }

    /// Whether the log answered at the last look.
    pub fn ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Writes a record and waits until it is acknowledged.
    ///
    /// # Errors
    /// What is known of the record when it is not.
    pub async fn publish(&self, record: Record) -> Result<(), WriteError> {
        let (answer, answered) = oneshot::channel();
        let claim = Arc::new(Claim::default());
        let job = Job {
            record,
            claim: claim.clone(),
            answer,
        };
        self.queue.try_send(job).map_err(|error| {
            WriteError::not_written(match error {
                TrySendError::Full(_) => "too many requests wait for an answer of the log",
                TrySendError::Disconnected(_) => "the service is stopping",
            })
        })?;
        match tokio::time::timeout(self.answer_within, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(WriteError::unknown("the publisher ended without an answer")),
            Err(_) => {
                self.ready.store(false, Ordering::Release);
                let message = format!("the log did not answer within {:?}", self.answer_within);
                Err(if claim.take(Claim::GIVEN_UP) {
                    WriteError::not_written(message)
                } else {
                    WriteError::unknown(message)
                })
            }
        }
    }
}

/// The thread's side.
struct Writer {
    log: Box<dyn Log>,
    topic: String,
    ready: Arc<AtomicBool>,
}

impl Writer {
    fn run(mut self, jobs: &Receiver<Job>) {
        // What the look finds is noted, and that is all an idle thread does about it.
        let _ = self.look();
        loop {
            match jobs.recv_timeout(CHECK_INTERVAL) {
                Ok(first) => {
                    let rest = jobs.try_iter().take(BATCH_LENGTH - 1);
                    let batch = std::iter::once(first).chain(rest).collect();
                    self.write(batch);
                }
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.look();
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn look(&mut self) -> Result<(), WriteError> {
        let found = self.log.check(&self.topic);
        self.note(&found);
        found
    }

    fn write(&mut self, mut batch: Vec<Job>) {
        let found = self.look();
        if found.is_err() {
            return answer(batch.into_iter().map(|job| job.answer), &found);
        }
        batch.retain(|job| job.claim.take(Claim::HANDED_OVER));
        if batch.is_empty() {
            return;
        }
        let (records, waiting): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .map(|job| (job.record, job.answer))
            .unzip();
        let written = self.log.write(&self.topic, &records);
        self.note(&written);
        answer(waiting, &written);
    }

    /// Remembers whether the log answers, and logs a change of it.
    fn note(&self, result: &Result<(), WriteError>) {
        let before = self.ready.swap(result.is_ok(), Ordering::AcqRel);
        match result {
            Ok(()) if !before => info!(topic = self.topic, "the log answers"),
            Err(error) if before => warn!(topic = self.topic, %error, "the log does not answer"),
            _ => {}
        }
    }
}

/// A caller that waits no longer is no error.
fn answer(
    waiting: impl IntoIterator<Item = oneshot::Sender<Result<(), WriteError>>>,
    result: &Result<(), WriteError>,
) {
    for answer in waiting {
        let _ = answer.send(result.clone());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::mpsc;

    use super::*;
    use crate::log::Outcome;

    /// Sends what it is asked to do, and blocks until the test lets it go on.
    struct SteppedLog {
        calls: mpsc::Sender<String>,
        steps: mpsc::Receiver<Result<(), WriteError>>,
    }

    impl Log for SteppedLog {
        fn check(&mut self, topic: &str) -> Result<(), WriteError> {
            self.calls.send(format!("check {topic}")).unwrap();
            self.steps.recv().unwrap()
        }

        fn write(&mut self, _topic: &str, records: &[Record]) -> Result<(), WriteError> {
            self.calls.send(format!("write {}", records.len())).unwrap();
            self.steps.recv().unwrap()
        }
    }

    type Steps = (mpsc::Receiver<String>, mpsc::Sender<Result<(), WriteError>>);

    fn start(answer_within: Duration) -> (Publisher, PublisherThread, Steps) {
        let (calls_in, calls) = mpsc::channel();
        let (steps, steps_out) = mpsc::channel();
        let log = Box::new(SteppedLog {
            calls: calls_in,
            steps: steps_out,
        });
        steps.send(Ok(())).unwrap();
        let (publisher, thread) = Publisher::start(log, "t", answer_within).unwrap();
        assert_eq!(calls.recv().unwrap(), "check t");
        (publisher, thread, (calls, steps))
    }

    fn record() -> Record {
        Record::new("key", &1).unwrap()
    }

    const LONG: Duration = Duration::from_secs(30);
    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn an_acknowledged_record_is_ok() {
        let (publisher, thread, (_calls, steps)) = start(LONG);
        steps.send(Ok(())).unwrap();
        steps.send(Ok(())).unwrap();
        publisher.publish(record()).await.unwrap();
        drop(publisher);
        thread.join();
    }

    #[tokio::test]
    async fn a_record_given_up_before_it_was_handed_over_is_never_written() {
        let (publisher, thread, (calls, steps)) = start(SHORT);
        let error = publisher.publish(record()).await.unwrap_err();
        assert_eq!(error.outcome, Outcome::NotWritten);
        drop(publisher);
        steps.send(Ok(())).unwrap();
        thread.join();
        assert_eq!(calls.iter().collect::<Vec<_>>(), ["check t"]);
    }

    #[tokio::test]
    async fn a_record_handed_over_and_not_acknowledged_in_time_is_unknown() {
        let (publisher, thread, (_calls, steps)) = start(SHORT);
        steps.send(Ok(())).unwrap();
        let error = publisher.publish(record()).await.unwrap_err();
        assert_eq!(error.outcome, Outcome::Unknown);
        steps.send(Ok(())).unwrap();
        drop(publisher);
        thread.join();
    }

    #[tokio::test]
    async fn a_log_that_does_not_answer_is_not_written_to() {
        let (publisher, thread, (calls, steps)) = start(LONG);
        steps.send(Err(WriteError::not_written("away"))).unwrap();
        let error = publisher.publish(record()).await.unwrap_err();
        assert_eq!(
            (error.outcome, error.message.as_str()),
            (Outcome::NotWritten, "away")
        );
        assert!(!publisher.ready());
        drop(publisher);
        thread.join();
        assert_eq!(calls.iter().collect::<Vec<_>>(), ["check t"]);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let (publisher, thread, (calls, steps)) = start(LONG);
        let first = tokio::spawn({
            let publisher = publisher.clone();
            async move { publisher.publish(record()).await }
        });
        assert_eq!(
            tokio::task::spawn_blocking(move || calls.recv())
                .await
                .unwrap()
                .unwrap(),
            "check t"
        );
        let waiting: Vec<_> = (0..QUEUE_LENGTH)
            .map(|_| {
                let (answer, answered) = oneshot::channel();
                let job = Job {
                    record: record(),
                    claim: Arc::default(),
                    answer,
                };
                publisher.queue.try_send(job).unwrap();
                answered
            })
            .collect();
        let error = publisher.publish(record()).await.unwrap_err();
        assert_eq!(error.outcome, Outcome::NotWritten);
        drop(steps);
        assert!(first.await.unwrap().is_err());
        drop((publisher, waiting));
        assert!(
            thread.0.join().is_err(),
            "the stepped log panics without further steps"
        );
    }
}
