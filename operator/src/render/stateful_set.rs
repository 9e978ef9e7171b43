//! The StatefulSet.

use kube::api::DynamicObject;
use millrace_crds::stream_app::Retention;
use millrace_crds::worker_api::{HTTP_PORT, RUNTIME_DIR, env};
use serde_json::{Value, json};

use super::config::{CONFIG_VOLUME, STREAM_APP_FILE};
use super::names::{RESTART_ANNOTATION, name, restart_requested, runtime_name, selector_labels};
use super::{RenderInput, object};

/// Where the accepted StreamApp is mounted.
const CONFIG_DIR: &str = "/etc/millrace/app";
/// Where the state is.
const STATE_DIR: &str = "/var/lib/millrace";
/// Name of the state's volume, and of its claim template.
const STATE_VOLUME: &str = "state";
/// User and group of the worker, as in its image.
const USER: i64 = 65532;

/// The StatefulSet. Neither replicas nor threads are in the template: a change of them restarts nobody.
pub(super) fn stateful_set(input: &RenderInput<'_>, config_map: &str) -> DynamicObject {
    let app = input.app;
    let state = &app.spec.state;
    let retention = |retention: Retention| match retention {
        Retention::Retain => "Retain",
        Retention::Delete => "Delete",
    };
    let mut spec = json!({
        "replicas": input.replicas,
        "serviceName": name(app),
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "RollingUpdate"},
        "selector": {"matchLabels": selector_labels(app)},
        "persistentVolumeClaimRetentionPolicy": {
            "whenDeleted": retention(app.spec.deletion.volumes),
            "whenScaled": retention(state.when_scaled),
        },
        "template": template(input, config_map),
    });
    if !state.ephemeral {
        let mut claim = json!({
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": state.size}},
        });
        if let Some(class) = &state.storage_class_name {
            claim["storageClassName"] = json!(class);
        }
        spec["volumeClaimTemplates"] = json!([{
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": STATE_VOLUME},
            "spec": claim,
        }]);
    }
    object(
        app,
        "apps/v1",
        "StatefulSet",
        &name(app),
        json!({"spec": spec}),
    )
}

fn template(input: &RenderInput<'_>, config_map: &str) -> Value {
    let app = input.app;
    let mut annotations = json!({});
    if let Some(restart) = restart_requested(app) {
        annotations[RESTART_ANNOTATION] = json!(restart);
    }
    let mut volumes = vec![
        json!({"name": CONFIG_VOLUME, "configMap": {"name": config_map}}),
        json!({"name": "runtime", "configMap": {"name": runtime_name(app)}}),
        json!({"name": "tmp", "emptyDir": {}}),
    ];
    if app.spec.state.ephemeral {
        let size = &app.spec.state.size;
        volumes.push(json!({"name": STATE_VOLUME, "emptyDir": {"sizeLimit": size}}));
    }
    json!({
        "metadata": {"labels": selector_labels(app), "annotations": annotations},
        "spec": {
            "serviceAccountName": name(app),
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": app.spec.pod.termination_grace_period_seconds,
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "volumes": volumes,
            "containers": [container(input)],
        },
    })
}

fn container(input: &RenderInput<'_>) -> Value {
    let app = input.app;
    let probe = |path: &str| json!({"httpGet": {"path": path, "port": "http"}});
    let with = |mut probe: Value, period: u32, failures: u32| {
        probe["periodSeconds"] = json!(period);
        probe["failureThreshold"] = json!(failures);
        probe["timeoutSeconds"] = json!(5);
        probe
    };
    let resources = app.spec.pod.resources.as_ref().map_or_else(
        || {
            json!({
                "requests": {"cpu": "500m", "memory": "1Gi"},
                "limits": {"memory": "1Gi"},
            })
        },
        |resources| json!(resources),
    );
    let mut container = json!({
        "name": "worker",
        "image": app.spec.image.as_deref().unwrap_or(input.worker_image),
        "args": ["run"],
        "env": [
            {"name": env::STREAM_APP_FILE, "value": format!("{CONFIG_DIR}/{STREAM_APP_FILE}")},
            {"name": env::STATE_DIR, "value": STATE_DIR},
            {"name": env::RUNTIME_DIR, "value": RUNTIME_DIR},
            {"name": env::INTERNAL_TOPICS, "value": "check"},
            {"name": env::HTTP, "value": format!("0.0.0.0:{HTTP_PORT}")},
        ],
        "ports": [{"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"}],
        "resources": resources,
        "livenessProbe": with(probe("/livez"), 10, 6),
        "readinessProbe": with(probe("/readyz"), 1, 3),
        // What the worker says last goes into the conditions.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": CONFIG_VOLUME, "mountPath": CONFIG_DIR, "readOnly": true},
            {"name": "runtime", "mountPath": RUNTIME_DIR, "readOnly": true},
            {"name": STATE_VOLUME, "mountPath": STATE_DIR},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    });
    if let Some(policy) = app.spec.image_pull_policy {
        container["imagePullPolicy"] = json!(policy.name());
    }
    container
}
