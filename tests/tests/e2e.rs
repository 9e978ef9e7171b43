//! End-to-end tests on a real Kubernetes: the product's images, its charts, Kafka as a pod, and
//! `kubectl` as users type it.
//!
//! One cluster for all scenarios, a namespace for each; several at a time, since most of a scenario
//! is waiting. Those that take something away from everybody (the operator, the API server) run one
//! after the other in the end. Where the machine cannot run a cluster, this says so, and every
//! scenario counts as ignored.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "e2e/images.rs"]
mod images;
#[path = "e2e/lifecycle.rs"]
mod lifecycle;
#[path = "e2e/loan.rs"]
mod loan;
#[path = "e2e/memory.rs"]
mod memory;
#[path = "e2e/operator.rs"]
mod operator;
#[path = "e2e/restart.rs"]
mod restart;
#[path = "e2e/scale.rs"]
mod scale;
#[path = "e2e/support.rs"]
mod support;
#[path = "e2e/tls.rs"]
mod tls;
#[path = "e2e/wrong.rs"]
mod wrong;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use millrace_tests::cluster::Cluster;

/// Scenarios at a time.
const AT_A_TIME: usize = 3;

/// A scenario's body.
type Body = fn() -> anyhow::Result<()>;

/// A list of scenarios, named as their functions are.
macro_rules! scenarios {
    ($($module:ident::$name:ident,)*) => {
        &[$((stringify!($name), $module::$name)),*]
    };
}

/// Scenarios that share the cluster.
const SHARED: &[(&str, Body)] = scenarios![
    loan::the_loan_example_runs_as_its_readme_says,
    tls::new_certificates_and_a_new_password_take_effect_without_a_restart,
    memory::a_worker_with_twice_its_memory_in_state_is_not_killed,
    images::images_are_small,
    scale::an_autoscaler_reads_the_scale,
    restart::a_pod_comes_back_with_its_volume_and_restores_the_tail_alone,
    lifecycle::an_application_waits_for_its_source_topic_and_goes_on_by_itself,
    lifecycle::joined_topics_with_different_partitions_are_refused_by_name,
    lifecycle::an_incompatible_topology_is_refused_and_the_accepted_one_runs_on,
    lifecycle::a_rollout_to_a_bad_image_heals_when_the_spec_is_mended,
    lifecycle::a_suspended_application_has_no_pods_and_goes_on_where_it_stopped,
    lifecycle::a_deleted_application_leaves_what_its_policy_says,
    lifecycle::a_bigger_volume_grows_under_pods_that_stay,
    lifecycle::a_second_application_with_the_same_id_is_refused,
    wrong::wrong_resources_get_clear_answers_and_stop_no_other,
];

/// Scenarios that need it for themselves.
const ALONE: &[(&str, Body)] = scenarios![
    scale::kubectl_scale_moves_tasks_without_loss_and_without_touching_pods_that_stay,
    operator::workers_go_on_while_the_api_server_is_away,
    operator::an_operator_that_dies_at_any_step_is_followed_by_one_that_goes_on,
];

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
