//! What is measured: one entry per workload. A workload is a StreamApp in `tests/bench`, the topology of
//! the same name in `tests/bench/peer`, and what is expected of both.

use std::time::Duration;

use super::sides::{Promise, Side};
use super::target::{Ratio, Target};

/// A workload: two topologies that are the same one.
#[derive(Debug)]
pub(super) struct Workload {
    /// In bench-results.json, on the command line, and in the peer.
    pub(super) name: &'static str,
    /// For people.
    pub(super) title: &'static str,
    /// The StreamApp, below `tests/bench`.
    pub(super) app: &'static str,
    /// Who is measured, in turns.
    pub(super) sides: &'static [Side],
    /// Under which guarantees.
    pub(super) promises: &'static [Promise],
    /// How long it runs before it is measured, and how long it is measured: the fastest side must not
    /// be through with its input before.
    pub(super) window: Duration,
    /// Fewest results that so many records committed of the balances and of the requests have.
    pub(super) results: fn(balances: u64, requests: u64) -> u64,
    /// What the issues ask for.
    pub(super) targets: &'static [Target],
}

/// The results file's and the report's order.
pub(super) const WORKLOADS: [Workload; 5] = [
    Workload {
        name: "loan_join",
        title: "Loan join: a stream left joins a table, both flow",
        app: "loan-join.yaml",
        sides: &Side::ALL,
        promises: &[Promise::ExactlyOnce, Promise::AtLeastOnce],
        window: Duration::from_secs(10),
        results: |_, requests| requests,
        targets: &[
            Target::at_least(Ratio::Records, Side::Peer, 3.5),
            Target::at_most(Ratio::Cpu, Side::Peer, 0.2),
            Target::at_most(Ratio::Cpu, Side::Ceiling, 2.6),
            Target::at_most(Ratio::Memory, Side::Peer, 0.2),
        ],
    },
    Workload {
        title: "Windowed count: tumbling, by key",
        results: |balances, requests| balances + requests,
        ..beside_the_peer("windowed_count", "windowed-count.yaml")
    },
    Workload {
        title: "Stream-stream join: inner, two minutes before and after",
        results: SOME,
        ..beside_the_peer("stream_stream_join", "stream-stream-join.yaml")
    },
    Workload {
        title: "Table-table join: inner, both change",
        results: SOME,
        ..beside_the_peer("table_table_join", "table-table-join.yaml")
    },
    Workload {
        title: "mapValues and filter, stateless",
        // It is fast, and its input has an end.
        window: Duration::from_secs(6),
        results: |balances, requests| (balances + requests) * 2 / 5,
        ..beside_the_peer("map_filter", "map-filter.yaml")
    },
];

/// Where it depends on how far a side has come: at first few records find one of the other topic.
const SOME: fn(u64, u64) -> u64 = |_, _| 1;

/// What the issues ask of the workloads beside the loan join.
const BESIDE_THE_PEER: [Target; 2] = [
    Target::at_least(Ratio::Records, Side::Peer, 3.0),
    Target::at_most(Ratio::Cpu, Side::Peer, 0.25),
];

/// What they have in common.
const fn beside_the_peer(name: &'static str, app: &'static str) -> Workload {
    Workload {
        name,
        title: name,
        app,
        sides: &[Side::Ours, Side::Peer],
        promises: &[Promise::ExactlyOnce],
        window: Duration::from_secs(10),
        results: SOME,
        targets: &BESIDE_THE_PEER,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_workload_has_a_name_of_its_own_and_a_stream_app_that_plans() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("bench");
        let mut names = BTreeSet::new();
        for workload in &WORKLOADS {
            assert!(names.insert(workload.name), "{} twice", workload.name);
            let app = super::super::app::read(&folder, workload.app).unwrap();
            millrace_crds::plan::plan(&app).unwrap();
        }
    }
}
