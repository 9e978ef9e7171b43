//! Goal: session and versioned stores of processors mean what Kafka Streams' do, come back from their
//! changelogs, and those of tables are read. Method: small processors whose records say what they ask of
//! a store, and which forward its answers.

use millrace_kafka::HeadersBuf;
use millrace_worker::api::{
    Processor, ProcessorContext, ProcessorError, ProcessorResult, Processors, Record, Stored, Value,
};
use millrace_worker::testing::{
    CapturedRecord, DriverOptions, StepDriver, StepOptions, TopologyDriver,
};

use super::support::{app, shown};

/// Longest pause of a visit.
const GAP_MS: i64 = 10;
/// A time at which all before it has expired.
const LATE: i64 = 10 * 60_000;

/// Makes one visit of the records of a key that are near each other, with their number; forwards whether
/// it was written, all visits of the key, and how many of all keys have ended.
struct Visits;

impl Processor for Visits {
    fn process<'r>(
        &mut self,
        record: Record<'r>,
        context: &mut ProcessorContext<'_, 'r>,
    ) -> ProcessorResult {
        let (key, time) = (record.key(), record.timestamp());
        let mut visits = context.session("visits")?;
        let (mut start, mut end, mut count) = (time, time, 1);
        for visit in visits.find_sessions(key, time - GAP_MS, time + GAP_MS)? {
            assert!(visits.remove(key, visit.start, visit.end)?);
            start = start.min(visit.start);
            end = end.max(visit.end);
            count += int(visit.value);
        }
        let written = visits.put(key, start, end, Value::Int(count))?;
        let found = visits.fetch_session(key, start, end)?;
        assert_eq!(found.map(int), written.then_some(count));
        let all = visits.fetch(key)?.iter();
        let all = all.map(|visit| format!("{}-{}={}", visit.start, visit.end, visit.value));
        let all = all.collect::<Vec<_>>().join(" ");
        let ended = visits.find_ended(0, time)?.len();
        let said = context.text(&format!("{written}: {all}; {ended}"));
        context.forward(record.with_value(said))
    }
}

fn int(value: Value<'_>) -> i64 {
    match value {
        Value::Int(value) => value,
        other => panic!("{other} is no number"),
    }
}

/// Puts a number as the version of its time; deletes without a value; `[time]` asks for the version of a
/// time, and a text for the latest one. Forwards the answers.
struct Prices;

impl Processor for Prices {
    fn process<'r>(
        &mut self,
        record: Record<'r>,
        context: &mut ProcessorContext<'_, 'r>,
    ) -> ProcessorResult {
        let (key, time) = (record.key(), record.timestamp());
        let mut prices = context.versioned("prices")?;
        let said = match record.value() {
            Value::Null => format!("deleted {}", said(prices.delete(key, time)?)),
            Value::List(&[Value::Int(time)]) => said(prices.get_as_of(key, time)?),
            Value::String(_) => said(prices.get(key)?),
            price => format!("{:?}", prices.put(key, price, time)?),
        };
        let said = context.text(&said);
        context.forward(record.with_value(said))
    }
}

fn said(version: Option<Stored<'_>>) -> String {
    version.map_or("none".to_owned(), |version| {
        format!("{}@{}", version.value, version.timestamp)
    })
}

/// Forwards what the table of visits and that of prices have for a key, and why it may do no more.
struct Look;

impl Processor for Look {
    fn process<'r>(
        &mut self,
        record: Record<'r>,
        context: &mut ProcessorContext<'_, 'r>,
    ) -> ProcessorResult {
        let (key, time) = (record.key(), record.timestamp());
        let price = said(context.versioned("prices")?.get_as_of(key, time)?);
        let visits = context.session("visits")?.fetch(key)?.iter();
        let visits: Vec<String> = visits
            .map(|visit| format!("{}-{}={}", visit.start, visit.end, visit.value))
            .collect();
        let said = format!("{price}; {}", visits.join(" "));
        let said = context.text(&said);
        context.forward(record.with_value(said))?;
        for why in refused(key, context)? {
            let why = context.text(&why.to_string());
            context.forward(record.with_value(why))?;
        }
        Ok(())
    }
}

/// What cannot be done with these stores.
fn refused(
    key: Value<'_>,
    context: &mut ProcessorContext<'_, '_>,
) -> Result<Vec<ProcessorError>, ProcessorError> {
    let one = Value::Int(1);
    let refused = [
        context.versioned("prices")?.put(key, one, 1).err(),
        context.versioned("prices")?.delete(key, 1).err(),
        context.session("visits")?.put(key, 1, 2, one).err(),
        context.session("visits")?.remove(key, 1, 2).err(),
        context.session("prices").err(),
        context.versioned("visits").err(),
        context.key_value("prices").err(),
        context.window("visits").err(),
    ];
    Ok(refused.into_iter().map(Option::unwrap).collect())
}

/// Says what cannot be written into stores of its own.
struct Careless;

