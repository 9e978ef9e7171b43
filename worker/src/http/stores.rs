//! `/stores/{store}/{key}`: committed rows of the tasks that run here.

mod windows;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use millrace_crds::plan::{SerdeKind, Store, StoreKind, TaskId};
use millrace_expr::{Bump, Decimal, Value, json};
use millrace_kafka::partitioner;
use serde::Deserialize;

use super::{HttpState, Refusal, error, json_text};
use crate::app::AppShared;
use crate::serde::serde;
use crate::state::{self, CommittedStore, Row, VersionedStore};
use crate::status::TaskState;

/// Query parameters.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoreQuery {
    /// Application, where several of one process have a store of this name.
    app: Option<String>,
    /// Of windows: those that start at this time or later (sessions: end), ms since the epoch.
    from: Option<i64>,
    /// Of windows: those that start at this time or earlier.
    to: Option<i64>,
    /// Of a versioned store: the version at this time instead of the latest.
    as_of: Option<i64>,
}

/// The handler.
pub(super) async fn get_value(
    State(state): State<HttpState>,
    Path((store, key)): Path<(String, String)>,
    Query(query): Query<StoreQuery>,
) -> Response {
    let answer = tokio::task::spawn_blocking(move || look_up(&state, &store, &key, &query));
    match answer.await {
        Ok(Ok(body)) => json_text(body),
        Ok(Err(refusal)) => refusal.into_response(),
        Err(_) => error(StatusCode::INTERNAL_SERVER_ERROR, "the look-up failed"),
    }
}

fn look_up(
    state: &HttpState,
    name: &str,
    key: &str,
    query: &StoreQuery,
) -> Result<String, Refusal> {
    let (app, store) = find(state, name, query)?;
    let bytes =
        key_bytes(store.key, key).map_err(|message| Refusal(StatusCode::BAD_REQUEST, message))?;
    let rows = owner(app, store, &bytes)?;
    let failed = |message: String| Refusal(StatusCode::INTERNAL_SERVER_ERROR, message);
    let arena = Bump::new();
    if store.windowed.is_some()
        || matches!(
            store.kind,
            StoreKind::Window { .. } | StoreKind::Session { .. }
        )
    {
        let range = (query.from.unwrap_or(0), query.to.unwrap_or(i64::MAX));
        let found = windows::of_key(store, rows, &bytes, range, &arena)
            .map_err(|error| failed(error.to_string()))?;
        if found.is_empty() {
            let message = format!("store {name} has no window of key {key} in this range");
            return Err(Refusal(StatusCode::NOT_FOUND, message));
        }
        return windows::body(store, &bytes, &found, &arena).map_err(failed);
    }
    let mut committed = state::Store::of_committed(store.id, rows);
    let row = match query.as_of {
        Some(time) if matches!(store.kind, StoreKind::Versioned { .. }) => {
            VersionedStore::new(&mut committed).get_as_of(&bytes, time, &arena)
        }
        _ => committed.current(&bytes, &arena),
    };
    let Some(row) = row.map_err(|error| failed(error.to_string()))? else {
        return Err(Refusal(
            StatusCode::NOT_FOUND,
            format!("store {name} has no key {key}"),
        ));
    };
    body(store, &bytes, row).map_err(failed)
}

fn find<'s>(
    state: &'s HttpState,
    name: &str,
    query: &StoreQuery,
) -> Result<(&'s AppShared, &'s Store), Refusal> {
    let mut found = state.apps.iter().filter_map(|app| {
        let wanted = query
            .app
            .as_ref()
            .is_none_or(|id| *id == app.plan.application_id);
        let store = app
            .plan
            .stores
            .iter()
            .find(|store| store.name == name && wanted)?;
        Some((app.as_ref(), store))
    });
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        (Some(_), Some(_)) => Err(Refusal(
            StatusCode::BAD_REQUEST,
            format!("several applications have a store {name}: add ?app=<application id>"),
        )),
        (None, _) => {
            let all = state.apps.iter().flat_map(|app| &app.plan.stores);
            let names: Vec<&str> = all.map(|store| store.name.as_str()).collect();
            let message = format!("there is no store {name}; stores: {}", names.join(", "));
            Err(Refusal(StatusCode::NOT_FOUND, message))
        }
    }
}

/// The rows of the task that the key belongs to, if it runs here.
fn owner(app: &AppShared, store: &Store, key: &[u8]) -> Result<CommittedStore, Refusal> {
    let restoring = |message: String| Refusal(StatusCode::SERVICE_UNAVAILABLE, message);
    let Some(layout) = app.layout() else {
        return Err(restoring("the application has not started yet".to_owned()));
    };
    let partitions = layout
        .partitions
        .get(store.subtopology)
        .copied()
        .unwrap_or(1);
    let task = TaskId {
        subtopology: store.subtopology,
        partition: partitioner::partition(key, partitions),
    };
    for thread in app.threads() {
        let snapshot = thread.snapshot();
        let Some(found) = snapshot.tasks.iter().find(|found| found.id == task) else {
            continue;
        };
        if found.state != TaskState::Running {
            return Err(restoring(format!("task {task} is {}", found.state.name())));
        }
        if let Some(rows) = found.stores.iter().find(|rows| *rows.name == *store.name) {
            return Ok(rows.clone());
        }
    }
    Err(Refusal(
        StatusCode::MISDIRECTED_REQUEST,
        format!("the key belongs to task {task}, which another worker has: ask that one"),
    ))
}

/// A key as it stands in a path, in the store's format.
fn key_bytes(kind: SerdeKind, text: &str) -> Result<Vec<u8>, String> {
    let value = match kind {
        SerdeKind::Bytes | SerdeKind::String => Value::String(text),
        // JSON keys are compared as bytes: the text is the key.
        SerdeKind::Json => return Ok(text.as_bytes().to_vec()),
        SerdeKind::Int | SerdeKind::Long => Value::Int(
            text.parse()
                .map_err(|_| format!("the key {text} is not a whole number"))?,
        ),
        SerdeKind::Double => Value::Double(
            text.parse()
                .map_err(|_| format!("the key {text} is not a number"))?,
        ),
        SerdeKind::Decimal => Value::Decimal(
            Decimal::from_str_exact(text)
                .map_err(|_| format!("the key {text} is not a decimal"))?,
        ),
    };
    let mut bytes = Vec::new();
    serde(kind)
        .serialize(&value, &mut bytes)
        .map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// `{"key": …, "value": …, "timestamp": ms}`.
fn body(store: &Store, key: &[u8], row: Row<'_>) -> Result<String, String> {
    let arena = Bump::new();
    let read = |kind: SerdeKind, bytes| {
        serde(kind)
            .deserialize(bytes, &arena)
            .map_err(|error| error.to_string())
    };
    // Read into the arena: keys and values outlive the closure.
    let entries = [
        ("key", read(store.key, arena.alloc_slice_copy(key))?),
        (
            "value",
            read(store.value, arena.alloc_slice_copy(row.value))?,
        ),
        ("timestamp", Value::Int(row.timestamp)),
    ];
    let mut out = Vec::new();
    json::write(&Value::Map(&entries), &mut out).map_err(|error| error.to_string())?;
    String::from_utf8(out).map_err(|error| error.to_string())
}
