//! End-to-end tests on a real Kubernetes: the product's images, its charts, Kafka as a pod, and
//! `kubectl` as users type it.
//!
//! One cluster for all scenarios, a namespace for each; several at a time, since most of a scenario
//! is waiting. Those that take something away from everybody (the operator, the API server) run one
//! after the other in the end. Where the machine cannot run a cluster, this says so, and every
//! scenario counts as ignored.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "e2e/loan.rs"]
mod loan;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use millrace_tests::cluster::Cluster;

/// Scenarios at a time.
const AT_A_TIME: usize = 3;

/// A scenario's body.
type Body = fn() -> anyhow::Result<()>;

/// Scenarios that share the cluster.
const SHARED: &[(&str, Body)] = &[(
    "the_loan_example_runs_as_its_readme_says",
    loan::the_loan_example_runs_as_its_readme_says,
)];

/// Scenarios that need it for themselves.
const ALONE: &[(&str, Body)] = &[];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let why_not = match Cluster::why_not() {
        Ok(reason) => reason,
        Err(error) => Some(format!("{error:#}")),
    };
    if let Some(reason) = &why_not {
        eprintln!("NO END-TO-END TEST IS RUN: this machine cannot run a cluster: {reason}");
    }
    let able = why_not.is_none();
    arguments.test_threads.get_or_insert(AT_A_TIME);
    let shared = libtest_mimic::run(&arguments, trials(SHARED, able));
    arguments.test_threads = Some(1);
    let alone = libtest_mimic::run(&arguments, trials(ALONE, able));
    let stopped = Cluster::stop_shared();
    if let Err(error) = &stopped {
        eprintln!("{error:#}");
    }
    if shared.has_failed() || alone.has_failed() || stopped.is_err() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn trials(scenarios: &[(&'static str, Body)], able: bool) -> Vec<Trial> {
    scenarios
        .iter()
        .map(|&(name, body)| {
            let run = move || body().map_err(|error| Failed::from(format!("{error:#}")));
            Trial::test(name, run).with_ignored_flag(!able)
        })
        .collect()
}
