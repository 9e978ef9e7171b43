//! A broker that is away at the start, that restarts, and that dies, under load. On a broker of its
//! own: the other tests' would notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millrace_kafka::{Headers, OutRecord};
use millrace_tests::broker::Broker;
use millrace_tests::worker::WorkerProcess;

use super::support::{LIMIT, Scene, by_key};

const COUNTS: &str = "
apiVersion: millrace.dev/v1alpha1
kind: StreamApp
metadata: {name: ID}
spec:
  kafka: {bootstrapServers: \"kafka:9092\"}
  threads: 1
  topology:
    streams:
      input: {topic: ID-in, key: string, value: string}
    tables:
      counts: {from: input, steps: [groupByKey: {}, count: {name: counts}], to: {topic: ID-out, value: json}}
";

/// After a restart of the broker a worker is at work again within this time.
const BACK_LIMIT: Duration = Duration::from_secs(60);

/// Waits until the worker has processed this many records more than now.
fn progresses(worker: &mut WorkerProcess, by: u64) {
    let before = worker.status().unwrap().processed();
    worker
        .wait_until("progress", BACK_LIMIT, |worker| {
            Ok((worker.status()?.processed() >= before + by).then_some(()))
        })
        .unwrap();
}

#[test]
fn a_worker_rides_through_every_absence_of_the_broker_and_its_result_is_exact() {
    let broker = Broker::start().unwrap();
    let mut scene = Scene::on(&broker, "rides");
    scene.topic("in", 3);
    scene.topic("out", 3);
    let options = scene.worker(&scene.app("counts", COUNTS), 0);

    broker.stop().unwrap();
    let mut worker = options.start().unwrap();
    worker.wait_for_log("waiting for", LIMIT).unwrap();
    let (code, body) = worker.get("/readyz").unwrap();
    assert_eq!(code, 503);
    assert!(
        body.contains(&broker.bootstrap()),
        "names the address: {body}"
    );
    assert_eq!(worker.get("/livez").unwrap().0, 200);
    broker.restart().unwrap();
    worker.wait_ready(3).unwrap();

    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let mut producer = scene.producer(None);
    let name = scene.name("in");
    let feed = std::thread::spawn(move || {
        let topic = producer.topic(&name).unwrap();
        let mut count = 0;
        while !stopped.load(Ordering::Acquire) {
            count += 1;
            for partition in 0..3 {
                let key = format!("key-{partition}");
                let (key, value) = (Some(key.as_bytes()), Some(&b"x"[..]));
                let (timestamp, headers) = (0, Headers::EMPTY);
                let record = OutRecord {
                    topic,
                    partition,
                    timestamp,
                    key,
                    value,
                    headers,
                };
                producer.send(&record).unwrap();
            }
            // Returns when all is acknowledged, however long the broker is away.
            producer.flush().unwrap();
            std::thread::sleep(Duration::from_millis(2));
        }
        count
    });
    progresses(&mut worker, 300);
    broker.stop().unwrap();
    broker.restart().unwrap();
    progresses(&mut worker, 300);
    broker.kill().unwrap();
    broker.restart().unwrap();
    progresses(&mut worker, 300);
    stop.store(true, Ordering::Release);
    let written: usize = feed.join().unwrap();

    worker.wait_caught_up(BACK_LIMIT).unwrap();
    // The input as it is in the log: whether its producer wrote a record twice is not our matter.
    let inputs = by_key(&scene.read("in").0);
    let all: usize = inputs.values().map(Vec::len).sum();
    assert!(all >= 3 * written, "{all} of {written} records");
    let outputs = by_key(&scene.read_at_least("out", all));
    assert_eq!(outputs.len(), 3);
    for (key, values) in outputs {
        let counts: Vec<usize> = values.iter().map(|value| value.parse().unwrap()).collect();
        let expected: Vec<usize> = (1..=inputs[&key].len()).collect();
        assert_eq!(counts, expected, "{key}; its feed wrote {written}");
    }
    assert_eq!(
        worker.terminate().unwrap().code(),
        Some(0),
        "{}",
        worker.log_tail()
    );
}
