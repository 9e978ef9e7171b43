//! Records that cannot be read, processed or written.

use millrace_tests::worker::LIMIT;

use super::support::Scene;

const APP: &str = "
apiVersion: millrace.dev/v1alpha1
kind: StreamApp
metadata: {name: ID}
spec:
  kafka: {bootstrapServers: \"kafka:9092\"}
  errors: {deserialization: POLICY, processing: POLICY, production: POLICY}
  topology:
    streams:
      input: {topic: ID-in, key: string, value: json}
      scaled:
        from: input
        steps:
        - mapValues: '{\"twice\": value.n * 2, \"text\": value.text}'
        to: {topic: ID-out}
";

/// Records larger than this do not fit into the output topic.
const OUT_BYTES_MAX: &str = "2000";

fn scene(name: &str) -> Scene {
    let mut scene = Scene::new(name);
    scene.topic("in", 3);
    scene.topic_with("out", 3, &[("max.message.bytes", OUT_BYTES_MAX)]);
    scene
}

#[test]
fn poison_records_go_to_the_dead_letter_topic_as_they_were_with_their_coordinates() {
    let mut scene = scene("dead");
    let big = format!(r#"{{"n":1,"text":"{}"}}"#, "x".repeat(3_000));
    let key = Some(&b"k"[..]);
    let own = [("trace", "abc")];
    let good = br#"{"n":21,"text":"t"}"#;
    scene.write_bytes("in", key, Some(good), 1, &own);
    scene.write_bytes("in", key, Some(b"{\"n\": \xff"), 2, &own);
    scene.write_bytes("in", key, Some(br#"{"m":1}"#), 3, &own);
    scene.write_bytes("in", key, Some(big.as_bytes()), 4, &own);
    scene.write_bytes("in", key, Some(good), 5, &[]);
    scene.flush();
    let app = scene.app("app", &APP.replace("POLICY", "deadLetter"));
    let mut worker = scene.worker(&app, 0).start().unwrap();
    let outputs = scene.read_at_least("out", 2);
    let values: Vec<_> = outputs
        .iter()
        .map(|record| (record.timestamp, record.value()))
        .collect();
    let expected = r#"{"twice":42,"text":"t"}"#;
    assert_eq!(values, [(1, expected), (5, expected)]);
    assert_eq!(
        outputs[0].header("trace"),
        Some("abc"),
        "headers pass through"
    );
    assert!(outputs[1].headers.is_empty());

    let (dead, ends) = scene.read("dead-letter");
    let (inputs, _) = scene.read("in");
    assert_eq!(dead.len(), 3, "{dead:?}");
    let stages = ["DeserializationError", "ProcessingError", "ProductionError"];
    for (stage, (letter, input)) in stages.iter().zip(dead.iter().zip(&inputs[1..4])) {
        assert_eq!(
            (&letter.key, &letter.value),
            (&input.key, &input.value),
            "bytes as they were"
        );
        assert_eq!(letter.timestamp, input.timestamp);
        assert_eq!(letter.header("trace"), Some("abc"));
        let header = |name: &str| letter.header(&format!("__streams.errors.{name}"));
        assert_eq!(header("exception"), Some(*stage));
        assert_eq!(header("topic"), Some(&*scene.name("in")));
        assert_eq!(header("partition"), Some(&*input.partition.to_string()));
        assert_eq!(header("offset"), Some(&*input.offset.to_string()));
        assert!(header("message").is_some_and(|message| !message.is_empty()));
    }
    assert!(
        dead[1]
            .header("__streams.errors.message")
            .unwrap()
            .contains("n"),
        "{:?}",
        dead[1]
    );
    // After the letters comes the marker of the transaction they were written in.
    assert_eq!(ends[0], dead[2].offset + 2);
    let status = worker.wait_caught_up(LIMIT).unwrap();
    assert_eq!(status.tasks().map(|task| task.failed).sum::<u64>(), 3);
    let (_, metrics) = worker.get("/metrics").unwrap();
    let counted = metrics.lines().any(|line| {
        line.starts_with("millrace_task_failed_records")
            && line.contains("production")
            && line.ends_with(" 1")
    });
    assert!(counted, "{metrics}");
}

/// With policy `stop`: ends at the record, saying where it is; the same after a restart.
fn stops(name: &str, value: &[u8], node: &str) {
    let mut scene = scene(name);
    let key = Some(&b"k"[..]);
    scene.write_bytes("in", key, Some(br#"{"n":1,"text":"t"}"#), 1, &[]);
    scene.write_bytes("in", key, Some(value), 2, &[]);
    scene.flush();
    let (inputs, _) = scene.read("in");
    let partition = inputs[0].partition;
    let options = scene.worker(&scene.app("app", &APP.replace("POLICY", "stop")), 0);
    for _ in 0..2 {
        let mut worker = options.start().unwrap();
        let status = worker.wait_for_end(LIMIT).unwrap();
        assert_ne!(status.code(), Some(0));
        let place = format!("({}-{partition} at offset 1, ", scene.name("in"));
        let log = worker.log();
        let line = log.lines().rfind(|line| line.contains(&place));
        let line = line.unwrap_or_else(|| panic!("no `{place}` in:\n{log}"));
        assert!(line.contains(node), "no `{node}` in: {line}");
        assert!(log.contains("PoisonRecord"), "{log}");
    }
    // Once the policy lets it go on, all is there, and once: what came before, and the dead letter.
    let app = scene.app("app", &APP.replace("POLICY", "deadLetter"));
    let _worker = scene.worker(&app, 0).start().unwrap();
    assert_eq!(scene.read_at_least("out", 1).len(), 1);
    super::support::wait_for("the dead-letter topic", || {
        let topic = scene.name("dead-letter");
        scene.admin.topics(&[&topic]).unwrap()[0].is_some()
    });
    assert_eq!(
        scene.read_at_least("dead-letter", 1)[0].value.as_deref(),
        Some(value)
    );
}

#[test]
fn an_unreadable_record_stops_the_application_where_the_policy_says_so() {
    stops("stop-read", b"not json", "spec.topology.streams.input");
}

#[test]
fn a_failing_expression_stops_the_application_where_the_policy_says_so() {
    stops(
        "stop-run",
        br#"{"m":1}"#,
        "spec.topology.streams.scaled.steps[0].mapValues",
    );
}

#[test]
fn an_output_too_large_stops_the_application_where_the_policy_says_so() {
    let big = format!(r#"{{"n":1,"text":"{}"}}"#, "x".repeat(3_000));
    stops(
        "stop-write",
        big.as_bytes(),
        "spec.topology.streams.scaled.to",
    );
}
