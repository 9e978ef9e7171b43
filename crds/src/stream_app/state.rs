//! [`StateSpec`]: a pod's local state.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy::Retention;
use crate::{limits, rules};

/// Local state of each pod: the stores of its tasks, restored from their changelog topics where the
/// disk has them not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules::state()))]
pub struct StateSpec {
    /// Size of each pod's volume: bytes as a whole number with a suffix such as `Gi`. It can grow, where
    /// the storage class allows that, and never shrink. Default: `10Gi`.
    #[serde(default = "ten_gibibytes")]
    #[schemars(length(min = 1, max = limits::QUANTITY_LENGTH))]
    #[schemars(regex(pattern = r"^[0-9]+(k|M|G|T|Ki|Mi|Gi|Ti)?$"))]
    pub size: String,
    /// Keeps state on the node (emptyDir, limited to `size`) instead of in a volume: a pod that moves
    /// restores all of it. Cannot change. Default: false.
    #[serde(default)]
    pub ephemeral: bool,
    /// Storage class of the volumes. Cannot change. Default: the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::OBJECT_NAME_LENGTH))]
    pub storage_class_name: Option<String>,
    /// Volumes of pods that fewer `replicas` remove, `Retain` or `Delete`. Kept, they save a restore when
    /// the pods come back. Those of a suspended application always stay. Default: `Retain`.
    #[serde(default)]
    pub when_scaled: Retention,
    /// When committed state goes from memory to disk. What is not on disk at a crash is restored from
    /// the changelog.
    #[serde(default)]
    pub flush: FlushSpec,
    /// Bytes that stores with `caching` hold back in a pod at most, 0 to 1073741824. Each task has its
    /// share, as if all ran there. Default: 10485760.
    #[serde(default = "ten_mebibytes")]
    #[schemars(range(min = 0, max = limits::CACHE_BYTES))]
    pub cache_bytes: i64,
}

impl Default for StateSpec {
    fn default() -> Self {
        Self {
            size: ten_gibibytes(),
            ephemeral: false,
            storage_class_name: None,
            when_scaled: Retention::default(),
            flush: FlushSpec::default(),
            cache_bytes: ten_mebibytes(),
        }
    }
}

fn ten_gibibytes() -> String {
    "10Gi".to_owned()
}

/// As Kafka Streams' `statestore.cache.max.bytes`.
fn ten_mebibytes() -> i64 {
    10 << 20
}

/// When committed state goes to disk: at whichever bound is reached first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FlushSpec {
    /// Changelog records of a task, 1 to 100000000. Default: 500000.
    #[serde(default = "half_a_million")]
    #[schemars(range(min = 1, max = limits::FLUSH_RECORDS))]
    pub records: i64,
    /// Milliseconds since the task's last flush, 100 to 3600000. Default: 10000.
    #[serde(default = "ten_seconds")]
    #[schemars(range(min = 100, max = limits::FLUSH_INTERVAL_MS))]
    pub interval_ms: i64,
}

impl Default for FlushSpec {
    fn default() -> Self {
        Self {
            records: half_a_million(),
            interval_ms: ten_seconds(),
        }
    }
}

fn half_a_million() -> i64 {
    500_000
}

fn ten_seconds() -> i64 {
    10_000
}
