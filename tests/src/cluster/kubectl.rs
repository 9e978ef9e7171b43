//! `kubectl` in one namespace.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// Pause between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(250);

/// Pods of workers.
const WORKERS: &str = "--selector=app.kubernetes.io/managed-by=millrace-operator";

/// A command line of `kubectl`, bound to a cluster and a namespace.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    namespace: String,
}

impl Kubectl {
    /// `program` for the cluster of `kubeconfig`.
    pub fn new(program: PathBuf, kubeconfig: &Path, namespace: &str) -> Self {
        Self {
            program,
            kubeconfig: kubeconfig.to_owned(),
            namespace: namespace.to_owned(),
        }
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--namespace")
            .arg(&self.namespace)
            .args(args)
            .env("KUBECONFIG", &self.kubeconfig);
        command
    }

    /// Runs a command and returns what it says.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        super::output(&mut self.command(args))
    }

    /// `kubectl apply` of a text.
    pub fn apply(&self, yaml: &str) -> Result<String> {
        match self.try_apply(yaml)? {
            Ok(said) => Ok(said),
            Err(refusal) => bail!("could not apply: {refusal}\n{yaml}"),
        }
    }

    /// `kubectl apply` of a text: what it says, or what it says against it.
    pub fn try_apply(&self, yaml: &str) -> Result<Result<String, String>> {
        let mut child = self
            .command(&["apply", "--filename=-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("start kubectl")?;
        let mut stdin = child.stdin.take().context("kubectl has no input")?;
        stdin
            .write_all(yaml.as_bytes())
            .context("write to kubectl")?;
        drop(stdin);
        let output = child.wait_with_output().context("wait for kubectl")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        })
    }

    /// An object, such as `streamapp/counts`; `None` when it is not there.
    pub fn get(&self, object: &str) -> Result<Option<Value>> {
        let text = self.run(&["get", object, "--ignore-not-found", "--output=json"])?;
        if text.trim().is_empty() {
            return Ok(None);
        }
        serde_json::from_str(&text)
            .with_context(|| format!("read {object}"))
            .map(Some)
    }

    /// An object that must be there.
    pub fn expect(&self, object: &str) -> Result<Value> {
        self.get(object)?
            .with_context(|| format!("there is no {object} in namespace {}", self.namespace))
    }

    /// All objects of a kind, by a label selector (empty: all).
    pub fn list(&self, kind: &str, selector: &str) -> Result<Vec<Value>> {
        let selector = format!("--selector={selector}");
        let text = self.run(&["get", kind, &selector, "--output=json"])?;
        let mut list: Value =
            serde_json::from_str(&text).with_context(|| format!("read {kind}"))?;
        match list["items"].take() {
            Value::Array(items) => Ok(items),
            other => bail!("no list of {kind}: {other}"),
        }
    }

    /// Changes an object by a JSON merge patch.
    pub fn patch(&self, object: &str, patch: &Value) -> Result<()> {
        let patch = format!("--patch={patch}");
        self.run(&["patch", object, "--type=merge", &patch])
            .map(drop)
    }

    /// Deletes an object and waits until it is gone.
    pub fn delete(&self, object: &str, limit: Duration) -> Result<()> {
        let limit = format!("--timeout={}s", limit.as_secs());
        self.run(&["delete", object, &limit]).map(drop)
    }

    /// What is going on here, for a failed test: apps, pods, claims, the last events, the last words of
    /// the workers.
    pub fn describe_all(&self) -> String {
        let mut text = String::new();
        for args in [
            &["get", "streamapps", "--output=yaml"][..],
            &["get", "statefulsets,pods,pvc", "--output=wide"],
            &["get", "events", "--sort-by=.lastTimestamp"],
            &["logs", WORKERS, "--prefix", "--tail=40"],
        ] {
            text.push_str(&format!("--- kubectl {}\n", args.join(" ")));
            match self.run(args) {
                Ok(said) => text.push_str(&said),
                Err(error) => text.push_str(&format!("{error:#}\n")),
            }
        }
        text
    }
}

/// Looks until `look` finds what it looks for; a failed look is another look, until the limit.
pub fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let began = Instant::now();
    loop {
        let last = match look() {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => String::new(),
            Err(error) => format!("; the last look failed: {error:#}"),
        };
        ensure!(
            began.elapsed() < limit,
            "still not {what} after {limit:?}{last}"
        );
        std::thread::sleep(LOOK_PAUSE);
    }
}
