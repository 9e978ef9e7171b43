//! What wakes reconciliations up: changes of StreamApps and of what belongs to them.
//!
//! Of what belongs to them only metadata is watched: it changes with everything else, and a
//! reconciliation reads afresh what it needs. Secrets are not watched at all: that would take the right
//! to read every Secret. Those a StreamApp names are read at each look, every ten seconds.

use std::sync::Arc;

use futures::{FutureExt, StreamExt};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::core::{DeserializeGuard, NamespaceResourceScope, PartialObjectMeta};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::utils::Predicate;
use kube::runtime::watcher::{self, watcher};
use kube::runtime::{Config, Controller, WatchStreamExt, predicates};
use kube::{Api, Client, Resource};
use millrace_crds::StreamApp;
use tokio::sync::watch;

use crate::context::Context;
use crate::reconcile::{again, reconcile};
use crate::render;

type Guarded = DeserializeGuard<StreamApp>;

/// Reconciles until `stop` says true, or its sender is gone; reconciliations under way are finished.
pub async fn run(context: Arc<Context>, concurrency: u16, stop: watch::Receiver<bool>) {
    let scopes: Vec<Option<String>> = if context.namespaces.is_empty() {
        vec![None]
    } else {
        context.namespaces.iter().cloned().map(Some).collect()
    };
    let controllers = scopes.into_iter().map(|scope| {
        let (context, stop) = (Arc::clone(&context), stop.clone());
        one(context, scope, concurrency, stop)
    });
    futures::future::join_all(controllers).await;
}

/// One controller: of a namespace, or of all.
async fn one(
    context: Arc<Context>,
    scope: Option<String>,
    concurrency: u16,
    mut stop: watch::Receiver<bool>,
) {
    let client = &context.client;
    let (reader, writer) = reflector::store();
    // Changes of the status are our own: they wake nobody up.
    let wakes = predicates::generation
        .combine(predicates::annotations)
        .combine(predicates::finalizers);
    let apps = watcher(
        api::<Guarded>(client, scope.as_deref()),
        watcher::Config::default(),
    )
    .default_backoff()
    .reflect(writer)
    .applied_objects()
    .predicate_filter(wakes, Default::default());
    let mut controller = Controller::for_stream(apps, reader)
        .with_config(Config::default().concurrency(concurrency));
    controller = owning::<StatefulSet>(controller, client, scope.as_deref());
    controller = owning::<ConfigMap>(controller, client, scope.as_deref());
    controller = owning::<Service>(controller, client, scope.as_deref());
    controller = owning::<ServiceAccount>(controller, client, scope.as_deref());
    controller = owning::<NetworkPolicy>(controller, client, scope.as_deref());
    controller = owning::<PodDisruptionBudget>(controller, client, scope.as_deref());
    controller = owning::<Pod>(controller, client, scope.as_deref());
    controller = owning::<PersistentVolumeClaim>(controller, client, scope.as_deref());
    let stopped = async move {
        // A sender that is gone is a process that ends.
        let _gone = stop.wait_for(|stop| *stop).await;
    };
    controller
        .graceful_shutdown_on(stopped.map(|()| ()))
        .run(reconcile, again, Arc::clone(&context))
        .for_each(|outcome| {
            // Failed reconciliations were told by `again`; the rest is about watches.
            if let Err(error @ kube::runtime::controller::Error::QueueError(_)) = outcome {
                tracing::warn!(%error, "a watch failed; it is begun anew");
            }
            std::future::ready(())
        })
        .await;
}

fn api<K>(client: &Client, scope: Option<&str>) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    match scope {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Wakes a StreamApp up for each change of objects that have its labels.
fn owning<K>(
    controller: Controller<Guarded>,
    client: &Client,
    scope: Option<&str>,
) -> Controller<Guarded>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + 'static,
{
    let labelled = watcher::Config::default().labels(render::MANAGED);
    let changes = watcher(api::<PartialObjectMeta<K>>(client, scope), labelled)
        .default_backoff()
        .touched_objects();
    controller.watches_stream(changes, |object: PartialObjectMeta<K>| app_of(&object))
}

/// The StreamApp whose label an object has.
fn app_of<K>(object: &PartialObjectMeta<K>) -> Option<ObjectRef<Guarded>> {
    let labels = object.metadata.labels.as_ref()?;
    let name = labels.get(render::INSTANCE_LABEL)?;
    let namespace = object.metadata.namespace.as_ref()?;
    Some(ObjectRef::new(name).within(namespace))
}
