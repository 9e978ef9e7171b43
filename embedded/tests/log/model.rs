//! Goal: whatever happens in whatever order, readers see what a very simple model says. Method:
//! seeded random operations on a log that is kept in a directory and opened anew now and then; after
//! each one, all records and watermarks are compared with the model's.

use std::path::Path;
use std::time::Duration;

use millrace_embedded::{EmbeddedCluster, EmbeddedOptions, ManualClock};
use millrace_kafka::{Cluster, ErrorKind, RecordSink, TopicPartition};

use super::support::{Random, create, read_all, send, transactional, write};

const PRODUCERS: usize = 3;
const PARTITIONS: i32 = 2;
const KEYS: u64 = 6;

/// What lies at one offset.
#[derive(Clone, Debug, PartialEq)]
enum Slot {
    Committed {
        key: String,
        value: String,
    },
    Open {
        producer: usize,
        key: String,
        value: String,
    },
    /// A marker, an aborted or a compacted record.
    Gap,
}

#[derive(Clone, Debug, Default)]
struct ModelPartition {
    start: usize,
    slots: Vec<Slot>,
}

impl ModelPartition {
    fn stable(&self) -> usize {
        let is_open = |slot: &Slot| matches!(slot, Slot::Open { .. });
        self.slots
            .iter()
            .position(is_open)
            .unwrap_or(self.slots.len())
    }

    fn readable(&self) -> Vec<(i64, String, Option<String>)> {
        let mut readable = Vec::new();
        for (offset, slot) in self
            .slots
            .iter()
            .enumerate()
            .take(self.stable())
            .skip(self.start)
        {
            if let Slot::Committed { key, value } = slot {
                readable.push((offset as i64, key.clone(), Some(value.clone())));
            }
        }
        readable
    }

    fn end_transaction(&mut self, ended: usize, commit: bool) {
        let mut wrote = false;
        for slot in &mut self.slots {
            if let Slot::Open {
                producer,
                key,
                value,
            } = slot
                && *producer == ended
            {
                wrote = true;
                let (key, value) = (std::mem::take(key), std::mem::take(value));
                *slot = if commit {
                    Slot::Committed { key, value }
                } else {
                    Slot::Gap
                };
            }
        }
        if wrote {
            self.slots.push(Slot::Gap);
        }
    }

    fn compact(&mut self) {
        let (start, stable) = (self.start, self.stable());
        for index in start..stable {
            let Slot::Committed { key, .. } = &self.slots[index] else {
                continue;
            };
            let same =
                |slot: &Slot| matches!(slot, Slot::Committed { key: other, .. } if other == key);
            if self.slots[index + 1..stable].iter().any(same) {
                self.slots[index] = Slot::Gap;
            }
        }
    }
}

/// One producer, and what it holds that was not flushed.
struct ModelProducer {
    sink: Option<Box<dyn RecordSink>>,
    in_transaction: bool,
    unflushed: Vec<(i32, String, String)>,
}

struct Simulation<'a> {
    dir: &'a Path,
    clock: ManualClock,
    cluster: EmbeddedCluster,
    producers: Vec<ModelProducer>,
    model: Vec<ModelPartition>,
    random: Random,
    counter: u32,
}

fn open(dir: &Path, clock: &ManualClock) -> EmbeddedCluster {
    EmbeddedCluster::open(dir, EmbeddedOptions::default(), clock.clone()).unwrap()
}

impl<'a> Simulation<'a> {
    fn new(dir: &'a Path, seed: u64) -> Self {
        let clock = ManualClock::new(0);
        let cluster = open(dir, &clock);
        create(&cluster, "t", PARTITIONS, &[]);
        let new = || ModelProducer {
            sink: None,
            in_transaction: false,
            unflushed: Vec::new(),
        };
        Self {
            dir,
            clock,
            cluster,
            producers: (0..PRODUCERS).map(|_| new()).collect(),
            model: vec![ModelPartition::default(); PARTITIONS as usize],
            random: Random::seeded(seed),
            counter: 0,
        }
    }

    fn step(&mut self) {
        let producer = self.random.below(PRODUCERS as u64) as usize;
        let partition = self.random.below(PARTITIONS as u64) as i32;
        match self.random.below(20) {
            0..=7 => self.send(producer, partition),
            8..=9 => self.flush(producer),
            10..=12 => self.commit(producer),
            13 => self.abort(producer),
            14 => self.replace(producer),
            15..=16 => self.write(partition),
            17 => self.delete_or_compact(partition),
            18 => self.time_out(),
            _ => self.reopen(),
        }
    }

    fn next_record(&mut self) -> (String, String) {
        self.counter += 1;
        (
            format!("k{}", self.random.below(KEYS)),
            format!("v{}", self.counter),
        )
    }

    fn send(&mut self, index: usize, partition: i32) {
        let (key, value) = self.next_record();
        if self.producers[index].sink.is_none() {
            self.replace(index);
        }
        let producer = &mut self.producers[index];
        let sink = producer.sink.as_mut().unwrap();
        if !producer.in_transaction {
            sink.begin().unwrap();
            producer.in_transaction = true;
        }
        send(
            sink.as_mut(),
            &TopicPartition::new("t", partition),
            &key,
            &value,
        );
        producer.unflushed.push((partition, key, value));
    }

