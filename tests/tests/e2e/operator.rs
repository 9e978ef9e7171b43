//! The operator ends at every step, or is cut off from the API server: workers go on, and whoever
//! comes next goes on from what it finds.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use millrace_kafka::Cluster as Kafka;
use millrace_tests::cluster::{OPERATOR_NAMESPACE, Space, space, wait_until};
use serde_json::json;

use crate::support::{counted, write};

const APP: &str = "counts";
/// Number of the signal that `abort` sends itself.
const SIGABRT: i32 = 6;
/// Longest wait until a crash point is reached.
const POINT_LIMIT: Duration = Duration::from_secs(90);
/// Longest wait until the installed operator has ended.
const OPERATOR_LIMIT: Duration = Duration::from_secs(180);
/// How long the API server is away.
const AWAY: Duration = Duration::from_secs(60);
/// How long there is load while there is no operator.
const WITHOUT_OPERATOR: Duration = Duration::from_secs(10);
/// Keys of the load, and records of each key in a round.
const KEYS: u64 = 10;
const ROUND: u64 = 20;

/// An operator outside the cluster, for one namespace; killed when dropped.
struct Operator {
    process: Child,
    log: PathBuf,
}

impl Operator {
    /// Starts the built operator with a lease of its own: the last one's need not run out first.
    fn start(space: &Space, folder: &Path, number: usize, crash_at: Option<&str>) -> Result<Self> {
        let log = folder.join(format!("operator-{number}.log"));
        let file = File::create(&log).context("create the operator's log")?;
        let (_, kubeconfig) = space.cluster().kubectl_command();
        let namespace = space.kubectl().namespace();
        let mut command = Command::new(program()?);
        command
            .arg("run")
            .args(["--watch-namespaces", namespace])
            .args(["--lease-namespace", namespace])
            .args(["--lease-name", &format!("operator-{number}")])
            .args(["--worker-image", "localhost/millrace-worker:test"])
            .args(["--metrics-address", "127.0.0.1:0"])
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::null())
            .stdout(file.try_clone().context("share the operator's log")?)
            .stderr(file);
        if let Some(point) = crash_at {
            command.env("CRASH_AT", point);
        }
        let process = command.spawn().context("start millrace-operator")?;
        Ok(Self { process, log })
    }

    /// Waits until it has ended by itself.
    fn wait_for_end(&mut self) -> Result<ExitStatus> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().context("look at the operator")? {
                return Ok(status);
            }
            if began.elapsed() > POINT_LIMIT {
                bail!("it runs on after {POINT_LIMIT:?}\n{}", self.log_tail());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn program() -> Result<PathBuf> {
    let program = millrace_tests::worker::binary()?.with_file_name("millrace-operator");
    ensure!(program.is_file(), "no {}: make build", program.display());
    Ok(program)
}

/// All crash points, as the operator names them.
fn points() -> Result<Vec<String>> {
    let output = Command::new(program()?)
        .arg("crash-points")
        .output()
        .context("ask for the crash points")?;
    let text = String::from_utf8(output.stdout).context("read the crash points")?;
    let points: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    ensure!(!points.is_empty(), "the operator names no crash points");
    Ok(points)
}

pub(crate) fn an_operator_that_dies_at_any_step_is_followed_by_one_that_goes_on() -> Result<()> {
    let space = Space::new("e2e-crash")?;
    scale_operator(&space, 0)?;
    // Two at work would undo each other's changes. Controllers that have just lost the API server may
    // take their time.
    let gone = wait_until("the operator is gone", OPERATOR_LIMIT, || {
        let pods = space.cluster().kubectl(OPERATOR_NAMESPACE);
        let left = pods.list("pods", "app.kubernetes.io/name=millrace-operator")?;
        Ok(left.is_empty().then_some(()))
    });
    let result = gone.and_then(|()| crash_everywhere(&space));
    scale_operator(&space, 2)?;
    space.cluster().wait_operator()?;
    result
}

/// Replicas of the operator that is installed.
fn scale_operator(space: &Space, replicas: u32) -> Result<()> {
    space
        .cluster()
        .kubectl(OPERATOR_NAMESPACE)
        .run(&[
            "scale",
            "deployment/millrace",
            &format!("--replicas={replicas}"),
        ])
        .map(drop)
}

fn crash_everywhere(space: &Space) -> Result<()> {
    space.create_topics(&["in", "counts"], 2)?;
    let folder = tempfile::tempdir().context("make a folder for logs")?;
    // The operator is on the machine, where the cluster's names mean nothing.
    let kafka = space.cluster().kafka_address()?;
    let deletion = "  deletion: {internalTopics: Delete, consumerGroup: Delete, volumes: Delete}";
    let app = space.counts(APP, deletion).replace("kafka:9092", &kafka);
    for (number, point) in points()?.iter().enumerate() {
        prepare(space, folder.path(), number, point, &app)
            .with_context(|| format!("before {point}"))?;
        let mut operator = Operator::start(space, folder.path(), number, Some(point))?;
        let status = operator
            .wait_for_end()
            .with_context(|| format!("crash point {point} is not reached"))?;
        ensure!(
            status.signal() == Some(SIGABRT),
            "at {point} it ended with {status}\n{}",
            operator.log_tail()
        );
        println!("operator ended at {point}");
    }
    let _last = Operator::start(space, folder.path(), 1_000, None)?;
    wait_until("the application is gone", space::READY_LIMIT, || {
        let left = space.kubectl().get(&format!("streamapp/{APP}"))?;
        Ok(left.is_none().then_some(()))
    })
}

/// Makes a state in which the next operator comes to a point.
fn prepare(space: &Space, folder: &Path, number: usize, point: &str, app: &str) -> Result<()> {
    let object = format!("streamapp/{APP}");
    let scale = |replicas: u32| {
        let patch = json!({"spec": {"replicas": replicas}});
        space.kubectl().patch(&object, &patch)
    };
    match point {
        "after-finalizer" => space.kubectl().apply(app).map(drop),
        "after-nudge" => {
            settle(space, folder, number)?;
            work_goes_on_without_operator(space)?;
            scale(2)
        }
        // The ConfigMap of the earlier setting goes when no pod has it any more.
        "after-prune" => {
            let patch = json!({"spec": {"commitIntervalMs": 200}});
            space.kubectl().patch(&object, &patch)
        }
        "after-lower" => {
            scale(2)?;
            settle(space, folder, number)?;
            scale(1)
        }
        "cleanup-after-stateful-set" => {
            settle(space, folder, number)?;
            space
                .kubectl()
                .run(&["delete", &object, "--wait=false"])
                .map(drop)
        }
        _ => Ok(()),
    }
}

/// An operator that does not crash, until the application is ready.
fn settle(space: &Space, folder: &Path, number: usize) -> Result<()> {
    let operator = Operator::start(space, folder, 100 + number, None)?;
    space
        .wait_ready(APP)
        .with_context(|| operator.log_tail())
        .map(drop)
}

fn work_goes_on_without_operator(space: &Space) -> Result<()> {
    let each = load(space.kafka()?.as_ref(), space, WITHOUT_OPERATOR)?;
    counted(space, KEYS, each)
}

/// Writes for so long, [`ROUND`] by round; records for each of [`KEYS`] keys.
fn load(kafka: &dyn Kafka, space: &Space, time: Duration) -> Result<u64> {
    let began = Instant::now();
    let mut each = 0;
    while began.elapsed() < time {
        write(kafka, &space.own("in"), 2, KEYS, KEYS * ROUND)?;
        each += ROUND;
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("{} records in {:?}", KEYS * each, began.elapsed());
    Ok(each)
}

pub(crate) fn workers_go_on_while_the_api_server_is_away() -> Result<()> {
    let space = Space::new("e2e-apiserver")?;
    space.create_topics(&["in", "counts"], 2)?;
    space.kubectl().apply(&space.counts(APP, ""))?;
    space.wait_ready(APP)?;
    let before = space.pod(APP, 0)?;
    // Where Kafka is, the API server tells.
    let kafka = space.kafka()?;
    space.cluster().stop_part("apiserver")?;
    let worked = load(kafka.as_ref(), &space, AWAY);
    let status = before.status();
    space.cluster().start_part("apiserver")?;
    let each = worked?;
    status.context("the worker does not answer without the API server")?;
    wait_until("the API server answers", space::READY_LIMIT, || {
        space.kubectl().run(&["get", "--raw", "/readyz"]).map(Some)
    })?;
    counted(&space, KEYS, each)?;
    let after = space.pod(APP, 0)?;
    ensure!(
        after.uid == before.uid && after.restarts == 0,
        "the pod was {before:?} and is {after:?}"
    );
    // The operator is there again: it takes a change.
    space
        .kubectl()
        .run(&["scale", &format!("streamapp/{APP}"), "--replicas=2"])?;
    // Kubernetes' own parts (scheduler, volumes, kubelet) come back one by one, each after a pause of its
    // own: a pod has waited for a minute to be scheduled.
    space.wait_app(APP, "with 2 replicas", space::READY_LIMIT * 2, |app| {
        app["status"]["readyReplicas"] == 2
    })?;
    space.wait_ready(APP).map(drop)
}
