//! From a node of the plan to the operation it is.

use std::collections::HashMap;

use millrace_crds::plan::{
    GlobalTableId, Node, NodeId, NodeKind, Plan, ProcessorStoreUse, Side, SinkTopic, StoreId,
    StoreKind,
};

use super::{GraceJoin, Operation, ProcessStep, StreamJoin, Suppress, Target, WindowedAggregate};
use crate::api::{GlobalAccess, Processors, StoreAccess};
use crate::topology::{Format, OutTopics};

/// What a node of the plan does; `None` where plan, stores and topics do not belong together.
pub(in crate::topology) fn operation(
    plan: &Plan,
    (node, place): (&Node, usize),
    slots: &HashMap<StoreId, usize>,
    topics: &OutTopics,
    processors: &Processors,
) -> Option<Operation> {
    let finder = Finder {
        plan,
        node,
        place,
        slots,
        topics,
        processors,
    };
    match &node.kind {
        NodeKind::StreamSource { .. } | NodeKind::Merge | NodeKind::ToStream => {
            Some(Operation::Forward)
        }
        NodeKind::RepartitionSink { .. } | NodeKind::Sink { .. } => finder.sink(),
        NodeKind::Filter { .. }
        | NodeKind::Map { .. }
        | NodeKind::FlatMap { .. }
        | NodeKind::Peek { .. }
        | NodeKind::Split { .. } => finder.record_by_record(),
        NodeKind::StreamTableJoin { .. }
        | NodeKind::StreamGlobalJoin { .. }
        | NodeKind::TableTableJoin { .. } => finder.join(),
        NodeKind::StreamStreamJoin { .. } => finder.stream_join(),
        NodeKind::Process { .. } => finder.process(),
        NodeKind::ForeignKeySend { .. }
        | NodeKind::ForeignKeySink { .. }
        | NodeKind::ForeignKeyReceive { .. }
        | NodeKind::ForeignKeyChanged { .. }
        | NodeKind::ForeignKeyAnswer { .. } => finder.foreign_key(),
        _ => finder.table(),
    }
}

/// A node, and where its stores and topics are found.
struct Finder<'f> {
    plan: &'f Plan,
    node: &'f Node,
    place: usize,
    slots: &'f HashMap<StoreId, usize>,
    topics: &'f OutTopics,
    processors: &'f Processors,
}

