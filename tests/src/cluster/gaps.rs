//! How long the tasks of an application stood still, as those who read its results see it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use millrace_kafka::TopicPartition;

use super::kubectl::Kubectl;
use super::pods::Pod;
use super::space::{Space, selector};

/// Time between two looks at the ends of the results' partitions.
const SAMPLE: Duration = Duration::from_millis(20);
/// Time between two looks at which pod runs which task.
const REFRESH: Duration = Duration::from_millis(500);

/// The longest time in which a task wrote nothing.
#[derive(Clone, Debug)]
pub struct Gap {
    /// Its partition, which is that of its results.
    pub partition: i32,
    /// The time.
    pub largest: Duration,
    /// The pods that ran it, in order.
    pub owners: Vec<String>,
}

/// Watches an application of one subtopology, whose results are on the partitions of its inputs.
/// Meaningful under a steady load on all partitions.
///
/// It is the log that is looked at, not the pods: those that come or go answer late, and would pass
/// their delay on to what is measured.
pub struct Gaps {
    stop: Arc<AtomicBool>,
    gaps: JoinHandle<Result<Vec<Duration>>>,
    owners: JoinHandle<BTreeMap<i32, Vec<String>>>,
}

impl Gaps {
    /// Starts watching.
    pub fn watch(space: &Space, app: &str, results: &str, partitions: i32) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let results: Arc<str> = results.into();
        let ends: Vec<_> = (0..partitions)
            .map(|partition| TopicPartition::new(Arc::clone(&results), partition))
            .collect();
        let admin = space.kafka()?.admin()?;
        let stopped = Arc::clone(&stop);
        let gaps = spawn("gaps", move || {
            gaps(&stopped, &ends, |of| Ok(admin.watermarks(of)?))
        })?;
        let (stopped, kubectl) = (Arc::clone(&stop), space.kubectl().clone());
        let selector = selector(app);
        let owners = spawn("owners", move || owners(&stopped, &kubectl, &selector))?;
        Ok(Self { stop, gaps, owners })
    }

    /// Ends watching.
    pub fn stop(self) -> Result<Vec<Gap>> {
        self.stop.store(true, Ordering::Release);
        let panicked = |_| anyhow!("a thread that watches tasks panicked");
        let gaps = self.gaps.join().map_err(panicked)??;
        let mut owners = self.owners.join().map_err(panicked)?;
        let gap = |(partition, largest)| Gap {
            partition,
            largest,
            owners: owners.remove(&partition).unwrap_or_default(),
        };
        Ok((0..).zip(gaps).map(gap).collect())
    }
}

fn gaps(
    stopped: &AtomicBool,
    partitions: &[TopicPartition],
    ask: impl Fn(&[TopicPartition]) -> Result<Vec<(i64, i64)>>,
) -> Result<Vec<Duration>> {
    let mut ends = ask(partitions)?;
    let mut moved = vec![Instant::now(); partitions.len()];
    let mut largest = vec![Duration::ZERO; partitions.len()];
    while !stopped.load(Ordering::Acquire) {
        std::thread::sleep(SAMPLE);
        let now_ends = ask(partitions)?;
        let now = Instant::now();
        for (at, (_, end)) in now_ends.iter().enumerate() {
            largest[at] = largest[at].max(now - moved[at]);
            if *end > ends[at].1 {
                moved[at] = now;
            }
        }
        ends = now_ends;
    }
    Ok(largest)
}

fn owners(stopped: &AtomicBool, kubectl: &Kubectl, selector: &str) -> BTreeMap<i32, Vec<String>> {
    let mut owners: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    while !stopped.load(Ordering::Acquire) {
        // Pods that come or go may not answer; the next look tells.
        for pod in kubectl.list("pods", selector).unwrap_or_default() {
            let pod = Pod::read(&pod);
            let Ok(status) = pod.status() else { continue };
            for task in status.threads.iter().flat_map(|thread| &thread.tasks) {
                let partition = task.id.rsplit('_').next().and_then(|of| of.parse().ok());
                let known = owners.entry(partition.unwrap_or(-1)).or_default();
                if known.last() != Some(&pod.name) {
                    known.push(pod.name.clone());
                }
            }
        }
        std::thread::sleep(REFRESH);
    }
    owners
}

fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .context("start a thread that watches tasks")
}
