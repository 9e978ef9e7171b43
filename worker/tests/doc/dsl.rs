// What the examples of typed processors do not show: a topology around a closure, and one order of 250 of
// the customer ann, at one minute past midnight, with the header `source: web`. Included by them.

use std::time::Duration;

use millrace_worker::api::{HeadersBuf, ProcessorResult};
use millrace_worker::dsl::{
    FixedKeyProcessor, FixedKeyProcessorContext, FixedKeyRecord, Processed, Processor,
    ProcessorContext, Record, StoreBuilder, StreamsBuilder,
};
use millrace_worker::testing::{TestRecord, TopologyTestDriver};

const HOUR: Duration = Duration::from_secs(3600);

/// A processor that forwards all records as they are.
pub struct Forward;

impl Processor<String, i64, String, i64> for Forward {
    fn process<'r>(
        &mut self,
        record: Record<'r, String, i64>,
        context: &mut ProcessorContext<'_, 'r, String, i64>,
    ) -> ProcessorResult {
        context.forward(record)
    }
}

struct Closure<F>(F);

impl<F> Processor<String, i64, String, i64> for Closure<F>
where
    F: for<'r> Fn(
            Record<'r, String, i64>,
            &mut ProcessorContext<'_, 'r, String, i64>,
        ) -> ProcessorResult
        + Send
        + 'static,
{
    fn process<'r>(
        &mut self,
        record: Record<'r, String, i64>,
        context: &mut ProcessorContext<'_, 'r, String, i64>,
    ) -> ProcessorResult {
        (self.0)(record, context)
    }
}

impl<F> FixedKeyProcessor<String, i64, i64> for Closure<F>
where
    F: for<'r> Fn(
            FixedKeyRecord<'r, String, i64>,
            &mut FixedKeyProcessorContext<'_, 'r, i64>,
        ) -> ProcessorResult
        + Send
        + 'static,
{
    fn process<'r>(
        &mut self,
        record: FixedKeyRecord<'r, String, i64>,
        context: &mut FixedKeyProcessorContext<'_, 'r, i64>,
    ) -> ProcessorResult {
        (self.0)(record, context)
    }
}

fn stores() -> Processed {
    Processed::named("own")
        .with_store(StoreBuilder::key_value::<String, i64>("totals"))
        .with_store(StoreBuilder::window::<String, i64>(
            "per-hour",
            HOUR,
            24 * HOUR,
        ))
}

/// The closure as a processor: what it forwards.
pub fn process<F>(act: F) -> Vec<TestRecord<String, i64>>
where
    F: for<'r> Fn(
            Record<'r, String, i64>,
            &mut ProcessorContext<'_, 'r, String, i64>,
        ) -> ProcessorResult
        + Clone
        + Send
        + Sync
        + 'static,
{
    let builder = StreamsBuilder::new();
    let orders = builder.stream::<String, i64>("orders");
    orders
        .process(move || Closure(act.clone()), stores())
        .to("processed");
    forwarded(&builder)
}

/// The closure as a fixed-key processor: what it forwards.
pub fn process_values<F>(act: F) -> Vec<TestRecord<String, i64>>
where
    F: for<'r> Fn(
            FixedKeyRecord<'r, String, i64>,
            &mut FixedKeyProcessorContext<'_, 'r, i64>,
        ) -> ProcessorResult
        + Clone
        + Send
        + Sync
        + 'static,
{
    let builder = StreamsBuilder::new();
    let orders = builder.stream::<String, i64>("orders");
    orders
        .process_values(move || Closure(act.clone()), stores())
        .to("processed");
    forwarded(&builder)
}

/// The closure as a processor with the outputs `large` and `small`: what it forwards to each.
pub fn process_into<F>(act: F) -> [Vec<TestRecord<String, i64>>; 2]
where
    F: for<'r> Fn(
            Record<'r, String, i64>,
            &mut ProcessorContext<'_, 'r, String, i64>,
        ) -> ProcessorResult
        + Clone
        + Send
        + Sync
        + 'static,
{
    let builder = StreamsBuilder::new();
    let orders = builder.stream::<String, i64>("orders");
    let make = move || Closure(act.clone());
    let [large, small] = orders.process_into(make, stores(), ["large", "small"]);
    large.to("large-orders");
    small.to("small-orders");
    let driver = driven(&builder);
    ["large-orders", "small-orders"].map(|topic| written(&driver, topic))
}

/// The closure as a fixed-key processor with these outputs.
pub fn process_values_into<F>(act: F) -> [Vec<TestRecord<String, i64>>; 2]
where
    F: for<'r> Fn(
            FixedKeyRecord<'r, String, i64>,
            &mut FixedKeyProcessorContext<'_, 'r, i64>,
        ) -> ProcessorResult
        + Clone
        + Send
        + Sync
        + 'static,
{
    let builder = StreamsBuilder::new();
    let orders = builder.stream::<String, i64>("orders");
    let make = move || Closure(act.clone());
    let [large, small] = orders.process_values_into(make, stores(), ["large", "small"]);
    large.to("large-orders");
    small.to("small-orders");
    let driver = driven(&builder);
    ["large-orders", "small-orders"].map(|topic| written(&driver, topic))
}

fn forwarded(builder: &StreamsBuilder) -> Vec<TestRecord<String, i64>> {
    written(&driven(builder), "processed")
}

fn driven(builder: &StreamsBuilder) -> TopologyTestDriver {
    let driver = TopologyTestDriver::new("shop", &builder.build()).unwrap();
    let mut headers = HeadersBuf::new();
    headers.push("source", Some(b"web"));
    let order = TestRecord {
        key: "ann".to_owned(),
        value: 250,
        timestamp: 60_000,
        headers,
    };
    let mut orders = driver.input_topic::<String, i64>("orders").unwrap();
    orders.pipe_record(&order).unwrap();
    let failed = driver
        .output_topic::<Vec<u8>, Vec<u8>>("shop-dead-letter")
        .unwrap();
    assert!(failed.is_empty(), "{:?}", failed.read_record());
    driver
}

fn written(driver: &TopologyTestDriver, topic: &str) -> Vec<TestRecord<String, i64>> {
    let written = driver.output_topic::<String, i64>(topic).unwrap();
    written.read_records().unwrap()
}
