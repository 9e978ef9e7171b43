//! HTTP of a worker: health, status, metrics, and the committed state of its tasks.
//!
//! | path | answers |
//! |---|---|
//! | `/livez` | 200 while the process can do its work or wait for it; restore never counts against it |
//! | `/readyz` | 200 when every task assigned here runs; else 503 with what is waited for |
//! | `/status` | tasks, partitions, lag, restore progress, as JSON |
//! | `/metrics` | Prometheus text; Kafka Streams' metric names where one exists |
//! | `/stores/{store}/{key}` | the committed value: 404 no such key, 421 held elsewhere, 503 restoring. Of a windowed store all windows of the key, `?from=&to=` (ms); of a versioned one also `?asOf=` |

mod metrics;
mod status;
mod stores;
pub mod topics;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::{AppShared, Phase};
use status::LagCache;

/// Longest time of one answer: a scan of watermarks is bounded by the log's own timeout, far below.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What the handlers see.
#[derive(Clone)]
pub struct HttpState {
    apps: Arc<Vec<Arc<AppShared>>>,
    lags: Arc<LagCache>,
}

impl HttpState {
    /// Serves these applications.
    pub fn new(apps: Vec<Arc<AppShared>>) -> Self {
        Self {
            apps: Arc::new(apps),
            lags: Arc::new(LagCache::default()),
        }
    }
}

/// The worker's routes.
pub fn router(state: HttpState) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/status", get(status::get_status))
        .route("/metrics", get(metrics::get_metrics))
        .route("/stores/{store}/{key}", get(stores::get_value))
        .fallback(not_found)
        .with_state(state)
        .layer(axum::middleware::from_fn(bounded))
}

async fn bounded(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => error(StatusCode::GATEWAY_TIMEOUT, "no answer within 30 s"),
    }
}

/// An error as JSON: `{"error": …}`.
pub fn error(status: StatusCode, message: &str) -> Response {
    let body = serde_json::json!({ "error": message }).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Why there is no answer of the asked kind.
pub(crate) struct Refusal(pub(crate) StatusCode, pub(crate) String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        error(self.0, &self.1)
    }
}

/// A JSON text as an answer.
pub fn json_text(body: String) -> Response {
    (
        StatusCode::OK,
        [(header::CONTENT_TYPE, "application/json")],
        body,
    )
        .into_response()
}

async fn not_found() -> Response {
    error(
        StatusCode::NOT_FOUND,
        "no such path; there are /livez, /readyz, /status, /metrics and /stores/{store}/{key}",
    )
}

async fn livez(State(state): State<HttpState>) -> Response {
    for app in state.apps.iter() {
        if let Phase::Failed(message) = app.phase() {
            return error(StatusCode::INTERNAL_SERVER_ERROR, &message);
        }
    }
    (StatusCode::OK, "ok\n").into_response()
}

async fn readyz(State(state): State<HttpState>) -> Response {
    match state.apps.iter().find_map(|app| not_ready(app)) {
        None => (StatusCode::OK, "ready\n").into_response(),
        Some(reason) => error(StatusCode::SERVICE_UNAVAILABLE, &reason),
    }
}

/// Why an application is not ready; `None` when it is.
fn not_ready(app: &AppShared) -> Option<String> {
    let name = &app.plan.application_id;
    match app.phase() {
        Phase::Waiting(what) => return Some(format!("{name} waits for {what}")),
        Phase::Failed(message) => return Some(format!("{name} failed: {message}")),
        Phase::Draining(why) => return Some(format!("{name} drains: {why}")),
        Phase::Drained(why) => return Some(format!("{name} is drained: {why}")),
        Phase::Stopped => return Some(format!("{name} has stopped")),
        Phase::Running => {}
    }
    for thread in app.threads() {
        if !thread.joined() {
            return Some(format!("{} has not joined its group yet", thread.name));
        }
        let snapshot = thread.snapshot();
        let waiting = snapshot
            .tasks
            .iter()
            .find(|task| task.state != crate::status::TaskState::Running);
        if let Some(task) = waiting {
            return Some(format!(
                "task {} of {name} is {}",
                task.id,
                task.state.name()
            ));
        }
    }
    None
}

/// Serves until told to stop; requests under way are finished.
pub async fn serve(
    listener: tokio::net::TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router)
        .with_graceful_shutdown(stop)
        .await
}

/// Opens the port; the error names the address.
pub async fn bind(address: SocketAddr) -> Result<tokio::net::TcpListener, String> {
    tokio::net::TcpListener::bind(address)
        .await
        .map_err(|error| format!("could not listen on {address}: {error}; choose another --http"))
}
