//! What is read: to the very end, in order of time, from where it should begin.

use std::collections::BTreeMap;

use millrace_kafka::partitioner::partition;
use millrace_kafka::{Headers, OutRecord};
use millrace_tests::worker::LIMIT;

use super::support::{Scene, wait_for};

const COPY: &str = "
apiVersion: millrace.dev/v1alpha1
kind: StreamApp
metadata: {name: ID}
spec:
  kafka: {bootstrapServers: \"kafka:9092\"}
  topology:
    streams:
      input: {topic: ID-in, key: string, value: string}
      copied: {from: input, to: {topic: ID-out}}
";

#[test]
fn an_idle_input_written_in_transactions_shows_lag_0_and_is_committed_past_its_marker() {
    let mut scene = Scene::new("marker");
    scene.topic("in", 1);
    scene.topic("out", 1);
    let mut producer = scene.producer(Some(&scene.name("txn")));
    producer.init_transactions().unwrap();
    let topic = producer.topic(&scene.name("in")).unwrap();
    for round in 0..3 {
        producer.begin().unwrap();
        let (key, value) = (Some(&b"k"[..]), Some(&b"v"[..]));
        let headers = Headers::EMPTY;
        let record = OutRecord {
            topic,
            partition: 0,
            timestamp: round,
            key,
            value,
            headers,
        };
        producer.send(&record).unwrap();
        producer.flush().unwrap();
        producer.commit().unwrap();
    }
    let mut worker = scene.worker(&scene.app("copy", COPY), 0).start().unwrap();
    assert_eq!(scene.read_at_least("out", 3).len(), 3);
    let status = worker.wait_caught_up(LIMIT).unwrap();
    assert_eq!(status.lag, Some(0));
    let input = scene.partitions_of("in");
    let (_, end) = scene.admin.watermarks(&input).unwrap()[0];
    assert_eq!(end, 6, "three records, three markers");
    wait_for("committed offset past the last marker", || {
        let committed = scene.admin.group_offsets(&scene.id, &input).unwrap();
        committed[0]
            .as_ref()
            .is_some_and(|committed| committed.offset == end)
    });
}

const JOIN: &str = "
apiVersion: millrace.dev/v1alpha1
kind: StreamApp
metadata: {name: ID}
spec:
  kafka: {bootstrapServers: \"kafka:9092\"}
  threads: 1
  topology:
    tables:
      prices: {topic: ID-prices, key: string, value: json, store: prices}
    streams:
      orders: {topic: ID-orders, key: string, value: json}
      priced:
        from: orders
        steps:
        - leftJoin:
            table: prices
            value: '{\"order\": left.order, \"price\": right == null ? null : right.price}'
        to: {topic: ID-priced}
";

#[test]
fn two_preloaded_topics_join_in_the_order_of_their_timestamps() {
    const RECORDS: i64 = 3_000;
    let mut scene = Scene::new("in-time");
    for topic in ["prices", "orders", "priced"] {
        scene.topic(topic, 3);
    }
    // The reference: one pass in order of time. The table's side is written first as a whole: in
    // order of arrival every order would see the last price.
    let mut prices: BTreeMap<String, Option<i64>> = BTreeMap::new();
    let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut orders = Vec::new();
    for time in 0..RECORDS {
        let key = format!("item-{}", time * 7 % 13);
        if time % 3 == 0 {
            let price = (time % 11 != 0).then_some(time);
            let value = price.map(|price| format!(r#"{{"price":{price}}}"#));
            let bytes = value.as_deref().map(str::as_bytes);
            scene.write_bytes("prices", Some(key.as_bytes()), bytes, time, &[]);
            prices.insert(key, price);
        } else {
            orders.push((key.clone(), time));
            let price = prices.get(&key).copied().flatten();
            let price = price.map_or("null".to_owned(), |price| price.to_string());
            let joined = format!(r#"{{"order":{time},"price":{price}}}"#);
            expected.entry(key).or_default().push(joined);
        }
    }
    for (key, time) in &orders {
        scene.write("orders", key, &format!(r#"{{"order":{time}}}"#), *time);
    }
    scene.flush();
    let _worker = scene.worker(&scene.app("join", JOIN), 0).start().unwrap();
    let records = scene.read_at_least("priced", orders.len());
    assert_eq!(super::support::by_key(&records), expected);
    assert!(
        records
            .iter()
            .all(|record| record.partition == partition(record.key.as_deref().unwrap(), 3))
    );
}

#[test]
fn a_source_that_resets_to_latest_reads_only_what_is_written_after_its_first_start() {
    let mut scene = Scene::new("latest");
    scene.topic("in", 3);
    scene.topic("out", 3);
    for key in 0..20 {
        scene.write("in", &format!("old-{key}"), "x", 1);
    }
    scene.flush();
    let app = COPY.replace("{topic: ID-in,", "{topic: ID-in, offsetReset: latest,");
    let options = scene.worker(&scene.app("latest", &app), 0);
    let mut worker = options.start().unwrap();
    worker.wait_ready(3).unwrap();
    assert_eq!(worker.terminate().unwrap().code(), Some(0));
    // Written while nobody runs: the first start has committed where to begin.
    for key in 0..20 {
        scene.write("in", &format!("new-{key}"), "x", 2);
    }
    scene.flush();
    let _worker = options.start().unwrap();
    let records = scene.read_at_least("out", 20);
    assert_eq!(records.len(), 20);
    assert!(
        records
            .iter()
            .all(|record| record.key().starts_with("new-")),
        "{records:?}"
    );
}
