//! Goal: a processor of the user's own does what the Processor API promises: stores, forwarding, headers,
//! punctuation, errors, and a life per task. Method: small processors in a topology; records in, what was
//! written compared.

use std::time::Duration;

use millrace_kafka::HeadersBuf;
use millrace_worker::api::{
    FixedKeyProcessor, FixedKeyProcessorContext, FixedKeyRecord, ProcessingContext, Processor,
    ProcessorContext, ProcessorError, ProcessorResult, Processors, Punctuation, Record, Schedule,
    Value,
};
use millrace_worker::error::EngineError;
use millrace_worker::testing::{
    CapturedRecord, DriverError, DriverOptions, StepDriver, StepOptions, TopologyDriver,
};

use super::support::{app, shown};

/// Counts the records of each key in the store `counts` and forwards the count.
#[derive(Default)]
struct Counter {
    /// Records since the processor was made.
    seen: i64,
}

impl Processor for Counter {
    fn process<'r>(
        &mut self,
        record: Record<'r>,
        context: &mut ProcessorContext<'_, 'r>,
    ) -> ProcessorResult {
        let mut counts = context.key_value("counts")?;
        let before = match counts.get(record.key())?.map(|stored| stored.value) {
            Some(Value::Int(before)) => before,
            _ => 0,
        };
        counts.put(record.key(), Value::Int(before + 1), record.timestamp())?;
        self.seen += 1;
        let value = context.list(&[Value::Int(before + 1), Value::Int(self.seen)]);
        context.forward(record.with_value(value))
    }
}

/// Sends a value to the output of its name, and one named `all` to all.
struct Router;

impl Processor for Router {
    fn process<'r>(
        &mut self,
        record: Record<'r>,
        context: &mut ProcessorContext<'_, 'r>,
    ) -> ProcessorResult {
        match record.value() {
            Value::String("all") => context.forward(record),
            Value::String(name) => context.forward_to(name, record),
            other => Err(ProcessorError::new(format!("{other} is no text"))),
        }
    }
}

/// Forwards a record per punctuation; a record whose value is `stop` cancels both schedules.
#[derive(Default)]
struct Ticker {
    schedules: Option<[Schedule; 2]>,
}

impl Processor for Ticker {
    fn init(&mut self, context: &mut ProcessorContext<'_, '_>) -> ProcessorResult {
        let stream = context.schedule_stream_time(Duration::from_millis(10))?;
        let wall = context.schedule_wall_clock(Duration::from_secs(1))?;
        self.schedules = Some([stream, wall]);
        Ok(())
    }

    fn process<'r>(
        &mut self,
        record: Record<'r>,
        context: &mut ProcessorContext<'_, 'r>,
    ) -> ProcessorResult {
        if let (Value::String("stop"), Some(schedules)) = (record.value(), self.schedules) {
            let ended = schedules.map(|schedule| context.cancel(schedule));
            assert_eq!(ended, [true, true]);
        }
        Ok(())
    }

    fn punctuate(
        &mut self,
        punctuation: Punctuation,
        context: &mut ProcessorContext<'_, '_>,
    ) -> ProcessorResult {
        let stream = self
            .schedules
            .is_some_and(|own| own[0] == punctuation.schedule);
        let by = if stream { "stream" } else { "wall" };
        assert_eq!((context.topic(), context.offset()), (None, None));
        let record = Record::new(context.text(by), Value::Int(1), punctuation.time);
        context.forward(record)
    }
}

/// Upper case, with the input's place in a header.
struct Upper;

impl FixedKeyProcessor for Upper {
    fn process<'r>(
        &mut self,
        record: FixedKeyRecord<'r>,
        context: &mut FixedKeyProcessorContext<'_, 'r>,
    ) -> ProcessorResult {
        let Value::String(text) = record.record().value() else {
            return Err(ProcessorError::new("the value is no text"));
        };
        let mut headers = HeadersBuf::from_headers(record.record().headers());
        headers.push("from", Some(place(context).as_bytes()));
        let (value, headers) = (
            context.text(&text.to_uppercase()),
            context.headers(&headers),
        );
        context.forward(record.with_value(value).with_headers(headers))
    }
}

