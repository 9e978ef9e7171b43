//! Sources that read by pattern: which topics match, at the start and while the application runs.
//!
//! Under an operator there are none: it names the topics that match in the StreamApp that pods get, and
//! gives them another one when more do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use millrace_crds::plan::{Plan, Resolution};
use millrace_kafka::Admin;

use crate::error::EngineError;
use crate::topics::external_topics;

/// Between two looks for topics that match.
const LOOK: Duration = if cfg!(test) {
    Duration::from_millis(100)
} else {
    Duration::from_secs(10)
};

/// When topics were looked for, and what was said of those that are not read.
#[derive(Default)]
pub(super) struct Patterns {
    looked: Option<Instant>,
    told: Option<String>,
}

impl Patterns {
    /// Whether it is time for another look; it begins then.
    pub(super) fn due(&mut self) -> bool {
        let due = self.looked.is_none_or(|at| at.elapsed() >= LOOK);
        if due {
            self.looked = Some(Instant::now());
        }
        due
    }

    /// Tells of topics that match and are not read, once for each change.
    pub(super) fn tell(&mut self, application: &str, held_back: Option<String>) {
        if let Some(words) = held_back.as_ref().filter(|_| held_back != self.told) {
            tracing::warn!(application, "{words}");
        }
        self.told = held_back;
    }
}

/// What the pattern sources of a plan read of a cluster's topics. `kept` are topics that are read
/// already.
pub(super) fn resolve(
    admin: &dyn Admin,
    plan: &Plan,
    kept: &BTreeSet<&str>,
) -> Result<Resolution, EngineError> {
    let all = admin.list_topics()?;
    let (sources, _) = external_topics(plan);
    let internal = plan.internal_topics.iter().map(|topic| topic.name.as_str());
    let mut wanted = plan.matching(all.iter().map(String::as_str));
    wanted.extend(sources.into_iter().chain(internal));
    let wanted: Vec<&str> = wanted.into_iter().collect();
    let found = admin.topics(&wanted)?;
    let partitions: BTreeMap<String, i32> = wanted
        .iter()
        .zip(found)
        .filter_map(|(name, info)| Some(((*name).to_owned(), info?.partitions)))
        .collect();
    Ok(plan.resolve_fitting(&partitions, kept))
}
