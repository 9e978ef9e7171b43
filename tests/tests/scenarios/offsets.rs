//! Lost offsets and lost changelogs: never a silent reset.

use millrace_tests::worker::LIMIT;

use super::support::Scene;

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

/// A scene in which an application has counted six records of two keys, and has ended.
fn counted(name: &str) -> (Scene, millrace_tests::worker::WorkerOptions) {
    let mut scene = Scene::new(name);
    scene.topic("in", 1);
    scene.topic("out", 1);
    for time in 0..3 {
        scene.write("in", "a", "x", time);
        scene.write("in", "b", "x", time);
    }
    scene.flush();
    let options = scene.worker(&scene.app("counts", COUNTS), 0);
    let mut worker = options.start().unwrap();
    assert_eq!(scene.read_at_least("out", 6).len(), 6);
    assert_eq!(worker.terminate().unwrap().code(), Some(0));
    (scene, options)
}

#[test]
fn a_group_whose_offsets_are_gone_while_its_state_exists_stops_with_that_reason() {
    let (scene, options) = counted("lost-offsets");
    scene.leave_group(&[0], 1);
    scene.admin.delete_group(&scene.id).unwrap();
    let mut worker = options.start().unwrap();
    let status = worker.wait_for_end(LIMIT).unwrap();
    assert_ne!(status.code(), Some(0));
    let log = worker.log();
    assert!(log.contains("OffsetsLost"), "{log}");
    assert!(
        log.contains(&format!("the committed offsets of group {}", scene.id)),
        "{log}"
    );
    assert!(log.contains(&format!("{}-0", scene.name("in"))), "{log}");
    let (records, _) = scene.read("out");
    assert_eq!(records.len(), 6, "nothing was counted twice");

    // The same where the local state is gone, too: the changelog is state.
    scene.leave_group(&[0], 1);
    let mut worker = options
        .clone()
        .state_dir(scene.folder.path().join("empty"))
        .start()
        .unwrap();
    assert_ne!(worker.wait_for_end(LIMIT).unwrap().code(), Some(0));
    assert!(
        worker.log().contains("OffsetsLost"),
        "{}",
        worker.log_tail()
    );
}

#[test]
fn a_changelog_that_was_deleted_and_made_anew_is_followed_and_the_log_says_why() {
    let (mut scene, options) = counted("lost-changelog");
    let changelog = scene.name("counts-changelog");
    scene.admin.delete_topics(&[&changelog]).unwrap();
    super::support::wait_for("the topic to be gone", || {
        scene.admin.topics(&[&changelog]).unwrap()[0].is_none()
    });
    let mut worker = options.start().unwrap();
    let why = "the changelog topic was deleted and created again";
    worker.wait_for_log(why, LIMIT).unwrap();
    assert!(
        worker.log().contains("rebuilding state"),
        "{}",
        worker.log_tail()
    );
    worker.wait_ready(1).unwrap();
    assert_eq!(worker.get("/stores/counts/a").unwrap().0, 404);
    scene.write("in", "a", "x", 10);
    scene.flush();
    let records = scene.read_at_least("out", 7);
    assert_eq!((records[6].key(), records[6].value()), ("a", "1"));
}

#[test]
fn an_emptied_state_directory_is_filled_from_the_changelog() {
    let (mut scene, options) = counted("emptied");
    std::fs::remove_dir_all(options.state_path()).unwrap();
    let mut worker = options.start().unwrap();
    let status = worker.wait_ready(1).unwrap();
    assert!(status.restored() >= 2, "{status:?}");
    scene.write("in", "b", "x", 10);
    scene.flush();
    let records = scene.read_at_least("out", 7);
    assert_eq!((records[6].key(), records[6].value()), ("b", "4"));
}