impl Processor for Careless {
    fn process<'r>(
        &mut self,
        record: Record<'r>,
        context: &mut ProcessorContext<'_, 'r>,
    ) -> ProcessorResult {
        let (key, one) = (record.key(), Value::Int(1));
        let refused = [
            context.session("visits")?.put(key, 5, 4, one).err(),
            context.session("visits")?.put(key, -1, 4, one).err(),
            context.session("visits")?.put(Value::Null, 1, 4, one).err(),
            context.versioned("prices")?.put(key, one, -1).err(),
            context.versioned("prices")?.get(Value::Null).err(),
        ];
        for why in refused {
            let why = context.text(&why.unwrap().to_string());
            context.forward(record.with_value(why))?;
        }
        Ok(())
    }
}

fn processors() -> Processors {
    Processors::new()
        .with("visits", || Visits)
        .with("prices", || Prices)
        .with("look", || Look)
        .with("careless", || Careless)
}

/// `in` through a processor with these stores to `out`.
fn through(processor: &str, stores: &str) -> String {
    app(&format!(
        "  topology:\n    streams:\n      in: {{topic: in}}\n      out:\n        from: in\n        \
         steps: [{{process: {{processor: {processor}, stores: {{{stores}}}}}}}]\n        \
         to: {{topic: out, key: string, value: json}}\n"
    ))
}

const VISITS: &str = "visits: {key: string, value: long, session: {retention: 60s}}";
const PRICES: &str = "prices: {key: string, value: json, versioned: {retention: 60s}}";

fn driven(yaml: &str) -> TopologyDriver {
    let options = DriverOptions {
        processors: processors(),
        ..DriverOptions::default()
    };
    TopologyDriver::with_options(yaml, &options).unwrap()
}

/// Drives record by record; each is committed, or none before the end.
fn stepped(yaml: &str, commit_every: usize) -> StepDriver {
    let options = StepOptions {
        commit_every,
        ..StepOptions::default()
    };
    StepDriver::with_processors(yaml, options, &processors()).unwrap()
}

/// Feeds a record; the values that come out, as JSON.
fn pipe(
    driver: &mut StepDriver,
    topic: &str,
    (key, value, time): (&str, Option<&str>, i64),
) -> Vec<String> {
    let (key, value) = (Some(key.as_bytes()), value.map(str::as_bytes));
    let written = driver.pipe(topic, key, value, time, &HeadersBuf::new());
    let text = |record: &CapturedRecord| {
        let value = record.value.as_deref().unwrap();
        String::from_utf8(value.to_vec()).unwrap()
    };
    written.unwrap().iter().map(text).collect()
}

#[test]
fn sessions_are_found_merged_removed_and_expire() {
    for in_memory in [false, true] {
        for commit_every in [1, 100] {
            let stores = VISITS.replace("60s}", &format!("60s}}, inMemory: {in_memory}"));
            let mut driver = stepped(&through("visits", &stores), commit_every);
            for (key, time, expected) in [
                ("a", 0, "true: 0-0=1; 1"),
                ("ab", 3, "true: 3-3=1; 2"),
                ("a", 25, "true: 0-0=1 25-25=1; 3"),
                ("a", 8, "true: 0-8=2 25-25=1; 2"),
                ("a", 17, "true: 0-25=4; 1"),
                ("a", LATE, &format!("true: {LATE}-{LATE}=1; 1")),
                ("a", 30, &format!("false: {LATE}-{LATE}=1; 0")),
            ] {
                let out = pipe(&mut driver, "in", (key, Some("1"), time));
                assert_eq!(out, [format!("\"{expected}\"")], "{key} at {time}");
            }
            assert_eq!(driver.dropped(), 1);
        }
    }
}

