//! Goal: a store, through rows at hand, commits that are stored at once or later, discards and reopening,
//! answers as a plain map of stored rows with a plain map of writes over it. Method: random operations on
//! few keys (so that they meet), on RocksDB and in memory, with and without room for rows at hand; a
//! failing case is shrunk.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, RwLock};
use std::time::Instant;

use millrace_crds::plan::{SerdeKind, StoreId, TaskId};
use millrace_expr::Bump;
use millrace_kafka::{HeadersBuf, RecordView};
use millrace_worker::state::{
    Checkpoint, Observed, Shape, StateDirectory, StateMemory, Store, TaskDb,
};
use millrace_worker::state::{Committed, CommittedStore};
use millrace_worker::task::record_queue::RecordQueue;
use millrace_worker::testing::TempDir;
use proptest::prelude::*;

const STORE: &str = "rows";
const TASK: TaskId = TaskId {
    subtopology: 0,
    partition: 0,
};

#[derive(Clone, Debug)]
enum Operation {
    Put(u8, Vec<u8>, i64),
    Delete(u8),
    Get(u8),
    Range(u8, Option<u8>),
    /// A commit; whether its rows wait to be stored, if they may.
    Commit(bool),
    Discard,
    Flush,
    Reopen,
}

fn operation() -> impl Strategy<Value = Operation> {
    let value = prop::collection::vec(any::<u8>(), 0..20);
    prop_oneof![
        8 => (0u8..12, value, 0i64..1_000_000).prop_map(|(k, v, t)| Operation::Put(k, v, t)),
        3 => (0u8..12).prop_map(Operation::Delete),
        6 => (0u8..12).prop_map(Operation::Get),
        2 => (0u8..12, prop::option::of(0u8..14)).prop_map(|(from, to)| Operation::Range(from, to)),
        4 => any::<bool>().prop_map(Operation::Commit),
        1 => Just(Operation::Discard),
        1 => Just(Operation::Flush),
        1 => Just(Operation::Reopen),
    ]
}

/// Keys of different lengths, so that one is another's prefix.
fn key(number: u8) -> Vec<u8> {
    vec![number / 3; 1 + usize::from(number % 3)]
}

type Rows = BTreeMap<Vec<u8>, (i64, Vec<u8>)>;

/// The store under test, and what it should know.
struct Checked {
    temp: TempDir,
    memory: StateMemory,
    /// Of the store: whether it is read by range, and its room for rows at hand.
    kind: (bool, usize),
    /// `None`: in memory.
    db: Option<Arc<TaskDb>>,
    store: Store,
    /// What queries see, and a discard goes back to.
    stored: Rows,
    /// What the task sees.
    current: Rows,
    /// Those that are stored.
    commits: i64,
}

impl Checked {
    fn new(on_disk: bool, kind: (bool, usize)) -> Self {
        let (temp, memory) = (TempDir::new(), StateMemory::new(Some(64 << 20)));
        let db = on_disk.then(|| open(&temp, &memory));
        let store = store(db.as_ref(), kind);
        let (stored, current) = (Rows::new(), Rows::new());
        Self {
            temp,
            memory,
            kind,
            db,
            store,
            stored,
            current,
            commits: 0,
        }
    }

    fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Put(number, value, timestamp) => {
                self.store.put(&key(*number), Some(value), *timestamp);
                self.current
                    .insert(key(*number), (*timestamp, value.clone()));
            }
            Operation::Delete(number) => {
                self.store.put(&key(*number), None, 0);
                self.current.remove(&key(*number));
            }
            Operation::Get(number) => {
                let arena = Bump::new();
                let found = self.store.get(&key(*number), &arena).unwrap();
                let found = found.map(|row| (row.timestamp, row.value.to_vec()));
                assert_eq!(found.as_ref(), self.current.get(&key(*number)));
            }
            Operation::Range(from, to) => {
                let (from, to) = (key(*from), to.map(key));
                let mut found = Vec::new();
                self.store
                    .scan(&from, to.as_deref(), |key, row| {
                        found.push((key.to_vec(), (row.timestamp, row.value.to_vec())));
                        true
                    })
                    .unwrap();
                let expected: Vec<_> = self
                    .current
                    .iter()
                    .filter(|(key, _)| **key >= from && to.as_ref().is_none_or(|to| *key < to))
                    .map(|(key, row)| (key.clone(), row.clone()))
                    .collect();
                assert_eq!(found, expected);
            }
            Operation::Commit(waits) => self.commit(*waits),
            Operation::Discard => {
                self.store.discard();
                self.current = self.stored.clone();
            }
            Operation::Flush => {
                if let Some(db) = &self.db {
                    db.flush(true).unwrap();
                }
            }
            Operation::Reopen => self.reopen(),
        }
        self.check_committed();
    }

    fn commit(&mut self, waits: bool) {
        if waits && self.store.may_wait() {
            self.store.commit().unwrap();
            self.check_nothing_uncommitted();
            return;
        }
        self.commits += 1;
        if let Some(db) = &self.db {
            let mut batch = db.batch();
            self.store.write_to(&mut batch).unwrap();
            let (offset, topic_id) = (self.commits, "id".to_owned());
            let checkpoint = Checkpoint {
                offset,
                committed_at_ms: 0,
                observed: Observed::NOTHING,
                topic_id,
            };
            batch.checkpoint(STORE, &checkpoint).unwrap();
            batch.write(Instant::now()).unwrap();
        }
        self.store.commit().unwrap();
        self.store.stored();
        assert!(self.store.is_stored());
        self.check_nothing_uncommitted();
        self.stored = self.current.clone();
    }

    fn check_nothing_uncommitted(&self) {
        assert_eq!(
            (self.store.uncommitted_len(), self.store.uncommitted_bytes()),
            (0, 0)
        );
    }

    /// Closes and opens the database; what was not stored is gone, as is all of memory.
    fn reopen(&mut self) {
        if self.db.take().is_some() {
            self.store = store(None, self.kind);
            self.db = Some(open(&self.temp, &self.memory));
        } else {
            self.stored.clear();
        }
        self.store = store(self.db.as_ref(), self.kind);
        self.current = self.stored.clone();
    }

    /// What queries see: stored rows alone.
    fn check_committed(&self) {
        let mut rows = Rows::new();
        self.store
            .committed
            .scan(|key, row| {
                rows.insert(key.to_vec(), (row.timestamp, row.value.to_vec()));
                true
            })
            .unwrap();
        assert_eq!(rows, self.stored);
        if let Some(db) = &self.db {
            let offset = db
                .checkpoint(STORE)
                .unwrap()
                .map_or(0, |checkpoint| checkpoint.offset);
            assert_eq!(offset, self.commits, "the checkpoint goes with the rows");
        }
    }
}

