//! A topic: its id, its configuration by Kafka's names, its partitions.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use millrace_kafka::{Error, ErrorKind, Result};

use crate::partition::PartitionLog;

/// Topic configurations that are known, with Kafka's defaults. Those the embedded log acts on:
/// `cleanup.policy`, `delete.retention.ms`, `max.message.bytes`, `min.cleanable.dirty.ratio` and
/// `retention.bytes`. The others are kept and shown; above all, `retention.ms` deletes nothing here
/// (records of a test or a demo often carry old timestamps).
const DEFAULTS: &[(&str, &str)] = &[
    ("cleanup.policy", "delete"),
    ("compression.type", "producer"),
    ("delete.retention.ms", "86400000"),
    ("file.delete.delay.ms", "60000"),
    ("flush.messages", "9223372036854775807"),
    ("flush.ms", "9223372036854775807"),
    ("index.interval.bytes", "4096"),
    ("max.compaction.lag.ms", "9223372036854775807"),
    ("max.message.bytes", "1048588"),
    ("message.timestamp.after.max.ms", "3600000"),
    ("message.timestamp.before.max.ms", "9223372036854775807"),
    ("message.timestamp.type", "CreateTime"),
    ("min.cleanable.dirty.ratio", "0.5"),
    ("min.compaction.lag.ms", "0"),
    ("min.insync.replicas", "1"),
    ("preallocate", "false"),
    ("retention.bytes", "-1"),
    ("retention.ms", "604800000"),
    ("segment.bytes", "1073741824"),
    ("segment.index.bytes", "10485760"),
    ("segment.jitter.ms", "0"),
    ("segment.ms", "604800000"),
    ("unclean.leader.election.enable", "false"),
];

/// Longest topic name, as in Kafka.
const MAX_NAME_LEN: usize = 249;

/// Most partitions of one topic: a bound against a slip of the pen.
const MAX_PARTITIONS: i32 = 10_000;

/// The part of a topic's configuration that the log acts on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Policy {
    /// `cleanup.policy` has `compact`.
    pub(crate) compact: bool,
    /// `retention.bytes` per partition, where `cleanup.policy` has `delete`.
    pub(crate) retention_bytes: Option<usize>,
    pub(crate) delete_retention_ms: i64,
    pub(crate) min_dirty_ratio: f64,
    pub(crate) max_message_bytes: usize,
}

/// A topic.
#[derive(Debug)]
pub(crate) struct Topic {
    /// Base64url, 22 characters, as Kafka's tools print it.
    pub(crate) id: String,
    /// What was configured, without the defaults.
    pub(crate) configs: BTreeMap<String, String>,
    pub(crate) policy: Policy,
    pub(crate) partitions: Vec<PartitionLog>,
}

impl Topic {
    pub(crate) fn new(
        id: String,
        partitions: i32,
        configs: BTreeMap<String, String>,
    ) -> Result<Self> {
        let policy = Policy::from_configs(&configs)?;
        let mut topic = Self {
            id,
            configs,
            policy,
            partitions: Vec::new(),
        };
        topic.add_partitions(partitions);
        Ok(topic)
    }

    /// Raises the number of partitions.
    pub(crate) fn add_partitions(&mut self, partitions: i32) {
        let count = usize::try_from(partitions)
            .unwrap_or(0)
            .max(self.partitions.len());
        self.partitions.resize_with(count, PartitionLog::default);
    }

    pub(crate) fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }

    pub(crate) fn partition(&self, partition: i32) -> Option<&PartitionLog> {
        self.partitions.get(usize::try_from(partition).ok()?)
    }

    pub(crate) fn partition_mut(&mut self, partition: i32) -> Option<&mut PartitionLog> {
        self.partitions.get_mut(usize::try_from(partition).ok()?)
    }

    /// The configuration in force, defaults included.
    pub(crate) fn effective_configs(&self) -> BTreeMap<String, String> {
        let defaults = DEFAULTS
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        let mut effective: BTreeMap<_, _> = defaults.collect();
        effective.extend(self.configs.clone());
        effective
    }
}

impl Policy {
    /// Reads a configuration; names Kafka does not know and values it could not read are refused.
    pub(crate) fn from_configs(configs: &BTreeMap<String, String>) -> Result<Self> {
        if let Some(name) = configs.keys().find(|name| default_of(name).is_none()) {
            let message = format!("there is no topic configuration {name:?}");
            return Err(refused(message));
        }
        let cleanup = value_of(configs, "cleanup.policy");
        let policies: Vec<&str> = cleanup.split(',').map(str::trim).collect();
        if let Some(other) = policies
            .iter()
            .find(|name| !matches!(**name, "compact" | "delete"))
        {
            return Err(refused(format!(
                "cleanup.policy {other:?} is neither compact nor delete"
            )));
        }
        if value_of(configs, "message.timestamp.type") != "CreateTime" {
            let message = "the embedded log keeps the producer's timestamps: \
                           message.timestamp.type must be CreateTime";
            return Err(refused(message));
        }
        let retention_bytes = number::<i64>(configs, "retention.bytes")?;
        Ok(Self {
            compact: policies.contains(&"compact"),
            retention_bytes: usize::try_from(retention_bytes)
                .ok()
                .filter(|_| policies.contains(&"delete")),
            delete_retention_ms: number(configs, "delete.retention.ms")?,
            min_dirty_ratio: number(configs, "min.cleanable.dirty.ratio")?,
            max_message_bytes: number(configs, "max.message.bytes")?,
        })
    }
}

/// Refuses names and partition counts that Kafka would refuse.
pub(crate) fn check_topic(name: &str, partitions: i32) -> Result<()> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if name.is_empty() || name.len() > MAX_NAME_LEN || !name.bytes().all(legal) {
        let message = format!(
            "{name:?} is not a topic name: 1 to {MAX_NAME_LEN} letters, digits, dots, underscores \
             and dashes"
        );
        return Err(refused(message));
    }
    if !(1..=MAX_PARTITIONS).contains(&partitions) {
        let message = format!(
            "topic {name} cannot have {partitions} partitions: ask for 1 to {MAX_PARTITIONS}"
        );
        return Err(refused(message));
    }
    Ok(())
}

/// A topic id nobody else has: 128 bits that the standard library's hasher draws from the system's
/// randomness, as 22 characters of base64url.
pub(crate) fn new_topic_id() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let high = u128::from(RandomState::new().hash_one(0u8));
    let low = u128::from(RandomState::new().hash_one(1u8));
    let id = (high << 64) | low;
    // 128 bits are 21 characters of 6 bits and one of 2, padded with zero bits at its right.
    let character = |index: u32| {
        let bits = if index < 21 {
            id >> (122 - 6 * index)
        } else {
            id << 4
        };
        char::from(ALPHABET[(bits & 63) as usize])
    };
    (0..22).map(character).collect()
}

fn default_of(name: &str) -> Option<&'static str> {
    DEFAULTS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, value)| *value)
}

fn value_of<'a>(configs: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    configs
        .get(name)
        .map_or_else(|| default_of(name).unwrap_or_default(), String::as_str)
}

fn number<T: std::str::FromStr>(configs: &BTreeMap<String, String>, name: &str) -> Result<T> {
    let text = value_of(configs, name);
    text.trim()
        .parse()
        .map_err(|_| refused(format!("{name} cannot be {text:?}")))
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, "create a topic", message)
}
