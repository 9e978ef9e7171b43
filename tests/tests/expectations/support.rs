//! Tables and step lists, read and run.

use std::path::Path;

use millrace_kafka::HeadersBuf;
use millrace_worker::testing::{CapturedRecord, StepDriver, StepOptions};

/// Joins two texts with `-` between; what is missing is "null".
pub(crate) const DASH: &str =
    r#"(left == null ? "null" : left) + "-" + (right == null ? "null" : right)"#;
/// The same with `+`.
pub(crate) const PLUS: &str =
    r#"(left == null ? "null" : left) + "+" + (right == null ? "null" : right)"#;

/// A driven StreamApp with text for keys and values; `topology` is JSON.
pub(crate) fn drive(topology: &serde_json::Value) -> StepDriver {
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
    StepDriver::new(&app.to_string(), StepOptions::default())
        .unwrap_or_else(|error| panic!("{error}\n{app}"))
}

fn read(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/expectations");
    std::fs::read_to_string(folder.join(file)).expect("the file is part of the checkout")
}

/// A table's cells, by row; the first row has the names of the columns.
pub(crate) struct Table {
    file: String,
    rows: Vec<Vec<String>>,
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

    /// Feeds the table's inputs to a driver and compares with a column: topics `L`, `R` and `out`.
    pub(crate) fn check(&self, join: &str, mut driver: StepDriver) {
        let column = self.rows[0].iter().position(|name| name == join).unwrap();
        for row in &self.rows[1..] {
            let out = feed(&mut driver, &row[1], &row[2]).join(" ");
            assert_eq!(out, row[column], "{}, {join}, step {}", self.file, row[0]);
        }
    }
}

/// A step list: its heading's words, and lines of inputs and outputs.
pub(crate) struct Steps {
    pub(crate) heading: Vec<String>,
    lines: Vec<(String, String)>,
}

impl Steps {
    pub(crate) fn read(file: &str) -> Vec<Self> {
        let text = read(file);
        let mut lists: Vec<Self> = Vec::new();
        for line in text.lines() {
            if let Some(heading) = line.strip_prefix("# ") {
                let heading = heading.split_whitespace().map(str::to_owned).collect();
                let lines = Vec::new();
                lists.push(Self { heading, lines });
            } else if let Some((input, output)) = line.split_once(" => ") {
                let line = (input.to_owned(), output.trim().to_owned());
                lists.last_mut().unwrap().lines.push(line);
            }
        }
        assert!(!lists.is_empty(), "{file}");
        lists
    }

    /// A setting of the heading, such as `before=100`.
    pub(crate) fn setting(&self, name: &str) -> &str {
        let mut words = self.heading.iter().filter_map(|word| word.split_once('='));
        words.find(|(word, _)| *word == name).unwrap().1
    }

    /// Feeds the inputs to a driver; after each line `check` gets the line, what was expected and what
    /// came out.
    pub(crate) fn run(&self, mut driver: StepDriver, check: impl Fn(&str, &str, Vec<String>)) {
        for (inputs, outputs) in &self.lines {
            let mut out = Vec::new();
            for input in inputs.split("; ") {
                let (side, record) = input.trim().split_once(' ').unwrap();
                out.extend(feed(&mut driver, side, record));
            }
            check(inputs, outputs, out);
        }
    }
}

/// Feeds `key:value@timestamp` to a topic; what came out in topic `out`, in the same form.
pub(crate) fn feed(driver: &mut StepDriver, topic: &str, record: &str) -> Vec<String> {
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

/// The step of a kind of join.
pub(crate) fn step(kind: &str) -> &'static str {
    match kind {
        "inner" => "join",
        "left" => "leftJoin",
        "outer" => "outerJoin",
        other => panic!("no join {other}"),
    }
}
