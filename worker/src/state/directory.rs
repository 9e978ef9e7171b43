//! The state directory: `<state dir>/<application id>/<task>/`, one locked directory per task.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use millrace_crds::plan::TaskId;

use super::{StateError, StateErrorKind};

/// Folder of RocksDB's files in a task's directory.
pub(super) const DATABASE: &str = "db";

/// The application's part of the state directory.
#[derive(Clone, Debug)]
pub struct StateDirectory {
    root: PathBuf,
}

/// A task's directory, locked against other processes and other threads until dropped.
#[derive(Debug)]
pub struct TaskDirectory {
    path: PathBuf,
    /// The lock lives as long as the file is open.
    lock: File,
}

/// The application's directory, locked against other workers until dropped.
#[derive(Debug)]
pub struct ApplicationLock {
    /// Held, not read: the lock lives as long as the file is open.
    _lock: File,
}

impl TaskDirectory {
    /// Notes that the directory is in use: what the age of an unused one is counted from.
    fn touch(&self) -> std::io::Result<()> {
        self.lock
            .set_times(fs::FileTimes::new().set_modified(SystemTime::now()))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where RocksDB's files are.
    pub fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }
}

impl Drop for TaskDirectory {
    fn drop(&mut self) {
        // Until now it was in use. Where this fails (or a crash comes first) it looks older than it
        // is, which is why nothing is cleaned in the first while after a start.
        let _looks_older = self.touch();
    }
}

impl StateDirectory {
    /// Creates the application's directory.
    pub fn open(state_dir: &Path, application_id: &str) -> Result<Self, StateError> {
        let root = state_dir.join(application_id);
        fs::create_dir_all(&root)
            .map_err(|error| StateError::io("create the state directory", &root, &error))?;
        Ok(Self { root })
    }

    /// Locks the application's directory for one worker: two that hand tasks to each other through
    /// one directory would each find the other's checkpoints. [`StateErrorKind::Locked`] at once
    /// while another worker has it.
    pub fn lock_application(&self) -> Result<ApplicationLock, StateError> {
        let _lock = lock_file("lock the state directory", &self.root)?;
        Ok(ApplicationLock { _lock })
    }

    /// Creates and locks a task's directory. [`StateErrorKind::Locked`] while someone else has it.
    pub fn lock(&self, task: TaskId) -> Result<TaskDirectory, StateError> {
        self.lock_named(&task.to_string())
    }

    /// Creates and locks the directory of the global tables. [`StateErrorKind::Locked`] while someone
    /// else has it.
    pub fn lock_global(&self) -> Result<TaskDirectory, StateError> {
        self.lock_named("global")
    }

    fn lock_named(&self, name: &str) -> Result<TaskDirectory, StateError> {
        const OPERATION: &str = "lock the task's directory";
        let path = self.root.join(name);
        let io_of = |path: &Path, error: &std::io::Error| StateError::io(OPERATION, path, error);
        fs::create_dir_all(&path).map_err(|error| io_of(&path, &error))?;
        let lock = lock_file(OPERATION, &path)?;
        let locked = TaskDirectory { path, lock };
        locked
            .touch()
            .map_err(|error| io_of(&locked.path, &error))?;
        Ok(locked)
    }

    /// Deletes directories of tasks that nobody has had locked for `age`, and says which. Errors leave
    /// the directory for the next time. For a worker that has run for `age` itself: before that, an
    /// old directory may be one that it is about to open.
    pub fn clean(&self, age: Duration) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.root) else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter_map(|entry| {
                let path = entry.path();
                let lock = OpenOptions::new()
                    .write(true)
                    .open(path.join("lock"))
                    .ok()?;
                let modified = lock.metadata().ok()?.modified().ok()?;
                let unused = SystemTime::now().duration_since(modified).ok()? >= age;
                if !unused || lock.try_lock().is_err() {
                    return None;
                }
                fs::remove_dir_all(&path).ok()?;
                Some(entry.file_name().to_string_lossy().into_owned())
            })
            .collect()
    }
}

/// Opens and locks the file `lock` of a directory; never waits.
fn lock_file(operation: &'static str, directory: &Path) -> Result<File, StateError> {
    let io = |error: &std::io::Error| StateError::io(operation, directory, error);
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(directory.join("lock"))
        .map_err(|error| io(&error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::Error(error)) => Err(io(&error)),
        Err(TryLockError::WouldBlock) => Err(StateError {
            kind: StateErrorKind::Locked,
            operation,
            path: directory.to_owned(),
            message: "it is locked".to_owned(),
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    const TASK: TaskId = TaskId {
        subtopology: 0,
        partition: 3,
    };

    #[test]
    fn a_locked_directory_is_refused_until_it_is_released() {
        let temp = TempDir::new();
        let directory = StateDirectory::open(temp.path(), "app").unwrap();
        let held = directory.lock(TASK).unwrap();
        let error = directory.lock(TASK).unwrap_err();
        assert_eq!(error.kind, StateErrorKind::Locked);
        assert!(error.to_string().contains("--state-dir"), "{error}");
        drop(held);
        directory.lock(TASK).unwrap();
    }

    #[test]
    fn a_worker_has_its_application_s_directory_to_itself() {
        let temp = TempDir::new();
        let directory = StateDirectory::open(temp.path(), "app").unwrap();
        let held = directory.lock_application().unwrap();
        let error = directory.lock_application().unwrap_err();
        assert_eq!(error.kind, StateErrorKind::Locked);
        // Its tasks are locked one by one, and other applications are others' business.
        directory.lock(TASK).unwrap();
        let other = StateDirectory::open(temp.path(), "other").unwrap();
        other.lock_application().unwrap();
        drop(held);
        directory.lock_application().unwrap();
    }

    #[test]
    fn age_counts_from_the_end_of_use_not_from_its_beginning() {
        let temp = TempDir::new();
        let directory = StateDirectory::open(temp.path(), "app").unwrap();
        let held = directory.lock(TASK).unwrap();
        let long_ago = SystemTime::now() - Duration::from_secs(3600);
        held.lock
            .set_times(fs::FileTimes::new().set_modified(long_ago))
            .unwrap();
        drop(held);
        assert!(directory.clean(Duration::from_secs(600)).is_empty());
    }

    #[test]
    fn only_unlocked_and_old_directories_are_cleaned() {
        let temp = TempDir::new();
        let directory = StateDirectory::open(temp.path(), "app").unwrap();
        let held = directory.lock(TASK).unwrap();
        let other = TaskId {
            subtopology: 1,
            partition: 0,
        };
        drop(directory.lock(other).unwrap());
        assert!(directory.clean(Duration::from_secs(3600)).is_empty());
        assert_eq!(directory.clean(Duration::ZERO), vec!["1_0".to_owned()]);
        assert!(held.path().exists());
    }
}
