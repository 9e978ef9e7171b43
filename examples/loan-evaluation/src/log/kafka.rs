//! Kafka, through the project's own client: an idempotent producer.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use millrace_kafka::partitioner::partition;
use millrace_kafka::{
    Admin, Cluster, Guarantee, Headers, KafkaCluster, KafkaConfig, OutRecord, ProducerOptions,
    RecordSink, TopicHandle,
};

use super::{Log, Record, WriteError};

/// How long a topic found once is taken to be there.
const CHECK_FRESH: Duration = Duration::from_secs(5);

/// Longest wait for one answer of Kafka: short, since people wait behind it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

/// [`Log`] on Kafka. Clients are opened when they are first needed, and anew after an error. Creates
/// no topic.
pub struct KafkaLog {
    cluster: KafkaCluster,
    servers: String,
    client_id: String,
    admin: Option<Box<dyn Admin>>,
    producer: Option<Producer>,
}

/// A producer and what it knows of its topics.
struct Producer {
    sink: Box<dyn RecordSink>,
    topics: HashMap<String, Topic>,
}

#[derive(Clone, Copy)]
struct Topic {
    handle: TopicHandle,
    partitions: i32,
    checked: Instant,
}

impl KafkaLog {
    /// On the cluster at these addresses. `properties` go to the Kafka client.
    ///
    /// # Errors
    /// When a property is wrong.
    pub fn new(
        servers: &str,
        properties: BTreeMap<String, String>,
        client_id: &str,
    ) -> Result<Self, millrace_kafka::Error> {
        let cluster = KafkaCluster::new(KafkaConfig {
            properties,
            request_timeout: REQUEST_TIMEOUT,
            ..KafkaConfig::new(servers, Guarantee::AtLeastOnce)
        })?;
        let (servers, client_id) = (servers.to_owned(), client_id.to_owned());
        Ok(Self {
            cluster,
            servers,
            client_id,
            admin: None,
            producer: None,
        })
    }

    fn find(&mut self, topic: &str) -> Result<Topic, WriteError> {
        let known = self
            .producer
            .as_ref()
            .and_then(|producer| producer.topics.get(topic));
        if let Some(known) = known.filter(|known| known.checked.elapsed() < CHECK_FRESH) {
            return Ok(*known);
        }
        let partitions = self
            .partitions(topic)
            .map_err(|error| self.not_written(&error))?;
        let Some(partitions) = partitions else {
            return Err(WriteError::not_written(format!(
                "Kafka at {} has no topic `{topic}`: create it, with as many partitions as the \
                 topics it is joined with",
                self.servers
            )));
        };
        self.refresh(topic, partitions)
            .map_err(|error| self.not_written(&error))
    }

    fn partitions(&mut self, topic: &str) -> Result<Option<i32>, millrace_kafka::Error> {
        let admin = match self.admin.take() {
            Some(admin) => admin,
            None => self.cluster.admin()?,
        };
        let found = admin.topics(&[topic])?;
        self.admin = Some(admin);
        Ok(found
            .into_iter()
            .next()
            .flatten()
            .map(|info| info.partitions))
    }

    fn refresh(&mut self, name: &str, partitions: i32) -> Result<Topic, millrace_kafka::Error> {
        let producer = match self.producer.take() {
            Some(producer) => self.producer.insert(producer),
            None => {
                let client_id = self.client_id.clone();
                let options = ProducerOptions {
                    transactional_id: None,
                    client_id,
                };
                let sink = self.cluster.producer(&options)?;
                self.producer.insert(Producer {
                    sink,
                    topics: HashMap::new(),
                })
            }
        };
        let handle = producer.sink.topic(name)?;
        let topic = Topic {
            handle,
            partitions,
            checked: Instant::now(),
        };
        producer.topics.insert(name.to_owned(), topic);
        Ok(topic)
    }

    fn not_written(&self, error: &millrace_kafka::Error) -> WriteError {
        WriteError::not_written(format!("Kafka at {}: {error}", self.servers))
    }
}

impl Log for KafkaLog {
    fn check(&mut self, topic: &str) -> Result<(), WriteError> {
        self.find(topic).map(|_| ())
    }

    fn write(&mut self, topic: &str, records: &[Record]) -> Result<(), WriteError> {
        let topic = self.find(topic)?;
        // The producer is put back only after a flush without an error: what a failed one still
        // holds would otherwise mix with later records.
        let Some(mut producer) = self.producer.take() else {
            return Err(WriteError::not_written("the Kafka producer is closed"));
        };
        let timestamp = now_ms();
        let mut handed_over = false;
        let written = records.iter().try_for_each(|record| {
            let key = record.key.as_bytes();
            producer.sink.send(&OutRecord {
                topic: topic.handle,
                partition: partition(key, topic.partitions),
                timestamp,
                key: Some(key),
                value: Some(record.value.get().as_bytes()),
                headers: Headers::EMPTY,
            })?;
            handed_over = true;
            Ok(())
        });
        match written.and_then(|()| producer.sink.flush()) {
            Ok(()) => {
                self.producer = Some(producer);
                Ok(())
            }
            Err(error) if handed_over => Err(WriteError::unknown(format!(
                "Kafka at {}: {error}",
                self.servers
            ))),
            Err(error) => Err(self.not_written(&error)),
        }
    }
}

fn now_ms() -> i64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
