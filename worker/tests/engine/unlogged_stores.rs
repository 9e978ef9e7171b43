//! Goal: a store with `logging: false` has no changelog, keeps its rows on disk over a clean restart, and
//! begins empty where they are lost. Method: counts, which show what a store has forgotten.

use millrace_crds::plan::InternalTopicKind;
use millrace_worker::testing::TopologyDriver;

use super::support::{drive, shown};
use super::tasks::{counting, wait_for_flush};

/// One record of each key; the counts that come out.
fn count(driver: &mut TopologyDriver, time: i64) -> Vec<String> {
    let before = driver.read("out").unwrap().len();
    for key in ["a", "b"] {
        driver.produce("in", Some(key), Some("1"), time).unwrap();
    }
    driver.run_until_idle().unwrap();
    shown(driver, "out").split_off(before)
}

fn unlogged(settings: &str, more: &str) -> TopologyDriver {
    let count = format!("name: counts, serdes: {{value: json}}, logging: false{more}");
    drive(&counting(settings, &count))
}

fn restart(driver: &mut TopologyDriver) {
    driver.close(0, false).unwrap();
    driver.start(0).unwrap();
    driver.run_until_idle().unwrap();
}

#[test]
fn a_store_without_logging_has_no_changelog_in_the_plan_or_in_kafka() {
    let mut driver = unlogged("", "");
    assert_eq!(driver.plan().stores[0].changelog, None);
    let planned = driver.plan().internal_topics.iter();
    let changelogs = planned.filter(|topic| topic.kind == InternalTopicKind::Changelog);
    assert_eq!(changelogs.count(), 0);
    count(&mut driver, 1);
    let topics = driver.cluster().topics();
    let mut names: Vec<&str> = topics.iter().map(|topic| &*topic.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["app-dead-letter", "app-tasks", "in", "out"]);
    // The same store with logging has one, and writes to it.
    let mut logged = drive(&counting("", "name: counts"));
    count(&mut logged, 1);
    assert_eq!(logged.read("app-counts-changelog").unwrap().len(), 2);
}

#[test]
fn its_rows_are_on_disk_after_a_clean_restart() {
    let mut driver = unlogged("", "");
    assert_eq!(count(&mut driver, 1), ["a:1@1", "b:1@1"]);
    restart(&mut driver);
    assert_eq!(driver.rows("counts").unwrap().len(), 2);
    assert_eq!(count(&mut driver, 2), ["a:2@2", "b:2@2"]);
}

/// Counts in sliding windows, which are found by range up to the newest one.
fn sliding(logging: bool) -> TopologyDriver {
    drive(&format!(
        "  topology:\n    streams:\n      in: {{topic: in, key: string, value: json}}\n    tables:\n      \
         counts:\n        from: in\n        steps:\n        - groupByKey: {{}}\n        \
         - windowedBy: {{sliding: {{difference: 10ms}}, grace: 1h}}\n        \
         - count: {{name: counts, logging: {logging}}}\n        to: {{topic: out}}\n"
    ))
}

#[test]
fn it_knows_after_a_clean_restart_up_to_when_its_rows_are() {
    let results = [true, false].map(|logging| {
        let mut driver = sliding(logging);
        for time in [100, 105] {
            driver.produce("in", Some("a"), Some("1"), time).unwrap();
        }
        driver.run_until_idle().unwrap();
        restart(&mut driver);
        driver.produce("in", Some("a"), Some("1"), 102).unwrap();
        driver.run_until_idle().unwrap();
        shown(&driver, "out")
    });
    assert!(results[0].len() > 3, "{results:?}");
    assert_eq!(results[0], results[1]);
}

#[test]
fn it_begins_empty_where_its_directory_is_lost_and_reads_nothing_again() {
    let mut driver = unlogged("", "");
    assert_eq!(count(&mut driver, 1), ["a:1@1", "b:1@1"]);
    driver.close(0, false).unwrap();
    driver.empty_state(0).unwrap();
    driver.start(0).unwrap();
    driver.run_until_idle().unwrap();
    assert_eq!(driver.rows("counts").unwrap().len(), 0);
    assert_eq!(count(&mut driver, 2), ["a:1@2", "b:1@2"]);
    assert_eq!(driver.read("out").unwrap().len(), 4);
}

#[test]
fn in_memory_it_begins_empty_at_each_start() {
    let mut driver = unlogged("", ", inMemory: true");
    assert_eq!(count(&mut driver, 1), ["a:1@1", "b:1@1"]);
    restart(&mut driver);
    assert_eq!(driver.rows("counts").unwrap().len(), 0);
    assert_eq!(count(&mut driver, 2), ["a:1@2", "b:1@2"]);
}

/// Nothing is read again for it: what had not gone to disk is lost.
#[test]
fn after_a_crash_it_has_what_had_gone_to_disk() {
    for (flushed, counted) in [(true, ["a:2@2", "b:2@2"]), (false, ["a:1@2", "b:1@2"])] {
        let records = if flushed { 1 } else { 100_000 };
        let settings = format!("  state: {{flush: {{records: {records}, intervalMs: 3600000}}}}");
        let mut driver = unlogged(&settings, "");
        assert_eq!(count(&mut driver, 1), ["a:1@1", "b:1@1"]);
        wait_for_flush(&driver);
        driver.crash(0).unwrap();
        driver.start(0).unwrap();
        driver.run_until_idle().unwrap();
        assert_eq!(count(&mut driver, 2), counted);
    }
}
