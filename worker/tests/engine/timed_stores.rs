//! Goal: window, session and versioned stores answer as plain lists of rows with Kafka Streams' rules
//! for what has expired, through commits, discards, reopening and a restore of their changelog; and
//! what has expired by whole segments is gone from the disk. Method: random operations on few keys, one
//! of them the beginning of another, with times that go back and forth; a failing case is shrunk.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};
use std::time::Instant;

use millrace_crds::plan::{SerdeKind, StoreId, TaskId};
use millrace_expr::Bump;
use millrace_worker::state::{
    Checkpoint, Committed, CommittedStore, Observed, Shape, StateDirectory, StateMemory, Store,
    TaskDb, WindowOrder,
};
use millrace_worker::testing::TempDir;
use proptest::prelude::*;

mod models;

use models::{Sessions, Versions, Windows};

const STORE: &str = "rows";
const TASK: TaskId = TaskId {
    subtopology: 0,
    partition: 0,
};
/// Longer than the shortest segment, so that a segment is half of it.
const RETENTION_MS: i64 = 200_000;
/// Room for some committed rows and not for all of a longer case.
const CACHE_BYTES: usize = 2 << 10;

/// Keys of which some begin others, also with bytes that look like times.
fn key(number: u8) -> Vec<u8> {
    let keys: [&[u8]; 4] = [b"a", b"ab", b"a\0\0\0\0\0\0", b""];
    keys[usize::from(number) % keys.len()].to_vec()
}

/// A changelog: key, value and timestamp of each record.
type Changelog = Vec<(Vec<u8>, Option<Vec<u8>>, i64)>;

/// A store on disk or in memory, its changelog, and how to lose and find it again.
struct Bench {
    temp: TempDir,
    memory: StateMemory,
    shape: Shape,
    on_disk: bool,
    db: Option<Arc<TaskDb>>,
    store: Store,
    changelog: Changelog,
    /// Records of the changelog whose rows are stored.
    stored: usize,
}

impl Bench {
    fn new(shape: Shape, on_disk: bool) -> Self {
        let (temp, memory) = (TempDir::new(), StateMemory::new(Some(64 << 20)));
        let db = on_disk.then(|| open(&temp, &memory));
        Self {
            store: store(shape, db.as_ref()),
            temp,
            memory,
            shape,
            on_disk,
            db,
            changelog: Vec::new(),
            stored: 0,
        }
    }

    /// Commits, and stores as well unless rows may wait and are to.
    fn commit(&mut self, wait: bool) {
        let changelog = &mut self.changelog;
        self.store
            .changes(|change| {
                let (key, value) = (change.key.to_vec(), change.value.map(<[u8]>::to_vec));
                changelog.push((key, value, change.timestamp.unwrap_or(0)));
                Ok::<(), ()>(())
            })
            .unwrap();
        if wait && self.store.may_wait() {
            self.store.commit().unwrap();
        } else {
            self.write();
        }
    }

    /// Forgets what is not stored; what was committed comes back from the changelog.
    fn discard(&mut self) {
        self.store.discard();
        self.restore();
    }

    /// Restores what the changelog has and the store has not.
    fn restore(&mut self) {
        let tail = self.changelog[self.stored..].to_vec();
        for (index, (key, value, timestamp)) in tail.iter().enumerate() {
            let (arena, value) = (Bump::new(), value.as_deref());
            self.store.restore(key, value, *timestamp, &arena).unwrap();
            if index % 7 == 6 {
                // A restore writes whenever it has gathered enough.
                self.write();
            }
        }
        self.write();
    }

    fn write(&mut self) {
        if let Some(db) = &self.db {
            let mut batch = db.batch();
            self.store.write_to(&mut batch).unwrap();
            let checkpoint = Checkpoint {
                offset: 1,
                committed_at_ms: 0,
                observed: self.store.observed(),
                topic_id: String::new(),
            };
            batch.checkpoint(STORE, &checkpoint).unwrap();
            batch.write(Instant::now()).unwrap();
        }
        self.store.commit().unwrap();
        self.store.stored();
        self.stored = self.changelog.len();
        self.check_expired();
    }

    /// Nothing of an expired segment is left.
    fn check_expired(&self) {
        let observed = self.store.observed();
        let live_from = self.shape.live_from(observed);
        let Some(expired) = self.shape.expired(0, live_from) else {
            return;
        };
        let committed = &self.store.committed;
        let inside = |key: &[u8]| key >= &expired.from[..] && key < &expired.to[..];
        let mut left = 0;
        committed
            .scan_rows(|key, _| {
                left += usize::from(inside(key));
                true
            })
            .unwrap();
        assert_eq!(left, 0, "expired rows are left");
    }

    /// Closes and opens what is on disk, or restores the changelog into an empty store.
    fn reopen(&mut self, lose_disk: bool) {
        if self.on_disk && !lose_disk {
            self.store = store(self.shape, None);
            self.db = None;
            let db = open(&self.temp, &self.memory);
            let checkpoint = db.checkpoint(STORE).unwrap();
            self.store = store(self.shape, Some(&db));
            let observed = checkpoint.map_or(Observed::NOTHING, |at| at.observed);
            self.store.committed.observed.set(observed);
            self.db = Some(db);
            self.discard();
            return;
        }
        self.store = store(self.shape, None);
        self.db = None;
        self.temp = TempDir::new();
        self.db = self.on_disk.then(|| open(&self.temp, &self.memory));
        self.store = store(self.shape, self.db.as_ref());
        self.stored = 0;
        self.restore();
    }
}

