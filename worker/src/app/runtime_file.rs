//! [`Wanted`]: how many stream threads this process is to run, from the StreamApp or from a file that
//! changes while it runs.
//!
//! The file is looked at once a second. Kubernetes swaps a symbolic link when a ConfigMap changes, so
//! a read sees the old file or the new one, never half of one; watching for the swap would need the
//! link's folder, its target and their renames, and be no sooner than the kubelet.

use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use millrace_crds::worker_api::{RUNTIME_FILE, RuntimeSettings};

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// A longer file is none of ours.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// How many stream threads this process is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Not known yet; the text says why.
    Unknown(String),
    /// None: the text says why.
    Nothing(String),
    /// As many as the StreamApp says.
    Declared,
    /// This many; those that are more stay for now where `keep` says so.
    Threads { count: u32, keep: bool },
}

/// The file, and what was in it when it was last looked at.
pub(super) struct RuntimeFile {
    path: PathBuf,
    ordinal: u32,
    looked: Option<Instant>,
    settings: Option<RuntimeSettings>,
    problem: Option<String>,
}

impl RuntimeFile {
    /// The file in a directory, for the worker with this ordinal. Nothing is read yet.
    pub(super) fn new(directory: &std::path::Path, ordinal: u32) -> Self {
        Self {
            path: directory.join(RUNTIME_FILE),
            ordinal,
            looked: None,
            settings: None,
            problem: None,
        }
    }

    /// What is wanted now. A file that is away or cannot be read changes nothing about what it said
    /// before.
    pub(super) fn wanted(&mut self) -> Wanted {
        let due = self.looked.is_none_or(|at| at.elapsed() >= LOOK_INTERVAL);
        if due {
            self.looked = Some(Instant::now());
            self.look();
        }
        let Some(settings) = self.settings else {
            return Wanted::Unknown(self.problem.clone().unwrap_or_default());
        };
        match (settings.threads_of(self.ordinal), settings.replicas) {
            (0, 1..) if settings.growing => Wanted::Threads {
                count: 0,
                keep: true,
            },
            (0, 0) => Wanted::Nothing("the application is suspended (replicas 0)".to_owned()),
            (0, replicas) => Wanted::Nothing(format!(
                "this worker has number {} and there are to be {replicas}, counted from 0",
                self.ordinal
            )),
            (count, _) => Wanted::Threads {
                count,
                keep: settings.growing,
            },
        }
    }

    fn look(&mut self) {
        match self.read() {
            Ok(settings) => {
                if self.settings != Some(settings) {
                    let RuntimeSettings {
                        replicas,
                        threads,
                        growing,
                    } = settings;
                    tracing::info!(replicas, threads, growing, "runtime settings");
                }
                self.settings = Some(settings);
                self.problem = None;
            }
            Err(problem) => {
                if self.problem.as_ref() != Some(&problem) {
                    let goes_on = self.settings.is_some();
                    tracing::warn!(problem, goes_on, "runtime settings");
                }
                self.problem = Some(problem);
            }
        }
    }

    fn read(&self) -> Result<RuntimeSettings, String> {
        let path = self.path.display();
        let mut text = String::new();
        std::fs::File::open(&self.path)
            .and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text))
            .map_err(|error| format!("could not read {path}: {error}"))?;
        RuntimeSettings::parse(&text).map_err(|problem| format!("{path}: {problem}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::testing::TempDir;

    /// What the file says at a look that is due.
    fn look(file: &mut RuntimeFile) -> Wanted {
        file.looked = None;
        file.wanted()
    }

    fn threads(count: u32) -> Wanted {
        Wanted::Threads { count, keep: false }
    }

    #[test]
    fn a_file_that_goes_away_or_breaks_changes_nothing() {
        let directory = TempDir::new();
        let mut file = RuntimeFile::new(directory.path(), 1);
        let Wanted::Unknown(why) = look(&mut file) else {
            panic!("settings out of nothing");
        };
        assert!(
            why.contains("could not read") && why.contains("runtime.json"),
            "{why}"
        );
        let path = directory.path().join("runtime.json");
        std::fs::write(&path, r#"{"replicas": 2, "threads": 3}"#).unwrap();
        assert_eq!(look(&mut file), threads(3));
        std::fs::write(&path, r#"{"replicas": 2, "threads": 3, "growing": true}"#).unwrap();
        let kept = Wanted::Threads {
            count: 3,
            keep: true,
        };
        assert_eq!(look(&mut file), kept);
        std::fs::write(&path, r#"{"replicas": 1, "threads": 3, "growing": true}"#).unwrap();
        let drains_later = Wanted::Threads {
            count: 0,
            keep: true,
        };
        assert_eq!(look(&mut file), drains_later);
        std::fs::write(&path, r#"{"replicas": 2, "threads": 3}"#).unwrap();
        assert_eq!(look(&mut file), threads(3));
        std::fs::write(&path, r#"{"replicas": 2, "threads": 0}"#).unwrap();
        assert_eq!(look(&mut file), threads(3));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(look(&mut file), threads(3));
    }

    #[test]
    fn a_worker_that_is_not_wanted_is_told_why() {
        let directory = TempDir::new();
        let mut file = RuntimeFile::new(directory.path(), 1);
        let path = directory.path().join("runtime.json");
        for (replicas, word) in [(1, "number 1 and there are to be 1"), (0, "suspended")] {
            std::fs::write(
                &path,
                format!(r#"{{"replicas": {replicas}, "threads": 3}}"#),
            )
            .unwrap();
            let Wanted::Nothing(why) = look(&mut file) else {
                panic!("threads for {replicas} replicas");
            };
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn the_file_is_looked_at_once_a_second_however_often_it_is_asked() {
        let directory = TempDir::new();
        let mut file = RuntimeFile::new(directory.path(), 0);
        let path = directory.path().join("runtime.json");
        std::fs::write(&path, r#"{"replicas": 1, "threads": 1}"#).unwrap();
        assert_eq!(file.wanted(), threads(1));
        std::fs::write(&path, r#"{"replicas": 1, "threads": 2}"#).unwrap();
        assert_eq!(file.wanted(), threads(1));
        assert_eq!(look(&mut file), threads(2));
    }
}
