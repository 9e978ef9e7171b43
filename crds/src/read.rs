//! Reads StreamApps from YAML, for people: every error has file, line, column and field path.
//!
//! ```text
//!   text ─ split ─► documents ─ tree ─► names with their places ─┐
//!                        └─────── typed ──► StreamApp            ├─► Document
//!                                    └─ error ─► Problem ◄───────┘
//! ```
//!
//! Each document is parsed twice: into a tree that knows where everything stands, and into the
//! types. The tree tells which documents are StreamApps, and where the field of a problem is.

mod error;
mod split;
mod tree;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use crate::path::Path;
use crate::plan::{Functions, Plan};
use crate::problem::{Location, Problem, Problems};
use crate::stream_app::StreamApp;
use crate::suggest;
use crate::test_file::{TestDocument, TestFile};
use tree::Tree;

/// Largest file that is read; a topology at all its bounds is far smaller.
pub const MAX_FILE_BYTES: usize = 16 << 20;

const API_VERSION: &str = "millrace.dev/v1alpha1";
const KIND: &str = "StreamApp";

/// A StreamApp together with the places of its fields in a file.
#[derive(Clone, Debug)]
pub struct Document {
    /// The StreamApp.
    pub app: StreamApp,
    places: Places,
}

impl Document {
    /// Checks the StreamApp and works out its plan, as [`plan`](fn@crate::plan) does.
    ///
    /// # Errors
    /// The problems, with line and column, in the order of the file.
    pub fn plan(&self) -> Result<Plan, Vec<Problem>> {
        crate::plan::plan(&self.app).map_err(|problems| self.in_order(problems))
    }

    /// As [`Document::plan`], for running: see [`plan_with`](crate::plan::plan_with).
    ///
    /// # Errors
    /// As [`Document::plan`].
    pub fn plan_with(&self, functions: &Functions) -> Result<Plan, Vec<Problem>> {
        crate::plan::plan_with(&self.app, functions).map_err(|problems| self.in_order(problems))
    }

    fn in_order(&self, mut problems: Vec<Problem>) -> Vec<Problem> {
        self.locate(&mut problems);
        problems.sort_by(|a, b| a.location.cmp(&b.location));
        problems
    }

    /// Adds line and column to problems that have none, by their paths.
    pub fn locate(&self, problems: &mut [Problem]) {
        for problem in problems
            .iter_mut()
            .filter(|problem| problem.location.is_none())
        {
            problem.location = self.places.find(&problem.path);
        }
    }
}

/// Reads all StreamApps of a YAML text, which may have several documents. Documents of another `kind`
/// are skipped.
///
/// # Errors
/// What is wrong with the YAML or its fields; `file_name` stands in the messages. One problem per
/// document at most, because a parser cannot go on after the first.
pub fn read(text: &str, file_name: &str) -> Result<Vec<StreamApp>, Vec<Problem>> {
    let documents = read_documents(text, file_name)?;
    Ok(documents.into_iter().map(|document| document.app).collect())
}

/// As [`read`], keeping the places of fields, so that problems of the plan have line and column too.
///
/// # Errors
/// As [`read`].
pub fn read_documents(text: &str, file_name: &str) -> Result<Vec<Document>, Vec<Problem>> {
    let mut problems = Problems::default();
    let mut documents = Vec::new();
    check_size(text, file_name)?;
    for part in split::documents(text) {
        match document(&part, file_name) {
            Ok(found) => documents.extend(found),
            Err(problem) => problems.add(problem),
        }
    }
    if problems.is_empty() {
        Ok(documents)
    } else {
        Err(problems.into_vec())
    }
}

/// Reads a test file: one document.
///
/// # Errors
/// What is wrong with the YAML or its fields; `file_name` stands in the messages.
pub fn read_test_file(text: &str, file_name: &str) -> Result<TestDocument, Vec<Problem>> {
    check_size(text, file_name)?;
    let parts = split::documents(text);
    let [part] = &parts[..] else {
        let message = format!("{} documents where one was expected", parts.len());
        return Err(vec![Problem {
            location: Some(Location::start(file_name)),
            ..Problem::new(&Path::root(), message)
        }]);
    };
    let read = || -> Result<TestDocument, Problem> {
        let (tree, places) = tree_of(part, file_name)?;
        // Data says `no` and `y` as texts (YAML 1.2).
        let options = serde_saphyr::options! { no_schema: true, strict_booleans: true };
        let file: TestFile = typed(part, &tree, &places, options)?;
        let text = part.text.to_owned();
        Ok(TestDocument { file, places, text })
    };
    read().map_err(|problem| vec![problem])
}

