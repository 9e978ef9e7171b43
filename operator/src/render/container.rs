//! The worker's container.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, HTTPGetAction, Probe, ResourceRequirements,
    SecurityContext, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use millrace_crds::worker_api::{HTTP_PORT, RUNTIME_DIR, env};

use super::access::HTTP;
use super::app_file::APP_FILE;

/// Directory of the mounted StreamApp.
pub(super) const APP_DIR: &str = "/etc/millrace/app";
/// Directory of the local state; the image has it, and it is the volume's mount point.
pub(super) const STATE_DIR: &str = "/var/lib/millrace";
/// Name of the container.
pub(super) const NAME: &str = "worker";

/// Environment of every worker. Users cannot replace it: the operator and the worker rely on it.
pub(super) fn environment() -> Vec<EnvVar> {
    [
        (env::STREAM_APP_FILE, format!("{APP_DIR}/{APP_FILE}")),
        (env::STATE_DIR, STATE_DIR.to_owned()),
        (env::RUNTIME_DIR, RUNTIME_DIR.to_owned()),
        (env::INTERNAL_TOPICS, "check".to_owned()),
        (env::HTTP, format!("0.0.0.0:{HTTP_PORT}")),
    ]
    .map(|(name, value)| EnvVar {
        name: name.to_owned(),
        value: Some(value),
        value_from: None,
    })
    .into()
}

/// The container, without image, resources and what users add.
pub(super) fn worker() -> Container {
    Container {
        name: NAME.to_owned(),
        args: Some(vec!["run".to_owned()]),
        env: Some(environment()),
        ports: Some(vec![ContainerPort {
            name: Some(HTTP.to_owned()),
            container_port: HTTP_PORT.into(),
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }]),
        // A probe that fails kills the container, except that of readiness. So a restore, which may
        // take hours, and the wait for topics belong to readiness alone; start and liveness ask only
        // whether the process answers.
        startup_probe: Some(probe("/livez", 1, 120)),
        liveness_probe: Some(probe("/livez", 10, 6)),
        readiness_probe: Some(probe("/readyz", 2, 2)),
        // What the worker says last goes into the conditions.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    }
}

fn probe(path: &str, period_seconds: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(HTTP.to_owned()),
            scheme: Some("HTTP".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        failure_threshold: Some(failures),
        timeout_seconds: Some(5),
        ..Probe::default()
    }
}

/// Resources where the user names none. No CPU limit: throttled threads miss their session. Memory is
/// what was requested: a worker's caches are sized by the limit, and a node that has less kills it.
pub(super) fn default_resources() -> ResourceRequirements {
    let quantities = |entries: &[(&str, &str)]| -> BTreeMap<String, Quantity> {
        entries
            .iter()
            .map(|(name, amount)| ((*name).to_owned(), Quantity((*amount).to_owned())))
            .collect()
    };
    ResourceRequirements {
        requests: Some(quantities(&[("cpu", "100m"), ("memory", "1Gi")])),
        limits: Some(quantities(&[("memory", "1Gi")])),
        claims: None,
    }
}

/// What the Pod Security Standard `restricted` asks, and a root file system nobody writes to.
pub(super) fn default_security_context() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        run_as_non_root: Some(true),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            add: None,
        }),
        ..SecurityContext::default()
    }
}

/// A mount for reading.
pub(super) fn read_only(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}

/// A mount for writing.
pub(super) fn writable(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        ..VolumeMount::default()
    }
}
