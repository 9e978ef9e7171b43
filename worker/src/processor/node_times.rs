//! What a node with a sense of time remembers between two records.
//!
//! Kept beside the nodes, one per node, and carried in the metadata of committed offsets (see
//! [`crate::task`]): so a late record is as late after a restart, a move or an abort as before, and a
//! window that was forwarded when it closed is not forwarded again.

/// A time before the first.
pub(super) const UNKNOWN: i64 = -1;

/// What one node remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeTimes {
    /// Highest time of a record that reached the node, ms; `UNKNOWN` before the first.
    pub stream_time: i64,
    /// Up to which time closed windows have been forwarded, ms; `UNKNOWN` before the first.
    pub emitted: i64,
    /// Wall-clock time before which nothing more is forwarded because it is complete, ms.
    pub next_emit_ms: i64,
    /// No record that waits in the node's store is earlier; `None` where that is not known.
    pub earliest: Option<i64>,
    /// What waits in the node's store; `None` where that is not known.
    pub waiting: Option<Waiting>,
}

/// Size of a buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Records.
    pub records: u64,
    /// Their bytes, by Kafka Streams' estimate.
    pub bytes: u64,
}

impl Default for NodeTimes {
    fn default() -> Self {
        Self {
            stream_time: UNKNOWN,
            emitted: UNKNOWN,
            next_emit_ms: 0,
            earliest: None,
            waiting: None,
        }
    }
}

impl NodeTimes {
    /// Takes a record's time into account and gives the stream time.
    pub fn advance(&mut self, timestamp: i64) -> i64 {
        self.stream_time = self.stream_time.max(timestamp);
        self.stream_time
    }

    /// Notes a record that waits in the node's store from now on. What is not known stays unknown.
    pub fn waits(&mut self, time: i64) {
        self.earliest = self.earliest.map(|earliest| earliest.min(time));
    }

    /// Whether complete results may be forwarded now; if so, the next time is `interval_ms` away.
    /// Kafka Streams does so once a second: looking for them costs a scan.
    pub fn may_emit(&mut self, now_ms: i64, interval_ms: i64) -> bool {
        if now_ms < self.next_emit_ms {
            return false;
        }
        self.next_emit_ms = now_ms.saturating_add(interval_ms);
        true
    }
}
