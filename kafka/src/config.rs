//! Client configuration: what the caller says, checked; what the engine needs, enforced.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::files::KafkaFiles;
use crate::log::{ConsumerOptions, Guarantee, ProducerOptions};
use crate::native::{Conf, ConfError};

mod names;

/// How to reach a Kafka cluster, and under which guarantee.
///
/// Properties pass through to librdkafka and override the defaults below; the ones the engine owns
/// are refused. `Debug` shows no secrets.
#[derive(Clone)]
pub struct KafkaConfig {
    /// `host:port`, comma separated.
    pub bootstrap_servers: String,
    /// librdkafka's properties, by name (its CONFIGURATION.md).
    pub properties: BTreeMap<String, String>,
    /// Files that the secrets of TLS and SASL come from; they override the properties. Default: none.
    pub files: KafkaFiles,
    /// `ExactlyOnce`: the group consumers read committed records only; `AtLeastOnce`: all records, as
    /// Kafka Streams does. Readers made by [`Cluster::reader`](crate::Cluster::reader) always read
    /// committed records only.
    pub guarantee: Guarantee,
    /// Longest wait for an answer, per call. Default 15 s.
    pub request_timeout: Duration,
    /// After this time without a commit the broker aborts a transaction. Default 10 s.
    pub transaction_timeout: Duration,
    /// Bytes fetched ahead per assigned partition; one fetch, of as much and 1 MiB at most, may come on
    /// top. Default 4 MiB.
    pub fetch_buffer: usize,
    /// Bytes of records handed to a producer and not yet acknowledged. Default 64 MiB.
    pub send_buffer: usize,
}

/// Default of [`KafkaConfig::request_timeout`].
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// Default of [`KafkaConfig::transaction_timeout`] (architecture D2).
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);
/// Default of [`KafkaConfig::fetch_buffer`].
const FETCH_BUFFER: usize = 4 << 20;
/// Default of [`KafkaConfig::send_buffer`].
const SEND_BUFFER: usize = 64 << 20;
/// Bounds of what one fetch asks of a partition, bytes.
const FETCH_MIN: usize = 64 << 10;
const FETCH_MAX: usize = 1 << 20;
/// What a consumer fetches ahead of all its partitions, bytes, and of one of them at least: so little
/// that it is still in the processor's cache when its turn comes (docs/decisions/016).
const AHEAD: usize = 1 << 20;
const AHEAD_MIN: usize = 128 << 10;
/// Bytes of a small record. So many of them are counted as full, because librdkafka counts their bytes
/// alone and holds 400 more for each.
const SMALL_RECORD: usize = 128;
/// Bounds of the records fetched ahead of a partition.
const AHEAD_RECORDS_MIN: usize = 1_000;
const AHEAD_RECORDS_MAX: usize = 10_000;

