//! Request objects and result arrays of librdkafka's admin calls.

use std::ffi::c_char;

use rdkafka::bindings as sys;

use super::{Outcomes, TopicDescription};
use crate::native::error::{Code, NativeError, text};

/// Objects made for a request, destroyed after it.
pub(super) struct Natives<T> {
    objects: Vec<*mut T>,
    destroy: unsafe extern "C" fn(*mut T),
}

impl<T> Natives<T> {
    pub(super) fn new(destroy: unsafe extern "C" fn(*mut T)) -> Self {
        Self {
            objects: Vec::new(),
            destroy,
        }
    }

    /// Takes an object; null is librdkafka's refusal, explained in `complaint`.
    pub(super) fn push(&mut self, object: *mut T, complaint: &[c_char]) -> Result<(), NativeError> {
        if object.is_null() {
            let end = complaint
                .iter()
                .position(|&byte| byte == 0)
                .unwrap_or(complaint.len());
            let words: Vec<u8> = complaint[..end]
                .iter()
                .map(|byte| byte.cast_unsigned())
                .collect();
            return Err(NativeError::with_message(
                Code::RD_KAFKA_RESP_ERR__INVALID_ARG,
                String::from_utf8_lossy(&words),
            ));
        }
        self.objects.push(object);
        Ok(())
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut *mut T {
        self.objects.as_mut_ptr()
    }

    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }
}

impl<T> Drop for Natives<T> {
    fn drop(&mut self) {
        for object in self.objects.drain(..) {
            // SAFETY: owned, last use, and `destroy` belongs to this type of object.
            unsafe { (self.destroy)(object) }
        }
    }
}

/// The objects of one of librdkafka's result arrays.
///
/// # Safety
/// `get` returns an array of as many valid pointers as it writes to its argument, all valid for as
/// long as the iterator is used.
pub(super) unsafe fn array<T>(
    get: impl FnOnce(*mut usize) -> *mut *const T,
) -> impl Iterator<Item = *const T> {
    let mut count = 0;
    let array = get(&raw mut count);
    // SAFETY: as the caller promises.
    (0..count).map(move |at| unsafe { *array.add(at) })
}

/// # Safety
/// As for [`array`].
pub(super) unsafe fn topic_outcomes(
    get: impl FnOnce(*mut usize) -> *mut *const sys::rd_kafka_topic_result_t,
) -> Outcomes {
    // SAFETY: valid results; their strings belong to them.
    unsafe {
        array(get)
            .map(|result| {
                let outcome = match sys::rd_kafka_topic_result_error(result) {
                    Code::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
                    code => {
                        let words = text(sys::rd_kafka_topic_result_error_string(result));
                        Err(NativeError::with_message(code, words))
                    }
                };
                (text(sys::rd_kafka_topic_result_name(result)), outcome)
            })
            .collect()
    }
}

/// # Safety
/// `result` is valid.
pub(super) unsafe fn group_outcome(
    result: *const sys::rd_kafka_group_result_t,
) -> Result<(), NativeError> {
    // SAFETY: a valid result; the error, if any, belongs to it.
    unsafe {
        let error = sys::rd_kafka_group_result_error(result);
        if error.is_null() {
            Ok(())
        } else {
            Err(NativeError::copy(error))
        }
    }
}

/// # Safety
/// `topic` is valid.
pub(super) unsafe fn describe(
    topic: *const sys::rd_kafka_TopicDescription_t,
) -> Result<TopicDescription, NativeError> {
    // SAFETY: a valid description; what the getters return belongs to it.
    unsafe {
        let error = sys::rd_kafka_TopicDescription_error(topic);
        if !error.is_null() {
            let error = NativeError::copy(error);
            if error.code != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Err(error);
            }
        }
        let partitions: Vec<_> =
            array(|count| sys::rd_kafka_TopicDescription_partitions(topic, count)).collect();
        let led = partitions
            .iter()
            .filter(|&&partition| !sys::rd_kafka_TopicPartitionInfo_leader(partition).is_null())
            .count();
        let id = sys::rd_kafka_TopicDescription_topic_id(topic);
        let id = (
            sys::rd_kafka_Uuid_most_significant_bits(id),
            sys::rd_kafka_Uuid_least_significant_bits(id),
        );
        Ok(TopicDescription {
            partitions: partitions.len(),
            led,
            id,
        })
    }
}
