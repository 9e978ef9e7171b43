//! Changes of the log's state. Every one goes to the journal first (where there is one) and then to
//! memory; replaying them in order builds the same state again.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_kafka::{CommittedOffset, TopicPartition};

use crate::batch::Batch;

/// One change, complete in itself: offsets are named, never counted up again on replay, so that a
/// change which never reached the journal (the abort of a transaction on a full disk) moves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    CreateTopic {
        name: Arc<str>,
        id: String,
        partitions: i32,
        configs: BTreeMap<String, String>,
    },
    DeleteTopic {
        name: Arc<str>,
    },
    AddPartitions {
        name: Arc<str>,
        partitions: i32,
    },
    Append {
        partition: TopicPartition,
        /// Number of the transaction; never used again for another one.
        transaction: Option<u64>,
        batch: Arc<Batch>,
    },
    EndTransaction {
        transaction: u64,
        commit: bool,
        /// The partitions written to, with the offset their marker takes.
        markers: Vec<(TopicPartition, i64)>,
        /// Offsets that become the groups' own; empty for an abort.
        offsets: Vec<GroupOffset>,
    },
    CommitOffsets {
        offsets: Vec<GroupOffset>,
    },
    /// Nothing before `start` may be read any more; the next offset is `end` or later.
    Bounds {
        partition: TopicPartition,
        start: i64,
        end: i64,
    },
    DeleteGroup {
        group: Arc<str>,
    },
}

/// An offset of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupOffset {
    pub(crate) group: Arc<str>,
    pub(crate) partition: TopicPartition,
    pub(crate) committed: CommittedOffset,
}
