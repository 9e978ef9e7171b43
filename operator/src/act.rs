//! Does what was decided: writes to Kafka and to the API server, and nothing that is not in the
//! [`Decision`]. Each step can be the last one; the next look decides anew.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use kube::{Api, ResourceExt};
use millrace_crds::StreamApp;
use millrace_crds::stream_app::{Reason, StreamAppStatus};
use millrace_kafka::{KafkaConfig, TopicSpec};
use serde_json::{Value, json};

use crate::context::{Context, MANAGER};
use crate::crash;
use crate::decide::Decision;
use crate::error::{Error, Result};
use crate::observe::{Kind, Live};
use crate::render;

/// What the storage refused: the reason and words of a condition.
pub type Refusal = Option<(Reason, String)>;

/// The doer, for one StreamApp.
pub struct Act<'a> {
    /// Shared things.
    pub context: &'a Context,
    /// The StreamApp.
    pub app: &'a StreamApp,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its objects, as they were looked at.
    pub live: &'a Live,
}

impl Act<'_> {
    /// Creates and grows topics. Pods start only after this.
    ///
    /// # Errors
    /// Kafka does not answer, or refuses.
    pub async fn topics(
        &self,
        config: KafkaConfig,
        create: Vec<TopicSpec>,
        grow: Vec<(String, i32)>,
    ) -> Result<()> {
        if create.is_empty() && grow.is_empty() {
            return Ok(());
        }
        crash::point("before-topics");
        let changes = create.len() + grow.len();
        let kafka = &self.context.kafka;
        kafka
            .call(config, move |admin| {
                admin.create_topics(&create)?;
                grow.iter()
                    .try_for_each(|(topic, count)| admin.create_partitions(topic, *count))
            })
            .await?;
        for _ in 0..changes {
            self.context.metrics.wrote("Topic");
        }
        crash::point("after-topics");
        Ok(())
    }

    /// Writes objects, scales, tells and replaces pods, prunes.
    ///
    /// # Errors
    /// The API server does not answer, or refuses. Storage that refuses to grow is no error, but what
    /// is returned.
    pub async fn objects(&self, decision: &Decision) -> Result<Refusal> {
        if !decision.apply.is_empty() {
            crash::point("before-apply");
        }
        for object in &decision.apply {
            self.apply(object).await?;
        }
        if let Some(set) = decision.set_replicas {
            let mut spec = json!({"replicas": set.replicas});
            if set.keep_volumes {
                spec["persistentVolumeClaimRetentionPolicy"] = json!({"whenScaled": "Retain"});
            }
            let name = render::stateful_set_name(self.app);
            self.patch::<StatefulSet>(&name, json!({"spec": spec}))
                .await?;
            self.note_lower(set.replicas);
        }
        self.nudge(decision).await?;
        for (name, uid) in &decision.replace_pods {
            self.delete::<Pod>(name, &precondition(uid, DeleteParams::default()))
                .await?;
        }
        if let Some(refusal) = self.grow(decision).await? {
            return Ok(Some(refusal));
        }
        for (kind, name) in &decision.prune {
            self.prune(*kind, name).await?;
        }
        if !decision.prune.is_empty() {
            crash::point("after-prune");
        }
        Ok(None)
    }

    /// Server-side apply of one object.
    async fn apply(&self, object: &DynamicObject) -> Result<()> {
        let types = object.types.as_ref();
        let Some(kind) = types.and_then(|types| Kind::named(&types.kind)) else {
            return Ok(());
        };
        let name = object.name_any();
        let api: Api<DynamicObject> = Api::namespaced_with(
            self.context.client.clone(),
            self.namespace,
            &kind.resource(),
        );
        self.refuse_foreign(&api, kind, &name).await?;
        let params = PatchParams::apply(MANAGER).force();
        api.patch(&name, &params, &Patch::Apply(object))
            .await
            .map_err(Error::kubernetes("apply", format!("{kind} {name}")))?;
        self.context.metrics.wrote(kind.as_str());
        tracing::info!(namespace = self.namespace, app = self.app.name_any(), %kind, name, "applied");
        match kind {
            Kind::ConfigMap if name == render::runtime_name(self.app) => {
                crash::point("after-runtime");
            }
            Kind::ConfigMap => crash::point("after-config"),
            Kind::StatefulSet => {
                let replicas = object
                    .data
                    .pointer("/spec/replicas")
                    .and_then(Value::as_u64);
                let replicas = replicas.and_then(|count| u32::try_from(count).ok());
                self.note_lower(replicas.unwrap_or(u32::MAX));
                crash::point("after-stateful-set");
            }
            _ => {}
        }
        Ok(())
    }

    /// Fails where an object without our labels has the name and is not the StreamApp's: a StreamApp
    /// called as the StatefulSet of somebody's database must not become it.
    async fn refuse_foreign(&self, api: &Api<DynamicObject>, kind: Kind, name: &str) -> Result<()> {
        if self.live.objects.contains_key(&(kind, name.to_owned())) {
            return Ok(());
        }
        let object = || format!("{kind} {name}");
        let found = api.get_opt(name).await;
        let found = found.map_err(Error::kubernetes("read", object()))?;
        let uid = self.app.metadata.uid.as_deref();
        let is_ours = |found: &DynamicObject| {
            let owners = found.owner_references();
            owners.iter().any(|owner| Some(owner.uid.as_str()) == uid)
        };
        match found {
            Some(found) if !is_ours(&found) => Err(Error::Foreign(object())),
            _ => Ok(()),
        }
    }

    fn note_lower(&self, replicas: u32) {
        if replicas < self.live.replicas() {
            crash::point("after-lower");
        }
    }

    async fn nudge(&self, decision: &Decision) -> Result<()> {
        let annotations = json!({render::RUNTIME_ANNOTATION: decision.nudge_digest});
        for pod in &decision.nudge {
            let patch = json!({"metadata": {"annotations": annotations}});
            match self.patch::<Pod>(pod, patch).await {
                // Gone in the meantime: there is nobody to tell.
                Err(Error::Kubernetes { source, .. }) if is_not_found(&source) => {}
                other => other?,
            }
        }
        if !decision.nudge.is_empty() {
            crash::point("after-nudge");
        }
        Ok(())
    }

    /// Raises claims; when all were accepted, deletes the StatefulSet and leaves its pods.
    async fn grow(&self, decision: &Decision) -> Result<Refusal> {
        for (claim, size) in &decision.grow_claims {
            let patch = json!({"spec": {"resources": {"requests": {"storage": size}}}});
            let Err(error) = self.patch::<PersistentVolumeClaim>(claim, patch).await else {
                continue;
            };
            return match &error {
                Error::Kubernetes { source, .. } if is_refused(source) => Ok(Some((
                    Reason::StorageNotExpandable,
                    format!(
                        "{error}. Give the StorageClass `allowVolumeExpansion: true`, then change \
                         spec.state.size once more"
                    ),
                ))),
                _ => Err(error),
            };
        }
        if decision.orphan_pods {
            let name = render::stateful_set_name(self.app);
            let uid = self.live.stateful_set.as_ref().and_then(ResourceExt::uid);
            let params = precondition(&uid.unwrap_or_default(), DeleteParams::orphan());
            self.delete::<StatefulSet>(&name, &params).await?;
        }
        Ok(None)
    }

    async fn prune(&self, kind: Kind, name: &str) -> Result<()> {
        let api: Api<DynamicObject> = Api::namespaced_with(
            self.context.client.clone(),
            self.namespace,
            &kind.resource(),
        );
        match api.delete(name, &DeleteParams::background()).await {
            Ok(_) => self.context.metrics.wrote(kind.as_str()),
            Err(error) if is_not_found(&error) => {}
            Err(error) => {
                return Err(Error::kubernetes("delete", format!("{kind} {name}"))(error));
            }
        }
        tracing::info!(namespace = self.namespace, app = self.app.name_any(), %kind, name, "pruned");
        Ok(())
    }

    /// Merges a patch into an object.
    pub(crate) async fn patch<K: Patched>(&self, name: &str, patch: Value) -> Result<()> {
        let api: Api<K> = Api::namespaced(self.context.client.clone(), self.namespace);
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        api.patch(name, &params, &Patch::Merge(patch))
            .await
            .map_err(Error::kubernetes(
                "patch",
                format!("{} {name}", K::kind(&())),
            ))?;
        self.context.metrics.wrote(&K::kind(&()));
        Ok(())
    }

    /// Deletes an object; one that is gone already, or is another by now, is no error.
    pub(crate) async fn delete<K: Patched>(&self, name: &str, params: &DeleteParams) -> Result<()> {
        let api: Api<K> = Api::namespaced(self.context.client.clone(), self.namespace);
        match api.delete(name, params).await {
            Ok(_) => self.context.metrics.wrote(&K::kind(&())),
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {}
            Err(error) => {
                let object = format!("{} {name}", K::kind(&()));
                return Err(Error::kubernetes("delete", object)(error));
            }
        }
        Ok(())
    }

    /// Writes the status, if it says something new. Returns whether it was written.
    ///
    /// # Errors
    /// The API server does not answer, or refuses.
    pub async fn status(&self, status: &StreamAppStatus) -> Result<bool> {
        if self.app.status.as_ref() == Some(status) {
            return Ok(false);
        }
        crash::point("before-status");
        let name = self.app.name_any();
        let api: Api<StreamApp> = Api::namespaced(self.context.client.clone(), self.namespace);
        let patch = json!({
            "apiVersion": "millrace.dev/v1alpha1",
            "kind": "StreamApp",
            "metadata": {"name": name},
            "status": status,
        });
        let params = PatchParams::apply(MANAGER).force();
        api.patch_status(&name, &params, &Patch::Apply(patch))
            .await
            .map_err(Error::kubernetes(
                "write the status of",
                format!("StreamApp {name}"),
            ))?;
        self.context.metrics.wrote("StreamApp");
        crash::point("after-status");
        Ok(true)
    }
}

/// The kinds that are patched and deleted by type.
pub(crate) trait Patched:
    kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
    + Clone
    + serde::de::DeserializeOwned
    + std::fmt::Debug
{
}

impl Patched for Pod {}
impl Patched for PersistentVolumeClaim {}
impl Patched for StatefulSet {}
impl Patched for StreamApp {}

/// Deletes this object alone, not another that has its name by then.
pub(crate) fn precondition(uid: &str, params: DeleteParams) -> DeleteParams {
    params.preconditions(Preconditions {
        uid: Some(uid.to_owned()),
        resource_version: None,
    })
}

fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_not_found())
}

/// Whether the API server will say the same again.
fn is_refused(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_forbidden() || status.is_invalid())
}
