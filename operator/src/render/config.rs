//! The two ConfigMaps: what pods start from, and what they learn while they run.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::DynamicObject;
use millrace_crds::stream_app::{
    DeletionSpec, InternalTopicsSpec, NetworkPolicySpec, PodDisruptionBudgetSpec, PodOverrides,
    StateSpec, Threads,
};
use millrace_crds::worker_api::{RUNTIME_FILE, RuntimeSettings};
use millrace_crds::{StreamApp, StreamAppSpec};
use serde_json::json;

use super::names::{name, runtime_name};
use super::object;
use crate::compare;

/// Key of the accepted StreamApp in its ConfigMap, and name of the file.
pub(super) const STREAM_APP_FILE: &str = "streamapp.yaml";
/// Name of the volume with the accepted StreamApp.
pub(super) const CONFIG_VOLUME: &str = "config";

/// Name and object of the ConfigMap with what the worker needs of a StreamApp. What the operator alone
/// looks at is left out, so that a change of it restarts no pod.
pub(super) fn accepted(app: &StreamApp) -> (String, DynamicObject) {
    let spec = StreamAppSpec {
        replicas: 1,
        threads: Threads::Auto,
        suspend: false,
        image: None,
        image_pull_policy: None,
        image_pull_secrets: Vec::new(),
        pod: PodOverrides::default(),
        internal_topics: InternalTopicsSpec::default(),
        pod_disruption_budget: PodDisruptionBudgetSpec::default(),
        network_policy: NetworkPolicySpec::default(),
        deletion: DeletionSpec::default(),
        state: StateSpec {
            flush: app.spec.state.flush,
            ..StateSpec::default()
        },
        ..app.spec.clone()
    };
    // JSON is YAML.
    let document = json!({
        "apiVersion": "millrace.dev/v1alpha1",
        "kind": "StreamApp",
        "metadata": {"name": app.name_any()},
        "spec": spec,
    });
    let text = format!("{document:#}\n");
    let digest = compare::digest(&document);
    let name = format!("{}-{}", name(app), &digest[..10]);
    let data = json!({"immutable": true, "data": {STREAM_APP_FILE: text}});
    (name.clone(), object(app, "v1", "ConfigMap", &name, data))
}

/// Name of the ConfigMap that a StatefulSet's pods start from.
pub fn accepted_config_map(set: &StatefulSet) -> Option<String> {
    let pod = set.spec.template.spec.as_ref()?;
    let mut volumes = pod.volumes.iter().flatten();
    let volume = volumes.find(|volume| volume.name == CONFIG_VOLUME)?;
    Some(volume.config_map.as_ref()?.name.clone())
}

/// The StreamApp in such a ConfigMap; `None` where there is none that this version understands.
pub fn accepted_app(map: &ConfigMap) -> Option<StreamApp> {
    let text = map.data.as_ref()?.get(STREAM_APP_FILE)?;
    serde_json::from_str(text).ok()
}

/// The ConfigMap that the workers read their settings from while they run.
pub fn runtime_config_map(app: &StreamApp, settings: RuntimeSettings) -> DynamicObject {
    let data = json!({"data": {RUNTIME_FILE: json!(settings).to_string()}});
    object(app, "v1", "ConfigMap", &runtime_name(app), data)
}
