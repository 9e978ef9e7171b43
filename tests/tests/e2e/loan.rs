//! The loan example, as a newcomer runs it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use millrace_tests::cluster::{Cluster, Condition, wait_until};
use millrace_tests::topic;
use serde_json::Value;

/// Longest wait for a step.
const LIMIT: Duration = Duration::from_secs(120);
/// Longest time of reading a topic.
const READ_LIMIT: Duration = Duration::from_secs(30);
/// What the example reads and writes.
const TOPICS: [&str; 4] = [
    "transactions",
    "account-balances",
    "loan-requests",
    "loan-evaluation-results",
];
/// Columns of `kubectl get sapp`.
const COLUMNS: [&str; 8] = [
    "NAME",
    "READY",
    "REPLICAS",
    "TASKS",
    "THREADS",
    "LAG",
    "RESTORING",
    "AGE",
];

/// `kubectl port-forward`, ended when dropped.
struct Forward {
    process: Child,
    port: u16,
}

impl Forward {
    fn start(program: &Path, kubeconfig: &Path, service: &str) -> Result<Self> {
        // Taken and given back: the forwarder binds it next.
        let port = std::net::TcpListener::bind(("127.0.0.1", 0))?
            .local_addr()?
            .port();
        let process = Command::new(program)
            .args(["port-forward", service, &format!("{port}:8004")])
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("start kubectl port-forward")?;
        Ok(Self { process, port })
    }

    /// Asks for a loan; the loan's id.
    fn ask(&self, account: &str, amount: u32) -> Result<String> {
        let url = format!("http://127.0.0.1:{}/loans", self.port);
        let body = serde_json::json!({"account": account, "amount": amount});
        let answer: Value = ureq::post(&url)
            .send_json(&body)
            .with_context(|| format!("POST {url}"))?
            .body_mut()
            .read_json()
            .context("read the answer of POST /loans")?;
        let id = answer["id"].as_str();
        Ok(id.with_context(|| format!("no id in {answer}"))?.to_owned())
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the README's quick start says, in the namespace that it says it in.
pub(crate) fn the_loan_example_runs_as_its_readme_says() -> Result<()> {
    let cluster = Cluster::shared()?;
    let kubectl = cluster.kubectl("default");
    cluster.create_topics(&TOPICS.map(str::to_owned), 3)?;
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/loan-evaluation");
    kubectl.run(&["apply", "--filename", example])?;
    kubectl.run(&["apply", "--filename", &format!("{example}/kubernetes")])?;
    let result = loans_are_judged(cluster);
    if result.is_err() {
        eprintln!("{}", kubectl.describe_all());
    }
    kubectl.run(&["delete", "--filename", &format!("{example}/kubernetes")])?;
    kubectl.run(&["delete", "--filename", example, "--timeout=60s"])?;
    result
}

fn loans_are_judged(cluster: &Cluster) -> Result<()> {
    let kubectl = cluster.kubectl("default");
    for app in ["account-balances", "loan-evaluation"] {
        wait_until(&format!("{app} is ready"), LIMIT, || {
            let app = kubectl.expect(&format!("streamapp/{app}"))?;
            Ok(Condition::of(&app, "Ready").filter(Condition::is_true))
        })?;
    }
    for deployment in ["transaction-producer", "loan-request-api"] {
        let limit = format!("--timeout={}s", LIMIT.as_secs());
        let deployment = format!("deployment/{deployment}");
        kubectl.run(&["rollout", "status", &deployment, &limit])?;
    }
    let kafka = cluster.kafka()?;
    wait_until("the balance of 001-00101 is known", LIMIT, || {
        let (balances, _) = topic::compacted(kafka.as_ref(), "account-balances", READ_LIMIT)?;
        Ok(balances.get("001-00101").cloned())
    })?;
    let (program, kubeconfig) = cluster.kubectl_command();
    let forward = Forward::start(&program, &kubeconfig, "service/loan-request-api")?;
    let mut loans = Vec::new();
    for (account, amount, status) in [
        ("001-00101", 1, "approved"),
        ("001-00101", 90_000_000, "rejected"),
        ("999-99999", 100, "rejected"),
    ] {
        let id = wait_until("the REST service answers", LIMIT, || {
            forward.ask(account, amount).map(Some)
        })?;
        loans.push((id, status));
    }
    let verdicts = wait_until("every loan has its verdict", LIMIT, || {
        let mut verdicts: Vec<Value> = Vec::new();
        topic::read(
            kafka.as_ref(),
            "loan-evaluation-results",
            READ_LIMIT,
            &mut |row| {
                verdicts.push(serde_json::from_slice(row.value.unwrap_or_default())?);
                Ok(())
            },
        )?;
        Ok((verdicts.len() >= loans.len()).then_some(verdicts))
    })?;
    for (id, status) in loans {
        let verdict = verdicts.iter().find(|verdict| verdict["id"] == id.as_str());
        let verdict = verdict.with_context(|| format!("loan {id} has no verdict"))?;
        ensure!(verdict["status"] == status, "{id}: {verdict}");
    }
    ensure!(verdicts.len() == 3, "three loans have {verdicts:?}");
    columns_are_filled(cluster)
}

/// `kubectl get sapp` shows every column with a value.
fn columns_are_filled(cluster: &Cluster) -> Result<()> {
    let table = wait_until("kubectl get sapp shows both apps", LIMIT, || {
        let table = cluster.kubectl("default").run(&["get", "sapp"])?;
        Ok((table.lines().count() >= 3).then_some(table))
    })?;
    println!("{table}");
    let header: Vec<&str> = table
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    ensure!(header == COLUMNS, "columns are {header:?}");
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split_whitespace().collect();
        ensure!(cells[1] == "True", "not ready: {line}");
    }
    Ok(())
}
