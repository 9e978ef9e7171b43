//! A member of a consumer group: knows which partitions of the tasks topic it owns, reads nothing.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::bindings as sys;

use super::client::{Client, ClientKind, set_opaque};
use super::conf::Conf;
use super::error::{Code, NativeError, text};
use super::partitions::{PartitionList, PartitionResult, read_list};
use super::queue::Queue;

/// A change of the member's partitions, not yet answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// These are added.
    Assigned(Vec<i32>),
    /// These are taken away. `lost`: the group has given them to others already.
    Revoked { partitions: Vec<i32>, lost: bool },
}

/// What the rebalance callback writes and the polling thread reads.
type Changes = Mutex<VecDeque<Change>>;

/// Events that a closing member reads at a time.
const CLOSING_EVENTS: usize = 64;

/// A group member.
///
/// librdkafka keeps two books: the group's assignment, of which it tells the other members, and the
/// list of partitions it fetches, which `incremental_assign` and `incremental_unassign` change. Both
/// calls also answer an open rebalance. A member only ever calls them with an empty list: that
/// answers, and fetches nothing from a topic that holds no records. And as the engine's real
/// partitions belong to another client ([`Consumer`](super::Consumer)), assigning or removing one
/// can never be taken for an answer, nor does a rebalance pause them or throw away what was fetched.
pub(crate) struct Member {
    client: Client,
    changes: Arc<Changes>,
    /// The change that was taken last, while it wants an answer.
    unanswered: Option<Change>,
}

impl Member {
    /// Joins the group of the configuration, for partitions of `topic`.
    pub(crate) fn new(conf: Conf, topic: &str) -> Result<Self, NativeError> {
        let changes = Arc::new(Changes::default());
        set_opaque(&conf, Arc::as_ptr(&changes).cast_mut().cast::<c_void>());
        // SAFETY: a valid configuration.
        unsafe { sys::rd_kafka_conf_set_rebalance_cb(conf.as_ptr(), Some(on_rebalance)) };
        let client = Client::new(ClientKind::Consumer, conf, Box::new(Arc::clone(&changes)))?;
        let mut topics = PartitionList::new();
        let unassigned = crate::record::TopicPartition::new(topic, -1);
        topics.push(&unassigned, i64::from(sys::RD_KAFKA_OFFSET_INVALID))?;
        // SAFETY: a valid handle and list, which stays ours.
        unsafe {
            NativeError::check(sys::rd_kafka_poll_set_consumer(client.as_ptr()))?;
            NativeError::check(sys::rd_kafka_subscribe(client.as_ptr(), topics.as_ptr()))?;
        }
        Ok(Self {
            client,
            changes,
            unanswered: None,
        })
    }

    /// The client underneath.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The queue that has something whenever the member must be polled.
    pub(crate) fn queue(&self) -> Result<Queue, NativeError> {
        // SAFETY: a valid handle; the queue is ours to destroy.
        let queue = unsafe { sys::rd_kafka_queue_get_consumer(self.client.as_ptr()) };
        Queue::from_raw(&self.client, queue)
            .ok_or_else(|| NativeError::from_code(Code::RD_KAFKA_RESP_ERR__UNKNOWN_GROUP))
    }

    /// The oldest change since the last call; changes are written while the queue is read.
    pub(crate) fn take_change(&mut self) -> Option<Change> {
        let change = locked(&self.changes).pop_front();
        self.unanswered.clone_from(&change);
        change
    }

    /// Answers the open rebalance. See [`Member`] for the empty list.
    pub(crate) fn answer(&mut self, change: &Change) -> Result<(), NativeError> {
        self.unanswered = None;
        let nothing = PartitionList::new();
        let rk = self.client.as_ptr();
        // SAFETY: a valid handle and list, which stays ours; the error is handed over.
        unsafe {
            NativeError::take(match change {
                Change::Assigned(_) => sys::rd_kafka_incremental_assign(rk, nothing.as_ptr()),
                Change::Revoked { .. } => sys::rd_kafka_incremental_unassign(rk, nothing.as_ptr()),
            })
        }
    }

    /// Whether the group has given this member's partitions to others.
    pub(crate) fn is_lost(&self) -> bool {
        // SAFETY: a valid handle.
        unsafe { sys::rd_kafka_assignment_lost(self.client.as_ptr()) != 0 }
    }

    /// This member's identity in the group as of now.
    pub(crate) fn metadata(&self) -> Option<MemberMetadata> {
        // SAFETY: a valid handle; the metadata is ours to destroy.
        NonNull::new(unsafe { sys::rd_kafka_consumer_group_metadata(self.client.as_ptr()) })
            .map(MemberMetadata)
    }

