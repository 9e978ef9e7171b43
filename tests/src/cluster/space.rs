//! A namespace for one scenario: restricted pods, Kafka under the name that the examples use, topics
//! and application ids that no other scenario has.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use millrace_kafka::Cluster as KafkaApi;
use serde_json::Value;

use super::{Cluster, Kubectl, Pod, output, wait_until};

/// Longest wait for an application: pods are scheduled, started, join, restore; on a machine that runs
/// other scenarios as well.
pub const READY_LIMIT: Duration = Duration::from_secs(120);
/// Label of everything that belongs to an application.
const APP_LABEL: &str = "app.kubernetes.io/instance";

/// A scenario's namespace. Removed when dropped; shown first if that is because the scenario failed.
pub struct Space {
    cluster: &'static Cluster,
    kubectl: Kubectl,
}

impl Space {
    /// Makes an empty namespace of this name in the shared cluster.
    pub fn new(name: &str) -> Result<Self> {
        let cluster = Cluster::shared()?;
        let kubectl = cluster.kubectl(name);
        // What a run with MILLRACE_E2E_KEEP has left.
        kubectl.run(&["delete", "namespace", name, "--ignore-not-found"])?;
        kubectl.apply(&format!(
            r#"
apiVersion: v1
kind: Namespace
metadata:
  name: {name}
  labels: {{pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: v1
kind: Service
metadata: {{name: kafka, namespace: {name}}}
spec: {{type: ExternalName, externalName: kafka.default.svc.cluster.local}}
"#
        ))?;
        Ok(Self { cluster, kubectl })
    }

    /// The cluster.
    pub fn cluster(&self) -> &'static Cluster {
        self.cluster
    }

    /// `kubectl` in this namespace.
    pub fn kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    /// Kafka, for this process.
    pub fn kafka(&self) -> Result<Arc<dyn KafkaApi>> {
        self.cluster.kafka()
    }

    /// A topic name, or an application id, of this scenario's own.
    pub fn own(&self, name: &str) -> String {
        format!("{}-{name}", self.kubectl.namespace())
    }

    /// Creates topics of this scenario's own.
    pub fn create_topics(&self, names: &[&str], partitions: i32) -> Result<()> {
        let names: Vec<String> = names.iter().map(|name| self.own(name)).collect();
        self.cluster.create_topics(&names, partitions)
    }

    /// An application of the loan example, such as `account-balances`, on topics and under an
    /// application id of this scenario's own. `more` is added to its `spec`.
    pub fn example(&self, name: &str, more: &str) -> Result<String> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../examples/loan-evaluation")
            .join(format!("{name}.yaml"));
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("read the example {}", file.display()))?;
        let topics = text.replace("topic: ", &format!("topic: {}-", self.kubectl.namespace()));
        let spec = format!("\nspec:\n  applicationId: {}\n{more}", self.own(name));
        Ok(topics.replacen("\nspec:\n", &spec, 1))
    }

    /// An application that counts the records of topic `in` by key into topic `counts`, both of this
    /// scenario's own. `more` is added to its `spec`.
    pub fn counts(&self, name: &str, more: &str) -> String {
        format!(
            r#"
apiVersion: millrace.dev/v1alpha1
kind: StreamApp
metadata: {{name: {name}}}
spec:
  applicationId: {id}
  kafka: {{bootstrapServers: "kafka:9092"}}
{more}
  topology:
    streams:
      input: {{topic: {input}, key: string, value: json}}
    tables:
      counts:
        from: input
        steps:
        - groupByKey: {{}}
        - aggregate:
            name: counts
            initial: '{{"count": 0}}'
            value: '{{"count": aggregate.count + 1}}'
        to: {{topic: {output}}}
"#,
            id = self.own(name),
            input = self.own("in"),
            output = self.own("counts"),
        )
    }

    /// The application's pods, by name.
    pub fn pods(&self, app: &str) -> Result<Vec<Pod>> {
        let selector = selector(app);
        let mut pods: Vec<Pod> = self
            .kubectl
            .list("pods", &selector)?
            .iter()
            .map(Pod::read)
            .collect();
        pods.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(pods)
    }

    /// One pod of the application.
    pub fn pod(&self, app: &str, ordinal: u32) -> Result<Pod> {
        let pod = self.kubectl.expect(&format!("pod/{app}-{ordinal}"))?;
        Ok(Pod::read(&pod))
    }

    /// A condition of the application: status, reason and message; `None` while it has none.
    pub fn condition(&self, app: &str, kind: &str) -> Result<Option<Condition>> {
        let app = self.kubectl.expect(&format!("streamapp/{app}"))?;
        Ok(Condition::of(&app, kind))
    }

    /// Waits until the application is ready for the spec it has now, and returns it.
    pub fn wait_ready(&self, app: &str) -> Result<Value> {
        self.wait_app(app, "ready", READY_LIMIT, |app| {
            let fresh = app["status"]["observedGeneration"] == app["metadata"]["generation"];
            fresh && Condition::of(app, "Ready").is_some_and(|ready| ready.is_true())
        })
    }

    /// Waits until a condition of the application is this.
    pub fn wait_condition(&self, app: &str, kind: &str, status: &str) -> Result<Condition> {
        let what = format!("{kind}={status}");
        let found = self.wait_app(app, &what, READY_LIMIT, |app| {
            Condition::of(app, kind).is_some_and(|one| one.status == status)
        })?;
        Condition::of(&found, kind).context("the condition is gone")
    }

    /// Waits until the application is as wanted, and returns it.
    pub fn wait_app(
        &self,
        app: &str,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let object = format!("streamapp/{app}");
        let found = wait_until(&format!("{object} {what}"), limit, || {
            Ok(self.kubectl.get(&object)?.filter(&wanted))
        });
        found.with_context(|| self.kubectl.describe_all())
    }

    /// Kills the application in a pod's first container at once, from outside, as a crash would.
    pub fn kill_container(&self, pod: &Pod) -> Result<()> {
        output(
            std::process::Command::new(self.cluster.scripts().join("node.sh")).args([
                "kill-container",
                self.kubectl.namespace(),
                &pod.name,
            ]),
        )
        .map(drop)
    }

    /// The most memory, in bytes, that the first container of a pod has had resident.
    pub fn memory(&self, pod: &Pod) -> Result<u64> {
        let node = self.cluster.scripts().join("node.sh");
        let text = output(std::process::Command::new(node).args([
            "peak-memory",
            self.kubectl.namespace(),
            &pod.name,
        ]))?;
        let kilobytes: u64 = text
            .trim()
            .parse()
            .with_context(|| format!("read the memory {text}"))?;
        Ok(kilobytes << 10)
    }

    /// Fails when the operator says ERROR or panics about this namespace.
    pub fn check_operator_log(&self) -> Result<()> {
        let namespace = self.kubectl.namespace();
        let log = self.cluster.operator_log()?;
        let bad: Vec<&str> = log
            .lines()
            .filter(|line| line.contains(namespace))
            .filter(|line| line.contains("ERROR") || line.contains("panicked"))
            .collect();
        ensure!(
            bad.is_empty(),
            "the operator logged errors:\n{}",
            bad.join("\n")
        );
        Ok(())
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.kubectl.describe_all());
        }
        // A namespace that stays is seen in the next run, which removes it.
        let name = self.kubectl.namespace();
        let _ = self
            .kubectl
            .run(&["delete", "namespace", name, "--wait=false"]);
    }
}

/// Selects everything of an application.
pub fn selector(app: &str) -> String {
    format!("{APP_LABEL}={app}")
}

/// A condition in a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// A word for machines.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

impl Condition {
    /// Reads the condition of an object.
    pub fn of(object: &Value, kind: &str) -> Option<Self> {
        let conditions = object["status"]["conditions"].as_array()?;
        let found = conditions.iter().find(|one| one["type"] == kind)?;
        let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
        Some(Self {
            status: text("status"),
            reason: text("reason"),
            message: text("message"),
        })
    }

    /// Whether it holds.
    pub fn is_true(&self) -> bool {
        self.status == "True"
    }
}
