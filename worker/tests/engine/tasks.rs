//! Goal: tasks keep their place, their time and their state over commits, restarts, crashes and moves
//! between members. Method: small applications whose every record is known.

use std::time::{Duration, Instant};

use millrace_embedded::EmbeddedOptions;
use millrace_kafka::{Cluster, TopicPartition};
use millrace_worker::error::EngineError;
use millrace_worker::state::Committed;
use millrace_worker::testing::{DriverError, DriverOptions, TopologyDriver};

use super::support::{Random, drive, drive_with, shown};

const PASS: Duration = Duration::from_millis(100);

pub(super) fn counting(settings: &str, count: &str) -> String {
    format!(
        r#"{settings}
  topology:
    streams:
      in: {{topic: in}}
    tables:
      counts:
        from: in
        steps:
        - groupByKey: {{}}
        - count: {{{count}}}
        to: {{topic: out}}
"#
    )
}

pub(super) fn feed(driver: &TopologyDriver, records: u64) {
    for number in 0..records {
        let key = format!("key-{}", number % 50);
        driver
            .produce("in", Some(&key), Some("1"), i64::try_from(number).unwrap())
            .unwrap();
    }
}

/// Every key's outputs are 1, 2, 3 and so on; their number is the records'.
pub(super) fn assert_counted(driver: &TopologyDriver, records: u64) {
    let mut last = std::collections::BTreeMap::<Vec<u8>, i64>::new();
    let out = driver.read("out").unwrap();
    for record in &out {
        let count = i64::from_be_bytes(record.value.clone().unwrap().try_into().unwrap());
        let last = last.entry(record.key.clone().unwrap()).or_default();
        assert_eq!(
            count,
            *last + 1,
            "{:?}",
            String::from_utf8_lossy(record.key.as_ref().unwrap())
        );
        *last = count;
    }
    assert_eq!(out.len() as u64, records);
    assert_eq!(
        driver.rows("counts").unwrap(),
        driver.compacted("app-counts-changelog").unwrap()
    );
}

fn restored(driver: &TopologyDriver) -> u64 {
    let members = driver.ordinals();
    members
        .into_iter()
        .map(|member| driver.member(member).unwrap().status().restored())
        .sum()
}

/// Flushes are written by a thread of RocksDB's own: waits until none is under way.
pub(super) fn wait_for_flush(driver: &TopologyDriver) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let tasks = driver.tasks();
    let stores = tasks.iter().flat_map(|task| &task.stores);
    for store in stores {
        let Committed::Rocks(db) = &store.rows else {
            continue;
        };
        while db.is_flushing() {
            assert!(Instant::now() < deadline, "a flush does not end");
            std::thread::yield_now();
        }
    }
}

#[test]
fn partition_time_survives_in_the_committed_offset() {
    let mut driver = drive(&counting("", "name: counts"));
    driver.produce("in", Some("a"), Some("1"), 5_000).unwrap();
    driver.produce("in", Some("a"), Some("1"), 4_000).unwrap();
    driver.run_until_idle().unwrap();
    driver.close(0, false).unwrap();
    let committed = driver.committed(&[TopicPartition::new("in", 0)]).unwrap();
    assert_eq!(committed[0].as_ref().unwrap().offset, 2);
    driver.start(0).unwrap();
    driver.run_until_idle().unwrap();
    assert_eq!(
        driver.tasks()[0].stream_time,
        5_000,
        "before any new record"
    );
}

#[test]
fn an_input_written_in_transactions_is_committed_past_its_last_marker() {
    let yaml = counting("", "name: counts");
    let mut first = drive(&yaml);
    feed(&first, 5);
    first.run_until_idle().unwrap();
    let second = super::support::app(
        "  applicationId: second\n  topology:\n    streams:\n      out: {topic: out, value: long}\n      \
         copy: {from: out, to: {topic: copied}}\n",
    );
    let (cluster, clock) = (first.cluster().clone(), first.clock().clone());
    let mut second =
        TopologyDriver::on(&second, &DriverOptions::default(), cluster, clock).unwrap();
    second.run_until_idle().unwrap();
    let out = TopicPartition::new("out", 0);
    let end = second
        .cluster()
        .admin()
        .unwrap()
        .watermarks(std::slice::from_ref(&out))
        .unwrap()[0]
        .1;
    assert!(end > 5, "there is a marker");
    assert_eq!(
        second.committed(&[out]).unwrap()[0]
            .as_ref()
            .unwrap()
            .offset,
        end
    );
    assert_eq!(second.read("copied").unwrap().len(), 5);
}

