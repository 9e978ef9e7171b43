//! What can go wrong between the engine and the log, sorted by what the engine must do about it.

use std::fmt;

use crate::record::TopicPartition;

/// Result of a call to the log.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller must do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Another member has taken over (fenced producer, unknown member, illegal generation): close the
    /// tasks without committing and join again.
    Fenced,
    /// The transaction cannot commit, but the producer is healthy: abort it and process again.
    Abort,
    /// The outcome is unknown (timeout, connection lost inside a commit): never retry into a next
    /// transaction; a new producer settles the old one.
    Unknown,
    /// The log did not answer in time; nothing happened, the call may be made again.
    Unavailable,
    /// One record is larger than the log accepts. Only this record is at fault.
    TooLarge,
    /// The topic or partition does not exist.
    UnknownTopic,
    /// The asked offset is not in the log any more (or not yet).
    OffsetOutOfRange,
    /// The log refused the caller's identity or rights.
    Denied,
    /// Client configuration that the log or its client refuses.
    Config,
    /// Anything else; the client object cannot be used any more.
    Fatal,
}

impl ErrorKind {
    /// Stable PascalCase name, used for metric labels and log fields.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Fenced => "Fenced",
            Self::Abort => "TransactionAbort",
            Self::Unknown => "OutcomeUnknown",
            Self::Unavailable => "LogUnavailable",
            Self::TooLarge => "RecordTooLarge",
            Self::UnknownTopic => "UnknownTopic",
            Self::OffsetOutOfRange => "OffsetOutOfRange",
            Self::Denied => "AccessDenied",
            Self::Config => "ClientConfig",
            Self::Fatal => "Fatal",
        }
    }
}

/// A failed call to the log: what was attempted, on what, and why it failed.
#[derive(Clone, Debug)]
pub struct Error {
    /// What to do about it.
    pub kind: ErrorKind,
    /// What was attempted, as a verb phrase: `commit the transaction`, `fetch`.
    pub operation: String,
    /// The partition it was attempted on, where there is one.
    pub partition: Option<TopicPartition>,
    /// The log's own words.
    pub message: String,
}

impl Error {
    /// An error of a call that concerns no single partition.
    pub fn new(kind: ErrorKind, operation: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind,
            operation: operation.into(),
            partition: None,
            message: message.into(),
        }
    }

    /// The same error, naming the partition it happened on.
    #[must_use]
    pub fn on(mut self, partition: TopicPartition) -> Self {
        self.partition = Some(partition);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}", self.operation)?;
        if let Some(partition) = &self.partition {
            write!(f, " ({partition})")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for Error {}
