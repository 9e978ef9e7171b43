//! A worker within its memory limit, with more state than memory.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use millrace_kafka::{Headers, OutRecord, ProducerOptions, partitioner};
use millrace_tests::cluster::Space;

use crate::support::{now_ms, processed_to_the_end};

const APP: &str = "wide";
const PARTITIONS: i32 = 2;
/// Keys of the table, and bytes of each value: 1 GiB of state.
const KEYS: u64 = 1 << 18;
const VALUE_BYTES: usize = 4 << 10;
/// How long input goes on, the time of the first load included.
const INPUT: Duration = Duration::from_secs(180);
/// Records written between two looks at the clock.
const BATCH: u64 = 1_000;
/// Records per second, after the first load.
const RECORDS_PER_S: u64 = 2_000;
/// Limit of the pod.
const LIMIT: &str = "512Mi";

pub(crate) fn a_worker_with_twice_its_memory_in_state_is_not_killed() -> Result<()> {
    let space = Space::new("e2e-memory")?;
    space.create_topics(&["in", "out"], PARTITIONS)?;
    space.kubectl().apply(&format!(
        r#"
apiVersion: millrace.dev/v1alpha1
kind: StreamApp
metadata: {{name: {APP}}}
spec:
  applicationId: {id}
  kafka: {{bootstrapServers: "kafka:9092"}}
  pod: {{resources: {{limits: {{memory: {LIMIT}}}, requests: {{cpu: 100m, memory: {LIMIT}}}}}}}
  topology:
    streams:
      input: {{topic: {input}, key: string, value: json}}
    tables:
      last:
        from: input
        steps:
        - groupByKey: {{}}
        - aggregate:
            name: last
            initial: '{{"text": "", "count": 0}}'
            value: '{{"text": value.text, "count": aggregate.count + 1}}'
        - filter: 'value.count < 0'
        to: {{topic: {output}}}
"#,
        id = space.own(APP),
        input = space.own("in"),
        output = space.own("out"),
    ))?;
    space.wait_ready(APP)?;
    let written = feed(&space)?;
    processed_to_the_end(&space, APP)?;
    let pod = space.pod(APP, 0)?;
    let said = space.kubectl().expect(&format!("pod/{APP}-0"))?;
    let last = &said["status"]["containerStatuses"][0]["lastState"];
    ensure!(pod.restarts == 0, "the worker was ended: {last}");
    let memory = space.memory(&pod)?;
    println!(
        "{written} records, {} MiB of state, limit {LIMIT}: peak resident {} MiB",
        (KEYS * VALUE_BYTES as u64) >> 20,
        memory >> 20
    );
    space.check_operator_log()
}

/// Fills the table, then goes on writing to it at random; the number of records written.
fn feed(space: &Space) -> Result<u64> {
    let kafka = space.kafka()?;
    let mut sink = kafka.producer(&ProducerOptions {
        transactional_id: None,
        client_id: "e2e".to_owned(),
    })?;
    let topic = sink.topic(&space.own("in"))?;
    let began = Instant::now();
    let mut number: u64 = 0;
    while number < KEYS || began.elapsed() < INPUT {
        for _ in 0..BATCH {
            // Neighbours in time are strangers in the table; every key comes once per round.
            let key = format!("key-{}", number.wrapping_mul(0x9E37_79B1) % KEYS);
            let value = format!(r#"{{"text":"{}"}}"#, text(number));
            sink.send(&OutRecord {
                topic,
                partition: partitioner::partition(key.as_bytes(), PARTITIONS),
                timestamp: now_ms(),
                key: Some(key.as_bytes()),
                value: Some(value.as_bytes()),
                headers: Headers::EMPTY,
            })?;
            number += 1;
        }
        sink.flush().context("write to Kafka")?;
        if number >= KEYS {
            std::thread::sleep(Duration::from_millis(1_000 * BATCH / RECORDS_PER_S));
        }
    }
    Ok(number)
}

/// A text that does not compress to nothing.
fn text(seed: u64) -> String {
    let mut state = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    (0..VALUE_BYTES / 16)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            format!("{state:016x}")
        })
        .collect()
}
