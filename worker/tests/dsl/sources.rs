//! Patterns of topics, caches, policies of a source: what Rust says is what the plan has.

use std::time::Duration;

use millrace_crds::stream_app::ErrorPolicy;
use millrace_kafka::HeadersBuf;
use millrace_worker::data::Json;
use millrace_worker::dsl::{
    Consumed, ConsumedRecord, Grouped, InvalidTimestamp, KStream, Materialized, StreamsBuilder,
};
use millrace_worker::testing::{StepDriver, StepOptions, TestRecord, TopologyTestDriver};
use serde::{Deserialize, Serialize};

use crate::support::Driven;

#[test]
fn a_stream_by_pattern_reads_what_matches_and_its_count_is_cached() {
    let builder = StreamsBuilder::new();
    let consumed = Consumed::new()
        .with_processing_errors(ErrorPolicy::Retry)
        .with_production_errors(ErrorPolicy::Stop);
    let orders: KStream<String, i64> = builder.stream_pattern("orders-.*", consumed);
    orders
        .group_by_key(Grouped::new())
        .count(Materialized::named("counts").with_caching_enabled())
        .to_stream()
        .to("counted");
    let topology = builder.build();
    let app = topology.stream_app("app");
    let streams = &app.spec.topology.streams;
    let source = streams.values().find(|stream| stream.from.is_none());
    let source = source.unwrap();
    assert_eq!(source.topic_pattern.as_deref(), Some("orders-.*"));
    assert_eq!(source.processing_errors, Some(ErrorPolicy::Retry));
    assert_eq!(source.production_errors, Some(ErrorPolicy::Stop));
    let plan = topology
        .plan_of(&app)
        .unwrap_or_else(|problems| panic!("{}", problems[0]));
    assert!(plan.stores[0].caching);
    let resolved = plan.resolve(["orders-a", "other", "orders-b"]);
    let read: Vec<&str> = resolved
        .source_topics()
        .into_iter()
        .map(|(t, _)| t)
        .collect();
    assert_eq!(read, ["orders-a", "orders-b"]);
}

#[derive(Serialize, Deserialize)]
struct Click {
    at: i64,
}

const CLICKS: &str = r#"apiVersion: millrace.dev/v1alpha1
kind: StreamApp
metadata: {name: app}
spec:
  kafka: {bootstrapServers: "none:9092"}
  topology:
    streams:
      clicks:
        topic: clicks
        key: string
        value: json
        timestamp: value.at
        invalidTimestamp: usePartitionTime
      out: {from: clicks, to: {topic: out}}
"#;

