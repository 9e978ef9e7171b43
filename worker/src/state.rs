//! State of a task: what is stored lies in RocksDB (or in memory), what is not lies in a table over it.
//!
//! ```text
//!   node ── put ──► row table ── commit: changelog record per key ──► producer
//!     ▲               │
//!     └── get ────────┤          after the transaction committed, or some of them:
//!                     └────────► ONE WriteBatch {data, changelog offsets} ──► RocksDB
//! ```
//!
//! A crash at any point leaves RocksDB at some committed point; a restart restores the changelog's
//! tail from there. State is never wiped because of a crash (architecture decision D3).

pub mod checkpoint;
pub mod committed;
mod condemned;
pub mod db;
pub mod directory;
pub mod flush;
mod generation;
pub mod global;
mod key_order;
mod layout;
pub mod memory;
pub mod observed;
mod ordered_keys;
mod recent_rows;
pub mod row;
mod row_table;
pub mod session_store;
pub mod shape;
mod slots;
pub mod store;
mod version_log;
pub mod versioned_store;
pub mod window_store;

pub use checkpoint::Checkpoint;
pub use committed::{Committed, CommittedStore, MemoryRows};
pub(crate) use condemned::condemn_database;
pub use db::TaskDb;
pub use directory::{ApplicationLock, StateDirectory};
pub use global::GlobalTables;
pub use memory::StateMemory;
pub use observed::Observed;
pub use row::Row;
pub use session_store::{SessionRow, SessionStore};
pub use shape::{Shape, WindowOrder};
pub use store::{ChangelogRecord, Store};
pub use versioned_store::{Placed, VersionedStore};
pub use window_store::{WindowRow, WindowStore};

use std::path::{Path, PathBuf};

/// What went wrong on the local disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateErrorKind {
    /// Another process (or another thread of this one) holds the task's directory.
    Locked,
    /// No space left on the device.
    DiskFull,
    /// The files are not what was written.
    Corrupt,
    /// Anything else of the file system or of RocksDB.
    Other,
}

/// A failed call to the local state.
#[derive(Clone, Debug, thiserror::Error)]
#[error("could not {operation} in {}: {message}{}", .path.display(), .kind.advice())]
pub struct StateError {
    /// What to do about it.
    pub kind: StateErrorKind,
    /// What was attempted, as a verb phrase.
    pub operation: &'static str,
    /// Directory or file.
    pub path: PathBuf,
    /// The system's own words.
    pub message: String,
}

impl StateErrorKind {
    fn advice(self) -> &'static str {
        match self {
            Self::Locked => {
                "; another worker uses this state directory: give each worker its own `--state-dir`"
            }
            Self::DiskFull => "; free space or grow the volume: nothing committed is lost",
            Self::Corrupt => "; the task's state is rebuilt from its changelog",
            Self::Other => "",
        }
    }
}

impl StateError {
    /// An error of the file system.
    pub fn io(operation: &'static str, path: &Path, error: &std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                StateErrorKind::DiskFull
            }
            _ => StateErrorKind::Other,
        };
        Self {
            kind,
            operation,
            path: path.to_owned(),
            message: error.to_string(),
        }
    }

    /// An error of RocksDB.
    pub fn rocksdb(operation: &'static str, path: &Path, error: &rocksdb::Error) -> Self {
        let message = error.to_string();
        let kind = match error.kind() {
            rocksdb::ErrorKind::Corruption => StateErrorKind::Corrupt,
            // RocksDB's C interface hands on the text alone; its status codes have no disk-full kind.
            _ if message.contains("No space left on device") => StateErrorKind::DiskFull,
            _ if message.contains("LOCK: Resource temporarily unavailable") => {
                StateErrorKind::Locked
            }
            _ => StateErrorKind::Other,
        };
        Self {
            kind,
            operation,
            path: path.to_owned(),
            message,
        }
    }
}
