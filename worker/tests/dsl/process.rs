//! `process` and `process_values`: processors with types, their stores and punctuations.

use std::time::Duration;

use millrace_crds::plan::plan;
use millrace_worker::api::{Placed, ProcessorResult, Punctuation};
use millrace_worker::dsl::{
    Application, FixedKeyProcessor, FixedKeyProcessorContext, FixedKeyRecord, GlobalKTable,
    Grouped, Processed, Processor, ProcessorContext, Record, StoreBuilder, StreamsBuilder,
    TimeWindows, Topology, Windowed,
};
use millrace_worker::testing::{DriverOptions, TopologyDriver, TopologyTestDriver};

const MINUTE: Duration = Duration::from_secs(60);

/// Sums the amounts of each customer; says all sums each minute of the wall clock, by size of the name.
struct Sums;

impl Processor<String, i64, i32, String> for Sums {
    fn init(&mut self, context: &mut ProcessorContext<'_, '_, i32, String>) -> ProcessorResult {
        context.schedule_wall_clock(MINUTE)?;
        Ok(())
    }

    fn process<'r>(
        &mut self,
        record: Record<'r, String, i64>,
        context: &mut ProcessorContext<'_, 'r, i32, String>,
    ) -> ProcessorResult {
        let mut sums = context.key_value_store::<String, i64>("sums")?;
        let before = sums.get(&record.key)?.map_or(0, |stored| stored.value);
        if record.value == 0 {
            return sums.delete(&record.key);
        }
        sums.put(&record.key, &(before + record.value), record.timestamp)
    }

    fn punctuate(
        &mut self,
        punctuation: Punctuation,
        context: &mut ProcessorContext<'_, '_, i32, String>,
    ) -> ProcessorResult {
        let mut all = Vec::new();
        let mut sums = context.key_value_store::<String, i64>("sums")?;
        sums.scan(None, None, |name, sum| {
            all.push((name, sum.value));
            true
        })?;
        for (name, sum) in all {
            let size = i32::try_from(name.len())?;
            let said = format!("{name}: {sum}");
            context.forward(Record::new(size, said, punctuation.time))?;
        }
        Ok(())
    }
}

fn sums() -> Topology {
    let builder = StreamsBuilder::new();
    let store = StoreBuilder::key_value::<String, i64>("sums");
    builder
        .stream::<String, i64>("amounts")
        .process(|| Sums, Processed::named("sums").with_store(store))
        .group_by_key(Grouped::new())
        .count("reports-by-size")
        .to_stream()
        .to("reports");
    builder.build()
}

#[test]
fn a_typed_processor_has_stores_punctuations_and_new_keys() {
    let driver = TopologyTestDriver::new("sums", &sums()).unwrap();
    let mut amounts = driver.input_topic::<String, i64>("amounts").unwrap();
    let reports = driver.output_topic::<i32, i64>("reports").unwrap();
    for (name, amount) in [("ann", 1), ("bob", 5), ("ann", 2), ("eve", 1), ("eve", 0)] {
        amounts.pipe(name, amount).unwrap();
    }
    assert!(reports.is_empty());
    driver.advance(MINUTE).unwrap();
    assert_eq!(reports.read_all().unwrap(), [(3, 1), (3, 2)]);
    let sums = driver.store::<String, i64>("sums").unwrap();
    let expected = [("ann".to_owned(), 3), ("bob".to_owned(), 5)];
    assert_eq!(sums.all().unwrap(), expected);
}

/// Forwards what the global table has for the currency that a record names.
struct Rates;

impl Processor<String, String, String, Option<i64>> for Rates {
    fn process<'r>(
        &mut self,
        record: Record<'r, String, String>,
        context: &mut ProcessorContext<'_, 'r, String, Option<i64>>,
    ) -> ProcessorResult {
        let mut rates = context.key_value_store::<String, i64>("rates-store")?;
        assert!(rates.put(&record.value, &1, 0).is_err(), "only read");
        let rate = rates.get(&record.value)?.map(|stored| stored.value);
        context.forward(Record::new(record.key, rate, record.timestamp))
    }
}

#[test]
fn a_processor_reads_a_global_table() {
    let builder = StreamsBuilder::new();
    let _rates: GlobalKTable<String, i64> = builder.global_table_with("rates", "rates-store");
    builder
        .stream::<String, String>("orders")
        .process(|| Rates, Processed::named("rates").using("rates-store"))
        .to("order-rates");
    let driver = TopologyTestDriver::new("shop", &builder.build()).unwrap();
    let mut rates = driver.input_topic::<String, i64>("rates").unwrap();
    let mut orders = driver.input_topic::<String, String>("orders").unwrap();
    let out = driver
        .output_topic::<String, Option<i64>>("order-rates")
        .unwrap();
    rates.pipe("EUR", 7).unwrap();
    orders.pipe("ann", "EUR").unwrap();
    orders.pipe("bob", "USD").unwrap();
    let expected = [("ann".to_owned(), Some(7)), ("bob".to_owned(), None)];
    assert_eq!(out.read_all().unwrap(), expected);
}

