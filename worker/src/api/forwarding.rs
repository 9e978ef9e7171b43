//! [`ProcessorContext`]: what a processor may do while it is called, with forwarding.

use std::ops::{Deref, DerefMut};

use super::context::ProcessingContext;
use super::error::ProcessorResult;
use super::record::Record;

/// What a [`Processor`](super::Processor) may do while it is called (Kafka Streams' `ProcessorContext`):
/// all of [`ProcessingContext`], and forward.
///
/// ```
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
/// # let forwarded = doc::process(|record, context| {
/// let mut totals = context.key_value("totals")?;
/// totals.put(record.key(), record.value(), record.timestamp())?;
/// context.forward(record)
/// # });
/// # assert_eq!(forwarded.len(), 2);
/// ```
pub struct ProcessorContext<'c, 'r>(pub(super) ProcessingContext<'c, 'r>);

impl<'r> ProcessorContext<'_, 'r> {
    /// The same, for a shorter while.
    pub(crate) fn reborrow(&mut self) -> ProcessorContext<'_, 'r> {
        ProcessorContext(self.0.reborrow())
    }

    /// Hands a record to all children, which have done with it when this returns.
    ///
    /// ```
    /// # use millrace_worker::api::Record;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # let forwarded = doc::process(|record, context| {
    /// context.forward(Record::new(context.text("all"), record.value(), record.timestamp()))?;
    /// context.forward(record)
    /// # });
    /// # assert_eq!(forwarded[0], "large all=250@60000");
    /// # assert_eq!(forwarded.len(), 4);
    /// ```
    ///
    /// # Errors
    /// What a node below could not do with the record; pass it on with `?`.
    pub fn forward(&mut self, record: Record<'r>) -> ProcessorResult {
        self.0.forward_to_all(&record)
    }

    /// Hands a record to one child: one of the step's `outputs`, or else a node by the name that
    /// `worker describe` shows.
    ///
    /// ```
    /// # use millrace_worker::api::Value;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # let forwarded = doc::process(|record, context| {
    /// let large = matches!(record.value(), Value::Int(100..));
    /// context.forward_to(if large { "large" } else { "small" }, record)
    /// # });
    /// # assert_eq!(forwarded, ["large ann=250@60000 source:web"]);
    /// ```
    ///
    /// # Errors
    /// There is no such child; or as [`ProcessorContext::forward`].
    pub fn forward_to(&mut self, child: &str, record: Record<'r>) -> ProcessorResult {
        self.0.forward_to_one(child, &record)
    }
}

impl<'c, 'r> Deref for ProcessorContext<'c, 'r> {
    type Target = ProcessingContext<'c, 'r>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for ProcessorContext<'_, '_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}
