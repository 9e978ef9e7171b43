//! Goal: under the policy `retry` a record that fails is tried again from the last commit, so often and
//! not more often, and nothing of the failed attempts is left. Method: a processor that fails as often as a
//! test says, behind a count that each attempt would raise.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use millrace_worker::api::{
    Processor, ProcessorContext, ProcessorError, ProcessorResult, Processors, Record, Value,
};
use millrace_worker::error::EngineError;
use millrace_worker::testing::{DriverError, DriverOptions, TopologyDriver};

use super::support::{app, drive_with, shown};

/// Counts each key's records in a store, writes the count, and fails at the value `bad` while failures
/// are left.
struct Flaky {
    failures: Arc<AtomicU32>,
    attempts: Arc<AtomicU32>,
}

impl Processor for Flaky {
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
        context.forward(record.with_value(Value::Int(before + 1)))?;
        if record.value() != Value::String("bad") {
            return Ok(());
        }
        self.attempts.fetch_add(1, Ordering::Relaxed);
        let left = self.failures.load(Ordering::Relaxed);
        if left == 0 {
            return Ok(());
        }
        self.failures.store(left - 1, Ordering::Relaxed);
        Err(ProcessorError::new("the other side is away"))
    }
}

/// What a test holds: the application, and how often the bad record was tried.
struct Tried {
    driver: TopologyDriver,
    attempts: Arc<AtomicU32>,
}

fn topology(settings: &str, source: &str) -> String {
    app(&format!(
        r#"{settings}  topology:
    streams:
      in: {{topic: in{source}}}
      out:
        from: in
        steps:
        - process:
            processor: flaky
            stores: {{counts: {{key: string, value: long}}}}
            serdes: {{key: string, value: long}}
        to: {{topic: out, key: string, value: long}}
"#
    ))
}

/// An application whose processor fails so often.
fn flaky(settings: &str, source: &str, failures: u32) -> Tried {
    let (failures, attempts) = (Arc::new(AtomicU32::new(failures)), Arc::default());
    let tried = Arc::clone(&attempts);
    let processors = Processors::new().with("flaky", move || Flaky {
        failures: Arc::clone(&failures),
        attempts: Arc::clone(&tried),
    });
    let options = DriverOptions {
        processors,
        ..DriverOptions::default()
    };
    let driver = TopologyDriver::with_options(&topology(settings, source), &options).unwrap();
    Tried { driver, attempts }
}

/// One bad record between good ones, all of one key.
fn feed(driver: &mut TopologyDriver) {
    driver.run_until_idle().unwrap();
    for (value, time) in [("\"a\"", 1), ("\"b\"", 2), ("\"bad\"", 3), ("\"c\"", 4)] {
        driver.produce("in", Some("k"), Some(value), time).unwrap();
    }
}

fn retried(driver: &TopologyDriver) -> u64 {
    driver.member(0).unwrap().status().retried()
}

#[test]
fn a_record_that_fails_for_a_while_counts_once_in_the_end() {
    for guarantee in ["exactly_once_v2", "at_least_once"] {
        let settings = format!(
            "  processingGuarantee: {guarantee}\n  commitIntervalMs: 5000\n  \
             errors: {{processing: retry}}\n"
        );
        let Tried {
            mut driver,
            attempts,
        } = flaky(&settings, "", 3);
        feed(&mut driver);
        driver.run_until_idle().unwrap();
        assert_eq!(attempts.load(Ordering::Relaxed), 4, "{guarantee}");
        assert_eq!(retried(&driver), 3, "{guarantee}");
        let rows = driver.rows("counts").unwrap();
        assert_eq!(rows[&b"k"[..]], (4, 4_i64.to_be_bytes().to_vec()));
        let changelog = driver.compacted("app-counts-changelog").unwrap();
        assert_eq!(changelog, rows, "{guarantee}");
        let dead = driver.read("app-dead-letter").unwrap();
        assert!(dead.is_empty(), "{guarantee}");
        let written: Vec<i64> = driver
            .read("out")
            .unwrap()
            .iter()
            .map(|record| i64::from_be_bytes(record.value.clone().unwrap().try_into().unwrap()))
            .collect();
        if guarantee == "exactly_once_v2" {
            assert_eq!(written, [1, 2, 3, 4]);
        } else {
            // What failed attempts had sent may be there too.
            let all = (1..=4).all(|count| written.contains(&count));
            assert!(all && written.last() == Some(&4), "{written:?}");
        }
    }
}