#[test]
fn offsets_that_do_not_move_are_committed_again_before_the_broker_forgets_them() {
    let mut driver = drive(&counting("", "name: counts"));
    feed(&driver, 10);
    driver.run_until_idle().unwrap();
    let commits = |driver: &TopologyDriver| driver.member(0).unwrap().status().commits().0;
    let before = commits(&driver);
    for _ in 0..3 * 3600 + 60 {
        driver.pass(Duration::from_secs(1)).unwrap();
    }
    assert_eq!(
        commits(&driver) - before,
        3,
        "once an hour, and nothing else"
    );
    driver.run_until_idle().unwrap();
    assert_counted(&driver, 10);
}

#[test]
fn offset_reset_latest_begins_after_what_is_there_and_never_again() {
    let mut driver = drive_with(
        "  topology:\n    streams:\n      in: {topic: in, offsetReset: latest}\n      out: {from: in, \
         to: {topic: out}}\n",
        &DriverOptions {
            members: 0,
            ..DriverOptions::default()
        },
    );
    driver.produce("in", Some("k"), Some("1"), 1).unwrap();
    driver.start(0).unwrap();
    driver.run_until_idle().unwrap();
    driver.close(0, false).unwrap();
    driver.produce("in", Some("k"), Some("2"), 2).unwrap();
    driver.start(0).unwrap();
    driver.run_until_idle().unwrap();
    assert_eq!(shown(&driver, "out"), ["k:2@2"]);
}

#[test]
fn members_come_and_go_mid_stream_and_only_a_share_of_the_tasks_moves() {
    let options = DriverOptions {
        partitions: 6,
        ..DriverOptions::default()
    };
    let mut driver = drive_with(&counting("", "name: counts"), &options);
    let mut records = 0;
    let mut some = |driver: &mut TopologyDriver| {
        for _ in 0..20 {
            feed(driver, 30);
            records += 30;
            driver.pass(Duration::from_millis(30)).unwrap();
        }
        records
    };
    some(&mut driver);
    driver.start(1).unwrap();
    some(&mut driver);
    let on = |driver: &TopologyDriver, member| -> Vec<_> {
        driver
            .member(member)
            .unwrap()
            .tasks()
            .iter()
            .map(|task| task.id)
            .collect()
    };
    let before = on(&driver, 0);
    assert_eq!((before.len(), on(&driver, 1).len()), (3, 3));
    driver.start(2).unwrap();
    some(&mut driver);
    let after = on(&driver, 0);
    assert_eq!(
        [after.len(), on(&driver, 1).len(), on(&driver, 2).len()],
        [2, 2, 2]
    );
    assert!(
        after.iter().all(|task| before.contains(task)),
        "what stayed is what was there"
    );
    driver.close(1, true).unwrap();
    some(&mut driver);
    driver.close(0, false).unwrap();
    let records = some(&mut driver);
    driver.run_until_idle().unwrap();
    assert_eq!(driver.ordinals(), [2]);
    assert_counted(&driver, records);
}

#[test]
fn a_clean_restart_restores_nothing_and_an_emptied_directory_everything() {
    let mut driver = drive(&counting("", "name: counts"));
    feed(&driver, 500);
    driver.run_until_idle().unwrap();
    driver.close(0, false).unwrap();
    driver.start(0).unwrap();
    driver.run_until_idle().unwrap();
    assert_eq!(restored(&driver), 0);
    driver.close(0, false).unwrap();
    driver.empty_state(0).unwrap();
    driver.start(0).unwrap();
    driver.run_until_idle().unwrap();
    let changelog = driver.read("app-counts-changelog").unwrap().len() as u64;
    assert_eq!(restored(&driver), changelog);
    assert_counted(&driver, 500);
}

