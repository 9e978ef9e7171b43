//! The contract suite against Apache Kafka: one broker for all lines, with a cleaner that compacts at
//! once.

use std::sync::OnceLock;

use millrace_kafka::{Cluster, Guarantee};
use millrace_tests::broker::{Broker, BrokerOptions};
use millrace_tests::contract::Names;

/// Ended by the broker's watchdog, as a static is never dropped.
static BROKER: OnceLock<Result<Broker, String>> = OnceLock::new();

fn run(line: fn(&dyn Cluster, &mut Names)) {
    let started = BROKER.get_or_init(|| {
        let options = BrokerOptions::new().property("log.cleaner.backoff.ms", "100");
        Broker::start_with(&options).map_err(|error| format!("{error:#}"))
    });
    let cluster = match started {
        Ok(broker) => broker.cluster(Guarantee::ExactlyOnce),
        Err(error) => panic!("{error}"),
    };
    match cluster {
        Ok(cluster) => line(&cluster, &mut Names::new(|_| {})),
        Err(error) => panic!("{error:#}"),
    }
}

millrace_tests::contract_tests!(crate::run);