#[test]
fn its_state_is_restored_from_the_changelog() {
    let application = Application::new("sums", sums());
    let mut driver =
        TopologyDriver::of_application(&application, &DriverOptions::default()).unwrap();
    driver
        .write::<String, i64>("amounts", "ann", 4, 1_000)
        .unwrap();
    driver.run_until_idle().unwrap();
    driver.crash(0).unwrap();
    driver.empty_state(0).unwrap();
    driver.start(0).unwrap();
    driver
        .write::<String, i64>("amounts", "ann", 3, 2_000)
        .unwrap();
    driver.run_until_idle().unwrap();
    assert_eq!(
        driver.store::<String, i64>("sums").unwrap(),
        [("ann".to_owned(), 7)]
    );
}

#[test]
fn the_operator_plans_it_without_the_code() {
    let application = Application::new("sums", sums());
    let app = application.stream_app();
    let with_code = application.topology().plan_of(&app).unwrap();
    assert_eq!(plan(&app).unwrap().hash, with_code.hash);
    assert!(
        application
            .topology()
            .processors()
            .check(&with_code)
            .is_ok()
    );
}

/// How often a key came within ten seconds, and its header `from`.
struct Bursts;

impl FixedKeyProcessor<Windowed<String>, Option<i64>, String> for Bursts {
    fn process<'r>(
        &mut self,
        record: FixedKeyRecord<'r, Windowed<String>, Option<i64>>,
        context: &mut FixedKeyProcessorContext<'_, 'r, String>,
    ) -> ProcessorResult {
        let window = record.key().clone();
        let count = record.value().unwrap_or_default();
        let mut store = context.window_store::<String, i64>("bursts")?;
        store.put(&window.key, window.start, &count, record.timestamp())?;
        let all = store.fetch(&window.key, 0, i64::MAX)?.len();
        assert_eq!(store.fetch_all(0, i64::MAX)?.len(), all);
        let stored = store
            .get(&window.key, window.start)?
            .map(|stored| stored.value);
        assert_eq!(stored, Some(count));
        let said = format!("{count} in window {all}");
        let time = record.timestamp() + 1;
        context.forward(record.with_value(said).with_timestamp(time))
    }
}

#[test]
fn a_fixed_key_processor_keeps_keys_with_their_windows() {
    let builder = StreamsBuilder::new();
    let ten = Duration::from_secs(10);
    let bursts = StoreBuilder::window::<String, i64>("bursts", ten, 6 * ten).in_memory();
    builder
        .stream::<String, String>("calls")
        .group_by_key(Grouped::new())
        .windowed_by(TimeWindows::of_size_with_no_grace(ten))
        .count("calls")
        .to_stream()
        .process_values(|| Bursts, Processed::named("bursts").with_store(bursts))
        .to("bursts");
    let driver = TopologyTestDriver::new("bursts", &builder.build()).unwrap();
    let calls = driver.input_topic::<String, String>("calls").unwrap();
    let mut calls = calls.with_times(0, Duration::from_secs(6));
    for _ in 0..3 {
        calls.pipe("ann", "hello").unwrap();
    }
    let bursts = driver
        .output_topic::<Windowed<String>, String>("bursts")
        .unwrap();
    let said: Vec<String> = bursts
        .read_records()
        .unwrap()
        .iter()
        .map(|record| {
            format!(
                "{} {} @{}",
                record.key.start, record.value, record.timestamp
            )
        })
        .collect();
    let expected = [
        "0 1 in window 1 @1",
        "0 2 in window 1 @6001",
        "10000 1 in window 2 @12001",
    ];
    assert_eq!(said, expected);
}

/// One visit of all clicks of a user that are within ten seconds of each other, and its price as of its
/// first click.
struct Visits;

impl Processor<String, i64, String, String> for Visits {
    fn process<'r>(
        &mut self,
        record: Record<'r, String, i64>,
        context: &mut ProcessorContext<'_, 'r, String, String>,
    ) -> ProcessorResult {
        let (user, time) = (&record.key, record.timestamp);
        let mut prices = context.versioned_store::<String, i64>("prices")?;
        assert_ne!(prices.put(user, &record.value, time)?, Placed::Expired);
        let mut visits = context.session_store::<String, i64>("visits")?;
        let mut visit = Windowed {
            key: user.clone(),
            start: time,
            end: time,
        };
        let mut clicks = 1;
        for (before, count) in visits.find_sessions(user, time - 10_000, time + 10_000)? {
            assert_eq!(
                visits.fetch_session(user, before.start, before.end)?,
                Some(count)
            );
            assert!(visits.remove(&before)?);
            visit.start = visit.start.min(before.start);
            visit.end = visit.end.max(before.end);
            clicks += count;
        }
        assert!(visits.put(&visit, &clicks)?);
        assert!(visits.fetch(user)?.contains(&(visit.clone(), clicks)));
        let all = visits.find_ended(0, i64::MAX)?.len();
        let mut prices = context.versioned_store::<String, i64>("prices")?;
        let first = prices
            .get_as_of(user, visit.start)?
            .map(|price| price.value);
        let latest = prices.get(user)?.map(|price| price.value);
        let said = format!("{clicks} of {all} visits from {first:?} to {latest:?}");
        context.forward(record.with_value(said))
    }
}

