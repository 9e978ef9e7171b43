//! Typed topics and stores of a topology under test.

use std::time::Duration;

use millrace_worker::data::Json;
use millrace_worker::dsl::{Application, Grouped, StreamsBuilder, TimeWindows, Topology, Windowed};
use millrace_worker::testing::{
    DriverOptions, StepOptions, TestRecord, TopologyDriver, TopologyTestDriver,
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
