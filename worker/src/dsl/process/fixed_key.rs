//! [`FixedKeyProcessor`]: a processor that cannot change keys, with the types of its records.

use std::marker::PhantomData;

use super::context::FixedKeyProcessorContext;
use super::record::FixedKeyRecord;
use crate::api::{self, ProcessorResult, Punctuation};
use crate::data::Data;
use crate::dsl::Key;

/// A processor that cannot change keys: records of `K` and `V` in, of `K` and `W` out (Kafka Streams'
/// `FixedKeyProcessor`). All else is as of [`Processor`](super::Processor); a punctuation has no record,
/// and so nothing to forward.
///
/// ```
/// use millrace_worker::api::ProcessorResult;
/// use millrace_worker::dsl::{
///     FixedKeyProcessor, FixedKeyProcessorContext, FixedKeyRecord, StreamsBuilder,
/// };
///
/// /// Numbers the records of a task.
/// #[derive(Default)]
/// struct Number(i64);
///
/// impl FixedKeyProcessor<String, String, String> for Number {
///     fn process<'r>(
///         &mut self,
///         record: FixedKeyRecord<'r, String, String>,
///         context: &mut FixedKeyProcessorContext<'_, 'r, String>,
///     ) -> ProcessorResult {
///         self.0 += 1;
///         let numbered = format!("{}: {}", self.0, record.value());
///         context.forward(record.with_value(numbered))
///     }
/// }
///
/// let builder = StreamsBuilder::new();
/// builder
///     .stream::<String, String>("lines")
///     .process_values(Number::default, "number")
///     .to("numbered-lines");
/// builder.build().plan("lines").unwrap();
/// ```
pub trait FixedKeyProcessor<K: Key, V: Data, W: Data>: Send + 'static {
    /// As [`api::FixedKeyProcessor::init`].
    ///
    /// # Errors
    /// What the processor says.
    fn init(&mut self, context: &mut FixedKeyProcessorContext<'_, '_, W>) -> ProcessorResult {
        let _nothing_to_do = context;
        Ok(())
    }

    /// As [`api::FixedKeyProcessor::process`].
    ///
    /// # Errors
    /// What the processor says: the record is at fault.
    fn process<'r>(
        &mut self,
        record: FixedKeyRecord<'r, K, V>,
        context: &mut FixedKeyProcessorContext<'_, 'r, W>,
    ) -> ProcessorResult;

    /// As [`api::FixedKeyProcessor::punctuate`].
    ///
    /// # Errors
    /// What the processor says.
    fn punctuate(
        &mut self,
        punctuation: Punctuation,
        context: &mut FixedKeyProcessorContext<'_, '_, W>,
    ) -> ProcessorResult {
        let _nothing_to_do = (punctuation, context);
        Ok(())
    }
}

/// A processor behind its types.
pub(super) struct Typed<P, K, V, W> {
    processor: P,
    types: PhantomData<fn(K, V) -> W>,
}

/// What makes processors behind their types.
pub(super) fn typed<P, K, V, W>(
    make: impl Fn() -> P + Send + Sync + 'static,
) -> impl Fn() -> Typed<P, K, V, W> + Send + Sync + 'static
where
    P: FixedKeyProcessor<K, V, W>,
    K: Key,
    V: Data,
    W: Data,
{
    move || Typed {
        processor: make(),
        types: PhantomData,
    }
}

impl<P, K, V, W> api::FixedKeyProcessor for Typed<P, K, V, W>
where
    P: FixedKeyProcessor<K, V, W>,
    K: Key,
    V: Data,
    W: Data,
{
    fn init(&mut self, context: &mut api::FixedKeyProcessorContext<'_, '_>) -> ProcessorResult {
        let context = &mut FixedKeyProcessorContext::of(context);
        self.processor.init(context)
    }

    fn process<'r>(
        &mut self,
        record: api::FixedKeyRecord<'r>,
        context: &mut api::FixedKeyProcessorContext<'_, 'r>,
    ) -> ProcessorResult {
        let record = FixedKeyRecord::read(record, context.arena())?;
        let context = &mut FixedKeyProcessorContext::of(context);
        self.processor.process(record, context)
    }

    fn punctuate(
        &mut self,
        punctuation: Punctuation,
        context: &mut api::FixedKeyProcessorContext<'_, '_>,
    ) -> ProcessorResult {
        let context = &mut FixedKeyProcessorContext::of(context);
        self.processor.punctuate(punctuation, context)
    }
}
