//! Whether the spec's topology may take the place of the one that runs.

use millrace_crds::plan::{Plan, diff};
use millrace_crds::stream_app::StreamAppStatus;

use crate::observe::Accepted;

/// How the spec's topology relates to the one that pods run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Members of both agree: pods can be replaced one after the other.
    Rolling,
    /// It can go on with the state and offsets there are, but members of both must never run at once.
    StopFirst,
    /// It can as well, but has no use for the state of these stores any more. A renamed store is one
    /// that is gone and one that starts empty, which nobody means.
    GivesUp {
        /// Names of the stores.
        stores: Vec<String>,
        /// The difference, in words.
        difference: String,
    },
    /// It cannot: the difference, in words.
    Incompatible(String),
}

/// Compares.
pub(super) fn change(
    plan: &Plan,
    accepted: Option<&Accepted>,
    status: Option<&StreamAppStatus>,
) -> Change {
    let Some(accepted) = accepted else {
        return Change::Rolling;
    };
    let Some(running) = &accepted.plan else {
        // It was written by another version of the operator, or somebody deleted its ConfigMap: only
        // its hash is left.
        let hash = status.and_then(|status| status.topology_hash.as_ref());
        return match hash {
            Some(hash) if *hash == plan.hash => Change::Rolling,
            _ => Change::StopFirst,
        };
    };
    let diff = diff(running, plan);
    if !diff.compatible() {
        Change::Incompatible(diff.to_string())
    } else if !diff.stores_removed.is_empty() {
        Change::GivesUp {
            difference: diff.to_string(),
            stores: diff.stores_removed,
        }
    } else if diff.is_empty() {
        Change::Rolling
    } else {
        Change::StopFirst
    }
}
