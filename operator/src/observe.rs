//! What there is: [`Observed`], everything a decision is made from, gathered anew each time.
//!
//! Nothing is remembered between two looks but what the cluster itself holds: an operator that starts
//! in the middle of anything sees the same and decides the same.

mod gather;
mod kind;
mod patterns;
mod pod;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use kube::ResourceExt;
use kube::api::DynamicObject;
use millrace_crds::plan::Plan;
use millrace_crds::stream_app::Reason;
use millrace_crds::{Problem, StreamApp};

pub use gather::Gather;
pub use kind::{KINDS, Kind};
pub use pod::PodView;

use crate::kafka::KafkaFacts;
use crate::workers::Answer;

/// The state of one StreamApp's world. Not `Debug`: it holds Secrets.
#[derive(Clone)]
pub struct Observed {
    /// The resource, with the topics that its patterns match in their place.
    pub app: StreamApp,
    /// The time of the look.
    pub now: Timestamp,
    /// What the spec's topology means, or what is wrong with it.
    pub plan: Result<Plan, Vec<Problem>>,
    /// Topics that match a pattern and are not read, in words.
    pub held_back: Option<String>,
    /// The topology that pods run or last ran.
    pub accepted: Option<Accepted>,
    /// What Kafka says.
    pub kafka: KafkaView,
    /// The Secrets that the way to Kafka needs; those that do not exist are absent.
    pub secrets: Secrets,
    /// The StreamApp that has our application id on our cluster, as `namespace/name`.
    pub rival: Option<String>,
    /// The objects of the application.
    pub live: Live,
    /// What the workers answered, by ordinal.
    pub workers: BTreeMap<u32, Answer>,
}

/// A topology that pods were started with.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The ConfigMap it is in.
    pub config_map: String,
    /// What it means. `None` where this operator cannot read it.
    pub plan: Option<Plan>,
}

/// Secrets by name.
pub type Secrets = BTreeMap<String, Secret>;

/// What Kafka says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KafkaView {
    /// It was not asked: there is nothing to ask for.
    NotAsked,
    /// It could not be asked: why, and in which words.
    Failed(Reason, String),
    /// What it has.
    Facts(KafkaFacts),
}

/// The objects of an application in its namespace, those that have its labels.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// All of [`KINDS`], by kind and name.
    pub objects: BTreeMap<(Kind, String), DynamicObject>,
    /// The StatefulSet among them, typed.
    pub stateful_set: Option<StatefulSet>,
    /// Pods, by ordinal.
    pub pods: BTreeMap<u32, PodView>,
    /// The pods' volume claims.
    pub claims: Vec<PersistentVolumeClaim>,
}

impl Observed {
    /// Versions of the Secrets: another one for each change, and nothing of what is in them.
    pub fn secret_versions(&self) -> BTreeMap<&str, String> {
        let all = self.secrets.iter();
        all.map(|(name, secret)| (name.as_str(), secret.resource_version().unwrap_or_default()))
            .collect()
    }
}

impl Live {
    /// Wanted pods of the StatefulSet; 0 where there is none.
    pub fn replicas(&self) -> u32 {
        let replicas = |set: &StatefulSet| set.spec.replicas.unwrap_or(1).max(0).unsigned_abs();
        self.stateful_set.as_ref().map_or(0, replicas)
    }

    /// The revision that the StatefulSet rolls out, once its controller has seen its last change.
    pub fn update_revision(&self) -> Option<&str> {
        let set = self.stateful_set.as_ref()?;
        let status = set.status.as_ref()?;
        (status.observed_generation == set.metadata.generation)
            .then_some(status.update_revision.as_deref())
            .flatten()
    }

    /// Names of the ConfigMaps that pods or the StatefulSet's template mount.
    pub fn mounted_config_maps(&self) -> BTreeSet<String> {
        let pods = self.pods.values();
        let mut names: BTreeSet<String> = pods.flat_map(|pod| pod.config_maps.clone()).collect();
        let template = self
            .stateful_set
            .as_ref()
            .and_then(|set| set.spec.template.spec.as_ref());
        if let Some(spec) = template {
            names.extend(pod::config_maps(spec));
        }
        names
    }
}
