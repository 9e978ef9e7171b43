//! What the operator does around the pods: clean-up, internal topics, disruption, network.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pod::CoreObject;
use crate::limits;

/// Whether something outlives what it belonged to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline, transform = crate::topology::field_describes)]
pub enum Retention {
    /// It stays.
    #[default]
    Retain,
    /// It is deleted.
    Delete,
}

/// When an image is pulled, as in core/v1 Container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline, transform = crate::topology::field_describes)]
pub enum ImagePullPolicy {
    /// At each start of a container.
    Always,
    /// Where the node has it not.
    IfNotPresent,
    /// Never: the node must have it.
    Never,
}

impl ImagePullPolicy {
    /// The name in core/v1.
    pub fn name(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// A Secret in the namespace of the StreamApp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretName {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = limits::OBJECT_NAME_LENGTH))]
    pub name: String,
}

/// What becomes of the application's data when the StreamApp is deleted. By default all of it stays, as
/// Kubernetes keeps the volumes of a StatefulSet: a StreamApp of the same name goes on where this one
/// stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeletionSpec {
    /// Changelog, repartition and tasks topics, `Retain` or `Delete`. The dead-letter topic always
    /// stays: it has records that nobody else has. Default: `Retain`.
    #[serde(default)]
    pub internal_topics: Retention,
    /// The consumer group with its committed offsets, `Retain` or `Delete`. Delete it together with
    /// the topics and volumes: state without offsets does not start. Default: `Retain`.
    #[serde(default)]
    pub consumer_group: Retention,
    /// The pods' volumes, `Retain` or `Delete`. Default: `Retain`.
    #[serde(default)]
    pub volumes: Retention,
}

/// The internal topics that the operator creates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InternalTopicsSpec {
    /// Replicas of each partition, 1 to 100, or -1 for the brokers' `default.replication.factor`. Topics
    /// that exist are left as they are. Default: -1.
    #[serde(default = "broker_default")]
    #[schemars(range(min = -1, max = limits::REPLICATION_FACTOR))]
    #[schemars(extend("x-kubernetes-validations" = crate::rules::replication_factor()))]
    pub replication_factor: i32,
}

impl Default for InternalTopicsSpec {
    fn default() -> Self {
        Self {
            replication_factor: broker_default(),
        }
    }
}

/// How many pods may be gone at once for the sake of the cluster's upkeep, such as the drain of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodDisruptionBudgetSpec {
    /// Whether the operator makes a PodDisruptionBudget. Default: true.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Pods that may be gone at once, 1 to 1000. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = limits::REPLICAS))]
    pub max_unavailable: i32,
}

impl Default for PodDisruptionBudgetSpec {
    fn default() -> Self {
        Self {
            enabled: true,
            max_unavailable: one(),
        }
    }
}

/// Who may connect to the pods. Connections from the pods are not restricted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkPolicySpec {
    /// Whether the operator makes a NetworkPolicy: the HTTP port (8080: probes, status, metrics, state
    /// queries) is open to the operator, to pods of the same application, to namespaces labelled
    /// `millrace.dev/access: "true"`, and to those of `from`. Default: true.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Who else may connect to the HTTP port, at most 50. Default: none. A list of networking.k8s.io/v1
    /// NetworkPolicyPeer: see `kubectl explain networkpolicy.spec.ingress.from`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "super::pod::objects")]
    pub from: Vec<CoreObject>,
}

impl Default for NetworkPolicySpec {
    fn default() -> Self {
        Self {
            enabled: true,
            from: Vec::new(),
        }
    }
}

fn yes() -> bool {
    true
}

fn one() -> i32 {
    1
}

fn broker_default() -> i32 {
    -1
}
