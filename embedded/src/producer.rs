//! A producer: collects records into a batch per partition, appends full batches, runs transactions.

use std::collections::HashMap;
use std::sync::Arc;

use millrace_kafka::{
    CommittedOffset, Error, ErrorKind, GroupMetadata, OutRecord, ProducerOptions, RecordSink,
    Result, TopicHandle, TopicPartition,
};

use crate::batch::BatchBuilder;
use crate::cluster::Shared;
use crate::group::Membership;
use crate::state::{ProducerEpoch, State, unknown_partition};

/// A batch of this size goes to the log at once, without waiting for a flush.
const BATCH_BYTES: usize = 128 << 10;

/// All collected batches of a producer go to the log when together they reach this size.
const BUFFERED_BYTES_MAX: usize = 8 << 20;

/// What Kafka counts for a record and its batch beside key, value and headers, at most.
const KAFKA_OVERHEAD_BYTES: usize = 90;

/// A producer; transactional if it has an id.
pub(crate) struct EmbeddedProducer {
    shared: Arc<Shared>,
    transactional_id: Option<Arc<str>>,
    phase: Phase,
    topics: Vec<OutTopic>,
    handles: HashMap<Arc<str>, TopicHandle>,
    /// Partitions with collected records, in the order of their first one.
    filled: Vec<(usize, usize)>,
    buffered_bytes: usize,
}

/// Where a transactional producer stands.
///
/// ```text
///   New ──init──► Ready ──begin──► Open ──commit / abort──► Ready
///                                   │ error                  ▲
///                                   ▼                        │
///                                 MustAbort ──────abort──────┘
///   any call that finds a newer producer or a timed-out transaction ──► Fenced
/// ```
enum Phase {
    /// No transactional id; every phase but this one is a transactional producer's.
    Plain,
    New,
    Ready(ProducerEpoch),
    Open(ProducerEpoch),
    MustAbort(ProducerEpoch, Error),
    Fenced(Error),
}

struct OutTopic {
    name: Arc<str>,
    partitions: Vec<Option<OutPartition>>,
}

struct OutPartition {
    partition: TopicPartition,
    builder: BatchBuilder,
    acknowledged: Option<i64>,
    max_message_bytes: usize,
    key_required: bool,
}

impl EmbeddedProducer {
    pub(crate) fn new(shared: Arc<Shared>, options: &ProducerOptions) -> Self {
        let transactional_id = options.transactional_id.as_deref().map(Arc::from);
        let phase = if transactional_id.is_some() {
            Phase::New
        } else {
            Phase::Plain
        };
        Self {
            shared,
            transactional_id,
            phase,
            topics: Vec::new(),
            handles: HashMap::new(),
            filled: Vec::new(),
            buffered_bytes: 0,
        }
    }

    /// The claim of the open transaction; none for a producer without transactions.
    fn open_claim(&self, operation: &str) -> Result<Option<ProducerEpoch>> {
        match &self.phase {
            Phase::Plain => Ok(None),
            Phase::Open(claim) => Ok(Some(claim.clone())),
            Phase::MustAbort(_, cause) => Err(must_abort(operation, cause)),
            Phase::Fenced(error) => Err(error.clone()),
            Phase::New => Err(misuse(operation, "call init_transactions first")),
            Phase::Ready(_) => Err(misuse(operation, "call begin first")),
        }
    }

    /// Remembers what an error means for the calls to come, and returns it.
    fn note(&mut self, error: Error) -> Error {
        if let Phase::Ready(claim) | Phase::Open(claim) | Phase::MustAbort(claim, _) = &self.phase {
            let is_producer_fenced =
                error.kind == ErrorKind::Fenced && !self.shared.lock().has_claim(claim);
            if is_producer_fenced {
                self.phase = Phase::Fenced(error.clone());
            } else if error.kind != ErrorKind::Unavailable {
                self.phase = Phase::MustAbort(claim.clone(), error.clone());
            }
        }
        error
    }

