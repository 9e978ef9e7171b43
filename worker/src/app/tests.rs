//! An application on the embedded log, with its real threads: what is wanted changes while it runs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod patterns;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use millrace_crds::read::read_documents;
use millrace_crds::worker_api::RuntimeSettings;
use millrace_embedded::{
    EmbeddedCluster, EmbeddedOptions, Isolation, ReadFrom, SystemClock as LogClock,
};
use millrace_kafka::{
    Admin, Cluster, ConsumerOptions, GroupConsumer, HeadersBuf, ProducerOptions, RecordSink,
    RecordSource, Result, TopicPartition, TopicSpec,
};

use super::{App, AppOptions, Phase};
use crate::api::Processors;
use crate::clock::SystemClock;
use crate::config::WorkerConfig;
use crate::state::StateMemory;
use crate::testing::TempDir;
use crate::topics::InternalTopics;

const COUNTS: &str = "
apiVersion: millrace.dev/v1alpha1
kind: StreamApp
metadata: {name: app}
spec:
  kafka: {bootstrapServers: \"none:9092\"}
  topology:
    streams:
      in: {topic: in, key: string, value: string}
    tables:
      counts: {from: in, steps: [groupByKey: {}, count: {name: counts}], to: {topic: out, value: json}}
";
const PARTITIONS: i32 = 4;
const LIMIT: Duration = Duration::from_secs(30);

/// A worker's application, its log, and its runtime file.
struct Scene {
    log: EmbeddedCluster,
    folder: TempDir,
    written: usize,
}

impl Scene {
    fn new() -> Self {
        let scene = Self {
            log: EmbeddedCluster::in_memory(EmbeddedOptions::default(), LogClock::new()),
            folder: TempDir::new(),
            written: 0,
        };
        for topic in ["in", "out"] {
            scene.topic(topic, PARTITIONS);
        }
        scene
    }

    fn topic(&self, name: &str, partitions: i32) {
        let spec = TopicSpec {
            name: name.to_owned(),
            partitions,
            replication_factor: -1,
            configs: BTreeMap::new(),
        };
        self.log.admin().unwrap().create_topics(&[spec]).unwrap();
    }

    /// Puts a file under its final name in one step, as the kubelet does.
    fn want(&self, replicas: u32, threads: u32) {
        self.want_settings(RuntimeSettings {
            replicas,
            threads,
            growing: false,
        });
    }

    fn want_settings(&self, settings: RuntimeSettings) {
        let text = serde_json::to_string(&settings).unwrap();
        let new = self.folder.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.folder.path().join("runtime.json")).unwrap();
    }

    fn start(&self, internal_topics: InternalTopics) -> App {
        self.start_on(Arc::new(self.log.clone()), internal_topics)
    }

    fn start_on(&self, cluster: Arc<dyn Cluster>, internal_topics: InternalTopics) -> App {
        let document = read_documents(COUNTS, "test").unwrap().remove(0);
        let state = self.folder.path().join("state");
        App::start(AppOptions {
            config: WorkerConfig::new(&document.app, 0, state),
            plan: Arc::new(document.plan().unwrap()),
            processors: Processors::new(),
            cluster,
            clock: Arc::new(SystemClock),
            memory: StateMemory::new(Some(64 << 20)),
            internal_topics,
            runtime_dir: Some(Path::to_owned(self.folder.path())),
        })
        .unwrap()
    }

    /// Writes one record to each partition.
    fn write(&mut self) {
        self.written += 1;
        for partition in 0..PARTITIONS {
            let key = format!("key-{partition}");
            let (key, value, headers) = (Some(key.as_bytes()), Some(&b"x"[..]), HeadersBuf::new());
            self.log
                .produce("in", Some(partition), Some(0), key, value, &headers)
                .unwrap();
        }
    }

    /// Waits until every key was counted as often as it was written, once each and in order.
    fn counted(&self) {
        let mut counts: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
        for partition in 0..PARTITIONS {
            let partition = TopicPartition::new("out", partition);
            let wait = Duration::from_millis(100);
            let mut next = 0;
            let began = Instant::now();
            // A key's output is where its own hash says: any number of keys may be in one partition.
            while began.elapsed() < LIMIT {
                let from = ReadFrom::Offset(next);
                let (isolation, max) = (Isolation::ReadCommitted, 1000);
                let records = self
                    .log
                    .read(&partition, from, isolation, max, wait)
                    .unwrap();
                let Some(last) = records.last() else { break };
                next = last.offset + 1;
                for record in records {
                    let text = String::from_utf8(record.value.unwrap()).unwrap();
                    let count = text.parse().unwrap();
                    counts.entry(record.key.unwrap()).or_default().push(count);
                }
            }
        }
        let expected: Vec<usize> = (1..=self.written).collect();
        assert_eq!(counts.len(), 4);
        for (key, found) in counts {
            assert_eq!(found, expected, "{}", String::from_utf8_lossy(&key));
        }
    }
}

