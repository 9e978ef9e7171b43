//! Goal: a table whose store caches tells of a key once a commit, of its change since the last time
//! (CachingKeyValueStoreTest and its likes), and results are those without the cache. Method: the same
//! records with and without; long commit intervals, so that a test says when a commit is.

use std::time::Duration;

use millrace_worker::testing::{DriverOptions, TopologyDriver};

use super::support::{Random, drive, drive_with, shown};

/// Between two commits; nothing else commits.
const INTERVAL: Duration = Duration::from_secs(5);

fn settings(more: &str) -> String {
    format!("  commitIntervalMs: 5000\n{more}")
}

/// Processes all there is, without a commit.
fn process(driver: &mut TopologyDriver) {
    for _ in 0..20 {
        driver.pass(Duration::from_millis(1)).unwrap();
    }
}

fn commit(driver: &mut TopologyDriver) {
    driver.pass(INTERVAL).unwrap();
    process(driver);
}

fn feed(driver: &TopologyDriver, records: &[(&str, Option<&str>, i64)]) {
    for (key, value, time) in records {
        driver.produce("in", Some(key), *value, *time).unwrap();
    }
}

fn counters(driver: &mut TopologyDriver) -> (u64, u64) {
    // Published now and then.
    driver.pass(Duration::from_millis(300)).unwrap();
    let tasks = driver.tasks();
    let counters = tasks.iter().map(|task| task.counters);
    counters.fold((0, 0), |(cached, full), task| {
        (cached + task.cached, full + task.cache_full)
    })
}

fn counts(caching: bool) -> String {
    let step = format!("count: {{name: counts, serdes: {{value: json}}, caching: {caching}}}");
    settings(&format!(
        "  topology:
    streams:
      in: {{topic: in}}
    tables:
      counts: {{from: in, steps: [groupByKey: {{}}, {step}], to: {{topic: out}}}}
"
    ))
}

const COUNTED: &[(&str, Option<&str>, i64)] = &[
    ("a", Some("1"), 1),
    ("b", Some("1"), 2),
    ("a", Some("1"), 9),
    ("a", Some("1"), 4),
];

#[test]
fn a_key_is_told_of_once_a_commit_with_its_last_value_and_time() {
    let mut driver = drive(&counts(true));
    driver.run_until_idle().unwrap();
    for _ in 0..2 {
        feed(&driver, COUNTED);
        process(&mut driver);
        commit(&mut driver);
    }
    // Keys in the order of their last changes.
    assert_eq!(shown(&driver, "out"), ["b:1@2", "a:3@9", "b:2@2", "a:6@9"]);
    assert_eq!(counters(&mut driver), (4, 0));
    let cached = driver.rows("counts").unwrap();

    let mut driver = drive(&counts(false));
    driver.run_until_idle().unwrap();
    for _ in 0..2 {
        feed(&driver, COUNTED);
        process(&mut driver);
        commit(&mut driver);
    }
    assert_eq!(shown(&driver, "out").len(), 8);
    assert_eq!(driver.rows("counts").unwrap(), cached);
}

/// What a table writes comes from its store, also where the declaration names the store.
#[test]
fn a_kept_table_writes_what_its_cache_lets_go() {
    let spec = settings(
        "  topology:
    tables:
      in: {topic: in}
      above:
        from: in
        steps: [filter: value > 0]
        store: above
        caching: true
        to: {topic: out}
",
    );
    let mut driver = drive(&spec);
    driver.run_until_idle().unwrap();
    let records = [
        ("a", Some("1"), 1),
        ("b", Some("2"), 2),
        ("a", Some("3"), 3),
    ];
    feed(&driver, &records);
    process(&mut driver);
    commit(&mut driver);
    assert_eq!(shown(&driver, "out"), ["b:2@2", "a:3@3"]);
}

#[test]
fn a_full_cache_passes_everything_on_before_the_commit() {
    let spec = counts(true).replace(
        "commitIntervalMs",
        "state: {cacheBytes: 0}\n  commitIntervalMs",
    );
    let mut driver = drive(&spec);
    driver.run_until_idle().unwrap();
    feed(&driver, COUNTED);
    process(&mut driver);
    commit(&mut driver);
    let each = ["a:1@1", "b:1@2", "a:2@9", "a:3@9"];
    assert_eq!(shown(&driver, "out"), each);
    assert_eq!(counters(&mut driver), (0, 4));
}

