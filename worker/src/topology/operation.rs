//! [`Operation`]: what a node does, with its stores and topics found.

use std::collections::HashMap;

use millrace_crds::plan::{
    Aggregation, Expression, GlobalTableId, JoinKind, Node, NodeId, NodeKind, PeekTo, Plan, Side,
    SinkTopic, StoreId, StoreKind, WindowedKey,
};

use super::{Format, OutTopic, OutTopics};
use crate::processor::{GraceJoin, StreamJoin, Suppress, WindowedAggregate};

/// What a node does with a record; indices are places in the task.
pub enum Operation {
    /// Passes on (stream sources, merge, to stream).
    Forward,
    /// Upserts a store, passes the change on (table sources, to table).
    Upsert {
        /// Store slot.
        store: usize,
        /// A table's changes come in: their old value is passed on, the store's is not read.
        changes: bool,
    },
    /// Passes matching records on.
    Filter {
        /// bool.
        predicate: Expression,
        /// Those that do not match instead.
        negate: bool,
        /// A value that does not match becomes a tombstone instead of nothing.
        table: bool,
        /// The table has earlier versions: each change is passed on, also one without values.
        versioned: bool,
    },
    /// New key and/or value.
    Map {
        /// New key.
        key: Option<Expression>,
        /// New value.
        value: Option<Expression>,
        /// Tombstones pass unchanged.
        table: bool,
    },
    /// None, one or several records for each.
    FlatMap {
        /// The list.
        elements: Expression,
        /// New key.
        key: Option<Expression>,
        /// New value; the element where absent.
        value: Option<Expression>,
    },
    /// Shows, passes on.
    Peek {
        /// Text to show.
        message: Option<Expression>,
        /// Where.
        to: PeekTo,
    },
    /// Passes on to the first matching branch.
    Split {
        /// bool, per branch.
        predicates: Vec<Expression>,
    },
    /// Aggregates by key.
    Aggregate {
        /// Store slot.
        store: usize,
        /// How.
        aggregation: Aggregation,
    },
    /// New key and value for old and new value of a change.
    TableGroup {
        /// New key.
        key: Expression,
        /// New value; unchanged where absent.
        value: Option<Expression>,
        /// Key format behind: keys are the same where their bytes are.
        format: Format,
    },
    /// Takes old values out of an aggregate and puts new ones in.
    TableAggregate {
        /// Store slot.
        store: usize,
        /// With one more value.
        add: Aggregation,
        /// Without a value; of a count absent.
        subtract: Option<Expression>,
    },
    /// Looks the key up in a table.
    Join {
        /// Store slot.
        store: usize,
        /// Also without a match.
        left: bool,
        /// New value.
        value: Expression,
    },
    /// Aggregates by key and window.
    Windowed(Box<WindowedAggregate>),
    /// Joins with the records of another stream.
    StreamJoin(Box<StreamJoin>),
    /// Holds records back and joins them with a table's version of their own time.
    GraceJoin(Box<GraceJoin>),
    /// Holds changes back.
    Suppress(Box<Suppress>),
    /// Looks a computed key up in a global table.
    GlobalJoin {
        /// The table.
        table: GlobalTableId,
        /// The key to look up.
        lookup: Expression,
        /// Key format of the table.
        key: Format,
        /// Value format of the table.
        right: Format,
        /// Also without a match.
        left: bool,
        /// New value.
        value: Expression,
    },
    /// Joins one table's change with the other's row.
    TableJoin {
        /// Whose change.
        side: Side,
        /// Store slot of the other table.
        other: usize,
        /// Which results.
        kind: JoinKind,
        /// New value.
        value: Expression,
    },
    /// Tells the right side of a foreign-key join what a left row refers to.
    ForeignSend {
        /// The foreign key.
        foreign_key: Expression,
        /// Format of foreign keys.
        foreign: Format,
        /// Format of left keys.
        primary: Format,
        /// Format of left values.
        value: Format,
        /// Rows without a match give results too.
        left: bool,
    },
    /// Keeps a subscription and answers it.
    ForeignReceive {
        /// Store slot of the subscriptions.
        subscriptions: usize,
        /// Store slot of the right table.
        table: usize,
    },
    /// Answers the subscriptions of a changed row.
    ForeignChanged {
        /// Store slot of the subscriptions.
        subscriptions: usize,
        /// Format of right keys.
        key: Format,
        /// Format of right values.
        value: Format,
    },
    /// Joins an answer with the row it was asked for.
    ForeignAnswer {
        /// Store slot of the left table.
        store: usize,
        /// Format of left keys.
        key: Format,
        /// Format of right values.
        right: Format,
        /// Rows without a match give results too.
        left: bool,
        /// New value.
        value: Expression,
    },
    /// Writes what a foreign-key join's nodes say to each other.
    ForeignSink {
        /// Where.
        topic: OutTopic,
        /// Answers go to the partition that asked; else the key decides.
        answers: bool,
    },
    /// Writes to a topic.
    Sink {
        /// Where.
        topic: Target,
        /// Key format.
        key: Format,
        /// The window beside the key.
        windowed: Option<WindowedKey>,
        /// Value format.
        value: Format,
        /// Records without a key are dropped (repartition topics).
        needs_key: bool,
        /// Writes old and new value.
        changes: bool,
    },
}

