//! A producer whose delivery reports run on its caller's own thread.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as sys;

use crate::record::Headers;

use super::client::{Client, ClientKind, set_opaque};
use super::conf::Conf;
use super::error::{Code, NativeError, read_code};
use super::member::MemberMetadata;
use super::partitions::{PartitionList, c_string};

use sys::rd_kafka_vu_s__bindgen_ty_1 as Value;

/// Most values of one `produceva` call: topic, partition, timestamp, flags, opaque, key, value,
/// headers.
const PRODUCE_VALUES: usize = 8;

/// A record to hand over.
pub(crate) struct ProducedRecord<'a> {
    /// Index of the topic, from [`Producer::add_topic`].
    pub(crate) topic: u32,
    pub(crate) partition: i32,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: Headers<'a>,
}

/// A record that was not delivered.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// Index of the topic.
    pub(crate) topic: u32,
    pub(crate) partition: i32,
    pub(crate) code: Code,
}

/// What delivery reports have said so far.
#[derive(Default)]
struct Deliveries {
    /// Offset after the last delivered record, by topic index and partition; −1: none yet.
    next_offsets: Vec<Vec<i64>>,
    /// The first failure not yet taken.
    failure: Option<Failure>,
}

/// [`Deliveries`], written by the callback and read by the producer's owner.
///
/// Both happen on the thread that has the `&mut Producer`: callbacks run only inside calls into
/// librdkafka that poll, and those are methods of `Producer`. No reference into the cell is kept
/// across such a call.
#[derive(Default)]
struct DeliveryCell(UnsafeCell<Deliveries>);

// SAFETY: see above; the cell is never reached from two threads at once.
unsafe impl Sync for DeliveryCell {}
// SAFETY: the content is `Send`.
unsafe impl Send for DeliveryCell {}

/// A producer. Every method that talks to librdkafka may run delivery reports.
pub(crate) struct Producer {
    client: Client,
    topics: Vec<NonNull<sys::rd_kafka_topic_t>>,
    deliveries: Arc<DeliveryCell>,
}

// SAFETY: handles of librdkafka belong to no thread; see `DeliveryCell` for the rest.
unsafe impl Send for Producer {}

impl Producer {
    /// A producer without topics.
    pub(crate) fn new(conf: Conf) -> Result<Self, NativeError> {
        let deliveries = Arc::new(DeliveryCell::default());
        set_opaque(&conf, Arc::as_ptr(&deliveries).cast_mut().cast::<c_void>());
        // SAFETY: a valid configuration.
        unsafe { sys::rd_kafka_conf_set_dr_msg_cb(conf.as_ptr(), Some(on_delivery)) };
        let client = Client::new(
            ClientKind::Producer,
            conf,
            Box::new(Arc::clone(&deliveries)),
        )?;
        Ok(Self {
            client,
            topics: Vec::new(),
            deliveries,
        })
    }

    /// The client underneath.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Makes a topic known; returns its index.
    pub(crate) fn add_topic(&mut self, name: &str) -> Result<u32, NativeError> {
        let name = c_string(name)?;
        // SAFETY: a valid handle and C string; no topic configuration of its own.
        let topic = unsafe {
            sys::rd_kafka_topic_new(self.client.as_ptr(), name.as_ptr(), std::ptr::null_mut())
        };
        // SAFETY: reads this thread's error number of librdkafka.
        let topic = NonNull::new(topic)
            .ok_or_else(|| NativeError::from_code(unsafe { sys::rd_kafka_last_error() }))?;
        let index = u32::try_from(self.topics.len())
            .map_err(|_| NativeError::from_code(Code::RD_KAFKA_RESP_ERR__INVALID_ARG))?;
        self.topics.push(topic);
        self.deliveries(|deliveries| deliveries.next_offsets.push(Vec::new()));
        Ok(index)
    }

