//! Mistakes, to see that the comparison finds them: each changes a plan in a way that a careless
//! engine or planner might, or what comes out as if the engine had made it, and nothing else is changed.

use millrace_crds::plan::{EventTime, NodeKind, Plan, StoreKind, SuppressUntil, Windows};

use super::case::{Answer, Case, Step};

/// A mistake.
pub struct Mistake {
    /// What is wrong.
    pub name: &'static str,
    /// Makes it.
    pub plant: Plant,
}

/// Where a mistake is made.
#[derive(Clone, Copy)]
pub enum Plant {
    /// In the plan.
    InPlan(fn(&mut Plan)),
    /// In the results: what no plan can say.
    InResults(fn(&Case, &mut Answer)),
}

/// Every mistake that is planted.
pub const MISTAKES: &[Mistake] = &[
    Mistake {
        name: "windows take records one millisecond too long",
        plant: Plant::InPlan(|plan| {
            each(plan, |kind| {
                if let NodeKind::WindowedAggregate { grace_ms, .. } = kind {
                    *grace_ms += 1;
                }
            });
        }),
    },
    Mistake {
        name: "old values are not sent",
        plant: Plant::InPlan(|plan| {
            for node in &mut plan.nodes {
                node.sends_old = false;
            }
        }),
    },
    Mistake {
        name: "a table's filter loses tombstones",
        plant: Plant::InPlan(|plan| {
            each(plan, |kind| {
                if let NodeKind::Filter { table, .. } = kind {
                    *table = false;
                }
            });
        }),
    },
    Mistake {
        name: "the end of a join window is not part of it",
        plant: Plant::InPlan(|plan| {
            each(plan, |kind| {
                if let NodeKind::StreamStreamJoin { after_ms, .. } = kind {
                    *after_ms -= 1;
                }
            });
        }),
    },
    Mistake {
        name: "a left join with a table drops what has no match",
        plant: Plant::InPlan(|plan| {
            each(plan, |kind| {
                if let NodeKind::StreamTableJoin { left, .. } = kind {
                    *left = false;
                }
            });
        }),
    },
    Mistake {
        name: "sessions that touch do not merge",
        plant: Plant::InPlan(|plan| {
            each(plan, |kind| {
                if let NodeKind::WindowedAggregate {
                    windows: Windows::Session { gap_ms },
                    ..
                } = kind
                {
                    *gap_ms -= 1;
                }
            });
        }),
    },
    Mistake {
        name: "a hopping window ends a millisecond early",
        plant: Plant::InPlan(|plan| {
            each(plan, |kind| {
                if let NodeKind::WindowedAggregate {
                    windows: Windows::Time { size_ms, .. },
                    ..
                } = kind
                {
                    *size_ms -= 1;
                }
            });
        }),
    },
    Mistake {
        name: "null keys are lost on the way to another partition",
        plant: Plant::InPlan(|plan| {
            each(plan, |kind| {
                if let NodeKind::RepartitionSink { drop_null_keys, .. } = kind {
                    *drop_null_keys = true;
                }
            });
        }),
    },
    Mistake {
        name: "a join window closes a millisecond late",
        plant: Plant::InPlan(|plan| {
            each(plan, |kind| {
                if let NodeKind::StreamStreamJoin { grace_ms, .. } = kind {
                    *grace_ms += 1;
                }
            });
        }),
    },
    Mistake {
        name: "a held back change goes a millisecond late",
        plant: Plant::InPlan(|plan| {
            each(plan, |kind| {
                if let NodeKind::Suppress {
                    until:
                        SuppressUntil::TimeLimit { limit_ms: limit }
                        | SuppressUntil::WindowCloses { grace_ms: limit },
                    ..
                } = kind
                {
                    *limit += 1;
                }
            });
        }),
    },
    Mistake {
        name: "a buffer takes a byte too many",
        plant: Plant::InPlan(|plan| {
            each(plan, |kind| {
                if let NodeKind::Suppress { bounds, .. } = kind {
                    bounds.bytes = bounds.bytes.map(|most| most + 1);
                }
            });
        }),
    },
    Mistake {
        name: "a session that has closed is found a millisecond longer",
        plant: Plant::InPlan(|plan| {
            for store in &mut plan.stores {
                if let StoreKind::Session { retention_ms } = &mut store.kind {
                    *retention_ms += 1;
                }
            }
        }),
    },
    Mistake {
        name: "a source by the wall clock takes the times of its records",
        plant: Plant::InPlan(|plan| {
            each(plan, |kind| {
                if let NodeKind::StreamSource { options, .. }
                | NodeKind::TableSource { options, .. } = kind
                    && matches!(options.time, EventTime::WallClock)
                {
                    options.time = EventTime::Record;
                }
            });
        }),
    },
    Mistake {
        name: "a versioned table forgets its versions",
        plant: Plant::InPlan(|plan| {
            for store in &mut plan.stores {
                if let StoreKind::Versioned { .. } = store.kind {
                    store.kind = StoreKind::KeyValue;
                }
            }
        }),
    },
    Mistake {
        name: "rows leave a group, and are not taken out of it",
        plant: Plant::InPlan(|plan| {
            each(plan, |kind| {
                if let NodeKind::TableAggregate { add, subtract, .. } = kind
                    && let millrace_crds::plan::Aggregation::Aggregate { update, .. } = add
                {
                    *subtract = Some(update.clone());
                }
            });
        }),
    },
    Mistake {
        name: "results have the time of the latest record",
        plant: Plant::InResults(|case, answer| {
            for (step, written) in case.steps.iter().zip(&mut answer.steps) {
                if let Step::Record(input) = step {
                    written.iter_mut().for_each(|output| output.3 = input.ts);
                }
            }
        }),
    },
    Mistake {
        name: "tombstones are not forwarded",
        plant: Plant::InResults(|_, answer| {
            for written in &mut answer.steps {
                written.retain(|output| output.2.is_some());
            }
        }),
    },
    Mistake {
        name: "headers get lost",
        plant: Plant::InResults(|_, answer| {
            for output in answer.steps.iter_mut().flatten() {
                output.4.clear();
            }
        }),
    },
];

fn each(plan: &mut Plan, change: impl Fn(&mut NodeKind)) {
    for node in &mut plan.nodes {
        change(&mut node.kind);
    }
}
