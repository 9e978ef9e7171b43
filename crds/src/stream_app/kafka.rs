//! [`KafkaSpec`]: the cluster, and the client properties users may and may not set.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::security::{SaslSpec, TlsSpec};
use crate::{limits, rules};

/// The Kafka cluster that has all topics of the application.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules::kafka()))]
pub struct KafkaSpec {
    /// Brokers to ask for the cluster's others: `host:port`, several separated by commas.
    #[schemars(length(min = 1, max = limits::BOOTSTRAP_SERVERS_LENGTH))]
    pub bootstrap_servers: String,
    /// TLS to the brokers; `{}` where their certificates are of a public authority. Default: none,
    /// unless `properties` say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSpec>,
    /// User and password at the brokers. Default: none, unless `properties` say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sasl: Option<SaslSpec>,
    /// Client properties by librdkafka's names, such as `linger.ms`; at most 100. Those that the engine
    /// sets itself (isolation, offsets, group, transactions), and those that `tls` and `sasl` govern,
    /// are refused. Everyone who may read StreamApps can read them: no secrets here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = limits::PROPERTIES))]
    #[schemars(extend("additionalProperties" = property_value()))]
    pub properties: BTreeMap<String, String>,
}

/// Schema of a property's value.
fn property_value() -> serde_json::Value {
    serde_json::json!({"type": "string", "maxLength": limits::PROPERTY_VALUE_LENGTH})
}

impl fmt::Debug for KafkaSpec {
    /// Names of properties only: values may be passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSpec")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("tls", &self.tls)
            .field("sasl", &self.sasl)
            .field("properties", &self.properties.keys())
            .finish()
    }
}

impl KafkaSpec {
    /// Kafka's `security.protocol` by the blocks `tls` and `sasl`; `None` where neither is set, and
    /// `properties` may say it.
    pub fn security_protocol(&self) -> Option<&'static str> {
        match (&self.tls, &self.sasl) {
            (Some(_), Some(_)) => Some("SASL_SSL"),
            (Some(_), None) => Some("SSL"),
            (None, Some(_)) => Some("SASL_PLAINTEXT"),
            (None, None) => None,
        }
    }

    /// What governs a property that users may not set in this spec; `None` for the others.
    pub(crate) fn owner_of(&self, property: &str) -> Option<&'static str> {
        let engine = OWNED.iter().find(|(name, _)| *name == property);
        if let Some((_, owner)) = engine {
            return Some(owner);
        }
        if self.tls.is_some() && TLS_OWNED.contains(&property) {
            return Some("`spec.kafka.tls` governs it");
        }
        if self.sasl.is_some() && SASL_OWNED.contains(&property) {
            return Some("`spec.kafka.sasl` governs it");
        }
        None
    }
}

/// Properties that `tls` governs where it is set. The CEL rules of [`rules`] name them too.
pub(crate) const TLS_OWNED: &[&str] = &[
    "security.protocol",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.endpoint.identification.algorithm",
    "enable.ssl.certificate.verification",
];

/// Properties that `sasl` governs where it is set.
pub(crate) const SASL_OWNED: &[&str] = &[
    "security.protocol",
    "sasl.jaas.config",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.password",
    "sasl.username",
];

const ASSIGNMENT: &str = "the engine assigns tasks itself; `spec.replicas` and `spec.threads` say \
                          over how many threads they are divided";
const BOOTSTRAP: &str = "use `spec.kafka.bootstrapServers`";
const COMMITS: &str = "the engine commits offsets together with state and results; \
                       `spec.commitIntervalMs` says how often";
const END_OF_PARTITION: &str =
    "the engine needs the events for restore and lag; no field changes it";
const GUARANTEE: &str = "`spec.processingGuarantee` governs it";
const GROUP: &str = "`spec.applicationId` governs it";
const IDENTITY: &str = "the engine derives it from `spec.applicationId`, the pod and the thread";
const PARTITIONING: &str = "the engine partitions by murmur2 of the key, as Kafka's own clients do; \
                            no field changes it";