impl Finder<'_> {
    fn slot(&self, store: &StoreId) -> Option<usize> {
        self.slots.get(store).copied()
    }

    /// Steps without state.
    fn record_by_record(&self) -> Option<Operation> {
        Some(match &self.node.kind {
            NodeKind::Filter {
                predicate,
                negate,
                table,
            } => Operation::Filter {
                predicate: predicate.clone(),
                negate: *negate,
                table: *table,
                versioned: *table && is_versioned(self.plan, self.node.id),
            },
            NodeKind::Map { key, value, table } => Operation::Map {
                key: key.clone(),
                value: value.clone(),
                table: *table,
            },
            NodeKind::FlatMap {
                elements,
                key,
                value,
            } => Operation::FlatMap {
                elements: elements.clone(),
                key: key.clone(),
                value: value.clone(),
            },
            NodeKind::Peek { message, to } => Operation::Peek {
                message: message.clone(),
                to: to.clone(),
            },
            NodeKind::Split { predicates } => Operation::Split {
                predicates: predicates.clone(),
            },
            _ => return None,
        })
    }

    /// Nodes that keep a table, or hold it back.
    fn table(&self) -> Option<Operation> {
        Some(match &self.node.kind {
            NodeKind::TableSource { store, .. } => Operation::Upsert {
                store: self.slot(store)?,
                changes: false,
            },
            NodeKind::ToTable { store, table } => Operation::Upsert {
                store: self.slot(store)?,
                changes: *table,
            },
            NodeKind::Aggregate { store, aggregation } => Operation::Aggregate {
                store: self.slot(store)?,
                aggregation: aggregation.clone(),
            },
            NodeKind::TableGroup { key, value } => Operation::TableGroup {
                key: key.clone(),
                value: value.clone(),
                format: group_format(self.plan, self.node)?,
            },
            NodeKind::TableAggregate {
                store,
                add,
                subtract,
            } => Operation::TableAggregate {
                store: self.slot(store)?,
                add: add.clone(),
                subtract: subtract.clone(),
            },
            NodeKind::WindowedAggregate {
                store,
                windows,
                grace_ms,
                aggregation,
                merge,
                emit,
            } => Operation::Windowed(Box::new(WindowedAggregate {
                store: self.slot(store)?,
                times: self.place,
                windows: *windows,
                grace_ms: *grace_ms,
                aggregation: aggregation.clone(),
                merge: merge.clone(),
                emit: *emit,
            })),
            NodeKind::Suppress {
                store,
                until,
                bounds,
            } => Operation::Suppress(Box::new(Suppress {
                store: self.slot(store)?,
                times: self.place,
                until: *until,
                bounds: *bounds,
            })),
            _ => return None,
        })
    }

    /// Topics that are written to.
    fn sink(&self) -> Option<Operation> {
        Some(match &self.node.kind {
            NodeKind::RepartitionSink {
                topic,
                key,
                value,
                drop_null_keys,
                changes,
            } => Operation::Sink {
                topic: Target::Fixed(self.topics.get(topic.name())?),
                key: Format::new(*key),
                windowed: None,
                value: Format::new(*value),
                needs_key: *drop_null_keys,
                changes: *changes,
            },
            NodeKind::Sink {
                topic,
                key,
                windowed,
                value,
            } => Operation::Sink {
                topic: match topic {
                    SinkTopic::Fixed(topic) => Target::Fixed(self.topics.get(topic)?),
                    SinkTopic::FromRecord(topic) => Target::FromRecord(topic.clone()),
                },
                key: Format::new(*key),
                windowed: *windowed,
                value: Format::new(*value),
                needs_key: false,
                changes: false,
            },
            _ => return None,
        })
    }

    /// Joins, but for those of streams and those by foreign key.
    fn join(&self) -> Option<Operation> {
        Some(match &self.node.kind {
            NodeKind::StreamTableJoin {
                store,
                left,
                value,
                grace: None,
            } => Operation::Join {
                store: self.slot(store)?,
                left: *left,
                value: value.clone(),
            },
            NodeKind::StreamTableJoin {
                store,
                left,
                value,
                grace: Some(grace),
            } => Operation::GraceJoin(Box::new(GraceJoin {
                store: self.slot(store)?,
                left: *left,
                value: value.clone(),
                buffer: self.slot(&grace.buffer)?,
                grace_ms: grace.grace_ms,
                times: self.place,
            })),
            NodeKind::StreamGlobalJoin {
                table,
                lookup,
                left,
                value,
            } => {
                let right = self.plan.global_tables.get(table.0)?;
                Operation::GlobalJoin {
                    table: *table,
                    lookup: lookup.clone(),
                    key: Format::new(right.key),
                    right: Format::new(right.value),
                    left: *left,
                    value: value.clone(),
                }
            }
            NodeKind::TableTableJoin {
                side,
                other,
                kind,
                value,
            } => Operation::TableJoin {
                side: *side,
                other: self.slot(other)?,
                kind: *kind,
                value: value.clone(),
            },
            _ => return None,
        })
    }

    /// A side of a join of streams.
    fn stream_join(&self) -> Option<Operation> {
        Some(match &self.node.kind {
            NodeKind::StreamStreamJoin {
                side,
                own,
                other,
                unmatched,
                kind,
                before_ms,
                after_ms,
                grace_ms,
                value,
            } => Operation::StreamJoin(Box::new(StreamJoin {
                side: *side,
                own: self.slot(own)?,
                other: self.slot(other)?,
                unmatched: match unmatched {
                    Some(unmatched) => Some(self.slot(unmatched)?),
                    None => None,
                },
                times: left_side(self.plan, *own, *other)?,
                kind: *kind,
                before_ms: *before_ms,
                after_ms: *after_ms,
                grace_ms: *grace_ms,
                value: value.clone(),
            })),
            _ => return None,
        })
    }

    /// A processor of the user's own.
    fn process(&self) -> Option<Operation> {
        let NodeKind::Process {
            processor,
            fixed_key,
            stores,
            globals,
        } = &self.node.kind
        else {
            return None;
        };
        let access = |used: &ProcessorStoreUse| {
            Some(StoreAccess {
                name: self.plan.store(used.store).name.clone(),
                slot: self.slot(&used.store)?,
                writes: used.writes,
            })
        };
        let global = |&table: &GlobalTableId| {
            let found = self.plan.global_tables.get(table.0)?;
            Some(GlobalAccess {
                name: found.store.clone(),
                table,
                key: Format::new(found.key),
                value: Format::new(found.value),
            })
        };
        Some(Operation::Process(Box::new(ProcessStep {
            supplier: self.processors.get(processor, *fixed_key)?.clone(),
            fixed_key: *fixed_key,
            stores: stores.iter().map(access).collect::<Option<_>>()?,
            globals: globals.iter().map(global).collect::<Option<_>>()?,
        })))
    }

    /// Nodes of a join by foreign key.
    fn foreign_key(&self) -> Option<Operation> {
        Some(match &self.node.kind {
            NodeKind::ForeignKeySend {
                foreign_key,
                foreign,
                primary,
                value,
                left,
            } => Operation::ForeignSend {
                foreign_key: foreign_key.clone(),
                foreign: Format::new(*foreign),
                primary: Format::new(*primary),
                value: Format::new(*value),
                left: *left,
            },
            NodeKind::ForeignKeySink { topic, answers } => Operation::ForeignSink {
                topic: self.topics.get(topic.name())?,
                answers: *answers,
            },
            NodeKind::ForeignKeyReceive {
                subscriptions,
                table,
            } => Operation::ForeignReceive {
                subscriptions: self.slot(subscriptions)?,
                table: self.slot(table)?,
            },
            NodeKind::ForeignKeyChanged {
                subscriptions,
                key,
                value,
            } => Operation::ForeignChanged {
                subscriptions: self.slot(subscriptions)?,
                key: Format::new(*key),
                value: Format::new(*value),
            },
            NodeKind::ForeignKeyAnswer {
                store,
                key,
                right,
                left,
                value,
            } => Operation::ForeignAnswer {
                store: self.slot(store)?,
                key: Format::new(*key),
                right: Format::new(*right),
                left: *left,
                value: value.clone(),
            },
            _ => return None,
        })
    }
}

