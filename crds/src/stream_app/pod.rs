//! [`PodOverrides`]: what users change of the pods.
//!
//! Parts that are Kubernetes' own types are kept as they were written: spelled out, they would make
//! the CRD many times larger, and age with each release of Kubernetes. The operator reads them when it
//! renders the pods, and reports what it cannot read.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::limits;

/// An object of one of Kubernetes' own types, as it was written.
pub type CoreObject = Map<String, Value>;

/// What is changed of the pods. Lists and maps are added to what the operator sets, single values
/// replace it. A change rolls the pods, one at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodOverrides {
    /// Labels to add, at most 50. Refused are the operator's own: `app.kubernetes.io/name`, `instance`
    /// and `managed-by`, and those that begin with `millrace.dev/`. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = limits::LABELS))]
    #[schemars(extend("additionalProperties" = text(limits::LABEL_LENGTH)))]
    pub labels: BTreeMap<String, String>,
    /// Annotations to add, at most 50, values up to 16384 characters. Those that begin with
    /// `millrace.dev/` are the operator's and refused. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = limits::LABELS))]
    #[schemars(extend("additionalProperties" = text(limits::ANNOTATION_LENGTH)))]
    pub annotations: BTreeMap<String, String>,
    /// Resources of the worker's container. The memory limit also sets the sizes of its caches and
    /// buffers. Default: requests of 100m CPU and 1Gi memory, limit of 1Gi memory. A core/v1
    /// ResourceRequirements: see `kubectl explain pod.spec.containers.resources`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "object")]
    pub resources: Option<CoreObject>,
    /// Which nodes, and beside which pods. Default: pods of the application prefer different nodes. A
    /// core/v1 Affinity: see `kubectl explain pod.spec.affinity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "object")]
    pub affinity: Option<CoreObject>,
    /// Taints of nodes that are tolerated, at most 50. Default: none. A list of core/v1 Toleration: see
    /// `kubectl explain pod.spec.tolerations`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "objects")]
    pub tolerations: Vec<CoreObject>,
    /// How pods are spread over zones and nodes, at most 50. Default: none. A list of core/v1
    /// TopologySpreadConstraint: see `kubectl explain pod.spec.topologySpreadConstraints`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "objects")]
    pub topology_spread_constraints: Vec<CoreObject>,
    /// Labels a node must have, at most 50. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = limits::LABELS))]
    #[schemars(extend("additionalProperties" = text(limits::LABEL_LENGTH)))]
    pub node_selector: BTreeMap<String, String>,
    /// Environment variables of the worker's container to add, at most 50; names that the operator
    /// sets are refused. Default: none. A list of core/v1 EnvVar: see `kubectl explain
    /// pod.spec.containers.env`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "objects")]
    pub env: Vec<CoreObject>,
    /// Volumes to add, at most 50. Default: none. A list of core/v1 Volume: see `kubectl explain
    /// pod.spec.volumes`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "objects")]
    pub volumes: Vec<CoreObject>,
    /// Mounts of those volumes in the worker's container, at most 50. Default: none. A list of core/v1
    /// VolumeMount: see `kubectl explain pod.spec.containers.volumeMounts`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "objects")]
    pub volume_mounts: Vec<CoreObject>,
    /// Service account of the pods; it must exist, and no token of it is mounted. Default: one without
    /// rights, made by the operator under the application's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::OBJECT_NAME_LENGTH))]
    pub service_account_name: Option<String>,
    /// Security settings of the pod; each field given replaces the default's. Default: what the
    /// Pod Security Standard `restricted` asks: user and group 65532, not root, seccomp RuntimeDefault.
    /// A core/v1 PodSecurityContext: see `kubectl explain pod.spec.securityContext`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "object")]
    pub security_context: Option<CoreObject>,
    /// Security settings of the worker's container; each field given replaces the default's. Default:
    /// read-only root file system, no privilege escalation, all capabilities dropped. A core/v1
    /// SecurityContext: see `kubectl explain pod.spec.containers.securityContext`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "object")]
    pub container_security_context: Option<CoreObject>,
    /// Name of the pods' PriorityClass. Default: the cluster's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::OBJECT_NAME_LENGTH))]
    pub priority_class_name: Option<String>,
    /// Seconds a worker has to commit and to write its state to disk before it is killed, 5 to 3600.
    /// Killed earlier, it restores more at its next start; nothing is lost. Default: 60.
    #[serde(default = "sixty")]
    #[schemars(range(min = 5, max = limits::GRACE_PERIOD_SECONDS))]
    pub termination_grace_period_seconds: i64,
}

impl Default for PodOverrides {
    fn default() -> Self {
        Self {
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            resources: None,
            affinity: None,
            tolerations: Vec::new(),
            topology_spread_constraints: Vec::new(),
            node_selector: BTreeMap::new(),
            env: Vec::new(),
            volumes: Vec::new(),
            volume_mounts: Vec::new(),
            service_account_name: None,
            security_context: None,
            container_security_context: None,
            priority_class_name: None,
            termination_grace_period_seconds: sixty(),
        }
    }
}

fn sixty() -> i64 {
    60
}

/// Schema of a bounded text.
fn text(length: usize) -> Value {
    json!({"type": "string", "maxLength": length})
}

/// Schema of an object that is kept as written.
fn object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": true,
    })
}

/// Schema of a list of such objects.
pub(super) fn objects(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "maxItems": limits::CORE_OBJECTS,
        "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    })
}
