//! [`FixedKeyProcessor`]: a processor that cannot change keys, so that nothing need be repartitioned.

use std::ops::{Deref, DerefMut};

use millrace_expr::Value;
use millrace_kafka::Headers;

use super::context::ProcessingContext;
use super::error::ProcessorResult;
use super::record::Record;
use super::schedule::Punctuation;

/// A processor that cannot change keys (KIP-820), for `processValues`. All else is as of
/// [`Processor`](super::Processor); a punctuation has no record, and so nothing to forward.
///
/// ```
/// # use millrace_worker::api::{
/// #     FixedKeyProcessor, FixedKeyProcessorContext, FixedKeyRecord, ProcessorError, ProcessorResult,
/// #     Value,
/// # };
/// /// Adds the tax.
/// struct Tax;
///
/// impl FixedKeyProcessor for Tax {
///     fn process<'r>(
///         &mut self,
///         record: FixedKeyRecord<'r>,
///         context: &mut FixedKeyProcessorContext<'_, 'r>,
///     ) -> ProcessorResult {
///         let Value::Int(amount) = record.record().value() else {
///             return Err(ProcessorError::new("the amount is no integer"));
///         };
///         context.forward(record.with_value(Value::Int(amount * 6 / 5)))
///     }
/// }
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
/// # let forwarded = doc::process_values(|record, context| Tax.process(record, context));
/// # assert_eq!(forwarded[0], "large ann=300@60000 source:web");
/// ```
pub trait FixedKeyProcessor: Send {
    /// As [`Processor::init`](super::Processor::init).
    ///
    /// # Errors
    /// What the processor says.
    fn init(&mut self, context: &mut FixedKeyProcessorContext<'_, '_>) -> ProcessorResult {
        let _nothing_to_do = context;
        Ok(())
    }

    /// As [`Processor::process`](super::Processor::process).
    ///
    /// # Errors
    /// What the processor says: the record is at fault.
    fn process<'r>(
        &mut self,
        record: FixedKeyRecord<'r>,
        context: &mut FixedKeyProcessorContext<'_, 'r>,
    ) -> ProcessorResult;

    /// As [`Processor::punctuate`](super::Processor::punctuate).
    ///
    /// # Errors
    /// What the processor says.
    fn punctuate(
        &mut self,
        punctuation: Punctuation,
        context: &mut FixedKeyProcessorContext<'_, '_>,
    ) -> ProcessorResult {
        let _nothing_to_do = (punctuation, context);
        Ok(())
    }
}

/// A record whose key stays as it is (Kafka Streams' `FixedKeyRecord`): there is none but the one that
/// was processed, and changed copies of it.
///
/// ```
/// # use millrace_worker::api::Value;
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
/// # let forwarded = doc::process_values(|record, context| {
/// assert_eq!(record.record().key(), Value::String("ann"));
/// context.forward(record.with_value(Value::Int(1)))
/// # });
/// # assert_eq!(forwarded[0], "large ann=1@60000 source:web");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FixedKeyRecord<'r>(pub(super) Record<'r>);

impl<'r> FixedKeyRecord<'r> {
    /// The record, for reading.
    ///
    /// ```
    /// # use millrace_worker::api::Value;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # doc::process_values(|record, _| {
    /// assert_eq!(record.record().value(), Value::Int(250));
    /// # Ok(())
    /// # });
    /// ```
    pub fn record(&self) -> Record<'r> {
        self.0
    }

    /// With another value.
    ///
    /// ```
    /// # use millrace_worker::api::Value;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # let forwarded = doc::process_values(|record, context| {
    /// context.forward(record.with_value(Value::Int(300)))
    /// # });
    /// # assert_eq!(forwarded[0], "large ann=300@60000 source:web");
    /// ```
    #[must_use]
    pub fn with_value(self, value: Value<'r>) -> Self {
        Self(self.0.with_value(value))
    }

    /// With another event time, ms since the epoch, not negative.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # let forwarded = doc::process_values(|record, context| {
    /// let later = record.record().timestamp() + 1_000;
    /// context.forward(record.with_timestamp(later))
    /// # });
    /// # assert_eq!(forwarded[0], "large ann=250@61000 source:web");
    /// ```
    #[must_use]
    pub fn with_timestamp(self, timestamp: i64) -> Self {
        Self(self.0.with_timestamp(timestamp))
    }

    /// With other headers.
    ///
    /// ```
    /// # use millrace_worker::api::HeadersBuf;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # let forwarded = doc::process_values(|record, context| {
    /// let mut headers = HeadersBuf::from_headers(record.record().headers());
    /// headers.push("audited", Some(b"yes"));
    /// let headers = context.headers(&headers);
    /// context.forward(record.with_headers(headers))
    /// # });
    /// # assert_eq!(forwarded[0], "large ann=250@60000 source:web audited:yes");
    /// ```
    #[must_use]
    pub fn with_headers(self, headers: Headers<'r>) -> Self {
        Self(self.0.with_headers(headers))
    }
}

/// What a [`FixedKeyProcessor`] may do while it is called (Kafka Streams'
/// `FixedKeyProcessorContext`): all of [`ProcessingContext`], and forward records with the key they
/// came with.
///
/// ```
/// # use millrace_worker::api::Value;
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
/// # let forwarded = doc::process_values(|record, context| {
/// let mut totals = context.key_value("totals")?;
/// totals.put(record.record().key(), record.record().value(), record.record().timestamp())?;
/// context.forward(record)
/// # });
/// # assert_eq!(forwarded.len(), 2);
/// ```
pub struct FixedKeyProcessorContext<'c, 'r>(pub(super) ProcessingContext<'c, 'r>);

impl<'r> FixedKeyProcessorContext<'_, 'r> {
    /// The same, for a shorter while.
    pub(crate) fn reborrow(&mut self) -> FixedKeyProcessorContext<'_, 'r> {
        FixedKeyProcessorContext(self.0.reborrow())
    }

    /// Hands a record to all children, which have done with it when this returns.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # let forwarded = doc::process_values(|record, context| {
    /// context.forward(record)
    /// # });
    /// # assert_eq!(forwarded.len(), 2);
    /// ```
    ///
    /// # Errors
    /// What a node below could not do with the record; pass it on with `?`.
    pub fn forward(&mut self, record: FixedKeyRecord<'r>) -> ProcessorResult {
        self.0.forward_to_all(&record.0)
    }

    /// Hands a record to one child, as
    /// [`ProcessorContext::forward_to`](super::ProcessorContext::forward_to).
    ///
    /// ```
    /// # use millrace_worker::api::Value;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # let forwarded = doc::process_values(|record, context| {
    /// let large = matches!(record.record().value(), Value::Int(100..));
    /// context.forward_to(if large { "large" } else { "small" }, record)
    /// # });
    /// # assert_eq!(forwarded, ["large ann=250@60000 source:web"]);
    /// ```
    ///
    /// # Errors
    /// There is no such child; or as [`FixedKeyProcessorContext::forward`].
    pub fn forward_to(&mut self, child: &str, record: FixedKeyRecord<'r>) -> ProcessorResult {
        self.0.forward_to_one(child, &record.0)
    }
}

impl<'c, 'r> Deref for FixedKeyProcessorContext<'c, 'r> {
    type Target = ProcessingContext<'c, 'r>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for FixedKeyProcessorContext<'_, '_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}
