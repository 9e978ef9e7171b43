//! Tables and step lists, read and run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use millrace_kafka::HeadersBuf;
use millrace_worker::dsl::StreamsBuilder;
use millrace_worker::testing::{CapturedRecord, StepDriver, StepOptions};
use serde_json::Value;

/// Keys and values that may be null.
pub(crate) type Text = Option<String>;

/// How long versioned tables keep their versions.
pub(crate) const RETENTION: Duration = Duration::from_secs(300);

/// Joins two texts with this between, in the topology language; what is missing is "null".
pub(crate) fn joiner(between: &str) -> String {
    format!(r#"(left == null ? "null" : left) + "{between}" + (right == null ? "null" : right)"#)
}

/// The same in Rust.
pub(crate) fn join_texts(between: &str, left: Option<&String>, right: Option<&String>) -> String {
    let text = |side: Option<&String>| side.map_or("null".to_owned(), Clone::clone);
    format!("{}{between}{}", text(left), text(right))
}

/// The step of a kind of join.
pub(crate) fn step(kind: &str) -> &'static str {
    match kind {
        "inner" => "join",
        "left" => "leftJoin",
        "outer" => "outerJoin",
        other => panic!("no join {other}"),
    }
}

/// What a case does with a driver of its topology; its first argument is for messages.
type Check = Box<dyn Fn(&str, StepDriver)>;

/// A list and a topology it holds of, as both front ends say it: topics `L`, `R` and `out`, texts.
pub(crate) struct Case {
    /// The list's file, and its name in there.
    pub(crate) list: (String, String),
    /// What sets it apart from others of the list.
    pub(crate) variant: String,
    /// `topology` of a StreamApp.
    pub(crate) yaml: Value,
    pub(crate) rust: StreamsBuilder,
    /// Records between two commits: matters to caches alone.
    pub(crate) commit_every: usize,
    pub(crate) check: Check,
}

/// Runs each case once per front end.
pub(crate) fn run(cases: &[Case]) {
    assert!(!cases.is_empty());
    for case in cases {
        let (file, list) = &case.list;
        let name = |front_end| format!("{file}, {list}, {}, in {front_end}", case.variant);
        let options = StepOptions {
            commit_every: case.commit_every,
            ..StepOptions::default()
        };
        (case.check)(&name("YAML"), of_yaml(&case.yaml, options));
        (case.check)(&name("Rust"), of_rust(&case.rust, options));
    }
    println!("{} cases, each in YAML and in Rust", cases.len());
}

/// A driven StreamApp with text for keys and values.
fn of_yaml(topology: &Value, options: StepOptions) -> StepDriver {
    let app = serde_json::json!({
        "apiVersion": "millrace.dev/v1alpha1",
        "kind": "StreamApp",
        "metadata": {"name": "expected"},
        "spec": {
            "kafka": {"bootstrapServers": "none:9092"},
            "defaults": {"key": "string", "value": "string"},
            "topology": topology,
        },
    });
    StepDriver::new(&app.to_string(), options).unwrap_or_else(|error| panic!("{error}\n{app}"))
}

/// A driven topology in Rust.
fn of_rust(builder: &StreamsBuilder, options: StepOptions) -> StepDriver {
    let topology = builder.build();
    let app = topology.stream_app("expected");
    let plan = topology.plan_of(&app).unwrap_or_else(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", lines.join("\n"))
    });
    StepDriver::of_plan(&app, &plan, options).unwrap()
}

/// Where the lists are.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/expectations")
}

fn read(file: &str) -> String {
    std::fs::read_to_string(folder().join(file)).expect("the file is part of the checkout")
}

/// A table's cells, by row; the first row has the names of the columns.
#[derive(Clone)]
pub(crate) struct Table {
    file: String,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn read(file: &str) -> Self {
        let split = |line: &str| line.split(',').map(str::to_owned).collect();
        Self {
            file: file.to_owned(),
            rows: read(file).lines().map(split).collect(),
        }
    }

    /// The names of the joins.
    pub(crate) fn joins(&self) -> Vec<String> {
        self.rows[0][3..].to_vec()
    }

    /// The list of a join.
    pub(crate) fn list(&self, join: &str) -> (String, String) {
        (self.file.clone(), join.to_owned())
    }

    /// Feeds the inputs to a driver and compares with a join's column; returns the last output.
    pub(crate) fn check(&self, join: &str, name: &str, driver: &mut StepDriver) -> String {
        let column = self.rows[0].iter().position(|name| name == join).unwrap();
        let mut last = String::new();
        for row in &self.rows[1..] {
            let out = feed(driver, &row[1], &row[2]);
            assert_eq!(out.join(" "), row[column], "{name}: step {}", row[0]);
            last = out.last().cloned().unwrap_or(last);
        }
        last
    }