impl KafkaConfig {
    /// A configuration with the defaults.
    pub fn new(bootstrap_servers: impl Into<String>, guarantee: Guarantee) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers.into(),
            properties: BTreeMap::new(),
            files: KafkaFiles::default(),
            guarantee,
            request_timeout: REQUEST_TIMEOUT,
            transaction_timeout: TRANSACTION_TIMEOUT,
            fetch_buffer: FETCH_BUFFER,
            send_buffer: SEND_BUFFER,
        }
    }

    /// Refuses what no client could be made with, naming the property at fault.
    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |message: String| {
            Err(Error::new(
                ErrorKind::Config,
                "accept the Kafka configuration",
                message,
            ))
        };
        if self.bootstrap_servers.trim().is_empty() {
            return refuse("the bootstrap servers are empty; give host:port".to_owned());
        }
        self.files.check()?;
        let mut scratch = Conf::new();
        for (name, value) in &self.properties {
            if let Some(reason) = names::owned(name) {
                return refuse(format!("property `{name}` is set by the engine: {reason}"));
            }
            if let Some(instead) = names::java_only(name) {
                return refuse(format!(
                    "property `{name}` belongs to the Java clients: {instead}"
                ));
            }
            match scratch.set(name, value) {
                Ok(()) => {}
                Err(ConfError::UnknownName) => {
                    return refuse(format!(
                        "there is no property `{name}`{}",
                        names::hint(name)
                    ));
                }
                // librdkafka's words repeat the value.
                Err(ConfError::BadValue(_)) if names::is_secret(name) => {
                    return refuse(format!(
                        "property `{name}` has a value that is not accepted"
                    ));
                }
                Err(ConfError::BadValue(words)) => {
                    return refuse(format!("property `{name}`: {words}"));
                }
            }
        }
        Ok(())
    }

    /// The security protocol, lower case; librdkafka's default is `plaintext`.
    pub(crate) fn security_protocol(&self) -> String {
        self.properties
            .get("security.protocol")
            .map_or("plaintext".to_owned(), |p| p.to_lowercase())
    }

    /// The user's properties and what the files hold, as of now.
    pub(crate) fn settings(&self) -> Result<BTreeMap<String, String>> {
        let mut settings = self.properties.clone();
        let files = self.files.properties()?;
        settings.extend(
            files
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value)),
        );
        Ok(settings)
    }

    /// A client that administers.
    pub(crate) fn admin_conf(&self) -> Result<Conf> {
        self.conf(&[], &[("client.id", "millrace-admin")])
    }

    /// A client that looks into a group from outside. It does not wait for pending transactions.
    pub(crate) fn group_admin_conf(&self, group: &str) -> Result<Conf> {
        self.conf(
            &[],
            &[
                ("client.id", "millrace-admin"),
                ("group.id", group),
                ("isolation.level", "read_uncommitted"),
                ("enable.auto.commit", "false"),
            ],
        )
    }

    /// Bytes that a consumer of so many partitions fetches ahead of each.
    pub(crate) fn fetch_ahead(&self, inputs: usize) -> usize {
        let ahead = (AHEAD / inputs.max(1)).max(AHEAD_MIN);
        self.fetch_buffer.min(ahead)
    }

    /// A client that reads assigned partitions. librdkafka asks for a group even where it never joins
    /// one.
    pub(crate) fn reader_conf(
        &self,
        group: &str,
        client_id: &str,
        guarantee: Guarantee,
        fetch_buffer: usize,
    ) -> Result<Conf> {
        let isolation = match guarantee {
            Guarantee::ExactlyOnce => "read_committed",
            Guarantee::AtLeastOnce => "read_uncommitted",
        };
        let buffer = (fetch_buffer >> 10).max(1).to_string();
        let fetch = fetch_buffer.clamp(FETCH_MIN, FETCH_MAX).to_string();
        let records = fetch_buffer / SMALL_RECORD;
        let records = records
            .clamp(AHEAD_RECORDS_MIN, AHEAD_RECORDS_MAX)
            .to_string();
        self.conf(
            &[
                // A larger record still comes, alone (KIP-74).
                ("fetch.message.max.bytes", &fetch),
                // Each partition has a queue of its own, so both limits count per partition.
                ("queued.max.messages.kbytes", &buffer),
                ("queued.min.messages", &records),
                // The default of 1 s leaves gaps whenever the queue was full.
                ("fetch.queue.backoff.ms", "2"),
                ("fetch.wait.max.ms", "100"),
                // A deleted topic shows with a look at the metadata; the default is 5 minutes.
                ("topic.metadata.refresh.interval.ms", "30000"),
            ],
            &[
                ("client.id", client_id),
                ("group.id", group),
                ("isolation.level", isolation),
                ("enable.auto.commit", "false"),
                ("enable.auto.offset.store", "false"),
                ("enable.partition.eof", "true"),
                ("auto.offset.reset", "error"),
            ],
        )
    }

    /// A client that is a member of a group and reads nothing.
    pub(crate) fn member_conf(&self, options: &ConsumerOptions) -> Result<Conf> {
        self.conf(
            &[
                ("session.timeout.ms", "10000"),
                ("heartbeat.interval.ms", "500"),
                ("max.poll.interval.ms", "300000"),
            ],
            &[
                ("client.id", &options.client_id),
                ("group.id", &options.group_id),
                ("group.instance.id", &options.instance_id),
                ("group.protocol", "classic"),
                ("partition.assignment.strategy", "cooperative-sticky"),
                // Committed offsets are read as stable ones (KIP-447) under this isolation only.
                ("isolation.level", "read_committed"),
                ("enable.auto.commit", "false"),
                ("enable.auto.offset.store", "false"),
                ("auto.offset.reset", "error"),
            ],
        )
    }

    /// A producer.
    pub(crate) fn producer_conf(&self, options: &ProducerOptions) -> Result<Conf> {
        let transaction_timeout = self.transaction_timeout.as_millis().to_string();
        let buffer = (self.send_buffer >> 10).max(1).to_string();
        let mut owned = vec![
            ("client.id", options.client_id.as_str()),
            ("enable.idempotence", "true"),
            ("acks", "all"),
        ];
        let mut defaults = vec![
            // A flush ignores the linger, so it costs no latency at a commit.
            ("linger.ms", "5"),
            ("queue.buffering.max.kbytes", buffer.as_str()),
            ("queue.buffering.max.messages", "500000"),
        ];
        if let Some(id) = &options.transactional_id {
            owned.push(("transactional.id", id));
            owned.push(("transaction.timeout.ms", &transaction_timeout));
        } else {
            // As Java's delivery.timeout.ms; a transactional producer has its transaction's timeout.
            defaults.push(("message.timeout.ms", "120000"));
        }
        self.conf(&defaults, &owned)
    }

    /// Defaults, then the user's properties, then what the engine owns.
    fn conf(&self, defaults: &[(&str, &str)], owned: &[(&str, &str)]) -> Result<Conf> {
        let mut conf = Conf::new();
        let common = [
            ("bootstrap.servers", self.bootstrap_servers.as_str()),
            ("reconnect.backoff.ms", "50"),
            ("reconnect.backoff.max.ms", "1000"),
            ("socket.keepalive.enable", "true"),
            // An idle connection that a broker closes is no news.
            ("log.connection.close", "false"),
        ];
        let users = self
            .properties
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let from_files = self.files.properties()?;
        let files = from_files
            .iter()
            .map(|(name, value)| (*name, value.as_str()));
        let all = common
            .into_iter()
            .chain(defaults.iter().copied())
            .chain(users)
            .chain(files)
            .chain(owned.iter().copied());
        for (name, value) in all {
            conf.set(name, value).map_err(|error| {
                Error::new(
                    ErrorKind::Config,
                    format!("set the client property {name}"),
                    match error {
                        ConfError::UnknownName => "librdkafka does not know it".to_owned(),
                        ConfError::BadValue(_) if names::is_secret(name) => {
                            "its value is not accepted".to_owned()
                        }
                        ConfError::BadValue(words) => words,
                    },
                )
            })?;
        }
        Ok(conf)
    }
}

impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let properties: BTreeMap<&str, &str> = self
            .properties
            .iter()
            .map(|(name, value)| {
                (
                    name.as_str(),
                    if names::is_secret(name) {
                        "<redacted>"
                    } else {
                        value.as_str()
                    },
                )
            })
            .collect();
        f.debug_struct("KafkaConfig")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("properties", &properties)
            .field("files", &self.files)
            .field("guarantee", &self.guarantee)
            .field("request_timeout", &self.request_timeout)
            .field("transaction_timeout", &self.transaction_timeout)
            .field("fetch_buffer", &self.fetch_buffer)
            .field("send_buffer", &self.send_buffer)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn with(name: &str, value: &str) -> KafkaConfig {
        let mut config = KafkaConfig::new("kafka:9092", Guarantee::ExactlyOnce);
        config.properties.insert(name.to_owned(), value.to_owned());
        config
    }

    fn refusal(name: &str, value: &str) -> String {
        with(name, value).check().unwrap_err().to_string()
    }

    #[test]
    fn properties_of_librdkafka_pass() {
        for (name, value) in [
            ("compression.type", "lz4"),
            ("linger.ms", "20"),
            ("acks", "all"),
        ] {
            if name != "acks" {
                with(name, value).check().unwrap();
            }
        }
    }

    #[test]
    fn a_misspelt_property_is_refused_with_a_suggestion() {
        let words = refusal("compresion.type", "lz4");
        assert!(words.contains("`compresion.type`"), "{words}");
        assert!(words.contains("compression.type"), "{words}");
    }

    #[test]
    fn a_property_of_java_alone_is_refused_with_what_to_use_instead() {
        let words = refusal("buffer.memory", "1");
        assert!(words.contains("queue.buffering.max.kbytes"), "{words}");
        assert!(refusal("max.poll.records", "1").contains("Java"), "{words}");
    }

    #[test]
    fn properties_the_engine_owns_are_refused_by_name() {
        for name in [
            "group.id",
            "isolation.level",
            "enable.auto.commit",
            "transactional.id",
            "partition.assignment.strategy",
            "acks",
            "plugin.library.paths",
        ] {
            let words = refusal(name, "x");
            assert!(
                words.contains(&format!("`{name}` is set by the engine")),
                "{words}"
            );
        }
    }

    #[test]
    fn a_bad_value_is_refused_with_the_reason() {
        let words = refusal("linger.ms", "soon");
        assert!(words.contains("linger.ms"), "{words}");
    }

    #[test]
    fn debug_output_and_errors_hold_no_secret() {
        let config = with("sasl.password", "hunter2");
        assert!(!format!("{config:?}").contains("hunter2"));
        let words = refusal("ssl.key.password\0", "hunter2");
        assert!(!words.contains("hunter2"), "{words}");
        let words = refusal("sasl.password", "hunter2\0");
        assert!(!words.contains("hunter2"), "{words}");
    }

    #[test]
    fn every_client_configuration_is_accepted_by_librdkafka() {
        let config = with("compression.type", "zstd");
        config.admin_conf().unwrap();
        config
            .reader_conf("app", "client", Guarantee::AtLeastOnce, config.fetch_buffer)
            .unwrap();
        config
            .member_conf(&ConsumerOptions {
                group_id: "app".to_owned(),
                instance_id: "00000-000".to_owned(),
                tasks_topic: "app-tasks".to_owned(),
                client_id: "client".to_owned(),
                inputs: 1,
            })
            .unwrap();
        for transactional_id in [None, Some("app-0-0".to_owned())] {
            let client_id = "client".to_owned();
            config
                .producer_conf(&ProducerOptions {
                    transactional_id,
                    client_id,
                })
                .unwrap();
        }
    }

    #[test]
    fn what_is_fetched_ahead_is_divided_over_the_inputs_below_the_buffer() {
        let mut config = with("compression.type", "zstd");
        assert_eq!(config.fetch_ahead(0), AHEAD);
        assert_eq!(config.fetch_ahead(4), AHEAD / 4);
        assert_eq!(config.fetch_ahead(1_000), AHEAD_MIN);
        config.fetch_buffer = 100_000;
        assert_eq!(config.fetch_ahead(1), 100_000);
    }

    #[test]
    fn empty_bootstrap_servers_are_refused() {
        assert!(
            KafkaConfig::new(" ", Guarantee::AtLeastOnce)
                .check()
                .is_err()
        );
    }
}
