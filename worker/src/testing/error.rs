//! What can go wrong with a driver.

use millrace_crds::Problem;

use crate::error::EngineError;
use crate::state::StateError;

/// A driver could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The StreamApp is refused; all problems, a paragraph each.
    #[error("the StreamApp is refused:\n{0}")]
    StreamApp(String),
    /// The log refused a call of the driver's own.
    #[error(transparent)]
    Log(#[from] millrace_kafka::Error),
    /// The engine refused to start, or a member failed for good.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The state directory could not be read or copied.
    #[error(transparent)]
    State(#[from] StateError),
    /// The members found no rest.
    #[error("still busy after {passes} passes; last seen: {seen}")]
    NeverIdle {
        /// Passes over all members.
        passes: usize,
        /// What they were doing.
        seen: String,
    },
    /// There is no member of this number (any more).
    #[error("there is no member {0}: it was closed, crashed, or never added")]
    NoMember(u32),
    /// Records or rows are not of the types that were asked for, or are not there.
    #[error("{0}")]
    Types(String),
}

impl DriverError {
    /// A StreamApp that has these problems.
    pub(super) fn refused(problems: &[Problem]) -> Self {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Self::StreamApp(lines.join("\n"))
    }
}
