//! Writing: sends, acknowledged offsets, transactions.
//!
//! Delivery reports run on the caller's own thread, inside `send`, `flush` and the transaction calls;
//! there is no thread behind a producer but librdkafka's own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::classify::{Site, Step, delivery_kind, transaction_kind};
use crate::config::KafkaConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::group::member_metadata;
use crate::log::{
    CommittedOffset, GroupMetadata, OutRecord, ProducerOptions, RecordSink, TopicHandle,
};
use crate::native::{Code, Failure, NativeError, PartitionList, ProducedRecord, Producer};
use crate::record::TopicPartition;

/// Delivery reports are run after so many sends: often enough to keep the queue short, seldom enough
/// to cost nothing.
const SENDS_PER_POLL: u32 = 512;

/// How long one wait for room or for acknowledgements lasts, between two looks at errors.
const WAIT_STEP: Duration = Duration::from_millis(50);

/// Pause between two tries of a transactional call.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// Longest flush outside transactions: Java's `delivery.timeout.ms`, and some room.
const PLAIN_FLUSH_LIMIT: Duration = Duration::from_secs(125);

/// The Kafka implementation of [`RecordSink`].
pub(crate) struct KafkaProducer {
    config: Arc<KafkaConfig>,
    site: Site,
    transactional: bool,
    producer: Producer,
    handles: HashMap<Arc<str>, TopicHandle>,
    /// Topic names by handle.
    names: Vec<Arc<str>>,
    sends_since_poll: u32,
}

impl KafkaProducer {
    /// A producer; nothing is sent yet.
    pub(crate) fn new(
        config: Arc<KafkaConfig>,
        site: Site,
        options: &ProducerOptions,
    ) -> Result<Self> {
        let conf = config.producer_conf(options)?;
        let producer = Producer::new(conf)
            .map_err(|error| site.error_of_kind(ErrorKind::Config, "make a producer", &error))?;
        Ok(Self {
            config,
            site,
            transactional: options.transactional_id.is_some(),
            producer,
            handles: HashMap::new(),
            names: Vec::new(),
            sends_since_poll: 0,
        })
    }

    fn place(&self, topic: u32, partition: i32) -> TopicPartition {
        let name = self
            .names
            .get(topic as usize)
            .map_or_else(|| "".into(), Arc::clone);
        TopicPartition::new(name, partition)
    }

    /// The first record that was not delivered, as an error.
    fn delivery_error(&self, failure: &Failure) -> Error {
        // What made the client unusable says more than what became of one record.
        if let Some(fatal) = self.producer.client().fatal_error() {
            let kind = transaction_kind(Step::Other, &fatal);
            return self.site.error_of_kind(kind, "write a record", &fatal);
        }
        let kind = delivery_kind(self.transactional, failure.code);
        self.site
            .error_of_kind(
                kind,
                "write a record",
                &NativeError::from_code(failure.code),
            )
            .on(self.place(failure.topic, failure.partition))
    }

    fn check_deliveries(&mut self) -> Result<()> {
        match self.producer.take_failure() {
            None => Ok(()),
            Some(failure) => Err(self.delivery_error(&failure)),
        }
    }

    /// Why librdkafka refused a record.
    fn refusal(&mut self, record: &OutRecord<'_>, error: &NativeError) -> Error {
        if let Some(failure) = self.producer.take_failure() {
            return self.delivery_error(&failure);
        }
        let fatal = self.producer.client().fatal_error();
        let kind = match (&fatal, error.code) {
            (Some(fatal), _) => transaction_kind(Step::Other, fatal),
            // Outside a transaction, or in one that must be aborted.
            (None, Code::RD_KAFKA_RESP_ERR__STATE) if self.transactional => ErrorKind::Abort,
            (None, code) => self.site.kind(code),
        };
        self.site
            .error_of_kind(kind, "send a record", fatal.as_ref().unwrap_or(error))
            .on(self.place(record.topic.0, record.partition))
    }

    /// Makes a transactional call, again as long as librdkafka says that it may be.
    fn transact(
        &mut self,
        operation: &str,
        step: Step,
        limit: Duration,
        mut call: impl FnMut(&mut Producer, Duration) -> Result<(), NativeError>,
    ) -> Result<()> {
        if !self.transactional {
            let message = "the producer has no transactional id";
            return Err(Error::new(ErrorKind::Config, operation, message));
        }
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Err(error) = call(&mut self.producer, left) else {
                return Ok(());
            };
            if error.retriable && !error.fatal && Instant::now() + RETRY_PAUSE < deadline {
                self.producer.poll(RETRY_PAUSE);
                continue;
            }
            return Err(self.transaction_error(operation, step, error));
        }
    }

    fn transaction_error(&mut self, operation: &str, step: Step, error: NativeError) -> Error {
        // Once a client is unusable, later calls tell only that; the first cause is kept apart.
        let error = match self.producer.client().fatal_error() {
            Some(fatal) => fatal,
            None => error,
        };
        let kind = transaction_kind(step, &error);
        if let (ErrorKind::Abort, Some(failure)) = (kind, self.producer.take_failure()) {
            return self.delivery_error(&failure);
        }
        self.site.error_of_kind(kind, operation, &error)
    }
}