/// The place, within their subtopology, of the left one of two nodes that join streams by these stores:
/// what time it is they know together.
fn left_side(plan: &Plan, one: StoreId, two: StoreId) -> Option<usize> {
    let is_left = |id: &NodeId| match &plan.node(*id).kind {
        NodeKind::StreamStreamJoin {
            side: Side::Left,
            own,
            other,
            ..
        } => (*own, *other) == (one, two) || (*own, *other) == (two, one),
        _ => false,
    };
    let mut parts = plan.subtopologies.iter();
    parts.find_map(|part| part.nodes.iter().position(is_left))
}

/// The key format that grouped changes are written in.
fn group_format(plan: &Plan, node: &Node) -> Option<Format> {
    node.children
        .iter()
        .find_map(|child| match &plan.node(*child).kind {
            NodeKind::RepartitionSink { key, .. } => Some(Format::new(*key)),
            _ => None,
        })
}

/// Whether the changes a node hears of are those of a versioned table: of its store, or computed
/// from it record by record.
fn is_versioned(plan: &Plan, mut node: NodeId) -> bool {
    loop {
        let parent = plan
            .nodes
            .iter()
            .find(|other| other.children.contains(&node));
        let Some(parent) = parent else { return false };
        match &parent.kind {
            NodeKind::Filter { .. } | NodeKind::Map { .. } => node = parent.id,
            NodeKind::TableSource { store, .. } | NodeKind::ToTable { store, .. } => {
                return matches!(plan.store(*store).kind, StoreKind::Versioned { .. });
            }
            _ => return false,
        }
    }
}
