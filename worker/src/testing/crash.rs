//! What a crash leaves on disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::state::StateError;

/// Attempts at a copy during which nothing was written; RocksDB's background work ends by itself.
const ATTEMPTS_MAX: usize = 10_000;

/// Copies a state directory whose databases are open to a place that does not exist yet, as it is
/// on disk at one moment.
pub(super) fn copy_as_a_crash_leaves_it(from: &Path, to: &Path) -> Result<(), StateError> {
    let mut last = io::Error::other("files changed during every attempt");
    for _ in 0..ATTEMPTS_MAX {
        match try_copy(from, to) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            // A file that was listed may be gone by now: a compaction has ended.
            Err(error) => last = error,
        }
        let _partial = fs::remove_dir_all(to);
        std::thread::yield_now();
    }
    Err(StateError::io("copy what a crash leaves", from, &last))
}

/// False if something was written meanwhile.
fn try_copy(from: &Path, to: &Path) -> io::Result<bool> {
    let before = files(from)?;
    fs::create_dir_all(to)?;
    for (path, _) in &before {
        let target = to.join(path.strip_prefix(from).map_err(io::Error::other)?);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(path, target)?;
    }
    Ok(files(from)? == before)
}

/// All files below a directory and their lengths, but for RocksDB's logs for people.
fn files(directory: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if entry.file_type()?.is_dir() {
                directories.push(entry.path());
            } else if !name.to_string_lossy().starts_with("LOG") {
                found.push((entry.path(), entry.metadata()?.len()));
            }
        }
    }
    found.sort();
    Ok(found)
}
