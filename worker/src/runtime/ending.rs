//! [`Ending`]: how a stream thread is told to end.

use std::sync::atomic::{AtomicU8, Ordering};

/// How a stream thread is to end; a later one outdoes an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum End {
    /// Commit, flush, close. The group keeps its tasks for whoever comes back under its instance id
    /// within the session timeout: a restart looks like this.
    Close = 1,
    /// The same, then leave the group: the others have its tasks at once.
    Leave = 2,
}

/// Whether a stream thread is to end, and how. Set by the application, read by the thread between two
/// rounds.
#[derive(Debug, Default)]
pub struct Ending(AtomicU8);

impl Ending {
    /// Asks the thread to end.
    pub fn ask(&self, end: End) {
        self.0.fetch_max(end as u8, Ordering::AcqRel);
    }

    /// What was asked; `None`: go on.
    pub fn asked(&self) -> Option<End> {
        match self.0.load(Ordering::Acquire) {
            0 => None,
            1 => Some(End::Close),
            _ => Some(End::Leave),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_is_to_leave_leaves_also_when_the_process_ends() {
        let ending = Ending::default();
        assert_eq!(ending.asked(), None);
        ending.ask(End::Close);
        assert_eq!(ending.asked(), Some(End::Close));
        ending.ask(End::Leave);
        ending.ask(End::Close);
        assert_eq!(ending.asked(), Some(End::Leave));
    }
}
