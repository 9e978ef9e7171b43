//! A Kafka cluster: where clients come from.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::admin::{KafkaAdmin, SharedClient};
use crate::classify::Site;
use crate::config::KafkaConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::group::KafkaConsumer;
use crate::log::{
    Admin, Cluster, ConsumerOptions, GroupConsumer, Guarantee, ProducerOptions, RecordSink,
    RecordSource,
};
use crate::native::{Client, ClientKind};
use crate::reader::Reader;
use crate::sink::KafkaProducer;

/// Apache Kafka (brokers 2.4 or later; 4.x are tested), reached through librdkafka.
///
/// Making one checks the configuration and sends nothing: a cluster that is away shows with the first
/// call that needs it, as [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable).
pub struct KafkaCluster {
    /// Replaced when clients are to have other buffers.
    config: Mutex<Arc<KafkaConfig>>,
    site: Site,
    /// Made with the first admin.
    admin: Mutex<Option<SharedClient>>,
    /// What the files of TLS and SASL held when clients were last said to need none anew.
    files: Mutex<Option<u64>>,
}

impl KafkaCluster {
    /// Checks the configuration.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), naming the property at fault.
    pub fn new(config: KafkaConfig) -> Result<Self> {
        config.check()?;
        let site = Site::new(&config.bootstrap_servers);
        // Files that are not there yet count as changed when they are.
        let files = Mutex::new(config.files.fingerprint().ok());
        Ok(Self {
            config: Mutex::new(Arc::new(config)),
            site,
            admin: Mutex::new(None),
            files,
        })
    }

    /// The configuration as of now.
    fn config(&self) -> Arc<KafkaConfig> {
        Arc::clone(&lock(&self.config))
    }

    fn admin_client(&self) -> Result<Client> {
        let conf = self.config().admin_conf()?;
        Client::new(ClientKind::Producer, conf, Box::new(()))
            .map_err(|error| self.site.error("make an admin client", &error))
    }
}

impl Cluster for KafkaCluster {
    fn admin(&self) -> Result<Box<dyn Admin>> {
        let mut shared = lock(&self.admin);
        let client = match &*shared {
            Some(client) => client.clone(),
            None => shared
                .insert(SharedClient::new(self.admin_client()?))
                .clone(),
        };
        Ok(Box::new(KafkaAdmin::new(
            client,
            self.config(),
            self.site.clone(),
        )))
    }

    fn consumer(&self, options: &ConsumerOptions) -> Result<Box<dyn GroupConsumer>> {
        let consumer = KafkaConsumer::new(self.config(), self.site.clone(), options)?;
        Ok(Box::new(consumer))
    }

    fn reader(&self, name: &str) -> Result<Box<dyn RecordSource>> {
        let config = self.config();
        let conf = config.reader_conf(name, name, Guarantee::ExactlyOnce, config.fetch_buffer)?;
        Ok(Box::new(Reader::new(
            conf,
            self.site.clone(),
            self.config().request_timeout,
        )?))
    }

    fn producer(&self, options: &ProducerOptions) -> Result<Box<dyn RecordSink>> {
        let producer = KafkaProducer::new(self.config(), self.site.clone(), options)?;
        Ok(Box::new(producer))
    }

    fn set_buffers(&self, fetch_per_partition: usize, send: usize) {
        let mut config = lock(&self.config);
        if (config.fetch_buffer, config.send_buffer) == (fetch_per_partition, send) {
            return;
        }
        let mut changed = KafkaConfig::clone(&config);
        (changed.fetch_buffer, changed.send_buffer) = (fetch_per_partition, send);
        *config = Arc::new(changed);
    }

    fn refresh(&self) -> Result<bool> {
        if self.config().files.is_empty() {
            return Ok(false);
        }
        let now = self.config().files.fingerprint()?;
        let mut known = lock(&self.files);
        if *known == Some(now) {
            return Ok(false);
        }
        // Tried before any thread depends on it: a wrong secret leaves everything as it is.
        let client = self.admin_client()?;
        if client.cluster_id(self.config().request_timeout).is_none() {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "try the changed TLS or SASL files",
                format!(
                    "Kafka at {} does not answer a client that uses them: the old ones stay in use, \
                     and the new ones are tried again; look at the Secret",
                    self.site.servers
                ),
            ));
        }
        if let Some(shared) = &*lock(&self.admin) {
            shared.replace(client);
        }
        *known = Some(now);
        Ok(true)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
