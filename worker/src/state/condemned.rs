//! State that was found corrupt at work: it is removed when it is opened next, and rebuilt from the
//! changelog. Once an hour and task: a disk that goes on returning other bytes than were written is
//! not worked around, but told.
//!
//! Two files in the task's directory, so that a crash in between forgets nothing: `condemned` (with
//! the reason), which becomes `rebuilt` when the database is gone.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::StateError;
use super::directory::DATABASE;

/// State that is corrupt again within this time is not rebuilt again.
const AGAIN_AFTER: Duration = Duration::from_secs(3600);
const CONDEMNED: &str = "condemned";
const REBUILT: &str = "rebuilt";

/// Marks the database of a task's directory for removal. False, and nothing marked, where it was
/// rebuilt within the last hour.
pub(super) fn condemn(directory: &Path, why: &str) -> Result<bool, StateError> {
    let rebuilt = fs::metadata(directory.join(REBUILT)).and_then(|file| file.modified());
    let age = rebuilt.ok().map(|at| SystemTime::now().duration_since(at));
    // A time in the future is that of a clock that was set back: it counts as now.
    if age.is_some_and(|age| age.unwrap_or_default() < AGAIN_AFTER) {
        return Ok(false);
    }
    fs::write(directory.join(CONDEMNED), why)
        .map_err(|error| StateError::io("mark corrupt state", directory, &error))?;
    Ok(true)
}

/// As [`condemn`], by the path of the database itself. False also where that is no database of a task.
pub(crate) fn condemn_database(database: &Path, why: &str) -> Result<bool, StateError> {
    match database.parent() {
        Some(directory) if database.ends_with(DATABASE) => condemn(directory, why),
        _ => Ok(false),
    }
}

/// Removes the database of a task's directory if it is marked.
pub(super) fn remove_condemned(directory: &Path, database: &Path) -> Result<(), StateError> {
    let failed = |error| StateError::io("remove corrupt state", database, &error);
    let mark = directory.join(CONDEMNED);
    let why = match fs::read_to_string(&mark) {
        Ok(why) => why,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    tracing::warn!(path = %database.display(), why, "state was corrupt, rebuilding it");
    match fs::remove_dir_all(database) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    // Written anew, so that its age is that of the rebuild.
    fs::write(directory.join(REBUILT), why).map_err(failed)?;
    fs::remove_file(&mark).map_err(failed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn condemned_state_is_removed_once_an_hour() {
        let temp = TempDir::new();
        let database = temp.path().join("db");
        let begin = || fs::create_dir_all(&database).unwrap();
        begin();
        remove_condemned(temp.path(), &database).unwrap();
        assert!(database.exists(), "nobody has condemned it");
        assert!(condemn(temp.path(), "block checksum mismatch").unwrap());
        remove_condemned(temp.path(), &database).unwrap();
        assert!(!database.exists());
        begin();
        assert!(!condemn(temp.path(), "again").unwrap());
        remove_condemned(temp.path(), &database).unwrap();
        assert!(database.exists(), "it was not condemned again");
        let rebuilt = fs::File::options()
            .write(true)
            .open(temp.path().join(REBUILT))
            .unwrap();
        rebuilt
            .set_modified(SystemTime::now() - AGAIN_AFTER)
            .unwrap();
        assert!(condemn(temp.path(), "an hour later").unwrap());
    }
}
