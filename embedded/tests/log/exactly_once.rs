//! Goal: the log and its faults fit together: a loop that does what the traits' documentation says
//! about each error copies every record exactly once. Method: two such loops share a group under a
//! manual clock, with every fault there is befalling them, by seed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millrace_embedded::{
    Call, EmbeddedCluster, EmbeddedOptions, Fault, FaultPlan, FaultyCluster, ManualClock,
};
use millrace_kafka::{
    Cluster, CommittedOffset, ErrorKind, GroupConsumer, PartitionAssignment, Rebalance, RecordSink,
    Result, SourceEvent, StartOffset, TopicPartition,
};

use super::support::{Random, create, join, send, transactional, try_send, values, write};

const TASKS: i32 = 4;
const RECORDS: u32 = 400;

fn input(task: i32) -> TopicPartition {
    TopicPartition::new("input", task)
}

fn output(task: i32) -> TopicPartition {
    TopicPartition::new("output", task)
}

/// How far a transaction is. A round does one step, so that the other copier may come in between.
#[derive(Clone, Copy)]
enum Stage {
    Idle,
    Copied,
    OffsetsSent,
}

/// One thread's clients, and where its tasks stand: the next offset to read.
struct Clients {
    consumer: Box<dyn GroupConsumer>,
    producer: Box<dyn RecordSink>,
    positions: BTreeMap<i32, i64>,
    stage: Stage,
}

/// A stream thread in miniature.
struct Copier {
    cluster: FaultyCluster,
    instance: String,
    clients: Option<Clients>,
}

impl Copier {
    /// Does one round; whatever goes wrong, the next round starts from what is committed.
    fn round(&mut self) {
        let mut clients = match self.clients.take().map_or_else(|| self.open(), Ok) {
            Ok(clients) => clients,
            Err(error) => return assert!(error.kind != ErrorKind::Fatal, "{error}"),
        };
        match clients.round() {
            Ok(()) => self.clients = Some(clients),
            Err(error) => assert!(error.kind != ErrorKind::Fatal, "{error}"),
        }
    }

    fn open(&self) -> Result<Clients> {
        let options = millrace_kafka::ProducerOptions {
            transactional_id: Some(self.instance.clone()),
            client_id: String::new(),
        };
        let mut producer = self.cluster.producer(&options)?;
        producer.init_transactions()?;
        let consumer = join(&self.cluster, "g", &self.instance);
        Ok(Clients {
            consumer,
            producer,
            positions: BTreeMap::new(),
            stage: Stage::Idle,
        })
    }
}

impl Clients {
    fn round(&mut self) -> Result<()> {
        match self.stage {
            Stage::Idle => self.copy(),
            Stage::Copied => self.send_offsets(),
            Stage::OffsetsSent => {
                self.producer.commit()?;
                self.stage = Stage::Idle;
                self.follow()
            }
        }
    }

    fn copy(&mut self) -> Result<()> {
        let mut copied: Vec<(i32, i64, String)> = Vec::new();
        self.consumer.poll(Duration::ZERO, 5, &mut |event| {
            if let SourceEvent::Record { slot, record } = event {
                let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                copied.push((slot as i32, record.offset, value));
            }
        })?;
        if copied.is_empty() {
            return self.follow();
        }
        self.producer.begin()?;
        for (task, offset, value) in &copied {
            try_send(self.producer.as_mut(), &output(*task), "k", Some(value))?;
            self.positions.insert(*task, offset + 1);
        }
        self.producer.flush()?;
        self.stage = Stage::Copied;
        Ok(())
    }

    fn send_offsets(&mut self) -> Result<()> {
        let offset = |offset| CommittedOffset {
            offset,
            metadata: String::new(),
        };
        let positions = self.positions.iter();
        let offsets: Vec<_> = positions
            .map(|(task, position)| (input(*task), offset(*position)))
            .collect();
        let metadata = self.consumer.group_metadata()?;
        self.producer.send_offsets(&offsets, &metadata)?;
        self.stage = Stage::OffsetsSent;
        Ok(())
    }

