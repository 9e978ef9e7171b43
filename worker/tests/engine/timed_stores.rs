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
    Checkpoint, Committed, CommittedStore, Observed, Placed, SessionStore, Shape, StateDirectory,
    StateMemory, Store, TaskDb, VersionedStore, WindowOrder, WindowStore,
};
use millrace_worker::testing::TempDir;
use proptest::prelude::*;

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
        }
    }

    fn commit(&mut self) {
        let changelog = &mut self.changelog;
        self.store
            .changes(|change| {
                let (key, value) = (change.key.to_vec(), change.value.map(<[u8]>::to_vec));
                changelog.push((key, value, change.timestamp.unwrap_or(0)));
                Ok::<(), ()>(())
            })
            .unwrap();
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
            self.store.discard();
            self.db = Some(db);
            return;
        }
        self.store = store(self.shape, None);
        self.db = None;
        self.temp = TempDir::new();
        self.db = self.on_disk.then(|| open(&self.temp, &self.memory));
        self.store = store(self.shape, self.db.as_ref());
        for (index, (key, value, timestamp)) in self.changelog.clone().into_iter().enumerate() {
            let (arena, value) = (Bump::new(), value.as_deref());
            self.store.restore(&key, value, timestamp, &arena).unwrap();
            if index % 7 == 6 {
                // A restore writes whenever it has gathered enough.
                self.write();
            }
        }
        self.write();
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
    Commit,
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
                    85..94 => Operation::Commit,
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
            Operation::Commit => {
                bench.commit();
                committed = model.clone();
            }
            Operation::Discard => {
                bench.store.discard();
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

/// Rows by start, key and order of writing; what windows of one key and start hold.
#[derive(Clone, Default)]
struct Windows<const DUPLICATES: bool> {
    rows: Vec<(i64, Vec<u8>, u8, i64)>,
    observed: Option<i64>,
}

impl<const DUPLICATES: bool> Windows<DUPLICATES> {
    fn live(&self, start: i64) -> bool {
        self.observed
            .is_none_or(|observed| start > observed - RETENTION_MS)
    }

    fn find(&self, key: Option<&[u8]>, from: i64, to: i64) -> Vec<(i64, Vec<u8>, u8, i64)> {
        let mut found: Vec<_> = self
            .rows
            .iter()
            .filter(|row| key.is_none_or(|key| row.1 == key))
            .filter(|row| (from..=to).contains(&row.0) && self.live(row.0))
            .cloned()
            .collect();
        found.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        found
    }
}

impl<const DUPLICATES: bool> Model for Windows<DUPLICATES> {
    fn apply(&mut self, store: &mut Store, operation: &Operation) {
        let arena = Bump::new();
        let mut windows = WindowStore::new(store);
        let shown = |rows: &[millrace_worker::state::WindowRow<'_>]| -> Vec<_> {
            rows.iter()
                .map(|row| {
                    (
                        row.start,
                        row.key.to_vec(),
                        row.row.value[0],
                        row.row.timestamp,
                    )
                })
                .collect()
        };
        match operation {
            Operation::Put(number, start, value) => {
                let key = key(*number);
                let bytes = value.map(|value| vec![value]);
                let time = start + 7;
                let written = windows.put(&key, *start, bytes.as_deref(), time, &arena);
                if DUPLICATES && value.is_none() {
                    return;
                }
                self.observed = self.observed.max(Some(*start));
                assert_eq!(written, self.live(*start));
                if !DUPLICATES {
                    self.rows.retain(|row| (row.0, &row.1) != (*start, &key));
                }
                if let Some(value) = value.filter(|_| written) {
                    self.rows.push((*start, key, value, time));
                }
            }
            Operation::Get(number, start) if !DUPLICATES => {
                let key = key(*number);
                let found = windows.get(&key, *start, &arena).unwrap();
                let found = found.map(|row| (row.value[0], row.timestamp));
                let expected = self.find(Some(&key), *start, *start);
                assert_eq!(found, expected.first().map(|row| (row.2, row.3)));
            }
            Operation::Fetch(number, from, to) => {
                let key = key(*number);
                let found = windows.fetch(&key, *from, *to, &arena).unwrap();
                assert_eq!(shown(&found), self.find(Some(&key), *from, *to));
            }
            Operation::FetchAll(from, to) => {
                let found = windows.fetch_all(*from, *to, &arena).unwrap();
                assert_eq!(shown(&found), self.find(None, *from, *to));
            }
            _ => {}
        }
    }
}

/// A session: end, start, key, value.
type Session = (i64, i64, Vec<u8>, u8);

#[derive(Clone, Default)]
struct Sessions {
    rows: Vec<Session>,
    observed: Option<i64>,
}

impl Sessions {
    fn live(&self, end: i64) -> bool {
        self.observed
            .is_none_or(|observed| end > observed - RETENTION_MS)
    }

    fn find(&self, wanted: impl Fn(&Session) -> bool) -> Vec<Session> {
        let live = self.rows.iter().filter(|row| self.live(row.0));
        let mut found: Vec<_> = live.filter(|row| wanted(row)).cloned().collect();
        found.sort();
        found
    }
}

impl Model for Sessions {
    fn apply(&mut self, store: &mut Store, operation: &Operation) {
        let arena = Bump::new();
        let mut sessions = SessionStore::new(store);
        let shown = |rows: &[millrace_worker::state::SessionRow<'_>]| -> Vec<Session> {
            rows.iter()
                .map(|row| (row.end, row.start, row.key.to_vec(), row.row.value[0]))
                .collect()
        };
        let mut put = |sessions: &mut SessionStore<'_>, number: u8, start: i64, end, value| {
            let key = key(number);
            let bytes: Option<[u8; 1]> = Option::map(value, |value: u8| [value]);
            let bytes = bytes.as_ref().map(|bytes| &bytes[..]);
            let written = sessions.put(&key, (start, end), bytes, &arena);
            self.observed = self.observed.max(Some(end));
            assert_eq!(written, self.live(end));
            self.rows
                .retain(|row| (row.0, row.1, &row.2) != (end, start, &key));
            if let Some(value) = value.filter(|_| written) {
                self.rows.push((end, start, key, value));
            }
        };
        match operation {
            Operation::Put(number, time, value) => {
                put(&mut sessions, *number, *time, *time, *value)
            }
            Operation::PutLong(number, end, length) => {
                let start = (end - length).max(0);
                put(&mut sessions, *number, start, *end, Some(1));
            }
            Operation::Get(number, time) => {
                let key = key(*number);
                let found = sessions.get(&key, (*time, *time), &arena).unwrap();
                let expected = self.find(|row| (row.0, row.1, &row.2) == (*time, *time, &key));
                let expected = expected.first().map(|row| row.3);
                assert_eq!(found.map(|row| row.value[0]), expected);
            }
            Operation::Fetch(number, from, to) => {
                let key = key(*number);
                let found = sessions.find(&key, *from, *to, &arena).unwrap();
                let expected = self.find(|row| row.2 == key && row.0 >= *from && row.1 <= *to);
                assert_eq!(shown(&found), expected);
            }
            Operation::FetchAll(from, to) => {
                let found = sessions.ended(*from, *to, &arena).unwrap();
                assert_eq!(
                    shown(&found),
                    self.find(|row| (*from..=*to).contains(&row.0))
                );
            }
            _ => {}
        }
    }
}

