//! A consumer of explicitly assigned partitions, one queue each.

use std::ffi::{c_char, c_int, c_void};
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::bindings as sys;

use crate::record::TopicPartition;

use super::client::{Client, ClientKind, set_opaque};
use super::conf::Conf;
use super::error::{Code, NativeError, read_code, text};
use super::partitions::{PartitionList, c_string};
use super::queue::Queue;

/// Reads partitions that the caller assigns, outside any group. (librdkafka wants a `group.id` all
/// the same; without a subscription it never joins.)
pub(crate) struct Consumer {
    client: Client,
    errors: Arc<Errors>,
}

/// Errors that librdkafka tells by callback instead of in a message's place: those of a partition
/// whose topic does not exist, among others.
type Errors = Mutex<Vec<NativeError>>;

impl Consumer {
    /// A consumer with nothing assigned.
    pub(crate) fn new(conf: Conf) -> Result<Self, NativeError> {
        let errors = Arc::new(Errors::default());
        set_opaque(&conf, Arc::as_ptr(&errors).cast_mut().cast::<c_void>());
        // SAFETY: a valid configuration.
        unsafe { sys::rd_kafka_conf_set_error_cb(conf.as_ptr(), Some(on_error)) };
        let client = Client::new(ClientKind::Consumer, conf, Box::new(Arc::clone(&errors)))?;
        // SAFETY: a valid handle.
        NativeError::check(unsafe { sys::rd_kafka_poll_set_consumer(client.as_ptr()) })?;
        Ok(Self { client, errors })
    }

    /// The client underneath.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The errors told by callback since the last call. Callbacks run while a queue is read, so what
    /// is there right after reading a partition's queue concerns that partition.
    pub(crate) fn take_errors(&self) -> Vec<NativeError> {
        std::mem::take(&mut *self.errors.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The queue of what concerns no single partition: errors of the client, callbacks.
    pub(crate) fn shared_queue(&self) -> Result<Queue, NativeError> {
        // SAFETY: a valid handle; the queue is ours to destroy.
        let queue = unsafe { sys::rd_kafka_queue_get_consumer(self.client.as_ptr()) };
        Queue::from_raw(&self.client, queue)
            .ok_or_else(|| NativeError::from_code(Code::RD_KAFKA_RESP_ERR__UNKNOWN_GROUP))
    }

    /// The queue of one partition: records, ends and errors of it. May be asked for before the
    /// partition is assigned.
    pub(crate) fn partition_queue(&self, partition: &TopicPartition) -> Result<Queue, NativeError> {
        let topic = c_string(&partition.topic)?;
        // SAFETY: a valid handle and C string; the queue is ours to destroy.
        let queue = unsafe {
            sys::rd_kafka_queue_get_partition(
                self.client.as_ptr(),
                topic.as_ptr(),
                partition.partition,
            )
        };
        Queue::from_raw(&self.client, queue)
            .ok_or_else(|| NativeError::from_code(Code::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION))
    }

    /// Adds partitions, starting at the list's offsets.
    pub(crate) fn assign(&self, partitions: &PartitionList) -> Result<(), NativeError> {
        // SAFETY: a valid handle and list; the list stays ours; the error is handed over.
        unsafe {
            let error = sys::rd_kafka_incremental_assign(self.client.as_ptr(), partitions.as_ptr());
            NativeError::take(error)
        }
    }

    /// Removes partitions. What their queues hold afterwards is outdated: librdkafka has raised the
    /// partitions' version before this returns, and drops what has an older one when it is read.
    pub(crate) fn unassign(&self, partitions: &PartitionList) -> Result<(), NativeError> {
        // SAFETY: as in `assign`.
        unsafe {
            let error =
                sys::rd_kafka_incremental_unassign(self.client.as_ptr(), partitions.as_ptr());
            NativeError::take(error)
        }
    }
}

/// An error told by callback. Runs inside the reading of a queue.
unsafe extern "C" fn on_error(
    _rk: *mut sys::rd_kafka_t,
    code: c_int,
    reason: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: librdkafka passes a terminated string, a code as C writes it, and the opaque pointer
    // of the configuration, whose target the client keeps.
    let (errors, error) = unsafe {
        let code = read_code((&raw const code).cast::<Code>());
        (
            &*opaque.cast::<Errors>(),
            NativeError::with_message(code, text(reason)),
        )
    };
    errors
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(error);
}
