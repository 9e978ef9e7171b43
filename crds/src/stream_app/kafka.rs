//! [`KafkaSpec`]: the cluster, and the client properties users may and may not set.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;

/// The Kafka cluster that has all topics of the application.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KafkaSpec {
    /// Brokers to ask for the cluster's others: `host:port`, several separated by commas.
    #[schemars(length(min = 1, max = limits::BOOTSTRAP_SERVERS_LENGTH))]
    pub bootstrap_servers: String,
    /// Client properties by librdkafka's names, such as `security.protocol` or `linger.ms`; at most
    /// 100. Those that the engine sets itself (isolation, offsets, group, transactions) are refused.
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
            .field("properties", &self.properties.keys())
            .finish()
    }
}

/// What governs a property that users may not set; `None` for the others.
pub(crate) fn owner_of(property: &str) -> Option<&'static str> {
    OWNED
        .iter()
        .find(|(name, _)| *name == property)
        .map(|(_, owner)| *owner)
}

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
        assert!(
            owner_of("isolation.level")
                .unwrap()
                .contains("processingGuarantee")
        );
        assert_eq!(owner_of("linger.ms"), None);
    }

    #[test]
    fn debug_output_shows_no_property_values() {
        let properties = BTreeMap::from([("sasl.password".to_owned(), "secret".to_owned())]);
        let spec = KafkaSpec {
            bootstrap_servers: "kafka:9092".to_owned(),
            properties,
        };
        let text = format!("{spec:?}");
        assert!(
            text.contains("sasl.password") && !text.contains("\"secret\""),
            "{text}"
        );
    }
}
