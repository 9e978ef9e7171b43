//! Names, labels and annotations.

use std::collections::BTreeMap;

use kube::ResourceExt;
use millrace_crds::StreamApp;

/// Label of all objects of an application: the StreamApp's name.
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
/// Label of what manages an object.
const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Label of what an object belongs to.
const NAME_LABEL: &str = "app.kubernetes.io/name";
/// Selector of all objects that this operator manages.
pub const MANAGED: &str = "app.kubernetes.io/managed-by=millrace-operator";
/// Annotation of pods: digest of the mounted files they were last told of.
pub const RUNTIME_ANNOTATION: &str = "millrace.dev/runtime";
/// Annotation of a StreamApp, copied to its pods: another value restarts them.
pub const RESTART_ANNOTATION: &str = "millrace.dev/restart";

/// Name of the application's objects.
pub(super) fn name(app: &StreamApp) -> String {
    app.name_any()
}

/// Name of the StatefulSet.
pub fn stateful_set_name(app: &StreamApp) -> String {
    name(app)
}

/// Name of the runtime ConfigMap.
pub fn runtime_name(app: &StreamApp) -> String {
    format!("{}-runtime", name(app))
}

/// Labels that all objects have, and by which pods are found. They never change: a StatefulSet's
/// selector cannot.
pub(super) fn selector_labels(app: &StreamApp) -> BTreeMap<String, String> {
    BTreeMap::from([
        (INSTANCE_LABEL.to_owned(), name(app)),
        (MANAGED_BY_LABEL.to_owned(), "millrace-operator".to_owned()),
        (NAME_LABEL.to_owned(), "millrace-worker".to_owned()),
    ])
}

/// Labels of an object.
pub(super) fn labels(app: &StreamApp) -> BTreeMap<String, String> {
    selector_labels(app)
}

/// Selector of an application's objects, by its StreamApp's name.
pub fn selector(name: &str) -> String {
    format!("{INSTANCE_LABEL}={name},{MANAGED}")
}

/// The restart that a StreamApp asks for.
pub fn restart_requested(app: &StreamApp) -> Option<&str> {
    app.annotations()
        .get(RESTART_ANNOTATION)
        .map(String::as_str)
}