fn open(temp: &TempDir, memory: &StateMemory) -> Arc<TaskDb> {
    let directory = StateDirectory::open(temp.path(), "app").unwrap();
    Arc::new(TaskDb::open(directory.lock(TASK).unwrap(), &[STORE], memory).unwrap())
}

fn store(shape: Shape, db: Option<&Arc<TaskDb>>) -> Store {
    let rows = match db {
        Some(db) => Committed::Rocks(Arc::clone(db)),
        None => Committed::Memory(Arc::new(RwLock::new(BTreeMap::new()))),
    };
    let formats = (SerdeKind::Bytes, SerdeKind::Bytes);
    let committed = CommittedStore::new(STORE.into(), shape, formats, rows);
    Store::new(StoreId(0), committed, CACHE_BYTES)
}

#[derive(Clone, Debug)]
enum Operation {
    Put(u8, i64, Option<u8>),
    /// Of a session: key, end, length.
    PutLong(u8, i64, i64),
    Get(u8, i64),
    Fetch(u8, i64, i64),
    FetchAll(i64, i64),
    /// Whether rows that may wait to be stored do.
    Commit {
        wait: bool,
    },
    Discard,
    Reopen {
        lose_disk: bool,
    },
}

/// Times drift forward over the run, with strays either way.
fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let one = (0u8..4, 0i64..60_000, any::<u8>(), 0u8..100, 0i64..90_000);
    prop::collection::vec(one, 1..120).prop_map(|all| {
        let mut now = 0;
        all.into_iter()
            .map(|(key, spread, value, choice, length)| {
                // Few distinct times, so that rows meet; at times a long step ahead.
                now += i64::from(value % 8 == 0) * 10_000 + i64::from(value == 255) * 150_000;
                let time = (now + spread - 30_000).max(0) / 5_000 * 5_000;
                let value = (value % 5 != 0).then_some(value);
                match choice {
                    0..45 => Operation::Put(key, time, value),
                    45..60 => Operation::PutLong(key, time, length / 5_000 * 5_000),
                    60..70 => Operation::Get(key, time),
                    70..80 => Operation::Fetch(key, time - length, time + length),
                    80..85 => Operation::FetchAll(time - length, time + length),
                    85..94 => Operation::Commit {
                        wait: length % 2 == 0,
                    },
                    94..97 => Operation::Discard,
                    _ => Operation::Reopen {
                        lose_disk: length % 2 == 0,
                    },
                }
            })
            .collect()
    })
}

/// What a store should hold, as of now or as of the last commit.
trait Model: Clone + Default {
    fn apply(&mut self, store: &mut Store, operation: &Operation);
}

fn run<M: Model>(shape: Shape, on_disk: bool, operations: &[Operation]) {
    let mut bench = Bench::new(shape, on_disk);
    let (mut model, mut committed) = (M::default(), M::default());
    for operation in operations {
        match operation {
            Operation::Commit { wait } => {
                bench.commit(*wait);
                committed = model.clone();
            }
            Operation::Discard => {
                bench.discard();
                model = committed.clone();
            }
            Operation::Reopen { lose_disk } => {
                bench.reopen(*lose_disk);
                model = committed.clone();
            }
            other => model.apply(&mut bench.store, other),
        }
    }
}

fn windows(duplicates: bool, order: WindowOrder) -> Shape {
    Shape::Window {
        retention_ms: RETENTION_MS,
        duplicates,
        order,
        ordered: order == WindowOrder::Key,
        until_forwarded: false,
        join_ms: None,
    }
}

/// Windows that joins of streams alone look into.
const JOINED: Shape = Shape::Window {
    retention_ms: RETENTION_MS,
    duplicates: true,
    order: WindowOrder::Key,
    ordered: false,
    until_forwarded: false,
    join_ms: Some(8_000),
};

const SESSIONS: Shape = Shape::Session {
    retention_ms: RETENTION_MS,
    until_forwarded: false,
};
const VERSIONS: Shape = Shape::Versioned {
    history_ms: RETENTION_MS,
};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..Default::default()
    }
}

proptest! {
    #![proptest_config(config(12))]

    #[test]
    fn windows_on_disk_are_those_of_a_list(operations in operations()) {
        run::<Windows<false>>(windows(false, WindowOrder::Time), true, &operations);
        run::<Windows<false>>(windows(false, WindowOrder::Key), true, &operations);
        run::<Windows<true>>(windows(true, WindowOrder::Key), true, &operations);
        run::<Windows<true>>(JOINED, true, &operations);
    }

    #[test]
    fn sessions_and_versions_on_disk_are_those_of_a_list(operations in operations()) {
        run::<Sessions>(SESSIONS, true, &operations);
        run::<Versions>(VERSIONS, true, &operations);
    }
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn windows_in_memory_are_those_of_a_list(operations in operations()) {
        run::<Windows<false>>(windows(false, WindowOrder::Time), false, &operations);
        run::<Windows<false>>(windows(false, WindowOrder::Key), false, &operations);
        run::<Windows<true>>(windows(true, WindowOrder::Key), false, &operations);
        run::<Windows<true>>(JOINED, false, &operations);
    }

    #[test]
    fn sessions_and_versions_in_memory_are_those_of_a_list(operations in operations()) {
        run::<Sessions>(SESSIONS, false, &operations);
        run::<Versions>(VERSIONS, false, &operations);
    }
}
