//! The CEL rules of the CRD: what a schema alone cannot say, refused by the API server at once.
//!
//! A rule is evaluated wherever its object stands, and the API server bounds the cost it estimates
//! from the bounds of lists, maps and texts: rules stay cheap, and whatever needs the whole topology is
//! [`plan`](mod@crate::plan)'s to say. Rules on `oldSelf` hold for updates only.

use serde_json::{Value, json};

use crate::limits;
use crate::stream_app::{SASL_OWNED, TLS_OWNED};

/// A rule and what is said where it does not hold.
pub(crate) struct Rule {
    /// CEL expression over `self`, and `oldSelf` for what must not change.
    pub(crate) rule: String,
    /// What is wrong and what to do. Without line breaks, which the API server refuses.
    pub(crate) message: String,
}

impl Rule {
    fn new(rule: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            rule: rule.into(),
            message: message.into(),
        }
    }
}

/// Rules as the value of `x-kubernetes-validations`.
fn json(rules: &[Rule]) -> Value {
    rules
        .iter()
        .map(|rule| json!({"rule": rule.rule, "message": rule.message}))
        .collect()
}

/// Rules of the whole resource: its name fits into those of its pods, and the application's identity
/// in Kafka stays.
pub(crate) fn resource() -> Vec<Rule> {
    let most = limits::RESOURCE_NAME_LENGTH;
    let id = |of: &str| {
        format!("(has({of}.spec.applicationId) ? {of}.spec.applicationId : {of}.metadata.name)")
    };
    vec![
        Rule::new(
            format!(
                "self.metadata.name.size() <= {most} && \
                 self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')"
            ),
            format!(
                "metadata.name must be at most {most} lower-case letters, digits and '-', and begin \
                 with a letter: pods and a Service are named after it"
            ),
        ),
        Rule::new(
            format!("{} == {}", id("self"), id("oldSelf")),
            "spec.applicationId cannot change: another id is another application, without state and \
             offsets; create a StreamApp of another name for it",
        ),
    ]
}

/// Rules of `spec.kafka`.
pub(crate) fn kafka() -> Value {
    let governed = |block: &str, properties: &[&str]| {
        Rule::new(
            format!(
                "!has(self.{block}) || !has(self.properties) || \
                 !{properties:?}.exists(name, name in self.properties)"
            ),
            format!(
                "spec.kafka.{block} governs these: leave them out of spec.kafka.properties: {}",
                properties.join(", ")
            ),
        )
    };
    json(&[governed("tls", TLS_OWNED), governed("sasl", SASL_OWNED)])
}

/// Rules of `spec.state`: what a StatefulSet's volumes cannot do.
pub(crate) fn state() -> Value {
    json(&[
        Rule::new(
            "self.ephemeral == oldSelf.ephemeral",
            "spec.state.ephemeral cannot change: create the StreamApp anew; with deletion.internalTopics \
             and deletion.consumerGroup at Retain it restores its state",
        ),
        Rule::new(
            "has(self.storageClassName) == has(oldSelf.storageClassName) && \
             (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",
            "spec.state.storageClassName cannot change: volumes stay in the class they were made in",
        ),
        Rule::new(
            "self.ephemeral || quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0",
            "spec.state.size cannot shrink: Kubernetes only lets volumes grow",
        ),
    ])
}

/// Rules of `spec.internalTopics.replicationFactor`.
pub(crate) fn replication_factor() -> Value {
    json(&[Rule::new(
        "self != 0",
        "spec.internalTopics.replicationFactor must be 1 to 100, or -1 for the brokers' default",
    )])
}

/// Rules of a stream of the topology.
pub(crate) fn stream() -> Value {
    json(&[exactly_one(&[
        "topic",
        "topics",
        "topicPattern",
        "from",
        "merge",
    ])])
}

/// Rules of a table of the topology.
pub(crate) fn table() -> Value {
    json(&[exactly_one(&["topic", "from"])])
}

/// Exactly one of the fields is set.
pub(crate) fn exactly_one(fields: &[impl AsRef<str>]) -> Rule {
    let names: Vec<&str> = fields.iter().map(AsRef::as_ref).collect();
    let set: Vec<String> = names
        .iter()
        .map(|name| format!("has(self.{name})"))
        .collect();
    Rule::new(
        format!("[{}].exists_one(set, set)", set.join(", ")),
        format!(
            "exactly one of these fields must be set: {}",
            names.join(", ")
        ),
    )
}
