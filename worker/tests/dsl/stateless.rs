//! Operators that keep no state.

use std::sync::Mutex;
use std::sync::mpsc;

use millrace_crds::topology::Step;
use millrace_kafka::HeadersBuf;
use millrace_worker::data::{Exact, Json};
use millrace_worker::dsl::{Consumed, OffsetReset, Repartitioned, StreamsBuilder};
use millrace_worker::testing::{TestRecord, TopologyTestDriver};
use serde::{Deserialize, Serialize};

use crate::support::Driven;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Payment {
    country: String,
    amount: Exact,
}

#[test]
fn filters_keep_and_drop() {
    let builder = StreamsBuilder::new();
    let numbers = builder.stream::<String, i64>("numbers");
    numbers.filter(|_, n| *n > 1).to("large");
    numbers.filter_not(|key, _| key == "a").to("not-a");
    let mut driven = Driven::of(&builder);
    assert_eq!(driven.long("numbers", "a", 1, 0), [""; 0]);
    assert_eq!(driven.long("numbers", "a", 2, 1), ["large a:2@1"]);
    assert_eq!(
        driven.long("numbers", "b", 3, 2),
        ["large b:3@2", "not-a b:3@2"]
    );
}

#[test]
fn keys_and_values_are_mapped() {
    let builder = StreamsBuilder::new();
    let numbers = builder.stream::<String, i64>("numbers");
    numbers.map_values(|n| n + 1).to("next");
    numbers
        .map_values_with_key(|key, n| format!("{key}{n}"))
        .to("with-key");
    numbers.map(|key, n| (*n, key.clone())).to("swapped");
    numbers.select_key(|_, n| n * 10).to("tenfold");
    let mut driven = Driven::of(&builder);
    assert_eq!(
        driven.long("numbers", "a", 1, 5),
        [
            "next a:2@5",
            "with-key a:a1@5",
            "swapped 1:a@5",
            "tenfold 10:1@5"
        ]
    );
}

#[test]
fn one_record_becomes_several() {
    let builder = StreamsBuilder::new();
    let lines = builder.stream::<String, String>("lines");
    lines
        .flat_map_values(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>())
        .to("words");
    lines
        .flat_map(|key, line| {
            let key = key.clone();
            line.char_indices()
                .map(move |(at, letter)| (format!("{key}{at}"), letter.to_string()))
                .collect::<Vec<_>>()
        })
        .to("letters");
    let mut driven = Driven::of(&builder);
    assert_eq!(
        driven.feed("lines", "k", "a b", 5),
        [
            "words k:a@5",
            "words k:b@5",
            "letters k0:a@5",
            "letters k1: @5",
            "letters k2:b@5"
        ]
    );
}

#[test]
fn several_records_are_made_with_a_look_at_the_key() {
    let builder = StreamsBuilder::new();
    builder
        .stream::<String, i64>("numbers")
        .flat_map_values_with_key(|key, n| {
            let key = key.clone();
            (0..*n).map(move |i| format!("{key}{i}"))
        })
        .to("out");
    let mut driven = Driven::of(&builder);
    assert_eq!(
        driven.long("numbers", "k", 2, 5),
        ["out k:k0@5", "out k:k1@5"]
    );
    assert_eq!(driven.long("numbers", "k", 0, 6), [""; 0]);
}

