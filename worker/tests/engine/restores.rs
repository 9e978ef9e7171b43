//! Goal: whatever a restore finds on disk and in the changelog, the rows it hands over are those of the
//! changelog, and it reads no more of it than it must. Method: a restorer driven by hand over a
//! changelog written by hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use millrace_crds::plan::{SerdeKind, TaskId};
use millrace_embedded::{Call, EmbeddedCluster, EmbeddedOptions, Fault, FaultPlan, FaultyCluster};
use millrace_kafka::{
    Cluster, Headers, OutRecord, ProducerOptions, RecordSink, TopicPartition, TopicSpec,
};
use millrace_worker::clock::Clock;
use millrace_worker::error::EngineError;
use millrace_worker::runtime::restore::{
    RestoreJob, RestoreProgress, Restored, RestoredState, StoreToRestore,
};
use millrace_worker::runtime::restorer::Restorer;
use millrace_worker::state::{
    Checkpoint, Shape, StateDirectory, StateErrorKind, StateMemory, TaskDb,
};
use millrace_worker::testing::{ManualClock, TempDir};

const CHANGELOG: &str = "app-rows-changelog";
const TASK: TaskId = TaskId {
    subtopology: 0,
    partition: 0,
};
const DAY: Duration = Duration::from_secs(24 * 3600);

type Rows = BTreeMap<String, String>;

struct Bench {
    cluster: EmbeddedCluster,
    /// What the restorer sees of it.
    log: Arc<dyn Cluster>,
    clock: ManualClock,
    directory: StateDirectory,
    memory: StateMemory,
    _temp: TempDir,
}

impl Bench {
    fn new() -> Self {
        let clock = ManualClock::new(1_700_000_000_000);
        let cluster = EmbeddedCluster::in_memory(EmbeddedOptions::default(), clock.clone());
        let temp = TempDir::new();
        let directory = StateDirectory::open(temp.path(), "app").unwrap();
        let log = Arc::new(cluster.clone());
        let memory = StateMemory::new(Some(64 << 20));
        let bench = Self {
            cluster,
            log,
            clock,
            directory,
            memory,
            _temp: temp,
        };
        bench.create_changelog();
        bench
    }

    fn create_changelog(&self) {
        let configs = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
        let spec = TopicSpec {
            name: CHANGELOG.to_owned(),
            partitions: 1,
            replication_factor: -1,
            configs,
        };
        self.cluster
            .admin()
            .unwrap()
            .create_topics(&[spec])
            .unwrap();
    }

    fn producer(&self) -> Box<dyn RecordSink> {
        let options = ProducerOptions {
            transactional_id: Some("app-0-0".to_owned()),
            client_id: String::new(),
        };
        let mut producer = self.cluster.producer(&options).unwrap();
        producer.init_transactions().unwrap();
        producer.begin().unwrap();
        producer
    }

    /// Rows in one transaction; no value is a tombstone.
    fn write(&self, rows: &[(&str, Option<&str>)]) {
        let mut producer = self.producer();
        self.send(producer.as_mut(), rows);
        producer.commit().unwrap();
    }

    fn send(&self, producer: &mut dyn RecordSink, rows: &[(&str, Option<&str>)]) {
        let topic = producer.topic(CHANGELOG).unwrap();
        for (key, value) in rows {
            let (key, value) = (Some(key.as_bytes()), value.map(str::as_bytes));
            let (partition, timestamp, headers) = (0, self.clock.wall_ms(), Headers::EMPTY);
            producer
                .send(&OutRecord {
                    topic,
                    partition,
                    timestamp,
                    key,
                    value,
                    headers,
                })
                .unwrap();
        }
        producer.flush().unwrap();
    }

    fn restorer(&self) -> Restorer {
        let (log, clock) = (Arc::clone(&self.log), Arc::new(self.clock.clone()));
        Restorer::new(
            log,
            "restore",
            self.directory.clone(),
            self.memory.clone(),
            clock,
        )
        .unwrap()
    }

    /// Restores with a new restorer, to the end.
    fn restore(&self) -> Done {
        self.restore_with(&mut self.restorer(), job())
    }

