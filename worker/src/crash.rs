//! Crash points: places at which a test ends the process as a power cut would, to prove that every
//! step of a commit can be the last one.
//!
//! `MILLRACE_CRASH_AT=<point>[:<n>]` aborts the process at the `n`-th time (default the first) the
//! point is reached. Without the variable a point costs one load of a static.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Environment variable that names the point.
pub const VARIABLE: &str = "MILLRACE_CRASH_AT";

/// All points, in the order in which a commit reaches them.
pub const POINTS: [&str; 5] = [
    "after-flush",
    "after-send-offsets",
    "after-end-txn",
    "after-batch",
    "during-sst-flush",
];

struct Armed {
    point: String,
    hits_left: AtomicU64,
}

fn armed() -> Option<&'static Armed> {
    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    ARMED
        .get_or_init(|| {
            let text = std::env::var(VARIABLE).ok()?;
            let (point, hits) = text.split_once(':').unwrap_or((&text, "1"));
            let hits = hits.parse().ok().filter(|&hits| hits > 0)?;
            Some(Armed {
                point: point.to_owned(),
                hits_left: AtomicU64::new(hits),
            })
        })
        .as_ref()
}

/// Ends the process here if the environment asks for it. Returns otherwise.
pub fn point(name: &'static str) {
    let Some(armed) = armed() else { return };
    if armed.point == name && armed.hits_left.fetch_sub(1, Ordering::Relaxed) == 1 {
        // Straight to standard error: a log line could be lost in a buffer.
        eprintln!("crash point {name} reached");
        std::process::abort();
    }
}
