//! A Kafka cluster: where clients come from.

use std::sync::{Arc, Mutex, PoisonError};

use crate::admin::KafkaAdmin;
use crate::classify::Site;
use crate::config::KafkaConfig;
use crate::error::Result;
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
    config: Arc<KafkaConfig>,
    site: Site,
    /// One client for all admins; made with the first.
    admin: Mutex<Option<Client>>,
}

impl KafkaCluster {
    /// Checks the configuration.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), naming the property at fault.
    pub fn new(config: KafkaConfig) -> Result<Self> {
        config.check()?;
        let site = Site {
            servers: config.bootstrap_servers.as_str().into(),
        };
        Ok(Self {
            config: Arc::new(config),
            site,
            admin: Mutex::new(None),
        })
    }
}

impl Cluster for KafkaCluster {
    fn admin(&self) -> Result<Box<dyn Admin>> {
        let mut shared = self.admin.lock().unwrap_or_else(PoisonError::into_inner);
        let client = match &*shared {
            Some(client) => client.clone(),
            None => {
                let conf = self.config.admin_conf()?;
                let client = Client::new(ClientKind::Producer, conf, Box::new(()))
                    .map_err(|error| self.site.error("make an admin client", &error))?;
                shared.insert(client).clone()
            }
        };
        Ok(Box::new(KafkaAdmin::new(
            client,
            Arc::clone(&self.config),
            self.site.clone(),
        )))
    }

    fn consumer(&self, options: &ConsumerOptions) -> Result<Box<dyn GroupConsumer>> {
        let consumer = KafkaConsumer::new(Arc::clone(&self.config), self.site.clone(), options)?;
        Ok(Box::new(consumer))
    }

    fn reader(&self, name: &str) -> Result<Box<dyn RecordSource>> {
        let conf = self
            .config
            .reader_conf(name, name, Guarantee::ExactlyOnce)?;
        Ok(Box::new(Reader::new(
            conf,
            self.site.clone(),
            self.config.request_timeout,
        )?))
    }

    fn producer(&self, options: &ProducerOptions) -> Result<Box<dyn RecordSink>> {
        let producer = KafkaProducer::new(Arc::clone(&self.config), self.site.clone(), options)?;
        Ok(Box::new(producer))
    }
}
