//! The journal of `worker dev --data DIR`: every change of the log's state, in order, in files.
//!
//! ```text
//!   DIR/lock                             held while the log is open
//!   DIR/journal-00000000000000000007.log a segment: header, then entries; begins anew (older ones
//!   DIR/journal-00000000000000000008.log   are dead) or continues the one before
//!   entry = length u32 · CRC-32C u32 · change
//! ```
//!
//! **What survives.** A change is written (`write(2)`) before the call that made it returns, so an
//! end of the process by any signal loses nothing that was acknowledged. The files are synced to
//! disk at most once per `sync_interval`, by the first change or call after it: a power failure
//! loses at most what was written since. A torn tail is cut at the start, with a log line. On a full
//! disk a change is refused and leaves no trace; an fsync that fails ends the journal, because
//! nobody can know any more what is on the disk.
//!
//! This module never interprets changes; the state does.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use millrace_kafka::{Error, ErrorKind};

use crate::change::Change;
use crate::clock::millis;

mod codec;
mod segment;

use segment::Segment;

/// A new segment is begun when the present one has reached this size.
const SEGMENT_BYTES: u64 = 256 << 20;

/// A journal with less dead bytes than this is as good as new.
const DEAD_BYTES_MIN: u64 = 1 << 20;

/// Why a data directory could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error(
        "the data directory {} is in use by another process: stop it, or choose another directory",
        .0.display()
    )]
    Locked(PathBuf),
    /// The operating system refused something.
    #[error("could not {operation} {}: {source}", .path.display())]
    Io {
        /// What was attempted.
        operation: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file is damaged where no crash could have damaged it.
    #[error(
        "{} is damaged at byte {position} ({reason}); restore it from a copy, or start with another \
         data directory",
        .path.display()
    )]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// Where.
        position: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// Written by a version of Millrace that this one does not understand.
    #[error(
        "{} has journal format {found}, this version reads format {expected}: use the version that \
         wrote it, or another data directory",
        .path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u16,
        /// The format this version reads.
        expected: u16,
    },
}

impl OpenError {
    fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io {
            operation,
            path,
            source,
        }
    }
}

/// Why a change is not in the journal.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// Nothing of it is: it may be made again later.
    Refused(String),
    /// The journal cannot be used any more, and this change may or may not be in it.
    Broken(String),
}

impl AppendError {
    /// The error for the log's user.
    pub(crate) fn into_log_error(self, operation: &str) -> Error {
        match self {
            Self::Refused(message) => Error::new(ErrorKind::Unavailable, operation, message),
            Self::Broken(message) => Error::new(ErrorKind::Unknown, operation, message),
        }
    }
}

/// An open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    dir: PathBuf,
    /// Holds the lock of the directory until dropped.
    _lock: File,
    segment: Segment,
    /// Bytes of the segments before the present one.
    older_bytes: u64,
    /// Bytes of all segments when the last rewriting failed; not tried again below twice that.
    failed_rewrite_bytes: u64,
    sync_interval_ms: i64,
    synced_at_ms: i64,
    unsynced: bool,
    broken: Option<String>,
    buffer: Vec<u8>,
}

impl Journal {
    /// Locks the directory (creating it), and hands every change in it out in order.
    pub(crate) fn open(
        dir: &Path,
        sync_interval: Duration,
        mut on_change: impl FnMut(Change),
    ) -> Result<Self, OpenError> {
        fs::create_dir_all(dir).map_err(OpenError::io("create the data directory", dir))?;
        let lock = lock(dir)?;
        let mut numbers = segment::list(dir)?;
        segment::drop_dead(dir, &mut numbers)?;
        let mut older_bytes = 0;
        let mut last = None;
        for (index, number) in numbers.iter().enumerate() {
            let is_last = index + 1 == numbers.len();
            let segment = Segment::replay(dir, *number, is_last, &mut on_change)?;
            older_bytes += segment.len();
            last = Some(segment);
        }
        let segment = match last {
            Some(segment) => segment,
            None => {
                Segment::create(dir, 1, true).map_err(OpenError::io("create a file in", dir))?
            }
        };
        older_bytes = older_bytes.saturating_sub(segment.len());
        Ok(Self {
            dir: dir.to_path_buf(),
            _lock: lock,
            segment,
            older_bytes,
            failed_rewrite_bytes: 0,
            sync_interval_ms: millis(sync_interval),
            synced_at_ms: i64::MIN,
            unsynced: false,
            broken: None,
            buffer: Vec::new(),
        })
    }

