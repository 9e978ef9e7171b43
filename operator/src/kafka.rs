//! What the operator asks of Kafka: [`KafkaPool`] has one admin client per cluster and identity, and
//! keeps its blocking calls off the runtime's threads, bounded in number and time.
//!
//! It never reads or writes a record, and joins no group.

mod access;
mod facts;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use millrace_kafka::{Admin, Cluster, KafkaCluster, KafkaConfig, Result};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

pub use access::{AccessProblem, config, secret_names};
pub use facts::{KafkaFacts, TopicFacts, look};

use crate::error::Error;

/// Longest wait for one answer of a broker.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Calls under way at once, over all clusters: a Kafka that is away must not take all threads.
const CALLS: usize = 16;
/// A client that was not used for this long is closed: its StreamApps are gone, or have another
/// password now.
const IDLE: Duration = Duration::from_secs(600);

/// Opens a cluster. Tests put the embedded log here.
pub type Connect = Arc<dyn Fn(KafkaConfig) -> Result<Arc<dyn Cluster>> + Send + Sync>;

/// Clients by cluster and identity.
pub struct KafkaPool {
    connect: Connect,
    clients: Mutex<HashMap<Vec<u8>, Entry>>,
    calls: Arc<Semaphore>,
}

struct Entry {
    cluster: Arc<dyn Cluster>,
    used: Instant,
}

impl KafkaPool {
    /// A pool of Apache Kafka's clients.
    pub fn new() -> Self {
        Self::with(Arc::new(|config| {
            Ok(Arc::new(KafkaCluster::new(config)?) as Arc<dyn Cluster>)
        }))
    }

    /// A pool that opens clusters by a function.
    pub fn with(connect: Connect) -> Self {
        Self {
            connect,
            clients: Mutex::default(),
            calls: Arc::new(Semaphore::new(CALLS)),
        }
    }

    /// Calls Kafka on a thread of its own.
    ///
    /// # Errors
    /// Those of the call, each bounded by [`REQUEST_TIMEOUT`] per request.
    pub async fn call<T: Send + 'static>(
        &self,
        config: KafkaConfig,
        call: impl FnOnce(&dyn Admin) -> Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let cluster = self.cluster(config)?;
        let permit = Arc::clone(&self.calls)
            .acquire_owned()
            .await
            .map_err(|closed| Error::Lost(closed.to_string()))?;
        let called = tokio::task::spawn_blocking(move || {
            // Held by the thread, not by whoever waits for it: threads are what is bounded.
            let _permit = permit;
            call(cluster.admin()?.as_ref())
        });
        let outcome = called.await.map_err(|lost| Error::Lost(lost.to_string()))?;
        Ok(outcome?)
    }

    fn cluster(&self, config: KafkaConfig) -> Result<Arc<dyn Cluster>> {
        let key = key(&config);
        let now = Instant::now();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|_, entry| now.duration_since(entry.used) < IDLE);
        if let Some(entry) = clients.get_mut(&key) {
            entry.used = now;
            return Ok(Arc::clone(&entry.cluster));
        }
        // Opening sends nothing and does not wait.
        let cluster = (self.connect)(config)?;
        let entry = Entry {
            cluster: Arc::clone(&cluster),
            used: now,
        };
        clients.insert(key, entry);
        Ok(cluster)
    }
}

impl Default for KafkaPool {
    fn default() -> Self {
        Self::new()
    }
}

/// A digest: the configuration may hold a password, and keys stay in memory for long.
fn key(config: &KafkaConfig) -> Vec<u8> {
    let mut digest = Sha256::new();
    let mut add = |text: &str| {
        digest.update(text.len().to_le_bytes());
        digest.update(text.as_bytes());
    };
    add(&config.bootstrap_servers);
    for (name, value) in &config.properties {
        add(name);
        add(value);
    }
    digest.finalize().to_vec()
}