    fn restore_with(&self, restorer: &mut Restorer, job: RestoreJob) -> Done {
        let progress = Arc::clone(&job.progress);
        restorer.submit(job);
        for _ in 0..1_000 {
            if let Some(restored) = restorer.run_once(Duration::ZERO).pop() {
                assert!(restorer.is_idle());
                let restored_state = restored.result.map_err(|error| error.to_string()).unwrap();
                return Done {
                    state: restored_state,
                    records: progress.restored(),
                };
            }
        }
        panic!("the restore does not end");
    }

    /// The database between two runs.
    fn open(&self) -> TaskDb {
        let directory = self.directory.lock(TASK).unwrap();
        TaskDb::open(directory, &["rows"], &self.memory).unwrap()
    }

    fn checkpoint(&self) -> Option<Checkpoint> {
        self.open().checkpoint("rows").unwrap()
    }

    fn end(&self) -> i64 {
        let changelog = TopicPartition::new(CHANGELOG, 0);
        self.cluster
            .admin()
            .unwrap()
            .watermarks(&[changelog])
            .unwrap()[0]
            .1
    }
}

fn job() -> RestoreJob {
    let store = StoreToRestore {
        name: "rows".into(),
        shape: Shape::KeyValue { ordered: false },
        key: SerdeKind::String,
        value: SerdeKind::String,
        changelog: Some(CHANGELOG.into()),
        in_memory: false,
        supplier: None,
    };
    RestoreJob {
        number: 0,
        task: TASK,
        stores: vec![store],
        state: None,
        progress: Arc::new(RestoreProgress::default()),
        cancelled: Arc::new(AtomicBool::new(false)),
    }
}

/// A finished restore; the database closes with it.
struct Done {
    state: RestoredState,
    records: u64,
}

impl Done {
    fn rows(&self) -> Rows {
        let mut rows = Rows::new();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        self.state.state.stores[0]
            .scan(|key, row| {
                rows.insert(text(key), text(row.value));
                true
            })
            .unwrap();
        rows
    }
}