#[test]
fn after_the_last_attempt_it_is_a_dead_letter_or_the_end() {
    let settings = "  errors: {processing: retry, retry: {attempts: 2, backoffMs: 10}}\n";
    let Tried {
        mut driver,
        attempts,
    } = flaky(settings, "", u32::MAX);
    feed(&mut driver);
    driver.run_until_idle().unwrap();
    assert_eq!(
        attempts.load(Ordering::Relaxed),
        3,
        "the first and two more"
    );
    assert_eq!(retried(&driver), 2);
    assert_eq!(driver.read("out").unwrap().len(), 4);
    let dead = driver.read("app-dead-letter").unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].value.as_deref(), Some(&b"\"bad\""[..]));
    let failed: Vec<_> = driver.tasks().iter().map(|t| t.counters.failed).collect();
    assert_eq!(failed, [[0, 1, 0]], "counted once it was given up");

    let settings = "  errors: {processing: retry, retry: {attempts: 2, then: stop}}\n";
    let Tried {
        mut driver,
        attempts,
    } = flaky(settings, "", u32::MAX);
    feed(&mut driver);
    let error = driver.run_until_idle().unwrap_err();
    let stopped = matches!(
        error,
        DriverError::Engine(EngineError::PoisonRecord { offset: 2, .. })
    );
    assert!(stopped, "{error}");
    assert_eq!(attempts.load(Ordering::Relaxed), 3);
    assert!(
        driver
            .read("app-dead-letter")
            .unwrap_or_default()
            .is_empty()
    );
    assert_eq!(driver.read("out").unwrap().len(), 2, "those before it");
}

#[test]
fn attempts_wait_twice_as_long_each_time() {
    let settings = "  errors: {processing: retry, retry: {attempts: 3, backoffMs: 1000}}\n";
    let Tried {
        mut driver,
        attempts,
    } = flaky(settings, "", u32::MAX);
    feed(&mut driver);
    let mut at = Vec::new();
    for second in 0..400 {
        let before = attempts.load(Ordering::Relaxed);
        driver.pass(Duration::from_millis(100)).unwrap();
        if attempts.load(Ordering::Relaxed) > before {
            at.push(second);
        }
    }
    assert_eq!(at.len(), 4);
    let waits: Vec<i32> = at.windows(2).map(|two| two[1] - two[0]).collect();
    for (wait, wanted) in waits.iter().zip([10, 20, 40]) {
        assert!((wanted..wanted + 8).contains(wait), "{waits:?}");
    }
}

#[test]
fn a_source_s_own_policy_is_for_its_records_alone() {
    let Tried {
        mut driver,
        attempts,
    } = flaky("", ", processingErrors: retry", 2);
    feed(&mut driver);
    driver.run_until_idle().unwrap();
    assert_eq!(attempts.load(Ordering::Relaxed), 3);
    let Tried {
        mut driver,
        attempts,
    } = flaky(
        "  errors: {processing: retry}\n",
        ", processingErrors: deadLetter",
        2,
    );
    feed(&mut driver);
    driver.run_until_idle().unwrap();
    assert_eq!(attempts.load(Ordering::Relaxed), 1);
    assert_eq!(driver.read("app-dead-letter").unwrap().len(), 1);
}

#[test]
fn a_result_for_a_topic_that_is_not_there_waits_for_it() {
    let spec = r#"  errors: {production: retry, retry: {attempts: 4, backoffMs: 1000, then: stop}}
  topology:
    streams:
      in: {topic: in}
      out: {from: in, steps: [to: {topicFrom: value}]}
"#;
    let options = DriverOptions::default();
    let mut driver = drive_with(spec, &options);
    driver.run_until_idle().unwrap();
    driver
        .produce("in", Some("k"), Some("\"late\""), 1)
        .unwrap();
    for _ in 0..20 {
        driver.pass(Duration::from_millis(100)).unwrap();
    }
    assert!(retried(&driver) > 0);
    let late = millrace_kafka::TopicSpec {
        name: "late".to_owned(),
        partitions: 1,
        replication_factor: -1,
        configs: std::collections::BTreeMap::new(),
    };
    let cluster: &dyn millrace_kafka::Cluster = driver.cluster();
    cluster.admin().unwrap().create_topics(&[late]).unwrap();
    driver.run_until_idle().unwrap();
    assert_eq!(shown(&driver, "late"), ["k:\"late\"@1"]);
}
