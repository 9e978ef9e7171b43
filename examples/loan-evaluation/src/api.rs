//! `POST /loans`: takes a loan application, answers when it is in the log.
//!
//! | status | when | body |
//! |---|---|---|
//! | 202 | the request is in topic `loan-requests` | `{"id", "status": "accepted"}` |
//! | 400 | the body is wrong; nothing was written | `{"error"}` |
//! | 408, 413 | the body came too slowly, or is above 16 KiB; nothing was written | `{"error"}` |
//! | 404, 405 | another path or method | `{"error"}` |
//! | 503 | the log does not answer; nothing was written | `{"error", "outcome": "not written"}` |
//! | 503 | the log took the request and did not confirm it | `{"error", "outcome": "unknown", "id"}` |
//!
//! `GET /livez` answers while the process runs, `GET /readyz` while the log answers.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use tracing::{info, warn};

use crate::loan::{LoanApplication, LoanRequest};
use crate::log::{Outcome, Record, WriteError};
use crate::publisher::Publisher;

/// Largest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 16 << 10;

/// Longest wait for the body of a request.
const BODY_WAIT: Duration = Duration::from_secs(5);

/// The service's routes.
pub fn router(publisher: Publisher) -> Router {
    Router::new()
        .route("/loans", post(take_loan))
        .route("/livez", get(async || StatusCode::OK))
        .route("/readyz", get(readyz))
        .fallback(async || {
            Refusal::new(StatusCode::NOT_FOUND, "there is POST /loans, nothing else")
        })
        .method_not_allowed_fallback(async || {
            Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this path does not take this method",
            )
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(publisher)
}

/// Any answer but success, as JSON.
#[derive(Debug, Serialize)]
struct Refusal {
    #[serde(skip)]
    status: StatusCode,
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

impl Refusal {
    fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self {
            status,
            error: error.into(),
            outcome: None,
            id: None,
        }
    }

    fn unavailable(error: WriteError, id: String) -> Self {
        let (outcome, id) = match error.outcome {
            Outcome::NotWritten => ("not written", None),
            Outcome::Unknown => ("unknown", Some(id)),
        };
        let refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, error.message);
        Self {
            outcome: Some(outcome),
            id,
            ..refusal
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self)).into_response()
    }
}

#[derive(Debug, Serialize)]
struct Accepted {
    id: String,
    status: &'static str,
}

async fn take_loan(
    State(publisher): State<Publisher>,
    request: Request,
) -> Result<(StatusCode, Json<Accepted>), Refusal> {
    let body = tokio::time::timeout(BODY_WAIT, Bytes::from_request(request, &()))
        .await
        .map_err(|_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body came too slowly"))?
        .map_err(|rejection| Refusal::new(rejection.status(), rejection.body_text()))?;
    let application = LoanApplication::parse(&body)
        .map_err(|reason| Refusal::new(StatusCode::BAD_REQUEST, reason))?;
    let loan = LoanRequest::new(application);
    let record = Record::new(loan.account.as_str(), &loan)
        .map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let LoanRequest {
        id,
        account,
        amount,
    } = loan;
    match publisher.publish(record).await {
        Ok(()) => {
            info!(id, %account, %amount, "accepted");
            Ok((
                StatusCode::ACCEPTED,
                Json(Accepted {
                    id,
                    status: "accepted",
                }),
            ))
        }
        Err(error) => {
            warn!(id, %account, %amount, %error, outcome = ?error.outcome, "not accepted");
            Err(Refusal::unavailable(error, id))
        }
    }
}

async fn readyz(State(publisher): State<Publisher>) -> Result<StatusCode, Refusal> {
    if publisher.ready() {
        Ok(StatusCode::OK)
    } else {
        Err(Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the log does not answer",
        ))
    }
}
