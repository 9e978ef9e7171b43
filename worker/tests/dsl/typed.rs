//! Typed topics and stores of a topology under test.

use std::time::Duration;

use millrace_kafka::HeadersBuf;
use millrace_worker::data::{Bump, Data, DataError, Json, SerdeKind, Value};
use millrace_worker::dsl::{
    Application, Consumed, Grouped, Materialized, StreamsBuilder, TimeWindows, Topology, Windowed,
};
use millrace_worker::testing::{
    DriverOptions, StepDriver, StepOptions, TestRecord, TopologyDriver, TopologyTestDriver,
};
use serde::{Deserialize, Serialize};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Click {
    page: String,
}

fn click(page: &str) -> Json<Click> {
    Json(Click {
        page: page.to_owned(),
    })
}

/// Clicks by page and minute.
fn clicks() -> Topology {
    let builder = StreamsBuilder::new();
    builder
        .stream::<Option<String>, Json<Click>>("clicks")
        .group_by(|_, click| click.page.clone(), Grouped::new())
        .windowed_by(TimeWindows::of_size_and_grace(MINUTE, 60 * MINUTE))
        .count("per-minute")
        .to_stream()
        .to("per-minute");
    builder.build()
}

fn home(start: i64) -> Windowed<String> {
    Windowed {
        key: "home".to_owned(),
        start,
        end: start + 60_000,
    }
}

#[test]
fn windows_values_of_json_and_times_have_their_types() {
    let driver = TopologyTestDriver::new("clicks", &clicks()).unwrap();
    let clicks = driver
        .input_topic::<Option<String>, Json<Click>>("clicks")
        .unwrap();
    let mut clicks = clicks.with_times(0, Duration::from_secs(40));
    let counts = driver
        .output_topic::<Windowed<String>, i64>("per-minute")
        .unwrap();
    for _ in 0..3 {
        clicks.pipe("ann".to_owned(), click("home")).unwrap();
    }
    let expected = [(home(0), 1), (home(0), 2), (home(60_000), 1)];
    assert_eq!(counts.read_all().unwrap(), expected);
    assert!(counts.is_empty());
    let said = counts.read().unwrap_err().to_string();
    assert_eq!(said, "there is no further record in per-minute");

    let store = driver.store::<Windowed<String>, i64>("per-minute").unwrap();
    assert_eq!(store.all().unwrap(), [(home(0), 2), (home(60_000), 1)]);
    assert_eq!(store.get(&home(0)).unwrap(), Some(2));
}

#[test]
fn a_record_without_a_time_has_the_clocks() {
    let options = StepOptions {
        now_ms: 5_000,
        ..StepOptions::default()
    };
    let builder = StreamsBuilder::new();
    builder.stream::<String, Option<i64>>("in").to("out");
    let driver = TopologyTestDriver::with_options("app", &builder.build(), options).unwrap();
    let mut input = driver.input_topic::<String, Option<i64>>("in").unwrap();
    let output = driver.output_topic::<String, Option<i64>>("out").unwrap();
    input.pipe("a", 1).unwrap();
    driver.advance(Duration::from_secs(1)).unwrap();
    input.pipe_tombstone("a").unwrap();
    let records = output.read_records().unwrap();
    let seen = |record: &TestRecord<String, Option<i64>>| (record.value, record.timestamp);
    let seen: Vec<_> = records.iter().map(seen).collect();
    assert_eq!(seen, [(Some(1), 5_000), (None, 6_000)]);
}

#[test]
fn other_types_than_the_topologys_are_refused_by_name() {
    let driver = TopologyTestDriver::new("clicks", &clicks()).unwrap();
    let said = |error: Option<millrace_worker::testing::DriverError>| error.unwrap().to_string();
    assert_eq!(
        said(driver.input_topic::<String, i64>("clicks").err()),
        "the values of clicks are json, and were asked for as long: use the types that the topology \
         has"
    );
    assert_eq!(
        said(driver.input_topic::<String, i64>("click").err()),
        "the topology reads no topic click; there are: clicks"
    );
    assert_eq!(
        said(driver.store::<String, i64>("per-minute").err()),
        "the keys of per-minute have a window: ask for `Windowed<…>` ones"
    );
    let windowed = driver.output_topic::<Windowed<Vec<u8>>, Vec<u8>>("clicks-dead-letter");
    assert_eq!(
        said(windowed.err()),
        "the keys of clicks-dead-letter have no window: ask for plain ones"
    );
}

#[test]
fn the_whole_engine_is_driven_with_types_too() {
    let clicks = Application::new("clicks", clicks());
    let options = DriverOptions {
        partitions: 3,
        members: 2,
        ..DriverOptions::default()
    };
    let mut driver = TopologyDriver::of_application(&clicks, &options).unwrap();
    for second in [1, 2, 61] {
        let time = second * 1_000;
        driver
            .write::<Option<String>, Json<Click>>("clicks", None, click("home"), time)
            .unwrap();
    }
    driver.run_until_idle().unwrap();
    let records = driver
        .records::<Windowed<String>, i64>("per-minute")
        .unwrap();
    assert_eq!(records.len(), 3);
    let rows = driver.store::<Windowed<String>, i64>("per-minute").unwrap();
    assert_eq!(rows, [(home(0), 2), (home(60_000), 1)]);
    let said = driver
        .write::<String, i64>("clicks", "a", 1, 0)
        .unwrap_err();
    assert!(said.to_string().contains("asked for as long"), "{said}");
}

