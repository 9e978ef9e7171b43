//! What the operator writes: pure functions from a StreamApp to Kubernetes objects.
//!
//! ```text
//!   StreamApp ─┬─► ConfigMap <app>-<hash>   immutable; what the engine needs to know
//!              ├─► ConfigMap <app>-runtime  replicas and threads, refreshed in running pods
//!              ├─► StatefulSet <app>        pods, volumes; mounts both
//!              ├─► Service <app>-workers    headless: names of the pods
//!              ├─► ServiceAccount, PodDisruptionBudget, NetworkPolicy <app>
//! ```
//!
//! What makes pods roll is the pod template, and only this is in it: the name of the immutable
//! ConfigMap (a hash of the engine's part of the spec, see [`app_file`]), `spec.image*`, `spec.pod`,
//! the Secrets of `spec.kafka`, whether state is ephemeral, the number of tasks, and the restart
//! annotation. Replicas, threads, the size of volumes and all policies are not.
//!
//! Nothing here asks a cluster or a clock: the same StreamApp gives the same objects, byte by byte.

mod access;
pub mod app_file;
mod container;
mod kafka_files;
mod meta;
mod network;
mod overrides;
mod pod;
mod stateful_set;

use k8s_openapi::api::apps::v1::StatefulSet;
use kube::core::DynamicObject;
use millrace_crds::worker_api::RuntimeSettings;
use millrace_crds::{Problem, StreamApp};
use serde::Serialize;

pub use app_file::accepted_app;
pub use meta::{
    GIVE_UP_ANNOTATION, INSTANCE_LABEL, MANAGED, RESTART_ANNOTATION, RUNTIME_ANNOTATION,
    TASKS_ANNOTATION, given_up_stores, restart_requested, runtime_name, selector, service_name,
    stateful_set_name,
};

/// What is rendered, and for whom.
pub struct RenderInput<'a> {
    /// The StreamApp: metadata with name, namespace and uid.
    pub app: &'a StreamApp,
    /// Image of StreamApps that name none.
    pub worker_image: &'a str,
    /// Namespace of the operator, from which it connects to workers.
    pub operator_namespace: &'a str,
    /// What the workers are told.
    pub settings: RuntimeSettings,
    /// Tasks of the application: with more of them pods start anew, one by one, and learn of them.
    pub tasks: usize,
    /// Pods of the StatefulSet: more than the settings say, while pods drain.
    pub replicas: u32,
}

/// The objects.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// Objects in the order of writing, the StatefulSet last; without the runtime ConfigMap.
    pub objects: Vec<DynamicObject>,
    /// Name of the immutable ConfigMap that pods start from.
    pub config_map: String,
}

/// Renders all objects but the runtime ConfigMap.
///
/// # Errors
/// What is wrong with `spec.pod` and `spec.networkPolicy.from`: parts that are not of Kubernetes' type,
/// or that would replace what the operator needs.
pub fn render(input: &RenderInput<'_>) -> Result<Rendered, Vec<Problem>> {
    let app = input.app;
    let overrides = overrides::read(&app.spec)?;
    let file = app_file::config_map(app)?;
    let config_map = file.metadata.name.clone().unwrap_or_default();
    let mut objects = vec![object(&file)?, object(&access::service(app))?];
    if app.spec.pod.service_account_name.is_none() {
        objects.push(object(&access::service_account(app))?);
    }
    if app.spec.pod_disruption_budget.enabled {
        objects.push(object(&access::disruption_budget(app))?);
    }
    if app.spec.network_policy.enabled {
        let policy = network::policy(app, input.operator_namespace, overrides.peers.clone());
        objects.push(object(&policy)?);
    }
    let set = stateful_set::stateful_set(input, &config_map, overrides);
    objects.push(object(&set)?);
    Ok(Rendered {
        objects,
        config_map,
    })
}

/// The ConfigMap with what running workers are told; refreshed in place, so that neither replicas nor
/// threads restart a pod.
pub fn runtime_config_map(app: &StreamApp, settings: RuntimeSettings) -> DynamicObject {
    app_file::runtime(app, settings)
}

/// Name of the ConfigMap that a StatefulSet's pods start from.
pub fn accepted_config_map(set: &StatefulSet) -> Option<String> {
    let volumes = set.spec.template.spec.as_ref()?.volumes.as_ref()?;
    let volume = volumes
        .iter()
        .find(|volume| volume.name == pod::APP_VOLUME)?;
    volume.config_map.as_ref().map(|map| map.name.clone())
}

/// A typed object in the form in which all are written.
fn object(typed: &impl Serialize) -> Result<DynamicObject, Vec<Problem>> {
    serde_json::to_value(typed)
        .and_then(serde_json::from_value)
        .map_err(|error| vec![problem("", format!("an object cannot be written: {error}"))])
}

/// A problem without a place in a file.
fn problem(path: impl Into<String>, message: impl Into<String>) -> Problem {
    Problem {
        path: path.into(),
        message: message.into(),
        help: None,
        location: None,
    }
}
