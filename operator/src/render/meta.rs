//! Names, labels, annotations and owners of an application's objects.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference};
use kube::core::ObjectMeta;
use kube::{Resource, ResourceExt};
use millrace_crds::StreamApp;

/// Label of all objects of an application: the StreamApp's name.
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
/// Label of all objects of all applications: what they are.
pub(super) const NAME_LABEL: &str = "app.kubernetes.io/name";
/// Label of all objects that this operator writes.
pub(super) const MANAGED_LABEL: &str = "app.kubernetes.io/managed-by";
/// Value of [`NAME_LABEL`].
const WORKER: &str = "millrace-worker";
/// Value of [`MANAGED_LABEL`], and name of the operator's own pods.
pub(super) const OPERATOR: &str = "millrace-operator";
/// Selector of all objects that this operator manages.
pub const MANAGED: &str = "app.kubernetes.io/managed-by=millrace-operator";
/// Annotation of pods: digest of the mounted files they were last told of.
pub const RUNTIME_ANNOTATION: &str = "millrace.dev/runtime";
/// Annotation of a StreamApp, copied to its pods: another value restarts them.
pub const RESTART_ANNOTATION: &str = "millrace.dev/restart";

/// Annotation of a StreamApp: stores, separated by commas, whose state an edit may give up.
pub const GIVE_UP_ANNOTATION: &str = "millrace.dev/give-up-stores";

/// Annotation of pods: how many tasks there were when they started. A worker looks at its topics'
/// partitions once, at its start.
pub const TASKS_ANNOTATION: &str = "millrace.dev/tasks";

/// Name of the StatefulSet, and so of its pods, ServiceAccount, PodDisruptionBudget and NetworkPolicy.
pub fn stateful_set_name(app: &StreamApp) -> String {
    app.name_any()
}

/// Name of the headless Service.
pub fn service_name(app: &StreamApp) -> String {
    format!("{}-workers", app.name_any())
}

/// Name of the runtime ConfigMap.
pub fn runtime_name(app: &StreamApp) -> String {
    format!("{}-runtime", app.name_any())
}

/// The restart that a StreamApp asks for.
pub fn restart_requested(app: &StreamApp) -> Option<&str> {
    app.annotations()
        .get(RESTART_ANNOTATION)
        .map(String::as_str)
}

/// The stores whose state may be given up.
pub fn given_up_stores(app: &StreamApp) -> Vec<&str> {
    let named = app.annotations().get(GIVE_UP_ANNOTATION);
    let names = named.into_iter().flat_map(|names| names.split(','));
    names.map(str::trim).collect()
}

/// Selector of an application's objects, by its StreamApp's name.
pub fn selector(name: &str) -> String {
    let labels: Vec<String> = labels(name)
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    labels.join(",")
}

/// Labels of all objects of an application. The StatefulSet selects its pods by them, which cannot be
/// changed later: they hold nothing that could change.
pub(super) fn labels(name: &str) -> BTreeMap<String, String> {
    [
        (INSTANCE_LABEL, name),
        (MANAGED_LABEL, OPERATOR),
        (NAME_LABEL, WORKER),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// The same as a selector.
pub(super) fn label_selector(app: &StreamApp) -> LabelSelector {
    LabelSelector {
        match_labels: Some(labels(&app.name_any())),
        match_expressions: None,
    }
}

/// Metadata of an object of the application, which Kubernetes deletes with the StreamApp.
pub(super) fn metadata(app: &StreamApp, name: String) -> ObjectMeta {
    let owner: Option<OwnerReference> = app.controller_owner_ref(&());
    ObjectMeta {
        name: Some(name),
        namespace: app.namespace(),
        labels: Some(labels(&app.name_any())),
        owner_references: owner.map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}
