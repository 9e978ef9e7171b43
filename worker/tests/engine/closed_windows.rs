//! Goal: results that are forwarded when their windows close are forwarded once each, whatever ends the
//! worker between the closing and the forwarding. Method: the windows of ten minutes close between two
//! looks for complete results; then the worker goes, its state may go with it, and one more record comes.

use std::time::Duration;

use millrace_worker::testing::{DriverOptions, TopologyDriver};

use super::support::drive_with;

const PASS: Duration = Duration::from_millis(100);
const MINUTE_MS: i64 = 60_000;
/// Minutes with a record each.
const MINUTES: i64 = 10;

/// What becomes of a worker and of its state.
const ENDS: [&str; 4] = [
    "closes",
    "closes, state lost",
    "crashes",
    "crashes, state lost",
];

fn ended(driver: &mut TopologyDriver, how: &str) {
    if how.starts_with("closes") {
        driver.close(0, false).unwrap();
    } else {
        driver.crash(0).unwrap();
    }
    if how.ends_with("state lost") {
        driver.empty_state(0).unwrap();
    }
    driver.start(0).unwrap();
}

/// Start and count of each window that was forwarded, in their order.
fn results(driver: &TopologyDriver) -> Vec<(i64, i64)> {
    let records = driver.read("out").unwrap();
    let mut results: Vec<_> = records
        .iter()
        .map(|record| {
            let key = record.key.as_ref().unwrap();
            let start = i64::from_be_bytes(*key.last_chunk().unwrap());
            let count = record.value.as_ref().unwrap()[..].try_into().unwrap();
            (start, i64::from_be_bytes(count))
        })
        .collect();
    results.sort_unstable();
    results
}

/// One record a minute for ten minutes, which are committed; then the end, and one more record.
fn forwarded(windows: &str, store: &str, how: &str) -> Vec<(i64, i64)> {
    let topology = format!(
        r#"  topology:
    streams:
      in: {{topic: in}}
    tables:
      counts:
        from: in
        steps:
        - groupByKey: {{}}
        - windowedBy: {{{windows}, emit: onWindowClose, grace: 0s}}
        - count: {{{store}}}
        to: {{topic: out}}
"#
    );
    let options = DriverOptions {
        emit_interval: Duration::from_secs(1),
        ..DriverOptions::default()
    };
    let mut driver = drive_with(&topology, &options);
    let feed = |driver: &TopologyDriver, minute: i64| {
        let time = minute * MINUTE_MS;
        driver.produce("in", Some("a"), Some("1"), time).unwrap();
    };
    driver.run_until_idle().unwrap();
    for minute in 0..MINUTES {
        feed(&driver, minute);
    }
    // Long enough for some commits, and for one look for results.
    for _ in 0..7 {
        driver.pass(PASS).unwrap();
    }
    let early = results(&driver).len();
    assert!(early < 5, "{early} results were forwarded before the end");
    ended(&mut driver, how);
    for _ in 0..20 {
        driver.pass(PASS).unwrap();
    }
    feed(&driver, MINUTES);
    driver.run_until_idle().unwrap();
    results(&driver)
}

#[test]
fn windows_that_have_closed_are_forwarded_after_the_worker_has_ended() {
    for how in ENDS {
        for store in ["name: c", "name: c, inMemory: true"] {
            let expected: Vec<_> = (0..MINUTES).map(|at| (at * MINUTE_MS, 1)).collect();
            let found = forwarded("tumbling: {size: 60s}", store, how);
            assert_eq!(found, expected, "worker {how}, store {store}");
            let found = forwarded("session: {gap: 30s}", store, how);
            assert_eq!(found, expected, "sessions, worker {how}, store {store}");
        }
    }
}

#[test]
fn sliding_windows_that_have_closed_are_forwarded_after_the_worker_has_ended() {
    for how in ENDS {
        for store in ["name: c", "name: c, inMemory: true"] {
            let found = forwarded("sliding: {difference: 20s}", store, how);
            // The window that ends with each record; none begins after one and has another in it.
            let starts = (0..MINUTES).map(|at| (at * MINUTE_MS - 20_000).max(0));
            let expected: Vec<_> = starts.map(|start| (start, 1)).collect();
            assert_eq!(found, expected, "worker {how}, store {store}");
        }
    }
}