fn check_size(text: &str, file_name: &str) -> Result<(), Vec<Problem>> {
    if text.len() <= MAX_FILE_BYTES {
        return Ok(());
    }
    let message = format!("larger than {MAX_FILE_BYTES} bytes");
    Err(vec![Problem {
        location: Some(Location::start(file_name)),
        ..Problem::new(&Path::root(), message)
    }])
}

/// Reads one document; `None` where it is not a StreamApp.
fn document(part: &split::Part<'_>, file: &str) -> Result<Option<Document>, Problem> {
    let (tree, places) = tree_of(part, file)?;
    if tree.is_empty() || !is_stream_app(&tree, &places)? {
        return Ok(None);
    }
    // Kubernetes takes an unquoted `20` for a number, and refuses it where a text is needed: so does
    // this.
    let options = serde_saphyr::options! { no_schema: true };
    let app = typed(part, &tree, &places, options)?;
    Ok(Some(Document { app, places }))
}

/// A document as a tree, and the places of its fields.
fn tree_of(part: &split::Part<'_>, file: &str) -> Result<(Tree, Places), Problem> {
    let mut places = Places {
        file: file.to_owned(),
        line: part.line,
        by_path: BTreeMap::new(),
    };
    let tree: Tree = serde_saphyr::from_str(part.text)
        .map_err(|error| error::problem(&error, &error::stopped_at(part.text), None, &places))?;
    tree.places(&Path::root(), &mut places.by_path);
    Ok((tree, places))
}

/// A document as the type it is to have.
fn typed<T: DeserializeOwned>(
    part: &split::Part<'_>,
    tree: &Tree,
    places: &Places,
    options: serde_saphyr::Options,
) -> Result<T, Problem> {
    // The path's last part is of the field where reading stopped.
    let mut at = Path::root();
    serde_saphyr::with_deserializer_from_str_with_options(part.text, options, |deserializer| {
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(deserializer, &mut track);
        T::deserialize(tracked).inspect_err(|_| at = error::path(&track.path()))
    })
    .map_err(|error| error::problem(&error, &at, Some(tree), places))
}

/// Whether this is a StreamApp; a resource with our `apiVersion` and a `kind` like ours, or the other
/// way round, is an error: it would be skipped in silence otherwise.
fn is_stream_app(tree: &Tree, places: &Places) -> Result<bool, Problem> {
    let (version, kind) = (tree.text("apiVersion"), tree.text("kind"));
    let at = |field: &str, message: String, help: &str| {
        let problem = Problem::new(&Path::root().key(field), message).help(help);
        let location = places.find(field).or_else(|| Some(places.location(1, 1)));
        Problem {
            location,
            ..problem
        }
    };
    match (version, kind) {
        (Some(API_VERSION), Some(KIND)) => Ok(true),
        (Some(version), Some(KIND)) => {
            let message = format!("`{version}` has no StreamApp that this version knows");
            Err(at(
                "apiVersion",
                message,
                &format!("write `apiVersion: {API_VERSION}`"),
            ))
        }
        (None, Some(KIND)) => {
            let message = "a StreamApp without `apiVersion`".to_owned();
            Err(at(
                "apiVersion",
                message,
                &format!("write `apiVersion: {API_VERSION}`"),
            ))
        }
        (Some(API_VERSION), None) => Err(at(
            "kind",
            "a resource without `kind`".to_owned(),
            "write `kind: StreamApp`",
        )),
        (Some(API_VERSION), Some(other)) => {
            let message = format!("`{other}` is no kind of {API_VERSION}");
            Err(at("kind", message, "write `kind: StreamApp`"))
        }
        (_, Some(other)) if suggest::nearest(other, &[KIND]).is_some() => {
            let message = format!("unknown kind `{other}`");
            Err(at("kind", message, "did you mean `StreamApp`?"))
        }
        (_, Some(_)) => Ok(false),
        (_, None) => {
            let message = "this document has no `kind`".to_owned();
            let help = format!("write `apiVersion: {API_VERSION}` and `kind: StreamApp`");
            Err(at("kind", message, &help))
        }
    }
}

/// Where the fields of one document stand.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    file: String,
    /// Lines of the file before the document.
    line: u64,
    /// Line and column in the document, from 1.
    by_path: BTreeMap<String, (u64, u64)>,
}

impl Places {
    /// The place of a field, or of the nearest of its parents that is written down.
    pub(crate) fn find(&self, path: &str) -> Option<Location> {
        let mut path = Path::new(path);
        loop {
            if let Some(&(line, column)) = self.by_path.get(path.as_str()) {
                return Some(self.location(line, column));
            }
            path = path.parent()?;
        }
    }

    fn location(&self, line: u64, column: u64) -> Location {
        Location {
            file: self.file.clone(),
            line: self.line + line,
            column,
        }
    }
}
