//! The StreamApp resource: one stream application, declared.
//!
//! These are the types of what users write, and the source of the CRD's schema: each doc comment
//! below is what `kubectl explain` shows. They hold what was written; whether it makes sense is
//! [`plan`](mod@crate::plan)'s to say.

// Each printer column has a type, most the same: clippy takes them for one attribute said twice.
#![allow(clippy::duplicated_attributes)]

mod errors;
mod kafka;
mod pod;
mod policy;
mod quantity;
mod security;
mod state;
mod status;
mod threads;

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use errors::{AfterRetries, ErrorPolicy, ErrorsSpec, RetrySpec};
pub use kafka::KafkaSpec;
pub(crate) use kafka::{SASL_OWNED, TLS_OWNED};
pub use pod::{CoreObject, PodOverrides};
pub use policy::{
    DeletionSpec, ImagePullPolicy, InternalTopicsSpec, NetworkPolicySpec, PodDisruptionBudgetSpec,
    Retention, SecretName,
};
pub(crate) use quantity::bytes as quantity_bytes;
pub use security::{CertificateSecret, SaslMechanism, SaslSpec, SecretKey, TlsSpec};
pub use state::{FlushSpec, StateSpec};
pub use status::{ConditionType, Reason, StreamAppStatus, SubtopologyStatus};
pub use threads::Threads;

use crate::limits;
use crate::topology::{SerdeName, Topology};

/// A stream application: a topology of streams and tables over Kafka topics, run by one or more pods.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "millrace.dev",
    version = "v1alpha1",
    kind = "StreamApp",
    plural = "streamapps",
    shortname = "sapp",
    category = "streaming",
    namespaced,
    derive = "PartialEq",
    status = "StreamAppStatus",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether all wanted pods run the accepted topology"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Why it is ready or not",
        priority = 1
    ),
    printcolumn(
        name = "Replicas",
        type_ = "integer",
        json_path = ".status.replicas",
        description = "Pods that exist"
    ),
    printcolumn(
        name = "Ready-Replicas",
        type_ = "integer",
        json_path = ".status.readyReplicas",
        description = "Pods that are restored and at work",
        priority = 1
    ),
    printcolumn(
        name = "Tasks",
        type_ = "integer",
        json_path = ".status.tasks",
        description = "Tasks of the application"
    ),
    printcolumn(
        name = "Threads",
        type_ = "integer",
        json_path = ".status.threads",
        description = "Stream threads of each pod"
    ),
    printcolumn(
        name = "Lag",
        type_ = "string",
        json_path = ".status.lagText",
        description = "Records not yet processed, or unknown"
    ),
    printcolumn(
        name = "Restoring",
        type_ = "string",
        json_path = ".status.restoring",
        description = "Restore in progress"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Time since it was created"
    ),
    doc = "A stream application: a topology of streams and tables over Kafka topics. A new value of the \
           annotation `millrace.dev/restart` restarts its pods, one at a time."
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamAppSpec {
    /// Name of the application in Kafka: its consumer group, the prefix of its internal topics and of
    /// its transactional ids. 1 to 100 letters, digits, `.`, `_` and `-`. Default: `metadata.name`.
    /// Another id is another application: it starts without state and without offsets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::APPLICATION_ID_LENGTH))]
    #[schemars(regex(pattern = r"^[a-zA-Z0-9._-]+$"))]
    pub application_id: Option<String>,

    /// Number of pods, 0 to 1000. Default: 1. Tasks (one per partition and subtopology) are divided
    /// over all their threads; more threads than tasks idle. A change restarts no pod. Leave it out
    /// where an autoscaler sets it.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = limits::REPLICAS))]
    pub replicas: i32,

    /// Stream threads per pod: `auto` (tasks divided by replicas, rounded up) or a number from 1 to
    /// 100. Default: `auto`.
    #[serde(default)]
    pub threads: Threads,

    /// Stops the application without losing anything: its pods commit, leave the group and are removed;
    /// state, topics and offsets are kept. Default: false.
    #[serde(default)]
    pub suspend: bool,

    /// The Kafka cluster that has all topics of the application.
    pub kafka: KafkaSpec,

    /// `exactly_once_v2`: each record counts once in state, outputs and offsets, by one Kafka
    /// transaction per thread and commit. `at_least_once`: after a crash some records are processed
    /// again. Default: `exactly_once_v2`.
    #[serde(default)]
    pub processing_guarantee: ProcessingGuarantee,

    /// Milliseconds between commits. Default: 100 under `exactly_once_v2` (1 to 5000: readers see
    /// results only after the commit), 30000 under `at_least_once` (1 to 300000).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = limits::COMMIT_INTERVAL_MS))]
    pub commit_interval_ms: Option<i64>,

    /// Milliseconds a task with several inputs waits for one that is empty, to take records in the
    /// order of their timestamps (KIP-695). 0: waits only until what is on the broker has been
    /// fetched; -1: never waits; at most 3600000. Default: 0.
    #[serde(default)]
    #[schemars(range(min = -1, max = limits::MAX_TASK_IDLE_MS))]
    pub max_task_idle_ms: i64,

    /// Formats of keys and values where a source, store or sink names none.
    #[serde(default)]
    pub defaults: DefaultsSpec,

    /// Local state of each pod.
    #[serde(default)]
    pub state: StateSpec,

    /// What to do with records that cannot be read, processed or written.
    #[serde(default)]
    pub errors: ErrorsSpec,

    /// Records buffered per input partition before its fetching pauses, 1 to 100000. Default: 1000.
    #[serde(default = "thousand")]
    #[schemars(range(min = 1, max = limits::BUFFERED_RECORDS))]
    pub buffered_records_per_partition: i32,

    /// What the application does.
    pub topology: Topology,

    /// Image of the worker. Default: the one the operator was installed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::IMAGE_LENGTH))]
    pub image: Option<String>,

    /// When the image is pulled. Default: as Kubernetes does, `Always` for the tag `latest`, else
    /// `IfNotPresent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<ImagePullPolicy>,

    /// Secrets of the image's registry, at most 10. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::PULL_SECRETS))]
    pub image_pull_secrets: Vec<SecretName>,

    /// What is changed of the pods.
    #[serde(default)]
    pub pod: PodOverrides,

    /// The internal topics.
    #[serde(default)]
    pub internal_topics: InternalTopicsSpec,

    /// How many pods may be gone at once for the cluster's upkeep.
    #[serde(default)]
    pub pod_disruption_budget: PodDisruptionBudgetSpec,

    /// Who may connect to the pods.
    #[serde(default)]
    pub network_policy: NetworkPolicySpec,

    /// What becomes of the application's data when the StreamApp is deleted.
    #[serde(default)]
    pub deletion: DeletionSpec,
}