    /// Appends the collected batches. One that the log has no room for right now stays collected;
    /// one whose partition is gone is dropped.
    fn append_filled(&mut self, claim: Option<&ProducerEpoch>) -> Result<()> {
        if self.filled.is_empty() {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let now_ms = shared.now_ms();
        let result = shared.change(|state| {
            while let Some((topic, partition)) = self.filled.first().copied() {
                let Some(out) = &mut self.topics[topic].partitions[partition] else {
                    self.filled.remove(0);
                    continue;
                };
                let bytes = out.builder.size_bytes();
                match state.append(&out.partition, claim, &mut out.builder, now_ms) {
                    Ok(appended) => out.acknowledged = Some(appended.end),
                    Err(error) if error.kind == ErrorKind::Unavailable => return Err(error),
                    Err(error) => {
                        out.builder.clear();
                        self.filled.remove(0);
                        self.buffered_bytes -= bytes;
                        return Err(error);
                    }
                }
                self.filled.remove(0);
                self.buffered_bytes -= bytes;
            }
            Ok(())
        });
        result.map_err(|error| self.note(error))
    }

    fn drop_collected(&mut self) {
        for (topic, partition) in self.filled.drain(..) {
            if let Some(out) = &mut self.topics[topic].partitions[partition] {
                out.builder.clear();
            }
        }
        self.buffered_bytes = 0;
    }

    /// The partition's place in this producer, looked up in the log the first time.
    fn out_partition(&mut self, record: &OutRecord<'_>) -> Result<(usize, usize)> {
        let operation = "produce";
        let topic = record.topic.0 as usize;
        let partition = usize::try_from(record.partition).ok();
        let out = self
            .topics
            .get(topic)
            .ok_or_else(|| misuse(operation, "no such topic handle"))?;
        let name = TopicPartition::new(Arc::clone(&out.name), record.partition);
        let Some(partition) = partition else {
            return Err(unknown_partition(&name, operation));
        };
        if out.partitions.get(partition).is_none_or(Option::is_none) {
            let new = OutPartition::look_up(&self.shared.lock(), name)?;
            let out = &mut self.topics[topic];
            if out.partitions.len() <= partition {
                out.partitions.resize_with(partition + 1, || None);
            }
            out.partitions[partition] = Some(new);
        }
        Ok((topic, partition))
    }
}

impl OutPartition {
    fn look_up(state: &State, partition: TopicPartition) -> Result<Self> {
        state.partition(&partition, "produce")?;
        let policy = state
            .topics()
            .get(&partition.topic)
            .map(|topic| &topic.policy);
        Ok(Self {
            max_message_bytes: policy.map_or(usize::MAX, |policy| policy.max_message_bytes),
            key_required: policy.is_some_and(|policy| policy.compact),
            partition,
            builder: BatchBuilder::default(),
            acknowledged: None,
        })
    }

    /// Refuses what Kafka would refuse.
    fn check(&self, record: &OutRecord<'_>) -> Result<()> {
        let len = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let size = len(record.key)
            + len(record.value)
            + record.headers.as_encoded().len()
            + KAFKA_OVERHEAD_BYTES;
        if size > self.max_message_bytes {
            let message = format!(
                "a record of {size} bytes is larger than the topic's max.message.bytes, {}",
                self.max_message_bytes
            );
            let error = Error::new(ErrorKind::TooLarge, "produce", message);
            return Err(error.on(self.partition.clone()));
        }
        if self.key_required && record.key.is_none() {
            let message = "a compacted topic takes no record without a key";
            let error = Error::new(ErrorKind::Abort, "produce", message);
            return Err(error.on(self.partition.clone()));
        }
        Ok(())
    }
}

impl RecordSink for EmbeddedProducer {
    fn init_transactions(&mut self) -> Result<()> {
        let operation = "init transactions";
        let Some(id) = self.transactional_id.clone() else {
            return Err(misuse(operation, "the producer has no transactional id"));
        };
        match &self.phase {
            Phase::New => {}
            Phase::Fenced(error) => return Err(error.clone()),
            _ => return Err(misuse(operation, "it was called already")),
        }
        let now_ms = self.shared.now_ms();
        let claim = self
            .shared
            .change(|state| state.init_producer(&id, now_ms))?;
        self.phase = Phase::Ready(claim);
        Ok(())
    }

    fn begin(&mut self) -> Result<()> {
        let operation = "begin a transaction";
        match &self.phase {
            Phase::Ready(claim) => {
                self.phase = Phase::Open(claim.clone());
                Ok(())
            }
            Phase::Fenced(error) => Err(error.clone()),
            Phase::MustAbort(_, cause) => Err(must_abort(operation, cause)),
            Phase::Open(_) => Err(misuse(operation, "one has begun already")),
            Phase::New => Err(misuse(operation, "call init_transactions first")),
            Phase::Plain => Err(misuse(operation, "the producer has no transactional id")),
        }
    }

