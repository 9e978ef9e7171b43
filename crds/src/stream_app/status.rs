//! [`StreamAppStatus`]: what the operator found out about a StreamApp.

mod condition;
mod reason;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use condition::ConditionType;
pub use reason::Reason;

use crate::limits;

/// What the operator found out. Written by the operator alone; whatever is not known is left out, or
/// said to be unknown, and never shown as 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamAppStatus {
    /// `metadata.generation` that this status is about; an older one means that the operator has not
    /// seen the last edit yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// State of affairs, one entry per type: Ready, Progressing, Degraded, TopologyAccepted, Restoring,
    /// ScaleLimited, Suspended. The guide "The StreamApp resource" lists their reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend(
        "maxItems" = limits::CONDITIONS,
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["type"],
    ))]
    pub conditions: Vec<Condition>,
    /// Name of the application in Kafka: consumer group and prefix of internal topics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::APPLICATION_ID_LENGTH))]
    pub application_id: Option<String>,
    /// Id of the Kafka cluster, as its brokers say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::STATUS_TEXT_LENGTH))]
    pub kafka_cluster_id: Option<String>,
    /// Pods that exist.
    #[serde(default)]
    pub replicas: i32,
    /// Pods that are ready: their state is restored and their tasks run.
    #[serde(default)]
    pub ready_replicas: i32,
    /// Label selector of the pods, as text, for autoscalers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::STATUS_TEXT_LENGTH))]
    pub selector: Option<String>,
    /// Tasks of the application: one per subtopology and partition. Absent until partitions are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<i32>,
    /// Stream threads of each pod. Absent until tasks are known, where `spec.threads` is `auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<i32>,
    /// Records that are in the inputs and not yet processed, over all tasks. Absent while one task's
    /// lag is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<i64>,
    /// The same as text: a number, or `unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::STATUS_TEXT_LENGTH))]
    pub lag_text: Option<String>,
    /// Restore in progress, such as `2 tasks, 43 %`; empty where nothing is restored, absent while
    /// that is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::STATUS_TEXT_LENGTH))]
    pub restoring: Option<String>,
    /// Hash of the accepted topology: what all running workers must agree on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::STATUS_TEXT_LENGTH))]
    pub topology_hash: Option<String>,
    /// Name of the ConfigMap that holds the accepted StreamApp, from which pods start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::OBJECT_NAME_LENGTH))]
    pub accepted_config_map: Option<String>,
    /// Parts of the accepted topology that run as tasks of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::SUBTOPOLOGIES))]
    pub subtopologies: Vec<SubtopologyStatus>,
}

/// A part of the topology that is connected by more than topics: all its inputs have the same number of
/// partitions, and there is a task for each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubtopologyStatus {
    /// Number of the subtopology, from 0; the first part of its tasks' ids.
    pub id: i32,
    /// Its tasks: as many as its inputs have partitions. Absent while that is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<i32>,
    /// Topics it reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::SUBTOPOLOGIES * limits::TOPICS))]
    #[schemars(inner(length(max = limits::TOPIC_LENGTH)))]
    pub sources: Vec<String>,
    /// Its stores, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::SUBTOPOLOGIES * limits::STEPS))]
    #[schemars(inner(length(max = limits::NAME_LENGTH)))]
    pub stores: Vec<String>,
}
