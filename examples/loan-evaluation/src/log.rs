//! Where the example programs write: Kafka, or the topics of `millrace-worker dev`.

mod dev;
mod kafka;

pub use dev::{DevClient, DevLog, DevRecord, Tail};
pub use kafka::KafkaLog;

use std::fmt;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// A log one can write to. It belongs to one thread; calls block for a bounded time.
pub trait Log: Send {
    /// Makes sure that the log answers and has the topic. Writes nothing. Cheap when it was so a
    /// moment ago.
    ///
    /// # Errors
    /// Always [`Outcome::NotWritten`].
    fn check(&mut self, topic: &str) -> Result<(), WriteError>;

    /// Writes records to a topic that [`Log::check`] has found, in order, and returns when all of
    /// them are acknowledged.
    ///
    /// # Errors
    /// [`Outcome::NotWritten`] only when none of the records can ever appear in the topic.
    fn write(&mut self, topic: &str, records: &[Record]) -> Result<(), WriteError>;
}

/// A record to write. The key is text and decides the partition; the value is JSON.
#[derive(Clone, Debug)]
pub struct Record {
    /// Key.
    pub key: String,
    /// Value, as the text that goes into the topic.
    pub value: Box<RawValue>,
}

impl Record {
    /// A record with this key and the JSON of this value.
    ///
    /// # Errors
    /// When the value has no JSON form.
    pub fn new(key: impl Into<String>, value: &impl Serialize) -> serde_json::Result<Self> {
        Ok(Self {
            key: key.into(),
            value: to_raw_value(value)?,
        })
    }
}

/// What is known of records whose write failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was written, and nothing will be.
    NotWritten,
    /// They may be in the topic, or appear there yet.
    Unknown,
}

/// A failed write.
#[derive(Clone, Debug)]
pub struct WriteError {
    /// What became of the records.
    pub outcome: Outcome,
    /// What was attempted, on what, and what to do.
    pub message: String,
}

impl WriteError {
    /// Nothing was written.
    pub fn not_written(message: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::NotWritten,
            message: message.into(),
        }
    }

    /// Nobody knows.
    pub fn unknown(message: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Unknown,
            message: message.into(),
        }
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for WriteError {}

/// The command line options that choose the log.
#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = false, args = ["bootstrap_servers", "dev_url"])]
pub struct LogOptions {
    /// Kafka's addresses: host:port,host:port
    #[arg(long, env = "BOOTSTRAP_SERVERS")]
    bootstrap_servers: Option<String>,

    /// Instead of Kafka: address of `millrace-worker dev`, such as http://127.0.0.1:8080
    #[arg(long, env = "DEV_URL")]
    dev_url: Option<String>,

    /// Setting of the Kafka client, such as security.protocol=SSL (may be repeated)
    #[arg(long = "kafka-property", value_name = "NAME=VALUE", value_parser = property)]
    properties: Vec<(String, String)>,
}

impl LogOptions {
    /// Opens the chosen log. Needs no connection yet: see [`Log::check`].
    ///
    /// # Errors
    /// When an option is wrong.
    pub fn open(&self, client_id: &str) -> anyhow::Result<Box<dyn Log>> {
        match (&self.bootstrap_servers, &self.dev_url) {
            (Some(servers), _) => {
                let properties = self.properties.iter().cloned().collect();
                Ok(Box::new(KafkaLog::new(servers, properties, client_id)?))
            }
            (None, Some(url)) => Ok(Box::new(DevLog::new(DevClient::new(url)))),
            (None, None) => anyhow::bail!("give --bootstrap-servers or --dev-url"),
        }
    }
}

fn property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("expected NAME=VALUE, found `{text}`")),
    }
}
