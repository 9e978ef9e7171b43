//! Topics by pattern, and a table behind a cache, on a real Kafka.

use std::collections::BTreeMap;

use millrace_tests::worker::LIMIT;

use super::support::{Scene, wait_for};

const COUNTS: &str = "
apiVersion: millrace.dev/v1alpha1
kind: StreamApp
metadata: {name: ID}
spec:
  kafka: {bootstrapServers: \"kafka:9092\"}
  commitIntervalMs: 1000
  topology:
    streams:
      orders: {topicPattern: 'ID-orders-\\w+', key: string, value: string}
    tables:
      counts:
        from: orders
        steps:
        - groupByKey: {}
        - count: {name: counts, caching: true}
        to: {topic: ID-counts}
";

const KEYS: i64 = 5;
const ROUNDS: i64 = 40;

fn write(scene: &mut Scene, topic: &str) {
    for number in 0..KEYS * ROUNDS {
        scene.write(topic, &format!("k{}", number % KEYS), "x", number);
    }
    scene.flush();
}

/// How many results each key has had, and the latest.
fn counts(scene: &Scene) -> BTreeMap<String, (i64, i64)> {
    let mut counts: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for record in scene.read("counts").0 {
        let bytes = record.value.as_deref().and_then(<[u8]>::first_chunk);
        let (results, latest) = counts.entry(record.key().to_owned()).or_default();
        *results += 1;
        *latest = i64::from_be_bytes(*bytes.unwrap());
    }
    counts
}

fn wait_for_count_of_each(scene: &Scene, count: i64) {
    wait_for("count of each key", || {
        let counts = counts(scene);
        counts.len() == KEYS as usize && counts.values().all(|(_, latest)| *latest == count)
    });
}

#[test]
fn topics_that_match_later_are_counted_too_and_a_kill_loses_nothing_held_back() {
    let mut scene = Scene::new("patterns");
    scene.topic("orders-east", 2);
    scene.topic("counts", 2);
    write(&mut scene, "orders-east");
    let options = scene.worker(&scene.app("counts", COUNTS), 0);
    let mut worker = options.start().unwrap();
    wait_for_count_of_each(&scene, ROUNDS);
    scene.topic("orders-west", 2);
    write(&mut scene, "orders-west");
    wait_for_count_of_each(&scene, 2 * ROUNDS);
    write(&mut scene, "orders-west");
    worker.kill().unwrap();
    let mut worker = options.start().unwrap();
    wait_for_count_of_each(&scene, 3 * ROUNDS);
    worker.wait_caught_up(LIMIT).unwrap();
    let results: i64 = counts(&scene).values().map(|(results, _)| results).sum();
    assert!(
        results < 3 * KEYS * ROUNDS / 2,
        "{results} results of {} records: nothing was held back",
        3 * KEYS * ROUNDS
    );
    assert!(worker.terminate().unwrap().success());
}