#[test]
fn a_row_that_comes_and_goes_is_no_change_and_one_that_was_told_of_is_deleted() {
    let spec = settings(
        "  topology:
    tables:
      in: {topic: in, caching: true}
      out: {from: in, steps: [mapValues: value], to: {topic: out}}
",
    );
    let mut driver = drive(&spec);
    driver.run_until_idle().unwrap();
    feed(
        &driver,
        &[("a", Some("1"), 1), ("b", Some("1"), 1), ("b", None, 2)],
    );
    process(&mut driver);
    commit(&mut driver);
    assert_eq!(shown(&driver, "out"), ["a:1@1"]);
    feed(
        &driver,
        &[("a", Some("2"), 3), ("a", None, 4), ("c", None, 4)],
    );
    process(&mut driver);
    commit(&mut driver);
    assert_eq!(shown(&driver, "out"), ["a:1@1", "a:null@4"]);
}

/// A cached table, grouped anew with a subtractor into a cached aggregate, joined with another one.
fn chain(caching: bool) -> String {
    settings(&format!(
        "  topology:
    tables:
      in: {{topic: in, caching: {caching}}}
      names: {{topic: names, caching: {caching}}}
      sums:
        from: in
        steps:
        - groupBy: {{key: value.of, value: value.amount}}
        - aggregate: {{name: sums, initial: '0', value: aggregate + value, subtract: aggregate - value, caching: {caching}}}
      named:
        from: sums
        steps:
        - leftJoin: {{table: names, value: '[left, right]'}}
        to: {{topic: out}}
"
    ))
}

