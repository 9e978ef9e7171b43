//! Records that are tried again. Each attempt costs the task, which goes back to its last commit: how
//! often a record has failed is kept by the stream thread, and told to the task that comes after.

use std::collections::HashMap;

use millrace_kafka::TopicPartition;

/// The record of an input that has failed, and is to be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Its offset.
    pub offset: i64,
    /// How often it has failed.
    pub times: u32,
}

/// Failed records of a stream thread: one per input partition, the last. No more than the partitions
/// that it has ever read.
#[derive(Debug, Default)]
pub struct Retries(HashMap<TopicPartition, Failed>);

impl Retries {
    /// Notes that a record has failed; returns how often now.
    pub fn note(&mut self, at: &TopicPartition, offset: i64) -> u32 {
        let times = self.times(at, offset) + 1;
        self.0.insert(at.clone(), Failed { offset, times });
        times
    }

    /// How often a record has failed.
    pub fn times(&self, at: &TopicPartition, offset: i64) -> u32 {
        let failed = self.0.get(at).filter(|failed| failed.offset == offset);
        failed.map_or(0, |failed| failed.times)
    }

    /// The record of an input that failed last.
    pub fn of(&self, at: &TopicPartition) -> Option<Failed> {
        self.0.get(at).copied()
    }
}
