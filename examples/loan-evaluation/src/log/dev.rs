//! The topics of `millrace-worker dev`, over HTTP.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use ureq::{Agent, Body, http};

use super::{Log, Record, WriteError};

/// Longest wait for a connection.
const CONNECT_WAIT: Duration = Duration::from_secs(2);

/// Longest wait for a whole answer.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// Longest wait of a tail.
const TAIL_WAIT_MAX: Duration = Duration::from_secs(5);

/// Wait for one partition, before the next is looked at.
const PARTITION_WAIT: Duration = Duration::from_millis(20);

/// Records of one answer to a tail, per partition.
const TAIL_LIMIT: usize = 1_000;

/// Largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 32 << 20;

/// HTTP client of `millrace-worker dev`.
#[derive(Clone, Debug)]
pub struct DevClient {
    agent: Agent,
    url: String,
}

/// A failed request to `millrace-worker dev`, with the status where there was an answer.
struct Failure {
    status: Option<u16>,
    error: WriteError,
}

impl DevClient {
    /// A client of the server at this URL (`http://host:port`). Connects later.
    pub fn new(url: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_connect(Some(CONNECT_WAIT))
            .timeout_global(Some(ANSWER_WAIT))
            .build();
        Self {
            agent: config.into(),
            url: url.trim_end_matches('/').to_owned(),
        }
    }

    /// Names of all topics.
    ///
    /// # Errors
    /// When the server does not answer, or not as expected.
    pub fn topics(&self) -> Result<Vec<String>, WriteError> {
        #[derive(Deserialize)]
        struct Topic {
            name: String,
        }
        let topics: Vec<Topic> = self.get("/topics").map_err(|failure| failure.error)?;
        Ok(topics.into_iter().map(|topic| topic.name).collect())
    }

    /// What a store holds for a key, committed; `None` when the key is not there.
    ///
    /// # Errors
    /// When the server does not answer, or not as expected.
    pub fn stored<T: DeserializeOwned>(
        &self,
        app: &str,
        store: &str,
        key: &str,
    ) -> Result<Option<T>, WriteError> {
        match self.get(&format!("/stores/{store}/{key}?app={app}")) {
            Ok(value) => Ok(Some(value)),
            Err(Failure {
                status: Some(404), ..
            }) => Ok(None),
            Err(failure) => Err(failure.error),
        }
    }

    /// Follows a topic from its start.
    pub fn tail(&self, topic: &str) -> Tail {
        Tail {
            client: self.clone(),
            topic: topic.to_owned(),
            next: BTreeMap::new(),
        }
    }

    fn produce(&self, topic: &str, records: &[Record]) -> Result<(), WriteError> {
        #[derive(Serialize)]
        struct Produce<'a> {
            records: Vec<ProduceRecord<'a>>,
        }
        #[derive(Serialize)]
        struct ProduceRecord<'a> {
            key: &'a str,
            value: &'a RawValue,
        }
        let several = records.len() > 1;
        let records = records
            .iter()
            .map(|record| ProduceRecord {
                key: &record.key,
                value: &record.value,
            })
            .collect();
        let body = serde_json::to_string(&Produce { records })
            .map_err(|error| WriteError::not_written(error.to_string()))?;
        let url = format!("{}/topics/{topic}/records", self.url);
        let answer = self
            .agent
            .post(&url)
            .content_type("application/json")
            .send(body);
        let written: Result<serde::de::IgnoredAny, Failure> =
            read(&format!("write to topic `{topic}` through {url}"), answer);
        written
            .map(|_| ())
            .map_err(|Failure { status, error }| match status {
                // The server writes records one by one: those before the one it stumbled over are there.
                Some(413 | 503) if several => WriteError::unknown(error.message),
                _ => error,
            })
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let url = format!("{}{path}", self.url);
        read(&format!("get {url}"), self.agent.get(&url).call())
    }
}

/// Follows a topic of `millrace-worker dev`.
#[derive(Debug)]
pub struct Tail {
    client: DevClient,
    topic: String,
    /// Next offset of each partition; empty before the first answer.
    next: BTreeMap<i32, i64>,
}

/// A record as the tail shows it.
#[derive(Debug, Deserialize)]
pub struct DevRecord {
    /// Key, as JSON; `null` without one.
    pub key: Option<Box<RawValue>>,
    /// Value, as JSON; `null` is a tombstone.
    pub value: Option<Box<RawValue>>,
}

impl DevRecord {
    /// The value as a `T`; `None` where it is not one.
    pub fn value<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.value.as_ref()?.get()).ok()
    }
}

