//! What a node does, in a line.

use super::{one_line, topics};
use crate::duration::duration;
use crate::plan::graph::{
    Aggregation, BufferBounds, Emit, EventTime, Expression, GlobalTableId, InvalidTime, JoinKind,
    NodeKind, OffsetReset, PeekTo, Plan, ProcessorStoreUse, Side, SinkTopic, SourceOptions,
    SuppressUntil, Windows,
};

pub(super) fn describe_kind(plan: &Plan, kind: &NodeKind) -> String {
    match kind {
        NodeKind::StreamSource { .. }
        | NodeKind::TableSource { .. }
        | NodeKind::RepartitionSink { .. }
        | NodeKind::ForeignKeySink { .. }
        | NodeKind::Sink { .. } => describe_ends(plan, kind),
        NodeKind::Filter { .. }
        | NodeKind::Map { .. }
        | NodeKind::FlatMap { .. }
        | NodeKind::Peek { .. }
        | NodeKind::Merge
        | NodeKind::Split { .. }
        | NodeKind::ToStream => describe_stateless(kind),
        NodeKind::Process {
            processor,
            fixed_key,
            stores,
            globals,
        } => describe_process(plan, (processor, *fixed_key), stores, globals),
        NodeKind::StreamTableJoin { .. }
        | NodeKind::StreamGlobalJoin { .. }
        | NodeKind::StreamStreamJoin { .. }
        | NodeKind::TableTableJoin { .. }
        | NodeKind::ForeignKeySend { .. }
        | NodeKind::ForeignKeyReceive { .. }
        | NodeKind::ForeignKeyChanged { .. }
        | NodeKind::ForeignKeyAnswer { .. } => describe_join(plan, kind),
        _ => describe_table(plan, kind),
    }
}

fn describe_table(plan: &Plan, kind: &NodeKind) -> String {
    let store = |id: &crate::plan::StoreId| plan.store(*id).name.as_str();
    match kind {
        NodeKind::Aggregate {
            store: id,
            aggregation,
        } => format!(
            "{} in store {}",
            describe_aggregation(aggregation),
            store(id)
        ),
        NodeKind::WindowedAggregate {
            store: id,
            windows,
            grace_ms,
            aggregation,
            merge,
            emit,
        } => {
            let merge = merge
                .iter()
                .map(|merge| format!(", merge {}", one_line(merge)));
            format!(
                "{}{} over {}, grace {}{} in store {}",
                describe_aggregation(aggregation),
                merge.collect::<String>(),
                describe_windows(*windows),
                duration(*grace_ms),
                match emit {
                    Emit::OnUpdate => "",
                    Emit::OnWindowClose => ", when closed",
                },
                store(id)
            )
        }
        NodeKind::TableGroup { key, value } => {
            format!("group changes {}", key_and_value(Some(key), value.as_ref()))
        }
        NodeKind::TableAggregate {
            store: id,
            add,
            subtract,
        } => {
            let subtract = subtract.as_ref().map(one_line);
            format!(
                "{} of changes, subtract {} in store {}",
                describe_aggregation(add),
                subtract.as_deref().unwrap_or("one"),
                store(id)
            )
        }
        NodeKind::ToTable { store: id, .. } => format!("table in store {}", store(id)),
        NodeKind::Suppress {
            store: id,
            until,
            bounds,
        } => describe_suppress(*until, *bounds, store(id)),
        _ => String::new(),
    }
}

fn describe_stateless(kind: &NodeKind) -> String {
    match kind {
        NodeKind::Filter {
            predicate,
            negate,
            table,
        } => {
            let name = if *negate { "filterNot" } else { "filter" };
            format!("{name}{} {}", of_table(*table), one_line(predicate))
        }
        NodeKind::Map { key, value, table } => {
            let parts = key_and_value(key.as_ref(), value.as_ref());
            format!("map{} {parts}", of_table(*table))
        }
        NodeKind::FlatMap {
            elements,
            key,
            value,
        } => {
            let parts = key_and_value(key.as_ref(), value.as_ref());
            let comma = if parts.is_empty() { "" } else { ": " };
            format!("for each of {}{comma}{parts}", one_line(elements))
        }
        NodeKind::Peek { message, to } => {
            let name = match to {
                PeekTo::Debug => "peek".to_owned(),
                PeekTo::Info => "log".to_owned(),
                PeekTo::Stdout(label) => format!("print as {label}"),
            };
            let message = message
                .iter()
                .map(|message| format!(" {}", one_line(message)));
            format!("{name}{}", message.collect::<String>())
        }
        NodeKind::Split { predicates } => format!("split into {}", predicates.len()),
        NodeKind::ToStream => "stream of the changes".to_owned(),
        _ => "pass on".to_owned(),
    }
}

