//! What an application refuses to start on, and in which words.

use std::fs::File;
use std::time::Instant;

use millrace_kafka::TopicSpec;
use millrace_tests::worker::LIMIT;

use super::support::{LOOK_PAUSE, Scene};

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
        - join: {table: prices, value: right}
        to: {topic: ID-priced}
";

#[test]
fn inputs_of_a_join_with_different_partition_counts_are_refused_by_name_and_count() {
    let mut scene = Scene::new("copartition");
    scene.topic("prices", 2);
    scene.topic("orders", 3);
    scene.topic("priced", 1);
    let mut worker = scene.worker(&scene.app("join", JOIN), 0).start().unwrap();
    let status = worker.wait_for_end(LIMIT).unwrap();
    assert_ne!(status.code(), Some(0));
    let log = worker.log();
    let last = log.lines().rev().take(12).collect::<Vec<_>>().join("\n");
    for part in [
        &scene.name("prices"),
        &scene.name("orders"),
        "2 partition",
        "3 partition",
    ] {
        assert!(last.contains(part), "no `{part}` in:\n{log}");
    }
}

#[test]
fn an_internal_topic_with_another_partition_count_is_refused() {
    let mut scene = Scene::new("internal");
    for topic in ["prices", "orders", "priced"] {
        scene.topic(topic, 3);
    }
    let spec = TopicSpec {
        name: scene.name("prices-changelog"),
        partitions: 5,
        replication_factor: -1,
        configs: [("cleanup.policy".to_owned(), "compact".to_owned())].into(),
    };
    scene.admin.create_topics(&[spec]).unwrap();
    let mut worker = scene.worker(&scene.app("join", JOIN), 0).start().unwrap();
    let status = worker.wait_for_end(LIMIT).unwrap();
    assert_ne!(status.code(), Some(0));
    let expected = format!(
        "{} has 5 partitions and needs 3",
        scene.name("prices-changelog")
    );
    assert!(worker.log().contains(&expected), "{}", worker.log_tail());
}

#[test]
fn an_internal_topic_that_would_lose_state_is_refused() {
    let mut scene = Scene::new("cleanup");
    for topic in ["prices", "orders", "priced"] {
        scene.topic(topic, 3);
    }
    scene.topic("prices-changelog", 3);
    let mut worker = scene.worker(&scene.app("join", JOIN), 0).start().unwrap();
    let status = worker.wait_for_end(LIMIT).unwrap();
    assert_ne!(status.code(), Some(0));
    let expected = "has cleanup.policy=delete and needs compact";
    assert!(worker.log().contains(expected), "{}", worker.log_tail());
}

#[test]
fn a_second_worker_on_the_same_state_directory_is_refused_and_the_first_goes_on() {
    let mut scene = Scene::new("locked");
    for topic in ["prices", "orders", "priced"] {
        scene.topic(topic, 3);
    }
    let app = scene.app("join", JOIN);
    let first = scene.worker(&app, 0);
    let mut first_worker = first.start().unwrap();
    let before = first_worker.wait_ready(3).unwrap();
    let second = scene.worker(&app, 1).state_dir(first.state_path());
    let mut second_worker = second.start().unwrap();
    let status = second_worker.wait_for_end(LIMIT).unwrap();
    assert_ne!(status.code(), Some(0));
    let log = second_worker.log();
    assert!(
        log.contains("another worker uses this state directory"),
        "{log}"
    );
    assert!(log.contains(first.state_path().to_str().unwrap()), "{log}");
    assert_eq!(first_worker.status().unwrap().task_ids(), before.task_ids());
}

#[test]
fn a_task_directory_that_someone_holds_is_waited_for_and_the_wait_is_told() {
    let mut scene = Scene::new("held");
    for topic in ["prices", "orders", "priced"] {
        scene.topic(topic, 3);
    }
    let options = scene.worker(&scene.app("join", JOIN), 0);
    let task = options.state_path().join(&scene.id).join("0_1");
    std::fs::create_dir_all(&task).unwrap();
    let lock = File::create(task.join("lock")).unwrap();
    lock.try_lock().unwrap();
    let mut worker = options.start().unwrap();
    worker
        .wait_for_log("could not lock the task's directory", LIMIT)
        .unwrap();
    let (code, body) = worker.get("/readyz").unwrap();
    assert_eq!(code, 503, "{body}");
    // The other tasks run meanwhile.
    worker
        .wait_until("two running tasks", LIMIT, |worker| {
            let status = worker.status()?;
            let running = status
                .tasks()
                .filter(|task| task.state == "running")
                .count();
            Ok((running == 2).then_some(()))
        })
        .unwrap();
    drop(lock);
    worker.wait_ready(3).unwrap();
}

#[test]
fn of_two_workers_with_one_ordinal_one_ends_and_says_why_and_the_other_goes_on() {
    let mut scene = Scene::new("ordinal");
    for topic in ["prices", "orders", "priced"] {
        scene.topic(topic, 1);
    }
    let app = scene.app("join", JOIN);
    let mut workers = [
        scene.worker(&app, 0).start().unwrap(),
        scene
            .worker(&app, 0)
            .state_dir(scene.folder.path().join("other"))
            .start()
            .unwrap(),
    ];
    // Each takes the other's place in turn, a few seconds apart, until one has lost it five times.
    let began = Instant::now();
    let ended = loop {
        if let Some(place) = workers.iter_mut().position(|worker| !worker.is_running()) {
            break place;
        }
        let waited = began.elapsed();
        assert!(waited < 3 * LIMIT, "both run after {waited:?}");
        std::thread::sleep(LOOK_PAUSE);
    };
    let status = workers[ended].wait_for_end(LIMIT).unwrap();
    assert_ne!(status.code(), Some(0));
    let log = workers[ended].log();
    let words = format!("another worker with ordinal 0 of application {}", scene.id);
    assert!(log.contains(&words), "no `{words}` in:\n{log}");
    let other = &mut workers[1 - ended];
    other.wait_ready(1).unwrap();
    assert!(other.terminate().unwrap().success());
}
