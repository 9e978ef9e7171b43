//! Goal: a program of one topology is a whole worker. Method: the program itself, its commands one after
//! the other; under `dev` lines go in and counts come out over HTTP, until SIGTERM.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_word-count");
const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases.yaml");
const WITHIN: Duration = Duration::from_secs(60);

/// The running program, and where its topics are. Killed if a test ends early.
struct Dev {
    child: Child,
    topics: String,
}

impl Dev {
    fn start() -> Self {
        let mut child = Command::new(PROGRAM)
            .args(["dev", "--partitions", "1", "--http", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines
            .map(Result::unwrap)
            .find(|line| line.contains("/topics"))
            .expect("it says where topics are");
        let topics = line.split_whitespace().last().unwrap().to_owned();
        Self { child, topics }
    }

    fn write(&self, lines: &[&str]) {
        let records: Vec<Value> = lines.iter().map(|line| json!({"value": line})).collect();
        ureq::post(format!("{}/lines/records", self.topics))
            .content_type("application/json")
            .send(json!({ "records": records }).to_string())
            .unwrap();
    }

    /// Waits for so many counts.
    fn counts(&self, number: usize) -> Vec<String> {
        let url = format!(
            "{}/word-counts/records?from=earliest&wait_ms=200",
            self.topics
        );
        let began = Instant::now();
        loop {
            let mut answer = ureq::get(&url).call().unwrap();
            let text = answer.body_mut().read_to_string().unwrap();
            let answer: Value = serde_json::from_str(&text).unwrap();
            let records = answer["records"].as_array().unwrap();
            if records.len() >= number {
                let counts = records.iter();
                return counts
                    .map(|r| format!("{} {}", r["key"], r["value"]))
                    .collect();
            }
            assert!(began.elapsed() < WITHIN, "only {records:?}");
        }
    }

    fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It may have ended already.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// A file that removes itself.
struct File(PathBuf);

impl File {
    fn with(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.0);
    }
}

fn run(arguments: &[&str], files: &[&Path]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).args(files).output().unwrap()
}

/// What a command prints that does what it is for.
fn printed(arguments: &[&str], files: &[&Path]) -> String {
    let output = run(arguments, files);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a command says that refuses.
fn refused(arguments: &[&str], files: &[&Path]) -> String {
    let output = run(arguments, files);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

const EXPORT: &[&str] = &[
    "export",
    "--image",
    "words:1",
    "--bootstrap-servers",
    "kafka:9092",
];

#[test]
fn dev_needs_no_stream_app() {
    let dev = Dev::start();
    dev.write(&["the mill", "The race"]);
    let counts = [
        r#""the" "1""#,
        r#""mill" "1""#,
        r#""the" "2""#,
        r#""race" "1""#,
    ];
    assert_eq!(dev.counts(4), counts);
    dev.stop();
}

#[test]
fn check_describe_and_test_are_about_the_programs_topology() {
    assert!(printed(&["check"], &[]).starts_with("this program: word-count is valid: 2 subtop"));
    assert!(printed(&["describe"], &[]).contains("word-count-counts-changelog"));
    assert!(printed(&["test", CASES], &[]).ends_with("1 case in 1 file, 1 passed\n"));
}

#[test]
fn what_export_prints_is_valid_and_its_settings_can_be_kept() {
    let exported = printed(EXPORT, &[]);
    assert!(exported.contains("image: words:1"), "{exported}");
    let file = File::with("exported.yaml", &exported);
    assert!(printed(&["check"], &[&file.0]).contains("word-count is valid"));
    let settings = "apiVersion: millrace.dev/v1alpha1\nkind: StreamApp\nmetadata: {name: words, \
                    namespace: text}\nspec:\n  image: words:2\n  replicas: 3\n  kafka: \
                    {bootstrapServers: 'kafka:9092'}\n  topology: {}\n";
    let settings = File::with("settings.yaml", settings);
    let exported = printed(&["export"], &[&settings.0]);
    for line in [
        "replicas: 3",
        "namespace: text",
        "image: words:2",
        "name: words",
    ] {
        assert!(exported.contains(line), "{line}: {exported}");
    }
    assert!(printed(&["check"], &[&settings.0]).contains("words is valid: 2 subtopologies"));
}

#[test]
fn a_stream_app_of_another_topology_is_refused_with_what_differs() {
    let exported = printed(EXPORT, &[]).replace("topic: lines", "topic: rows");
    let file = File::with("other.yaml", &exported);
    for command in [&["check"][..], &["run", "--file"]] {
        let said = refused(command, &[&file.0]);
        let differs = "spec.topology.streams.lines.topic: the StreamApp has `\"rows\"`, and this \
                       program `\"lines\"`";
        assert!(said.contains(differs), "{said}");
        assert!(said.contains("export it anew"), "{said}");
    }
}

#[test]
fn what_is_missing_is_asked_for() {
    assert!(refused(&["run"], &[]).contains("--bootstrap-servers"));
    assert!(refused(&["export"], &[]).contains("--bootstrap-servers"));
    assert!(refused(&EXPORT[..1], &[]).contains("which Kafka?"));
    let without_image = ["export", "--bootstrap-servers", "kafka:9092"];
    assert!(refused(&without_image, &[]).contains("--image"));
}
