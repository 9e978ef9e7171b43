//! A client configuration under construction.

use std::ffi::CString;
use std::ptr::NonNull;

use rdkafka::bindings as sys;

use super::error::text;

/// Length of the buffer librdkafka writes its complaint into.
pub(super) const ERRSTR_LEN: usize = 512;

/// Why a property was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConfError {
    /// librdkafka has no property of that name.
    UnknownName,
    /// It has, but not with that value; librdkafka's words.
    BadValue(String),
}

/// Properties of a client, by librdkafka's names.
pub(crate) struct Conf(NonNull<sys::rd_kafka_conf_t>);

impl Conf {
    /// librdkafka's defaults.
    pub(crate) fn new() -> Self {
        // SAFETY: no preconditions.
        let conf = unsafe { sys::rd_kafka_conf_new() };
        // librdkafka aborts the process when it is out of memory, so it never returns null.
        Self(NonNull::new(conf).unwrap_or_else(|| unreachable!("rd_kafka_conf_new gave null")))
    }

    /// Sets one property.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), ConfError> {
        let Ok(c_name) = CString::new(name) else {
            return Err(ConfError::UnknownName);
        };
        let Ok(c_value) = CString::new(value) else {
            return Err(ConfError::BadValue("it holds a NUL byte".to_owned()));
        };
        let mut complaint = [0; ERRSTR_LEN];
        // SAFETY: valid configuration and C strings; the buffer is as long as said.
        let result = unsafe {
            sys::rd_kafka_conf_set(
                self.0.as_ptr(),
                c_name.as_ptr(),
                c_value.as_ptr(),
                complaint.as_mut_ptr(),
                ERRSTR_LEN,
            )
        };
        match result {
            sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK => Ok(()),
            sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_UNKNOWN => Err(ConfError::UnknownName),
            sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_INVALID => {
                // SAFETY: librdkafka has written a terminated string.
                Err(ConfError::BadValue(unsafe { text(complaint.as_ptr()) }))
            }
        }
    }

    /// The names of all properties, for suggestions.
    pub(crate) fn names() -> Vec<String> {
        let conf = Self::new();
        // Topic properties (acks, message.timeout.ms, …) are set through the same call, but listed
        // apart.
        // SAFETY: each array has `count` strings, name and value in turn, and is freed once.
        unsafe {
            let mut names = Vec::new();
            let topic = sys::rd_kafka_topic_conf_new();
            let mut count = 0;
            let global = sys::rd_kafka_conf_dump(conf.0.as_ptr(), &raw mut count);
            names.extend((0..count).step_by(2).map(|at| text(*global.add(at))));
            sys::rd_kafka_conf_dump_free(global, count);
            let of_topics = sys::rd_kafka_topic_conf_dump(topic, &raw mut count);
            names.extend((0..count).step_by(2).map(|at| text(*of_topics.add(at))));
            sys::rd_kafka_conf_dump_free(of_topics, count);
            sys::rd_kafka_topic_conf_destroy(topic);
            names
        }
    }

    /// The raw configuration, to register callbacks.
    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_conf_t {
        self.0.as_ptr()
    }

    /// Gives the raw configuration up; the caller frees it or hands it to a client.
    pub(super) fn into_ptr(self) -> *mut sys::rd_kafka_conf_t {
        let conf = self.0.as_ptr();
        std::mem::forget(self);
        conf
    }
}

impl Drop for Conf {
    fn drop(&mut self) {
        // SAFETY: owned, and not given to a client (`into_ptr` forgets it).
        unsafe { sys::rd_kafka_conf_destroy(self.0.as_ptr()) }
    }
}
