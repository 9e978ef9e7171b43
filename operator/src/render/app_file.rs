//! The ConfigMaps: the StreamApp as the engine needs it, and what changes at run time.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::core::{DynamicObject, TypeMeta};
use millrace_crds::worker_api::{RUNTIME_FILE, RuntimeSettings};
use millrace_crds::{Problem, StreamApp};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{meta, problem};

/// Key in the immutable ConfigMap, and name of the mounted file.
pub const APP_FILE: &str = "streamapp.yaml";

/// Fields of `spec` that the engine reads: a change of one makes another ConfigMap, and so rolls the
/// pods.
pub const ENGINE_FIELDS: &[&str] = &[
    "applicationId",
    "bufferedRecordsPerPartition",
    "commitIntervalMs",
    "defaults",
    "errors",
    "kafka",
    "maxTaskIdleMs",
    "processingGuarantee",
    "state",
    "topology",
];

/// Fields of `spec` that are the operator's alone, or that workers learn at run time.
pub const OPERATOR_FIELDS: &[&str] = &[
    "deletion",
    "image",
    "imagePullPolicy",
    "imagePullSecrets",
    "internalTopics",
    "networkPolicy",
    "pod",
    "podDisruptionBudget",
    "replicas",
    "suspend",
    "threads",
];

/// Fields of `spec.state` that are the operator's alone: a volume grows under a running pod.
pub const OPERATOR_STATE_FIELDS: &[&str] = &["ephemeral", "size", "storageClassName", "whenScaled"];

/// The immutable ConfigMap, named by the hash of its content: a pod that restarts while an edit is
/// refused or rolled out still finds what it ran with.
pub(super) fn config_map(app: &StreamApp) -> Result<ConfigMap, Vec<Problem>> {
    let text = engine_part(app)
        .and_then(|part| serde_saphyr::to_string(&part).map_err(|error| error.to_string()))
        .map_err(|error| {
            vec![problem(
                "spec",
                format!("cannot be written as YAML: {error}"),
            )]
        })?;
    let name = format!("{}-{}", app.name_any(), hash(&text));
    Ok(ConfigMap {
        metadata: meta::metadata(app, name),
        data: Some(BTreeMap::from([(APP_FILE.to_owned(), text)])),
        immutable: Some(true),
        binary_data: None,
    })
}

/// The StreamApp in such a ConfigMap; `None` where it has none that this version can read.
pub fn accepted_app(map: &ConfigMap) -> Option<StreamApp> {
    let text = map.data.as_ref()?.get(APP_FILE)?;
    millrace_crds::read(text, APP_FILE).ok()?.into_iter().next()
}

/// What the engine needs of a StreamApp, with the application id spelled out.
fn engine_part(app: &StreamApp) -> Result<Value, String> {
    let spec = serde_json::to_value(&app.spec).map_err(|error| error.to_string())?;
    let Value::Object(mut spec) = spec else {
        return Err("it is not an object".to_owned());
    };
    spec.retain(|field, _| !OPERATOR_FIELDS.contains(&field.as_str()));
    if let Some(Value::Object(state)) = spec.get_mut("state") {
        state.retain(|field, _| !OPERATOR_STATE_FIELDS.contains(&field.as_str()));
    }
    spec.insert("applicationId".to_owned(), app.application_id().into());
    let head = json!({
        "apiVersion": "millrace.dev/v1alpha1",
        "kind": "StreamApp",
        "metadata": {"name": app.name_any()},
        "spec": sorted(spec),
    });
    Ok(head)
}

/// The same object with its keys in order, whatever the order of the map.
fn sorted(object: Map<String, Value>) -> Value {
    let ordered: BTreeMap<String, Value> = object.into_iter().collect();
    Value::Object(ordered.into_iter().collect())
}

/// The first 10 hex digits of a text's SHA-256: enough to tell the versions of one application apart,
/// short enough for the label of a pod.
fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .take(5)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The ConfigMap whose file the workers watch.
pub(super) fn runtime(app: &StreamApp, settings: RuntimeSettings) -> DynamicObject {
    let content = json!(settings);
    DynamicObject {
        types: Some(TypeMeta {
            api_version: "v1".to_owned(),
            kind: "ConfigMap".to_owned(),
        }),
        metadata: meta::metadata(app, meta::runtime_name(app)),
        data: json!({"data": {RUNTIME_FILE: content.to_string()}}),
    }
}