const SERDES: &str = "use `spec.defaults`, or `key` and `value` of a source";
const CACHE: &str = "use `spec.state.cacheBytes`, and `caching` of a store";
const STATE: &str = "use `spec.state`";

/// Properties the engine owns, by librdkafka's names and by those of Kafka Streams, and the field that
/// governs each. Sorted by name.
const OWNED: &[(&str, &str)] = &[
    ("acks", GUARANTEE),
    ("application.id", GROUP),
    ("auto.commit.enable", COMMITS),
    ("auto.commit.interval.ms", COMMITS),
    (
        "auto.offset.reset",
        "use `offsetReset` of the stream or table that reads the topic",
    ),
    ("bootstrap.servers", BOOTSTRAP),
    (
        "buffered.records.per.partition",
        "use `spec.bufferedRecordsPerPartition`",
    ),
    ("commit.interval.ms", "use `spec.commitIntervalMs`"),
    ("default.key.serde", SERDES),
    ("default.value.serde", SERDES),
    (
        "deserialization.exception.handler",
        "use `spec.errors.deserialization`",
    ),
    ("enable.auto.commit", COMMITS),
    ("enable.auto.offset.store", COMMITS),
    ("enable.gapless.guarantee", GUARANTEE),
    ("enable.idempotence", GUARANTEE),
    ("enable.partition.eof", END_OF_PARTITION),
    (
        "errors.dead.letter.queue.topic.name",
        "use `spec.errors.deadLetterTopic`",
    ),
    ("group.id", GROUP),
    ("group.instance.id", IDENTITY),
    ("group.protocol", ASSIGNMENT),
    ("group.protocol.type", ASSIGNMENT),
    ("group.remote.assignor", ASSIGNMENT),
    ("isolation.level", GUARANTEE),
    ("max.task.idle.ms", "use `spec.maxTaskIdleMs`"),
    ("metadata.broker.list", BOOTSTRAP),
    ("num.stream.threads", "use `spec.threads`"),
    ("offset.store.method", COMMITS),
    ("partition.assignment.strategy", ASSIGNMENT),
    ("partitioner", PARTITIONING),
    (
        "processing.exception.handler",
        "use `spec.errors.processing`",
    ),
    ("processing.guarantee", "use `spec.processingGuarantee`"),
    (
        "production.exception.handler",
        "use `spec.errors.production`",
    ),
    ("request.required.acks", GUARANTEE),
    ("state.dir", STATE),
    ("statestore.cache.max.bytes", CACHE),
    (
        "transaction.timeout.ms",
        "the engine keeps it at 10000, twice the longest commit interval",
    ),
    ("transactional.id", IDENTITY),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_owned_property_is_listed_once_in_order() {
        assert!(OWNED.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn a_property_is_owned_by_the_engine_or_by_a_block_that_is_set() {
        let mut spec = KafkaSpec {
            bootstrap_servers: "kafka:9092".to_owned(),
            tls: None,
            sasl: None,
            properties: BTreeMap::new(),
        };
        let owner = spec.owner_of("isolation.level").unwrap();
        assert!(owner.contains("processingGuarantee"), "{owner}");
        assert_eq!(spec.owner_of("linger.ms"), None);
        assert_eq!(spec.owner_of("ssl.ca.location"), None);
        assert_eq!(spec.security_protocol(), None);
        spec.tls = Some(TlsSpec::default());
        let owner = spec.owner_of("ssl.ca.location").unwrap();
        assert!(owner.contains("spec.kafka.tls"), "{owner}");
        assert_eq!(spec.security_protocol(), Some("SSL"));
    }

    #[test]
    fn debug_output_shows_no_property_values() {
        let properties = BTreeMap::from([("sasl.password".to_owned(), "secret".to_owned())]);
        let spec = KafkaSpec {
            bootstrap_servers: "kafka:9092".to_owned(),
            tls: None,
            sasl: None,
            properties,
        };
        let text = format!("{spec:?}");
        assert!(
            text.contains("sasl.password") && !text.contains("\"secret\""),
            "{text}"
        );
    }
}
