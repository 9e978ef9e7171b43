//! `kubectl scale` under load: nothing is lost or counted twice, no pod that stays is touched, and
//! only the tasks that move pause.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use millrace_tests::cluster::{Gap, Gaps, Space, space};
use millrace_tests::load::{Load, LoadOptions};
use millrace_tests::topic;
use serde_json::Value;

use crate::support::{READ_LIMIT, processed_to_the_end};

/// Partitions of every topic.
const PARTITIONS: i32 = 3;
/// Transactions and loan requests per second.
const RECORDS_PER_S: u64 = 1_000;
/// Time under load before, between and after the changes.
const STEADY: Duration = Duration::from_secs(6);
/// Longest pause of a task that stays where it is.
const STAYING_LIMIT: Duration = Duration::from_secs(1);
/// Longest pause of a task that moves, with what it restores (next to nothing here).
const MOVING_LIMIT: Duration = Duration::from_secs(3);

pub(crate) fn kubectl_scale_moves_tasks_without_loss_and_without_touching_pods_that_stay()
-> Result<()> {
    let space = Space::new("e2e-scale")?;
    let topics = [
        "transactions",
        "account-balances",
        "loan-requests",
        "loan-evaluation-results",
    ];
    space.create_topics(&topics, PARTITIONS)?;
    for app in ["account-balances", "loan-evaluation"] {
        space.kubectl().apply(&space.example(app, "")?)?;
    }
    for app in ["account-balances", "loan-evaluation"] {
        space.wait_ready(app)?;
    }
    let app = "account-balances";
    let first = space.pod(app, 0)?;
    let load = Load::start(
        space.kafka()?,
        LoadOptions {
            seed: 4,
            transactions: space.own("transactions"),
            loan_requests: space.own("loan-requests"),
            partitions: PARTITIONS,
            accounts: 300,
            records_per_s: RECORDS_PER_S,
            withdrawals: true,
        },
    )?;
    let balances = space.own("account-balances");
    let watch = || Gaps::watch(&space, app, &balances, PARTITIONS);
    let gaps = watch()?;
    std::thread::sleep(STEADY);
    scale(&space, app, 3)?;
    every_pod_has_a_task(&space, app)?;
    std::thread::sleep(STEADY);
    let up = gaps.stop()?;
    let gaps = watch()?;
    std::thread::sleep(STEADY);
    scale(&space, app, 1)?;
    std::thread::sleep(STEADY);
    let down = gaps.stop()?;
    load.expect_running()?;
    let ledger = load.stop()?;

    let kept = space.pod(app, 0)?;
    ensure!(
        kept.uid == first.uid && kept.restarts == 0,
        "pod 0 was {first:?} and is {kept:?}"
    );
    processed_to_the_end(&space, app)?;
    processed_to_the_end(&space, "loan-evaluation")?;
    let kafka = space.kafka()?;
    let mut audit = ledger.balance_audit();
    let count = topic::read(kafka.as_ref(), &balances, READ_LIMIT, &mut |row| {
        audit.next(row)
    })?;
    audit.finish()?;
    let mut audit = ledger.verdict_audit();
    let results = space.own("loan-evaluation-results");
    topic::read(kafka.as_ref(), &results, READ_LIMIT, &mut |row| {
        audit.next(row)
    })?;
    let verdicts = audit.finish()?;
    println!("scale 1→3→1 under load: {count} balances, {verdicts} verdicts, each once");
    check_gaps("1→3", &up)
        .and_then(|()| check_gaps("3→1", &down))
        .with_context(|| warnings(&space, app))?;
    space.check_operator_log()
}

/// `kubectl scale`, and the wait until it is so.
fn scale(space: &Space, app: &str, replicas: u32) -> Result<()> {
    let object = format!("streamapp/{app}");
    space
        .kubectl()
        .run(&["scale", &object, &format!("--replicas={replicas}")])?;
    space.wait_app(
        app,
        &format!("with {replicas} replicas"),
        space::READY_LIMIT,
        |app| app["status"]["readyReplicas"] == replicas && app["status"]["replicas"] == replicas,
    )?;
    space.wait_ready(app)?;
    let pods = space.pods(app)?;
    ensure!(
        pods.len() == replicas as usize,
        "{replicas} replicas are {pods:?}"
    );
    Ok(())
}

fn every_pod_has_a_task(space: &Space, app: &str) -> Result<()> {
    millrace_tests::cluster::wait_until("every pod has a task", space::READY_LIMIT, || {
        for pod in space.pods(app)? {
            let status = pod.status()?;
            if status.threads.iter().all(|thread| thread.tasks.is_empty()) {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
}

/// What pod 0 had to say, for a pause that is too long.
fn warnings(space: &Space, app: &str) -> String {
    let pod = format!("{app}-0");
    let said = space
        .kubectl()
        .run(&["logs", &pod])
        .unwrap_or_else(|error| format!("{error:#}"));
    format!("pod {pod} said:\n{said}")
}

fn check_gaps(change: &str, gaps: &[Gap]) -> Result<()> {
    for gap in gaps {
        println!(
            "scale {change}: partition {} paused for at most {} ms, on {}",
            gap.partition,
            gap.largest.as_millis(),
            gap.owners.join(", then ")
        );
    }
    for gap in gaps {
        let stays = gap.owners.len() == 1;
        let limit = if stays { STAYING_LIMIT } else { MOVING_LIMIT };
        ensure!(
            gap.largest < limit,
            "scale {change}: partition {} paused for {:?}, at most {limit:?} is right",
            gap.partition,
            gap.largest
        );
    }
    Ok(())
}

/// An autoscaler finds what it needs: the scale subresource with its selector.
pub(crate) fn an_autoscaler_reads_the_scale() -> Result<()> {
    let space = Space::new("e2e-hpa")?;
    space.create_topics(&["in", "counts"], 1)?;
    space.kubectl().apply(&space.counts("counts", ""))?;
    space.wait_ready("counts")?;
    space.kubectl().run(&[
        "autoscale",
        "streamapp/counts",
        "--name=counts",
        "--min=1",
        "--max=3",
        "--cpu-percent=80",
    ])?;
    let able =
        millrace_tests::cluster::wait_until("SucceededGetScale", space::READY_LIMIT, || {
            let scaler: Value = space.kubectl().expect("horizontalpodautoscaler/counts")?;
            let conditions = scaler["status"]["conditions"].as_array().cloned();
            let conditions = conditions.context("no conditions yet")?;
            Ok(conditions
                .iter()
                .find(|one| one["type"] == "AbleToScale" && one["status"] == "True")
                .cloned())
        })?;
    ensure!(able["reason"] == "SucceededGetScale", "{able}");
    Ok(())
}
