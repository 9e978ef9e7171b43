//! Topics, watermarks, configurations, group offsets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::classify::{Site, is_coordinator_moving};
use crate::config::KafkaConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::group::found;
use crate::log::{Admin, CommittedOffset, TopicInfo, TopicSpec};
use crate::native::{
    Client, ClientKind, Code, Isolation, NativeError, NewTopic, Outcomes, PartitionList,
    TopicDescription,
};
use crate::record::TopicPartition;

/// What [`Client::list_offsets`] is asked for.
const OFFSET_SPEC_EARLIEST: i64 = -2;
const OFFSET_SPEC_LATEST: i64 = -1;

/// Pause between two looks at whether a change of topics has reached the brokers.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// One client for all admins of a cluster; replaced when the credentials are.
#[derive(Clone)]
pub(crate) struct SharedClient(Arc<Mutex<Client>>);

impl SharedClient {
    pub(crate) fn new(client: Client) -> Self {
        Self(Arc::new(Mutex::new(client)))
    }

    /// The client as of now.
    fn get(&self) -> Client {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Every admin uses this one from its next call on.
    pub(crate) fn replace(&self, client: Client) {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *shared, client);
        // Closing it may take seconds, and needs no lock.
        drop(shared);
        drop(old);
    }
}

/// The Kafka implementation of [`Admin`].
pub(crate) struct KafkaAdmin {
    client: SharedClient,
    config: Arc<KafkaConfig>,
    site: Site,
}

impl KafkaAdmin {
    /// An admin over the shared client.
    pub(crate) fn new(client: SharedClient, config: Arc<KafkaConfig>, site: Site) -> Self {
        Self {
            client,
            config,
            site,
        }
    }

    fn timeout(&self) -> Duration {
        self.config.request_timeout
    }

    /// Descriptions, `None` where there is no such topic.
    fn describe(&self, names: &[&str]) -> Result<Vec<Option<TopicDescription>>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let described = self
            .client
            .get()
            .describe_topics(names, self.timeout())
            .map_err(|error| self.site.error("describe topics", &error))?;
        self.site.answered();
        let described = described.into_iter().zip(names);
        described
            .map(|(described, name)| match described {
                Ok(described) => Ok(Some(described)),
                Err(error) if is_unknown_topic(&error) => Ok(None),
                Err(error) => Err(self.site.error(format!("describe topic {name}"), &error)),
            })
            .collect()
    }

    /// Brokers learn of a change a little after it is decided. Waits until the one that answers us
    /// has, so that the caller's next call finds it.
    fn wait_until(
        &self,
        operation: &str,
        names: &[&str],
        visible: impl Fn(&[Option<TopicDescription>]) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + self.timeout();
        while !visible(&self.describe(names)?) {
            if Instant::now() >= deadline {
                let message = format!(
                    "Kafka at {} accepted it, but does not show it after {:?}",
                    self.site.servers,
                    self.timeout()
                );
                return Err(Error::new(ErrorKind::Unavailable, operation, message));
            }
            std::thread::sleep(LOOK_PAUSE);
        }
        Ok(())
    }

    /// The first failure, except those that are wanted.
    fn first_failure(
        &self,
        operation: &str,
        outcomes: Outcomes,
        wanted: impl Fn(&NativeError) -> bool,
    ) -> Result<()> {
        for (name, outcome) in outcomes {
            if let Err(error) = outcome
                && !wanted(&error)
            {
                return Err(self.site.error(format!("{operation} {name}"), &error));
            }
        }
        Ok(())
    }

    /// One bound of each partition, in the order asked.
    fn bound(&self, partitions: &[TopicPartition], spec: i64) -> Result<Vec<i64>> {
        let operation = "look watermarks up";
        let broken = |error| self.site.error(operation, &error);
        let mut specs = PartitionList::new();
        for partition in partitions {
            specs.push(partition, spec).map_err(broken)?;
        }
        let isolation = Isolation::RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED;
        let mut tried = false;
        let results = self.site.retry(operation, self.timeout(), |left| {
            // librdkafka asks the leaders it remembers, with the epochs it remembers: after a broker's
            // restart the same refusal would come for minutes. Asking for all topics renews both.
            if std::mem::replace(&mut tried, true) {
                self.client.get().topic_names(left)?;
            }
            self.client.get().list_offsets(&specs, isolation, left)
        })?;
        let offsets: BTreeMap<_, _> = results
            .iter()
            .map(|result| (&result.partition, result.offset))
            .collect();
        partitions
            .iter()
            .map(|partition| {
                offsets.get(partition).copied().ok_or_else(|| {
                    Error::new(
                        ErrorKind::UnknownTopic,
                        operation,
                        "Kafka knows no such partition",
                    )
                    .on(partition.clone())
                })
            })
            .collect()
    }
}

impl Admin for KafkaAdmin {
    fn cluster_id(&self) -> Result<String> {
        self.client.get().cluster_id(self.timeout()).ok_or_else(|| {
            let message = format!(
                "no answer from Kafka at {} within {:?}",
                self.site.servers,
                self.timeout()
            );
            Error::new(ErrorKind::Unavailable, "read the cluster's id", message)
        })
    }

    fn topics(&self, names: &[&str]) -> Result<Vec<Option<TopicInfo>>> {
        let described = self.describe(names)?;
        Ok(described
            .into_iter()
            .map(|topic| {
                topic.map(|topic| TopicInfo {
                    partitions: i32::try_from(topic.partitions).unwrap_or(i32::MAX),
                    id: uuid_text(topic.id),
                })
            })
            .collect())
    }

