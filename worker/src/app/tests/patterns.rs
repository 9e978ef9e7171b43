//! Topics that match a pattern while the application runs.

use super::*;

const MATCHING: &str = "
apiVersion: millrace.dev/v1alpha1
kind: StreamApp
metadata: {name: app}
spec:
  kafka: {bootstrapServers: \"none:9092\"}
  threads: 2
  topology:
    streams:
      in: {topicPattern: 'in-.*', key: string, value: string}
    tables:
      counts: {from: in, steps: [groupByKey: {}, count: {name: counts}], to: {topic: out, value: json}}
";

fn start(scene: &Scene) -> App {
    let document = read_documents(MATCHING, "test").unwrap().remove(0);
    App::start(AppOptions {
        config: WorkerConfig::new(&document.app, 0, scene.folder.path().join("state")),
        plan: Arc::new(document.plan().unwrap()),
        processors: Processors::new(),
        cluster: Arc::new(scene.log.clone()),
        clock: Arc::new(SystemClock),
        memory: StateMemory::new(Some(64 << 20)),
        internal_topics: InternalTopics::Create,
        runtime_dir: None,
    })
    .unwrap()
}

fn write(scene: &Scene, topic: &str, key: &str) {
    let (key, value) = (Some(key.as_bytes()), Some(&b"x"[..]));
    let headers = HeadersBuf::new();
    scene
        .log
        .produce(topic, None, Some(0), key, value, &headers)
        .unwrap();
}

/// The last count of each key, and how many were written.
fn last_counts(scene: &Scene) -> (BTreeMap<String, String>, usize) {
    let (mut last, mut written) = (BTreeMap::new(), 0);
    let text = |bytes: Option<Vec<u8>>| String::from_utf8(bytes.unwrap()).unwrap();
    for partition in 0..PARTITIONS {
        let at = TopicPartition::new("out", partition);
        let (from, isolation) = (ReadFrom::Offset(0), Isolation::ReadCommitted);
        let wait = Duration::ZERO;
        for record in scene.log.read(&at, from, isolation, 1000, wait).unwrap() {
            last.insert(text(record.key), text(record.value));
            written += 1;
        }
    }
    (last, written)
}

#[test]
fn a_topic_that_matches_later_is_read_from_its_first_record_and_one_that_does_not_fit_is_told_of() {
    let scene = Scene::new();
    let app = start(&scene);
    let waits = |phase: Phase| matches!(phase, Phase::Waiting(what) if what.contains("in-.*"));
    wait_for("a topic", &app, || waits(app.shared().phase()));

    scene.topic("in-a", 2);
    write(&scene, "in-a", "k");
    let is = |key: &str, count: &str, all: usize| {
        let (last, written) = last_counts(&scene);
        last.get(key).is_some_and(|found| found == count) && written == all
    };
    wait_for("the first topic", &app, || is("k", "1", 1));

    // Two more of as many partitions, and one that the store's keys cannot be in step with.
    scene.topic("in-b", 2);
    scene.topic("in-wide", 5);
    write(&scene, "in-b", "k");
    write(&scene, "in-wide", "k");
    wait_for("the second topic", &app, || is("k", "2", 2));
    let held_back = app.shared().held_back().unwrap();
    assert!(held_back.contains("in-wide"), "{held_back}");
    assert!(!held_back.contains("in-b "), "{held_back}");

    write(&scene, "in-a", "k");
    write(&scene, "in-b", "k");
    wait_for("both topics", &app, || is("k", "4", 4));
    assert_eq!(app.shared().phase(), Phase::Running);

    // A restart finds what it read before, and counts nothing twice.
    app.stop();
    app.join().unwrap();
    let app = start(&scene);
    write(&scene, "in-b", "k");
    wait_for("the restart", &app, || is("k", "5", 5));
    let held_back = app.shared().held_back().unwrap();
    assert!(held_back.contains("in-wide"), "{held_back}");
    app.stop();
    app.join().unwrap();
}
