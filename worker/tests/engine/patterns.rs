//! Goal: a stream source by pattern reads all topics that match, each task the partitions of its number.
//! Method: topics of unequal counts; what was read is written with the topic it came from.

use std::collections::BTreeMap;

use millrace_kafka::HeadersBuf;
use millrace_worker::testing::DriverOptions;

use super::support::{drive_with, shown};

#[test]
fn all_topics_that_match_are_read_and_the_largest_count_is_that_of_the_tasks() {
    let spec = r#"  topology:
    streams:
      orders: {topicPattern: 'orders-\w+', timestamp: 'topic == "orders-fr" ? 1000 : timestamp'}
      out:
        from: orders
        steps: [mapValues: 'topic + ":" + value']
        to: {topic: orders-out}
"#;
    let partitions_of = [("orders-de", 1), ("orders-fr", 3), ("orders", 5)];
    let options = DriverOptions {
        partitions_of: BTreeMap::from(partitions_of.map(|(name, n)| (name.to_owned(), n))),
        ..DriverOptions::default()
    };
    let mut driver = drive_with(spec, &options);
    assert_eq!(driver.task_count(), 3);
    driver.run_until_idle().unwrap();
    for (topic, partition, time) in [("orders-de", 0, 1), ("orders-fr", 2, 2), ("orders", 4, 3)] {
        let (key, value) = (Some(&b"k"[..]), Some(&b"\"x\""[..]));
        driver
            .produce_bytes(topic, Some(partition), key, value, time, &HeadersBuf::new())
            .unwrap();
    }
    driver.run_until_idle().unwrap();
    let mut out = shown(&driver, "orders-out");
    out.sort();
    assert_eq!(out, ["k:\"orders-de:x\"@1", "k:\"orders-fr:x\"@1000"]);
}
