//! Reading assigned partitions: one queue each, one wake-up for all of them.
//!
//! ```text
//!   broker ──► partition queue ─┐ signal
//!   broker ──► partition queue ─┼───────► wake ──► poll: takes from queues that signalled,
//!   client ──► shared queue    ─┘                        in turn, and skips paused ones
//! ```
//!
//! Pausing is a matter of this module alone: a paused partition's queue is not read, fills up to its
//! limit, and librdkafka then stops fetching. librdkafka's own pause would throw away all that was
//! fetched ahead, and fetch it again after each resume.
//!
//! Never decides where to start, and never commits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::classify::Site;
use crate::error::{Error, ErrorKind, Result};
use crate::log::{PartitionAssignment, RecordSource, SourceEvent, StartOffset};
use crate::native::{
    Code, Conf, Consumer, Isolation, Message, NativeError, PartitionList, Queue, Signal, Wake,
};
use crate::record::{HeadersBuf, TopicPartition};

/// Most events taken from one partition before the others have their turn.
const TURN: usize = 1024;

/// With the brokers away librdkafka tells of it many times a second; the log does so this often.
const AWAY_INTERVAL: Duration = Duration::from_secs(5);

/// Offset numbers with a meaning, as librdkafka and the protocol know them.
const OFFSET_BEGINNING: i64 = -2;
const OFFSET_SPEC_LATEST: i64 = -1;
const NO_OFFSET: i64 = -1001;

/// A source of records from assigned partitions, outside any group.
pub(crate) struct Reader {
    site: Site,
    request_timeout: Duration,
    // The queues go before the consumer (fields drop in order), and hold its client anyway.
    partitions: Vec<Partition>,
    shared: Queue,
    shared_signal: Arc<Signal>,
    wake: Arc<Wake>,
    consumer: Consumer,
    /// Index of the partition whose turn comes first in the next poll.
    turn: usize,
    /// Messages of one turn; empty between polls.
    batch: Vec<Message>,
    headers: HeadersBuf,
    /// When the log was last told that Kafka is away.
    told_away: Option<Instant>,
}

/// An assigned partition.
struct Partition {
    name: TopicPartition,
    slot: u32,
    /// Nothing before this offset is delivered: where reading starts, then after the last record.
    /// After a change of leader librdkafka has fetched records twice more than once in its history.
    next: i64,
    paused: bool,
    queue: Queue,
    signal: Arc<Signal>,
}

impl Reader {
    /// A reader with nothing assigned.
    pub(crate) fn new(conf: Conf, site: Site, request_timeout: Duration) -> Result<Self> {
        let broken = |error| site.error("make a Kafka consumer", &error);
        let consumer = Consumer::new(conf).map_err(broken)?;
        let wake = Arc::new(Wake::default());
        let shared_signal = Arc::new(Signal::new(Arc::clone(&wake)));
        let mut shared = consumer.shared_queue().map_err(broken)?;
        shared.signal_to(Arc::clone(&shared_signal));
        Ok(Self {
            site,
            request_timeout,
            partitions: Vec::new(),
            shared,
            shared_signal,
            wake,
            consumer,
            turn: 0,
            batch: Vec::with_capacity(TURN),
            headers: HeadersBuf::new(),
            told_away: None,
        })
    }

    /// A signal for another queue that must end a poll's wait.
    pub(crate) fn new_signal(&self) -> Arc<Signal> {
        Arc::new(Signal::new(Arc::clone(&self.wake)))
    }

