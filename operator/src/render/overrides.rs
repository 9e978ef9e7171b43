//! Parts of the spec that are of Kubernetes' own types: read here, with problems by field.
//!
//! They are kept as written in the resource (see [`PodOverrides`](millrace_crds::stream_app::PodOverrides)),
//! so the API server has not looked at them.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{
    Affinity, EnvVar, PodSecurityContext, ResourceRequirements, SecurityContext, Toleration,
    TopologySpreadConstraint, Volume, VolumeMount,
};
use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use millrace_crds::stream_app::CoreObject;
use millrace_crds::{Problem, StreamAppSpec};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{container, meta, pod, problem};

/// Beginnings of labels that are not the user's.
const OWN_LABELS: &[&str] = &[
    meta::INSTANCE_LABEL,
    meta::MANAGED_LABEL,
    meta::NAME_LABEL,
    "millrace.dev/",
];
/// Beginnings of annotations that are not the user's.
const OWN_ANNOTATIONS: &[&str] = &["millrace.dev/"];

/// The parts, typed.
pub(super) struct Overrides {
    pub(super) resources: Option<ResourceRequirements>,
    pub(super) affinity: Option<Affinity>,
    pub(super) tolerations: Vec<Toleration>,
    pub(super) topology_spread_constraints: Vec<TopologySpreadConstraint>,
    pub(super) env: Vec<EnvVar>,
    pub(super) volumes: Vec<Volume>,
    pub(super) volume_mounts: Vec<VolumeMount>,
    pub(super) security_context: PodSecurityContext,
    pub(super) container_security_context: SecurityContext,
    pub(super) peers: Vec<NetworkPolicyPeer>,
}

/// Reads them all.
pub(super) fn read(spec: &StreamAppSpec) -> Result<Overrides, Vec<Problem>> {
    let mut reader = Reader::default();
    let own = &spec.pod;
    let resources = own.resources.clone().map(quantities);
    let overrides = Overrides {
        resources: reader.optional("spec.pod.resources", resources.as_ref()),
        affinity: reader.optional("spec.pod.affinity", own.affinity.as_ref()),
        tolerations: reader.list("spec.pod.tolerations", &own.tolerations),
        topology_spread_constraints: reader.list(
            "spec.pod.topologySpreadConstraints",
            &own.topology_spread_constraints,
        ),
        env: reader.list("spec.pod.env", &own.env),
        volumes: reader.list("spec.pod.volumes", &own.volumes),
        volume_mounts: reader.list("spec.pod.volumeMounts", &own.volume_mounts),
        security_context: reader.over(
            "spec.pod.securityContext",
            own.security_context.as_ref(),
            pod::default_security_context(),
        ),
        container_security_context: reader.over(
            "spec.pod.containerSecurityContext",
            own.container_security_context.as_ref(),
            container::default_security_context(),
        ),
        peers: reader.list("spec.networkPolicy.from", &spec.network_policy.from),
    };
    reader.own_keys("spec.pod.labels", own.labels.keys(), OWN_LABELS);
    reader.own_keys(
        "spec.pod.annotations",
        own.annotations.keys(),
        OWN_ANNOTATIONS,
    );
    reader.own_names(&overrides);
    if reader.problems.is_empty() {
        Ok(overrides)
    } else {
        Err(reader.problems)
    }
}

/// Amounts as texts: Kubernetes takes `cpu: 2` for `cpu: "2"`.
fn quantities(mut resources: CoreObject) -> CoreObject {
    for part in ["requests", "limits"] {
        let amounts = resources.get_mut(part).and_then(Value::as_object_mut);
        for amount in amounts.into_iter().flat_map(|amounts| amounts.values_mut()) {
            if amount.is_number() {
                *amount = Value::String(amount.to_string());
            }
        }
    }
    resources
}

#[derive(Default)]
struct Reader {
    problems: Vec<Problem>,
}

impl Reader {
    fn optional<T: DeserializeOwned + Serialize>(
        &mut self,
        path: &str,
        written: Option<&CoreObject>,
    ) -> Option<T> {
        let written = Value::Object(written?.clone());
        self.read(path, &written)
    }

    fn list<T: DeserializeOwned + Serialize>(&mut self, path: &str, list: &[CoreObject]) -> Vec<T> {
        let items = list.iter().enumerate();
        items
            .filter_map(|(index, written)| {
                self.read(&format!("{path}[{index}]"), &Value::Object(written.clone()))
            })
            .collect()
    }