#[test]
fn after_a_crash_the_tail_since_the_last_flush_is_restored_and_no_more() {
    let settings = "  state: {flush: {records: 200, intervalMs: 3600000}}";
    let mut driver = drive(&counting(settings, "name: counts"));
    let mut records = 0;
    for round in 0..30 {
        // Now and then less than a bound's worth: the tail must not grow from crash to crash.
        for _ in 0..[3, 20, 1][round % 3] {
            feed(&driver, 50);
            records += 50;
            driver.pass(PASS).unwrap();
            wait_for_flush(&driver);
        }
        driver.crash(0).unwrap();
        driver.start(0).unwrap();
        driver.run_until_idle().unwrap();
        // The bound, reached by a commit of 50 keys.
        let (restored, most) = (restored(&driver), 200 + 50);
        assert!(
            restored <= most,
            "round {round}: {restored} restored, at most {most} expected"
        );
        wait_for_flush(&driver);
    }
    let changelog = driver.read("app-counts-changelog").unwrap().len();
    assert!(changelog > 5_000, "{changelog}");
    assert_counted(&driver, records);
}

#[test]
fn rows_that_wait_too_long_are_flushed_without_a_further_commit() {
    let settings = "  state: {flush: {records: 100000000, intervalMs: 1000}}";
    let mut driver = drive(&counting(settings, "name: counts"));
    feed(&driver, 100);
    driver.run_until_idle().unwrap();
    for _ in 0..20 {
        driver.pass(PASS).unwrap();
    }
    let sst = || {
        let db = driver.state_dir(0).join("app/0_0/db");
        let files = std::fs::read_dir(db).unwrap().flatten();
        files
            .filter(|file| file.path().extension().is_some_and(|ext| ext == "sst"))
            .count()
    };
    wait_for_flush(&driver);
    assert!(sst() > 0, "nothing was flushed");
}

#[test]
fn a_store_in_memory_is_restored_whole_and_answers_the_same() {
    let mut driver = drive(&counting("", "name: counts, inMemory: true"));
    feed(&driver, 300);
    driver.run_until_idle().unwrap();
    driver.crash(0).unwrap();
    feed(&driver, 100);
    driver.start(0).unwrap();
    driver.run_until_idle().unwrap();
    assert!(restored(&driver) >= 50, "{}", restored(&driver));
    assert_counted(&driver, 400);
}

#[test]
fn a_crash_under_at_least_once_loses_nothing() {
    let settings = "  processingGuarantee: at_least_once\n  commitIntervalMs: 200";
    let mut driver = drive(&counting(settings, "name: counts"));
    let mut random = Random(7);
    let mut records = 0;
    for _ in 0..40 {
        feed(&driver, 50);
        records += 50;
        for _ in 0..random.below(6) {
            driver.pass(PASS).unwrap();
        }
        if random.percent(30) {
            driver.crash(0).unwrap();
            driver.start(0).unwrap();
        }
    }
    driver.run_until_idle().unwrap();
    let counts = driver.rows("counts").unwrap();
    let sum: i64 = counts
        .values()
        .map(|(_, value)| i64::from_be_bytes(value[..].try_into().unwrap()))
        .sum();
    assert!(sum >= records, "{sum} of {records} counted");
    assert_eq!(counts, driver.compacted("app-counts-changelog").unwrap());
}

#[test]
fn without_crashes_at_least_once_counts_exactly() {
    let settings = "  processingGuarantee: at_least_once\n  commitIntervalMs: 200";
    let mut driver = drive(&counting(settings, "name: counts"));
    feed(&driver, 500);
    driver.run_until_idle().unwrap();
    driver.close(0, false).unwrap();
    feed(&driver, 500);
    driver.start(0).unwrap();
    driver.run_until_idle().unwrap();
    assert_counted(&driver, 1_000);
}

#[test]
fn results_become_visible_at_the_commit_and_not_before() {
    let mut driver = drive(&counting("  commitIntervalMs: 1000", "name: counts"));
    driver.run_until_idle().unwrap();
    // The next commit is a whole interval away once one has just been made.
    let commits = |driver: &TopologyDriver| driver.member(0).unwrap().status().commits().0;
    driver.produce("in", Some("first"), Some("1"), 1).unwrap();
    let before = commits(&driver);
    while commits(&driver) == before {
        driver.pass(PASS).unwrap();
    }
    feed(&driver, 10);
    for _ in 0..5 {
        driver.pass(PASS).unwrap();
    }
    assert_eq!(
        driver.read("out").unwrap().len(),
        1,
        "no reader sees an open transaction"
    );
    assert_eq!(
        driver.rows("counts").unwrap().len(),
        1,
        "no query sees uncommitted rows"
    );
    driver.run_until_idle().unwrap();
    assert_eq!(driver.read("out").unwrap().len(), 11);
}

