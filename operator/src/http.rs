//! HTTP of the operator: health and metrics. It answers on the standby too.
//!
//! | path | answers |
//! |---|---|
//! | `/livez` | 200 while the process runs: neither a slow API server nor a slow Kafka counts against it |
//! | `/readyz` | 200 once the resource's definition is there and the lease was looked at; else 503 |
//! | `/metrics` | Prometheus text |

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

/// Media type of the metrics' text.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the handlers see.
#[derive(Clone)]
pub struct HttpState {
    registry: Arc<Registry>,
    ready: Arc<AtomicBool>,
}

impl HttpState {
    /// Not ready yet.
    pub fn new(registry: Registry) -> Self {
        Self {
            registry: Arc::new(registry),
            ready: Arc::new(AtomicBool::new(false)),
        }
    }

    /// From here on the operator can do its work, or stand by for it.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }
}

/// The operator's routes.
pub fn router(state: HttpState) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(state)
}

async fn readyz(State(state): State<HttpState>) -> Response {
    if state.ready.load(Ordering::Acquire) {
        return "ready\n".into_response();
    }
    let reason = "waiting for the API server, the definition of StreamApp and the lease\n";
    (StatusCode::SERVICE_UNAVAILABLE, reason).into_response()
}

async fn metrics(State(state): State<HttpState>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &state.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => {
            let reason = format!("could not write the metrics: {error}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, reason).into_response()
        }
    }
}

/// Serves until the process ends.
///
/// # Errors
/// The address cannot be listened on, or the listener fails.
pub async fn serve(address: SocketAddr, state: HttpState) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, router(state)).await
}
