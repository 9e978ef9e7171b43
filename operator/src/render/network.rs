//! NetworkPolicy: who may connect to the workers.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use millrace_crds::StreamApp;

use super::{access, meta};

/// Label that Kubernetes gives each namespace: its name.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
/// Label, with the value `true`, of namespaces that may connect to all workers, such as that of the
/// monitoring.
const ACCESS_LABEL: &str = "millrace.dev/access";

/// Opens the HTTP port to the operator, to the application's own pods, to namespaces that are labelled
/// for it, and to the user's peers; nothing else. Connections from the pods are free: brokers can be
/// anywhere.
pub(super) fn policy(
    app: &StreamApp,
    operator_namespace: &str,
    peers: Vec<NetworkPolicyPeer>,
) -> NetworkPolicy {
    let operator = NetworkPolicyPeer {
        namespace_selector: Some(selector(NAMESPACE_NAME, operator_namespace)),
        pod_selector: Some(selector(meta::NAME_LABEL, meta::OPERATOR)),
        ..NetworkPolicyPeer::default()
    };
    let own = NetworkPolicyPeer {
        pod_selector: Some(meta::label_selector(app)),
        ..NetworkPolicyPeer::default()
    };
    let labelled = NetworkPolicyPeer {
        namespace_selector: Some(selector(ACCESS_LABEL, "true")),
        ..NetworkPolicyPeer::default()
    };
    let from = [operator, own, labelled].into_iter().chain(peers);
    let rule = NetworkPolicyIngressRule {
        from: Some(from.collect()),
        ports: Some(vec![NetworkPolicyPort {
            port: Some(IntOrString::String(access::HTTP.to_owned())),
            protocol: Some("TCP".to_owned()),
            end_port: None,
        }]),
    };
    NetworkPolicy {
        metadata: meta::metadata(app, app.name_any()),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(meta::label_selector(app)),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(vec![rule]),
            egress: None,
        }),
    }
}

fn selector(label: &str, value: &str) -> LabelSelector {
    LabelSelector {
        match_labels: Some(BTreeMap::from([(label.to_owned(), value.to_owned())])),
        match_expressions: None,
    }
}
