//! Test files: records given to a StreamApp and what must come of them, as `millrace-worker test` runs
//! them.
//!
//! ```text
//!   text ── read_test_file ──► TestDocument ── check(plan) ──► nothing wrong: run by worker::testing
//! ```
//!
//! Owns the form of these files and says what is wrong with one, against the plan of its StreamApp:
//! names that do not exist, values that are not of a topic's format. Never runs one.

mod check;
mod data;
mod entries;
mod formats;
mod moment;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::path::Path;
use crate::problem::{Location, Problem};
use crate::read::Places;

pub use data::Data;
pub use entries::Entries;
pub use formats::{Formats, RecordFormat};
pub use moment::{Moment, Span};

/// A test file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TestFile {
    /// The StreamApp's file, from the folder of this one. Default: the topology of the program that
    /// runs the cases.
    #[serde(default)]
    pub app: Option<String>,
    /// Name of the StreamApp, where its file has several.
    #[serde(default)]
    pub name: Option<String>,
    /// Time that the clock shows when a case begins, ms since the epoch. Default: 0.
    #[serde(default)]
    pub start: i64,
    /// What is tested. Each case begins with empty topics and stores.
    pub cases: Vec<Case>,
}

impl TestFile {
    /// The topics that records are written to.
    pub fn inputs(&self) -> impl Iterator<Item = &str> {
        let steps = self.cases.iter().flat_map(|case| &case.steps);
        let piped = steps.filter_map(|step| match step {
            CaseStep::Pipe(topics) => Some(&topics.0),
            _ => None,
        });
        piped.flatten().map(|(topic, _)| topic.as_str())
    }
}

/// Something that is to be so.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    /// What is to be so, as a sentence.
    pub name: String,
    /// What is done and expected, one after the other.
    pub steps: Vec<CaseStep>,
}

/// A step of a case.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum CaseStep {
    /// Writes records to topics that the StreamApp reads: by topic, in the order they stand here.
    Pipe(Entries<Vec<Input>>),
    /// Lets time pass on the clock, such as `10s`.
    Advance(Span),
    /// By topic, all records written to it since it was last looked at, in order. `[]` is none.
    Expect(Entries<Vec<Expected>>),
    /// By store, all rows in it, in any order.
    ExpectStores(Entries<Vec<Expected>>),
}

impl CaseStep {
    /// The step's name in a file.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pipe(_) => "pipe",
            Self::Advance(_) => "advance",
            Self::Expect(_) => "expect",
            Self::ExpectStores(_) => "expectStores",
        }
    }
}

/// A record that is written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// Key, in the form of the topic's format. Default: none.
    #[serde(default, deserialize_with = "data::present")]
    pub key: Option<Data>,
    /// Value, in the form of the topic's format; null deletes. This or `rawValue` is required.
    #[serde(default, deserialize_with = "data::present")]
    pub value: Option<Data>,
    /// The value's bytes as they are, such as a text that is no JSON.
    #[serde(default)]
    pub raw_value: Option<String>,
    /// Its time: ms since the epoch, or a duration after the start, such as `10m`. Default: what the
    /// clock shows.
    #[serde(default)]
    pub at: Option<Moment>,
    /// Headers, in order.
    #[serde(default)]
    pub headers: Entries<String>,
}

/// A record of a topic, or a row of a store. What is left out is not compared.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expected {
    /// Key.
    #[serde(default, deserialize_with = "data::present")]
    pub key: Option<Data>,
    /// Window of the key, where keys have one.
    #[serde(default)]
    pub window: Option<ExpectedWindow>,
    /// Value; null is a deletion.
    #[serde(default, deserialize_with = "data::present")]
    pub value: Option<Data>,
    /// Its time: ms since the epoch, or a duration after the start.
    #[serde(default)]
    pub at: Option<Moment>,
    /// Headers that must be there; there may be others. Rows of stores have none.
    #[serde(default)]
    pub headers: Entries<String>,
}

/// A window.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpectedWindow {
    /// Its start: ms since the epoch, or a duration after the start of the case.
    pub start: Moment,
    /// Its end, likewise. Default: not compared.
    #[serde(default)]
    pub end: Option<Moment>,
}

/// A test file with the places of its fields.
#[derive(Clone, Debug)]
pub struct TestDocument {
    /// What stands in it.
    pub file: TestFile,
    pub(crate) places: Places,
    /// Numbers are taken from here as they were written.
    pub(crate) text: String,
}

impl TestDocument {
    /// The text, from which [`Data`] takes numbers exactly as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of an entry of a step: a topic, or a store. `record` is one of its list.
    pub fn place(
        &self,
        case: usize,
        step: usize,
        entry: Option<&str>,
        record: Option<usize>,
    ) -> Option<Location> {
        let name = self.file.cases.get(case)?.steps.get(step)?.name();
        let mut path = step_path(case, step).key(name);
        if let Some(entry) = entry {
            path = path.key(entry);
        }
        if let Some(record) = record {
            path = path.index(record);
        }
        self.places.find(path.as_str())
    }

    /// A problem with a field, at its place.
    pub fn problem(&self, field: &str, message: impl Into<String>) -> Problem {
        self.located(Problem::new(&Path::new(field), message))
    }

    fn located(&self, problem: Problem) -> Problem {
        Problem {
            location: self.places.find(&problem.path),
            ..problem
        }
    }
}

/// The path of a step.
fn step_path(case: usize, step: usize) -> Path {
    let cases = Path::root().key("cases").index(case);
    cases.key("steps").index(step)
}

/// The JSON Schema (draft 7) of test files, for editors.
pub fn test_file_schema() -> serde_json::Value {
    let generator = schemars::generate::SchemaSettings::draft07().into_generator();
    serde_json::Value::from(generator.into_root_schema_for::<TestFile>())
}
