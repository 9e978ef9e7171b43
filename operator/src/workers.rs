//! What the workers say of themselves: `GET /status` of each pod, asked all at once.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use http::Uri;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use millrace_crds::worker_api::{ApplicationStatus, HTTP_PORT, WorkerStatus};

/// Longest wait for one worker. Shorter than a look-up of lags may take in it: an answer then comes
/// with the lag unknown.
const TIMEOUT: Duration = Duration::from_millis(2500);
/// Workers of one application asked at once.
const AT_ONCE: usize = 32;
/// Largest answer read: some hundred bytes per task and thread.
const ANSWER_BYTES: usize = 4 << 20;

/// What one worker answered, or why it could not be asked.
pub type Answer = Result<ApplicationStatus, String>;

/// Asks workers. Tests answer for them.
pub trait AskWorkers: Send + Sync {
    /// Answers of an application's workers, by ordinal. `addresses`: IP addresses of the pods.
    fn ask(&self, addresses: BTreeMap<u32, String>) -> BoxFuture<'_, BTreeMap<u32, Answer>>;
}

/// Asks workers over HTTP.
pub struct HttpWorkers {
    client: Client<HttpConnector, Empty<&'static [u8]>>,
}

impl AskWorkers for HttpWorkers {
    fn ask(&self, addresses: BTreeMap<u32, String>) -> BoxFuture<'_, BTreeMap<u32, Answer>> {
        let answers = futures::stream::iter(addresses)
            .map(move |(ordinal, address)| async move { (ordinal, self.ask_one(&address).await) })
            .buffer_unordered(AT_ONCE);
        answers.collect().boxed()
    }
}

impl HttpWorkers {
    /// Asks over plain HTTP, as the worker serves it inside the cluster.
    pub fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(TIMEOUT));
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector);
        Self { client }
    }

    async fn ask_one(&self, address: &str) -> Answer {
        match tokio::time::timeout(TIMEOUT, self.get(address)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {TIMEOUT:?}")),
        }
    }

    async fn get(&self, address: &str) -> Answer {
        let host = if address.contains(':') {
            format!("[{address}]")
        } else {
            address.to_owned()
        };
        let uri: Uri = format!("http://{host}:{HTTP_PORT}/status")
            .parse()
            .map_err(|error| format!("the pod's address {address} is none: {error}"))?;
        let answer = self.client.get(uri).await.map_err(|e| chain(&e))?;
        if !answer.status().is_success() {
            return Err(format!("/status answers {}", answer.status()));
        }
        let body = Limited::new(answer.into_body(), ANSWER_BYTES)
            .collect()
            .await;
        let bytes = body.map_err(|error| error.to_string())?.to_bytes();
        let status: WorkerStatus = serde_json::from_slice(&bytes)
            .map_err(|error| format!("/status is not understood: {error}"))?;
        let application = status.applications.into_iter().next();
        application.ok_or_else(|| "/status tells of no application".to_owned())
    }
}

impl Default for HttpWorkers {
    fn default() -> Self {
        Self::new()
    }
}

/// An error with its causes: hyper's own words are only "client error (Connect)".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
