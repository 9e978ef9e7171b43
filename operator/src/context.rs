//! [`Context`]: what all reconciliations share.

use std::fmt;

use kube::api::ListParams;
use kube::core::DeserializeGuard;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Client, Resource};
use millrace_crds::StreamApp;

use crate::decide::{Environment, Notice};
use crate::error::{Error, Result};
use crate::kafka::KafkaPool;
use crate::metrics::Metrics;
use crate::workers::{AskWorkers, HttpWorkers};

/// Name under which the operator owns fields (server-side apply) and reports events.
pub const MANAGER: &str = "millrace-operator";

/// What all reconciliations share.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Kafka.
    pub kafka: KafkaPool,
    /// The workers.
    pub workers: Box<dyn AskWorkers>,
    /// What is counted.
    pub metrics: Metrics,
    /// What is the same for all StreamApps.
    pub environment: Environment,
    /// Namespaces that are watched; none is all.
    pub namespaces: Vec<String>,
    /// Held while an application id is claimed, so that of two StreamApps one sees the other's claim.
    pub claims: tokio::sync::Mutex<()>,
    recorder: Recorder,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Context");
        text.field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

impl Context {
    /// Shared things of an operator. `instance` names the replica in events.
    pub fn new(
        client: Client,
        kafka: KafkaPool,
        metrics: Metrics,
        environment: Environment,
        instance: String,
    ) -> Self {
        let reporter = Reporter {
            controller: MANAGER.to_owned(),
            instance: Some(instance),
        };
        Self {
            recorder: Recorder::new(client.clone(), reporter),
            client,
            kafka,
            workers: Box::new(HttpWorkers::new()),
            metrics,
            environment,
            namespaces: Vec::new(),
            claims: tokio::sync::Mutex::default(),
        }
    }

    /// Watches these namespaces alone.
    #[must_use]
    pub fn watching(mut self, namespaces: Vec<String>) -> Self {
        self.namespaces = namespaces;
        self
    }

    /// Reports an event on a StreamApp. An event that is lost is only logged: it stops nothing.
    pub async fn report<K>(&self, object: &K, notice: &Notice)
    where
        K: Resource<DynamicType = ()>,
    {
        let event = Event {
            type_: if notice.warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: notice.reason.as_str().to_owned(),
            note: Some(shortened(&notice.note)),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        let reference = object.object_ref(&());
        match self.recorder.publish(&event, &reference).await {
            Ok(()) => self.metrics.wrote("Event"),
            Err(error) => {
                tracing::warn!(%error, reason = event.reason, "could not report an event")
            }
        }
    }

    /// Asks workers in another way.
    #[must_use]
    pub fn asking(mut self, workers: Box<dyn AskWorkers>) -> Self {
        self.workers = workers;
        self
    }

    /// All StreamApps of the watched namespaces, as the API server has them now.
    ///
    /// # Errors
    /// The API server does not answer, or refuses.
    pub async fn stream_apps(&self) -> Result<Vec<StreamApp>> {
        let scopes: Vec<Api<DeserializeGuard<StreamApp>>> = if self.namespaces.is_empty() {
            vec![Api::all(self.client.clone())]
        } else {
            let names = self.namespaces.iter();
            names
                .map(|name| Api::namespaced(self.client.clone(), name))
                .collect()
        };
        let mut apps = Vec::new();
        for api in scopes {
            let found = api.list(&ListParams::default()).await;
            let found = found.map_err(Error::kubernetes("list", "StreamApp"))?;
            apps.extend(found.items.into_iter().filter_map(|guard| guard.0.ok()));
        }
        Ok(apps)
    }
}

/// An event's note has at most 1024 bytes.
fn shortened(note: &str) -> String {
    const MOST: usize = 1000;
    if note.len() <= MOST {
        return note.to_owned();
    }
    format!("{}…", &note[..note.floor_char_boundary(MOST)])
}
