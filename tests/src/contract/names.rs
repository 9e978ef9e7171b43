//! Names of a contract line's own, and the one thing the suite cannot ask of every log in one way.

use std::sync::atomic::{AtomicU32, Ordering};

/// Counts the lines of this process, so that no two share a name.
static LINES: AtomicU32 = AtomicU32::new(0);

/// Makes names that nobody else uses on the same cluster.
pub struct Names {
    prefix: String,
    next: u32,
    compact: Box<dyn Fn(&str)>,
}

impl Names {
    /// Names for one line. `compact` is called with a topic that shall be compacted soon: the
    /// embedded log is told to, Kafka does it by itself (the topic is configured to be eager).
    pub fn new(compact: impl Fn(&str) + 'static) -> Self {
        let line = LINES.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("contract-{}-{line}", std::process::id());
        Self {
            prefix,
            next: 0,
            compact: Box::new(compact),
        }
    }

    /// A name nobody else has, that says what it is for.
    pub fn unique(&mut self, what: &str) -> String {
        self.next += 1;
        format!("{}-{what}-{}", self.prefix, self.next)
    }

    /// Asks for compaction of a topic.
    pub fn compact(&self, topic: &str) {
        (self.compact)(topic);
    }
}
