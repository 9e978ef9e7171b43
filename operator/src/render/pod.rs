//! The pod template: whatever is in it rolls the pods when it changes.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, ConfigMapVolumeSource, Container, EmptyDirVolumeSource, LocalObjectReference,
    PodAffinityTerm, PodAntiAffinity, PodSecurityContext, PodSpec, PodTemplateSpec, SeccompProfile,
    Volume, VolumeMount, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::ResourceExt;
use kube::core::ObjectMeta;
use millrace_crds::StreamApp;
use millrace_crds::worker_api::RUNTIME_DIR;

use super::container::{self, read_only, writable};
use super::overrides::Overrides;
use super::{RenderInput, kafka_files, meta};

/// Volume with the StreamApp the pods start from.
pub(super) const APP_VOLUME: &str = "app";
/// Volume with what changes at run time.
const RUNTIME_VOLUME: &str = "runtime";
/// Volume of the local state: of a claim, or an emptyDir.
pub(super) const STATE_VOLUME: &str = "state";
/// Volume for what libraries put into `/tmp`.
const TMP_VOLUME: &str = "tmp";
/// Volumes that users cannot name theirs after.
pub(super) const OWN_VOLUMES: &[&str] = &[
    APP_VOLUME,
    RUNTIME_VOLUME,
    STATE_VOLUME,
    TMP_VOLUME,
    "kafka-ca",
    "kafka-client",
    "kafka-sasl",
];
/// Size of [`TMP_VOLUME`].
const TMP_SIZE: &str = "64Mi";
/// User and group of the processes, as in the image.
const USER: i64 = 65532;

/// The template.
pub(super) fn template(
    input: &RenderInput<'_>,
    config_map: &str,
    overrides: Overrides,
) -> PodTemplateSpec {
    let app = input.app;
    let mut labels = app.spec.pod.labels.clone();
    labels.extend(meta::labels(&app.name_any()));
    let annotations = annotations(input);
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(pod(input, config_map, overrides)),
    }
}

/// The user's annotations, the number of tasks, and the restart that was asked for: a template that
/// differs rolls the pods.
fn annotations(input: &RenderInput<'_>) -> BTreeMap<String, String> {
    let mut annotations = input.app.spec.pod.annotations.clone();
    annotations.insert(meta::TASKS_ANNOTATION.to_owned(), input.tasks.to_string());
    if let Some(restart) = meta::restart_requested(input.app) {
        annotations.insert(meta::RESTART_ANNOTATION.to_owned(), restart.to_owned());
    }
    annotations
}

fn pod(input: &RenderInput<'_>, config_map: &str, overrides: Overrides) -> PodSpec {
    let app = input.app;
    let spec = &app.spec.pod;
    let (mut volumes, mut mounts): (Vec<_>, Vec<_>) =
        own_volumes(app, config_map).into_iter().unzip();
    volumes.extend(overrides.volumes);
    // A claim's volume is added by the StatefulSet's controller; its mount is ours.
    mounts.push(writable(STATE_VOLUME, container::STATE_DIR));
    mounts.extend(overrides.volume_mounts);
    let mut worker = Container {
        image: Some(
            app.spec
                .image
                .clone()
                .unwrap_or_else(|| input.worker_image.to_owned()),
        ),
        image_pull_policy: app
            .spec
            .image_pull_policy
            .map(|policy| policy.name().to_owned()),
        resources: Some(
            overrides
                .resources
                .unwrap_or_else(container::default_resources),
        ),
        security_context: Some(overrides.container_security_context),
        volume_mounts: Some(mounts),
        ..container::worker()
    };
    worker.env.get_or_insert_default().extend(overrides.env);
    let secrets = app.spec.image_pull_secrets.iter();
    let pull_secrets: Vec<_> = secrets
        .map(|secret| LocalObjectReference {
            name: secret.name.clone(),
        })
        .collect();
    PodSpec {
        containers: vec![worker],
        volumes: Some(volumes),
        service_account_name: Some(
            spec.service_account_name
                .clone()
                .unwrap_or_else(|| app.name_any()),
        ),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        image_pull_secrets: some(pull_secrets),
        affinity: Some(overrides.affinity.unwrap_or_else(|| spread(app))),
        tolerations: some(overrides.tolerations),
        topology_spread_constraints: some(overrides.topology_spread_constraints),
        node_selector: (!spec.node_selector.is_empty()).then(|| spec.node_selector.clone()),
        security_context: Some(overrides.security_context),
        priority_class_name: spec.priority_class_name.clone(),
        termination_grace_period_seconds: Some(spec.termination_grace_period_seconds),
        ..PodSpec::default()
    }
}

/// A list, or nothing where it is empty.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// Volumes of the template itself, with their mounts (that of the state apart: it may be a claim's).
fn own_volumes(app: &StreamApp, config_map: &str) -> Vec<(Volume, VolumeMount)> {
    let files = |name: &str, map: String, path: &str| {
        let volume = Volume {
            name: name.to_owned(),
            config_map: Some(ConfigMapVolumeSource {
                name: map,
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        };
        (volume, read_only(name, path))
    };
    let mut volumes = vec![
        files(APP_VOLUME, config_map.to_owned(), container::APP_DIR),
        files(RUNTIME_VOLUME, meta::runtime_name(app), RUNTIME_DIR),
        (
            empty_dir(TMP_VOLUME, TMP_SIZE),
            writable(TMP_VOLUME, "/tmp"),
        ),
    ];
    volumes.extend(kafka_files::volumes(&app.spec.kafka));
    volumes
}

/// An emptyDir. A pod that writes more is evicted.
pub(super) fn empty_dir(name: &str, size: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            size_limit: Some(Quantity(size.to_owned())),
            ..EmptyDirVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// Pods of the application prefer different nodes.
fn spread(app: &StreamApp) -> Affinity {
    Affinity {
        pod_anti_affinity: Some(PodAntiAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![
                WeightedPodAffinityTerm {
                    weight: 100,
                    pod_affinity_term: PodAffinityTerm {
                        label_selector: Some(meta::label_selector(app)),
                        topology_key: "kubernetes.io/hostname".to_owned(),
                        ..PodAffinityTerm::default()
                    },
                },
            ]),
            ..PodAntiAffinity::default()
        }),
        ..Affinity::default()
    }
}

/// What the Pod Security Standard `restricted` asks. The group owns the volume's files; on a large volume
/// they are looked at only when the root does not fit yet.
pub(super) fn default_security_context() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        fs_group: Some(USER),
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
        ..PodSecurityContext::default()
    }
}