    fn list_topics(&self) -> Result<Vec<String>> {
        let mut names = self
            .client
            .get()
            .topic_names(self.timeout())
            .map_err(|error| self.site.error("list topics", &error))?;
        self.site.answered();
        names.sort();
        Ok(names)
    }

    fn create_topics(&self, topics: &[TopicSpec]) -> Result<()> {
        if topics.is_empty() {
            return Ok(());
        }
        let new: Vec<NewTopic<'_>> = topics
            .iter()
            .map(|topic| NewTopic {
                name: &topic.name,
                partitions: topic.partitions,
                replication_factor: topic.replication_factor,
                configs: &topic.configs,
            })
            .collect();
        let outcomes = self
            .client
            .get()
            .create_topics(&new, self.timeout())
            .map_err(|error| self.site.error("create topics", &error))?;
        self.first_failure("create topic", outcomes, |error| {
            error.code == Code::RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS
        })?;
        let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
        self.wait_until("create topics", &names, |described| {
            described.iter().all(is_usable)
        })
    }

    fn create_partitions(&self, topic: &str, partitions: i32) -> Result<()> {
        let operation = format!("raise the partitions of topic {topic} to {partitions}");
        let Ok(count) = usize::try_from(partitions) else {
            return Err(Error::new(
                ErrorKind::Config,
                operation,
                "a count cannot be negative",
            ));
        };
        let outcomes = self
            .client
            .get()
            .create_partitions(topic, count, self.timeout())
            .map_err(|error| self.site.error(&*operation, &error))?;
        self.first_failure("raise the partitions of topic", outcomes, |_| false)?;
        self.wait_until(&operation, &[topic], |described| {
            described.iter().all(|topic| {
                is_usable(topic)
                    && topic
                        .as_ref()
                        .is_some_and(|topic| topic.partitions >= count)
            })
        })
    }

    fn delete_topics(&self, names: &[&str]) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let outcomes = self
            .client
            .get()
            .delete_topics(names, self.timeout())
            .map_err(|error| self.site.error("delete topics", &error))?;
        self.first_failure("delete topic", outcomes, is_unknown_topic)?;
        self.wait_until("delete topics", names, |described| {
            described.iter().all(Option::is_none)
        })
    }

    fn topic_configs(&self, topic: &str) -> Result<BTreeMap<String, String>> {
        self.client
            .get()
            .topic_configs(topic, self.timeout())
            .map_err(|error| {
                self.site
                    .error(format!("read the configuration of {topic}"), &error)
            })
    }

    fn watermarks(&self, partitions: &[TopicPartition]) -> Result<Vec<(i64, i64)>> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let starts = self.bound(partitions, OFFSET_SPEC_EARLIEST)?;
        let ends = self.bound(partitions, OFFSET_SPEC_LATEST)?;
        Ok(starts.into_iter().zip(ends).collect())
    }

    fn delete_records(&self, before: &[(TopicPartition, i64)]) -> Result<()> {
        if before.is_empty() {
            return Ok(());
        }
        let operation = "delete records";
        let broken = |error| self.site.error(operation, &error);
        let mut list = PartitionList::new();
        for (partition, offset) in before {
            list.push(partition, *offset).map_err(broken)?;
        }
        self.site.retry(operation, self.timeout(), |left| {
            self.client.get().delete_records(&list, left)
        })?;
        Ok(())
    }

    fn group_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<CommittedOffset>>> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let operation = format!("read the committed offsets of the group {group}");
        let broken = |error| self.site.error(&*operation, &error);
        let list = PartitionList::of(partitions).map_err(broken)?;
        let conf = self.config.group_admin_conf(group)?;
        let client = Client::new(ClientKind::Consumer, conf, Box::new(())).map_err(broken)?;
        let results = self.site.retry(&operation, self.timeout(), |left| {
            client.committed(&list, left)
        })?;
        Ok(partitions
            .iter()
            .map(|partition| found(&results, partition))
            .collect())
    }

    fn delete_group(&self, group: &str) -> Result<()> {
        let deadline = Instant::now() + self.timeout();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.client.get().delete_group(group, left) {
                Ok(()) => return Ok(()),
                Err(error) if error.code == Code::RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND => {
                    return Ok(());
                }
                Err(error) if is_coordinator_moving(error.code) && left > LOOK_PAUSE => {
                    std::thread::sleep(LOOK_PAUSE);
                }
                Err(error) => {
                    return Err(self.site.error(format!("delete the group {group}"), &error));
                }
            }
        }
    }
}

fn is_unknown_topic(error: &NativeError) -> bool {
    error.code == Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
}

/// Whether every partition has a leader.
fn is_usable(topic: &Option<TopicDescription>) -> bool {
    topic
        .as_ref()
        .is_some_and(|topic| topic.partitions > 0 && topic.led == topic.partitions)
}

/// A topic id as Kafka's tools print it: base64url without padding. Kafka's zero id is "none".
fn uuid_text((most, least): (i64, i64)) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = (u128::from(most.cast_unsigned()) << 64) | u128::from(least.cast_unsigned());
    if bits == 0 {
        return String::new();
    }
    // 128 bits are 21 digits of 6 bits and one of 2, which is padded with zeros on the right.
    (0..22)
        .map(|digit| {
            let six = if digit < 21 {
                bits >> (122 - 6 * digit)
            } else {
                bits << 4
            };
            char::from(ALPHABET[(six & 63) as usize])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_ids_read_as_kafkas_tools_print_them() {
        assert_eq!(uuid_text((0, 0)), "");
        // org.apache.kafka.common.Uuid: ONE_UUID, METADATA_TOPIC_ID.
        assert_eq!(uuid_text((0, 1)), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(uuid_text((-1, -1)), "_____________________w");
    }
}