fn place(context: &ProcessingContext<'_, '_>) -> String {
    let (topic, offset) = (context.topic().unwrap(), context.offset().unwrap());
    format!("{topic}-{}@{offset}", context.partition())
}

/// Fails where a value, or a punctuation, says so.
struct Failing;

impl Processor for Failing {
    fn init(&mut self, context: &mut ProcessorContext<'_, '_>) -> ProcessorResult {
        context.schedule_wall_clock(Duration::from_secs(1))?;
        Ok(())
    }

    fn process<'r>(
        &mut self,
        record: Record<'r>,
        context: &mut ProcessorContext<'_, 'r>,
    ) -> ProcessorResult {
        match record.value() {
            Value::String("number") => Ok("x".parse::<i64>().map(|_| ())?),
            _ => context.forward(record),
        }
    }

    fn punctuate(&mut self, _: Punctuation, _: &mut ProcessorContext<'_, '_>) -> ProcessorResult {
        Err(ProcessorError::new("not now"))
    }
}

/// Notes each value in the window store `windows` by tens, and forwards what a key has in the last 100;
/// then reads the count that another processor keeps.
struct Windows;

impl Processor for Windows {
    fn process<'r>(
        &mut self,
        record: Record<'r>,
        context: &mut ProcessorContext<'_, 'r>,
    ) -> ProcessorResult {
        let (key, time) = (record.key(), record.timestamp());
        let mut windows = context.window("windows")?;
        let written = windows.put(key, time / 10 * 10, record.value(), time)?;
        let rows = windows.fetch(key, time - 100, time)?;
        let all = windows.fetch_all(0, i64::MAX)?.len();
        let mut shown = vec![Value::Bool(written), Value::Int(i64::try_from(all)?)];
        shown.extend(rows.iter().map(|row| row.stored.value));
        let mut counts = context.key_value("counts")?;
        let count = counts.get(key)?.map_or(Value::Null, |stored| stored.value);
        shown.push(count);
        let value = context.list(&shown);
        context.forward(record.with_value(value))
    }
}

/// Forwards the keys of the store `rows` from `b` to `c`, and deletes the first; a text is stored.
struct Scanner;

impl Processor for Scanner {
    fn process<'r>(
        &mut self,
        record: Record<'r>,
        context: &mut ProcessorContext<'_, 'r>,
    ) -> ProcessorResult {
        let mut rows = context.key_value("rows")?;
        if !record.value().is_null() {
            return rows.put(record.key(), record.value(), record.timestamp());
        }
        let (from, to) = (Value::String("b"), Value::String("c"));
        let mut found = Vec::new();
        rows.scan(Some(from), Some(to), |key, stored| {
            found.push(format!("{key}={}@{}", stored.value, stored.timestamp));
            true
        })?;
        let mut first = None;
        rows.scan(None, None, |key, _| {
            first = key_text(key);
            false
        })?;
        if let Some(first) = first {
            rows.delete(Value::String(&first))?;
        }
        let value = context.text(&found.join(" "));
        context.forward(record.with_value(value))
    }
}

fn key_text(key: Value<'_>) -> Option<String> {
    match key {
        Value::String(text) => Some(text.to_owned()),
        _ => None,
    }
}

fn processors() -> Processors {
    Processors::new()
        .with("count", Counter::default)
        .with("route", || Router)
        .with("tick", Ticker::default)
        .with("fail", || Failing)
        .with("windows", || Windows)
        .with("scan", || Scanner)
        .with_fixed_key("upper", || Upper)
}

fn options() -> DriverOptions {
    DriverOptions {
        processors: processors(),
        ..DriverOptions::default()
    }
}

/// `in` through a step to `out`, over step driver and engine alike.
fn through(step: &str) -> String {
    app(&format!(
        "  topology:\n    streams:\n      in: {{topic: in}}\n      out:\n        from: in\n        \
         steps:\n        - {step}\n        to: {{topic: out, key: string, value: json}}\n"
    ))
}

