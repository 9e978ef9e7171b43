//! Pods of a StreamApp as the machine under the cluster sees them: identity, restarts, `/status`.

use std::time::Duration;

use anyhow::{Context, Result};
use millrace_crds::worker_api::{ApplicationStatus, HTTP_PORT, WorkerStatus};
use serde_json::Value;

/// Longest time of an HTTP answer.
const HTTP_LIMIT: Duration = Duration::from_secs(5);

/// A pod, as Kubernetes tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Another one for every pod of the same name.
    pub uid: String,
    /// Its address, once it has one.
    pub ip: Option<String>,
    /// Restarts of its first container.
    pub restarts: u64,
    /// Whether it is ready.
    pub ready: bool,
    /// Whether it is being deleted.
    pub leaving: bool,
    /// The image of its first container.
    pub image: String,
}

impl Pod {
    /// Reads a pod.
    pub fn read(pod: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let ready = pod["status"]["conditions"]
            .as_array()
            .is_some_and(|conditions| {
                conditions
                    .iter()
                    .any(|one| one["type"] == "Ready" && one["status"] == "True")
            });
        Self {
            name: text(&pod["metadata"]["name"]),
            uid: text(&pod["metadata"]["uid"]),
            ip: pod["status"]["podIP"].as_str().map(str::to_owned),
            restarts: pod["status"]["containerStatuses"][0]["restartCount"]
                .as_u64()
                .unwrap_or_default(),
            ready,
            leaving: pod["metadata"]["deletionTimestamp"].is_string(),
            image: text(&pod["spec"]["containers"][0]["image"]),
        }
    }

    /// The application in its `/status`.
    pub fn status(&self) -> Result<ApplicationStatus> {
        let ip = self
            .ip
            .as_deref()
            .with_context(|| format!("pod {} has no address yet", self.name))?;
        worker_status(ip)
    }
}

/// `/status` of the worker at this pod address.
pub fn worker_status(ip: &str) -> Result<ApplicationStatus> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(HTTP_LIMIT))
        .build()
        .into();
    let url = format!("http://{ip}:{HTTP_PORT}/status");
    let body = agent
        .get(&url)
        .call()
        .with_context(|| format!("GET {url}"))?
        .body_mut()
        .read_to_string()
        .with_context(|| format!("read {url}"))?;
    let mut status: WorkerStatus =
        serde_json::from_str(&body).with_context(|| format!("read the status {body}"))?;
    status
        .applications
        .pop()
        .with_context(|| format!("no application in {body}"))
}
