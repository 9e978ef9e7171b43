//! Pods of a StreamApp as the machine under the cluster sees them: identity, restarts, `/status`, and
//! how long their tasks stood still.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use millrace_crds::worker_api::{ApplicationStatus, HTTP_PORT, WorkerStatus};
use serde_json::Value;

use super::kubectl::Kubectl;

/// Longest time of an HTTP answer.
const HTTP_LIMIT: Duration = Duration::from_secs(5);
/// Longest time of one while tasks are watched.
const SAMPLE_LIMIT: Duration = Duration::from_millis(250);
/// Time between two looks at a pod's `/status`.
const SAMPLE: Duration = Duration::from_millis(50);
/// Time between two looks at which pods there are.
const REFRESH: Duration = Duration::from_millis(1_000);

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
    status_by(&agent(HTTP_LIMIT), ip)
}

fn agent(limit: Duration) -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(limit))
        .build()
        .into()
}

fn status_by(agent: &ureq::Agent, ip: &str) -> Result<ApplicationStatus> {
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

/// How a task fared while it was watched.
#[derive(Clone, Debug)]
struct Watched {
    position: i64,
    moved_on: Instant,
    largest: Duration,
    owners: Vec<String>,
}

/// Watches the tasks of an application, whichever pod runs them: the longest time in which a task's
/// input positions stood still. Meaningful under a steady load on all partitions.
pub struct Gaps {
    stop: Arc<AtomicBool>,
    tasks: Arc<Mutex<BTreeMap<String, Watched>>>,
    thread: JoinHandle<()>,
}

/// What was seen of a task.
#[derive(Clone, Debug)]
pub struct Gap {
    /// Its id.
    pub task: String,
    /// The longest time in which it processed nothing.
    pub largest: Duration,
    /// The pods that ran it, in order.
    pub owners: Vec<String>,
}

impl Gaps {
    /// Starts watching the pods of a label selector.
    pub fn watch(kubectl: Kubectl, selector: &str) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = Arc::new(Mutex::new(BTreeMap::new()));
        let (stopped, seen, selector) = (stop.clone(), tasks.clone(), selector.to_owned());
        let look_up = move || {
            let mut samplers = BTreeMap::new();
            while !stopped.load(Ordering::Acquire) {
                // A look that fails (the API server is away) keeps what was known.
                for pod in kubectl.list("pods", &selector).unwrap_or_default() {
                    let pod = Pod::read(&pod);
                    if let (Some(ip), false) = (pod.ip, samplers.contains_key(&pod.uid)) {
                        let sampler = sample(pod.name, ip, stopped.clone(), seen.clone());
                        samplers.extend(sampler.ok().map(|sampler| (pod.uid, sampler)));
                    }
                }
                std::thread::sleep(REFRESH);
            }
            for sampler in samplers.into_values() {
                // It has nothing to tell: what it saw is in `seen`.
                let _ = sampler.join();
            }
        };
        let thread = spawn("gaps-pods", look_up)?;
        Ok(Self {
            stop,
            tasks,
            thread,
        })
    }

    /// Ends watching: every task seen.
    pub fn stop(self) -> Result<Vec<Gap>> {
        self.stop.store(true, Ordering::Release);
        self.thread
            .join()
            .map_err(|_| anyhow!("the thread that watches pods panicked"))?;
        let tasks = locked(&self.tasks);
        ensure!(!tasks.is_empty(), "no task was seen");
        Ok(tasks
            .iter()
            .map(|(task, seen)| Gap {
                task: task.clone(),
                largest: seen.largest.max(seen.moved_on.elapsed()),
                owners: seen.owners.clone(),
            })
            .collect())
    }
}

/// Looks at one pod until told to stop. A thread for each: what does not answer (a pod that comes or
/// goes) must not look like a pause of the others.
fn sample(
    pod: String,
    ip: String,
    stopped: Arc<AtomicBool>,
    seen: Arc<Mutex<BTreeMap<String, Watched>>>,
) -> Result<JoinHandle<()>> {
    spawn("gaps", move || {
        let agent = agent(SAMPLE_LIMIT);
        while !stopped.load(Ordering::Acquire) {
            if let Ok(status) = status_by(&agent, &ip) {
                enter(&mut locked(&seen), &pod, &status);
            }
            std::thread::sleep(SAMPLE);
        }
    })
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .context("start a thread that watches tasks")
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn enter(tasks: &mut BTreeMap<String, Watched>, pod: &str, status: &ApplicationStatus) {
    let now = Instant::now();
    for task in status.threads.iter().flat_map(|thread| &thread.tasks) {
        let position: i64 = task.inputs.iter().map(|input| input.position).sum();
        let seen = tasks.entry(task.id.clone()).or_insert_with(|| Watched {
            position,
            moved_on: now,
            largest: Duration::ZERO,
            owners: Vec::new(),
        });
        if position > seen.position {
            seen.largest = seen.largest.max(now - seen.moved_on);
            (seen.position, seen.moved_on) = (position, now);
            if seen.owners.last().is_none_or(|last| last != pod) {
                seen.owners.push(pod.to_owned());
            }
        }
    }
}
