//! Creates topics: what a newcomer's cluster (`make cluster`) needs before an application can run, and
//! what Kafka's own command line tools do elsewhere.

use std::collections::BTreeMap;

use anyhow::Result;
use clap::Parser;
use millrace_kafka::{Cluster, Guarantee, KafkaCluster, KafkaConfig, TopicSpec};

/// Creates topics; those that are there stay as they are
#[derive(Debug, Parser)]
struct Options {
    /// `host:port` of Kafka
    #[arg(long, env = "BOOTSTRAP_SERVERS")]
    bootstrap_servers: String,

    /// Partitions of each
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(i32).range(1..=1000))]
    partitions: i32,

    /// Their names
    #[arg(required = true)]
    names: Vec<String>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let specs: Vec<TopicSpec> = options
        .names
        .iter()
        .map(|name| TopicSpec {
            name: name.clone(),
            partitions: options.partitions,
            replication_factor: -1,
            configs: BTreeMap::new(),
        })
        .collect();
    let config = KafkaConfig::new(options.bootstrap_servers, Guarantee::AtLeastOnce);
    KafkaCluster::new(config)?.admin()?.create_topics(&specs)?;
    Ok(())
}