    fn topic(&mut self, name: &str) -> Result<TopicHandle> {
        if let Some(handle) = self.handles.get(name) {
            return Ok(*handle);
        }
        let name: Arc<str> = Arc::from(name);
        let handle = TopicHandle(u32::try_from(self.topics.len()).unwrap_or(u32::MAX));
        self.topics.push(OutTopic {
            name: Arc::clone(&name),
            partitions: Vec::new(),
        });
        self.handles.insert(name, handle);
        Ok(handle)
    }

    fn send(&mut self, record: &OutRecord<'_>) -> Result<()> {
        if !matches!(self.phase, Phase::Plain | Phase::Open(_)) {
            self.open_claim("produce")?;
        }
        let (topic, partition) = self
            .out_partition(record)
            .map_err(|error| self.note(error))?;
        let Some(out) = &mut self.topics[topic].partitions[partition] else {
            return Err(misuse("produce", "no such partition"));
        };
        if let Err(error) = out.check(record) {
            return Err(if error.kind == ErrorKind::TooLarge {
                error
            } else {
                self.note(error)
            });
        }
        let before = if out.builder.is_empty() {
            self.filled.push((topic, partition));
            0
        } else {
            out.builder.size_bytes()
        };
        out.builder
            .push(record.timestamp, record.key, record.value, record.headers);
        let after = out.builder.size_bytes();
        self.buffered_bytes += after - before;
        if after >= BATCH_BYTES || self.buffered_bytes >= BUFFERED_BYTES_MAX {
            let claim = self.open_claim("produce")?;
            self.append_filled(claim.as_ref())?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.filled.is_empty() {
            return Ok(());
        }
        let claim = self.open_claim("flush")?;
        self.append_filled(claim.as_ref())
    }

    fn acknowledged(&self, topic: TopicHandle, partition: i32) -> Option<i64> {
        let partitions = &self.topics.get(topic.0 as usize)?.partitions;
        partitions
            .get(usize::try_from(partition).ok()?)?
            .as_ref()?
            .acknowledged
    }

    fn send_offsets(
        &mut self,
        offsets: &[(TopicPartition, CommittedOffset)],
        group: &GroupMetadata,
    ) -> Result<()> {
        let operation = "add offsets to the transaction";
        let Some(claim) = self.open_claim(operation)? else {
            return Err(misuse(operation, "the producer has no transactional id"));
        };
        let Some(membership) = group.0.downcast_ref::<Membership>() else {
            let message = "the group metadata is another log's";
            return Err(Error::new(ErrorKind::Config, operation, message));
        };
        let now_ms = self.shared.now_ms();
        self.shared
            .change(|state| state.send_offsets(&claim, offsets, membership, now_ms))
            .map_err(|error| self.note(error))
    }

    fn commit(&mut self) -> Result<()> {
        let operation = "commit the transaction";
        let Some(claim) = self.open_claim(operation)? else {
            return Err(misuse(operation, "the producer has no transactional id"));
        };
        let now_ms = self.shared.now_ms();
        let result = self.append_filled(Some(&claim)).and_then(|()| {
            self.shared
                .change(|state| state.end_transaction(&claim, true, now_ms))
        });
        match result {
            Ok(()) => {
                self.phase = Phase::Ready(claim);
                Ok(())
            }
            Err(error) if matches!(error.kind, ErrorKind::Fenced | ErrorKind::Unknown) => {
                Err(self.note(error))
            }
            Err(error) => {
                // Nothing was committed: whatever it was, the transaction can be aborted.
                let error = Error {
                    kind: ErrorKind::Abort,
                    ..error
                };
                Err(self.note(error))
            }
        }
    }

    fn abort(&mut self) -> Result<()> {
        let operation = "abort the transaction";
        let claim = match &self.phase {
            Phase::Open(claim) | Phase::MustAbort(claim, _) => claim.clone(),
            Phase::Fenced(error) => return Err(error.clone()),
            _ => return Err(misuse(operation, "no transaction has begun")),
        };
        self.drop_collected();
        let now_ms = self.shared.now_ms();
        self.shared
            .change(|state| state.end_transaction(&claim, false, now_ms))
            .map_err(|error| self.note(error))?;
        self.phase = Phase::Ready(claim);
        Ok(())
    }
}

fn must_abort(operation: &str, cause: &Error) -> Error {
    let message = format!("the transaction has failed and must be aborted ({cause})");
    Error::new(ErrorKind::Abort, operation, message)
}

fn misuse(operation: &str, message: &str) -> Error {
    Error::new(ErrorKind::Fatal, operation, message)
}