    /// As [`RecordSource::poll`]; also returns, with nothing, when `interrupt` is raised.
    pub(crate) fn poll_until(
        &mut self,
        deadline: Instant,
        max: usize,
        interrupt: Option<&Signal>,
        on_event: &mut dyn FnMut(SourceEvent<'_>),
    ) -> Result<usize> {
        loop {
            self.serve_shared()?;
            let delivered = self.deliver(max, on_event)?;
            if delivered > 0 || interrupt.is_some_and(Signal::is_raised) {
                return Ok(delivered);
            }
            let unread = self
                .partitions
                .iter()
                .any(|p| !p.paused && p.signal.is_raised());
            if unread && Instant::now() < deadline {
                continue;
            }
            if !self.wake.wait_until(deadline) {
                return Ok(0);
            }
        }
    }

    /// One turn for each partition that has something, up to `max` events in all.
    fn deliver(&mut self, max: usize, on_event: &mut dyn FnMut(SourceEvent<'_>)) -> Result<usize> {
        let count = self.partitions.len();
        let mut delivered = 0;
        let mut failure = None;
        for turn in 0..count {
            if delivered >= max || failure.is_some() {
                break;
            }
            let at = (self.turn + turn) % count;
            let partition = &mut self.partitions[at];
            if partition.paused || !partition.signal.is_raised() {
                continue;
            }
            partition.signal.lower();
            let wanted = (max - delivered).min(TURN);
            if partition.queue.take(wanted, &mut self.batch) == wanted {
                partition.signal.keep();
            }
            for message in self.batch.drain(..) {
                match message.error_code() {
                    None if message.offset() >= partition.next => {
                        partition.next = message.offset() + 1;
                        let record = message.record(&mut self.headers);
                        on_event(SourceEvent::Record {
                            slot: partition.slot,
                            record,
                        });
                        delivered += 1;
                    }
                    None => {}
                    Some(Code::RD_KAFKA_RESP_ERR__PARTITION_EOF) => {
                        let offset = message.offset();
                        on_event(SourceEvent::End {
                            slot: partition.slot,
                            offset,
                        });
                        delivered += 1;
                    }
                    Some(code) => {
                        let error = message.error(code);
                        let told = partition_error(&self.site, partition, &error, message.offset());
                        failure = failure.or(told);
                    }
                }
            }
            for error in self.consumer.take_errors() {
                failure = failure.or(partition_error(&self.site, partition, &error, NO_OFFSET));
            }
        }
        self.turn = if count == 0 {
            0
        } else {
            (self.turn + 1) % count
        };
        failure.map_or(Ok(delivered), Err)
    }

    /// Errors of the client as a whole.
    fn serve_shared(&mut self) -> Result<()> {
        if !self.shared_signal.is_raised() {
            return Ok(());
        }
        self.shared_signal.lower();
        if self.shared.take(TURN, &mut self.batch) == TURN {
            self.shared_signal.keep();
        }
        let messages = self.batch.drain(..);
        let mut errors: Vec<NativeError> = messages
            .filter_map(|message| Some(message.error(message.error_code()?)))
            .collect();
        errors.append(&mut self.consumer.take_errors());
        let mut failure = None;
        for error in errors {
            let fatal = self.consumer.client().fatal_error();
            // Lost connections come back by themselves; a group that we never join may refuse us.
            match (fatal, self.site.kind(error.code)) {
                (Some(fatal), _) => {
                    failure = Some(self.site.error_of_kind(ErrorKind::Fatal, "fetch", &fatal));
                }
                (None, ErrorKind::Unavailable) => {
                    let told = self
                        .told_away
                        .is_some_and(|told| told.elapsed() < AWAY_INTERVAL);
                    if !told {
                        self.told_away = Some(Instant::now());
                        tracing::warn!(servers = %self.site.servers, %error, "Kafka is not answering");
                    }
                }
                _ if error.code == Code::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED => {
                    tracing::debug!(%error, "no access to the reader's group, which is not needed");
                }
                _ => failure = failure.or(Some(self.site.error("fetch", &error))),
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Where to start, as an offset for librdkafka.
    fn start_offsets(&self, partitions: &[PartitionAssignment]) -> Result<Vec<i64>> {
        // librdkafka would look "latest" up under the reader's isolation, i.e. before the oldest open
        // transaction. After the newest record of all is what is promised.
        let latest: Vec<&TopicPartition> = partitions
            .iter()
            .filter(|p| p.start == StartOffset::Latest)
            .map(|p| &p.partition)
            .collect();
        let mut ends = Vec::new();
        if !latest.is_empty() {
            let operation = "look the end of partitions up";
            let mut specs = PartitionList::new();
            for partition in latest {
                specs
                    .push(partition, OFFSET_SPEC_LATEST)
                    .map_err(|error| self.site.error(operation, &error))?;
            }
            let isolation = Isolation::RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED;
            ends = self.site.retry(operation, self.request_timeout, |left| {
                self.consumer.client().list_offsets(&specs, isolation, left)
            })?;
        }
        partitions
            .iter()
            .map(|p| match p.start {
                StartOffset::Earliest => Ok(OFFSET_BEGINNING),
                StartOffset::At(offset) if offset >= 0 => Ok(offset),
                StartOffset::At(offset) => Err(caller_error(
                    "assign a partition",
                    &p.partition,
                    format!("{offset} is no offset"),
                )),
                StartOffset::Latest => ends
                    .iter()
                    .find(|end| end.partition == p.partition)
                    .map(|end| end.offset)
                    .ok_or_else(|| {
                        caller_error("look the end up", &p.partition, "no answer".to_owned())
                    }),
            })
            .collect()
    }

    fn find(&self, partition: &TopicPartition) -> Option<usize> {
        self.partitions.iter().position(|p| p.name == *partition)
    }

    fn set_paused(&mut self, partitions: &[TopicPartition], paused: bool) -> Result<()> {
        for name in partitions {
            let Some(at) = self.find(name) else {
                let operation = if paused {
                    "pause a partition"
                } else {
                    "resume a partition"
                };
                return Err(caller_error(
                    operation,
                    name,
                    "it is not assigned".to_owned(),
                ));
            };
            self.partitions[at].paused = paused;
        }
        Ok(())
    }
}

impl RecordSource for Reader {
    fn assign(&mut self, partitions: &[PartitionAssignment]) -> Result<()> {
        let operation = "assign partitions";
        for (at, new) in partitions.iter().enumerate() {
            let twice = partitions[..at]
                .iter()
                .any(|p| p.partition == new.partition);
            if twice || self.find(&new.partition).is_some() {
                let message = "it is assigned already".to_owned();
                return Err(caller_error(operation, &new.partition, message));
            }
        }
        if partitions.is_empty() {
            return Ok(());
        }
        let starts = self.start_offsets(partitions)?;
        let mut list = PartitionList::new();
        let mut added = Vec::with_capacity(partitions.len());
        for (new, start) in partitions.iter().zip(starts) {
            let broken = |error| self.site.error(operation, &error).on(new.partition.clone());
            list.push(&new.partition, start).map_err(broken)?;
            let mut queue = self
                .consumer
                .partition_queue(&new.partition)
                .map_err(broken)?;
            // Before anything is fetched: records must never go to the shared queue.
            queue.detach();
            // An error of an earlier assignment has no version, so librdkafka would not drop it.
            drain(&queue, &mut self.batch);
            let signal = Arc::new(Signal::new(Arc::clone(&self.wake)));
            queue.signal_to(Arc::clone(&signal));
            added.push(Partition {
                name: new.partition.clone(),
                slot: new.slot,
                next: start.max(0),
                paused: false,
                queue,
                signal,
            });
        }
        self.consumer
            .assign(&list)
            .map_err(|error| self.site.error(operation, &error))?;
        self.partitions.append(&mut added);
        Ok(())
    }

    fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let operation = "unassign partitions";
        if let Some(unknown) = partitions.iter().find(|name| self.find(name).is_none()) {
            return Err(caller_error(
                operation,
                unknown,
                "it is not assigned".to_owned(),
            ));
        }
        if partitions.is_empty() {
            return Ok(());
        }
        let broken = |error| self.site.error(operation, &error);
        let list = PartitionList::of(partitions).map_err(broken)?;
        self.consumer.unassign(&list).map_err(broken)?;
        for name in partitions {
            if let Some(at) = self.find(name) {
                let removed = self.partitions.swap_remove(at);
                // Frees what was fetched ahead; see `Consumer::unassign`.
                drain(&removed.queue, &mut self.batch);
            }
        }
        self.turn = 0;
        Ok(())
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.set_paused(partitions, true)
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.set_paused(partitions, false)
    }

    fn poll(
        &mut self,
        timeout: Duration,
        max: usize,
        on_event: &mut dyn FnMut(SourceEvent<'_>),
    ) -> Result<usize> {
        self.poll_until(Instant::now() + timeout, max, None, on_event)
    }
}

/// Throws away what a queue holds.
fn drain(queue: &Queue, batch: &mut Vec<Message>) {
    while queue.take(TURN, batch) > 0 {
        batch.clear();
    }
}

/// What an error in a partition's queue means; `None` where it passes by itself.
fn partition_error(
    site: &Site,
    partition: &Partition,
    error: &NativeError,
    offset: i64,
) -> Option<Error> {
    match site.kind(error.code) {
        ErrorKind::Unavailable => {
            tracing::warn!(partition = %partition.name, %error, "fetching fails, and is tried again");
            None
        }
        ErrorKind::OffsetOutOfRange => {
            let words = format!("offset {offset} is not in the log: {error}");
            Some(Error::new(ErrorKind::OffsetOutOfRange, "fetch", words).on(partition.name.clone()))
        }
        _ => Some(site.error("fetch", error).on(partition.name.clone())),
    }
}

/// A mistake in how the engine uses the reader.
fn caller_error(operation: &str, partition: &TopicPartition, message: String) -> Error {
    Error::new(ErrorKind::Fatal, operation, message).on(partition.clone())
}
