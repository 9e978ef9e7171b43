//! Tasks over processes: three partitions are three tasks of each subtopology; members come, go and
//! come back, and the others go on.

use std::collections::BTreeSet;
use std::time::Duration;

use millrace_tests::worker::{AppStatus, LIMIT, WorkerProcess};

use super::feed::{Feed, by_input, largest_gap};
use super::support::Scene;

pub(super) const COUNTS: &str = "
apiVersion: millrace.dev/v1alpha1
kind: StreamApp
metadata: {name: ID}
spec:
  kafka: {bootstrapServers: \"kafka:9092\"}
  threads: 1
  topology:
    streams:
      a: {topic: ID-a, key: string, value: string}
      b: {topic: ID-b, key: string, value: string}
    tables:
      count-a: {from: a, steps: [groupByKey: {}, count: {name: count-a}], to: {topic: ID-out-a, value: json}}
      count-b: {from: b, steps: [groupByKey: {}, count: {name: count-b}], to: {topic: ID-out-b, value: json}}
";

pub(super) fn ids(status: &AppStatus) -> BTreeSet<String> {
    status.task_ids().into_iter().collect()
}

/// Waits until these workers run all six tasks, and each at least `least`.
pub(super) fn settle(workers: &mut [&mut WorkerProcess], least: usize) -> Vec<BTreeSet<String>> {
    for worker in &mut *workers {
        worker.wait_ready(least).unwrap();
    }
    let began = std::time::Instant::now();
    loop {
        let owned: Vec<_> = workers
            .iter_mut()
            .map(|worker| {
                let status = worker.status().unwrap();
                (
                    status.tasks().all(|task| task.state == "running"),
                    ids(&status),
                )
            })
            .collect();
        let all: usize = owned.iter().map(|(_, ids)| ids.len()).sum();
        if all == 6
            && owned
                .iter()
                .all(|(running, ids)| *running && ids.len() >= least)
        {
            return owned.into_iter().map(|(_, ids)| ids).collect();
        }
        assert!(began.elapsed() < LIMIT, "not settled: {owned:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// How many transactions the worker gave up; each may only be one that a rebalance has overtaken. A commit
/// that reaches the broker between its next division of the tasks and the member's knowledge of it is
/// refused, and the thread goes back to its last commit (docs/decisions/011): nothing is lost by it, and
/// the pause counts as any other.
pub(super) fn overtaken_commits(worker: &WorkerProcess) -> usize {
    let log = worker.log();
    let lost = log.lines().filter(|line| line.contains("transaction lost"));
    lost.inspect(|line| {
        let overtaken = line.contains("group generation id is not valid");
        assert!(overtaken, "{line}\n{}", worker.log_tail());
    })
    .count()
}

#[test]
fn a_third_process_takes_only_its_share_and_one_that_returns_finds_its_tasks_again() {
    let mut scene = Scene::new("moves");
    for topic in ["a", "b"] {
        scene.topic(topic, 3);
    }
    for topic in ["out-a", "out-b"] {
        // The broker's clock tells when a task was at work.
        scene.topic_with(topic, 3, &[("message.timestamp.type", "LogAppendTime")]);
    }
    let app = scene.app("counts", COUNTS);
    let options: Vec<_> = (0..3).map(|ordinal| scene.worker(&app, ordinal)).collect();
    let mut one = options[0].start().unwrap();
    let mut two = options[1].start().unwrap();
    let before = settle(&mut [&mut one, &mut two], 3);
    let all: BTreeSet<_> = before.iter().flatten().cloned().collect();
    let expected: BTreeSet<String> = ["0_0", "0_1", "0_2", "1_0", "1_1", "1_2"]
        .map(str::to_owned)
        .into();
    assert_eq!(all, expected);
    let feed = Feed::start(&scene);

    let mut three = options[2].start().unwrap();
    let after = settle(&mut [&mut one, &mut two, &mut three], 2);
    for (before, after) in before.iter().zip(&after) {
        assert!(
            after.is_subset(before),
            "a task came to an old member: {before:?} {after:?}"
        );
        assert_eq!(after.len(), 2);
    }
    let stayed: BTreeSet<_> = after[0].union(&after[1]).cloned().collect();
    answers_for_its_own_keys(&mut [&mut one, &mut two, &mut three], &after);

    // Back within the session timeout: nobody else notices.
    let status = two.terminate().unwrap();
    assert_eq!(status.code(), Some(0), "{}", two.log_tail());
    let mut two = options[1].start().unwrap();
    two.wait_ready(2).unwrap();
    let back = settle(&mut [&mut one, &mut two, &mut three], 2);
    assert_eq!(back, after);
    assert_eq!(two.status().unwrap().restored(), 0);

    let fed = feed.stop();
    let written = fed.count;
    for worker in [&mut one, &mut two, &mut three] {
        worker.wait_caught_up(LIMIT).unwrap();
        overtaken_commits(worker);
    }
    let returned = &after[1];
    for (subtopology, topic) in ["out-a", "out-b"].into_iter().enumerate() {
        let records = scene.read_at_least(topic, 3 * written);
        for (partition, outputs) in by_input(&records) {
            let counts: Vec<usize> = outputs
                .iter()
                .map(|record| record.value().parse().unwrap())
                .collect();
            assert_eq!(
                counts,
                (1..=written).collect::<Vec<_>>(),
                "{topic} key-{partition}"
            );
            let task = format!("{subtopology}_{partition}");
            if stayed.contains(&task) && !returned.contains(&task) {
                let gap = largest_gap(&outputs);
                println!("a third process: task {task}, which stayed, paused {gap:?}; {fed:?}");
                assert!(
                    gap < fed.stayed_limit(),
                    "task {task} paused {gap:?}; {fed:?}"
                );
            }
        }
    }
}

/// A key of each task is answered by its owner, and by the others with where it is not.
fn answers_for_its_own_keys(workers: &mut [&mut WorkerProcess], owned: &[BTreeSet<String>]) {
    for index in 0..12 {
        let key = format!("any-{index}");
        let partition = millrace_kafka::partitioner::partition(key.as_bytes(), 3);
        let task = format!("0_{partition}");
        for (worker, owned) in workers.iter_mut().zip(owned) {
            let (code, body) = worker.get(&format!("/stores/count-a/{key}")).unwrap();
            let expected = if owned.contains(&task) { 404 } else { 421 };
            assert_eq!(code, expected, "task {task}: {body}");
        }
    }
}