/// A log whose credentials change when told.
struct Renewed {
    log: EmbeddedCluster,
    changed: AtomicBool,
}

impl Cluster for Renewed {
    fn admin(&self) -> Result<Box<dyn Admin>> {
        self.log.admin()
    }

    fn consumer(&self, options: &ConsumerOptions) -> Result<Box<dyn GroupConsumer>> {
        self.log.consumer(options)
    }

    fn reader(&self, name: &str) -> Result<Box<dyn RecordSource>> {
        self.log.reader(name)
    }

    fn producer(&self, options: &ProducerOptions) -> Result<Box<dyn RecordSink>> {
        self.log.producer(options)
    }

    fn refresh(&self) -> Result<bool> {
        Ok(self.changed.swap(false, Ordering::AcqRel))
    }
}

/// Tasks by thread name, if all run.
fn running(app: &App) -> Option<BTreeMap<String, usize>> {
    let threads = app.shared().threads();
    threads
        .iter()
        .map(|thread| {
            let snapshot = thread.snapshot();
            let mut tasks = snapshot.tasks.iter();
            let all = tasks.all(|task| task.state == crate::status::TaskState::Running);
            all.then(|| (thread.name.clone(), snapshot.tasks.len()))
        })
        .collect()
}

fn wait_for(what: &str, app: &App, mut look: impl FnMut() -> bool) {
    let began = Instant::now();
    while !look() {
        let (phase, tasks) = (app.shared().phase(), running(app));
        assert!(began.elapsed() < LIMIT, "no {what}: {phase:?} {tasks:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until so many threads share all tasks out evenly, and have processed everything.
fn settle(scene: &Scene, app: &App, threads: usize) {
    let tasks = usize::try_from(PARTITIONS).unwrap();
    wait_for("even share", app, || {
        running(app).is_some_and(|owned| {
            owned.len() == threads
                && owned.values().sum::<usize>() == tasks
                && owned.values().all(|&own| own >= tasks / threads)
        })
    });
    wait_for("end of the input", app, || committed(app) == scene.written);
    scene.counted();
}

/// The lowest committed position over all inputs.
fn committed(app: &App) -> usize {
    let threads = app.shared().threads();
    let snapshots = threads.iter().map(|thread| thread.snapshot());
    let positions: Vec<i64> = snapshots
        .flat_map(|snapshot| snapshot.tasks.clone())
        .flat_map(|task| task.inputs)
        .map(|input| input.committed)
        .collect();
    positions
        .into_iter()
        .min()
        .map_or(0, |lowest| usize::try_from(lowest).unwrap())
}

#[test]
fn threads_come_and_go_while_the_application_runs_and_every_record_counts_once() {
    let mut scene = Scene::new();
    scene.want(1, 1);
    let app = scene.start(InternalTopics::Create);
    for threads in [1, 3, 2, 4, 1] {
        scene.want(1, threads);
        scene.write();
        settle(&scene, &app, usize::try_from(threads).unwrap());
    }
    let first = &app.shared().threads()[0];
    assert_eq!(
        first.name, "app-0",
        "the first thread is the one that stayed"
    );
    app.stop();
    app.join().unwrap();
}

#[test]
fn a_worker_keeps_its_threads_while_others_are_on_their_way() {
    let mut scene = Scene::new();
    scene.want(1, 3);
    let app = scene.start(InternalTopics::Create);
    scene.write();
    settle(&scene, &app, 3);
    let growing = |threads| RuntimeSettings {
        replicas: 3,
        threads,
        growing: true,
    };
    scene.want_settings(growing(1));
    // Long enough for the file to be looked at.
    std::thread::sleep(Duration::from_millis(1_500));
    scene.write();
    settle(&scene, &app, 3);
    scene.want_settings(growing(4));
    settle(&scene, &app, 4);
    scene.want(3, 1);
    settle(&scene, &app, 1);
    app.stop();
    app.join().unwrap();
}

#[test]
fn a_worker_that_is_not_wanted_drains_stays_and_comes_back() {
    let mut scene = Scene::new();
    scene.want(1, 2);
    let app = scene.start(InternalTopics::Create);
    scene.write();
    settle(&scene, &app, 2);

    scene.want(0, 2);
    wait_for("drained phase", &app, || {
        matches!(app.shared().phase(), Phase::Drained(_))
    });
    assert!(app.shared().threads().is_empty());
    assert!(!app.is_finished());
    scene.counted();

    scene.write();
    scene.want(1, 1);
    settle(&scene, &app, 1);

    scene.want(0, 1);
    wait_for("drained phase", &app, || {
        matches!(app.shared().phase(), Phase::Drained(_))
    });
    app.stop();
    app.join().unwrap();
}

#[test]
fn a_worker_that_is_not_wanted_at_its_start_is_drained_without_topics_and_without_broker() {
    let scene = Scene::new();
    scene.want(0, 1);
    let app = scene.start(InternalTopics::Check);
    wait_for("drained phase", &app, || {
        matches!(app.shared().phase(), Phase::Drained(_))
    });
    app.stop();
    app.join().unwrap();
}

#[test]
fn a_worker_without_settings_or_without_the_operators_topics_says_what_it_waits_for() {
    let scene = Scene::new();
    let app = scene.start(InternalTopics::Check);
    let waits_for = |word: &str| {
        wait_for(
            word,
            &app,
            || matches!(app.shared().phase(), Phase::Waiting(what) if what.contains(word)),
        );
    };
    waits_for("runtime.json");
    scene.want(1, 1);
    waits_for("app-counts-changelog (4 partitions)");
    for topic in ["app-tasks", "app-counts-changelog", "app-dead-letter"] {
        assert!(scene.log.topics().iter().all(|known| known.name != topic));
    }
    scene.topic("app-tasks", 3);
    waits_for("app-tasks (4 partitions; it has 3)");
    app.stop();
    app.join().unwrap();
}

#[test]
fn threads_whose_credentials_changed_are_made_anew_in_turn_and_keep_their_tasks() {
    let mut scene = Scene::new();
    scene.want(1, 2);
    let log = Arc::new(Renewed {
        log: scene.log.clone(),
        changed: AtomicBool::new(false),
    });
    let app = scene.start_on(Arc::clone(&log) as Arc<dyn Cluster>, InternalTopics::Create);
    scene.write();
    settle(&scene, &app, 2);
    let tasks = || {
        let mut owned: Vec<_> = app
            .shared()
            .threads()
            .iter()
            .map(|thread| {
                let tasks = thread.snapshot().tasks.clone();
                let tasks: Vec<_> = tasks.iter().map(|task| task.id).collect();
                (thread.name.clone(), tasks)
            })
            .collect();
        owned.sort();
        owned
    };
    let before = tasks();
    let old = app.shared().threads();

    log.changed.store(true, Ordering::Release);
    wait_for("new threads", &app, || {
        let (now, all) = (app.shared().threads(), running(&app).unwrap_or_default());
        let kept = |thread| old.iter().any(|old| Arc::ptr_eq(old, thread));
        assert!(!now.is_empty(), "one after the other");
        now.len() == 2 && !now.iter().any(kept) && all.values().sum::<usize>() == 4
    });
    assert_eq!(tasks(), before);
    scene.write();
    settle(&scene, &app, 2);
    app.stop();
    app.join().unwrap();
}