const COUNTING: &str = "process: {processor: count, stores: {counts: {key: string, value: long}}}";

fn driven(yaml: &str) -> TopologyDriver {
    TopologyDriver::with_options(yaml, &options()).unwrap()
}

fn stepped(yaml: &str) -> StepDriver {
    StepDriver::with_processors(yaml, StepOptions::default(), &processors()).unwrap()
}

fn pipe(driver: &mut StepDriver, key: &str, value: Option<&str>, time: i64) -> Vec<String> {
    let value = value.map(str::as_bytes);
    let written = driver.pipe("in", Some(key.as_bytes()), value, time, &HeadersBuf::new());
    written.unwrap().iter().map(show).collect()
}

/// `topic key:value@timestamp`.
fn show(record: &CapturedRecord) -> String {
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or(b"null").to_vec()).unwrap();
    let (key, value) = (text(record.key.as_deref()), text(record.value.as_deref()));
    format!("{} {key}:{value}@{}", record.topic, record.timestamp)
}

fn feed(driver: &mut TopologyDriver, records: &[(&str, &str, i64)]) {
    for &(key, value, time) in records {
        driver.produce("in", Some(key), Some(value), time).unwrap();
    }
    driver.run_until_idle().unwrap();
}

#[test]
fn a_processor_keeps_what_lies_in_its_store_over_a_crash_and_nothing_else() {
    let mut driver = driven(&through(COUNTING));
    feed(&mut driver, &[("a", "1", 5), ("b", "1", 6), ("a", "1", 7)]);
    assert_eq!(
        shown(&driver, "out"),
        ["a:[1,1]@5", "b:[1,2]@6", "a:[2,3]@7"]
    );
    driver.crash(0).unwrap();
    driver.empty_state(0).unwrap();
    driver.start(0).unwrap();
    // The store comes back from its changelog; the processor is another one.
    feed(&mut driver, &[("a", "1", 8)]);
    assert_eq!(shown(&driver, "out").last().unwrap(), "a:[3,1]@8");
    let changelog = driver.compacted("app-counts-changelog").unwrap();
    assert_eq!(changelog[&b"a"[..]], (8, 3_i64.to_be_bytes().to_vec()));
}