/// Forgets a user's price, and says what it was and how many visits there were.
struct Forget;

impl FixedKeyProcessor<String, String, String> for Forget {
    fn process<'r>(
        &mut self,
        record: FixedKeyRecord<'r, String, String>,
        context: &mut FixedKeyProcessorContext<'_, 'r, String>,
    ) -> ProcessorResult {
        let mut prices = context.versioned_store::<String, i64>("prices")?;
        let was = prices.delete(record.key(), record.timestamp())?;
        let mut visits = context.session_store::<String, i64>("visits")?;
        let visits = visits.fetch(record.key())?.len();
        let said = format!("{:?} in {visits}", was.map(|price| price.value));
        context.forward(record.with_value(said))
    }
}

#[test]
fn sessions_and_versions_have_their_types() {
    let hour = 60 * MINUTE;
    let builder = StreamsBuilder::new();
    let stores = Processed::named("visits")
        .with_store(StoreBuilder::session::<String, i64>("visits", hour))
        .with_store(StoreBuilder::versioned::<String, i64>("prices", hour).in_memory());
    let clicks = builder.stream::<String, i64>("clicks");
    clicks.process(|| Visits, stores).to("visits");
    let shared = Processed::named("forget").using("visits").using("prices");
    builder
        .stream::<String, String>("leavers")
        .process_values(|| Forget, shared)
        .to("left");
    let driver = TopologyTestDriver::new("visits", &builder.build()).unwrap();
    let mut clicks = driver.input_topic::<String, i64>("clicks").unwrap();
    for (price, time) in [(5, 1_000), (7, 30_000), (6, 9_000)] {
        clicks.pipe_at("ann", price, time).unwrap();
    }
    let visits = driver.output_topic::<String, String>("visits").unwrap();
    let said: Vec<String> = visits
        .read_all()
        .unwrap()
        .into_iter()
        .map(|(_, said)| said)
        .collect();
    let expected = [
        "1 of 1 visits from Some(5) to Some(5)",
        "1 of 2 visits from Some(7) to Some(7)",
        "2 of 2 visits from Some(5) to Some(7)",
    ];
    assert_eq!(said, expected);
    let mut leavers = driver.input_topic::<String, String>("leavers").unwrap();
    leavers.pipe_at("ann", "bye", 40_000).unwrap();
    leavers.pipe_at("ann", "bye", 50_000).unwrap();
    let left = driver.output_topic::<String, String>("left").unwrap();
    assert_eq!(left.read().unwrap().1, "Some(7) in 2");
    assert_eq!(left.read().unwrap().1, "None in 2");
}

/// Asks for a store with other types than it was made with.
struct Wrong;

impl Processor<String, i64, String, i64> for Wrong {
    fn process<'r>(
        &mut self,
        _: Record<'r, String, i64>,
        context: &mut ProcessorContext<'_, 'r, String, i64>,
    ) -> ProcessorResult {
        context.key_value_store::<String, String>("sums")?;
        Ok(())
    }
}

#[test]
fn a_store_asked_for_with_other_types_is_refused() {
    let builder = StreamsBuilder::new();
    let store = StoreBuilder::key_value::<String, i64>("sums").with_logging_disabled();
    let wrong = Processed::named("wrong").with_store(store);
    builder
        .stream::<String, i64>("in")
        .process(|| Wrong, wrong)
        .to("out");
    let driver = TopologyTestDriver::new("app", &builder.build()).unwrap();
    driver
        .input_topic::<String, i64>("in")
        .unwrap()
        .pipe("a", 1)
        .unwrap();
    let failed = driver
        .output_topic::<Vec<u8>, Vec<u8>>("app-dead-letter")
        .unwrap();
    let record = failed.read_record().unwrap();
    let headers: Vec<String> = record
        .headers
        .as_headers()
        .iter()
        .map(|(_, value)| String::from_utf8_lossy(value.unwrap_or_default()).into_owned())
        .collect();
    let said = headers.join("\n");
    assert!(
        said.contains("the store sums has keys of string and values of long, and was asked for"),
        "{said}"
    );
}

#[test]
fn names_of_processors_and_stores_are_given_once() {
    let builder = StreamsBuilder::new();
    let stream = builder.stream::<String, i64>("in");
    let store = || StoreBuilder::key_value::<String, i64>("sums");
    let twice = Processed::named("wrong")
        .with_store(store())
        .with_store(store());
    stream.process(|| Wrong, twice).to("out");
    stream.process(|| Wrong, "wrong").to("out-2");
    let problems = builder.build().plan("app").unwrap_err();
    let said: Vec<&str> = problems.iter().map(|problem| &*problem.message).collect();
    assert_eq!(
        said,
        [
            "the name `sums` was given to two stores",
            "the name `wrong` was given to two processors"
        ]
    );
}
