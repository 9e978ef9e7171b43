//! [`Renewal`]: new credentials without a restart of the process.
//!
//! A client keeps the credentials it was made with, so each stream thread is ended and started again,
//! one after the other: it commits, closes, and comes back under its instance id within the session
//! timeout, so its tasks stay its own and their state is on disk. The others run on meanwhile.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::stream_threads::StreamThreads;
use crate::runtime::ending::End;

/// The next thread's turn comes at the latest after this time: one that does not settle (its tasks are
/// being restored from nothing, say) does not keep the others on old credentials.
const TURN_MAX: Duration = Duration::from_secs(60);

/// Threads whose turn is to come, and the one whose turn it is.
#[derive(Default)]
pub(super) struct Renewal {
    left: VecDeque<u32>,
    under_way: Option<(u32, Instant)>,
}

impl Renewal {
    /// Puts these threads in line, in place of those before.
    pub(super) fn begin(&mut self, numbers: impl Iterator<Item = u32>) {
        self.left = numbers.collect();
    }

    /// Ends the next thread, if the one before is back.
    pub(super) fn step(&mut self, threads: &StreamThreads) {
        if let Some((index, since)) = self.under_way {
            if !threads.is_settled(index) && since.elapsed() < TURN_MAX {
                return;
            }
            self.under_way = None;
        }
        if let Some(index) = self.left.pop_front() {
            threads.end(index, End::Close);
            self.under_way = Some((index, Instant::now()));
        }
    }
}
