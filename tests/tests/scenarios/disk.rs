//! A full disk.

use millrace_tests::worker::LIMIT;

use super::support::Scene;

const LAST: &str = "
apiVersion: millrace.dev/v1alpha1
kind: StreamApp
metadata: {name: ID}
spec:
  kafka: {bootstrapServers: \"kafka:9092\"}
  threads: 1
  state: {flush: {records: 5000, intervalMs: 1000}}
  topology:
    streams:
      input: {topic: ID-in, key: string, value: string}
    tables:
      last: {from: input, steps: [toTable: {name: last}]}
";

/// Too little for the table below, enough to start.
const DISK: &str = "12m";
const ROWS: usize = 40_000;

#[test]
fn a_full_disk_ends_the_worker_with_that_reason_and_nothing_committed_is_lost() {
    let mut scene = Scene::new("full");
    scene.topic("in", 1);
    // Hardly compressible.
    let value = |row: usize| {
        let mut text = String::new();
        let mut state = row as u64 + 1;
        while text.len() < 500 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            text.push_str(&format!("{state:016x}"));
        }
        text
    };
    for row in 0..ROWS {
        scene.write("in", &format!("row-{row}"), &value(row), 1);
    }
    scene.flush();
    let options = scene.worker(&scene.app("last", LAST), 0);
    // A disk of its own, in a mount namespace that ends with the worker; needs no root where user
    // namespaces are allowed.
    let small = scene.folder.path().join("small");
    std::fs::create_dir(&small).unwrap();
    let mount = format!(
        "mount -t tmpfs -o size={DISK} tmpfs {} && exec \"$@\"",
        small.display()
    );
    let full = options.clone().state_dir(&small).through(&[
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        &mount,
        "sh",
    ]);
    let mut worker = full.start().unwrap();
    let status = worker.wait_for_end(LIMIT).unwrap();
    assert_eq!(status.code(), Some(1), "{}", worker.log_tail());
    let log = worker.log();
    assert!(log.contains("DiskFull"), "{}", worker.log_tail());
    assert!(
        log.contains("No space left on device"),
        "{}",
        worker.log_tail()
    );
    assert!(
        log.contains("free space or grow the volume"),
        "{}",
        worker.log_tail()
    );

    let mut worker = options.start().unwrap();
    worker.wait_caught_up(LIMIT).unwrap();
    for row in [0, 1, ROWS / 2, ROWS - 1] {
        let (code, body) = worker.get(&format!("/stores/last/row-{row}")).unwrap();
        assert_eq!(code, 200, "{body}");
        assert!(body.contains(&value(row)), "row {row}: {body}");
    }
    let changelog = scene.name("last-changelog");
    let (records, _) = scene.read_topic(&changelog);
    assert_eq!(records.len(), ROWS, "each row is in the changelog once");
}
