//! Gathers an [`Observed`]: reads the API server, Kafka and the workers, and writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret};
use kube::api::{DynamicObject, ListParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use millrace_crds::plan::Plan;
use millrace_crds::stream_app::{Reason, StreamAppStatus};
use millrace_crds::{StreamApp, plan};
use millrace_kafka::ErrorKind;
use serde::de::DeserializeOwned;

use super::patterns::{self, Resolved};
use super::{Accepted, KINDS, KafkaView, Kind, Live, Observed, PodView, Secrets, pod};
use crate::decide::topics;
use crate::error::{Error, Result};
use crate::kafka::{KafkaPool, config, look, secret_names};
use crate::render;
use crate::workers::AskWorkers;

/// Where to look.
pub struct Gather<'a> {
    /// The API server.
    pub client: &'a Client,
    /// Kafka.
    pub kafka: &'a KafkaPool,
    /// The workers.
    pub workers: &'a dyn AskWorkers,
}

impl Gather<'_> {
    /// Looks at all that concerns a StreamApp. Kafka that is away is a finding, an API server that is
    /// away is an error.
    ///
    /// # Errors
    /// The API server does not answer, or refuses.
    pub async fn observe(&self, app: &StreamApp, namespace: &str) -> Result<Observed> {
        let live = self.live(app, namespace).await?;
        let plan = plan(app);
        let accepted = accepted(app, &live);
        let addresses: BTreeMap<u32, String> = live
            .pods
            .iter()
            .filter(|(_, pod)| pod.running)
            .filter_map(|(ordinal, pod)| Some((*ordinal, pod.ip.clone()?)))
            .collect();
        let known = plan.as_ref().ok();
        let running = accepted
            .as_ref()
            .and_then(|accepted| accepted.plan.as_ref());
        let secrets = self.secrets(app, namespace).await?;
        let (kafka, workers) = futures::join!(
            self.kafka(app, &secrets, known.into_iter().chain(running)),
            self.workers.ask(addresses),
        );
        let Resolved {
            app,
            plan,
            held_back,
        } = patterns::resolve(app, plan, accepted.as_ref(), &kafka);
        Ok(Observed {
            app,
            now: Timestamp::now(),
            plan,
            held_back,
            accepted,
            kafka,
            secrets,
            rival: None,
            live,
            workers,
        })
    }

    /// Looks at what is left of a StreamApp that is being deleted. Neither Kafka nor the workers are
    /// asked.
    ///
    /// # Errors
    /// The API server does not answer, or refuses.
    pub async fn remains(&self, app: &StreamApp, namespace: &str) -> Result<Observed> {
        let live = self.live(app, namespace).await?;
        Ok(Observed {
            app: app.clone(),
            now: Timestamp::now(),
            plan: plan(app),
            held_back: None,
            accepted: accepted(app, &live),
            kafka: KafkaView::NotAsked,
            secrets: self.secrets(app, namespace).await?,
            rival: None,
            live,
            workers: BTreeMap::new(),
        })
    }

    /// The application's objects, by its labels.
    async fn live(&self, app: &StreamApp, namespace: &str) -> Result<Live> {
        let selector = render::selector(&app.name_any());
        let objects = try_join_all(KINDS.map(|kind| self.objects(kind, namespace, &selector)));
        let (objects, pods, claims) = futures::try_join!(
            objects,
            self.list::<Pod>(namespace, &selector),
            self.list::<PersistentVolumeClaim>(namespace, &selector),
        )?;
        let objects: BTreeMap<_, _> = objects.into_iter().flatten().collect();
        let set = objects.get(&(Kind::StatefulSet, render::stateful_set_name(app)));
        let stateful_set = set.and_then(|set| set.clone().try_parse().ok());
        let prefix = render::stateful_set_name(app);
        let views = pods.iter().filter_map(|pod| {
            let ordinal = pod::ordinal(&pod.name_any(), &prefix)?;
            Some((ordinal, PodView::of(pod)))
        });
        Ok(Live {
            stateful_set,
            pods: views.collect(),
            claims,
            objects,
        })
    }

    async fn objects(
        &self,
        kind: Kind,
        namespace: &str,
        selector: &str,
    ) -> Result<Vec<((Kind, String), DynamicObject)>> {
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), namespace, &kind.resource());
        let found = api
            .list(&ListParams::default().labels(selector))
            .await
            .map_err(Error::kubernetes("list", kind.as_str()))?;
        let named = found.items.into_iter();
        Ok(named
            .map(|object| ((kind, object.name_any()), object))
            .collect())
    }

    async fn list<K>(&self, namespace: &str, selector: &str) -> Result<Vec<K>>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let found = api
            .list(&ListParams::default().labels(selector))
            .await
            .map_err(Error::kubernetes("list", K::kind(&())))?;
        Ok(found.items)
    }

    /// What Kafka has of the topics these plans name.
    async fn kafka<'p>(
        &self,
        app: &StreamApp,
        secrets: &Secrets,
        plans: impl Iterator<Item = &'p Plan>,
    ) -> KafkaView {
        let (mut wanted, mut configured) = (BTreeSet::new(), BTreeSet::new());
        let mut patterns = None;
        for plan in plans {
            if plan.has_patterns() {
                patterns = Some(plan.clone());
            }
            let (topics, policies) = topics::wanted(plan);
            wanted.extend(topics);
            configured.extend(policies);
        }
        if wanted.is_empty() {
            return KafkaView::NotAsked;
        }
        let config = match config(app, secrets) {
            Ok(config) => config,
            Err(missing) => {
                return KafkaView::Failed(Reason::SecretMissing, missing.to_string());
            }
        };
        let looked = self.kafka.call(config, move |admin| {
            look(admin, &wanted, &configured, patterns.as_ref())
        });
        match looked.await {
            Ok(facts) => KafkaView::Facts(facts),
            Err(Error::Kafka(error)) if error.kind == ErrorKind::Config => {
                KafkaView::Failed(Reason::InvalidSpec, format!("spec.kafka: {error}"))
            }
            Err(error) => KafkaView::Failed(Reason::KafkaUnavailable, error.to_string()),
        }
    }

    /// The Secrets that the way to Kafka needs; those that do not exist are absent.
    async fn secrets(&self, app: &StreamApp, namespace: &str) -> Result<Secrets> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let mut secrets = Secrets::new();
        for name in secret_names(&app.spec.kafka) {
            let found = api.get_opt(&name).await;
            let found = found.map_err(Error::kubernetes("read", format!("Secret {name}")))?;
            if let Some(secret) = found {
                secrets.insert(name, secret);
            }
        }
        Ok(secrets)
    }
}

/// The topology that pods run: that of the StatefulSet's template; where there is no StatefulSet, the
/// one the status remembers.
fn accepted(app: &StreamApp, live: &Live) -> Option<Accepted> {
    let remembered = |status: &StreamAppStatus| status.accepted_config_map.clone();
    let name = live
        .stateful_set
        .as_ref()
        .and_then(render::accepted_config_map)
        .or_else(|| app.status.as_ref().and_then(remembered))?;
    let object = live.objects.get(&(Kind::ConfigMap, name.clone()));
    let plan = object.and_then(|object| {
        let map: ConfigMap = object.clone().try_parse().ok()?;
        plan(&render::accepted_app(&map)?).ok()
    });
    Some(Accepted {
        config_map: name,
        plan,
    })
}
