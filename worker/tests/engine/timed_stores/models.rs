//! What stores should hold, as lists.

use std::collections::BTreeMap;

use millrace_expr::Bump;
use millrace_worker::state::{Placed, SessionStore, Store, VersionedStore, WindowStore};

use super::{Model, Operation, RETENTION_MS, key};

/// Rows by start, key and order of writing; what windows of one key and start hold.
#[derive(Clone, Default)]
pub(super) struct Windows<const DUPLICATES: bool> {
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
pub(super) struct Sessions {
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
    /// Whether the history knows its time, which outlives it then: another version has ended there,
    /// or the key was deleted then before.
    is_bound: bool,
}

/// Every put of every key by its time; the version at a time is the last put not after it.
#[derive(Clone, Default)]
pub(super) struct Versions {
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
            ended.is_bound = true;
        }
        let ends_latest = next.is_none() && self.as_of(&key, time - 1).is_some();
        let before = self.puts.get(&(key.clone(), time)).copied();
        let was_bound = before.is_some_and(|before| before.is_bound || before.value.is_none());
        let is_bound = ends_latest || was_bound;
        let forgets = next.is_none() && !is_bound && value.is_none();
        if forgets && before.is_some_and(|before| before.value.is_some()) {
            // As Kafka Streams: the latest version, deleted at its own time, leaves nothing.
            self.puts.remove(&(key, time));
            return;
        }
        let version = Version { value, is_bound };
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
