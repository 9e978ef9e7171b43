//! Running a driven application until there is nothing more to do.

use std::time::Duration;

use super::{DriverError, TopologyDriver};
use crate::status::TaskState;

/// Time between two passes.
const PASS: Duration = Duration::from_millis(100);
/// Passes without any change before an application counts as idle, beside those of a commit interval.
const QUIET_PASSES: u32 = 5;
/// Passes before it is given up: far more than any restore, session timeout or commit interval takes.
const PASSES_MAX: usize = 20_000;

/// What changes as long as there is something to do.
#[derive(PartialEq, Eq, Debug, Default)]
struct Seen {
    /// End offsets of all partitions of all topics.
    ends: Vec<i64>,
    processed: u64,
    commits: u64,
    running: usize,
    waiting: usize,
    buffered: usize,
    behind: usize,
}

impl TopologyDriver {
    /// Lets time pass and steps all members until every task of the topology runs, all input is
    /// processed and committed, and nothing changes any more for a commit interval. Fails with a
    /// member's error (that member is gone then), or when no rest is found.
    pub fn run_until_idle(&mut self) -> Result<(), DriverError> {
        let intervals = self.commit_interval().as_millis() / PASS.as_millis();
        let quiet_needed = QUIET_PASSES + u32::try_from(intervals).unwrap_or(u32::MAX / 2);
        let mut quiet = 0;
        let mut last = Seen::default();
        for _ in 0..PASSES_MAX {
            self.pass(PASS)?;
            let seen = self.seen();
            let at_rest = seen.waiting == 0
                && seen.buffered == 0
                && seen.behind == 0
                && seen.running == self.task_count();
            quiet = if at_rest && seen == last {
                quiet + 1
            } else {
                0
            };
            if quiet >= quiet_needed {
                return Ok(());
            }
            last = seen;
        }
        Err(DriverError::NeverIdle {
            passes: PASSES_MAX,
            seen: format!("{last:?}"),
        })
    }

    fn seen(&self) -> Seen {
        let mut seen = Seen::default();
        let topics = self.cluster().topics();
        let partitions = topics.iter().flat_map(|topic| &topic.partitions);
        seen.ends = partitions.map(|partition| partition.end).collect();
        for member in self.members.values() {
            seen.processed += member.status().processed();
            seen.commits += member.status().commits().0;
        }
        for task in self.tasks() {
            match task.state {
                TaskState::Running => seen.running += 1,
                TaskState::Restoring | TaskState::Starting => seen.waiting += 1,
            }
            for input in &task.inputs {
                seen.buffered += input.buffered;
                seen.behind += usize::from(!input.caught_up);
            }
        }
        seen
    }
}