/// A put of a version.
#[derive(Clone, Copy)]
struct Version {
    value: Option<u8>,
    /// Whether another one has ended where it begins: its time outlives it then.
    ends_another: bool,
}

/// Every put of every key by its time; the version at a time is the last put not after it.
#[derive(Clone, Default)]
struct Versions {
    puts: BTreeMap<(Vec<u8>, i64), Version>,
    observed: Option<i64>,
}

impl Versions {
    fn as_of(&self, key: &[u8], time: i64) -> Option<(i64, u8)> {
        let range = (key.to_vec(), i64::MIN)..=(key.to_vec(), time);
        let ((_, from), version) = self.puts.range(range).next_back()?;
        version.value.map(|value| (*from, value))
    }

    fn next(&self, key: &[u8], time: i64) -> Option<i64> {
        let range = (key.to_vec(), time + 1)..=(key.to_vec(), i64::MAX);
        self.puts.range(range).next().map(|((_, from), _)| *from)
    }

    fn put(&mut self, key: Vec<u8>, time: i64, value: Option<u8>) {
        let next = self.next(&key, time);
        if let Some(ended) = next.and_then(|next| self.puts.get_mut(&(key.clone(), next))) {
            ended.ends_another = true;
        }
        let ends_latest = next.is_none() && self.as_of(&key, time - 1).is_some();
        let before = self.puts.get(&(key.clone(), time)).copied();
        let ends_another = ends_latest || before.is_some_and(|before| before.ends_another);
        let forgets = next.is_none() && !ends_another && value.is_none();
        if forgets && before.is_some_and(|before| before.value.is_some()) {
            // As Kafka Streams: the latest version, deleted at its own time, leaves nothing.
            self.puts.remove(&(key, time));
            return;
        }
        let version = Version {
            value,
            ends_another,
        };
        self.puts.insert((key, time), version);
    }
}

impl Model for Versions {
    fn apply(&mut self, store: &mut Store, operation: &Operation) {
        let arena = Bump::new();
        let mut versions = VersionedStore::new(store);
        let oldest = |observed: Option<i64>| observed.map_or(0, |observed| observed - RETENTION_MS);
        match operation {
            Operation::Put(number, time, value) => {
                let key = key(*number);
                let bytes = value.map(|value| vec![value]);
                let placed = versions.put(&key, bytes.as_deref(), *time, &arena).unwrap();
                self.observed = self.observed.max(Some(*time));
                if *time < oldest(self.observed) {
                    assert_eq!(placed, Placed::Expired);
                    return;
                }
                let expected = self.next(&key, *time).map_or(Placed::Latest, Placed::Until);
                assert_eq!(placed, expected);
                self.put(key, *time, *value);
            }
            Operation::Get(number, time) | Operation::Fetch(number, time, _) => {
                let key = key(*number);
                let latest = self.as_of(&key, i64::MAX);
                let shown = |row: Option<millrace_worker::state::Row<'_>>| {
                    row.map(|row| (row.timestamp, row.value[0]))
                };
                assert_eq!(shown(versions.latest(&key, &arena).unwrap()), latest);
                let found = shown(versions.get_as_of(&key, *time, &arena).unwrap());
                let seen = *time >= oldest(self.observed)
                    || latest.is_some_and(|latest| latest.0 <= *time);
                let expected = if seen { self.as_of(&key, *time) } else { None };
                assert_eq!(found, expected);
            }
            _ => {}
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
    }
}

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
    }

    #[test]
    fn sessions_and_versions_in_memory_are_those_of_a_list(operations in operations()) {
        run::<Sessions>(SESSIONS, false, &operations);
        run::<Versions>(VERSIONS, false, &operations);
    }
}