    /// Commits the list's offsets and waits for the group's answer.
    pub(crate) fn commit(
        &self,
        offsets: &PartitionList,
        timeout: Duration,
    ) -> Result<Vec<PartitionResult>, NativeError> {
        // SAFETY: a valid handle; the queue is ours to destroy.
        let queue = unsafe { sys::rd_kafka_queue_new(self.client.as_ptr()) };
        let queue = Queue::from_raw(&self.client, queue)
            .ok_or_else(|| NativeError::from_code(Code::RD_KAFKA_RESP_ERR__FAIL))?;
        // SAFETY: valid handle, list (which librdkafka copies) and queue; no callback.
        NativeError::check(unsafe {
            sys::rd_kafka_commit_queue(
                self.client.as_ptr(),
                offsets.as_ptr(),
                queue.as_ptr(),
                None,
                std::ptr::null_mut(),
            )
        })?;
        let answer = queue
            .event(timeout)
            .ok_or_else(|| NativeError::from_code(Code::RD_KAFKA_RESP_ERR__TIMED_OUT))?;
        // SAFETY: a valid event; the list belongs to it.
        unsafe {
            NativeError::check(sys::rd_kafka_event_error(answer.as_ptr()))?;
            Ok(read_list(sys::rd_kafka_event_topic_partition_list(
                answer.as_ptr(),
            )))
        }
    }
}

impl Drop for Member {
    /// Answers an open assignment. A client that waits for that answer never ends (librdkafka
    /// 2.12), and its heartbeats keep tasks that nobody runs. An open revocation it ends by itself,
    /// and an answer to it would only bring the next assignment.
    fn drop(&mut self) {
        if let Ok(queue) = self.queue() {
            let mut events = Vec::new();
            while queue.take(CLOSING_EVENTS, &mut events) == CLOSING_EVENTS {
                events.clear();
            }
        }
        let unread = std::mem::take(&mut *locked(&self.changes));
        for change in self.unanswered.take().into_iter().chain(unread) {
            if matches!(change, Change::Assigned(_)) {
                // An error says that the group has gone on without the answer.
                let _ = self.answer(&change);
            }
        }
    }
}

fn locked(changes: &Changes) -> MutexGuard<'_, VecDeque<Change>> {
    changes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A member's identity: proof of membership for a transaction's offsets.
pub(crate) struct MemberMetadata(NonNull<sys::rd_kafka_consumer_group_metadata_t>);

// SAFETY: owned data, bound to no thread.
unsafe impl Send for MemberMetadata {}

impl MemberMetadata {
    /// The group's generation that the member is in; negative where it is in none.
    pub(crate) fn generation(&self) -> i32 {
        // SAFETY: valid until the drop.
        unsafe { sys::rd_kafka_consumer_group_metadata_generation_id(self.0.as_ptr()) }
    }

    /// The id the broker has given the member; empty where it is none.
    pub(crate) fn member_id(&self) -> String {
        // SAFETY: valid until the drop; the string belongs to it.
        unsafe {
            text(sys::rd_kafka_consumer_group_metadata_member_id(
                self.0.as_ptr(),
            ))
        }
    }

    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_consumer_group_metadata_t {
        self.0.as_ptr()
    }
}

impl Drop for MemberMetadata {
    fn drop(&mut self) {
        // SAFETY: owned, last use.
        unsafe { sys::rd_kafka_consumer_group_metadata_destroy(self.0.as_ptr()) }
    }
}

/// The group's division has changed. Runs inside the poll of the member's queue, and only writes it
/// down: librdkafka waits for the answer, which the engine gives when it has acted.
unsafe extern "C" fn on_rebalance(
    rk: *mut sys::rd_kafka_t,
    code: Code,
    partitions: *mut sys::rd_kafka_topic_partition_list_t,
    opaque: *mut c_void,
) {
    // SAFETY: librdkafka passes a valid list and the opaque pointer of the configuration, whose
    // target the client keeps.
    let (changes, partitions) = unsafe { (&*opaque.cast::<Changes>(), read_list(partitions)) };
    let partitions = partitions
        .into_iter()
        .map(|entry| entry.partition.partition)
        .collect();
    let change = if code == Code::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
        Change::Assigned(partitions)
    } else {
        // SAFETY: the handle that is calling.
        let lost = unsafe { sys::rd_kafka_assignment_lost(rk) != 0 };
        Change::Revoked { partitions, lost }
    };
    locked(changes).push_back(change);
}
