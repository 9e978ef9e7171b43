// What the examples of processors do not show: a StreamApp around a closure, and one order of 250 of the
// customer ann, at one minute past midnight, with the header `source: web`. Included by them.

use millrace_worker::api::{
    FixedKeyProcessor, FixedKeyProcessorContext, FixedKeyRecord, HeadersBuf, Processor,
    ProcessorContext, ProcessorResult, Processors, Record,
};
use millrace_worker::testing::{StepDriver, StepOptions};

/// A processor that forwards all records as they are.
pub struct Forward;

impl Processor for Forward {
    fn process<'r>(
        &mut self,
        record: Record<'r>,
        context: &mut ProcessorContext<'_, 'r>,
    ) -> ProcessorResult {
        context.forward(record)
    }
}

impl FixedKeyProcessor for Forward {
    fn process<'r>(
        &mut self,
        record: FixedKeyRecord<'r>,
        context: &mut FixedKeyProcessorContext<'_, 'r>,
    ) -> ProcessorResult {
        context.forward(record)
    }
}

struct Closure<F>(F);

impl<F> Processor for Closure<F>
where
    F: for<'r> Fn(Record<'r>, &mut ProcessorContext<'_, 'r>) -> ProcessorResult + Send,
{
    fn process<'r>(
        &mut self,
        record: Record<'r>,
        context: &mut ProcessorContext<'_, 'r>,
    ) -> ProcessorResult {
        (self.0)(record, context)
    }
}

impl<F> FixedKeyProcessor for Closure<F>
where
    F: for<'r> Fn(FixedKeyRecord<'r>, &mut FixedKeyProcessorContext<'_, 'r>) -> ProcessorResult
        + Send,
{
    fn process<'r>(
        &mut self,
        record: FixedKeyRecord<'r>,
        context: &mut FixedKeyProcessorContext<'_, 'r>,
    ) -> ProcessorResult {
        (self.0)(record, context)
    }
}

/// The closure as a processor: what it forwards, as `topic key=value@time`.
pub fn process<F>(act: F) -> Vec<String>
where
    F: for<'r> Fn(Record<'r>, &mut ProcessorContext<'_, 'r>) -> ProcessorResult
        + Clone
        + Send
        + Sync
        + 'static,
{
    let own = Processors::new().with("own", move || Closure(act.clone()));
    forwarded("process", &own)
}

/// The closure as a fixed-key processor: what it forwards, as `topic key=value@time`.
pub fn process_values<F>(act: F) -> Vec<String>
where
    F: for<'r> Fn(FixedKeyRecord<'r>, &mut FixedKeyProcessorContext<'_, 'r>) -> ProcessorResult
        + Clone
        + Send
        + Sync
        + 'static,
{
    let own = Processors::new().with_fixed_key("own", move || Closure(act.clone()));
    forwarded("processValues", &own)
}

/// A StreamApp `shop` whose orders go through this step to the outputs `large` and `small`, topics of the
/// same names.
pub fn stream_app(step: &str) -> String {
    format!(
        r#"
apiVersion: millrace.dev/v1alpha1
kind: StreamApp
metadata: {{name: shop}}
spec:
  kafka: {{bootstrapServers: "none:9092"}}
  defaults: {{key: string, value: json}}
  topology:
    streams:
      orders: {{topic: orders, value: long}}
      processed:
        from: orders
        steps:
        - {step}:
            processor: own
            serdes: {{value: json}}
            outputs: [large, small]
            stores:
              totals: {{key: string, value: long}}
              per-hour: {{key: string, value: long, window: {{size: 1h, retention: 24h}}}}
      to-large: {{from: large, to: {{topic: large, value: json}}}}
      to-small: {{from: small, to: {{topic: small, value: json}}}}
"#
    )
}

fn forwarded(step: &str, processors: &Processors) -> Vec<String> {
    let app = stream_app(step);
    let mut driver = StepDriver::with_processors(&app, StepOptions::default(), processors).unwrap();
    let mut headers = HeadersBuf::new();
    headers.push("source", Some(b"web"));
    let order = 250_i64.to_be_bytes();
    let written = driver
        .pipe("orders", Some(b"ann"), Some(&order), 60_000, &headers)
        .unwrap();
    let text =
        |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or(b"null")).into_owned();
    let shown = written.iter().map(|record| {
        assert_ne!(&*record.topic, "shop-dead-letter", "{record:?}");
        let (key, value) = (text(record.key.as_deref()), text(record.value.as_deref()));
        let headers = record.headers.as_headers();
        let headers = headers
            .iter()
            .map(|(name, value)| format!(" {name}:{}", text(value)));
        let headers: String = headers.collect();
        format!(
            "{} {key}={value}@{}{headers}",
            record.topic, record.timestamp
        )
    });
    shown.collect()
}
