//! A client handle: made from a configuration, destroyed on a thread of its own.

use std::any::Any;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::NonNull;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use rdkafka::bindings as sys;

use super::conf::{Conf, ERRSTR_LEN};
use super::error::{Code, NativeError, text};
use super::log_limit::{LogLimit, Verdict};

/// How long a dropped client is waited for. librdkafka may block while it ends its threads (a name
/// look-up, a TLS handshake); past this limit the destroying thread is left to itself.
const DESTROY_LIMIT: Duration = Duration::from_secs(5);

/// Callbacks for log lines get no pointer of ours, so the counts of all clients are in one place.
static LOG_LIMIT: LogLimit = LogLimit::new();

/// What a client can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientKind {
    /// Reads, or takes part in a group.
    Consumer,
    /// Writes, or administers.
    Producer,
}

/// A librdkafka client. Cheap to clone; destroyed with the last clone.
#[derive(Clone)]
pub(crate) struct Client(Arc<Handle>);

struct Handle {
    rk: NonNull<sys::rd_kafka_t>,
    /// What the callbacks point to; freed after the client.
    _callbacks: Box<dyn Any + Send + Sync>,
}

// SAFETY: librdkafka handles may be used from any thread, by several at once; the callbacks' state
// is `Send + Sync` by its type.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Client {
    /// Makes a client. `callbacks` is what the configuration's opaque pointer points into: it is kept
    /// until the client is gone.
    ///
    /// Nothing is sent yet; a missing broker shows with the first call that needs one.
    pub(crate) fn new(
        kind: ClientKind,
        conf: Conf,
        callbacks: Box<dyn Any + Send + Sync>,
    ) -> Result<Self, NativeError> {
        let kind = match kind {
            ClientKind::Consumer => sys::rd_kafka_type_t::RD_KAFKA_CONSUMER,
            ClientKind::Producer => sys::rd_kafka_type_t::RD_KAFKA_PRODUCER,
        };
        let mut complaint = [0; ERRSTR_LEN];
        let conf = conf.into_ptr();
        // SAFETY: a valid configuration and a buffer as long as said. rd_kafka_new takes the
        // configuration over if it succeeds, and only then.
        let rk = unsafe {
            sys::rd_kafka_conf_set_log_cb(conf, Some(on_log));
            sys::rd_kafka_new(kind, conf, complaint.as_mut_ptr(), ERRSTR_LEN)
        };
        let Some(rk) = NonNull::new(rk) else {
            // SAFETY: the configuration is still ours; the complaint is a terminated string.
            unsafe {
                sys::rd_kafka_conf_destroy(conf);
                return Err(NativeError::with_message(
                    Code::RD_KAFKA_RESP_ERR__INVALID_ARG,
                    text(complaint.as_ptr()),
                ));
            }
        };
        Ok(Self(Arc::new(Handle {
            rk,
            _callbacks: callbacks,
        })))
    }

    /// The raw handle, valid as long as `self`.
    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_t {
        self.0.rk.as_ptr()
    }

    /// The error that made this client unusable, if there is one.
    pub(crate) fn fatal_error(&self) -> Option<NativeError> {
        let mut complaint = [0; ERRSTR_LEN];
        // SAFETY: a valid handle and a buffer as long as said.
        let code =
            unsafe { sys::rd_kafka_fatal_error(self.as_ptr(), complaint.as_mut_ptr(), ERRSTR_LEN) };
        if code == Code::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        // SAFETY: librdkafka has written a terminated string.
        let message = unsafe { text(complaint.as_ptr()) };
        Some(NativeError {
            fatal: true,
            ..NativeError::with_message(code, message)
        })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        /// Moves the handle to the destroying thread.
        struct Doomed(NonNull<sys::rd_kafka_t>);
        // SAFETY: librdkafka lets any thread destroy a client, and this is its last user.
        unsafe impl Send for Doomed {}
        impl Doomed {
            fn destroy(&self) {
                // The flag skips consumer_close: our members are static (no LeaveGroup would be
                // sent) and offsets are committed by the engine, so closing has nothing to do but to
                // wait for a rebalance callback that nobody would serve any more.
                // SAFETY: the last use of the handle.
                unsafe {
                    sys::rd_kafka_destroy_flags(
                        self.0.as_ptr(),
                        sys::RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE,
                    );
                }
                LOG_LIMIT.forget(self.0.addr().get());
            }
        }

        let doomed = Doomed(self.rk);
        let callbacks = std::mem::replace(&mut self._callbacks, Box::new(()));
        let (done, destroyed) = mpsc::channel();
        let destroyer = std::thread::Builder::new()
            .name("kafka-close".to_owned())
            .spawn(move || {
                doomed.destroy();
                drop(callbacks);
                // Nobody listens after the limit.
                let _ = done.send(());
            });
        match destroyer {
            Ok(_) => {
                if destroyed.recv_timeout(DESTROY_LIMIT).is_err() {
                    tracing::warn!(
                        limit = ?DESTROY_LIMIT,
                        "a Kafka client did not close in time; it is left to close by itself"
                    );
                }
            }
            Err(error) => tracing::warn!(%error, "no thread to close a Kafka client: it is leaked"),
        }
    }
}

/// librdkafka's log lines, as ours. Comes from any thread.
unsafe extern "C" fn on_log(
    rk: *const sys::rd_kafka_t,
    level: c_int,
    facility: *const c_char,
    line: *const c_char,
) {
    // SAFETY: librdkafka passes terminated strings, and a handle that may still be under
    // construction (null).
    let (client, facility, line) = unsafe {
        let client = if rk.is_null() {
            String::new()
        } else {
            text(sys::rd_kafka_name(rk))
        };
        (
            client,
            CStr::from_ptr(facility).to_string_lossy(),
            CStr::from_ptr(line).to_string_lossy(),
        )
    };
    let held_back = match LOG_LIMIT.decide(rk.addr(), &facility, &line, Instant::now()) {
        Verdict::HoldBack => {
            tracing::debug!(target: "librdkafka", %client, %facility, "{line}");
            return;
        }
        Verdict::Tell(held_back) => held_back,
    };
    match level {
        // A property of producers given to a consumer (the user's properties go to both): no news.
        _ if facility == "CONFWARN" => tracing::debug!(target: "librdkafka", %client, "{line}"),
        0..=2 => tracing::error!(target: "librdkafka", %client, %facility, "{line}"),
        // A lost connection is an error to librdkafka, and it connects again by itself.
        3..=4 if held_back > 0 => {
            tracing::warn!(target: "librdkafka", %client, %facility, held_back, "{line}");
        }
        3..=4 => tracing::warn!(target: "librdkafka", %client, %facility, "{line}"),
        5..=6 => tracing::info!(target: "librdkafka", %client, %facility, "{line}"),
        _ => tracing::debug!(target: "librdkafka", %client, %facility, "{line}"),
    }
}

/// Registers what the callbacks of a configuration get as their opaque pointer.
pub(super) fn set_opaque(conf: &Conf, opaque: *mut c_void) {
    // SAFETY: a valid configuration; librdkafka only passes the pointer on.
    unsafe { sys::rd_kafka_conf_set_opaque(conf.as_ptr(), opaque) }
}