impl Tail {
    /// The records after those delivered before, waiting at most `wait` (five seconds at most) for
    /// the first.
    ///
    /// # Errors
    /// When the server does not answer, or not as expected. The next call goes on at the same place.
    pub fn poll(&mut self, wait: Duration) -> Result<Vec<DevRecord>, WriteError> {
        #[derive(Deserialize)]
        struct Answer {
            records: Vec<DevRecord>,
            next: BTreeMap<i32, i64>,
        }
        let deadline = Instant::now() + wait.min(TAIL_WAIT_MAX);
        let mut share = Duration::ZERO;
        loop {
            let mut records = Vec::new();
            for question in self.questions() {
                let path = format!(
                    "/topics/{}/records?{question}&limit={TAIL_LIMIT}&wait_ms={}",
                    self.topic,
                    share.as_millis()
                );
                let answer: Answer = self.client.get(&path).map_err(|failure| failure.error)?;
                records.extend(answer.records);
                self.next.extend(answer.next);
            }
            if !records.is_empty() || Instant::now() >= deadline {
                return Ok(records);
            }
            share = PARTITION_WAIT;
        }
    }

    /// One for all partitions at first, then one for each.
    fn questions(&self) -> Vec<String> {
        if self.next.is_empty() {
            return vec!["from=earliest".to_owned()];
        }
        let question = |(partition, offset)| format!("from={offset}&partition={partition}");
        self.next.iter().map(question).collect()
    }
}

/// [`Log`] on `millrace-worker dev`. Creates no topic.
#[derive(Debug)]
pub struct DevLog {
    client: DevClient,
    /// The topic that was there at the last look.
    checked: Option<String>,
}

impl DevLog {
    /// Writes through this client.
    pub fn new(client: DevClient) -> Self {
        Self {
            client,
            checked: None,
        }
    }
}

impl Log for DevLog {
    fn check(&mut self, topic: &str) -> Result<(), WriteError> {
        if self.checked.as_deref() != Some(topic) {
            let topics = self.client.topics()?;
            if !topics.iter().any(|name| name == topic) {
                return Err(WriteError::not_written(format!(
                    "{} has no topic `{topic}`, only {topics:?}: start it with the StreamApp that \
                     reads it",
                    self.client.url
                )));
            }
            self.checked = Some(topic.to_owned());
        }
        Ok(())
    }

    fn write(&mut self, topic: &str, records: &[Record]) -> Result<(), WriteError> {
        self.client
            .produce(topic, records)
            .inspect_err(|_| self.checked = None)
    }
}

/// Reads an answer. `attempt` says what was attempted, as a verb phrase.
fn read<T: DeserializeOwned>(
    attempt: &str,
    answer: Result<http::Response<Body>, ureq::Error>,
) -> Result<T, Failure> {
    let mut answer = answer.map_err(|error| {
        let message = format!("could not {attempt}: {error}");
        let error = if never_sent(&error) {
            WriteError::not_written(message)
        } else {
            WriteError::unknown(message)
        };
        Failure {
            status: None,
            error,
        }
    })?;
    let status = answer.status();
    let body = answer
        .body_mut()
        .with_config()
        .limit(ANSWER_BYTES_MAX)
        .read_to_string();
    if !status.is_success() {
        let reason = body.map(|body| reason(&body)).unwrap_or_default();
        let message = format!("could not {attempt}: {status} {reason}");
        // A refused request and "not ready" are the server's word that it wrote nothing.
        let refused = status.is_client_error() || status == http::StatusCode::SERVICE_UNAVAILABLE;
        let error = if refused {
            WriteError::not_written(message)
        } else {
            WriteError::unknown(message)
        };
        return Err(Failure {
            status: Some(status.as_u16()),
            error,
        });
    }
    body.map_err(|error| error.to_string())
        .and_then(|body| serde_json::from_str(&body).map_err(|error| error.to_string()))
        .map_err(|error| Failure {
            status: Some(status.as_u16()),
            error: WriteError::unknown(format!("could not {attempt}: bad answer: {error}")),
        })
}

/// The `error` of an answer's JSON body, or the body.
fn reason(body: &str) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    serde_json::from_str(body).map_or_else(|_| body.to_owned(), |refusal: Refusal| refusal.error)
}

/// Whether the request failed before any of it left this machine.
fn never_sent(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::BadUri(_)
        | ureq::Error::Http(_)
        | ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => true,
        ureq::Error::Io(error) => error.kind() == io::ErrorKind::ConnectionRefused,
        _ => false,
    }
}
