//! Events: what a change of the status is worth telling.

use millrace_crds::stream_app::{ConditionType, Reason, StreamAppStatus};

use super::Notice;

/// The events that a change of status is worth: one per condition that changed in status or reason to
/// something a person would ask about.
pub fn notices(old: Option<&StreamAppStatus>, new: &StreamAppStatus) -> Vec<Notice> {
    let before = |kind: &str| {
        let mut conditions = old.into_iter().flat_map(|old| &old.conditions);
        conditions.find(|condition| condition.type_ == kind)
    };
    let mut notices = Vec::new();
    for condition in &new.conditions {
        let same = before(&condition.type_).is_some_and(|before| {
            before.status == condition.status && before.reason == condition.reason
        });
        let named = |reason: &&Reason| reason.as_str() == condition.reason;
        let Some(reason) = Reason::ALL.iter().find(named).filter(|_| !same) else {
            continue;
        };
        let is = |kind: ConditionType, status: &str| {
            condition.type_ == kind.as_str() && condition.status == status
        };
        let was_there = before(&condition.type_).is_some();
        let warning = is(ConditionType::Degraded, "True");
        let worth = warning
            || is(ConditionType::Ready, "True")
            || is(ConditionType::Progressing, "True")
            || is(ConditionType::TopologyAccepted, "True")
            || is(ConditionType::Restoring, "True")
            || is(ConditionType::ScaleLimited, "True")
            || is(ConditionType::Suspended, "True")
            || was_there && is(ConditionType::Degraded, "False")
            || was_there && *reason == Reason::NotSuspended;
        if worth {
            notices.push(Notice {
                warning,
                reason: *reason,
                note: format!("{}: {}", condition.type_, condition.message),
            });
        }
    }
    notices
}
