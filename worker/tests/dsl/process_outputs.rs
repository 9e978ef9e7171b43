//! Processors that choose where their records go.

use std::time::Duration;

use millrace_worker::api::{ProcessorResult, Punctuation};
use millrace_worker::dsl::{
    FixedKeyProcessor, FixedKeyProcessorContext, FixedKeyRecord, Grouped, Processed, Processor,
    ProcessorContext, Record, StoreBuilder, StreamsBuilder,
};
use millrace_worker::testing::TopologyTestDriver;

const MINUTE: Duration = Duration::from_secs(60);

/// Sends numbers to `odd` or `even` by their names, zero to both, and says each minute how many there
/// were to `even`.
struct Parity;

impl Processor<String, i64, i64, String> for Parity {
    fn init(&mut self, context: &mut ProcessorContext<'_, '_, i64, String>) -> ProcessorResult {
        context.schedule_wall_clock(MINUTE)?;
        Ok(())
    }

    fn process<'r>(
        &mut self,
        record: Record<'r, String, i64>,
        context: &mut ProcessorContext<'_, 'r, i64, String>,
    ) -> ProcessorResult {
        let mut all = context.key_value_store::<i64, String>("all")?;
        all.put(&record.value, &record.key, record.timestamp)?;
        let named = Record::new(record.value, record.key, record.timestamp);
        match record.value {
            0 => context.forward(named),
            n if n > 99 => context.forward_to("large", named),
            n => context.forward_to(if n % 2 == 0 { "even" } else { "odd" }, named),
        }
    }

    fn punctuate(
        &mut self,
        punctuation: Punctuation,
        context: &mut ProcessorContext<'_, '_, i64, String>,
    ) -> ProcessorResult {
        let mut count = 0;
        let mut all = context.key_value_store::<i64, String>("all")?;
        all.scan(None, None, |_, _| {
            count += 1;
            true
        })?;
        let said = Record::new(count, "numbers".to_owned(), punctuation.time);
        context.forward_to("even", said)
    }
}

#[test]
fn a_processor_chooses_by_name_where_a_record_goes() {
    let builder = StreamsBuilder::new();
    let store = StoreBuilder::key_value::<i64, String>("all");
    let parity = Processed::named("parity").with_store(store);
    let numbers = builder.stream::<String, i64>("numbers");
    let [odd, even] = numbers.process_into(|| Parity, parity, ["odd", "even"]);
    odd.to("odd-numbers");
    // Its keys are new: what is grouped by them goes through a topic.
    even.group_by_key(Grouped::new()).count("evens");
    even.map_values(|name| format!("even {name}"))
        .to("even-numbers");
    let topology = builder.build();
    let text = topology.describe("app").unwrap();
    assert!(text.contains("app-evens-repartition"), "{text}");
    let driver = TopologyTestDriver::new("app", &topology).unwrap();
    let mut numbers = driver.input_topic::<String, i64>("numbers").unwrap();
    for (name, n) in [("one", 1), ("two", 2), ("zero", 0)] {
        numbers.pipe(name, n).unwrap();
    }
    driver.advance(MINUTE).unwrap();
    let read = |topic: &str| {
        let topic = driver.output_topic::<i64, String>(topic).unwrap();
        let records = topic.read_all().unwrap().into_iter();
        let lines = records.map(|(n, name)| format!("{n} {name}"));
        lines.collect::<Vec<_>>()
    };
    assert_eq!(read("odd-numbers"), ["1 one", "0 zero"]);
    let expected = ["2 even two", "0 even zero", "3 even numbers"];
    assert_eq!(read("even-numbers"), expected);
    let evens = driver.store::<i64, i64>("evens").unwrap();
    assert_eq!(evens.all().unwrap(), [(0, 1), (2, 1), (3, 1)]);
}

#[test]
fn an_output_that_is_not_there_is_an_error_of_the_record() {
    let builder = StreamsBuilder::new();
    let store = StoreBuilder::key_value::<i64, String>("all");
    let parity = Processed::named("parity").with_store(store);
    let numbers = builder.stream::<String, i64>("numbers");
    let [odd, _even] = numbers.process_into(|| Parity, parity, ["odd", "even"]);
    odd.to("odd-numbers");
    let driver = TopologyTestDriver::new("app", &builder.build()).unwrap();
    let mut numbers = driver.input_topic::<String, i64>("numbers").unwrap();
    numbers.pipe("many", 100).unwrap();
    let failed = driver
        .output_topic::<Vec<u8>, Vec<u8>>("app-dead-letter")
        .unwrap();
    let record = failed.read_record().unwrap();
    let said: Vec<String> = record
        .headers
        .as_headers()
        .iter()
        .map(|(_, value)| String::from_utf8_lossy(value.unwrap_or_default()).into_owned())
        .collect();
    let said = said.join("\n");
    let expected = "there is no child large to forward to; there are: odd, even";
    assert!(said.contains(expected), "{said}");
}

