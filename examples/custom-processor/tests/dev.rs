//! Goal: the example does what it says, as its readers run it. Method: the program under `dev` with the
//! StreamApp as it is; events in and out over HTTP, stopped by SIGTERM.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_custom-processor");
const STREAM_APP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/streamapp.yaml");
const WITHIN: Duration = Duration::from_secs(60);

/// The running program, and where its HTTP is. Killed if a test ends early.
struct Dev {
    child: Child,
    url: String,
}

impl Dev {
    fn start() -> Self {
        let mut child = Command::new(PROGRAM)
            .args([
                "dev",
                STREAM_APP,
                "--partitions",
                "1",
                "--http",
                "127.0.0.1:0",
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let topics = lines
            .map(Result::unwrap)
            .find(|line| line.contains("/topics"))
            .expect("it says where topics are");
        let url = topics.split_whitespace().last().unwrap().to_owned();
        Self { child, url }
    }

    fn write(&self, events: &[(&str, i64, i64)]) {
        let records: Vec<Value> = events
            .iter()
            .map(|(key, n, time)| json!({"key": key, "value": {"n": n}, "timestamp": time}))
            .collect();
        let body = json!({ "records": records }).to_string();
        let url = format!("{}/events/records", self.url);
        ureq::post(&url)
            .content_type("application/json")
            .send(body)
            .unwrap();
    }

    /// Waits until so many events have come out; their keys and numbers.
    fn read(&self, count: usize) -> Vec<(String, i64)> {
        let url = format!(
            "{}/unique-events/records?from=earliest&wait_ms=200",
            self.url
        );
        let began = Instant::now();
        loop {
            let mut answer = ureq::get(&url).call().unwrap();
            let answer: Value =
                serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
            let records = answer["records"].as_array().unwrap();
            if records.len() >= count {
                let number = |record: &Value| record["value"]["n"].as_i64().unwrap();
                let key = |record: &Value| record["key"].as_str().unwrap().to_owned();
                return records.iter().map(|r| (key(r), number(r))).collect();
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

#[test]
fn an_event_comes_once_and_again_when_it_is_forgotten() {
    const MINUTE: i64 = 60_000;
    let dev = Dev::start();
    dev.write(&[
        ("a", 1, 0),
        ("a", 2, MINUTE),
        ("b", 3, 2 * MINUTE),
        ("a", 4, 3 * MINUTE),
    ]);
    let first = [("a".to_owned(), 1), ("b".to_owned(), 3)];
    assert_eq!(dev.read(2), first);
    // Eleven minutes later `a` is forgotten; `b`, two minutes younger, is not.
    dev.write(&[
        ("c", 5, 11 * MINUTE),
        ("a", 6, 11 * MINUTE),
        ("b", 7, 11 * MINUTE),
    ]);
    let then = [("c".to_owned(), 5), ("a".to_owned(), 6)];
    assert_eq!(dev.read(4), [first, then].concat());
    dev.stop();
}

#[test]
fn the_stream_app_is_valid_for_this_image_and_not_for_one_without_the_processor() {
    let check = |text: &str| {
        let name = format!(
            "custom-processor-{}-{}.yaml",
            std::process::id(),
            text.len()
        );
        let file = std::env::temp_dir().join(name);
        std::fs::write(&file, text).unwrap();
        let output = Command::new(PROGRAM)
            .arg("check")
            .arg(&file)
            .output()
            .unwrap();
        std::fs::remove_file(file).unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    };
    let text = std::fs::read_to_string(STREAM_APP).unwrap();
    let (valid, said) = check(&text);
    assert!(valid, "{said}");
    let (valid, said) = check(&text.replace("processor: once", "processor: twice"));
    assert!(!valid, "{said}");
    assert!(
        said.contains("no processor `twice` is registered"),
        "{said}"
    );
    assert!(
        said.contains("registered in this worker image: once"),
        "{said}"
    );
}
