//! The contract suite against the embedded log, on the machine's time: lines that wait for a timeout
//! wait for these.

use std::time::Duration;

use millrace_embedded::{EmbeddedCluster, EmbeddedOptions, SystemClock};
use millrace_kafka::Cluster;
use millrace_tests::contract::Names;

fn run(line: fn(&dyn Cluster, &mut Names)) {
    let options = EmbeddedOptions {
        session_timeout: Duration::from_secs(5),
        transaction_timeout: Duration::from_secs(3),
        ..EmbeddedOptions::default()
    };
    let cluster = EmbeddedCluster::in_memory(options, SystemClock::new());
    let compacted = cluster.clone();
    let mut names = Names::new(move |topic| {
        if let Err(error) = compacted.compact(topic) {
            panic!("{error}");
        }
    });
    line(&cluster, &mut names);
}

millrace_tests::contract_tests!(crate::run);