/// Sends amounts to `refunds` or `orders`, whose keys they keep.
struct Sort;

impl FixedKeyProcessor<String, i64, i64> for Sort {
    fn process<'r>(
        &mut self,
        record: FixedKeyRecord<'r, String, i64>,
        context: &mut FixedKeyProcessorContext<'_, 'r, i64>,
    ) -> ProcessorResult {
        let amount = *record.value();
        let output = if amount < 0 { "refunds" } else { "orders" };
        context.forward_to(output, record.with_value(amount.abs()))
    }
}

#[test]
fn a_fixed_key_processor_chooses_too_and_nothing_is_repartitioned() {
    let builder = StreamsBuilder::new();
    let amounts = builder.stream::<String, i64>("amounts");
    let [orders, refunds] = amounts.process_values_into(|| Sort, "sort", ["orders", "refunds"]);
    for (stream, store) in [(&orders, "ordered"), (&refunds, "refunded")] {
        let groups = stream.group_by_key(Grouped::new());
        groups.reduce(|sum, more| sum + more, store);
    }
    let topology = builder.build();
    assert!(!topology.describe("app").unwrap().contains("repartition"));
    let driver = TopologyTestDriver::new("app", &topology).unwrap();
    let mut amounts = driver.input_topic::<String, i64>("amounts").unwrap();
    for amount in [5, -2, 7, -1] {
        amounts.pipe("ann", amount).unwrap();
    }
    let sum = |store: &str| driver.store::<String, i64>(store).unwrap().all().unwrap();
    assert_eq!(sum("ordered"), [("ann".to_owned(), 12)]);
    assert_eq!(sum("refunded"), [("ann".to_owned(), 3)]);
}

#[test]
fn outputs_share_their_names_with_all_other_streams() {
    let builder = StreamsBuilder::new();
    let amounts = builder.stream::<String, i64>("amounts");
    let [one, other] = amounts.process_values_into(|| Sort, "sort", ["same", "same"]);
    one.to("one");
    other.to("other");
    let problems = builder.build().plan("app").unwrap_err();
    assert_eq!(problems[0].message, "the name `same` was given twice");
}

/// Forwards a record each minute, whatever came in.
struct Clock;

impl Processor<String, i64, String, i64> for Clock {
    fn init(&mut self, context: &mut ProcessorContext<'_, '_, String, i64>) -> ProcessorResult {
        context.schedule_wall_clock(MINUTE)?;
        Ok(())
    }

    fn process<'r>(
        &mut self,
        record: Record<'r, String, i64>,
        context: &mut ProcessorContext<'_, 'r, String, i64>,
    ) -> ProcessorResult {
        context.forward(record)
    }

    fn punctuate(
        &mut self,
        punctuation: Punctuation,
        context: &mut ProcessorContext<'_, '_, String, i64>,
    ) -> ProcessorResult {
        context.forward(Record::new("tick".to_owned(), 1, punctuation.time))
    }
}

#[test]
fn what_a_punctuation_forwards_stems_from_no_record() {
    let builder = StreamsBuilder::new();
    let ticked = builder
        .stream::<String, i64>("numbers")
        .process(|| Clock, "clock");
    ticked.to_dynamic_with_context(|_, _, context| match (context.topic, context.offset) {
        (None, None) => format!("ticks-{}", context.partition),
        (topic, offset) => format!("{}-{}", topic.unwrap_or("none"), offset.unwrap_or(-1)),
    });
    let driver = TopologyTestDriver::new("app", &builder.build()).unwrap();
    let mut numbers = driver.input_topic::<String, i64>("numbers").unwrap();
    numbers.pipe("ann", 5).unwrap();
    driver.advance(MINUTE).unwrap();
    for (topic, expected) in [("numbers-0", ("ann", 5)), ("ticks-0", ("tick", 1))] {
        let (key, value) = driver
            .output_topic::<String, i64>(topic)
            .unwrap()
            .read()
            .unwrap();
        assert_eq!((key.as_str(), value), expected);
    }
}