    /// Moves what a producer holds into the model: by partition, in the order of their first record.
    fn move_unflushed(&mut self, index: usize) {
        let unflushed = std::mem::take(&mut self.producers[index].unflushed);
        for (partition, key, value) in unflushed {
            let slot = Slot::Open {
                producer: index,
                key,
                value,
            };
            self.model[partition as usize].slots.push(slot);
        }
    }

    fn flush(&mut self, index: usize) {
        if self.producers[index].in_transaction {
            self.producers[index]
                .sink
                .as_mut()
                .unwrap()
                .flush()
                .unwrap();
            self.move_unflushed(index);
        }
    }

    fn commit(&mut self, index: usize) {
        if self.producers[index].in_transaction {
            self.producers[index]
                .sink
                .as_mut()
                .unwrap()
                .commit()
                .unwrap();
            self.move_unflushed(index);
            self.end(index, true);
        }
    }

    fn abort(&mut self, index: usize) {
        if self.producers[index].in_transaction {
            self.producers[index]
                .sink
                .as_mut()
                .unwrap()
                .abort()
                .unwrap();
            self.end(index, false);
        }
    }

    fn end(&mut self, index: usize, commit: bool) {
        for partition in &mut self.model {
            partition.end_transaction(index, commit);
        }
        self.producers[index].unflushed.clear();
        self.producers[index].in_transaction = false;
    }

    /// A newer producer with the same id; the older one must find itself fenced.
    fn replace(&mut self, index: usize) {
        let newer = transactional(&self.cluster, &format!("p{index}"));
        let was_open = self.producers[index].in_transaction;
        if let Some(mut older) = self.producers[index].sink.replace(newer)
            && was_open
        {
            assert_eq!(older.commit().unwrap_err().kind, ErrorKind::Fenced);
        }
        self.end(index, false);
    }

    fn write(&mut self, partition: i32) {
        let (key, value) = self.next_record();
        write(
            &self.cluster,
            &TopicPartition::new("t", partition),
            &key,
            &value,
        );
        self.model[partition as usize]
            .slots
            .push(Slot::Committed { key, value });
    }

    fn delete_or_compact(&mut self, partition: i32) {
        let model = &mut self.model[partition as usize];
        if self.random.below(2) == 0 {
            let stable = model.stable();
            let before = self.random.below(stable as u64 + 1) as usize;
            let one = TopicPartition::new("t", partition);
            let admin = self.cluster.admin().unwrap();
            admin.delete_records(&[(one, before as i64)]).unwrap();
            model.start = model.start.max(before);
        } else {
            self.cluster.compact("t").unwrap();
            self.model.iter_mut().for_each(ModelPartition::compact);
        }
    }

    /// Every transaction that has written something is over.
    fn time_out(&mut self) {
        for index in 0..PRODUCERS {
            self.flush(index);
        }
        self.clock.advance(Duration::from_secs(11));
        for index in 0..PRODUCERS {
            if self.producers[index].in_transaction {
                let late = self.producers[index].sink.as_mut().unwrap().commit();
                assert_eq!(late.unwrap_err().kind, ErrorKind::Fenced);
                self.producers[index].sink = None;
            }
            self.end(index, false);
        }
    }

    /// The process ends, and another one opens the directory.
    fn reopen(&mut self) {
        for index in 0..PRODUCERS {
            self.producers[index].sink = None;
        }
        let empty = EmbeddedCluster::in_memory(EmbeddedOptions::default(), self.clock.clone());
        drop(std::mem::replace(&mut self.cluster, empty));
        self.cluster = open(self.dir, &self.clock);
        for index in 0..PRODUCERS {
            self.end(index, false);
        }
        // Replaying brings back what compaction had dropped.
        self.cluster.compact("t").unwrap();
        self.model.iter_mut().for_each(ModelPartition::compact);
    }

    fn check(&self) {
        for (number, model) in (0..).zip(&self.model) {
            let partition = TopicPartition::new("t", number);
            let (records, end) = read_all(&self.cluster, &partition);
            assert_eq!(records, model.readable());
            assert_eq!(end, model.stable().max(model.start) as i64);
            let watermarks = self
                .cluster
                .admin()
                .unwrap()
                .watermarks(&[partition])
                .unwrap();
            assert_eq!(watermarks, [(model.start as i64, model.slots.len() as i64)]);
        }
    }
}

#[test]
fn random_operations_and_restarts_leave_what_a_simple_model_says() {
    for seed in 0..60 {
        let dir = tempfile::tempdir().unwrap();
        let run = std::panic::AssertUnwindSafe(|| {
            let mut simulation = Simulation::new(dir.path(), seed);
            for _ in 0..300 {
                simulation.step();
                simulation.check();
            }
        });
        if let Err(panic) = std::panic::catch_unwind(run) {
            println!("the run with seed {seed} failed");
            std::panic::resume_unwind(panic);
        }
    }
}