fn describe_join(plan: &Plan, kind: &NodeKind) -> String {
    let store = |id: &crate::plan::StoreId| plan.store(*id).name.as_str();
    match kind {
        NodeKind::StreamTableJoin {
            store: id,
            left,
            value,
            grace,
        } => {
            let grace = grace.map(|g| format!(", grace {}", duration(g.grace_ms)));
            let (store, grace) = (store(id), grace.unwrap_or_default());
            format!(
                "{} with store {store}{grace} to {}",
                join(*left),
                one_line(value)
            )
        }
        NodeKind::StreamGlobalJoin {
            table,
            lookup,
            left,
            value,
        } => {
            let table = &plan.global_table(*table).store;
            let (lookup, value) = (one_line(lookup), one_line(value));
            format!(
                "{} with global table {table} at {lookup} to {value}",
                join(*left)
            )
        }
        NodeKind::StreamStreamJoin {
            side,
            other,
            kind,
            before_ms,
            after_ms,
            grace_ms,
            value,
            ..
        } => {
            let (before, after) = (duration(*before_ms), duration(*after_ms));
            format!(
                "{} side of {} with store {}, {before} before to {after} after, grace {}, to {}",
                describe_side(*side),
                describe_kind_of_join(*kind),
                store(other),
                duration(*grace_ms),
                one_line(value)
            )
        }
        NodeKind::TableTableJoin {
            side,
            other,
            kind,
            value,
        } => {
            let (side, kind) = (describe_side(*side), describe_kind_of_join(*kind));
            format!(
                "{side} side of {kind} with store {} to {}",
                store(other),
                one_line(value)
            )
        }
        _ => describe_foreign_key(plan, kind),
    }
}

fn describe_foreign_key(plan: &Plan, kind: &NodeKind) -> String {
    let store = |id: &crate::plan::StoreId| plan.store(*id).name.as_str();
    match kind {
        NodeKind::ForeignKeySend { foreign_key, .. } => {
            format!("subscribe to the foreign key {}", one_line(foreign_key))
        }
        NodeKind::ForeignKeyReceive {
            subscriptions,
            table,
        } => {
            let (subscriptions, table) = (store(subscriptions), store(table));
            format!("subscriptions in store {subscriptions}, answered from store {table}")
        }
        NodeKind::ForeignKeyChanged { subscriptions, .. } => {
            format!("tell the subscriptions in store {}", store(subscriptions))
        }
        NodeKind::ForeignKeyAnswer {
            store: id,
            left,
            value,
            ..
        } => format!(
            "{} of the answers with store {} to {}",
            join(*left),
            store(id),
            one_line(value)
        ),
        _ => String::new(),
    }
}

fn join(left: bool) -> &'static str {
    if left { "left join" } else { "join" }
}

fn describe_side(side: Side) -> &'static str {
    match side {
        Side::Left => "left",
        Side::Right => "right",
    }
}

fn describe_kind_of_join(kind: JoinKind) -> &'static str {
    match kind {
        JoinKind::Inner => "a join",
        JoinKind::Left => "a left join",
        JoinKind::Outer => "an outer join",
    }
}

fn describe_ends(plan: &Plan, kind: &NodeKind) -> String {
    match kind {
        NodeKind::StreamSource {
            topics: from,
            key,
            value,
            options,
            changes,
        } => {
            let what = if *changes { "changes" } else { "stream" };
            let matching = match &options.pattern {
                Some(pattern) if from.is_empty() => format!("topics matching `{}`", pattern.source),
                Some(pattern) => format!(" (matching `{}`)", pattern.source),
                None => String::new(),
            };
            let (from, options) = (topics(from), describe_options(options));
            format!("{what} from {from}{matching} ({key} → {value}{options})")
        }
        NodeKind::TableSource {
            topic,
            key,
            value,
            options,
            store,
        } => {
            let (topic, options) = (topic.name(), describe_options(options));
            let store = &plan.store(*store).name;
            format!("table from {topic} ({key} → {value}{options}) in store {store}")
        }
        NodeKind::RepartitionSink {
            topic, key, value, ..
        } => format!("repartition to {} ({key} → {value})", topic.name()),
        NodeKind::ForeignKeySink { topic, .. } => format!("repartition to {}", topic.name()),
        NodeKind::Sink {
            topic,
            key,
            windowed,
            value,
        } => {
            let topic = match topic {
                SinkTopic::Fixed(topic) => topic.clone(),
                SinkTopic::FromRecord(topic) => format!("the topic {}", one_line(topic)),
            };
            let windowed = if windowed.is_some() {
                " and window"
            } else {
                ""
            };
            format!("write to {topic} ({key}{windowed} → {value})")
        }
        _ => String::new(),
    }
}