#[test]
fn versions_are_asked_for_by_time_deleted_and_expire() {
    for in_memory in [false, true] {
        for commit_every in [1, 100] {
            let stores = PRICES.replace("60s}", &format!("60s}}, inMemory: {in_memory}"));
            let mut driver = stepped(&through("prices", &stores), commit_every);
            let get = Some(r#""get""#);
            for (value, time, expected) in [
                (get, 0, "none"),
                (Some("5"), 10, "Latest"),
                (Some("7"), 30, "Latest"),
                (Some("6"), 20, "Until(30)"),
                (get, 0, "7@30"),
                (Some("[9]"), 0, "none"),
                (Some("[10]"), 0, "5@10"),
                (Some("[29]"), 0, "6@20"),
                (Some("[99]"), 0, "7@30"),
                (None, 25, "deleted 6@20"),
                (Some("[26]"), 0, "none"),
                (Some("[24]"), 0, "6@20"),
                (get, 0, "7@30"),
                (None, 40, "deleted 7@30"),
                (get, 0, "none"),
                (Some("[35]"), 0, "7@30"),
                (Some("8"), LATE, "Latest"),
                (Some("[35]"), 0, "none"),
                (Some("9"), 50, "Expired"),
                (None, 50, "deleted none"),
            ] {
                let out = pipe(&mut driver, "in", ("tea", value, time));
                assert_eq!(out, [format!("\"{expected}\"")], "{value:?} at {time}");
            }
            assert_eq!(driver.dropped(), 2);
        }
    }
}

fn feed(driver: &mut TopologyDriver, records: &[(&str, &str, i64)]) {
    for &(key, value, time) in records {
        driver.produce("in", Some(key), Some(value), time).unwrap();
    }
    driver.run_until_idle().unwrap();
}

fn crash_and_restore(driver: &mut TopologyDriver) {
    driver.crash(0).unwrap();
    driver.empty_state(0).unwrap();
    driver.start(0).unwrap();
}

#[test]
fn sessions_come_back_from_their_changelog() {
    let mut driver = driven(&through("visits", VISITS));
    feed(&mut driver, &[("a", "1", 5), ("a", "1", 50), ("a", "1", 9)]);
    let before = driver.rows("visits").unwrap();
    assert_eq!(before.len(), 2);
    crash_and_restore(&mut driver);
    feed(&mut driver, &[("a", "1", 18)]);
    let out = shown(&driver, "out");
    assert_eq!(out.last().unwrap(), r#"a:"true: 5-18=3 50-50=1; 1"@18"#);
    // Kafka Streams' keys: the session's end, and then its start.
    let session =
        |end: i64, start: i64| [b"a", &end.to_be_bytes()[..], &start.to_be_bytes()].concat();
    let changelog = driver.compacted("app-visits-changelog").unwrap();
    let keys: Vec<&Vec<u8>> = changelog.keys().collect();
    assert_eq!(keys, [&session(18, 5), &session(50, 50)]);
    assert_eq!(changelog[&session(18, 5)].1, 3_i64.to_be_bytes());
}

#[test]
fn versions_come_back_from_their_changelog() {
    let mut driver = driven(&through("prices", PRICES));
    feed(
        &mut driver,
        &[("tea", "5", 10), ("tea", "7", 30), ("tea", "6", 20)],
    );
    crash_and_restore(&mut driver);
    let asked = [
        ("tea", "[15]", 31),
        ("tea", "[25]", 32),
        ("tea", "[35]", 33),
    ];
    feed(&mut driver, &asked);
    let out = shown(&driver, "out");
    let expected = [r#"tea:"5@10"@31"#, r#"tea:"6@20"@32"#, r#"tea:"7@30"@33"#];
    assert_eq!(out[3..], expected);
    let changelog = driver.read("app-prices-changelog").unwrap();
    let puts: Vec<i64> = changelog.iter().map(|put| put.timestamp).collect();
    assert_eq!(puts, [10, 30, 20]);
}

#[test]
fn sessions_and_versions_of_tables_are_read_and_not_written() {
    let mut driver = stepped(
        &app(
            "  topology:\n    streams:\n      in: {topic: in}\n      clicks: {topic: clicks}\n      \
             out:\n        from: in\n        steps: [{process: {processor: look, uses: [prices, \
             visits]}}]\n        to: {topic: out}\n    tables:\n      prices: {topic: prices, versioned: \
             {retention: 1h}}\n      visits:\n        from: clicks\n        steps:\n        - groupByKey: \
             {}\n        - windowedBy: {session: {gap: 10ms}, retention: 1h}\n        - count: {name: visits}\n",
        ),
        1,
    );
    for (topic, value, time) in [
        ("prices", "5", 10),
        ("prices", "7", 30),
        ("clicks", "1", 11),
        ("clicks", "1", 18),
        ("clicks", "1", 40),
    ] {
        pipe(&mut driver, topic, ("tea", Some(value), time));
    }
    let out = pipe(&mut driver, "in", ("tea", Some("1"), 20));
    assert_eq!(out[0], r#""5@10; 11-18=2 40-40=1""#);
    let why = |store: &str, why: &str| format!("\"cannot use the store {store} so: {why}\"");
    let read = "it is a table's, and only read";
    let expected = [
        why("prices", read),
        why("prices", read),
        why("visits", read),
        why("visits", read),
        why("prices", "it is no session store"),
        why("visits", "it is no versioned store"),
        why("prices", "it is no key-value store"),
        why("visits", "it is no window store"),
    ];
    assert_eq!(out[1..], expected);
}

#[test]
fn what_has_no_place_in_a_store_is_refused() {
    let mut driver = stepped(&through("careless", &format!("{VISITS}, {PRICES}")), 1);
    let out = pipe(&mut driver, "in", ("a", Some("1"), 20));
    let why = |store: &str, why: &str| format!("\"cannot use the store {store} so: {why}\"");
    let expected = [
        why("visits", "a session cannot last from 5 to 4"),
        why("visits", "a session cannot last from -1 to 4"),
        why("visits", "the key is null"),
        why("prices", "a version begins before 1970"),
        why("prices", "the key is null"),
    ];
    assert_eq!(out, expected);
    assert!(driver.rows("visits").unwrap().is_empty());
}
