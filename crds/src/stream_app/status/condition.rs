//! [`ConditionType`]: the closed list of what a StreamApp's status tells.

use std::fmt;

/// Type of a condition. Each is present from the operator's first look at the StreamApp on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// True: all wanted pods run the accepted topology, restored, with tasks at work.
    Ready,
    /// True: the operator is on the way to what the spec asks.
    Progressing,
    /// True: something needs a person, or does not do what the spec asks; what runs goes on.
    Degraded,
    /// True: pods run, or will run, the topology of the spec. False: an earlier one, or none.
    TopologyAccepted,
    /// True: at least one task restores its state. Unknown: a pod cannot be asked.
    Restoring,
    /// True: there are more threads than tasks; some have nothing to do.
    ScaleLimited,
    /// True: `spec.suspend` is set and no pod is left.
    Suspended,
}

impl ConditionType {
    /// All types, in the order in which a status lists them.
    pub const ALL: [Self; 7] = [
        Self::Ready,
        Self::Progressing,
        Self::Degraded,
        Self::TopologyAccepted,
        Self::Restoring,
        Self::ScaleLimited,
        Self::Suspended,
    ];

    /// The `type` of the condition.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Progressing => "Progressing",
            Self::Degraded => "Degraded",
            Self::TopologyAccepted => "TopologyAccepted",
            Self::Restoring => "Restoring",
            Self::ScaleLimited => "ScaleLimited",
            Self::Suspended => "Suspended",
        }
    }

    /// What its status says, for the guide.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Ready => {
                "True: all wanted pods run the accepted topology, restored, with tasks at work."
            }
            Self::Progressing => "True: the operator is on the way to what the spec asks.",
            Self::Degraded => {
                "True: something needs a person, or does not do what the spec asks; what runs goes on."
            }
            Self::TopologyAccepted => {
                "True: pods run, or will run, the topology of the spec. False: an earlier one, or none."
            }
            Self::Restoring => {
                "True: at least one task restores its state. Unknown: a pod cannot be asked."
            }
            Self::ScaleLimited => {
                "True: there are more threads than tasks; some have nothing to do."
            }
            Self::Suspended => "True: `spec.suspend` is set and no pod is left.",
        }
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
