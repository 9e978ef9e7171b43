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
use millrace_crds::read::{Document, read_documents};
use millrace_crds::test_file::{Formats, TestDocument};
use millrace_crds::{Location, Problem, StreamApp, read_test_file};

use super::DriverError;
use crate::api::Processors;
use crate::config::WorkerConfig;
use crate::dsl::{Application, plan_document};

pub use compare::{Difference, Line};
pub(super) use seen::Seen;

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
        Self::open_for(path, None)
    }

    /// As [`TestSuite::open`], for a program with a topology of its own: that is what a test file
    /// without a StreamApp is about.
    ///
    /// # Errors
    /// As [`TestSuite::open`].
    pub fn open_for(path: &Path, own: Option<&Application>) -> Result<Self, String> {
        let file = path.display().to_string();
        let document = read_test_file(&text_of(path)?, &file).map_err(|all| paragraphs(&all))?;
        let processors = own.map(|own| own.topology().processors().clone());
        let (app, plan) = match (&document.file.app, own) {
            (Some(app), _) => {
                let app = path.parent().unwrap_or(Path::new("")).join(app);
                let mut found = stream_app(&app, &document)?;
                let plan = plan_document(&mut found, own).map_err(|all| paragraphs(&all))?;
                (found.app, plan)
            }
            (None, Some(own)) => {
                let app = own.stream_app();
                let plan = own.topology().plan_of(&app);
                (app, plan.map_err(|all| paragraphs(&all))?)
            }
            (None, None) => {
                let problem = document.problem("app", "`app` is missing: the StreamApp's file");
                return Err(problem.to_string());
            }
        };
        let suite = Self::new(document, app, plan).map_err(|all| paragraphs(&all))?;
        Ok(suite.with_processors(processors.unwrap_or_default()))
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

/// The StreamApp that a test file names.
fn stream_app(path: &Path, test: &TestDocument) -> Result<Document, String> {
    let file = path.display().to_string();
    let text = text_of(path).map_err(|message| test.problem("app", message).to_string())?;
    let mut apps = read_documents(&text, &file).map_err(|all| paragraphs(&all))?;
    let names: Vec<String> = apps
        .iter()
        .filter_map(|found| found.app.metadata.name.clone())
        .collect();
    if let Some(name) = &test.file.name {
        apps.retain(|found| found.app.metadata.name.as_ref() == Some(name));
    }
    if let (Some(found), true) = (apps.pop(), apps.is_empty()) {
        return Ok(found);
    }
    let message = match &test.file.name {
        Some(name) => format!("{file} has no single StreamApp `{name}`"),
        None => format!("{file} has {} StreamApps: say which", names.len()),
    };
    let problem = test.problem("name", message);
    Err(format!("{problem}\n  it has: {}", names.join(", ")))
}

fn text_of(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("could not read {}: {error}", path.display()))
}

fn paragraphs(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
