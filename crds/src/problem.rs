//! [`Problem`]: what is wrong, where, and what to do.

use std::fmt;

use crate::path::Path;

/// Problems reported of one StreamApp. More are not listed: whoever repairs twenty runs the check
/// again.
pub const MAX_PROBLEMS: usize = 20;

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// Name of the file, as given to [`read`](crate::read::read).
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// Column in the line, in characters, from 1.
    pub column: u64,
}

impl Location {
    /// The beginning of a file.
    pub(crate) fn start(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            line: 1,
            column: 1,
        }
    }
}

impl fmt::Display for Location {
    /// `file:line:column`, which terminals and editors turn into links.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One thing that is wrong with a StreamApp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path of the offending field, such as `spec.topology.streams.evaluated.steps[0].leftJoin.value`;
    /// empty where the document itself is at fault.
    pub path: String,
    /// What was found and what was expected. One line, or several where an expression is shown.
    pub message: String,
    /// What to do about it, where something can be said.
    pub help: Option<String>,
    /// Line and column, where the StreamApp was read from a file.
    pub location: Option<Location>,
}

impl Problem {
    pub(crate) fn new(path: &Path, message: impl Into<String>) -> Self {
        Self {
            path: path.to_string(),
            message: message.into(),
            help: None,
            location: None,
        }
    }

    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Problem {
    /// Place, path and message, then the help on a line of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(f, "{location}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}", self.message)?;
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

/// The problems found so far, at most [`MAX_PROBLEMS`].
#[derive(Debug, Default)]
pub(crate) struct Problems {
    found: Vec<Problem>,
}

impl Problems {
    /// Notes a problem, unless the list is full or has it already.
    pub(crate) fn add(&mut self, problem: Problem) {
        if self.found.len() < MAX_PROBLEMS && !self.found.contains(&problem) {
            self.found.push(problem);
        }
    }

    /// Whether nothing was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The list, in the order of discovery.
    pub(crate) fn into_vec(self) -> Vec<Problem> {
        self.found
    }
}