    fn follow(&mut self) -> Result<()> {
        match self.consumer.rebalance() {
            Some(Rebalance::Assigned(tasks)) => {
                let partitions: Vec<_> = tasks.iter().map(|task| input(*task)).collect();
                let committed = self.consumer.committed(&partitions)?;
                for (task, committed) in tasks.iter().zip(committed) {
                    let position = committed.map_or(0, |committed| committed.offset);
                    let start = StartOffset::At(position);
                    let (partition, slot) = (input(*task), *task as u32);
                    self.consumer.assign(&[PartitionAssignment {
                        partition,
                        start,
                        slot,
                    }])?;
                    self.positions.insert(*task, position);
                }
            }
            Some(Rebalance::Revoked(tasks) | Rebalance::Lost(tasks)) => {
                let partitions: Vec<_> = tasks.iter().map(|task| input(*task)).collect();
                self.consumer.unassign(&partitions)?;
                self.positions.retain(|task, _| !tasks.contains(task));
            }
            None => return Ok(()),
        }
        self.consumer.acknowledge()
    }
}

/// Every fault for every call it can befall, at about one call in a hundred.
fn plan(seed: u64) -> FaultPlan {
    let calls = [
        Call::Poll,
        Call::Committed,
        Call::InitTransactions,
        Call::Send,
        Call::Flush,
        Call::SendOffsets,
        Call::Commit,
    ];
    let faults = [
        Fault::ReplyLost,
        Fault::RequestLost,
        Fault::Unavailable,
        Fault::Abort,
        Fault::Fenced,
        Fault::SessionLoss,
        Fault::Delay(Duration::from_secs(4)),
        Fault::Delay(Duration::from_secs(12)),
    ];
    let mut plan = FaultPlan::seeded(seed);
    for call in calls {
        for fault in faults {
            // Those that cannot befall the call are refused.
            plan = plan.clone().sometimes(call, fault, 12_000).unwrap_or(plan);
        }
    }
    plan
}

fn copy_everything(seed: u64) -> BTreeMap<(Call, Fault), u64> {
    let clock = ManualClock::new(0);
    // Transactions outlive sessions, so that a task is taken over while an offset of it is pending.
    let transaction_timeout = Duration::from_secs(30);
    let options = EmbeddedOptions {
        transaction_timeout,
        ..EmbeddedOptions::default()
    };
    let log = EmbeddedCluster::in_memory(options, clock.clone());
    create(&log, "tasks", TASKS, &[]);
    create(&log, "input", TASKS, &[]);
    create(&log, "output", TASKS, &[]);
    let mut upstream = transactional(&log, "upstream");
    let mut expected = vec![Vec::new(); TASKS as usize];
    for number in 0..RECORDS {
        let task = (number % TASKS as u32) as i32;
        let value = number.to_string();
        if number % 3 == 0 {
            // Transactional inputs have markers between their records.
            upstream.begin().unwrap();
            send(upstream.as_mut(), &input(task), "k", &value);
            upstream.commit().unwrap();
        } else {
            write(&log, &input(task), "k", &value);
        }
        expected[task as usize].push(value);
    }
    let faulty = FaultyCluster::new(Arc::new(log.clone()), plan(seed), clock.clone());
    let copier = |number: u32| Copier {
        cluster: faulty.clone(),
        instance: format!("{number:05}-000"),
        clients: None,
    };
    let mut copiers = [copier(0), copier(1)];
    let mut random = Random::seeded(seed);
    for _ in 0..1500 {
        step(&mut copiers, &mut random, &clock);
    }
    faulty.disarm();
    for _ in 0..1500 {
        step(&mut copiers, &mut random, &clock);
    }
    for task in 0..TASKS {
        assert_eq!(
            values(&log, &output(task)),
            expected[task as usize],
            "task {task}"
        );
    }
    faulty.fired()
}

fn step(copiers: &mut [Copier; 2], random: &mut Random, clock: &ManualClock) {
    copiers[random.below(2) as usize].round();
    clock.advance(Duration::from_millis(random.below(200)));
}

#[test]
fn every_record_is_copied_exactly_once_whatever_fails() {
    let mut fired = BTreeMap::new();
    for seed in 0..100 {
        match std::panic::catch_unwind(|| copy_everything(seed)) {
            Ok(of_run) => {
                for (fault, count) in of_run {
                    *fired.entry(fault).or_insert(0) += count;
                }
            }
            Err(panic) => {
                println!("the run with seed {seed} failed");
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!("faults fired: {fired:#?}");
    assert!(fired.len() >= 30, "only these fired: {fired:?}");
}
