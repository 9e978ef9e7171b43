//! Goal: no task ever has two owners that may both commit, and every group comes to rest balanced.
//! Method: seeded random joins, polls, acknowledgements, exits and pauses under a manual clock.

use std::collections::BTreeSet;
use std::time::Duration;

use millrace_embedded::{EmbeddedCluster, ManualClock};
use millrace_kafka::{
    Cluster, CommittedOffset, ErrorKind, GroupConsumer, Rebalance, TopicPartition,
};

use super::support::{Random, cluster, create, join, poll};

const TASKS: i32 = 11;
const INSTANCES: u64 = 5;

struct Member {
    instance: String,
    consumer: Box<dyn GroupConsumer>,
    tasks: BTreeSet<i32>,
}

impl Member {
    fn new(cluster: &EmbeddedCluster, number: u64) -> Self {
        let instance = format!("{number:05}-000");
        let consumer = join(cluster, "g", &instance);
        Self {
            instance,
            consumer,
            tasks: BTreeSet::new(),
        }
    }

    /// Polls; false when fenced for good.
    fn poll(&mut self) -> bool {
        match poll(self.consumer.as_mut()) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::Fenced, "{error}");
                false
            }
        }
    }

    fn acknowledge(&mut self) {
        match self.consumer.rebalance() {
            Some(Rebalance::Assigned(tasks)) => {
                assert!(!tasks.is_empty());
                self.tasks.extend(tasks);
            }
            Some(Rebalance::Revoked(tasks) | Rebalance::Lost(tasks)) => {
                assert!(
                    tasks.iter().all(|task| self.tasks.remove(task)),
                    "gave up what it had not"
                );
            }
            None => return,
        }
        self.consumer.acknowledge().unwrap();
    }

    /// Whether the group would take a commit of this member.
    fn may_commit(&mut self) -> bool {
        let offset = CommittedOffset {
            offset: 1,
            metadata: String::new(),
        };
        self.consumer
            .commit(&[(TopicPartition::new("tasks", 0), offset)])
            .is_ok()
    }
}

struct Simulation {
    cluster: EmbeddedCluster,
    clock: ManualClock,
    members: Vec<Member>,
    random: Random,
}

impl Simulation {
    fn step(&mut self) {
        let any = self.random.below(self.members.len().max(1) as u64) as usize;
        match self.random.below(12) {
            0 => {
                let number = self.random.below(INSTANCES);
                self.members.push(Member::new(&self.cluster, number));
            }
            1 if any < self.members.len() => {
                let leave = self.random.below(2) == 0;
                self.members.remove(any).consumer.close(leave).unwrap();
            }
            2 => self
                .clock
                .advance(Duration::from_millis(self.random.below(7_000))),
            3 => {
                let more = TASKS + self.random.below(3) as i32;
                // Fewer than there are is refused, and that is fine.
                let _ = self
                    .cluster
                    .admin()
                    .unwrap()
                    .create_partitions("tasks", more);
            }
            4..=7 if any < self.members.len() => {
                let mut member = self.members.swap_remove(any);
                if member.poll() {
                    self.members.push(member);
                }
            }
            _ if any < self.members.len() => self.members[any].acknowledge(),
            _ => {}
        }
    }

    fn check(&mut self) {
        let mut owners = std::collections::BTreeMap::new();
        for member in &mut self.members {
            if member.may_commit() {
                for task in &member.tasks {
                    let other = owners.insert(*task, member.instance.clone());
                    assert_eq!(other, None, "task {task} has two owners");
                }
            }
        }
    }

    /// All sessions of members that are gone end; those that are here follow until nothing changes.
    fn come_to_rest(&mut self) {
        for _ in 0..40 {
            self.clock.advance(Duration::from_secs(1));
            self.members.retain_mut(|member| {
                let goes_on = member.poll();
                member.acknowledge();
                goes_on
            });
            self.check();
        }
        if self.members.is_empty() {
            return;
        }
        let info = self.cluster.admin().unwrap().topics(&["tasks"]).unwrap();
        let count = info[0].as_ref().unwrap().partitions;
        let counts: Vec<usize> = self
            .members
            .iter()
            .map(|member| member.tasks.len())
            .collect();
        assert_eq!(counts.iter().sum::<usize>(), count as usize, "{counts:?}");
        assert!(
            counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1,
            "{counts:?}"
        );
    }
}

#[test]
fn random_groups_never_share_a_task_and_come_to_rest_balanced() {
    for seed in 0..200 {
        let run = std::panic::AssertUnwindSafe(|| {
            let (cluster, clock) = cluster();
            create(&cluster, "tasks", TASKS, &[]);
            let random = Random::seeded(seed);
            let mut simulation = Simulation {
                cluster,
                clock,
                members: Vec::new(),
                random,
            };
            for _ in 0..200 {
                simulation.step();
                simulation.check();
            }
            simulation.come_to_rest();
        });
        if let Err(panic) = std::panic::catch_unwind(run) {
            println!("the run with seed {seed} failed");
            std::panic::resume_unwind(panic);
        }
    }
}
