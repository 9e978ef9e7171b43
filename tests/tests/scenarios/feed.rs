//! A steady input, and what its outputs tell: how long each task was not at work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use millrace_kafka::{Headers, OutRecord};

use super::support::{Rec, Scene};

/// Pause between two records of the feed, to each partition.
const FEED_PAUSE: Duration = Duration::from_millis(10);
/// The longest an output may pause while its task stays where it is.
const STAYED_LIMIT: Duration = Duration::from_secs(1);
/// The longest an output may pause when its task moves: hand-over, restore of a few records, the
/// group's two rounds.
const MOVED_LIMIT: Duration = Duration::from_secs(3);

/// What a feed has written, and how busy the machine was meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fed {
    /// Records to each partition.
    pub(crate) count: usize,
    /// The feed's own longest pause. It does nothing but write, so what it had to wait for the broker
    /// and the processor, each step of the worker may have had to wait too.
    pub(crate) pause: Duration,
}

impl Fed {
    /// The longest pause of a task that stayed: it waits for one step.
    pub(crate) fn stayed_limit(&self) -> Duration {
        STAYED_LIMIT + 2 * self.pause
    }

    /// The longest pause of a task that moved: several steps, one after the other.
    pub(crate) fn moved_limit(&self) -> Duration {
        MOVED_LIMIT + 4 * self.pause
    }
}

/// Writes to every partition of both inputs (`a` and `b`, three partitions each) until told to stop;
/// then tells how many to each.
#[must_use]
pub(crate) struct Feed {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Fed>,
}

impl Feed {
    pub(crate) fn start(scene: &Scene) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let mut producer = scene.producer(None);
        let topics = [scene.name("a"), scene.name("b")];
        let thread = std::thread::spawn(move || {
            let (mut count, mut pause) = (0, Duration::ZERO);
            let mut last = Instant::now();
            while !stopped.load(Ordering::Acquire) {
                count += 1;
                pause = pause.max(last.elapsed());
                last = Instant::now();
                for topic in &topics {
                    let topic = producer.topic(topic).unwrap();
                    for partition in 0..3 {
                        // The key is of its partition by decree: nothing here looks it up.
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
                }
                producer.flush().unwrap();
                std::thread::sleep(FEED_PAUSE);
            }
            Fed { count, pause }
        });
        Self { stop, thread }
    }

    pub(crate) fn stop(self) -> Fed {
        self.stop.store(true, Ordering::Release);
        self.thread.join().unwrap()
    }
}

/// Output records by the input partition that their key names.
pub(crate) fn by_input(records: &[Rec]) -> BTreeMap<String, Vec<Rec>> {
    let mut inputs: BTreeMap<String, Vec<Rec>> = BTreeMap::new();
    for record in records {
        let partition = record.key().strip_prefix("key-").unwrap();
        inputs
            .entry(partition.to_owned())
            .or_default()
            .push(record.clone());
    }
    assert_eq!(inputs.len(), 3);
    inputs
}

/// The longest time between two outputs, by the broker's clock.
pub(crate) fn largest_gap(records: &[Rec]) -> Duration {
    let gaps = records
        .windows(2)
        .map(|pair| pair[1].timestamp - pair[0].timestamp);
    Duration::from_millis(gaps.max().unwrap_or(0).unsigned_abs())
}
