//! [`Reason`]: the closed list of reasons, in conditions, events and the operator's metrics.

use std::fmt;

/// Declares the reasons once: as an enum, as their texts, and as what the guide says of them.
macro_rules! reasons {
    ($($name:ident: $meaning:literal,)*) => {
        /// Why a condition is as it is. Conditions, events and the label of the operator's metrics use
        /// the same words.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $(#[doc = $meaning] $name,)*
        }

        impl Reason {
            /// All reasons, in the order of the guide.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The `reason` of a condition or event.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// What it means and what to do, for the guide.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $meaning,)*
                }
            }
        }
    };
}

reasons! {
    // The usual course.
    AsExpected: "Nothing to report.",
    AllReplicasReady: "All wanted pods are ready.",
    Accepted: "The topology is accepted; the message names its hash.",
    Creating: "Pods of a new application are being created.",
    PodsNotReady: "Pods start, or restore their state; the message counts them.",
    RollingOut: "Pods get a new image, topology or setting, one at a time, each after the last is ready.",
    Restarting: "The annotation `millrace.dev/restart` has a new value: pods are restarted, one at a time.",
    ScalingUp: "Pods or threads are being added.",
    ScalingDown: "Pods are being removed; the message says how many.",
    Draining: "Pods that will be removed commit and hand over their tasks.",
    GrowingVolumes: "Volumes are growing to `spec.state.size`.",
    Suspending: "`spec.suspend` is set; pods are being drained and removed.",
    Suspended: "`spec.suspend` is set; no pod is left. State, topics and offsets are kept.",
    NotSuspended: "`spec.suspend` is not set.",
    Deleting: "The StreamApp is being deleted, with what `spec.deletion` names.",
    RestoringState: "Tasks restore their state from changelog topics; the message says how far.",
    Restored: "No task restores its state.",
    NotLimited: "There are at least as many tasks as threads.",
    MoreThreadsThanTasks: "There are more threads than tasks: lower `spec.replicas` or `spec.threads`, or add partitions to the inputs.",
    Unknown: "Not known yet: the message says what could not be asked.",

    // What the user can mend.
    InvalidSpec: "The spec has problems that its schema cannot see; the message lists them by field.",
    InvalidPod: "`spec.pod` has a part that is not of the type it should be; the message names the field.",
    IncompatibleTopology: "The topology differs from the running one in tasks or stores; the message says in what. Running pods keep the accepted one. Give the new topology another `applicationId` (a StreamApp of its own), or take the edit back.",
    CoPartitioningMismatch: "Topics that are joined have different numbers of partitions; the message names them.",
    SourceTopicMissing: "A topic the application reads or writes does not exist; the message names it. Create it: the operator goes on by itself.",
    TopicHeldBack: "A topic matches a `topicPattern` and is not read, because its partitions do not go with the state or the topics it would be joined with.",
    SourceTopicGrew: "A source topic has more partitions than the application's internal topics; the message says what to do.",
    SourceTopicShrank: "A source topic was made anew with fewer partitions; the message says what to do.",
    InternalTopicMismatch: "An internal topic has the wrong number of partitions or a wrong configuration; the message names it. Delete it, or set it right.",
    DuplicateApplicationId: "An older StreamApp has the same application id on the same Kafka cluster; the message names it. Give this one another `spec.applicationId`.",
    SecretMissing: "A Secret of `spec.kafka`, or a key in it, does not exist; the message names it.",
    StorageNotExpandable: "The volumes cannot grow; the message says what the storage answered.",
    Undecodable: "The resource cannot be read at all; the message says where. Others are not affected.",

    // What the world can do.
    KafkaUnavailable: "The brokers do not answer, or refuse; the message says what they said. Running pods go on by themselves.",
    PodsFailing: "Pods fail or cannot start; the message says how.",
    RolloutStuck: "A pod of the new revision does not become ready; the others keep the old one. Mend the spec: the operator replaces the pod.",
    DrainTimedOut: "A pod did not hand over its tasks in time and was removed; its tasks move when its session ends.",
    OffsetsLost: "There is state, and no committed offset that belongs to it; the worker stopped rather than guess. The message says which task.",
    WorkerUnreachable: "Pods do not answer at `/status`; tasks and lag are unknown.",
    CleanUpIncomplete: "Not all that `spec.deletion` names could be deleted; the message says what is left.",
    ReconcileFailed: "The operator could not do a step; it tries again. The message says which.",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
