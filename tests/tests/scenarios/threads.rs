//! Stream threads come and go in running processes, as the runtime file says; a process that is not
//! wanted any more drains and stays.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Instant;

use millrace_crds::worker_api::{RuntimeSettings, WorkerPhase, WorkerStatus};
use millrace_tests::worker::{LIMIT, WorkerProcess};

use super::feed::{Fed, Feed, by_input, largest_gap};
use super::rebalance::{COUNTS, ids, overtaken_commits, settle};
use super::support::{Scene, wait_for};

fn scene(name: &str) -> Scene {
    with_topics(Scene::new(name))
}

/// With the topics of [`COUNTS`].
pub(super) fn with_topics(mut scene: Scene) -> Scene {
    for topic in ["a", "b"] {
        scene.topic(topic, 3);
    }
    for topic in ["out-a", "out-b"] {
        // The broker's clock tells when a task was at work.
        scene.topic_with(topic, 3, &[("message.timestamp.type", "LogAppendTime")]);
    }
    scene
}

/// The mounted ConfigMap.
pub(super) struct Runtime(PathBuf);

impl Runtime {
    pub(super) fn new(scene: &Scene) -> Self {
        let directory = scene.folder.path().join("runtime");
        std::fs::create_dir(&directory).unwrap();
        Self(directory)
    }

    pub(super) fn want(&self, replicas: u32, threads: u32) {
        let settings = RuntimeSettings {
            replicas,
            threads,
            growing: false,
        };
        let new = self.0.join("..new");
        std::fs::write(&new, serde_json::to_string(&settings).unwrap()).unwrap();
        std::fs::rename(new, self.0.join("runtime.json")).unwrap();
    }

    pub(super) fn arg(&self) -> String {
        format!("--runtime-dir={}", self.0.display())
    }
}

/// Tasks of each thread of a process, once all six run and so many threads share them.
pub(super) fn shared_out(
    worker: &mut WorkerProcess,
    threads: usize,
) -> BTreeMap<String, BTreeSet<String>> {
    let what = format!("{threads} threads with all tasks");
    worker
        .wait_until(&what, LIMIT, |worker| {
            let status = worker.status()?;
            let running = status.tasks().all(|task| task.state == "running");
            let even = status
                .threads
                .iter()
                .all(|thread| thread.tasks.len() == 6 / threads);
            let settled = running && even && status.threads.len() == threads;
            Ok(settled.then(|| {
                let own = |thread: &millrace_tests::worker::StreamThreadStatus| {
                    thread.tasks.iter().map(|task| task.id.clone()).collect()
                };
                let threads = status.threads.iter();
                threads
                    .map(|thread| (thread.name.clone(), own(thread)))
                    .collect()
            }))
        })
        .unwrap()
}

fn phase(worker: &mut WorkerProcess) -> (WorkerPhase, String) {
    let (_, body) = worker.get("/status").unwrap();
    let status: WorkerStatus = serde_json::from_str(&body).unwrap();
    let app = &status.applications[0];
    (app.phase, app.message.clone().unwrap_or_default())
}

/// Every input counted once and in order; the pauses of tasks that stayed and of those that moved.
pub(super) fn assert_counted(scene: &Scene, fed: &Fed, stayed: &BTreeSet<String>) {
    for (subtopology, topic) in ["out-a", "out-b"].into_iter().enumerate() {
        let records = scene.read_at_least(topic, 3 * fed.count);
        for (partition, outputs) in by_input(&records) {
            let counts: Vec<usize> = outputs
                .iter()
                .map(|record| record.value().parse().unwrap())
                .collect();
            let task = format!("{subtopology}_{partition}");
            assert_eq!(counts, (1..=fed.count).collect::<Vec<_>>(), "task {task}");
            let gap = largest_gap(&outputs);
            let (what, limit) = match stayed.contains(&task) {
                true => ("stayed", fed.stayed_limit()),
                false => ("moved", fed.moved_limit()),
            };
            let id = &scene.id;
            println!("{id}: task {task}, which {what}, paused {gap:?}; {fed:?}");
            assert!(
                gap < limit,
                "task {task}, which {what}, paused {gap:?}; {fed:?}"
            );
        }
    }
}

#[test]
fn one_process_goes_from_one_thread_to_three_and_back_and_its_first_thread_never_stops() {
    let scene = scene("live-threads");
    let runtime = Runtime::new(&scene);
    runtime.want(1, 1);
    let app = scene.app("counts", COUNTS);
    let mut worker = scene.worker(&app, 0).arg(runtime.arg()).start().unwrap();
    shared_out(&mut worker, 1);
    let feed = Feed::start(&scene);

    runtime.want(1, 3);
    let three = shared_out(&mut worker, 3);
    let stayed = &three[&format!("{}-0", scene.id)];
    runtime.want(1, 1);
    shared_out(&mut worker, 1);

    let fed = feed.stop();
    worker.wait_caught_up(LIMIT).unwrap();
    assert_counted(&scene, &fed, stayed);
    println!("{}: {} lost", scene.id, overtaken_commits(&worker));
    let status = worker.terminate().unwrap();
    assert_eq!(status.code(), Some(0), "{}", worker.log_tail());
}

#[test]
fn a_process_beyond_the_replicas_drains_and_stays_and_another_has_its_tasks_at_once() {
    let scene = scene("drains");
    let runtime = Runtime::new(&scene);
    runtime.want(2, 1);
    let app = scene.app("counts", COUNTS);
    let [mut one, mut two] = [0, 1].map(|ordinal| {
        scene
            .worker(&app, ordinal)
            .arg(runtime.arg())
            .start()
            .unwrap()
    });
    let owned = settle(&mut [&mut one, &mut two], 3);
    let feed = Feed::start(&scene);

    runtime.want(1, 1);
    let began = Instant::now();
    wait_for("drained worker", || {
        phase(&mut two).0 == WorkerPhase::Drained
    });
    wait_for("tasks at the other", || {
        let status = one.status().unwrap();
        ids(&status).len() == 6 && status.tasks().all(|task| task.state == "running")
    });
    println!(
        "{}: taken over {:?} after the new setting",
        scene.id,
        began.elapsed()
    );
    let (_, why) = phase(&mut two);
    assert!(why.contains("number 1 and there are to be 1"), "{why}");
    let (code, body) = two.get("/readyz").unwrap();
    assert_eq!(code, 503, "{body}");
    assert!(body.contains("is drained"), "{body}");
    assert_eq!(two.get("/livez").unwrap().0, 200);

    runtime.want(2, 1);
    let again = settle(&mut [&mut one, &mut two], 3);
    let stayed = again[0].intersection(&owned[0]).cloned().collect();
    wait_for("readiness", || two.get("/readyz").unwrap().0 == 200);

    let fed = feed.stop();
    for worker in [&mut one, &mut two] {
        worker.wait_caught_up(LIMIT).unwrap();
        println!("{}: {} lost", scene.id, overtaken_commits(worker));
    }
    assert_counted(&scene, &fed, &stayed);
    for worker in [&mut one, &mut two] {
        let status = worker.terminate().unwrap();
        assert_eq!(status.code(), Some(0), "{}", worker.log_tail());
    }
}