/// Where a sink writes to.
pub enum Target {
    /// One topic.
    Fixed(OutTopic),
    /// The topic that an expression names.
    FromRecord(Expression),
}

/// What a node of the plan does; `None` where plan, stores and topics do not belong together.
pub(super) fn operation(
    plan: &Plan,
    (node, place): (&Node, usize),
    slots: &HashMap<StoreId, usize>,
    topics: &OutTopics,
) -> Option<Operation> {
    let slot = |store: &StoreId| slots.get(store).copied();
    Some(match &node.kind {
        NodeKind::StreamSource { .. } | NodeKind::Merge | NodeKind::ToStream => Operation::Forward,
        NodeKind::TableSource { store, .. } => Operation::Upsert {
            store: slot(store)?,
            changes: false,
        },
        NodeKind::ToTable { store, table } => Operation::Upsert {
            store: slot(store)?,
            changes: *table,
        },
        NodeKind::Filter {
            predicate,
            negate,
            table,
        } => Operation::Filter {
            predicate: predicate.clone(),
            negate: *negate,
            table: *table,
            versioned: *table && is_versioned(plan, node.id),
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
        NodeKind::Aggregate { store, aggregation } => Operation::Aggregate {
            store: slot(store)?,
            aggregation: aggregation.clone(),
        },
        NodeKind::TableGroup { key, value } => Operation::TableGroup {
            key: key.clone(),
            value: value.clone(),
            format: group_format(plan, node)?,
        },
        NodeKind::TableAggregate {
            store,
            add,
            subtract,
        } => Operation::TableAggregate {
            store: slot(store)?,
            add: add.clone(),
            subtract: subtract.clone(),
        },
        NodeKind::RepartitionSink {
            topic,
            key,
            value,
            drop_null_keys,
            changes,
        } => Operation::Sink {
            topic: Target::Fixed(topics.get(topic.name())?),
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
                SinkTopic::Fixed(topic) => Target::Fixed(topics.get(topic)?),
                SinkTopic::FromRecord(topic) => Target::FromRecord(topic.clone()),
            },
            key: Format::new(*key),
            windowed: *windowed,
            value: Format::new(*value),
            needs_key: false,
            changes: false,
        },
        NodeKind::WindowedAggregate {
            store,
            windows,
            grace_ms,
            aggregation,
            merge,
            emit,
        } => Operation::Windowed(Box::new(WindowedAggregate {
            store: slot(store)?,
            times: place,
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
            store: slot(store)?,
            times: place,
            until: *until,
            bounds: *bounds,
        })),
        kind => return join_operation(plan, (kind, place), &slot, topics),
    })
}

/// As [`operation`], of joins.
fn join_operation(
    plan: &Plan,
    (kind, place): (&NodeKind, usize),
    slot: &dyn Fn(&StoreId) -> Option<usize>,
    topics: &OutTopics,
) -> Option<Operation> {
    Some(match kind {
        NodeKind::StreamTableJoin {
            store,
            left,
            value,
            grace: None,
        } => Operation::Join {
            store: slot(store)?,
            left: *left,
            value: value.clone(),
        },
        NodeKind::StreamTableJoin {
            store,
            left,
            value,
            grace: Some(grace),
        } => Operation::GraceJoin(Box::new(GraceJoin {
            store: slot(store)?,
            left: *left,
            value: value.clone(),
            buffer: slot(&grace.buffer)?,
            grace_ms: grace.grace_ms,
            times: place,
        })),
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
            own: slot(own)?,
            other: slot(other)?,
            unmatched: match unmatched {
                Some(unmatched) => Some(slot(unmatched)?),
                None => None,
            },
            times: left_side(plan, *own, *other)?,
            kind: *kind,
            before_ms: *before_ms,
            after_ms: *after_ms,
            grace_ms: *grace_ms,
            value: value.clone(),
        })),
        NodeKind::StreamGlobalJoin {
            table,
            lookup,
            left,
            value,
        } => {
            let right = plan.global_tables.get(table.0)?;
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
            other: slot(other)?,
            kind: *kind,
            value: value.clone(),
        },
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
            topic: topics.get(topic.name())?,
            answers: *answers,
        },
        NodeKind::ForeignKeyReceive {
            subscriptions,
            table,
        } => Operation::ForeignReceive {
            subscriptions: slot(subscriptions)?,
            table: slot(table)?,
        },
        NodeKind::ForeignKeyChanged {
            subscriptions,
            key,
            value,
        } => Operation::ForeignChanged {
            subscriptions: slot(subscriptions)?,
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
            store: slot(store)?,
            key: Format::new(*key),
            right: Format::new(*right),
            left: *left,
            value: value.clone(),
        },
        _ => return None,
    })
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