#[test]
fn an_overlay_at_its_bound_is_committed_before_the_interval() {
    let spec = r#"  commitIntervalMs: 5000
  topology:
    tables:
      in: {topic: in, value: bytes}
"#;
    let mut driver = drive(spec);
    driver.run_until_idle().unwrap();
    let value = "x".repeat(500_000);
    for number in 0..300 {
        driver
            .produce("in", Some(&format!("key-{number}")), Some(&value), number)
            .unwrap();
    }
    let commits = |driver: &TopologyDriver| driver.member(0).unwrap().status().commits().0;
    let before = commits(&driver);
    // 150 MB of writes within a second: two commits by size, none by time.
    for _ in 0..100 {
        driver.pass(Duration::from_millis(10)).unwrap();
    }
    assert_eq!(commits(&driver) - before, 2);
    driver.run_until_idle().unwrap();
    assert_eq!(driver.rows("in").unwrap().len(), 300);
}

#[test]
fn lost_offsets_over_existing_state_stop_the_application() {
    let mut driver = drive(&counting("", "name: counts"));
    feed(&driver, 10);
    driver.run_until_idle().unwrap();
    driver.close(0, true).unwrap();
    driver
        .cluster()
        .admin()
        .unwrap()
        .delete_group("app")
        .unwrap();
    for emptied in [false, true] {
        if emptied {
            // The changelog alone is state too.
            driver.empty_state(0).unwrap();
        }
        driver.start(0).unwrap();
        let error = driver.run_until_idle().unwrap_err();
        let DriverError::Engine(error) = error else {
            panic!("{error}")
        };
        assert!(matches!(error, EngineError::OffsetsLost { .. }), "{error}");
        assert_eq!(error.reason(), "OffsetsLost");
    }
}

#[test]
fn a_crash_before_the_first_record_is_not_taken_for_lost_offsets() {
    let mut driver = drive(&counting("", "name: counts"));
    for passes in 1..6 {
        for _ in 0..passes {
            driver.pass(PASS).unwrap();
        }
        driver.crash(0).unwrap();
        driver.start(0).unwrap();
    }
    feed(&driver, 10);
    driver.run_until_idle().unwrap();
    assert_counted(&driver, 10);
}

#[test]
fn a_member_that_stood_still_past_its_session_writes_nothing_twice() {
    let options = DriverOptions {
        partitions: 2,
        members: 2,
        log: EmbeddedOptions::default(),
        ..DriverOptions::default()
    };
    let mut driver = drive_with(&counting("", "name: counts"), &options);
    driver.run_until_idle().unwrap();
    feed(&driver, 200);
    // Member 0 has processed and not committed when it stops.
    driver.pass(Duration::from_millis(10)).unwrap();
    driver.step(0).unwrap();
    for _ in 0..150 {
        driver.clock().advance(PASS);
        driver.step(1).unwrap();
    }
    assert_eq!(
        driver.member(1).unwrap().tasks().len(),
        2,
        "the other has its tasks"
    );
    driver.run_until_idle().unwrap();
    assert_counted(&driver, 200);
}

#[test]
fn a_version_that_changes_no_row_is_logged_once() {
    let topology = r#"  topology:
    streams:
      in: {topic: in}
    tables:
      kept:
        from: in
        steps:
        - toTable: {name: kept, versioned: {retention: 1h}}
        to: {topic: out}
"#;
    let mut driver = drive(topology);
    // A tombstone that the rows say already, from the second one on.
    for _ in 0..10 {
        driver.produce("in", Some("a"), None, 5).unwrap();
        driver.run_until_idle().unwrap();
    }
    let changelog = driver.read("app-kept-changelog").unwrap().len();
    assert_eq!(changelog, 10);
}
