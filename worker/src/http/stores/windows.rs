//! The windows of a key, as `{"key": …, "windows": [{"start", "end", "value", "timestamp"}, …]}` by start.

use millrace_crds::plan::{Store, StoreKind, WindowedKey};
use millrace_expr::{Bump, Value, json};

use crate::record::Window;
use crate::serde::serde;
use crate::state::{self, CommittedStore, Row, SessionStore, StateError, WindowStore};

/// Windows in one answer; the first ones.
const WINDOWS_MAX: usize = 10_000;

/// A window of a key, and what it holds.
pub(super) type Found<'a> = (Window, Row<'a>);

/// The windows of a key that start in a range; of sessions, those that overlap it.
pub(super) fn of_key<'a>(
    store: &Store,
    rows: CommittedStore,
    key: &[u8],
    (from, to): (i64, i64),
    arena: &'a Bump,
) -> Result<Vec<Found<'a>>, StateError> {
    let mut committed = state::Store::of_committed(store.id, rows);
    let mut found = Vec::new();
    match store.kind {
        StoreKind::Window { size_ms, .. } => {
            for row in WindowStore::new(&mut committed).fetch(key, from, to, arena)? {
                let end = row.start.saturating_add(size_ms);
                let start = row.start;
                found.push((Window { start, end }, row.row));
            }
        }
        StoreKind::Session { .. } => {
            for row in SessionStore::new(&mut committed).find(key, from, to, arena)? {
                let (start, end) = (row.start, row.end);
                found.push((Window { start, end }, row.row));
            }
        }
        StoreKind::KeyValue | StoreKind::Versioned { .. } => {
            let Some(kind) = store.windowed else {
                return Ok(found);
            };
            let suffix = match kind {
                WindowedKey::Time { .. } => 8,
                WindowedKey::Session => 16,
            };
            committed.scan(key, None, |row_key, row| {
                if !row_key.starts_with(key) {
                    return false;
                }
                let window = Window::of_key(kind, row_key).map(|(_, window)| window);
                // Longer keys lie between.
                let own = row_key.len() == key.len() + suffix;
                let window = window.filter(|window| own && window.start <= to);
                if let Some(window) = window.filter(|window| window.start >= from) {
                    found.push((window, row.copied(arena)));
                }
                found.len() < WINDOWS_MAX
            })?;
        }
    }
    found.truncate(WINDOWS_MAX);
    Ok(found)
}

/// The answer.
pub(super) fn body(
    store: &Store,
    key: &[u8],
    found: &[Found<'_>],
    arena: &Bump,
) -> Result<String, String> {
    let read = |kind, bytes: &[u8]| {
        serde(kind)
            .deserialize(arena.alloc_slice_copy(bytes), arena)
            .map_err(|error| error.to_string())
    };
    let mut windows = bumpalo::collections::Vec::new_in(arena);
    for (window, row) in found {
        let entries: &[(&str, Value<'_>)] = arena.alloc_slice_copy(&[
            ("start", Value::Int(window.start)),
            ("end", Value::Int(window.end)),
            ("value", read(store.value, row.value)?),
            ("timestamp", Value::Int(row.timestamp)),
        ]);
        windows.push(Value::Map(entries));
    }
    let entries = [
        ("key", read(store.key, key)?),
        ("windows", Value::List(windows.into_bump_slice())),
    ];
    let mut out = Vec::new();
    json::write(&Value::Map(&entries), &mut out).map_err(|error| error.to_string())?;
    String::from_utf8(out).map_err(|error| error.to_string())
}
