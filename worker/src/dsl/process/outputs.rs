//! Processors that choose where each record goes: `forward(record, childName)`.

use millrace_crds::topology::{Process, Step};

use super::{FixedKeyProcessor, Processed, Processor};
use crate::data::Data;
use crate::dsl::key::Key;
use crate::dsl::stream::KStream;

impl<K: Key, V: Data> KStream<K, V> {
    /// As [`KStream::process`], into several streams: the processor says by name which of these outputs a
    /// record goes to ([`ProcessorContext::forward_to`](super::ProcessorContext::forward_to)), or forwards
    /// it to all. The names are those of the streams, as of [`split`](KStream::split)'s branches.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Processor, ProcessorContext, Record, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # use millrace_worker::api::ProcessorResult;
    /// /// Sends orders on by their customers, and odd ones aside.
    /// struct ByCustomer;
    ///
    /// impl Processor<i64, String, String, i64> for ByCustomer {
    ///     fn process<'r>(
    ///         &mut self,
    ///         order: Record<'r, i64, String>,
    ///         context: &mut ProcessorContext<'_, 'r, String, i64>,
    ///     ) -> ProcessorResult {
    ///         let output = if order.value.is_empty() { "odd" } else { "good" };
    ///         context.forward_to(output, Record::new(order.value, order.key, order.timestamp))
    ///     }
    /// }
    ///
    /// let orders = builder.stream::<i64, String>("orders");
    /// let [good, odd] = orders.process_into(|| ByCustomer, "by-customer", ["good", "odd"]);
    /// good.to("orders-by-customer");
    /// odd.to("odd-orders");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<i64, String>("orders")?;
    /// input.pipe(1, "ann")?;
    /// input.pipe(2, "")?;
    /// let good = driver.output_topic::<String, i64>("orders-by-customer")?;
    /// assert_eq!(good.read_all()?, [("ann".to_owned(), 1)]);
    /// assert_eq!(driver.output_topic::<String, i64>("odd-orders")?.len(), 1);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn process_into<P, L, W, const N: usize>(
        &self,
        make: impl Fn() -> P + Send + Sync + 'static,
        processed: impl Into<Processed>,
        outputs: [&str; N],
    ) -> [KStream<L, W>; N]
    where
        P: Processor<K, V, L, W>,
        L: Data,
        W: Data,
    {
        let process = self.processor(make, processed.into());
        self.end_in(Step::Process, process, outputs)
    }

    /// As [`KStream::process_values`], into several streams, in the way of [`KStream::process_into`].
    ///
    /// ```
    /// # use millrace_worker::dsl::{
    /// #     FixedKeyProcessor, FixedKeyProcessorContext, FixedKeyRecord, StreamsBuilder,
    /// # };
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # use millrace_worker::api::ProcessorResult;
    /// /// Sends every tenth record of a task to a sample too.
    /// #[derive(Default)]
    /// struct Sample(i64);
    ///
    /// impl FixedKeyProcessor<String, f64, f64> for Sample {
    ///     fn process<'r>(
    ///         &mut self,
    ///         reading: FixedKeyRecord<'r, String, f64>,
    ///         context: &mut FixedKeyProcessorContext<'_, 'r, f64>,
    ///     ) -> ProcessorResult {
    ///         self.0 += 1;
    ///         match self.0 % 10 {
    ///             0 => context.forward(reading),
    ///             _ => context.forward_to("all", reading),
    ///         }
    ///     }
    /// }
    ///
    /// let readings = builder.stream::<String, f64>("readings");
    /// let [all, sample] = readings.process_values_into(Sample::default, "sample", ["all", "tenth"]);
    /// all.to("all-readings");
    /// sample.to("some-readings");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, f64>("readings")?;
    /// for _ in 0..20 {
    ///     input.pipe("roof", 21.5)?;
    /// }
    /// assert_eq!(driver.output_topic::<String, f64>("all-readings")?.len(), 20);
    /// assert_eq!(driver.output_topic::<String, f64>("some-readings")?.len(), 2);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn process_values_into<P, W, const N: usize>(
        &self,
        make: impl Fn() -> P + Send + Sync + 'static,
        processed: impl Into<Processed>,
        outputs: [&str; N],
    ) -> [KStream<K, W>; N]
    where
        P: FixedKeyProcessor<K, V, W>,
        W: Data,
    {
        let process = self.fixed_key_processor(make, processed.into());
        self.end_in(Step::ProcessValues, process, outputs)
    }

    /// Ends the stream in a processor whose outputs are streams.
    fn end_in<L, W, const N: usize>(
        &self,
        step: fn(Process) -> Step,
        process: Process,
        outputs: [&str; N],
    ) -> [KStream<L, W>; N] {
        self.handle.step(step(Process {
            outputs: outputs.map(str::to_owned).to_vec(),
            ..process
        }));
        outputs.map(|name| KStream::of(self.handle.output(name)))
    }
}
