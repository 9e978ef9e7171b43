//! [`TestSuite`]: the cases of a test file, run against its StreamApp.
//!
//! ```text
//!   file ── open ──► TestSuite ── run ──► CaseResult per case ── report ──► text for people
//! ```
//!
//! Each case has a [`StepDriver`](super::StepDriver) of its own, so that what comes of a record is all
//! there before the next step, in the order of Kafka Streams' `TopologyTestDriver`: expectations depend
//! on no commit interval and no thread.

mod case;
mod compare;
mod report;
mod seen;

use std::path::Path;

use millrace_crds::plan::Plan;
use millrace_crds::read::read_documents;
use millrace_crds::test_file::{Formats, TestDocument};
use millrace_crds::{Location, Problem, StreamApp, read_test_file};

use super::DriverError;
use crate::api::Processors;
use crate::config::WorkerConfig;

pub use compare::{Difference, Line};

/// A test file and the StreamApp it is about, both checked.
#[derive(Debug)]
pub struct TestSuite {
    document: TestDocument,
    app: StreamApp,
    plan: Plan,
    formats: Formats,
    processors: Processors,
}

/// What came of a case.
#[derive(Clone, Debug)]
pub struct CaseResult {
    /// The case's name.
    pub name: String,
    /// Why it failed; `None` where all was as expected.
    pub failure: Option<Failure>,
}

/// Why a case failed, and where: the steps after are not run.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Place in the test file.
    pub location: Option<Location>,
    /// What is wrong, in one line or several.
    pub message: String,
    /// Expected and got side by side, where both can be shown.
    pub difference: Option<Difference>,
}

impl TestSuite {
    /// Reads a test file, and the StreamApp that it names.
    ///
    /// # Errors
    /// A file that cannot be read, or all that is wrong with it or with its StreamApp: a paragraph
    /// each, with file and line.
    pub fn open(path: &Path) -> Result<Self, String> {
        let file = path.display().to_string();
        let document = read_test_file(&text_of(path)?, &file).map_err(|all| paragraphs(&all))?;
        let app_path = path.parent().unwrap_or(Path::new(""));
        let app_path = app_path.join(&document.file.app);
        let app_name = app_path.display().to_string();
        let text =
            text_of(&app_path).map_err(|message| document.problem("app", message).to_string())?;
        let mut apps = read_documents(&text, &app_name).map_err(|all| paragraphs(&all))?;
        let names: Vec<String> = apps
            .iter()
            .filter_map(|found| found.app.metadata.name.clone())
            .collect();
        if let Some(name) = &document.file.name {
            apps.retain(|found| found.app.metadata.name.as_ref() == Some(name));
        }
        let (Some(found), true) = (apps.pop(), apps.is_empty()) else {
            let message = match &document.file.name {
                Some(name) => format!("{app_name} has no single StreamApp `{name}`"),
                None => format!("{app_name} has {} StreamApps: say which", names.len()),
            };
            let problem = document.problem("name", message);
            return Err(format!("{problem}\n  it has: {}", names.join(", ")));
        };
        let plan = found.plan().map_err(|all| paragraphs(&all))?;
        Self::new(document, found.app, plan).map_err(|all| paragraphs(&all))
    }

    /// Cases for a StreamApp that has been planned.
    ///
    /// # Errors
    /// What is wrong with the file: topics and stores that the StreamApp does not have, values that
    /// are not of their format.
    pub fn new(document: TestDocument, app: StreamApp, plan: Plan) -> Result<Self, Vec<Problem>> {
        let plan = if plan.has_patterns() {
            plan.resolve(document.file.inputs())
        } else {
            plan
        };
        let config = WorkerConfig::new(&app, 0, Default::default());
        let formats = Formats::of(&plan, &config.engine.dead_letter_topic);
        document.check(&formats)?;
        Ok(Self {
            document,
            app,
            plan,
            formats,
            processors: Processors::new(),
        })
    }

    /// Lets the StreamApp name these processors; none before.
    #[must_use]
    pub fn with_processors(mut self, processors: Processors) -> Self {
        self.processors = processors;
        self
    }

    /// Runs all cases, in order.
    ///
    /// # Errors
    /// A case cannot begin: no room for its state. That a case fails is no error, but in its result.
    pub fn run(&self) -> Result<Vec<CaseResult>, DriverError> {
        let cases = &self.document.file.cases;
        (0..cases.len()).map(|case| case::run(self, case)).collect()
    }
}

fn text_of(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("could not read {}: {error}", path.display()))
}

fn paragraphs(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
