//! Sources by pattern: pods get a StreamApp that names the topics, so that all of them read the same ones.
//! Other topics that match are another StreamApp, which pods are given as they are any other edit.

use std::collections::BTreeSet;

use millrace_crds::plan::{Plan, spelled_out};
use millrace_crds::{Problem, StreamApp};

use super::{Accepted, KafkaView};

/// A StreamApp with the topics that its patterns match.
pub(super) struct Resolved {
    /// The resource.
    pub app: StreamApp,
    /// What its topology means, or what is wrong with it.
    pub plan: Result<Plan, Vec<Problem>>,
    /// Topics that match and are not read, in words.
    pub held_back: Option<String>,
}

/// Puts topics in the place of patterns: those that match on Kafka; while it cannot be asked, those that
/// pods read.
pub(super) fn resolve(
    app: &StreamApp,
    plan: Result<Plan, Vec<Problem>>,
    accepted: Option<&Accepted>,
    kafka: &KafkaView,
) -> Resolved {
    let patterns = plan.as_ref().ok().filter(|plan| plan.has_patterns());
    let Some(patterns) = patterns else {
        return Resolved {
            app: app.clone(),
            plan,
            held_back: None,
        };
    };
    let running = accepted.and_then(|accepted| accepted.plan.as_ref());
    let reading = running.map(Plan::source_topics).unwrap_or_default();
    let reading: BTreeSet<&str> = reading.into_iter().map(|(topic, _)| topic).collect();
    let (plan, held_back) = match kafka {
        KafkaView::Facts(facts) => {
            let found = patterns.resolve_fitting(&facts.partitions(), &reading);
            let held_back = found.held_back_words();
            (found.plan, held_back)
        }
        KafkaView::NotAsked | KafkaView::Failed(..) => (patterns.resolve(reading), None),
    };
    Resolved {
        app: spelled_out(app, &plan),
        plan: Ok(plan),
        held_back,
    }
}
