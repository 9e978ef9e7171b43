//! A producer that keeps what is written.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use millrace_kafka::{
    CommittedOffset, GroupMetadata, HeadersBuf, OutRecord, RecordSink, Result, TopicHandle,
    TopicPartition,
};

/// A record that was written.
#[derive(Clone, Debug)]
pub struct CapturedRecord {
    /// Topic.
    pub topic: Arc<str>,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// Key bytes; `None` is a null key.
    pub key: Option<Box<[u8]>>,
    /// Value bytes; `None` is a tombstone.
    pub value: Option<Box<[u8]>>,
    /// Headers, in order.
    pub headers: HeadersBuf,
}

/// A producer that keeps what is written until it is taken. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Capture(Arc<Mutex<Captured>>);

#[derive(Default)]
struct Captured {
    topics: Vec<Arc<str>>,
    records: Vec<CapturedRecord>,
    /// End offsets, by topic and partition.
    ends: HashMap<(TopicHandle, i32), i64>,
}

impl Capture {
    /// What was written since the last call, in order.
    pub(super) fn take(&self) -> Vec<CapturedRecord> {
        self.with(|captured| std::mem::take(&mut captured.records))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Captured) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl RecordSink for Capture {
    fn init_transactions(&mut self) -> Result<()> {
        Ok(())
    }

    fn begin(&mut self) -> Result<()> {
        Ok(())
    }

    fn topic(&mut self, name: &str) -> Result<TopicHandle> {
        self.with(|captured| {
            let known = captured.topics.iter().position(|topic| &**topic == name);
            let number = known.unwrap_or(captured.topics.len());
            if known.is_none() {
                captured.topics.push(name.into());
            }
            Ok(TopicHandle(u32::try_from(number).unwrap_or(u32::MAX)))
        })
    }

    fn send(&mut self, record: &OutRecord<'_>) -> Result<()> {
        self.with(|captured| {
            *captured
                .ends
                .entry((record.topic, record.partition))
                .or_default() += 1;
            if let Some(topic) = captured.topics.get(record.topic.0 as usize) {
                let topic = Arc::clone(topic);
                captured.records.push(CapturedRecord {
                    topic,
                    timestamp: record.timestamp,
                    key: record.key.map(Into::into),
                    value: record.value.map(Into::into),
                    headers: HeadersBuf::from_headers(record.headers),
                });
            }
        });
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn acknowledged(&self, topic: TopicHandle, partition: i32) -> Option<i64> {
        self.with(|captured| captured.ends.get(&(topic, partition)).copied())
    }

    fn send_offsets(
        &mut self,
        _offsets: &[(TopicPartition, CommittedOffset)],
        _group: &GroupMetadata,
    ) -> Result<()> {
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        Ok(())
    }

    fn abort(&mut self) -> Result<()> {
        Ok(())
    }
}
