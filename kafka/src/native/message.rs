//! A consumed message, or an error that came in its place.

use std::ptr::NonNull;

use rdkafka::bindings as sys;

use crate::record::{HeadersBuf, RecordView};

use super::error::{Code, NativeError, read_code, text};

/// The version of librdkafka whose source [`Message::is_bare`] goes by.
const LAYOUT_VERSION: i32 = 0x020c_01ff;

/// A message as librdkafka hands it out; destroyed when dropped.
#[repr(transparent)]
pub(crate) struct Message(NonNull<sys::rd_kafka_message_t>);

// SAFETY: a message is owned data; its buffers are counted atomically.
unsafe impl Send for Message {}

impl Message {
    fn raw(&self) -> &sys::rd_kafka_message_t {
        // SAFETY: valid until destroyed by the drop.
        unsafe { self.0.as_ref() }
    }

    /// Why this is no record; `None` for a record.
    pub(crate) fn error_code(&self) -> Option<Code> {
        // SAFETY: the field was written by C and may hold a code of a newer broker, so it is read as
        // a number, and not through a reference to the enum.
        match unsafe { read_code(&raw const (*self.0.as_ptr()).err) } {
            Code::RD_KAFKA_RESP_ERR_NO_ERROR => None,
            code => Some(code),
        }
    }

    /// The error in this message's place, with the broker's words.
    pub(crate) fn error(&self, code: Code) -> NativeError {
        // SAFETY: a valid message; the text lives as long as it.
        let words = unsafe { text(sys::rd_kafka_message_errstr(self.0.as_ptr())) };
        NativeError::with_message(code, words)
    }

    /// Offset of the record; for an end of partition, the offset that comes next.
    pub(crate) fn offset(&self) -> i64 {
        self.raw().offset
    }

    /// The record, borrowed from this message; its headers go through `headers`.
    pub(crate) fn record<'a>(&'a self, headers: &'a mut HeadersBuf) -> RecordView<'a> {
        headers.clear();
        let raw = self.raw();
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: a valid message.
        let timestamp = unsafe { sys::rd_kafka_message_timestamp(raw, &raw mut kind) };
        if !self.is_bare() {
            self.read_headers(headers);
        }
        RecordView {
            offset: raw.offset,
            timestamp,
            // SAFETY: librdkafka's buffers live as long as the message, and hold as many bytes.
            key: unsafe { bytes(raw.key.cast(), raw.key_len) },
            // SAFETY: as above.
            value: unsafe { bytes(raw.payload.cast(), raw.len) },
            headers: headers.as_headers(),
        }
    }

    /// Whether the record is seen to have no headers. Asked for them, librdkafka makes and destroys a
    /// buffer object even where there are none: a twentieth of what a stateless application does.
    ///
    /// In the log's format (magic 2, KIP-98) the count of headers follows the value, and librdkafka
    /// leaves both in the batch it has fetched (`rd_kafka_msgset_reader_msg_v2`; an empty value is
    /// elsewhere). Only batches of that format have a leader epoch. Where any of this is not so, or
    /// librdkafka is one that nobody has looked at, nothing is seen.
    #[inline]
    fn is_bare(&self) -> bool {
        let raw = self.raw();
        if sys::RD_KAFKA_VERSION != LAYOUT_VERSION || raw.payload.is_null() || raw.len == 0 {
            return false;
        }
        // SAFETY: a valid message. The byte behind its value belongs to the same record of the same
        // batch, which lives as long as the message: see above.
        unsafe {
            sys::rd_kafka_message_leader_epoch(raw) >= 0
                && *raw.payload.cast::<u8>().add(raw.len) == 0
        }
    }

    fn read_headers(&self, into: &mut HeadersBuf) {
        let mut headers = std::ptr::null_mut();
        // SAFETY: a valid message; the headers belong to it.
        let found = unsafe { sys::rd_kafka_message_headers(self.0.as_ptr(), &raw mut headers) };
        if found != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
            return;
        }
        for at in 0.. {
            let mut name = std::ptr::null();
            let mut value = std::ptr::null();
            let mut len = 0;
            // SAFETY: valid headers; name and value belong to them.
            let found = unsafe {
                sys::rd_kafka_header_get_all(
                    headers,
                    at,
                    &raw mut name,
                    &raw mut value,
                    &raw mut len,
                )
            };
            if found != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
                return;
            }
            // SAFETY: a terminated name, and a value of that many bytes.
            unsafe { into.push(&text(name), bytes(value.cast(), len)) };
        }
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: owned, last use.
        unsafe { sys::rd_kafka_message_destroy(self.0.as_ptr()) }
    }
}

/// Bytes of a message; null is "none", which is not the same as "empty".
///
/// # Safety
/// `start` is null, or `len` bytes are readable there for `'a`.
unsafe fn bytes<'a>(start: *const u8, len: usize) -> Option<&'a [u8]> {
    if start.is_null() {
        return None;
    }
    // SAFETY: not null, and as long as the caller promises.
    Some(unsafe { std::slice::from_raw_parts(start, len) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_looked_for_as_this_librdkafka_lays_them_out() {
        assert_eq!(
            sys::RD_KAFKA_VERSION,
            LAYOUT_VERSION,
            "another librdkafka: see whether its rd_kafka_msgset_reader_msg_v2 still leaves the value in \
             front of the count of headers, and whether asking for headers that are not there still \
             costs something"
        );
        // SAFETY: reads a constant.
        assert_eq!(unsafe { sys::rd_kafka_version() }, LAYOUT_VERSION);
    }
}
