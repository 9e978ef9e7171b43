//! What stops a stream thread, sorted by what it does next.

use millrace_kafka::{ErrorKind, TopicPartition};

use crate::api::ProcessorsMissing;
use crate::state::{StateError, StateErrorKind};

/// An error that a single record cannot be blamed for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// The log failed; [`millrace_kafka::Error::kind`] says what to do.
    #[error(transparent)]
    Log(#[from] millrace_kafka::Error),
    /// The local state failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// A record failed and the policy for its stage is to stop.
    #[error(
        "stopped by a record that could not be processed ({topic}-{partition} at offset {offset}, \
         {node}): {message}; mend the input or the expression, or set `spec.errors` to deadLetter"
    )]
    PoisonRecord {
        /// Input topic.
        topic: String,
        /// Input partition.
        partition: i32,
        /// Input offset.
        offset: i64,
        /// Node and field path.
        node: String,
        /// What is wrong.
        message: String,
    },
    /// A record failed and is to be tried again.
    #[error("a record failed and is tried again ({at} at offset {offset}, {node}): {message}")]
    RecordFailed {
        /// Input partition.
        at: TopicPartition,
        /// Input offset.
        offset: i64,
        /// Node and field path.
        node: String,
        /// What is wrong.
        message: String,
    },
    /// State or changelog exists, but the group's offsets are gone.
    #[error(
        "the committed offsets of group {group} for {partitions} are gone (offsets.retention.minutes \
         passed, or the group was deleted), but its state is there: starting over would count input \
         twice. Set the group's offsets by hand, or delete the application's changelog topics and \
         state to start from nothing"
    )]
    OffsetsLost {
        /// Application id.
        group: String,
        /// Input partitions without offsets.
        partitions: String,
    },
    /// Topics are missing or do not fit the topology.
    #[error("{0}")]
    Topics(String),
    /// A suppression holds more back than it may.
    #[error(
        "{node} holds back {records} records of {bytes} bytes, more than it may: give it more room \
         (`maxRecords`, `maxBytes`), or let it forward the oldest early"
    )]
    BufferFull {
        /// Node and field path.
        node: String,
        /// Records held back.
        records: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// A processor failed where there was no record, and the policy is to stop.
    #[error(
        "a processor of task {task} could not {attempt} ({node}): {message}; mend the processor, or, of \
         a punctuation, set `spec.errors` to deadLetter to go on"
    )]
    Processor {
        /// What it was to do: begin, or punctuate.
        attempt: &'static str,
        /// The task.
        task: String,
        /// Node and field path.
        node: String,
        /// What is wrong.
        message: String,
    },
    /// The StreamApp names processors that are not registered.
    #[error(transparent)]
    ProcessorsMissing(#[from] ProcessorsMissing),
    /// The operating system refused a thread.
    #[error("could not {0}")]
    Thread(String),
    /// A stream thread panicked: a defect of the engine, or of a custom processor.
    #[error("stream thread {thread} panicked: {message}")]
    Panicked {
        /// Thread name.
        thread: String,
        /// The panic's message.
        message: String,
    },
    /// Another worker takes part in the group in this one's place.
    #[error(
        "another worker with ordinal {ordinal} of application {application} is running: this one lost \
         its place in the group {times} times within {seconds} s. Give each worker its own \
         `--ordinal`; the last loss: {last}"
    )]
    OrdinalTaken {
        /// Application id.
        application: String,
        /// The ordinal of both.
        ordinal: u32,
        /// Losses of the membership.
        times: usize,
        /// The time in which they came, in seconds.
        seconds: u64,
        /// The last error.
        last: Box<EngineError>,
    },
    /// The same trouble came back too often in a row.
    #[error("gave up after {attempts} attempts without a commit; the last: {last}")]
    GaveUp {
        /// Attempts made.
        attempts: u32,
        /// The last error.
        last: Box<EngineError>,
    },
}

/// What a stream thread does about an error (the outcomes of the task layer).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Another member owns the tasks: close them without commit and join again.
    Migrated,
    /// The transaction is lost or of unknown outcome: new producer, tasks restored and rewound.
    Corrupted,
    /// Nothing happened: try again.
    Retry,
    /// One record failed: back to the last commit, and that record again.
    Again,
    /// A task's rows are not what was written: rebuilt from its changelog, once an hour.
    Rebuild,
    /// The thread ends.
    Fatal,
}

impl EngineError {
    /// What to do about it.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Log(error) => match error.kind {
                ErrorKind::Fenced => Outcome::Migrated,
                ErrorKind::Abort | ErrorKind::Unknown => Outcome::Corrupted,
                ErrorKind::Unavailable => Outcome::Retry,
                ErrorKind::TooLarge
                | ErrorKind::UnknownTopic
                | ErrorKind::OffsetOutOfRange
                | ErrorKind::Denied
                | ErrorKind::Config
                | ErrorKind::Fatal => Outcome::Fatal,
            },
            Self::State(error) if error.kind == StateErrorKind::Corrupt => Outcome::Rebuild,
            Self::RecordFailed { .. } => Outcome::Again,
            Self::State(_)
            | Self::PoisonRecord { .. }
            | Self::OffsetsLost { .. }
            | Self::Topics(_)
            | Self::BufferFull { .. }
            | Self::Processor { .. }
            | Self::ProcessorsMissing(_)
            | Self::Thread(_)
            | Self::Panicked { .. }
            | Self::OrdinalTaken { .. }
            | Self::GaveUp { .. } => Outcome::Fatal,
        }
    }

    /// Stable PascalCase name: metric label, log field, later the operator's condition reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Log(error) => error.kind.reason(),
            Self::State(error) => match error.kind {
                StateErrorKind::Locked => "StateLocked",
                StateErrorKind::DiskFull => "DiskFull",
                StateErrorKind::Corrupt => "StateCorrupt",
                StateErrorKind::Other => "StateFailed",
            },
            Self::PoisonRecord { .. } => "PoisonRecord",
            Self::RecordFailed { .. } => "RecordFailed",
            Self::OffsetsLost { .. } => "OffsetsLost",
            Self::Topics(_) => "TopicsMismatch",
            Self::BufferFull { .. } => "BufferFull",
            Self::Processor { .. } => "ProcessorFailed",
            Self::ProcessorsMissing(_) => "ProcessorsMissing",
            Self::Thread(_) => "ThreadFailed",
            Self::Panicked { .. } => "Panicked",
            Self::OrdinalTaken { .. } => "OrdinalTaken",
            Self::GaveUp { .. } => "GaveUp",
        }
    }
}
