//! All output of a stream thread: picks partitions, begins the transaction at the first record,
//! refuses what a topic would refuse.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use millrace_kafka::{
    CommittedOffset, Error, ErrorKind, GroupMetadata, Guarantee, Headers, OutRecord, RecordSink,
    Result, TopicHandle, TopicPartition, partitioner,
};

use crate::topology::{OutTopic, OutTopics};

/// Bytes a record takes beside key, value and headers (Kafka's record batch overhead, rounded up).
const RECORD_OVERHEAD_BYTES: usize = 128;

/// A topic's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicLimits {
    /// Number of partitions.
    pub partitions: i32,
    /// `max.message.bytes`, or the producer's own limit if that is lower.
    pub record_bytes_max: usize,
}

/// A topic with its number at the producer.
struct Target {
    name: String,
    handle: TopicHandle,
    limits: TopicLimits,
}

/// Asks the log for a topic that records name; `None` where there is none.
pub type TopicLookup = Box<dyn FnMut(&str) -> Result<Option<TopicLimits>> + Send>;

/// How long a topic that was not there is not asked for again.
const ABSENT_TOPIC_AGE: Duration = Duration::from_secs(5);
/// Names remembered as not there.
const ABSENT_TOPICS_MAX: usize = 1_000;

/// The thread's producer and its topics.
pub struct Collector {
    sink: Box<dyn RecordSink>,
    transactional: bool,
    in_transaction: bool,
    /// Whether all that was sent is acknowledged.
    acknowledged: bool,
    targets: Vec<Target>,
    by_name: HashMap<String, OutTopic>,
    lookup: Option<TopicLookup>,
    absent: HashMap<String, Instant>,
    sent: u64,
}

impl Collector {
    /// Takes a producer over (transactions initialised) and numbers the topics at it. `limits` are by
    /// [`OutTopic`].
    pub fn new(
        mut sink: Box<dyn RecordSink>,
        guarantee: Guarantee,
        topics: &OutTopics,
        limits: &[TopicLimits],
    ) -> Result<Self> {
        let targets = topics
            .names()
            .iter()
            .zip(limits)
            .map(|(name, &limits)| {
                Ok(Target {
                    name: name.clone(),
                    handle: sink.topic(name)?,
                    limits,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let names = topics.names().iter().cloned();
        let transactional = guarantee == Guarantee::ExactlyOnce;
        Ok(Self {
            sink,
            transactional,
            in_transaction: false,
            acknowledged: true,
            targets,
            by_name: names.zip((0..).map(OutTopic)).collect(),
            lookup: None,
            absent: HashMap::new(),
            sent: 0,
        })
    }

    /// Lets records name topics that the topology does not.
    #[must_use]
    pub fn with_lookup(mut self, lookup: TopicLookup) -> Self {
        self.lookup = Some(lookup);
        self
    }

    /// The number of a topic that a record names; `None` where there is no such topic. The log is asked
    /// once for each name, and again after a while for one that was not there.
    pub fn dynamic_topic(&mut self, name: &str) -> Result<Option<OutTopic>> {
        if let Some(&known) = self.by_name.get(name) {
            return Ok(Some(known));
        }
        let asked = self.absent.get(name);
        if asked.is_some_and(|asked| asked.elapsed() < ABSENT_TOPIC_AGE) {
            return Ok(None);
        }
        let found = match &mut self.lookup {
            Some(lookup) if is_topic_name(name) => lookup(name)?,
            _ => None,
        };
        let Some(limits) = found else {
            if self.absent.len() >= ABSENT_TOPICS_MAX {
                self.absent.clear();
            }
            self.absent.insert(name.to_owned(), Instant::now());
            return Ok(None);
        };
        let topic = OutTopic(self.targets.len());
        self.targets.push(Target {
            name: name.to_owned(),
            handle: self.sink.topic(name)?,
            limits,
        });
        self.by_name.insert(name.to_owned(), topic);
        Ok(Some(topic))
    }

    /// The partition of a key: murmur2, as Java's producer; keyless records follow the task.
    pub fn partition(&self, topic: OutTopic, key: Option<&[u8]>, task_partition: i32) -> i32 {
        let partitions = self.targets[topic.0].limits.partitions;
        match key {
            Some(key) => partitioner::partition(key, partitions),
            None => task_partition % partitions.max(1),
        }
    }

    /// Refuses a record that its topic would refuse, before anything is sent of it.
    pub fn check_size(
        &self,
        topic: OutTopic,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: Headers<'_>,
    ) -> Result<()> {
        let len = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
        let bytes = len(key) + len(value) + headers.as_encoded().len() + RECORD_OVERHEAD_BYTES;
        let target = &self.targets[topic.0];
        if bytes <= target.limits.record_bytes_max {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::TooLarge,
            format!("write a record to {}", target.name),
            format!(
                "it has {bytes} bytes and the topic takes {} (max.message.bytes)",
                target.limits.record_bytes_max
            ),
        ))
    }

    /// Sends a record.
    pub fn send(
        &mut self,
        topic: OutTopic,
        partition: i32,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: Headers<'_>,
    ) -> Result<()> {
        self.check_size(topic, key, value, headers)?;
        self.begin()?;
        let topic = self.targets[topic.0].handle;
        self.sent += 1;
        self.acknowledged = false;
        self.sink.send(&OutRecord {
            topic,
            partition,
            timestamp,
            key,
            value,
            headers,
        })
    }

    fn begin(&mut self) -> Result<()> {
        if self.transactional && !self.in_transaction {
            self.sink.begin()?;
            self.in_transaction = true;
        }
        Ok(())
    }

    /// Whether anything waits for a commit.
    pub fn is_dirty(&self) -> bool {
        self.in_transaction
    }

    /// Records sent since the collector was made.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Waits until everything sent is acknowledged.
    pub fn flush(&mut self) -> Result<()> {
        self.sink.flush()?;
        self.acknowledged = true;
        Ok(())
    }

    /// The offset after the last acknowledged record written to a partition.
    pub fn acknowledged(&self, topic: OutTopic, partition: i32) -> Option<i64> {
        self.sink
            .acknowledged(self.targets[topic.0].handle, partition)
    }

    /// Adds consumed offsets to the transaction; begins one if nothing was sent.
    pub fn send_offsets(
        &mut self,
        offsets: &[(TopicPartition, CommittedOffset)],
        group: &GroupMetadata,
    ) -> Result<()> {
        self.begin()?;
        self.sink.send_offsets(offsets, group)
    }

    /// Commits the transaction.
    pub fn commit(&mut self) -> Result<()> {
        self.sink.commit()?;
        self.in_transaction = false;
        Ok(())
    }

    /// Aborts the transaction, if there is one. `None`: this producer is of no use any more. It is
    /// fenced, or the abort failed; it works without transactions and may still send what is now taken
    /// back; or not all that it sent is acknowledged. What a broker has taken without having said so
    /// would then share its sequence numbers with what comes next, and the broker take that for a
    /// repetition.
    pub fn abort(mut self) -> Option<Self> {
        if !self.transactional || !self.acknowledged {
            return None;
        }
        if self.in_transaction {
            if let Err(error) = self.sink.abort() {
                tracing::warn!(%error, "the transaction is left to a new producer");
                return None;
            }
            self.in_transaction = false;
        }
        // What is done again asks again.
        self.absent.clear();
        Some(self)
    }
}

/// Whether Kafka could have a topic of this name.
fn is_topic_name(name: &str) -> bool {
    /// Kafka's own limit.
    const LENGTH_MAX: usize = 249;
    let character = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=LENGTH_MAX).contains(&name.len()) && name.chars().all(character)
}
