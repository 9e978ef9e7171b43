//! Goal: what a disk, a broker or a producer has damaged is noticed, and mended from the log where that
//! is right. Method: bytes of an SST file flipped, or offsets of a group taken away, between two runs;
//! keys written to partitions that are not theirs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use millrace_kafka::{Cluster, CommittedOffset, ConsumerOptions, HeadersBuf, TopicPartition};
use millrace_worker::error::EngineError;
use millrace_worker::testing::{DriverError, DriverOptions, TopologyDriver};

use super::support::{Random, drive, drive_with};

const PASS: Duration = Duration::from_millis(100);

/// Two inputs in one task.
const JOINING: &str = r#"  topology:
    tables:
      prices: {topic: prices, store: prices}
    streams:
      orders: {topic: orders}
      priced:
        from: orders
        steps:
        - join: {table: prices, value: right}
        to: {topic: out}
"#;

/// Files of a kind below a directory.
fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|known| known == extension) {
            found.push(path);
        }
    }
    found
}

/// Rows of the damaged table; large enough in all that each SST file has many data blocks.
const ROWS: u64 = 2_000;
/// Shorter files are those of checkpoints.
const DATA_BYTES_MIN: usize = 100_000;

/// Flips a byte in every few data blocks of a member's SST files: those lie at a file's beginning.
fn damage(driver: &TopologyDriver) {
    let mut damaged = 0;
    for table in files(&driver.state_dir(0), "sst") {
        let mut bytes = std::fs::read(&table).unwrap();
        if bytes.len() < DATA_BYTES_MIN {
            continue;
        }
        for at in (1_000..bytes.len() / 2).step_by(50_000) {
            bytes[at] ^= 0x55;
        }
        std::fs::write(&table, bytes).unwrap();
        damaged += 1;
    }
    assert!(damaged > 0, "no file has rows");
}

/// Asks for every row of the table once.
fn look_all_up(driver: &TopologyDriver) {
    for row in 0..ROWS {
        let key = format!("key-{row}");
        driver
            .produce("orders", Some(&key), Some("\"x\""), 2)
            .unwrap();
    }
}

#[test]
fn corrupt_rows_are_rebuilt_from_the_changelog_once_an_hour_and_the_result_stays_exact() {
    let mut driver = drive(JOINING);
    let mut random = Random(7);
    for row in 0..ROWS {
        let noise: String = (0..40).map(|_| format!("{:016x}", random.next())).collect();
        let (key, price) = (format!("key-{row}"), format!("\"{row} {noise}\""));
        driver
            .produce("prices", Some(&key), Some(&price), 1)
            .unwrap();
    }
    driver.run_until_idle().unwrap();
    let rows = driver.rows("prices").unwrap();
    driver.close(0, true).unwrap();
    damage(&driver);
    driver.start(0).unwrap();
    look_all_up(&driver);
    driver.run_until_idle().unwrap();
    let out = driver.read("out").unwrap();
    assert_eq!(out.len() as u64, ROWS, "each order once");
    for record in &out {
        let key = String::from_utf8_lossy(record.key.as_ref().unwrap()).into_owned();
        let value = String::from_utf8_lossy(record.value.as_ref().unwrap()).into_owned();
        let row = key.trim_start_matches("key-");
        assert!(value.starts_with(&format!("\"{row} ")), "{key}: {value}");
    }
    assert_eq!(driver.rows("prices").unwrap(), rows);

    // A disk that does it again is not worked around.
    driver.close(0, true).unwrap();
    damage(&driver);
    driver.start(0).unwrap();
    look_all_up(&driver);
    let error = driver.run_until_idle().unwrap_err();
    let DriverError::Engine(error) = error else {
        panic!("{error}")
    };
    assert_eq!(error.reason(), "StateCorrupt", "{error}");
}

/// Takes a group's offsets away but for those of one topic.
fn forget_all_but(driver: &TopologyDriver, kept: &str) {
    let cluster = driver.cluster();
    let kept = TopicPartition::new(kept, 0);
    let consumer = |instance: &str| {
        let options = ConsumerOptions {
            group_id: "app".to_owned(),
            instance_id: instance.to_owned(),
            tasks_topic: "app-tasks".to_owned(),
            client_id: "test".to_owned(),
            inputs: 1,
        };
        cluster.consumer(&options).unwrap()
    };
    let mut before = consumer("before");
    let offset = before.committed(std::slice::from_ref(&kept)).unwrap()[0]
        .clone()
        .unwrap();
    before.close(true).unwrap();
    cluster.admin().unwrap().delete_group("app").unwrap();
    let mut after = consumer("after");
    let mut joined = false;
    while !joined {
        driver.clock().advance(PASS);
        after.poll(Duration::ZERO, 1, &mut |_| {}).unwrap();
        joined = after.rebalance().is_some();
        after.acknowledge().unwrap();
    }
    let offset = CommittedOffset {
        offset: offset.offset,
        metadata: String::new(),
    };
    after.commit(&[(kept, offset)]).unwrap();
    after.close(true).unwrap();
}

fn joining() -> TopologyDriver {
    let mut driver = drive(JOINING);
    driver
        .produce("prices", Some("a"), Some("\"1\""), 1)
        .unwrap();
    driver
        .produce("orders", Some("a"), Some("\"x\""), 2)
        .unwrap();
    driver.run_until_idle().unwrap();
    assert_eq!(driver.read("out").unwrap().len(), 1);
    driver.close(0, true).unwrap();
    driver
}

#[test]
fn an_input_whose_offset_alone_is_lost_is_named_and_nothing_is_read_again() {
    let mut driver = joining();
    forget_all_but(&driver, "orders");
    driver.start(0).unwrap();
    let error = driver.run_until_idle().unwrap_err();
    let DriverError::Engine(EngineError::OffsetsLost { partitions, .. }) = error else {
        panic!("{error}")
    };
    assert_eq!(partitions, "prices-0");
}

#[test]
fn an_input_that_the_state_has_never_seen_begins_by_its_reset_policy() {
    let mut driver = joining();
    forget_all_but(&driver, "orders");
    // Without the state's own record of its inputs nothing says that there was an offset.
    driver.empty_state(0).unwrap();
    driver.start(0).unwrap();
    driver.run_until_idle().unwrap();
    driver
        .produce("orders", Some("a"), Some("\"y\""), 3)
        .unwrap();
    driver.run_until_idle().unwrap();
    assert_eq!(driver.read("out").unwrap().len(), 2);
}

#[test]
fn keys_of_a_join_on_partitions_that_are_not_theirs_are_counted_by_input() {
    let options = DriverOptions {
        partitions: 2,
        ..DriverOptions::default()
    };
    let mut driver = drive_with(JOINING, &options);
    let price = Some("\"1\"");
    let (home, _) = driver.produce("prices", Some("a"), price, 1).unwrap();
    for partition in [home, 1 - home, 1 - home] {
        let (key, value) = (Some(&b"a"[..]), Some(&b"\"x\""[..]));
        driver
            .produce_bytes("orders", Some(partition), key, value, 2, &HeadersBuf::new())
            .unwrap();
    }
    driver.run_until_idle().unwrap();
    assert_eq!(driver.read("out").unwrap().len(), 1, "the others miss");
    let misplaced = |topic: &str| -> u64 {
        let tasks = driver.tasks();
        let inputs = tasks.iter().flat_map(|task| &task.inputs);
        inputs
            .filter(|input| &*input.partition.topic == topic)
            .map(|input| input.misplaced)
            .sum()
    };
    assert_eq!((misplaced("prices"), misplaced("orders")), (0, 2));
}