    /// Feeds the inputs to a driver; returns the last output.
    pub(crate) fn last(&self, driver: &mut StepDriver) -> String {
        let mut last = String::new();
        for row in &self.rows[1..] {
            last = feed(driver, &row[1], &row[2]).pop().unwrap_or(last);
        }
        last
    }
}

/// A step list: its heading's words, and lines of inputs and outputs.
#[derive(Clone)]
pub(crate) struct Steps {
    file: String,
    heading: Vec<String>,
    lines: Vec<(String, String)>,
}

impl Steps {
    pub(crate) fn read(file: &str) -> Vec<Self> {
        let text = read(file);
        let mut lists: Vec<Self> = Vec::new();
        for line in text.lines() {
            if let Some(heading) = line.strip_prefix("# ") {
                lists.push(Self {
                    file: file.to_owned(),
                    heading: heading.split_whitespace().map(str::to_owned).collect(),
                    lines: Vec::new(),
                });
            } else if let Some((input, output)) = line.split_once(" => ") {
                let line = (input.to_owned(), output.trim().to_owned());
                lists.last_mut().unwrap().lines.push(line);
            } else {
                assert!(line.is_empty(), "{file}: {line}");
            }
        }
        lists
    }

    /// Its name: the heading's first word.
    pub(crate) fn name(&self) -> &str {
        &self.heading[0]
    }

    pub(crate) fn list(&self) -> (String, String) {
        (self.file.clone(), self.name().to_owned())
    }

    /// Whether the heading has a word.
    pub(crate) fn has(&self, word: &str) -> bool {
        self.heading.iter().any(|found| found == word)
    }

    /// A setting of the heading, such as `before=100`, if it is there.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        let mut words = self.heading.iter().filter_map(|word| word.split_once('='));
        words
            .find(|(word, _)| *word == name)
            .map(|(_, value)| value)
    }

    /// A setting of the heading.
    pub(crate) fn setting(&self, name: &str) -> &str {
        self.option(name).unwrap()
    }

    /// Feeds the inputs to a driver; after each line `check` gets the line, what was expected and what
    /// came out.
    pub(crate) fn run(
        &self,
        mut driver: StepDriver,
        mut check: impl FnMut(&str, &str, Vec<String>),
    ) {
        for (inputs, outputs) in &self.lines {
            let mut out = Vec::new();
            for input in inputs.split("; ") {
                let (side, record) = input.trim().split_once(' ').unwrap();
                out.extend(feed(&mut driver, side, record));
            }
            check(inputs, outputs, out);
        }
    }

    /// A check that each line brings out what it says, in order.
    pub(crate) fn exactly(self) -> Check {
        Box::new(move |name, driver| {
            self.run(driver, |inputs, expected, out| {
                assert_eq!(out, outputs(expected), "{name}: {inputs}");
            });
        })
    }
}

/// The outputs of a line.
pub(crate) fn outputs(expected: &str) -> Vec<String> {
    match expected {
        "-" => Vec::new(),
        some => some.split("; ").map(str::to_owned).collect(),
    }
}

/// Feeds `key:value@timestamp` to a topic; what came out in topic `out`, in the same form.
fn feed(driver: &mut StepDriver, topic: &str, record: &str) -> Vec<String> {
    let (record, timestamp) = record.rsplit_once('@').unwrap();
    let (key, value) = record.split_once(':').unwrap();
    let known = |text: &str| (text != "null").then(|| text.as_bytes().to_vec());
    let (key, value) = (known(key), known(value));
    let written = driver
        .pipe(
            topic,
            key.as_deref(),
            value.as_deref(),
            timestamp.parse().unwrap(),
            &HeadersBuf::new(),
        )
        .unwrap();
    let out = written.iter().filter(|record| &*record.topic == "out");
    out.map(show).collect()
}

/// Commits; what came out in topic `out` that caches had held back.
pub(crate) fn held_back(driver: &mut StepDriver) -> Vec<String> {
    driver.commit().unwrap();
    let written = driver.advance(Duration::ZERO).unwrap();
    let out = written.iter().filter(|record| &*record.topic == "out");
    out.map(show).collect()
}

fn show(record: &CapturedRecord) -> String {
    let text = |bytes: Option<&[u8]>| {
        bytes.map_or("null".to_owned(), |bytes| {
            String::from_utf8_lossy(bytes).into_owned()
        })
    };
    format!(
        "{}:{}@{}",
        text(record.key.as_deref()),
        text(record.value.as_deref()),
        record.timestamp
    )
}

/// The rows of a store, in the same form.
pub(crate) fn rows(driver: &mut StepDriver, store: &str) -> Vec<String> {
    let rows = driver.rows(store).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let rows = rows.iter();
    rows.map(|(key, (time, value))| format!("{}:{}@{time}", text(key), text(value)))
        .collect()
}
