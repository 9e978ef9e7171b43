//! The StatefulSet.

use k8s_openapi::api::apps::v1::{
    StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec,
    StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::ResourceExt;
use kube::core::ObjectMeta;
use millrace_crds::StreamApp;
use millrace_crds::stream_app::Retention;

use super::overrides::Overrides;
use super::{RenderInput, meta, pod};

/// Old revisions of the template that are kept, for people who look.
const REVISIONS: i32 = 5;

/// The StatefulSet.
///
/// - `Parallel`: pods depend on each other through Kafka alone, none waits for another's restore.
/// - `RollingUpdate`: Kubernetes replaces one pod at a time, the highest ordinal first, and waits for
///   each until it is ready, which is: restored.
pub(super) fn stateful_set(
    input: &RenderInput<'_>,
    config_map: &str,
    overrides: Overrides,
) -> StatefulSet {
    let app = input.app;
    let mut template = pod::template(input, config_map, overrides);
    let ephemeral = app.spec.state.ephemeral;
    if ephemeral && let Some(pod) = &mut template.spec {
        let volume = pod::empty_dir(pod::STATE_VOLUME, &app.spec.state.size);
        pod.volumes.get_or_insert_default().push(volume);
    }
    StatefulSet {
        metadata: meta::metadata(app, meta::stateful_set_name(app)),
        spec: StatefulSetSpec {
            // Bounded by the schema to 1000.
            replicas: Some(i32::try_from(input.replicas).unwrap_or(i32::MAX)),
            service_name: Some(meta::service_name(app)),
            selector: meta::label_selector(app),
            template,
            pod_management_policy: Some("Parallel".to_owned()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: None,
            }),
            revision_history_limit: Some(REVISIONS),
            volume_claim_templates: (!ephemeral).then(|| vec![claim(app)]),
            persistent_volume_claim_retention_policy: (!ephemeral).then(|| retention(input)),
            ..StatefulSetSpec::default()
        },
        status: None,
    }
}

/// The claim of each pod's volume. Kubernetes adds the pods' labels to it.
fn claim(app: &StreamApp) -> PersistentVolumeClaim {
    let state = &app.spec.state;
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(pod::STATE_VOLUME.to_owned()),
            labels: Some(meta::labels(&app.name_any())),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            storage_class_name: state.storage_class_name.clone(),
            volume_mode: Some("Filesystem".to_owned()),
            resources: Some(VolumeResourceRequirements {
                requests: Some([("storage".to_owned(), Quantity(state.size.clone()))].into()),
                limits: None,
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}

/// Whether Kubernetes deletes claims. Not with the StatefulSet: the operator makes it anew to grow
/// volumes, and deletes claims itself where the StreamApp's deletion asks for it. Not while the
/// application is suspended either.
fn retention(input: &RenderInput<'_>) -> StatefulSetPersistentVolumeClaimRetentionPolicy {
    let suspended = input.app.spec.suspend || input.settings.replicas == 0;
    let deletes = input.app.spec.state.when_scaled == Retention::Delete && !suspended;
    let when_scaled = if deletes { "Delete" } else { "Retain" };
    StatefulSetPersistentVolumeClaimRetentionPolicy {
        when_deleted: Some("Retain".to_owned()),
        when_scaled: Some(when_scaled.to_owned()),
    }
}