fn describe_options(options: &SourceOptions) -> String {
    let reset = match options.reset {
        OffsetReset::Earliest => "",
        OffsetReset::Latest => ", from latest",
    };
    let time = match &options.time {
        EventTime::Record => String::new(),
        EventTime::WallClock => ", time of processing".to_owned(),
        EventTime::Expression(time) => format!(", time {}", one_line(time)),
    };
    let invalid = match options.invalid_time {
        InvalidTime::Fail => "",
        InvalidTime::Skip => ", invalid times skipped",
        InvalidTime::UsePartitionTime => ", invalid times replaced",
    };
    format!("{reset}{time}{invalid}")
}

fn describe_aggregation(aggregation: &Aggregation) -> String {
    match aggregation {
        Aggregation::Count => "count".to_owned(),
        Aggregation::Reduce(update) => format!("reduce {}", one_line(update)),
        Aggregation::Aggregate { initial, update } => {
            let (initial, update) = (one_line(initial), one_line(update));
            format!("aggregate from {initial} by {update}")
        }
    }
}

fn describe_windows(windows: Windows) -> String {
    match windows {
        Windows::Time {
            size_ms,
            advance_ms,
        } if size_ms == advance_ms => format!("windows of {}", duration(size_ms)),
        Windows::Time {
            size_ms,
            advance_ms,
        } => format!(
            "windows of {} every {}",
            duration(size_ms),
            duration(advance_ms)
        ),
        Windows::Sliding { difference_ms } => {
            format!("sliding windows of {}", duration(difference_ms))
        }
        Windows::Session { gap_ms } => format!("sessions with gaps of {}", duration(gap_ms)),
    }
}

fn describe_suppress(until: SuppressUntil, bounds: BufferBounds, store: &str) -> String {
    let until = match until {
        SuppressUntil::WindowCloses { grace_ms } => {
            format!("until windows close, grace {}", duration(grace_ms))
        }
        SuppressUntil::TimeLimit { limit_ms } => format!("for {}", duration(limit_ms)),
    };
    let records = bounds
        .records
        .map(|records| format!(", {records} keys at most"));
    let bytes = bounds.bytes.map(|bytes| format!(", {bytes} bytes at most"));
    let full = match (bounds.emit_early, records.is_some() || bytes.is_some()) {
        (true, true) => ", then the oldest goes early",
        (false, true) => ", then stop",
        _ => "",
    };
    let (records, bytes) = (records.unwrap_or_default(), bytes.unwrap_or_default());
    format!("hold back {until}{records}{bytes}{full} in store {store}")
}

fn describe_process(
    plan: &Plan,
    (processor, fixed_key): (&str, bool),
    stores: &[ProcessorStoreUse],
    globals: &[GlobalTableId],
) -> String {
    let what = if fixed_key {
        "process values"
    } else {
        "process"
    };
    let stores = stores.iter().map(|used| {
        let name = &plan.store(used.store).name;
        let how = if used.writes { "with" } else { "reading" };
        format!(", {how} store {name}")
    });
    let globals = globals.iter().map(|table| {
        let name = &plan.global_tables[table.0].store;
        format!(", reading global store {name}")
    });
    let stores: String = stores.chain(globals).collect();
    format!("{what} by {processor}{stores}")
}

fn key_and_value(key: Option<&Expression>, value: Option<&Expression>) -> String {
    let key = key.map(|key| format!("key = {}", one_line(key)));
    let value = value.map(|value| format!("value = {}", one_line(value)));
    key.into_iter().chain(value).collect::<Vec<_>>().join(", ")
}

fn of_table(table: bool) -> &'static str {
    if table { " of a table" } else { "" }
}
