//! A broker that is away at the start, that restarts, and that dies, under load. On a broker of its
//! own: the other tests' would notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millrace_kafka::{
    Cluster, Guarantee, Headers, KafkaCluster, KafkaConfig, OutRecord, ProducerOptions,
};
use millrace_tests::broker::{Broker, BrokerOptions};
use millrace_tests::settling::wait_until_settled;
use millrace_tests::worker::WorkerProcess;
use rustix::process::Signal;

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

/// For so long a worker looks for a broker that is away.
const ABSENCE: Duration = Duration::from_secs(1);
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

/// Writes to three partitions, one key each, until told to stop. Returns the number of rounds whose
/// records are all acknowledged.
///
/// A producer that gets nothing acknowledged for ten seconds is replaced: after a restart of the
/// broker librdkafka's idempotent producer has been seen to send nothing for a minute and more.
fn feed(servers: &str, topic: &str, stop: &AtomicBool) -> usize {
    let mut config = KafkaConfig::new(servers, Guarantee::AtLeastOnce);
    let limit = ("message.timeout.ms".to_owned(), "10000".to_owned());
    config.properties.extend([limit]);
    let cluster = KafkaCluster::new(config).unwrap();
    let options = ProducerOptions {
        transactional_id: None,
        client_id: "feed".to_owned(),
    };
    let mut producer = cluster.producer(&options).unwrap();
    let mut rounds = 0;
    while !stop.load(Ordering::Acquire) {
        let handle = producer.topic(topic).unwrap();
        for partition in 0..3 {
            let key = format!("key-{partition}");
            let record = OutRecord {
                topic: handle,
                partition,
                timestamp: 0,
                key: Some(key.as_bytes()),
                value: Some(b"x"),
                headers: Headers::EMPTY,
            };
            producer.send(&record).unwrap();
        }
        match producer.flush() {
            Ok(()) => rounds += 1,
            Err(_) => producer = cluster.producer(&options).unwrap(),
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    rounds
}

/// Takes the broker away while the worker has a transaction open, and brings it back.
///
/// The worker stands still until the broker has written the end of every transaction that is decided,
/// and while the broker comes back: it may forget such an end for good (see `settling`), and then no
/// client can make the result exact.
fn absence(scene: &Scene, broker: &Broker, worker: &WorkerProcess, end: fn(&Broker)) {
    worker.signal(Signal::STOP).unwrap();
    wait_until_settled(&scene.cluster, LIMIT).unwrap();
    end(broker);
    worker.signal(Signal::CONT).unwrap();
    std::thread::sleep(ABSENCE);
    worker.signal(Signal::STOP).unwrap();
    broker.restart().unwrap();
    worker.signal(Signal::CONT).unwrap();
}

#[test]
fn a_worker_rides_through_every_absence_of_the_broker_and_its_result_is_exact() {
    // The test brokers end timed-out transactions twice a second, beginning before their partitions
    // have leaders again: another way to forget their ends. The worker's next producer ends them too.
    let interval = "transaction.abort.timed.out.transaction.cleanup.interval.ms";
    let options = BrokerOptions::new().property(interval, "60000");
    let broker = Broker::start_with(&options).unwrap();
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
    let feed = {
        let (stop, name, servers) = (Arc::clone(&stop), scene.name("in"), broker.bootstrap());
        std::thread::spawn(move || feed(&servers, &name, &stop))
    };
    progresses(&mut worker, 300);
    absence(&scene, &broker, &worker, |broker| broker.stop().unwrap());
    progresses(&mut worker, 300);
    absence(&scene, &broker, &worker, |broker| broker.kill().unwrap());
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
        let said = format!(
            "{key}: {} records written, {} read, {} counts",
            written,
            inputs[&key].len(),
            counts.len()
        );
        // The first difference says more than two lists of hundreds of numbers.
        let wrong = (1..).zip(&counts).find(|(place, count)| place != *count);
        assert_eq!(wrong, None, "(place, count) that differ first; {said}");
        assert_eq!(counts.len(), inputs[&key].len(), "{said}");
    }
    assert_eq!(
        worker.terminate().unwrap().code(),
        Some(0),
        "{}",
        worker.log_tail()
    );
}
