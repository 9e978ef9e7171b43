//! Service, ServiceAccount and PodDisruptionBudget.

use k8s_openapi::api::core::v1::{Service, ServiceAccount, ServicePort, ServiceSpec};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use millrace_crds::StreamApp;
use millrace_crds::worker_api::HTTP_PORT;

use super::meta;

/// Name of the HTTP port.
pub(super) const HTTP: &str = "http";

/// The headless Service: a DNS name for each pod, also while it restores.
pub(super) fn service(app: &StreamApp) -> Service {
    Service {
        metadata: meta::metadata(app, meta::service_name(app)),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            publish_not_ready_addresses: Some(true),
            selector: Some(meta::labels(&app.name_any())),
            ports: Some(vec![ServicePort {
                name: Some(HTTP.to_owned()),
                port: HTTP_PORT.into(),
                protocol: Some("TCP".to_owned()),
                target_port: Some(IntOrString::String(HTTP.to_owned())),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// The pods' account: without rights and without a token. Workers never talk to the API server.
pub(super) fn service_account(app: &StreamApp) -> ServiceAccount {
    ServiceAccount {
        metadata: meta::metadata(app, app.name_any()),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

/// The PodDisruptionBudget. A pod that is not ready may always be evicted: it serves nobody, and would
/// otherwise keep a node from being drained for as long as it restores.
pub(super) fn disruption_budget(app: &StreamApp) -> PodDisruptionBudget {
    let most = app.spec.pod_disruption_budget.max_unavailable;
    PodDisruptionBudget {
        metadata: meta::metadata(app, app.name_any()),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(most)),
            selector: Some(meta::label_selector(app)),
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    }
}
