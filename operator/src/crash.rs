//! Crash points: places at which a test ends the operator as a power cut would, to prove that every
//! step of a reconciliation can be its last one: the next leader goes on from what it finds.
//!
//! `CRASH_AT=<point>[:<n>]` aborts the process at the `n`-th time (default the first) the point is
//! reached. Without the variable a point costs one load of a static.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Environment variable that names the point.
pub const VARIABLE: &str = "CRASH_AT";

/// All points, in the order in which an application's life reaches them.
pub const POINTS: [&str; 17] = [
    "after-finalizer",
    "after-claim",
    "before-topics",
    "after-topics",
    "before-apply",
    "after-runtime",
    "after-config",
    "after-stateful-set",
    "after-nudge",
    "after-prune",
    "before-status",
    "after-status",
    "after-lower",
    "cleanup-after-stateful-set",
    "cleanup-after-group",
    "cleanup-after-topics",
    "cleanup-before-release",
];

struct Armed {
    point: String,
    hits_left: AtomicU64,
}

fn armed() -> Option<&'static Armed> {
    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    ARMED
        .get_or_init(|| {
            let (point, hits) = parse(&std::env::var(VARIABLE).ok()?)?;
            Some(Armed {
                point,
                hits_left: AtomicU64::new(hits),
            })
        })
        .as_ref()
}

/// Point and hit of the variable's text; `None` where it names no point of the list.
pub fn parse(text: &str) -> Option<(String, u64)> {
    let (point, hits) = text.split_once(':').unwrap_or((text, "1"));
    let hits = hits.parse().ok().filter(|&hits| hits > 0)?;
    POINTS.contains(&point).then(|| (point.to_owned(), hits))
}

/// Ends the process here if the environment asks for it. Returns otherwise.
pub fn point(name: &'static str) {
    debug_assert!(POINTS.contains(&name), "{name} is not in the list");
    let Some(armed) = armed() else { return };
    if armed.point == name && armed.hits_left.fetch_sub(1, Ordering::Relaxed) == 1 {
        // Straight to standard error: a log line could be lost in a buffer.
        eprintln!("crash point {name} reached");
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_one_of_the_list_with_an_optional_hit() {
        assert_eq!(parse("after-claim"), Some(("after-claim".to_owned(), 1)));
        assert_eq!(
            parse("after-status:3"),
            Some(("after-status".to_owned(), 3))
        );
        for wrong in ["", "nowhere", "after-claim:0", "after-claim:x"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
