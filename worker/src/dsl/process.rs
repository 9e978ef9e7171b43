//! [`Processor`] and [`FixedKeyProcessor`]: nodes of the user's own, with the types of their records.
//!
//! They are [`crate::api`]'s processors behind types: what they are told and what they forward is turned
//! over by [`Data`], at the same cost as a closure's arguments and results.

mod context;
mod fixed_key;
mod options;
mod outputs;
mod record;
mod session;
mod store;
mod versioned;

use std::marker::PhantomData;

use millrace_crds::topology::{Process, Step};

use super::call::serdes;
use super::graph::Kind;
use super::key::Key;
use super::stream::KStream;
use crate::api;
use crate::api::{ProcessorResult, Punctuation};
use crate::data::Data;

pub use context::{FixedKeyProcessorContext, ProcessorContext};
pub use fixed_key::FixedKeyProcessor;
pub use options::{Processed, StoreBuilder};
pub use record::{FixedKeyRecord, Record};
pub use session::SessionStore;
pub use store::{KeyValueStore, StoredValue, WindowStore};
pub use versioned::VersionedStore;

/// A node of the user's own: records of `K` and `V` in, records of `L` and `W` out (Kafka Streams'
/// `Processor`). All else is as [`api::Processor`] says, which is the same without types: one is made for
/// each task, what must survive lies in its stores, and it must not block.
///
/// ```
/// use millrace_worker::api::ProcessorResult;
/// use millrace_worker::dsl::{
///     Processed, Processor, ProcessorContext, Record, StoreBuilder, StreamsBuilder,
/// };
/// use millrace_worker::testing::TopologyTestDriver;
///
/// /// Forwards the first record of each key.
/// struct Once;
///
/// impl Processor<String, i64, String, i64> for Once {
///     fn process<'r>(
///         &mut self,
///         record: Record<'r, String, i64>,
///         context: &mut ProcessorContext<'_, 'r, String, i64>,
///     ) -> ProcessorResult {
///         let mut seen = context.key_value_store::<String, i64>("seen")?;
///         if seen.get(&record.key)?.is_none() {
///             seen.put(&record.key, &record.value, record.timestamp)?;
///             context.forward(record)?;
///         }
///         Ok(())
///     }
/// }
///
/// let builder = StreamsBuilder::new();
/// let seen = StoreBuilder::key_value::<String, i64>("seen");
/// builder
///     .stream::<String, i64>("events")
///     .process(|| Once, Processed::named("once").with_store(seen))
///     .to("unique-events");
///
/// let driver = TopologyTestDriver::new("unique", &builder.build())?;
/// let mut events = driver.input_topic::<String, i64>("events")?;
/// for (key, value) in [("a", 1), ("b", 2), ("a", 3)] {
///     events.pipe(key, value)?;
/// }
/// let unique = driver.output_topic::<String, i64>("unique-events")?;
/// assert_eq!(unique.read_all()?, [("a".to_owned(), 1), ("b".to_owned(), 2)]);
/// # Ok::<(), millrace_worker::testing::DriverError>(())
/// ```
pub trait Processor<K: Key, V: Data, L: Data, W: Data>: Send + 'static {
    /// As [`api::Processor::init`].
    ///
    /// # Errors
    /// What the processor says.
    fn init(&mut self, context: &mut ProcessorContext<'_, '_, L, W>) -> ProcessorResult {
        let _nothing_to_do = context;
        Ok(())
    }

    /// As [`api::Processor::process`].
    ///
    /// # Errors
    /// What the processor says: the record is at fault.
    fn process<'r>(
        &mut self,
        record: Record<'r, K, V>,
        context: &mut ProcessorContext<'_, 'r, L, W>,
    ) -> ProcessorResult;

    /// As [`api::Processor::punctuate`].
    ///
    /// # Errors
    /// What the processor says.
    fn punctuate(
        &mut self,
        punctuation: Punctuation,
        context: &mut ProcessorContext<'_, '_, L, W>,
    ) -> ProcessorResult {
        let _nothing_to_do = (punctuation, context);
        Ok(())
    }
}

/// A processor behind its types.
struct Typed<P, K, V, L, W> {
    processor: P,
    types: PhantomData<fn(K, V, L, W)>,
}

impl<P, K, V, L, W> api::Processor for Typed<P, K, V, L, W>
where
    P: Processor<K, V, L, W>,
    K: Key,
    V: Data,
    L: Data,
    W: Data,
{
    fn init(&mut self, context: &mut api::ProcessorContext<'_, '_>) -> ProcessorResult {
        self.processor.init(&mut ProcessorContext::of(context))
    }

    fn process<'r>(
        &mut self,
        record: api::Record<'r>,
        context: &mut api::ProcessorContext<'_, 'r>,
    ) -> ProcessorResult {
        let record = Record::read(&record, context.arena())?;
        self.processor
            .process(record, &mut ProcessorContext::of(context))
    }

    fn punctuate(
        &mut self,
        punctuation: Punctuation,
        context: &mut api::ProcessorContext<'_, '_>,
    ) -> ProcessorResult {
        let context = &mut ProcessorContext::of(context);
        self.processor.punctuate(punctuation, context)
    }
}