#[test]
fn printing_ends_the_stream() {
    let builder = StreamsBuilder::new();
    let numbers = builder.stream::<String, i64>("numbers");
    numbers.filter(|_, n| *n > 0).print("positive");
    numbers.to("out");
    let topology = builder.build();
    let steps = topology.data().streams.values().flat_map(|s| &s.steps);
    let labels: Vec<&str> = steps
        .filter_map(|step| match step {
            Step::Print(print) => Some(print.label.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(labels, ["positive"]);
    let mut driven = Driven::of(&builder);
    assert_eq!(driven.long("numbers", "k", 1, 5), ["out k:1@5"]);
}

#[test]
fn records_are_looked_at_and_go_on_as_they_are() {
    let (sender, seen) = mpsc::channel();
    let (peeked, ended) = (Mutex::new(sender.clone()), Mutex::new(sender));
    let builder = StreamsBuilder::new();
    let payments = builder.stream::<String, Json<Payment>>("payments");
    let tell = |to: &Mutex<mpsc::Sender<String>>, what: &str, payment: &Payment| {
        to.lock()
            .unwrap()
            .send(format!("{what} {}", payment.amount))
            .unwrap();
    };
    payments
        .peek(move |_, payment| tell(&peeked, "peeked", payment))
        .to("same");
    payments.for_each(move |_, payment| tell(&ended, "ended", payment));
    let mut driven = Driven::of(&builder);
    let odd = r#"{ "amount": 1.50,  "country": "x", "more": 1 }"#;
    assert_eq!(
        driven.feed("payments", "k", odd, 5),
        [format!("same k:{odd}@5")]
    );
    let mut seen: Vec<String> = seen.try_iter().collect();
    seen.sort();
    assert_eq!(seen, ["ended 1.50", "peeked 1.50"]);
}

#[test]
fn a_record_goes_to_the_first_branch_that_takes_it() {
    let builder = StreamsBuilder::new();
    let branches = builder
        .stream::<String, i64>("numbers")
        .split()
        .branch("small", |_, n| *n < 10)
        .branch("even", |_, n| n % 2 == 0)
        .default_branch("others");
    branches["small"].merge(&branches["even"]).to("chosen");
    branches["others"].to("rest");
    let mut driven = Driven::of(&builder);
    assert_eq!(driven.long("numbers", "k", 4, 0), ["chosen k:4@0"]);
    assert_eq!(driven.long("numbers", "k", 12, 1), ["chosen k:12@1"]);
    assert_eq!(driven.long("numbers", "k", 13, 2), ["rest k:13@2"]);
}

#[test]
fn what_no_branch_takes_is_dropped_without_a_default() {
    let builder = StreamsBuilder::new();
    let branches = builder
        .stream::<String, i64>("numbers")
        .split()
        .branch("small", |_, n| *n < 10)
        .branch("even", |_, n| n % 2 == 0)
        .no_default_branch();
    assert_eq!(branches.keys().collect::<Vec<_>>(), ["even", "small"]);
    branches["small"].merge(&branches["even"]).to("chosen");
    let mut driven = Driven::of(&builder);
    assert_eq!(driven.long("numbers", "k", 12, 1), ["chosen k:12@1"]);
    assert_eq!(driven.long("numbers", "k", 13, 2), [""; 0]);
}

#[test]
fn the_topic_of_a_record_may_depend_on_where_it_comes_from() {
    let builder = StreamsBuilder::new();
    let numbers = builder.stream_with::<String, i64>(["one", "two"], Consumed::new());
    numbers.to_dynamic_with_context(|key, n, context| {
        assert_eq!((key.as_str(), *n), ("k", 7));
        let source = context.header("source").unwrap_or(b"none");
        let source = String::from_utf8_lossy(source);
        let (topic, offset) = (context.topic.unwrap(), context.offset.unwrap());
        let (partition, time) = (context.partition, context.timestamp);
        format!("{topic}.{partition}.{offset}.{time}.{source}")
    });
    let driver = TopologyTestDriver::new("app", &builder.build()).unwrap();
    let mut headers = HeadersBuf::new();
    headers.push("source", Some(b"web"));
    let mut one = driver.input_topic::<String, i64>("one").unwrap();
    let record = TestRecord {
        key: "k".to_owned(),
        value: 7,
        timestamp: 5,
        headers,
    };
    one.pipe_record(&record).unwrap();
    let mut two = driver.input_topic::<String, i64>("two").unwrap();
    two.pipe_at("k", 7, 6).unwrap();
    for topic in ["one.0.0.5.web", "two.0.1.6.none"] {
        let out = driver.output_topic::<String, i64>(topic).unwrap();
        assert_eq!(out.read().unwrap(), ("k".to_owned(), 7), "{topic}");
    }
}

#[test]
fn an_expression_for_a_topic_sees_partition_and_offset() {
    let mut driven = Driven::yaml(
        r#"apiVersion: millrace.dev/v1alpha1
kind: StreamApp
metadata: {name: app}
spec:
  kafka: {bootstrapServers: "none:9092"}
  topology:
    streams:
      numbers: {topic: numbers, key: string, value: long}
      out: {from: numbers, to: {topicFrom: '"p" + string(partition) + "-" + string(offset)'}}
"#,
    );
    assert_eq!(driven.long("numbers", "k", 1, 5), ["p0-0 k:1@5"]);
    assert_eq!(driven.long("numbers", "k", 1, 6), ["p0-1 k:1@6"]);
}

#[test]
fn each_record_goes_to_the_topic_that_it_names() {
    let builder = StreamsBuilder::new();
    builder
        .stream::<String, Json<Payment>>("payments")
        .to_dynamic(|_, payment| format!("payments-{}", payment.country));
    let mut driven = Driven::of(&builder);
    let german = r#"{"country":"de","amount":1}"#;
    let expected = [format!("payments-de k:{german}@5")];
    assert_eq!(driven.feed("payments", "k", german, 5), expected);
}

#[test]
fn a_repartitioned_stream_goes_on_with_its_new_key() {
    let builder = StreamsBuilder::new();
    builder
        .stream::<String, i64>("numbers")
        .select_key(|_, n| n.to_string())
        .repartition(Repartitioned::named("by-number").with_number_of_partitions(1))
        .to("out");
    let mut driven = Driven::of(&builder);
    assert_eq!(driven.long("numbers", "k", 7, 5), ["out 7:7@5"]);
}

#[test]
fn several_topics_are_read_as_one_stream() {
    let builder = StreamsBuilder::new();
    let consumed = Consumed::new().with_offset_reset_policy(OffsetReset::Latest);
    builder
        .stream_with::<String, i64>(["one", "two"], consumed)
        .to("both");
    let mut driven = Driven::of(&builder);
    assert_eq!(driven.long("one", "k", 1, 0), ["both k:1@0"]);
    assert_eq!(driven.long("two", "k", 2, 1), ["both k:2@1"]);
}

#[test]
fn tombstones_and_missing_keys_are_none_where_the_types_say_so() {
    let builder = StreamsBuilder::new();
    builder
        .stream::<Option<String>, Option<i64>>("numbers")
        .map(|key, n| (key.clone().unwrap_or("none".to_owned()), n.map(|n| n + 1)))
        .to("out");
    let mut driven = Driven::of(&builder);
    assert_eq!(driven.delete("numbers", "k", 0), ["out k:null@0"]);
    let one = 1_i64.to_be_bytes();
    assert_eq!(
        driven.feed_bytes("numbers", None, Some(&one), 1),
        ["out none:2@1"]
    );
}
