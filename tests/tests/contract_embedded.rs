//! The contract suite against the embedded log, on the machine's time: lines that wait for a timeout
//! wait for these. Once in memory; once kept in a directory and reached through the fault-injecting
//! log with nothing planned, which must change nothing.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use millrace_embedded::{EmbeddedCluster, EmbeddedOptions, FaultPlan, FaultyCluster, SystemClock};
use millrace_kafka::Cluster;
use millrace_tests::contract::Names;

type Line = fn(&dyn Cluster, &mut Names);

fn options() -> EmbeddedOptions {
    EmbeddedOptions {
        session_timeout: Duration::from_secs(5),
        transaction_timeout: Duration::from_secs(3),
        ..EmbeddedOptions::default()
    }
}

/// Names for a line on this log, which compacts when it is told.
fn names(cluster: &EmbeddedCluster) -> Names {
    let cluster = cluster.clone();
    Names::new(move |topic| {
        if let Err(error) = cluster.compact(topic) {
            panic!("{error}");
        }
    })
}

/// A directory of its own, removed in the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("millrace-contract-{}-{count}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Nothing can be done about a failure here.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

mod in_memory {
    use super::*;

    fn run(line: Line) {
        let cluster = EmbeddedCluster::in_memory(options(), SystemClock::new());
        line(&cluster, &mut names(&cluster));
    }

    millrace_tests::contract_tests!(crate::in_memory::run);
}

mod in_a_directory_through_the_fault_log {
    use super::*;

    fn run(line: Line) {
        let directory = Directory::new();
        let cluster = match EmbeddedCluster::open(&directory.0, options(), SystemClock::new()) {
            Ok(cluster) => cluster,
            Err(error) => panic!("{error}"),
        };
        let inner = Arc::new(cluster.clone());
        let faulty = FaultyCluster::new(inner, FaultPlan::seeded(1), SystemClock::new());
        line(&faulty, &mut names(&cluster));
        assert!(faulty.fired().is_empty());
    }

    millrace_tests::contract_tests!(crate::in_a_directory_through_the_fault_log::run);
}