#[test]
fn a_record_goes_to_all_outputs_or_to_one_and_an_unknown_one_is_the_record_s_fault() {
    let mut driver = driven(&app(
        "  topology:\n    streams:\n      in: {topic: in}\n      routed:\n        from: in\n        \
         steps: [{process: {processor: route, outputs: [left, right]}}]\n      to-left: {from: left, \
         to: {topic: left}}\n      to-right: {from: right, to: {topic: right}}\n",
    ));
    let records = [
        ("a", r#""left""#, 1),
        ("b", r#""all""#, 2),
        ("c", r#""up""#, 3),
    ];
    feed(&mut driver, &records);
    assert_eq!(shown(&driver, "left"), [r#"a:"left"@1"#, r#"b:"all"@2"#]);
    assert_eq!(shown(&driver, "right"), [r#"b:"all"@2"#]);
    let letters = driver.read("app-dead-letter").unwrap();
    let message = letters[0].headers.as_headers();
    let message = message
        .iter()
        .find(|(name, _)| *name == "__streams.errors.message");
    let message = String::from_utf8(message.unwrap().1.unwrap().to_vec()).unwrap();
    assert_eq!(
        message,
        "there is no child up to forward to; there are: left, right"
    );
}

#[test]
fn stream_time_calls_at_the_first_record_and_then_on_its_grid_until_it_is_cancelled() {
    let mut driver = stepped(&through("process: {processor: tick}"));
    assert_eq!(pipe(&mut driver, "k", Some("1"), 3), ["out stream:1@3"]);
    assert!(pipe(&mut driver, "k", Some("1"), 9).is_empty());
    assert_eq!(pipe(&mut driver, "k", Some("1"), 35), ["out stream:1@35"]);
    assert!(pipe(&mut driver, "k", Some("1"), 39).is_empty());
    assert!(pipe(&mut driver, "k", Some(r#""stop""#), 50).is_empty());
    assert!(pipe(&mut driver, "k", Some("1"), 90).is_empty());
}

#[test]
fn the_wall_clock_calls_without_records_and_what_is_forwarded_is_committed() {
    let mut driver = driven(&through("process: {processor: tick}"));
    let began = driver.now_ms();
    driver.run_until_idle().unwrap();
    for _ in 0..30 {
        driver.pass(Duration::from_millis(100)).unwrap();
    }
    let out = driver.read("out").unwrap();
    assert!((2..=3).contains(&out.len()), "{} calls in 3 s", out.len());
    assert!(
        out.iter()
            .all(|record| record.key.as_deref() == Some(b"wall"))
    );
    assert!(out[0].timestamp >= began + 1_000);
    let before = out.len();
    feed(&mut driver, &[("k", r#""stop""#, 5)]);
    for _ in 0..30 {
        driver.pass(Duration::from_millis(100)).unwrap();
    }
    assert_eq!(driver.read("out").unwrap().len(), before);
}

#[test]
fn the_wall_clock_of_the_step_driver_calls_too() {
    let mut driver = stepped(&through("process: {processor: tick}"));
    assert!(
        driver
            .advance(Duration::from_millis(999))
            .unwrap()
            .is_empty()
    );
    let called = driver.advance(Duration::from_millis(1)).unwrap();
    assert_eq!(
        called.iter().map(show).collect::<Vec<_>>(),
        ["out wall:1@1000"]
    );
    let late = driver.advance(Duration::from_millis(2_500)).unwrap();
    assert_eq!(
        late.iter().map(show).collect::<Vec<_>>(),
        ["out wall:1@3500"]
    );
}

#[test]
fn a_fixed_key_processor_knows_where_a_record_comes_from_and_changes_its_headers() {
    let mut driver = driven(&through("processValues: {processor: upper}"));
    let mut headers = HeadersBuf::new();
    headers.push("trace", Some(b"abc"));
    for value in [r#""x""#, r#""y""#] {
        let (key, value) = (Some(&b"k"[..]), Some(value.as_bytes()));
        let made = driver.produce_bytes("in", Some(0), key, value, 7, &headers);
        made.unwrap();
    }
    driver.run_until_idle().unwrap();
    assert_eq!(shown(&driver, "out"), [r#"k:"X"@7"#, r#"k:"Y"@7"#]);
    let out = driver.read("out").unwrap();
    let found: Vec<_> = out[1].headers.as_headers().iter().collect();
    assert_eq!(
        found,
        [("trace", Some(&b"abc"[..])), ("from", Some(&b"in-0@1"[..]))]
    );
}

#[test]
fn a_failing_record_is_a_dead_letter_and_a_failing_punctuation_is_counted() {
    let mut driver = driven(&through("process: {processor: fail}"));
    feed(&mut driver, &[("k", r#""number""#, 1), ("k", "2", 2)]);
    assert_eq!(shown(&driver, "out"), ["k:2@2"]);
    let letters = driver.read("app-dead-letter").unwrap();
    assert_eq!(letters.len(), 1);
    for _ in 0..15 {
        driver.pass(Duration::from_millis(100)).unwrap();
    }
    // The record, and a punctuation per second that has passed.
    let [reading, processing, writing] = driver.tasks()[0].counters.failed;
    assert_eq!((reading, writing), (0, 0));
    assert!((2..=4).contains(&processing), "{processing}");
}

#[test]
fn under_stop_a_failing_punctuation_stops_the_application_and_names_the_step() {
    let yaml = through("process: {processor: fail}");
    let yaml = yaml.replace("  topology:", "  errors: {processing: stop}\n  topology:");
    let mut driver = driven(&yaml);
    driver.run_until_idle().unwrap();
    let stopped = (0..15).find_map(|_| driver.pass(Duration::from_millis(100)).err());
    let Some(DriverError::Engine(error @ EngineError::Processor { .. })) = stopped else {
        panic!("{stopped:?}");
    };
    let text = error.to_string();
    assert!(text.contains("task 0_0 could not punctuate"), "{text}");
    assert!(text.contains("steps[0].process)): not now"), "{text}");
}

#[test]
fn a_window_store_forgets_what_has_expired_and_another_step_s_store_is_read() {
    let mut driver = stepped(&app(
        "  topology:\n    streams:\n      in: {topic: in}\n      counted:\n        from: in\n        \
         steps: [{process: {processor: count, stores: {counts: {key: string, value: long}}}}]\n      \
         out:\n        from: in\n        steps:\n        - process:\n            processor: windows\n            \
         stores: {windows: {key: string, value: json, window: {size: 10ms, retention: 60s}}}\n            \
         uses: [counts]\n        to: {topic: out}\n",
    ));
    assert_eq!(
        pipe(&mut driver, "k", Some("1"), 5),
        ["out k:[true,1,1,1]@5"]
    );
    assert_eq!(
        pipe(&mut driver, "k", Some("2"), 25),
        ["out k:[true,2,1,2,2]@25"]
    );
    assert_eq!(
        pipe(&mut driver, "k", Some("3"), 28),
        ["out k:[true,2,1,3,3]@28"]
    );
    let late = 10 * 60_000;
    assert_eq!(
        pipe(&mut driver, "k", Some("4"), late),
        [format!("out k:[true,1,4,4]@{late}")]
    );
    assert_eq!(
        pipe(&mut driver, "k", Some("5"), 30),
        ["out k:[false,1,5]@30"]
    );
    assert_eq!(driver.dropped(), 1);
}

#[test]
fn a_scan_shows_a_range_of_keys_committed_or_not() {
    let step = "process: {processor: scan, stores: {rows: {key: string, value: json}}}";
    for commit_every in [1, 100] {
        let options = StepOptions {
            commit_every,
            ..StepOptions::default()
        };
        let driver = StepDriver::with_processors(&through(step), options, &processors());
        let mut driver = driver.unwrap();
        for (key, value) in [("d", "4"), ("c", "3"), ("b", "2"), ("a", "1")] {
            assert!(pipe(&mut driver, key, Some(value), 7).is_empty());
        }
        let expected = r#"out k:"\"b\"=2@7 \"c\"=3@7"@9"#;
        assert_eq!(pipe(&mut driver, "k", None, 9), [expected]);
        assert_eq!(
            pipe(&mut driver, "k", None, 9),
            [expected],
            "`a` was deleted"
        );
        let expected = r#"out k:"\"c\"=3@7"@9"#;
        assert_eq!(
            pipe(&mut driver, "k", None, 9),
            [expected],
            "`b` was deleted"
        );
    }
}

#[test]
fn a_table_s_store_is_read_and_not_written() {
    let mut driver = driven(&app(
        "  errors: {processing: stop}\n  topology:\n    tables:\n      counts: {topic: counts, key: \
         string, value: json, store: counts}\n    streams:\n      in: {topic: in}\n      out: {from: in, \
         steps: [{process: {processor: count, uses: [counts]}}], to: {topic: out}}\n",
    ));
    driver.produce("in", Some("k"), Some("1"), 5).unwrap();
    let error = driver.run_until_idle().unwrap_err().to_string();
    assert!(
        error.contains("cannot use the store counts so: it is a table's"),
        "{error}"
    );
}

#[test]
fn an_unknown_processor_is_refused_at_the_start_with_those_there_are() {
    let yaml = through("process: {processor: cuont}");
    let Err(error) = TopologyDriver::with_options(&yaml, &options()) else {
        panic!("started");
    };
    let error = error.to_string();
    for part in [
        "spec.topology.streams.out.steps[0].process.processor: no processor `cuont` is registered",
        "count, fail, route, scan, tick, upper, windows",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let yaml = through("processValues: {processor: count}");
    let error = TopologyDriver::with_options(&yaml, &options())
        .err()
        .unwrap();
    assert!(error.to_string().contains("use `process`"), "{error}");
}