impl<K: Key, V: Data> KStream<K, V> {
    /// Runs a processor, which may change keys: what is grouped or joined after it goes through a
    /// repartition topic. The closure makes one for each task.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Processor, ProcessorContext, Record, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # use millrace_worker::api::ProcessorResult;
    /// /// Turns clicks into visits of pages.
    /// struct ByPage;
    ///
    /// impl Processor<String, String, String, i64> for ByPage {
    ///     fn process<'r>(
    ///         &mut self,
    ///         click: Record<'r, String, String>,
    ///         context: &mut ProcessorContext<'_, 'r, String, i64>,
    ///     ) -> ProcessorResult {
    ///         context.forward(Record::new(click.value, 1, click.timestamp))
    ///     }
    /// }
    ///
    /// builder.stream::<String, String>("clicks").process(|| ByPage, "by-page").to("visits");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("clicks")?;
    /// # let output = driver.output_topic::<String, i64>("visits")?;
    /// input.pipe("ann", "/home")?;
    /// assert_eq!(output.read()?, ("/home".to_owned(), 1));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn process<P, L, W>(
        &self,
        make: impl Fn() -> P + Send + Sync + 'static,
        processed: impl Into<Processed>,
    ) -> KStream<L, W>
    where
        P: Processor<K, V, L, W>,
        L: Data,
        W: Data,
    {
        let step = Step::Process(self.processor(make, processed.into()));
        KStream::of(self.handle.steps(vec![step], Kind::Stream, Vec::new()))
    }

    /// Runs a fixed-key processor: keys stay as they are, and nothing is repartitioned.
    ///
    /// ```
    /// # use millrace_worker::dsl::{
    /// #     FixedKeyProcessor, FixedKeyProcessorContext, FixedKeyRecord, StreamsBuilder,
    /// # };
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # use millrace_worker::api::ProcessorResult;
    /// /// Passes readings on where they differ from the one before.
    /// struct Changes(f64);
    ///
    /// impl FixedKeyProcessor<String, f64, f64> for Changes {
    ///     fn process<'r>(
    ///         &mut self,
    ///         reading: FixedKeyRecord<'r, String, f64>,
    ///         context: &mut FixedKeyProcessorContext<'_, 'r, f64>,
    ///     ) -> ProcessorResult {
    ///         if std::mem::replace(&mut self.0, *reading.value()) == *reading.value() {
    ///             return Ok(());
    ///         }
    ///         context.forward(reading)
    ///     }
    /// }
    ///
    /// let readings = builder.stream::<String, f64>("readings");
    /// readings.process_values(|| Changes(f64::NAN), "changes").to("changed-readings");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, f64>("readings")?;
    /// # let output = driver.output_topic::<String, f64>("changed-readings")?;
    /// for celsius in [21.5, 21.5, 19.0] {
    ///     input.pipe("roof", celsius)?;
    /// }
    /// assert_eq!(output.len(), 2);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn process_values<P, W>(
        &self,
        make: impl Fn() -> P + Send + Sync + 'static,
        processed: impl Into<Processed>,
    ) -> KStream<K, W>
    where
        P: FixedKeyProcessor<K, V, W>,
        W: Data,
    {
        let step = Step::ProcessValues(self.fixed_key_processor(make, processed.into()));
        KStream::of(self.handle.steps(vec![step], Kind::Stream, Vec::new()))
    }

    /// Registers a processor; returns what the topology language says of it.
    fn processor<P, L, W>(
        &self,
        make: impl Fn() -> P + Send + Sync + 'static,
        processed: Processed,
    ) -> Process
    where
        P: Processor<K, V, L, W>,
        L: Data,
        W: Data,
    {
        let make = move || Typed {
            processor: make(),
            types: PhantomData,
        };
        let graph = &self.handle.graph;
        graph.processors(&processed.processor, |all, name| all.with(name, make));
        Process {
            serdes: serdes::<L, W>(),
            ..processed.declared(graph)
        }
    }

    /// As [`KStream::processor`], of a fixed-key one.
    fn fixed_key_processor<P, W>(
        &self,
        make: impl Fn() -> P + Send + Sync + 'static,
        processed: Processed,
    ) -> Process
    where
        P: FixedKeyProcessor<K, V, W>,
        W: Data,
    {
        let make = fixed_key::typed(make);
        let graph = &self.handle.graph;
        graph.processors(&processed.processor, |all, name| {
            all.with_fixed_key(name, make)
        });
        let mut process = processed.declared(graph);
        process.serdes.value = serdes::<K, W>().value;
        process
    }
}
