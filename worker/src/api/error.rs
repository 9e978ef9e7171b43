//! [`ProcessorError`]: why a processor could not do what it was called for.

use std::fmt;

use crate::error::EngineError;
use crate::processor::{Failure, NodeError};

/// What a processor's methods give back.
///
/// ```
/// # use millrace_worker::api::{ProcessorError, ProcessorResult};
/// fn check(amount: i64) -> ProcessorResult {
///     if amount < 0 {
///         return Err(ProcessorError::new(format!("the amount {amount} is negative")));
///     }
///     Ok(())
/// }
/// assert!(check(250).is_ok());
/// ```
pub type ProcessorResult = Result<(), ProcessorError>;

/// Why a processor could not do what it was called for. Any error becomes one with `?`; for a text there
/// is [`ProcessorError::new`]. (So it is no [`std::error::Error`] itself: the two exclude each other.)
///
/// ```
/// # use millrace_worker::api::ProcessorError;
/// fn amount(text: &str) -> Result<i64, ProcessorError> {
///     Ok(text.parse()?)
/// }
/// assert_eq!(amount("x").unwrap_err().to_string(), "invalid digit found in string");
/// ```
pub struct ProcessorError(Box<Cause>);

/// Who said so.
pub(super) enum Cause {
    /// The processor: the record is at fault.
    Own(String),
    /// A node below, or the store that was to be written.
    Node(Failure),
    /// The engine, which has noted what: it goes no further, whatever the processor makes of this.
    Engine(String),
}

impl ProcessorError {
    /// An error with this text: what is wrong with the record, and what to do.
    ///
    /// ```
    /// # use millrace_worker::api::ProcessorError;
    /// let error = ProcessorError::new("the order has no lines");
    /// assert_eq!(error.to_string(), "the order has no lines");
    /// ```
    pub fn new(message: impl Into<String>) -> Self {
        Self(Box::new(Cause::Own(message.into())))
    }

    pub(super) fn node(failure: Failure) -> Self {
        Self(Box::new(Cause::Node(failure)))
    }

    pub(super) fn engine(error: &EngineError) -> Self {
        Self(Box::new(Cause::Engine(error.to_string())))
    }

    /// As an error of the node: its own name for what it says itself.
    pub(crate) fn into_node_error(self, own: impl FnOnce(String) -> NodeError) -> NodeError {
        match *self.0 {
            Cause::Own(message) | Cause::Engine(message) => own(message),
            Cause::Node(failure) => failure.into(),
        }
    }
}

impl<E: std::error::Error> From<E> for ProcessorError {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}

impl fmt::Display for ProcessorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Cause::Own(message) | Cause::Engine(message) => f.write_str(message),
            Cause::Node(Failure::Record { node, message, .. }) => write!(f, "{node}: {message}"),
            Cause::Node(Failure::Engine(error)) => error.fmt(f),
        }
    }
}

impl fmt::Debug for ProcessorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
