//! A real Kubernetes with the product's images and Kafka as a pod, for the end-to-end tests: one
//! cluster per test process, a namespace per scenario.
//!
//! Owns the cluster's life: brought up by `tests/cluster/up.sh`, taken down when this process ends,
//! in whatever way. What it asks of Kubernetes goes through `kubectl`, which is what users touch.
//!
//! `MILLRACE_E2E_KEEP=1` uses the cluster that is up already (`make cluster`), or leaves up the one it
//! brings up: for work on a single scenario.

mod gaps;
mod kubectl;
mod pods;
pub mod space;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use millrace_kafka::{Cluster as KafkaApi, Guarantee, KafkaCluster, KafkaConfig, TopicSpec};

pub use gaps::{Gap, Gaps};
pub use kubectl::{Kubectl, wait_until};
pub use pods::{Pod, worker_status};
pub use space::{Condition, Space};

/// Namespace of the operator.
pub const OPERATOR_NAMESPACE: &str = "millrace-system";
/// Port of Kafka's pod for clients outside the cluster.
const KAFKA_HOST_PORT: u16 = 9094;
/// Longest wait for the operator's pods.
const OPERATOR_LIMIT: Duration = Duration::from_secs(120);

/// The guard's script: its standard input closes when we are gone. `$1` is `node.sh`.
const GUARD: &str = r#"read -r _; exec "$1" down"#;

/// Names whose cluster it is, so that nobody takes down another's.
const OWNER: &str = "MILLRACE_CLUSTER_OWNER";

/// A running cluster.
pub struct Cluster {
    scripts: PathBuf,
    bin: PathBuf,
    kubeconfig: PathBuf,
    /// Takes the cluster down when this process is gone.
    guard: Mutex<Option<Child>>,
}

static SHARED: OnceLock<Result<Cluster, String>> = OnceLock::new();

impl Cluster {
    /// Why this machine cannot run a cluster; `None` when it can.
    pub fn why_not() -> Result<Option<String>> {
        let reason = output(Command::new(scripts().join("node.sh")).arg("check"))?;
        let reason = reason.trim();
        Ok((!reason.is_empty()).then(|| reason.to_owned()))
    }