    /// Copies a record into the client's queue. Fails at once with `_QUEUE_FULL` where there is no
    /// room.
    pub(crate) fn produce(&mut self, record: &ProducedRecord<'_>) -> Result<(), NativeError> {
        use sys::rd_kafka_vtype_t as Kind;

        let Some(topic) = self.topics.get(record.topic as usize) else {
            return Err(NativeError::from_code(
                Code::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
            ));
        };
        let place = pack(record.topic, record.partition);
        let mut headers = NativeHeaders::new(record.headers)?;
        let values: [sys::rd_kafka_vu_t; PRODUCE_VALUES] = [
            vu(
                Kind::RD_KAFKA_VTYPE_RKT,
                Value {
                    rkt: topic.as_ptr(),
                },
            ),
            vu(
                Kind::RD_KAFKA_VTYPE_PARTITION,
                Value {
                    i32_: record.partition,
                },
            ),
            vu(
                Kind::RD_KAFKA_VTYPE_MSGFLAGS,
                Value {
                    i: sys::RD_KAFKA_MSG_F_COPY,
                },
            ),
            vu(
                Kind::RD_KAFKA_VTYPE_TIMESTAMP,
                Value {
                    // librdkafka takes 0 for "now": a record of the epoch itself is put one
                    // millisecond later, rather than decades.
                    i64_: if record.timestamp == 0 {
                        1
                    } else {
                        record.timestamp
                    },
                },
            ),
            vu(Kind::RD_KAFKA_VTYPE_OPAQUE, Value { ptr: place }),
            vu(
                Kind::RD_KAFKA_VTYPE_KEY,
                Value {
                    mem: memory(record.key),
                },
            ),
            vu(
                Kind::RD_KAFKA_VTYPE_VALUE,
                Value {
                    mem: memory(record.value),
                },
            ),
            // Left out (see `count`) where there are none.
            vu(
                Kind::RD_KAFKA_VTYPE_HEADERS,
                Value {
                    headers: headers.as_ptr(),
                },
            ),
        ];
        let count = if headers.is_none() {
            PRODUCE_VALUES - 1
        } else {
            PRODUCE_VALUES
        };
        // SAFETY: a valid handle; `count` initialised values whose pointers outlive the call
        // (MSG_F_COPY: key and value are copied); the error is handed over.
        unsafe {
            let error = sys::rd_kafka_produceva(self.client.as_ptr(), values.as_ptr(), count);
            NativeError::take(error)?;
        }
        // librdkafka owns the headers now; on failure they stay ours, and the drop frees them.
        headers.give_up();
        Ok(())
    }

    /// Runs delivery reports, waiting up to `timeout` for the first.
    pub(crate) fn poll(&mut self, timeout: Duration) {
        // SAFETY: a valid handle.
        unsafe { sys::rd_kafka_poll(self.client.as_ptr(), millis(timeout)) };
    }

    /// Sends everything at once, whatever the linger, and waits for all delivery reports.
    pub(crate) fn flush(&mut self, timeout: Duration) -> Result<(), NativeError> {
        // SAFETY: a valid handle.
        NativeError::check(unsafe { sys::rd_kafka_flush(self.client.as_ptr(), millis(timeout)) })
    }

    /// Records handed over and not yet reported.
    pub(crate) fn in_flight(&self) -> usize {
        // SAFETY: a valid handle.
        usize::try_from(unsafe { sys::rd_kafka_outq_len(self.client.as_ptr()) }).unwrap_or(0)
    }

    /// Fences older producers of the transactional id.
    pub(crate) fn init_transactions(&mut self, timeout: Duration) -> Result<(), NativeError> {
        // SAFETY: a valid handle; the error is handed over.
        unsafe {
            NativeError::take(sys::rd_kafka_init_transactions(
                self.client.as_ptr(),
                millis(timeout),
            ))
        }
    }

    /// Begins a transaction.
    pub(crate) fn begin_transaction(&mut self) -> Result<(), NativeError> {
        // SAFETY: a valid handle; the error is handed over.
        unsafe { NativeError::take(sys::rd_kafka_begin_transaction(self.client.as_ptr())) }
    }

    /// Adds a group's offsets to the transaction.
    pub(crate) fn send_offsets(
        &mut self,
        offsets: &PartitionList,
        member: &MemberMetadata,
        timeout: Duration,
    ) -> Result<(), NativeError> {
        // SAFETY: valid handle, list and metadata, which librdkafka copies; the error is handed over.
        unsafe {
            NativeError::take(sys::rd_kafka_send_offsets_to_transaction(
                self.client.as_ptr(),
                offsets.as_ptr(),
                member.as_ptr(),
                millis(timeout),
            ))
        }
    }

    /// Commits the transaction; flushes first.
    pub(crate) fn commit_transaction(&mut self, timeout: Duration) -> Result<(), NativeError> {
        // SAFETY: a valid handle; the error is handed over.
        unsafe {
            NativeError::take(sys::rd_kafka_commit_transaction(
                self.client.as_ptr(),
                millis(timeout),
            ))
        }
    }

    /// Aborts the transaction; drops what was not sent yet.
    pub(crate) fn abort_transaction(&mut self, timeout: Duration) -> Result<(), NativeError> {
        // SAFETY: a valid handle; the error is handed over.
        unsafe {
            NativeError::take(sys::rd_kafka_abort_transaction(
                self.client.as_ptr(),
                millis(timeout),
            ))
        }
    }

    /// Offset after the last delivered record.
    pub(crate) fn next_offset(&self, topic: u32, partition: i32) -> Option<i64> {
        let partition = usize::try_from(partition).ok()?;
        self.deliveries(|deliveries| {
            let offset = *deliveries
                .next_offsets
                .get(topic as usize)?
                .get(partition)?;
            (offset >= 0).then_some(offset)
        })
    }

    /// The first record that was not delivered, once.
    pub(crate) fn take_failure(&mut self) -> Option<Failure> {
        self.deliveries(|deliveries| deliveries.failure.take())
    }

