//! Who is measured, and under which guarantee.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(super) enum Side {
    /// Millrace.
    Ours,
    /// Kafka Streams.
    Peer,
    /// The bare pass-through.
    Ceiling,
}

/// Under which guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Promise {
    /// Transactions.
    ExactlyOnce,
    /// None.
    AtLeastOnce,
}

impl Side {
    /// All, in the order of their turns.
    pub(super) const ALL: [Self; 3] = [Self::Ours, Self::Peer, Self::Ceiling];
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ours => "ours",
            Self::Peer => "peer",
            Self::Ceiling => "ceiling",
        })
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ExactlyOnce => "exactly_once",
            Self::AtLeastOnce => "at_least_once",
        })
    }
}

impl Promise {
    /// Kafka Streams' and our own name for it.
    pub(super) fn processing_guarantee(self) -> &'static str {
        match self {
            Self::ExactlyOnce => "exactly_once_v2",
            Self::AtLeastOnce => "at_least_once",
        }
    }
}
