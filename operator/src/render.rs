//! What the operator writes: pure functions from a StreamApp to Kubernetes objects. No cluster, no
//! clock: the same input gives the same objects, byte for byte.
//!
//! | object | name | holds |
//! |---|---|---|
//! | ServiceAccount | `<app>` | nothing: workers do not talk to the API server |
//! | ConfigMap, immutable | `<app>-<digest>` | the accepted StreamApp, from which pods start |
//! | ConfigMap | `<app>-runtime` | replicas and threads, which workers read while they run |
//! | Service, headless | `<app>` | the pods' names |
//! | StatefulSet | `<app>` | the pods |

mod config;
mod names;
mod stateful_set;

use kube::api::DynamicObject;
use millrace_crds::worker_api::RuntimeSettings;
use millrace_crds::{Problem, StreamApp};
use serde_json::{Value, json};

pub use config::{accepted_app, accepted_config_map, runtime_config_map};
pub use names::{
    INSTANCE_LABEL, MANAGED, RESTART_ANNOTATION, RUNTIME_ANNOTATION, restart_requested,
    runtime_name, selector, stateful_set_name,
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
    /// Pods of the StatefulSet: more than the settings say, while pods drain.
    pub replicas: u32,
}

/// The objects.
pub struct Rendered {
    /// Objects in the order of writing, the StatefulSet last; without the runtime ConfigMap.
    pub objects: Vec<DynamicObject>,
    /// Name of the immutable ConfigMap that pods start from.
    pub config_map: String,
}

/// Renders all objects but the runtime ConfigMap.
///
/// # Errors
/// Parts of `spec.pod` that are not of the type they should be.
pub fn render(input: &RenderInput<'_>) -> Result<Rendered, Vec<Problem>> {
    let app = input.app;
    let (config_map, accepted) = config::accepted(app);
    let objects = vec![
        object(
            app,
            "v1",
            "ServiceAccount",
            &names::name(app),
            json!({
                "automountServiceAccountToken": false,
            }),
        ),
        accepted,
        object(
            app,
            "v1",
            "Service",
            &names::name(app),
            json!({"spec": {
                "clusterIP": "None",
                "publishNotReadyAddresses": true,
                "selector": names::selector_labels(app),
                "ports": [{"name": "http", "port": 8080, "protocol": "TCP", "targetPort": "http"}],
            }}),
        ),
        stateful_set::stateful_set(input, &config_map),
    ];
    Ok(Rendered {
        objects,
        config_map,
    })
}

/// An object of an application: with its labels, and owned by its StreamApp.
fn object(app: &StreamApp, version: &str, kind: &str, name: &str, data: Value) -> DynamicObject {
    let metadata = kube::api::ObjectMeta {
        name: Some(name.to_owned()),
        namespace: app.metadata.namespace.clone(),
        labels: Some(names::labels(app)),
        owner_references: kube::Resource::controller_owner_ref(app, &()).map(|owner| vec![owner]),
        ..kube::api::ObjectMeta::default()
    };
    DynamicObject {
        types: Some(kube::core::TypeMeta {
            api_version: version.to_owned(),
            kind: kind.to_owned(),
        }),
        metadata,
        data,
    }
}