fn one() -> i32 {
    1
}

fn thousand() -> i32 {
    1000
}

/// How often a record may count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProcessingGuarantee {
    /// Exactly once, by transactions (EOS version 2, KIP-447).
    #[default]
    ExactlyOnceV2,
    /// At least once: after a crash some records are processed again.
    AtLeastOnce,
}

/// Formats where none is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DefaultsSpec {
    /// Format of keys. Default: `bytes`.
    #[serde(default)]
    pub key: SerdeName,
    /// Format of values. Default: `bytes`.
    #[serde(default)]
    pub value: SerdeName,
}

impl StreamApp {
    /// The application's name in Kafka: `spec.applicationId`, else `metadata.name`; empty where there
    /// is neither, which [`plan`](fn@crate::plan) refuses.
    pub fn application_id(&self) -> &str {
        let name = self.metadata.name.as_deref();
        self.spec
            .application_id
            .as_deref()
            .or(name)
            .unwrap_or_default()
    }
}

impl StreamAppSpec {
    /// A topology on a Kafka cluster (`host:port`, several separated by commas), all else by default.
    pub fn new(bootstrap_servers: impl Into<String>, topology: Topology) -> Self {
        Self {
            application_id: None,
            replicas: one(),
            threads: Threads::default(),
            suspend: false,
            kafka: KafkaSpec {
                bootstrap_servers: bootstrap_servers.into(),
                tls: None,
                sasl: None,
                properties: BTreeMap::new(),
            },
            processing_guarantee: ProcessingGuarantee::default(),
            commit_interval_ms: None,
            max_task_idle_ms: 0,
            defaults: DefaultsSpec::default(),
            state: StateSpec::default(),
            errors: ErrorsSpec::default(),
            buffered_records_per_partition: thousand(),
            topology,
            image: None,
            image_pull_policy: None,
            image_pull_secrets: Vec::<SecretName>::default(),
            pod: PodOverrides::default(),
            internal_topics: InternalTopicsSpec::default(),
            pod_disruption_budget: PodDisruptionBudgetSpec::default(),
            network_policy: NetworkPolicySpec::default(),
            deletion: DeletionSpec::default(),
        }
    }

    /// Milliseconds between commits, by the guarantee where none is given. The defaults are Kafka
    /// Streams' own.
    pub fn commit_interval_ms(&self) -> i64 {
        self.commit_interval_ms
            .unwrap_or(match self.processing_guarantee {
                ProcessingGuarantee::ExactlyOnceV2 => 100,
                ProcessingGuarantee::AtLeastOnce => 30_000,
            })
    }
}
