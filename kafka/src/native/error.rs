//! Errors as librdkafka gives them: a code, three flags and a text.

use std::ffi::CStr;
use std::fmt;
use std::ptr::NonNull;

use rdkafka::bindings as sys;

/// librdkafka's error codes: negative ones are its own, positive ones are Kafka's.
pub(crate) use sys::rd_kafka_resp_err_t as Code;

/// An error object of librdkafka, copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NativeError {
    /// What happened.
    pub(crate) code: Code,
    /// The client object cannot be used any more.
    pub(crate) fatal: bool,
    /// The same call may be made again.
    pub(crate) retriable: bool,
    /// The current transaction must be aborted.
    pub(crate) abort: bool,
    /// librdkafka's or the broker's words.
    pub(crate) message: String,
}

impl NativeError {
    /// An error that came as a bare code, with librdkafka's own description of it.
    pub(crate) fn from_code(code: Code) -> Self {
        Self::with_message(code, describe(code))
    }

    /// An error that came as a code and a text.
    pub(crate) fn with_message(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            fatal: false,
            retriable: false,
            abort: false,
            message: message.into(),
        }
    }

    /// `Ok` for "no error".
    pub(crate) fn check(code: Code) -> Result<(), Self> {
        match code {
            Code::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
            code => Err(Self::from_code(code)),
        }
    }

    /// Takes an error object from librdkafka and frees it; null is no error.
    ///
    /// # Safety
    /// `error` is null, or an error object that the caller owns and gives up.
    pub(super) unsafe fn take(error: *mut sys::rd_kafka_error_t) -> Result<(), Self> {
        let Some(error) = NonNull::new(error) else {
            return Ok(());
        };
        // SAFETY: the caller hands over a valid object, and it is freed after the last use.
        unsafe {
            let copy = Self::copy(error.as_ptr());
            sys::rd_kafka_error_destroy(error.as_ptr());
            Err(copy)
        }
    }

    /// Copies an error object that belongs to somebody else.
    ///
    /// # Safety
    /// `error` points to a valid error object.
    pub(super) unsafe fn copy(error: *const sys::rd_kafka_error_t) -> Self {
        // SAFETY: getters on a valid object; the string lives as long as the object.
        unsafe {
            Self {
                code: sys::rd_kafka_error_code(error),
                fatal: sys::rd_kafka_error_is_fatal(error) != 0,
                retriable: sys::rd_kafka_error_is_retriable(error) != 0,
                abort: sys::rd_kafka_error_txn_requires_abort(error) != 0,
                message: text(sys::rd_kafka_error_string(error)),
            }
        }
    }
}

impl fmt::Display for NativeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// librdkafka's description of a code.
fn describe(code: Code) -> String {
    // SAFETY: rd_kafka_err2str takes any code and returns a static string.
    unsafe { text(sys::rd_kafka_err2str(code)) }
}

/// Copies a C string; null is the empty string.
///
/// # Safety
/// `string` is null or a valid C string.
pub(super) unsafe fn text(string: *const std::ffi::c_char) -> String {
    if string.is_null() {
        return String::new();
    }
    // SAFETY: valid and terminated, as the caller promises.
    unsafe { CStr::from_ptr(string) }
        .to_string_lossy()
        .into_owned()
}

/// Reads a code that a broker may have sent. Newer brokers know codes that this librdkafka does not:
/// they become `UNKNOWN` instead of an enum value that does not exist.
///
/// # Safety
/// `code` points to an initialised `rd_kafka_resp_err_t` as written by C.
pub(super) unsafe fn read_code(code: *const Code) -> Code {
    // SAFETY: the enum is `repr(i32)`, and any bit pattern is an i32.
    let number = unsafe { code.cast::<i32>().read() };
    Code::try_from(number).unwrap_or(Code::RD_KAFKA_RESP_ERR_UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_a_newer_broker_is_unknown_instead_of_undefined() {
        let newer = 30_000_i32;
        // SAFETY: an i32 is what C writes there.
        let code = unsafe { read_code((&raw const newer).cast()) };
        assert_eq!(code, Code::RD_KAFKA_RESP_ERR_UNKNOWN);
        let known = 25_i32;
        // SAFETY: as above.
        let code = unsafe { read_code((&raw const known).cast()) };
        assert_eq!(code, Code::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
    }
}
