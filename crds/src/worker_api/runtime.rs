//! [`RuntimeSettings`]: what a worker learns while it runs.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits;

/// How many workers there are to be, and how many threads each has. The content of
/// [`RUNTIME_FILE`](super::RUNTIME_FILE), as JSON: `{"replicas": 3, "threads": 2}`.
///
/// A worker whose ordinal is below `replicas` runs `threads` stream threads. Any other drains: it
/// commits, closes its tasks, leaves the consumer group, and stays alive and not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeSettings {
    /// Workers, 0 to 1000. 0: the application is suspended.
    pub replicas: u32,
    /// Stream threads of each worker, 1 to 100.
    pub threads: u32,
    /// Workers or threads are being added and do not all take part yet. Until they do nobody ends a
    /// thread: neither a worker that has more than `threads`, nor one that is to drain. Their tasks
    /// would first move to the threads that stay, and a second time to the new ones. Absent is false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub growing: bool,
}

/// Why a text is not [`RuntimeSettings`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuntimeProblem {
    /// No JSON object with both numbers; the reader's words.
    NotJson(String),
    /// A number out of its bounds.
    OutOfBounds {
        /// Name of the number.
        field: &'static str,
        /// The number.
        found: u32,
        /// Smallest accepted.
        least: u32,
        /// Largest accepted.
        most: u32,
    },
}

impl fmt::Display for RuntimeProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson(words) => write!(
                f,
                "it is not JSON like {{\"replicas\": 3, \"threads\": 2}}: {words}"
            ),
            Self::OutOfBounds {
                field,
                found,
                least,
                most,
            } => write!(f, "{field} is {found} and must be {least} to {most}"),
        }
    }
}

impl std::error::Error for RuntimeProblem {}

impl RuntimeSettings {
    /// Reads and checks the file's text.
    ///
    /// # Errors
    /// What is wrong with it; the caller names the file.
    pub fn parse(text: &str) -> Result<Self, RuntimeProblem> {
        let settings: Self = serde_json::from_str(text)
            .map_err(|error| RuntimeProblem::NotJson(error.to_string()))?;
        bounded("replicas", settings.replicas, 0, limits::REPLICAS)?;
        bounded("threads", settings.threads, 1, limits::THREADS)?;
        Ok(settings)
    }

    /// Stream threads of the worker with this ordinal; 0: it is to drain.
    pub fn threads_of(&self, ordinal: u32) -> u32 {
        if ordinal < self.replicas {
            self.threads
        } else {
            0
        }
    }
}

fn bounded(field: &'static str, found: u32, least: u32, most: i32) -> Result<(), RuntimeProblem> {
    let most = most.unsigned_abs();
    if (least..=most).contains(&found) {
        return Ok(());
    }
    Err(RuntimeProblem::OutOfBounds {
        field,
        found,
        least,
        most,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_worker_beyond_the_replicas_has_no_threads() {
        let settings = RuntimeSettings::parse(r#"{"replicas": 2, "threads": 3}"#).unwrap();
        assert_eq!(
            [0, 1, 2].map(|ordinal| settings.threads_of(ordinal)),
            [3, 3, 0]
        );
        let suspended = RuntimeSettings {
            replicas: 0,
            threads: 3,
            growing: false,
        };
        assert_eq!(suspended.threads_of(0), 0);
    }

    #[test]
    fn what_is_written_is_read_and_later_fields_are_no_error() {
        let settings = RuntimeSettings {
            replicas: 1,
            threads: 100,
            growing: false,
        };
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(text, r#"{"replicas":1,"threads":100}"#);
        assert_eq!(RuntimeSettings::parse(&text).unwrap(), settings);
        let growing = RuntimeSettings {
            growing: true,
            ..settings
        };
        let text = serde_json::to_string(&growing).unwrap();
        assert_eq!(text, r#"{"replicas":1,"threads":100,"growing":true}"#);
        assert_eq!(RuntimeSettings::parse(&text).unwrap(), growing);
        RuntimeSettings::parse(r#"{"replicas":1,"threads":1,"later":true}"#).unwrap();
    }

    #[test]
    fn half_a_file_and_numbers_out_of_bounds_are_refused_with_the_reason() {
        for (text, reason) in [
            ("", "it is not JSON like"),
            (r#"{"replicas": 1"#, "it is not JSON like"),
            (r#"{"replicas": 1}"#, "threads"),
            (r#"{"replicas": -1, "threads": 1}"#, "it is not JSON like"),
            (
                r#"{"replicas": 1, "threads": 0}"#,
                "threads is 0 and must be 1 to 100",
            ),
            (
                r#"{"replicas": 1001, "threads": 1}"#,
                "replicas is 1001 and must be 0 to 1000",
            ),
        ] {
            let problem = RuntimeSettings::parse(text).unwrap_err().to_string();
            assert!(problem.contains(reason), "{text}: {problem}");
        }
    }
}