#[test]
fn a_versioned_store_is_read_as_of_a_time() {
    let builder = StreamsBuilder::new();
    let store = Materialized::named("prices").versioned(MINUTE);
    let prices = builder.table_with::<String, i64>("prices", Consumed::new(), store);
    let latest = prices.map_values(|price| price * 2).materialized("latest");
    latest.to_stream().to("latest");
    let driver = TopologyTestDriver::new("app", &builder.build()).unwrap();
    let mut input = driver.input_topic::<String, i64>("prices").unwrap();
    input.pipe_at("tea", 4, 1_000).unwrap();
    input.pipe_at("tea", 6, 3_000).unwrap();
    input.pipe_at("tea", 5, 2_000).unwrap();
    let tea = "tea".to_owned();
    let prices = driver.store::<String, i64>("prices").unwrap();
    let at = |time| prices.get_as_of(&tea, time).unwrap();
    let found = [999, 1_000, 2_500, 9_000].map(at);
    assert_eq!(found, [None, Some(4), Some(5), Some(6)]);
    assert_eq!(prices.get_as_of(&"salt".to_owned(), 9_000).unwrap(), None);
    assert_eq!(prices.get(&tea).unwrap(), Some(6));
    let latest = driver.store::<String, i64>("latest").unwrap();
    let said = latest.get_as_of(&tea, 9_000).unwrap_err().to_string();
    assert_eq!(said, "the store latest keeps no versions but the latest");
}

/// A type with a format of its own: the digits of a number, the last first.
#[derive(Clone, Debug, PartialEq)]
struct Backwards(u32);

impl Data for Backwards {
    type Present = Self;

    const FORMAT: SerdeKind = SerdeKind::Bytes;

    fn from_value(value: Value<'_>) -> Result<Self, DataError> {
        let mut digits = Vec::<u8>::from_value(value)?;
        digits.reverse();
        let number = String::from_utf8(digits).ok().and_then(|d| d.parse().ok());
        let refused = || DataError::Refused("these are no digits".to_owned());
        number.map(Self).ok_or_else(refused)
    }

    fn to_value<'r>(&self, arena: &'r Bump) -> Result<Value<'r>, DataError> {
        let digits: Vec<u8> = self.0.to_string().bytes().rev().collect();
        digits.to_value(arena)
    }
}

#[test]
fn a_type_of_ones_own_is_read_written_kept_and_joined_by() {
    let builder = StreamsBuilder::new();
    let names = builder.table::<Backwards, String>("names");
    let numbers = builder.stream::<String, Backwards>("numbers");
    numbers
        .map(|name, n| (n.clone(), name.clone()))
        .join_table(&names, |asked, name| format!("{asked} {name}"), "asked")
        .to("asked");
    numbers
        .group_by_key(Grouped::new())
        .reduce(|a, b| Backwards(a.0 + b.0), "sums");
    let driver = TopologyTestDriver::new("app", &builder.build()).unwrap();
    let mut names = driver.input_topic::<Backwards, String>("names").unwrap();
    names.pipe(Backwards(12), "dozen").unwrap();
    let mut numbers = driver.input_topic::<String, Backwards>("numbers").unwrap();
    numbers.pipe("ann", Backwards(12)).unwrap();
    numbers.pipe("ann", Backwards(30)).unwrap();
    let asked = driver.output_topic::<Backwards, String>("asked").unwrap();
    let expected = [(Backwards(12), "ann dozen".to_owned())];
    assert_eq!(asked.read_all().unwrap(), expected);
    let sums = driver.store::<String, Backwards>("sums").unwrap();
    assert_eq!(sums.get(&"ann".to_owned()).unwrap(), Some(Backwards(42)));
    let raw = driver.store::<String, Vec<u8>>("sums").unwrap();
    assert_eq!(raw.all().unwrap(), [("ann".to_owned(), b"24".to_vec())]);
}

#[test]
fn what_a_type_of_ones_own_refuses_is_an_error_of_its_record() {
    let builder = StreamsBuilder::new();
    let numbers = builder.stream::<String, Backwards>("numbers");
    numbers.map_values(|n| Backwards(n.0 + 1)).to("next");
    let topology = builder.build();
    let app = topology.stream_app("app");
    let plan = topology.plan_of(&app).unwrap();
    let mut driver = StepDriver::of_plan(&app, &plan, StepOptions::default()).unwrap();
    let none = HeadersBuf::new();
    let mut pipe = |value: &[u8]| {
        let written = driver.pipe("numbers", Some(b"k"), Some(value), 0, &none);
        written.unwrap().remove(0)
    };
    assert_eq!(pipe(b"92").value.as_deref(), Some(&b"03"[..]));
    let failed = pipe(b"text");
    assert_eq!(&*failed.topic, "app-dead-letter");
    let headers = format!("{:?}", failed.headers);
    let why = failed.headers.as_headers().iter().any(|(_, value)| {
        String::from_utf8_lossy(value.unwrap_or_default()).contains("these are no digits")
    });
    assert!(why, "{headers}");
}