impl RecordSink for KafkaProducer {
    fn init_transactions(&mut self) -> Result<()> {
        // The predecessor's transaction may have to be aborted first.
        let limit = self
            .config
            .request_timeout
            .max(self.config.transaction_timeout * 2);
        self.transact(
            "init transactions",
            Step::Other,
            limit,
            Producer::init_transactions,
        )
    }

    fn begin(&mut self) -> Result<()> {
        self.producer.take_failure();
        let limit = self.config.request_timeout;
        self.transact("begin a transaction", Step::Other, limit, |producer, _| {
            producer.begin_transaction()
        })
    }

    fn topic(&mut self, name: &str) -> Result<TopicHandle> {
        if let Some(handle) = self.handles.get(name) {
            return Ok(*handle);
        }
        let index = self
            .producer
            .add_topic(name)
            .map_err(|error| self.site.error(format!("write to topic {name}"), &error))?;
        let name: Arc<str> = name.into();
        self.names.push(Arc::clone(&name));
        self.handles.insert(name, TopicHandle(index));
        Ok(TopicHandle(index))
    }

    fn send(&mut self, record: &OutRecord<'_>) -> Result<()> {
        self.sends_since_poll += 1;
        if self.sends_since_poll >= SENDS_PER_POLL {
            self.sends_since_poll = 0;
            self.producer.poll(Duration::ZERO);
            self.check_deliveries()?;
        }
        let native = ProducedRecord {
            topic: record.topic.0,
            partition: record.partition,
            timestamp: record.timestamp,
            key: record.key,
            value: record.value,
            headers: record.headers,
        };
        let mut deadline = None;
        loop {
            let Err(error) = self.producer.produce(&native) else {
                return Ok(());
            };
            let full = error.code == Code::RD_KAFKA_RESP_ERR__QUEUE_FULL;
            let deadline =
                *deadline.get_or_insert_with(|| Instant::now() + self.config.request_timeout);
            if !full || Instant::now() >= deadline {
                return Err(self.refusal(record, &error));
            }
            self.producer.poll(WAIT_STEP);
            self.check_deliveries()?;
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.sends_since_poll = 0;
        // librdkafka gives each record up after message.timeout.ms, which it keeps below the
        // transaction's timeout; this limit is for what that does not cover.
        let limit = if self.transactional {
            self.config.transaction_timeout
        } else {
            PLAIN_FLUSH_LIMIT
        };
        let deadline = Instant::now() + limit;
        loop {
            let flushed = self.producer.flush(WAIT_STEP);
            self.check_deliveries()?;
            let Err(error) = flushed else { return Ok(()) };
            if let Some(fatal) = self.producer.client().fatal_error() {
                let kind = transaction_kind(Step::Other, &fatal);
                return Err(self.site.error_of_kind(kind, "flush", &fatal));
            }
            if Instant::now() >= deadline {
                let operation = format!("flush {} records", self.producer.in_flight());
                let kind = delivery_kind(self.transactional, error.code);
                return Err(self.site.error_of_kind(kind, operation, &error));
            }
        }
    }

    fn acknowledged(&self, topic: TopicHandle, partition: i32) -> Option<i64> {
        self.producer.next_offset(topic.0, partition)
    }

    fn send_offsets(
        &mut self,
        offsets: &[(TopicPartition, CommittedOffset)],
        group: &GroupMetadata,
    ) -> Result<()> {
        let operation = "add offsets to the transaction";
        let Some(member) = member_metadata(group) else {
            let message = "the group metadata is not from a consumer of Kafka";
            return Err(Error::new(ErrorKind::Config, operation, message));
        };
        let list = PartitionList::of_offsets(offsets)
            .map_err(|error| self.site.error(operation, &error))?;
        let limit = self.config.transaction_timeout;
        self.transact(operation, Step::Other, limit, |producer, left| {
            producer.send_offsets(&list, member, left)
        })
    }

    fn commit(&mut self) -> Result<()> {
        let limit = self.config.transaction_timeout;
        self.transact(
            "commit the transaction",
            Step::Commit,
            limit,
            Producer::commit_transaction,
        )
    }

    fn abort(&mut self) -> Result<()> {
        let limit = self.config.transaction_timeout;
        let aborted = self.transact(
            "abort the transaction",
            Step::Other,
            limit,
            Producer::abort_transaction,
        );
        self.producer.take_failure();
        aborted
    }
}