fn rows(rows: &[(&str, &str)]) -> Rows {
    rows.iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn an_empty_directory_gets_all_and_the_next_start_nothing() {
    let bench = Bench::new();
    bench.write(&[("a", Some("1")), ("b", Some("2")), ("c", Some("3"))]);
    bench.write(&[("a", Some("4")), ("b", None)]);
    let first = bench.restore();
    assert_eq!(first.rows(), rows(&[("a", "4"), ("c", "3")]));
    assert_eq!((first.records, first.state.existed), (5, true));
    assert_eq!(
        first.state.state.offsets,
        [bench.end()],
        "past the last marker"
    );
    drop(first);
    let second = bench.restore();
    assert_eq!((second.records, second.state.existed), (0, true));
    assert_eq!(second.rows(), rows(&[("a", "4"), ("c", "3")]));
}

#[test]
fn a_task_that_never_wrote_did_not_exist() {
    let bench = Bench::new();
    for _ in 0..2 {
        let done = bench.restore();
        assert!(!done.state.existed);
    }
}

#[test]
fn only_the_tail_is_restored() {
    let bench = Bench::new();
    bench.write(&[("a", Some("1")), ("b", Some("2"))]);
    drop(bench.restore());
    bench.write(&[("b", Some("3"))]);
    let done = bench.restore();
    assert_eq!(done.records, 1);
    assert_eq!(done.rows(), rows(&[("a", "1"), ("b", "3")]));
}

#[test]
fn a_changelog_deleted_and_created_again_is_restored_whole() {
    let bench = Bench::new();
    bench.write(&[("old", Some("1")), ("a", Some("1"))]);
    drop(bench.restore());
    bench
        .cluster
        .admin()
        .unwrap()
        .delete_topics(&[CHANGELOG])
        .unwrap();
    bench.create_changelog();
    bench.write(&[("a", Some("2")), ("new", Some("3"))]);
    bench.write(&[("a", Some("4"))]);
    let done = bench.restore();
    assert_eq!(done.rows(), rows(&[("a", "4"), ("new", "3")]));
    assert_eq!(done.records, 3);
}

#[test]
fn a_checkpoint_outside_the_changelog_means_restoring_it_whole() {
    for beyond in [true, false] {
        let bench = Bench::new();
        bench.write(&[("a", Some("1")), ("gone", Some("2"))]);
        drop(bench.restore());
        if beyond {
            let checkpoint = bench.checkpoint().unwrap();
            let db = bench.open();
            let mut batch = db.batch();
            batch
                .checkpoint(
                    "rows",
                    &Checkpoint {
                        offset: 1_000,
                        ..checkpoint
                    },
                )
                .unwrap();
            batch.put("rows", b"stray", Some(b"00000000x")).unwrap();
            batch.write(Instant::now()).unwrap();
            db.flush(true).unwrap();
        } else {
            bench.write(&[("a", Some("1")), ("gone", None)]);
            bench.write(&[("b", Some("3"))]);
            let before = bench.end() - 2;
            let changelog = TopicPartition::new(CHANGELOG, 0);
            bench
                .cluster
                .admin()
                .unwrap()
                .delete_records(&[(changelog, before)])
                .unwrap();
        }
        let done = bench.restore();
        let expected = if beyond {
            rows(&[("a", "1"), ("gone", "2")])
        } else {
            rows(&[("b", "3")])
        };
        assert_eq!(done.rows(), expected, "beyond the end: {beyond}");
    }
}

#[test]
fn rows_older_than_tombstones_are_kept_do_not_rise_again() {
    let bench = Bench::new();
    bench.write(&[("a", Some("1")), ("deleted", Some("2"))]);
    drop(bench.restore());
    // The tombstone comes and goes while the task is elsewhere.
    bench.write(&[("deleted", None)]);
    bench.cluster.compact(CHANGELOG).unwrap();
    bench.clock.advance(DAY + Duration::from_secs(1));
    bench.cluster.compact(CHANGELOG).unwrap();
    bench.write(&[("b", Some("3"))]);
    let done = bench.restore();
    assert_eq!(done.rows(), rows(&[("a", "1"), ("b", "3")]));
    assert_eq!(done.records, 2, "all that is left");
}

#[test]
fn old_rows_after_which_nothing_came_are_good() {
    let bench = Bench::new();
    bench.write(&[("a", Some("1")), ("b", Some("2"))]);
    drop(bench.restore());
    bench.clock.advance(10 * DAY);
    let done = bench.restore();
    assert_eq!(
        (done.records, done.rows()),
        (0, rows(&[("a", "1"), ("b", "2")]))
    );
    drop(done);
    // And are as of today now.
    bench.clock.advance(DAY / 2);
    bench.write(&[("b", Some("3"))]);
    assert_eq!(bench.restore().records, 1);
}

#[test]
fn a_rebuild_that_was_interrupted_goes_on_and_leaves_nothing_old() {
    const COUNT: usize = 50_000;
    let bench = Bench::new();
    let stale: Vec<String> = (0..100).map(|number| format!("stale-{number}")).collect();
    let records: Vec<_> = stale.iter().map(|key| (key.as_str(), Some("1"))).collect();
    bench.write(&records);
    drop(bench.restore());
    bench
        .cluster
        .admin()
        .unwrap()
        .delete_topics(&[CHANGELOG])
        .unwrap();
    bench.create_changelog();
    let keys: Vec<String> = (0..COUNT).map(|number| format!("{number:05}")).collect();
    let records: Vec<_> = keys.iter().map(|key| (key.as_str(), Some("2"))).collect();
    for part in records.chunks(1_000) {
        bench.write(part);
    }
    let mut interrupted = bench.restorer();
    interrupted.submit(job());
    for _ in 0..3 {
        assert!(interrupted.run_once(Duration::ZERO).is_empty());
    }
    drop(interrupted);
    let done = bench.restore();
    assert!(
        (done.records as usize) < COUNT,
        "what was written is not restored again"
    );
    let found = done.rows();
    assert_eq!(found.len(), COUNT);
    assert!(found.keys().eq(keys.iter()), "and nothing of the old topic");
}

#[test]
fn rows_without_a_checkpoint_are_not_trusted() {
    let bench = Bench::new();
    bench.write(&[("a", Some("1"))]);
    let db = bench.open();
    let mut batch = db.batch();
    batch.put("rows", b"stray", Some(b"00000000x")).unwrap();
    batch.write(Instant::now()).unwrap();
    db.flush(true).unwrap();
    drop(db);
    assert_eq!(bench.restore().rows(), rows(&[("a", "1")]));
}

#[test]
fn a_cancelled_job_ends_without_a_result_and_lets_its_directory_go() {
    let bench = Bench::new();
    bench.write(&[("a", Some("1"))]);
    // An open transaction keeps the restore from its end.
    let mut open = bench.producer();
    bench.send(open.as_mut(), &[("b", Some("2"))]);
    let mut restorer = bench.restorer();
    let job = job();
    let cancelled = Arc::clone(&job.cancelled);
    restorer.submit(job);
    for _ in 0..5 {
        assert!(restorer.run_once(Duration::ZERO).is_empty());
    }
    assert!(bench.directory.lock(TASK).is_err(), "in use");
    cancelled.store(true, Ordering::Release);
    assert!(restorer.run_once(Duration::ZERO).is_empty());
    assert!(restorer.is_idle());
    bench.directory.lock(TASK).unwrap();
    // The same restorer takes the task again.
    open.commit().unwrap();
    let done = bench.restore_with(&mut restorer, self::job());
    assert_eq!(done.rows(), rows(&[("a", "1"), ("b", "2")]));
}

#[test]
fn what_an_open_transaction_wrote_is_waited_for_whichever_way_it_ends() {
    for commit in [true, false] {
        let bench = Bench::new();
        bench.write(&[("a", Some("1"))]);
        let mut open = bench.producer();
        bench.send(open.as_mut(), &[("a", Some("2"))]);
        let mut restorer = bench.restorer();
        restorer.submit(job());
        for _ in 0..20 {
            assert!(restorer.run_once(Duration::ZERO).is_empty());
        }
        if commit {
            open.commit().unwrap()
        } else {
            open.abort().unwrap()
        }
        let finished = (0..20)
            .find_map(|_| restorer.run_once(Duration::ZERO).pop())
            .unwrap();
        let done = Done {
            state: finished.result.ok().unwrap(),
            records: 0,
        };
        assert_eq!(done.rows(), rows(&[("a", if commit { "2" } else { "1" })]));
    }
}

#[test]
fn a_locked_directory_is_waited_for_and_given_up_after_a_minute() {
    let bench = Bench::new();
    bench.write(&[("a", Some("1"))]);
    let held = bench.directory.lock(TASK).unwrap();
    let mut restorer = bench.restorer();
    restorer.submit(job());
    for _ in 0..50 {
        bench.clock.advance(Duration::from_secs(1));
        assert!(restorer.run_once(Duration::ZERO).is_empty());
    }
    drop(held);
    let done = (0..20)
        .find_map(|_| restorer.run_once(Duration::ZERO).pop())
        .unwrap();
    assert!(done.result.is_ok());
    drop(done);
    let _held = bench.directory.lock(TASK).unwrap();
    restorer.submit(job());
    assert!(restorer.run_once(Duration::ZERO).is_empty());
    bench.clock.advance(Duration::from_secs(61));
    let Some(Restored {
        result: Err(EngineError::State(error)),
        ..
    }) = restorer.run_once(Duration::ZERO).pop()
    else {
        panic!("not given up");
    };
    assert_eq!(error.kind, StateErrorKind::Locked);
}

#[test]
fn a_log_that_does_not_answer_now_and_then_only_takes_longer() {
    for seed in 0..30 {
        let mut bench = Bench::new();
        let plan = FaultPlan::seeded(seed)
            .sometimes(Call::ReaderPoll, Fault::Unavailable, 300_000)
            .and_then(|plan| plan.sometimes(Call::Admin, Fault::Unavailable, 300_000))
            .unwrap();
        let inner = Arc::clone(&bench.log);
        bench.log = Arc::new(FaultyCluster::new(inner, plan, bench.clock.clone()));
        bench.write(&[("a", Some("1")), ("b", Some("2"))]);
        bench.write(&[("b", None)]);
        assert_eq!(bench.restore().rows(), rows(&[("a", "1")]), "seed {seed}");
    }
}