    /// The default, with the fields that were written in their place.
    fn over<T: DeserializeOwned + Serialize>(
        &mut self,
        path: &str,
        written: Option<&CoreObject>,
        default: T,
    ) -> T {
        let Some(written) = written else {
            return default;
        };
        if self
            .read::<T>(path, &Value::Object(written.clone()))
            .is_none()
        {
            return default;
        }
        let mut merged = serde_json::to_value(&default).unwrap_or_default();
        if let Some(fields) = merged.as_object_mut() {
            fields.extend(written.clone());
        }
        serde_json::from_value(merged).unwrap_or(default)
    }

    /// Reads a part, and notes what is not of its type: also fields that the type has not, which would
    /// silently do nothing.
    fn read<T: DeserializeOwned + Serialize>(&mut self, path: &str, written: &Value) -> Option<T> {
        let read: T = match serde_path_to_error::deserialize(written) {
            Ok(read) => read,
            Err(error) => {
                let at = error.path().to_string();
                let path = if at == "." {
                    path.to_owned()
                } else {
                    format!("{path}.{at}")
                };
                self.note(&path, format!("cannot be read: {}", error.inner()));
                return None;
            }
        };
        let known = serde_json::to_value(&read).unwrap_or_default();
        let mut unknown = Vec::new();
        missing(path, written, &known, &mut unknown);
        for path in &unknown {
            self.note(path, "no such field".to_owned());
        }
        unknown.is_empty().then_some(read)
    }

    /// Notes keys that are the operator's.
    fn own_keys<'a>(&mut self, path: &str, keys: impl Iterator<Item = &'a String>, own: &[&str]) {
        for key in keys.filter(|key| own.iter().any(|prefix| key.starts_with(prefix))) {
            self.note(path, format!("`{key}` is the operator's own; leave it out"));
        }
    }

    /// Notes names of variables, volumes and mount points that are the operator's, or given twice.
    fn own_names(&mut self, overrides: &Overrides) {
        let own: Vec<String> = container::environment()
            .into_iter()
            .map(|var| var.name)
            .collect();
        let variables = overrides.env.iter().map(|var| var.name.as_str());
        self.unique("spec.pod.env", variables, |name| {
            own.iter().any(|own| own == name)
        });
        let volumes = overrides.volumes.iter().map(|volume| volume.name.as_str());
        self.unique("spec.pod.volumes", volumes, |name| {
            pod::OWN_VOLUMES.contains(&name)
        });
        let mounts = overrides.volume_mounts.iter();
        let paths = mounts.map(|mount| mount.mount_path.trim_end_matches('/'));
        self.unique("spec.pod.volumeMounts", paths, |path| {
            path == container::STATE_DIR || path == "/tmp" || path.starts_with("/etc/millrace")
        });
    }

    fn unique<'a>(
        &mut self,
        path: &str,
        names: impl Iterator<Item = &'a str>,
        is_own: impl Fn(&str) -> bool,
    ) {
        let mut seen = BTreeSet::new();
        for (index, name) in names.enumerate() {
            if is_own(name) {
                let message = format!("`{name}` is set by the operator; leave it out");
                self.note(&format!("{path}[{index}]"), message);
            } else if !seen.insert(name) {
                self.note(
                    &format!("{path}[{index}]"),
                    format!("`{name}` is given twice"),
                );
            }
        }
    }

    fn note(&mut self, path: &str, message: String) {
        if self.problems.len() < millrace_crds::MAX_PROBLEMS {
            self.problems.push(problem(path, message));
        }
    }
}

/// Fields that were written and that the type does not know.
fn missing(path: &str, written: &Value, known: &Value, found: &mut Vec<String>) {
    match (written, known) {
        (Value::Object(written), Value::Object(known)) => {
            for (field, written) in written.iter().filter(|(_, value)| !value.is_null()) {
                let path = format!("{path}.{field}");
                match known.get(field) {
                    Some(known) => missing(&path, written, known, found),
                    None => found.push(path),
                }
            }
        }
        (Value::Array(written), Value::Array(known)) => {
            for (index, (written, known)) in written.iter().zip(known).enumerate() {
                missing(&format!("{path}[{index}]"), written, known, found);
            }
        }
        _ => {}
    }
}