    /// The cluster of this process, with the operator installed; brought up by the first call.
    pub fn shared() -> Result<&'static Self> {
        SHARED
            .get_or_init(|| Self::start().map_err(|error| format!("{error:#}")))
            .as_ref()
            .map_err(|error| anyhow::anyhow!("{error}"))
    }

    /// Takes the shared cluster down, if there is one.
    pub fn stop_shared() -> Result<()> {
        match SHARED.get() {
            Some(Ok(cluster)) => cluster.stop(),
            _ => Ok(()),
        }
    }

    fn start() -> Result<Self> {
        let scripts = scripts();
        let bin = PathBuf::from(output(&mut Command::new(scripts.join("bin.sh")))?.trim());
        let kubeconfig = output(Command::new(scripts.join("node.sh")).arg("kubeconfig"))?;
        let cluster = Self {
            bin,
            kubeconfig: PathBuf::from(kubeconfig.trim()),
            guard: Mutex::new(None),
            scripts,
        };
        let keep = std::env::var_os("MILLRACE_E2E_KEEP").is_some();
        if !(keep && cluster.kubeconfig.exists()) {
            let mut up = Command::new(cluster.scripts.join("up.sh"));
            up.arg(programs()?);
            if !keep {
                let owner = std::process::id().to_string();
                cluster.watch(&owner)?;
                up.env(OWNER, &owner);
            }
            output(&mut up)?;
        }
        cluster.install_operator()?;
        Ok(cluster)
    }

    /// Starts the guard.
    fn watch(&self, owner: &str) -> Result<()> {
        let guard = Command::new("setsid")
            .args(["bash", "-c", GUARD, "guard"])
            .arg(self.scripts.join("node.sh"))
            .env(OWNER, owner)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start the guard of the cluster")?;
        *self.guard.lock().unwrap_or_else(PoisonError::into_inner) = Some(guard);
        Ok(())
    }

    /// Lets the guard take the cluster down, and waits for it.
    fn stop(&self) -> Result<()> {
        let guard = self
            .guard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(mut guard) = guard else {
            return Ok(());
        };
        drop(guard.stdin.take());
        let status = guard.wait().context("wait for the cluster to end")?;
        if !status.success() {
            bail!("the cluster did not end cleanly: {status}");
        }
        Ok(())
    }

    /// Installs the operator as its README says, unless it is there.
    fn install_operator(&self) -> Result<()> {
        output(
            Command::new(self.scripts.join("operator.sh"))
                .arg("install")
                .env("KUBECONFIG", &self.kubeconfig),
        )?;
        self.wait_operator()
    }

    /// Waits until every pod of the operator is ready.
    pub fn wait_operator(&self) -> Result<()> {
        let limit = format!("--timeout={}s", OPERATOR_LIMIT.as_secs());
        self.kubectl(OPERATOR_NAMESPACE)
            .run(&["rollout", "status", "deployment/millrace", &limit])
            .context("wait for the operator")?;
        Ok(())
    }

    /// `kubectl` in a namespace.
    pub fn kubectl(&self, namespace: &str) -> Kubectl {
        Kubectl::new(self.bin.join("kubectl"), &self.kubeconfig, namespace)
    }

    /// The program `kubectl` and its kubeconfig, for a command that goes on, such as `port-forward`.
    pub fn kubectl_command(&self) -> (PathBuf, PathBuf) {
        (self.bin.join("kubectl"), self.kubeconfig.clone())
    }

    /// A command of the cluster's own `helm`.
    pub fn helm(&self, args: &[&str]) -> Result<String> {
        output(
            Command::new(self.bin.join("helm"))
                .args(args)
                .env("KUBECONFIG", &self.kubeconfig),
        )
    }

    /// Ends one part of the cluster, such as `apiserver`, and starts it again with
    /// [`start_part`](Self::start_part).
    pub fn stop_part(&self, name: &str) -> Result<()> {
        output(Command::new(self.scripts.join("node.sh")).args(["stop", name])).map(drop)
    }

    /// Starts a part that was ended.
    pub fn start_part(&self, name: &str) -> Result<()> {
        output(Command::new(self.scripts.join("node.sh")).args(["start", name])).map(drop)
    }

    /// Bytes of all files in an image that the node has.
    pub fn image_size(&self, name: &str) -> Result<u64> {
        let node = self.scripts.join("node.sh");
        let size = output(Command::new(node).args(["image-size", name]))?;
        size.trim()
            .parse()
            .with_context(|| format!("read the size {size}"))
    }

    /// `host:port` of Kafka for this process, and for pods.
    pub fn kafka_address(&self) -> Result<String> {
        let pod = self.kubectl("default").run(&[
            "get",
            "pod/kafka-0",
            "-o",
            "jsonpath={.status.podIP}",
        ])?;
        Ok(format!("{}:{KAFKA_HOST_PORT}", pod.trim()))
    }

    /// Kafka, for this process.
    pub fn kafka(&self) -> Result<Arc<dyn KafkaApi>> {
        let config = KafkaConfig::new(self.kafka_address()?, Guarantee::ExactlyOnce);
        Ok(Arc::new(KafkaCluster::new(config)?))
    }

    /// Creates topics with so many partitions.
    pub fn create_topics(&self, names: &[String], partitions: i32) -> Result<()> {
        let specs: Vec<TopicSpec> = names
            .iter()
            .map(|name| TopicSpec {
                name: name.clone(),
                partitions,
                replication_factor: -1,
                configs: BTreeMap::new(),
            })
            .collect();
        self.kafka()?.admin()?.create_topics(&specs)?;
        Ok(())
    }

    /// What the operator's pods have logged: every line of all of them.
    pub fn operator_log(&self) -> Result<String> {
        self.kubectl(OPERATOR_NAMESPACE).run(&[
            "logs",
            "--selector=app.kubernetes.io/name=millrace-operator",
            "--tail=-1",
            "--prefix",
        ])
    }

    /// Where the cluster's scripts are.
    pub fn scripts(&self) -> &Path {
        &self.scripts
    }
}

/// Where the scripts are.
fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster")
}

/// The folder of the built programs: that of the worker.
fn programs() -> Result<PathBuf> {
    let worker = crate::worker::binary()?;
    let folder = worker
        .parent()
        .context("the worker is in no folder")?
        .to_owned();
    Ok(folder)
}

/// Standard output of a command; an error with all it said when it fails.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("run {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} ended with {}: {said}{error}", output.status);
    }
    Ok(said)
}
