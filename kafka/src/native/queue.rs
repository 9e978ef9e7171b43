//! A queue of a client: where its messages, results and events come out.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as sys;

use super::client::Client;
use super::message::Message;
use super::wake::Signal;

/// A queue, read by one thread.
pub(crate) struct Queue {
    rkqu: NonNull<sys::rd_kafka_queue_t>,
    /// What the event callback points to.
    signal: Option<Arc<Signal>>,
    /// Queues must go before their client.
    client: Client,
}

// SAFETY: librdkafka's queues are locked inside and belong to no thread.
unsafe impl Send for Queue {}

impl Queue {
    /// A new queue for results, or `None` where the client has no such queue.
    pub(super) fn from_raw(client: &Client, rkqu: *mut sys::rd_kafka_queue_t) -> Option<Self> {
        NonNull::new(rkqu).map(|rkqu| Self {
            rkqu,
            signal: None,
            client: client.clone(),
        })
    }

    /// Raises `signal` whenever the queue stops being empty, from now on and until the drop.
    pub(crate) fn signal_to(&mut self, signal: Arc<Signal>) {
        let opaque = Arc::as_ptr(&signal).cast_mut().cast::<c_void>();
        // SAFETY: the signal lives as long as the registration: `self` keeps it, and the drop
        // unregisters first. librdkafka calls and unregisters under the queue's lock.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(self.rkqu.as_ptr(), Some(on_event), opaque);
        }
        // Replaced only now: until the call above the old one was registered.
        self.signal = Some(signal);
    }

    /// Takes messages from the queue without waiting: up to `max`, appended to `into`. Returns how
    /// many. Serves librdkafka's callbacks on the way.
    pub(crate) fn take(&self, max: usize, into: &mut Vec<Message>) -> usize {
        into.reserve(max);
        let room = into.spare_capacity_mut().as_mut_ptr();
        // SAFETY: `Message` is transparent over the pointer that librdkafka writes, there is room
        // for `max` of them, and each one written is ours to destroy.
        unsafe {
            let taken = sys::rd_kafka_consume_batch_queue(
                self.rkqu.as_ptr(),
                0,
                room.cast::<*mut sys::rd_kafka_message_t>(),
                max,
            );
            // Negative means that the queue cannot be read, i.e. nothing was written.
            let taken = usize::try_from(taken).unwrap_or(0);
            into.set_len(into.len() + taken);
            taken
        }
    }

    /// Detaches the queue from the consumer's shared one: what arrives stays here until read here.
    pub(crate) fn detach(&self) {
        // SAFETY: a valid queue; null means "forward to nowhere".
        unsafe { sys::rd_kafka_queue_forward(self.rkqu.as_ptr(), std::ptr::null_mut()) }
    }

    /// Waits for one event, such as the result of an admin call; `None` after `timeout`.
    pub(super) fn event(&self, timeout: Duration) -> Option<Event> {
        let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: a valid queue; the event is ours to destroy.
        NonNull::new(unsafe { sys::rd_kafka_queue_poll(self.rkqu.as_ptr(), millis) }).map(|event| {
            Event {
                event,
                _client: self.client.clone(),
            }
        })
    }

    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_queue_t {
        self.rkqu.as_ptr()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: no callback comes after the first call; the second is the last use.
        unsafe {
            if self.signal.is_some() {
                sys::rd_kafka_queue_cb_event_enable(self.rkqu.as_ptr(), None, std::ptr::null_mut());
            }
            sys::rd_kafka_queue_destroy(self.rkqu.as_ptr());
        }
    }
}

/// An event taken from a queue.
pub(super) struct Event {
    event: NonNull<sys::rd_kafka_event_t>,
    _client: Client,
}

impl Event {
    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_event_t {
        self.event.as_ptr()
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: owned, last use.
        unsafe { sys::rd_kafka_event_destroy(self.event.as_ptr()) }
    }
}

/// A queue stopped being empty. Comes from any thread, with the queue locked: touches nothing of
/// librdkafka.
unsafe extern "C" fn on_event(_rk: *mut sys::rd_kafka_t, opaque: *mut c_void) {
    // SAFETY: registered with a signal that outlives the registration.
    unsafe { &*opaque.cast::<Signal>() }.raise();
}