fn open(temp: &TempDir, memory: &StateMemory) -> Arc<TaskDb> {
    let directory = StateDirectory::open(temp.path(), "app").unwrap();
    Arc::new(TaskDb::open(directory.lock(TASK).unwrap(), &[STORE], memory).unwrap())
}

fn store(db: Option<&Arc<TaskDb>>, (ordered, cache_bytes): (bool, usize)) -> Store {
    let rows = match db {
        Some(db) => Committed::Rocks(Arc::clone(db)),
        None => Committed::Memory(Arc::new(RwLock::new(BTreeMap::new()))),
    };
    let (key, value) = (SerdeKind::Bytes, SerdeKind::Bytes);
    let shape = Shape::KeyValue { ordered };
    let committed = CommittedStore::new(STORE.into(), shape, (key, value), rows);
    Store::new(StoreId(0), committed, cache_bytes)
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    prop::collection::vec(operation(), 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_store_on_disk_answers_as_a_map_does(
        operations in operations(),
        // None, one that forgets all the time, one that keeps all.
        cache_bytes in prop_oneof![Just(0), Just(800), Just(1 << 20)],
        ordered in any::<bool>(),
    ) {
        let mut checked = Checked::new(true, (ordered, cache_bytes));
        operations.iter().for_each(|operation| checked.apply(operation));
    }

    #[test]
    fn a_store_in_memory_answers_as_a_map_does(
        operations in operations(),
        ordered in any::<bool>(),
    ) {
        let mut checked = Checked::new(false, (ordered, 0));
        operations.iter().for_each(|operation| checked.apply(operation));
    }

    #[test]
    fn a_record_queue_gives_what_it_took(
        steps in prop::collection::vec(prop::option::weighted(0.6, queued()), 1..400),
    ) {
        let mut queue = RecordQueue::default();
        let mut model = VecDeque::new();
        for (offset, step) in (0i64..).zip(steps) {
            match step {
                Some(queued) => {
                    queue.push(&queued.view(offset));
                    model.push_back((offset, queued));
                }
                None => {
                    queue.pop();
                    model.pop_front();
                }
            }
            prop_assert_eq!(queue.len(), model.len());
            prop_assert_eq!(queue.is_empty(), model.is_empty());
            let expected = model.front().map(|(offset, queued)| queued.view(*offset));
            prop_assert_eq!(format!("{:?}", queue.head()), format!("{expected:?}"));
            let live: usize = model.iter().map(|(_, queued)| queued.len()).sum();
            prop_assert!(queue.live_bytes() >= live);
        }
    }
}

#[derive(Clone, Debug)]
struct Queued {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: HeadersBuf,
}

impl Queued {
    fn view(&self, offset: i64) -> RecordView<'_> {
        RecordView {
            offset,
            timestamp: self.timestamp,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: self.headers.as_headers(),
        }
    }

    fn len(&self) -> usize {
        let len = |part: &Option<Vec<u8>>| part.as_ref().map_or(0, Vec::len);
        len(&self.key) + len(&self.value) + self.headers.as_headers().as_encoded().len()
    }
}

fn queued() -> impl Strategy<Value = Queued> {
    // Now and then large enough for the queue to give its memory back.
    let bytes = || prop_oneof![0usize..30, 50_000usize..60_000].prop_map(|len| vec![7; len]);
    let part = || prop::option::weighted(0.8, bytes());
    (any::<i64>(), part(), part(), prop::option::of("[a-z]{0,5}")).prop_map(
        |(timestamp, key, value, header)| {
            let mut headers = HeadersBuf::new();
            if let Some(name) = header {
                headers.push(&name, key.as_deref());
            }
            Queued {
                timestamp,
                key,
                value,
                headers,
            }
        },
    )
}