    /// Reaches into the deliveries. `look` must not call librdkafka.
    fn deliveries<R>(&self, look: impl FnOnce(&mut Deliveries) -> R) -> R {
        // SAFETY: one thread at a time has this producer, no callback runs while `look` does (it
        // does not poll), and the reference ends with it.
        look(unsafe { &mut *self.deliveries.0.get() })
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        for topic in self.topics.drain(..) {
            // SAFETY: owned, last use; topics go before their client.
            unsafe { sys::rd_kafka_topic_destroy(topic.as_ptr()) }
        }
    }
}

/// A record was delivered, or was not. Runs inside the producer's polling calls.
unsafe extern "C" fn on_delivery(
    _rk: *mut sys::rd_kafka_t,
    message: *const sys::rd_kafka_message_t,
    opaque: *mut c_void,
) {
    // SAFETY: librdkafka passes a valid message and the opaque pointer of the configuration, whose
    // target the client keeps; no other reference into the cell exists while a poll runs.
    let (deliveries, code, place, offset) = unsafe {
        let deliveries = &mut *(*opaque.cast::<DeliveryCell>()).0.get();
        (
            deliveries,
            read_code(&raw const (*message).err),
            (*message)._private,
            (*message).offset,
        )
    };
    let (topic, partition) = unpack(place);
    match code {
        Code::RD_KAFKA_RESP_ERR_NO_ERROR => {
            let Some(offsets) = deliveries.next_offsets.get_mut(topic as usize) else {
                return;
            };
            let Ok(at) = usize::try_from(partition) else {
                return;
            };
            if at >= offsets.len() {
                offsets.resize(at + 1, -1);
            }
            // After a retry whose first try had arrived the broker may not tell the offset (a
            // negative number): the last known one stays, which is a lower bound.
            if offset >= 0 {
                offsets[at] = offset + 1;
            }
        }
        // An abort's doing, wanted.
        Code::RD_KAFKA_RESP_ERR__PURGE_QUEUE | Code::RD_KAFKA_RESP_ERR__PURGE_INFLIGHT => {}
        code => {
            deliveries.failure.get_or_insert(Failure {
                topic,
                partition,
                code,
            });
        }
    }
}

/// Topic index and partition in the pointer that librdkafka carries for each record.
fn pack(topic: u32, partition: i32) -> *mut c_void {
    const {
        assert!(
            size_of::<usize>() == 8,
            "topic and partition share a 64-bit pointer"
        )
    };
    let place = (u64::from(topic) << 32) | u64::from(partition.cast_unsigned());
    std::ptr::without_provenance_mut(place as usize)
}

fn unpack(place: *mut c_void) -> (u32, i32) {
    let place = place.addr() as u64;
    ((place >> 32) as u32, (place as u32).cast_signed())
}

fn vu(vtype: sys::rd_kafka_vtype_t, u: Value) -> sys::rd_kafka_vu_t {
    sys::rd_kafka_vu_t { vtype, u }
}

/// Bytes for C; null is "none", a pointer to nothing is "empty".
fn memory(bytes: Option<&[u8]>) -> sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
    let (ptr, size) = bytes.map_or((std::ptr::null(), 0), |bytes| (bytes.as_ptr(), bytes.len()));
    sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
        ptr: ptr.cast_mut().cast::<c_void>(),
        size,
    }
}

fn millis(timeout: Duration) -> i32 {
    i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
}

/// Headers on their way to librdkafka.
struct NativeHeaders(Option<NonNull<sys::rd_kafka_headers_t>>);

impl NativeHeaders {
    fn new(headers: Headers<'_>) -> Result<Self, NativeError> {
        if headers.is_empty() {
            return Ok(Self(None));
        }
        // SAFETY: no preconditions.
        let native = Self(NonNull::new(unsafe { sys::rd_kafka_headers_new(8) }));
        for (name, value) in headers.iter() {
            let value = memory(value);
            // SAFETY: valid headers; name and value are copied, with the lengths given.
            NativeError::check(unsafe {
                sys::rd_kafka_header_add(
                    native.as_ptr(),
                    name.as_ptr().cast(),
                    name.len().cast_signed(),
                    value.ptr,
                    value.size.cast_signed(),
                )
            })?;
        }
        Ok(native)
    }

    fn is_none(&self) -> bool {
        self.0.is_none()
    }

    fn as_ptr(&self) -> *mut sys::rd_kafka_headers_t {
        self.0.map_or(std::ptr::null_mut(), NonNull::as_ptr)
    }

    /// librdkafka has taken them over.
    fn give_up(&mut self) {
        self.0 = None;
    }
}

impl Drop for NativeHeaders {
    fn drop(&mut self) {
        if let Some(headers) = self.0 {
            // SAFETY: still ours, last use.
            unsafe { sys::rd_kafka_headers_destroy(headers.as_ptr()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_and_partition_travel_through_the_opaque_pointer() {
        for place in [(0, 0), (7, 3), (u32::MAX, i32::MAX)] {
            assert_eq!(unpack(pack(place.0, place.1)), place);
        }
    }
}