/// Random rows, with commits, and crashes if asked, in between; the last result of each key.
fn last_results(caching: bool, seed: u64, crashes: bool) -> (Vec<String>, usize) {
    let options = DriverOptions {
        partitions: 2,
        ..DriverOptions::default()
    };
    let mut driver = drive_with(&chain(caching), &options);
    driver.run_until_idle().unwrap();
    let mut random = Random(seed);
    for time in 0..120 {
        let (row, of) = (random.below(6), random.below(3));
        let value = format!(r#"{{"of":"{of}","amount":{}}}"#, random.below(100));
        let value = (!random.percent(15)).then_some(value);
        let key = format!("row-{row}");
        driver
            .produce("in", Some(&key), value.as_deref(), time)
            .unwrap();
        if random.percent(20) {
            let name = format!("\"name-{time}\"");
            driver
                .produce("names", Some(&of.to_string()), Some(&name), time)
                .unwrap();
        }
        if random.percent(30) {
            process(&mut driver);
        }
        if random.percent(10) {
            commit(&mut driver);
        }
        if random.percent(5) && crashes {
            driver.crash(0).unwrap();
            driver.start(0).unwrap();
        }
    }
    driver.run_until_idle().unwrap();
    let written = driver.read("out").unwrap().len();
    let last = driver.compacted("out").unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let shown = last
        .iter()
        .map(|(key, (_, value))| format!("{}:{}", text(key), text(value)));
    (shown.collect(), written)
}

#[test]
fn results_are_those_without_caches_also_over_crashes() {
    for seed in 0..6 {
        let (without, all) = last_results(false, seed, false);
        let (cached, fewer) = last_results(true, seed, false);
        assert_eq!(cached, without, "seed {seed}");
        assert!(fewer < all, "seed {seed}: {fewer} of {all}");
        let (crashed, _) = last_results(true, seed, true);
        assert_eq!(crashed, without, "seed {seed}, with crashes");
    }
}

#[test]
fn old_values_are_those_told_of_last() {
    let spec = settings(
        "  topology:
    tables:
      in: {topic: in, caching: true}
      sums:
        from: in
        steps:
        - groupBy: {key: value.of, value: value.amount}
        - aggregate: {name: sums, initial: '0', value: aggregate + value, subtract: aggregate - value}
        to: {topic: out}
",
    );
    let mut driver = drive(&spec);
    driver.run_until_idle().unwrap();
    let rows = [
        ("r", Some(r#"{"of":"x","amount":5}"#), 1),
        ("r", Some(r#"{"of":"y","amount":6}"#), 2),
    ];
    feed(&driver, &rows);
    process(&mut driver);
    commit(&mut driver);
    commit(&mut driver);
    // x never heard of it.
    assert_eq!(shown(&driver, "out"), ["y:6@2"]);
    let rows = [
        ("r", Some(r#"{"of":"x","amount":7}"#), 3),
        ("r", Some(r#"{"of":"y","amount":8}"#), 4),
    ];
    feed(&driver, &rows);
    process(&mut driver);
    commit(&mut driver);
    commit(&mut driver);
    // One change within y, from 6 to 8.
    assert_eq!(shown(&driver, "out"), ["y:6@2", "y:8@4"]);
}

#[test]
fn windows_and_sessions_are_told_of_once_a_commit() {
    let spec = |windows: &str| {
        settings(&format!(
            "  topology:
    streams:
      in: {{topic: in}}
      out:
        from: counts
        steps:
        - toStream: {{}}
        - selectKey: key + string(window.start) + \"-\" + string(window.end)
        to: {{topic: out}}
    tables:
      counts: {{from: in, steps: [groupByKey: {{}}, windowedBy: {{{windows}}}, count: {{name: counts, serdes: {{value: json}}, caching: true}}]}}
"
        ))
    };
    let x = Some("1");
    let mut driver = drive(&spec("tumbling: {size: 10ms}, grace: 1h"));
    driver.run_until_idle().unwrap();
    feed(&driver, &[("a", x, 1), ("a", x, 11), ("a", x, 2)]);
    process(&mut driver);
    commit(&mut driver);
    assert_eq!(shown(&driver, "out"), ["a10-20:1@11", "a0-10:2@2"]);

    let mut driver = drive(&spec("session: {gap: 10ms}, grace: 1h"));
    driver.run_until_idle().unwrap();
    feed(&driver, &[("a", x, 1), ("a", x, 5)]);
    process(&mut driver);
    commit(&mut driver);
    // The session of the first record alone was never told of.
    assert_eq!(shown(&driver, "out"), ["a1-5:2@5"]);
    feed(&driver, &[("a", x, 5), ("a", x, 9)]);
    process(&mut driver);
    commit(&mut driver);
    assert_eq!(shown(&driver, "out")[1..], ["a1-5:null@5", "a1-9:4@9"]);
    // A session of one time that goes on, and then becomes another one within a commit.
    feed(&driver, &[("b", x, 100)]);
    process(&mut driver);
    commit(&mut driver);
    feed(&driver, &[("b", x, 100), ("b", x, 105)]);
    process(&mut driver);
    commit(&mut driver);
    let out = shown(&driver, "out");
    assert_eq!(
        out[3..],
        ["b100-100:1@100", "b100-100:null@100", "b100-105:3@105"]
    );
}

#[test]
fn a_change_that_fails_downstream_is_a_dead_letter_of_its_last_record() {
    let spec = settings(
        "  topology:
    streams:
      in: {topic: in}
    tables:
      sums: {from: in, steps: [groupByKey: {}, reduce: {name: sums, value: aggregate + value, caching: true}]}
      out: {from: sums, steps: [mapValues: 'value == 0 ? int(\"none\") : 7'], to: {topic: out}}
",
    );
    let mut driver = drive(&spec);
    driver.run_until_idle().unwrap();
    feed(
        &driver,
        &[
            ("a", Some("5"), 1),
            ("b", Some("1"), 2),
            ("a", Some("-5"), 3),
        ],
    );
    process(&mut driver);
    commit(&mut driver);
    assert_eq!(shown(&driver, "out"), ["b:7@2"]);
    let dead = driver.read("app-dead-letter").unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].key.as_deref(), Some(&b"a"[..]));
    assert_eq!(dead[0].value.as_deref(), Some(&b"0"[..]));
    let headers = dead[0].headers.as_headers();
    let offset = headers.iter().find(|(name, _)| name.ends_with("offset"));
    assert_eq!(offset.unwrap().1, Some(&b"2"[..]));
}

#[test]
fn a_held_back_change_that_fails_is_not_tried_again_and_again() {
    let spec = settings(
        "  errors: {processing: retry, retry: {attempts: 3, backoffMs: 10}}
  topology:
    streams:
      in: {topic: in}
      out: {from: counts, steps: [toStream: {}, mapValues: 'string(6 / (value - 3))'], to: {topic: out, value: string}}
    tables:
      counts: {from: in, steps: [groupByKey: {}, count: {name: counts, caching: true}]}
",
    );
    let mut driver = drive(&spec);
    driver.run_until_idle().unwrap();
    for _ in 0..2 {
        feed(&driver, COUNTED);
        process(&mut driver);
        commit(&mut driver);
    }
    // `a` had three at the first commit, and six at the second.
    assert_eq!(shown(&driver, "out"), ["b:-3@2", "b:-6@2", "a:2@9"]);
    assert_eq!(driver.read("app-dead-letter").unwrap().len(), 1);
    assert_eq!(driver.member(0).unwrap().status().retried(), 0);
}