    /// Writes a change. When it returns, the change survives the process.
    pub(crate) fn append(&mut self, change: &Change, now_ms: i64) -> Result<(), AppendError> {
        if let Some(reason) = &self.broken {
            return Err(AppendError::Broken(reason.clone()));
        }
        if self.segment.len() >= SEGMENT_BYTES {
            self.roll()?;
        }
        codec::encode_entry(change, &mut self.buffer);
        let result = self.segment.write(&self.buffer);
        codec::shrink_after_large_entry(&mut self.buffer);
        if let Err(error) = result {
            return Err(AppendError::Refused(refusal(&self.dir, &error)));
        }
        self.unsynced = true;
        self.sync_when_due(now_ms);
        match &self.broken {
            Some(reason) => Err(AppendError::Broken(reason.clone())),
            None => Ok(()),
        }
    }

    /// Syncs what was written since the last sync, if that is long enough ago.
    pub(crate) fn sync_when_due(&mut self, now_ms: i64) {
        if self.unsynced && now_ms.saturating_sub(self.synced_at_ms) >= self.sync_interval_ms {
            self.synced_at_ms = now_ms;
            self.sync();
        }
    }

    /// Whether more than half of the journal, and at least `more_than` bytes, is dead, given the
    /// bytes that are alive.
    pub(crate) fn is_mostly_dead(&self, live_bytes: u64, more_than: u64) -> bool {
        let total = self.older_bytes + self.segment.len();
        let dead = total.saturating_sub(live_bytes);
        let worth_trying = total >= self.failed_rewrite_bytes.saturating_mul(2);
        worth_trying && dead > live_bytes && dead > more_than.max(DEAD_BYTES_MIN)
    }

    /// Writes what is alive into a new segment that begins anew, and removes the older ones. If that
    /// fails, everything is as before.
    pub(crate) fn rewrite(
        &mut self,
        changes: impl Iterator<Item = Change>,
        now_ms: i64,
    ) -> Result<(), OpenError> {
        let before_bytes = self.older_bytes + self.segment.len();
        let number = self.segment.number() + 1;
        match segment::write_snapshot(&self.dir, number, changes, &mut self.buffer) {
            Ok(segment) => {
                let mut numbers = segment::list(&self.dir)?;
                self.segment = segment;
                self.older_bytes = 0;
                self.failed_rewrite_bytes = 0;
                self.unsynced = false;
                self.synced_at_ms = now_ms;
                tracing::info!(
                    before_bytes,
                    after_bytes = self.segment.len(),
                    "journal rewritten: most of it was dead"
                );
                segment::drop_dead(&self.dir, &mut numbers)
            }
            Err(source) => {
                self.failed_rewrite_bytes = before_bytes;
                Err(OpenError::io("rewrite the journal in", &self.dir)(source))
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn swap_file(&mut self, file: File) -> File {
        self.segment.swap_file(file)
    }

    fn roll(&mut self) -> Result<(), AppendError> {
        self.sync();
        let number = self.segment.number() + 1;
        let next = Segment::create(&self.dir, number, false)
            .map_err(|error| AppendError::Refused(refusal(&self.dir, &error)))?;
        self.older_bytes += self.segment.len();
        self.segment = next;
        Ok(())
    }

    fn sync(&mut self) {
        self.unsynced = false;
        if let Err(error) = self.segment.sync() {
            let reason = format!(
                "syncing the journal in {} failed ({error}); what is on the disk is not known any \
                 more: check the disk and start again",
                self.dir.display()
            );
            tracing::error!("{reason}");
            self.broken = Some(reason);
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if self.unsynced {
            self.sync();
        }
    }
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(OpenError::io("open the lock file", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(dir.to_path_buf())),
        Err(TryLockError::Error(source)) => Err(OpenError::io("lock", &path)(source)),
    }
}

fn refusal(dir: &Path, error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; free some space",
        _ => "",
    };
    format!(
        "writing the journal in {} failed: {error}{advice}; nothing of it was kept",
        dir.display()
    )
}