#[test]
fn a_closure_says_the_time_of_a_record_as_an_expression_does() {
    let builder = StreamsBuilder::new();
    let consumed = Consumed::<String, Json<Click>>::new()
        .with_timestamp_extractor(|click| click.value.at)
        .with_invalid_timestamp(InvalidTimestamp::UsePartitionTime);
    builder.stream_with(["clicks"], consumed.clone()).to("out");
    let (mut rust, mut yaml) = (Driven::of(&builder), Driven::yaml(CLICKS));
    for (value, expected) in [
        (r#"{"at":700}"#, Some("out k:{\"at\":700}@700")),
        (r#"{"at":-1}"#, Some("out k:{\"at\":-1}@700")),
        (r#"{"at":300}"#, Some("out k:{\"at\":300}@300")),
    ] {
        let out = rust.feed("clicks", "k", value, 5);
        assert_eq!(out, yaml.feed("clicks", "k", value, 5));
        assert_eq!(out.first().map(String::as_str), expected);
    }
    assert_eq!(format!("{consumed:?}"), "Consumed by the time Extracted");
}

/// Ten times what it was, a thousand more for each letter of the topic, the value's more.
fn unlike(record: &ConsumedRecord<'_, String, i64>) -> i64 {
    let letters = i64::try_from(record.topic.len()).unwrap();
    assert_eq!(record.header("none"), None);
    assert_eq!(record.key, "k");
    10 * record.timestamp + 1_000 * letters + record.value
}

#[test]
fn an_extractor_sees_the_whole_record_and_a_deletion_keeps_its_time() {
    let builder = StreamsBuilder::new();
    let consumed = Consumed::new().with_timestamp_extractor(unlike);
    builder
        .table_with("numbers", consumed, "numbers")
        .to_stream()
        .to("out");
    let mut driven = Driven::of(&builder);
    assert_eq!(driven.long("numbers", "k", 3, 5), ["out k:3@7053"]);
    assert_eq!(driven.delete("numbers", "k", 6), ["out k:null@6"]);
}

#[test]
fn where_the_types_have_room_for_null_the_extractor_is_asked_too() {
    let builder = StreamsBuilder::new();
    let consumed = Consumed::<Option<String>, Option<i64>>::new()
        .with_timestamp_extractor(|record| record.value.unwrap_or(77));
    builder.stream_with(["numbers"], consumed).to("out");
    let mut driven = Driven::of(&builder);
    assert_eq!(driven.long("numbers", "k", 3, 5), ["out k:3@3"]);
    assert_eq!(driven.delete("numbers", "k", 6), ["out k:null@77"]);
}

#[test]
fn an_extractor_reads_headers_of_text_and_of_bytes() {
    let builder = StreamsBuilder::new();
    let consumed = Consumed::<String, i64>::new().with_timestamp_extractor(|record| {
        match (record.header("at"), record.header("raw")) {
            (Some(at), _) => std::str::from_utf8(at).unwrap().parse().unwrap(),
            (None, Some(raw)) => i64::from(raw[0]),
            (None, None) => record.timestamp,
        }
    });
    builder.stream_with(["numbers"], consumed).to("out");
    let driver = TopologyTestDriver::new("app", &builder.build()).unwrap();
    let mut numbers = driver.input_topic::<String, i64>("numbers").unwrap();
    for (name, bytes) in [("at", &b"70"[..]), ("raw", &[0xff]), ("other", &[1])] {
        let mut headers = HeadersBuf::new();
        headers.push(name, Some(bytes));
        let record = TestRecord {
            key: "k".to_owned(),
            value: 1,
            timestamp: 5,
            headers,
        };
        numbers.pipe_record(&record).unwrap();
    }
    let out = driver.output_topic::<String, i64>("out").unwrap();
    let records = out.read_records().unwrap();
    let times: Vec<i64> = records.iter().map(|record| record.timestamp).collect();
    assert_eq!(times, [70, 255, 5]);
}

#[test]
fn by_the_wall_clock_a_record_has_the_time_of_its_processing() {
    let builder = StreamsBuilder::new();
    let consumed = Consumed::new().with_wall_clock();
    assert_eq!(format!("{consumed:?}"), "Consumed by the time WallClock");
    builder
        .stream_with::<String, i64>(["numbers"], consumed)
        .to("out");
    let topology = builder.build();
    let numbers = &topology.data().streams["numbers"];
    assert_eq!(numbers.timestamp.as_deref(), Some("wallClock"));
    let driver = TopologyTestDriver::new("app", &topology).unwrap();
    let mut numbers = driver.input_topic::<String, i64>("numbers").unwrap();
    let out = driver.output_topic::<String, i64>("out").unwrap();
    for expected in [30_000, 60_000] {
        driver.advance(Duration::from_secs(30)).unwrap();
        numbers.pipe_at("k", 1, 7).unwrap();
        assert_eq!(out.read_record().unwrap().timestamp, expected);
    }
}

/// What becomes of a record whose value is no long, under this policy of its source: failed, in the
/// dead-letter topic, dropped.
fn unreadable(policy: ErrorPolicy) -> (bool, usize, u64) {
    let builder = StreamsBuilder::new();
    let consumed = Consumed::new().with_deserialization_errors(policy);
    builder
        .stream_with::<String, i64>(["numbers"], consumed)
        .to("out");
    let app = builder.build().stream_app("app");
    let plan = builder.build().plan_of(&app).unwrap();
    let mut driver = StepDriver::of_plan(&app, &plan, StepOptions::default()).unwrap();
    let written = driver.pipe("numbers", Some(b"k"), Some(b"text"), 0, &HeadersBuf::new());
    let failed = written.is_err();
    let written = written.unwrap_or_default();
    assert!(written.iter().all(|r| &*r.topic == "app-dead-letter"));
    (failed, written.len(), driver.dropped())
}

#[test]
fn a_source_says_what_becomes_of_what_it_cannot_read() {
    assert_eq!(unreadable(ErrorPolicy::Stop), (true, 0, 0));
    assert_eq!(unreadable(ErrorPolicy::DeadLetter).1, 1);
    assert!(!unreadable(ErrorPolicy::DeadLetter).0);
}

#[test]
fn a_global_table_has_a_store_as_it_is_told() {
    let builder = StreamsBuilder::new();
    let store = Materialized::named("rates-by-currency").in_memory();
    let rates = builder.global_table_with::<String, i64>("rates", store);
    let on_disk = builder.global_table_with::<String, String>("names", "names-by-currency");
    let payments = builder.stream::<String, i64>("payments");
    payments
        .join_global_table(&rates, |key, _| key.clone(), |amount, rate| amount * rate)
        .join_global_table(
            &on_disk,
            |key, _| key.clone(),
            |n, name| format!("{n} {name}"),
        )
        .to("out");
    let plan = builder.build().plan("app").unwrap();
    let stores = plan.global_tables.iter();
    let mut stores: Vec<_> = stores.map(|t| (t.store.as_str(), t.in_memory)).collect();
    stores.sort_unstable();
    assert_eq!(
        stores,
        [("names-by-currency", false), ("rates-by-currency", true)]
    );
    let mut driven = Driven::of(&builder);
    driven.long("rates", "USD", 2, 0);
    driven.feed("names", "USD", "dollars", 0);
    assert_eq!(
        driven.long("payments", "USD", 4, 1),
        ["out USD:8 dollars@1"]
    );
}

#[test]
fn a_global_tables_store_takes_no_options_that_mean_nothing() {
    let named = || Materialized::named("rates");
    for store in [
        named().with_caching_enabled(),
        named().with_logging_disabled(),
        named().with_supplier("tree"),
    ] {
        let builder = StreamsBuilder::new();
        builder.global_table_with::<String, i64>("rates", store);
        let problems = builder.build().plan("app").unwrap_err();
        let expected = "the global table `rates` has no changelog, cache or supplier of its own";
        assert_eq!(problems[0].message, expected);
    }
}
