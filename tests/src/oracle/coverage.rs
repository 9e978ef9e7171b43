//! How often each operator was in a case.

use std::collections::{BTreeMap, BTreeSet};

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

use super::case::{Case, Emit, JoinKind, Op, StoreKind, Window};
use super::function::{InvalidTime, SourceTime};

/// What must be among the operators of many cases: a generator that has forgotten one shows by this
/// list alone.
pub const OPERATORS: &[&str] = &[
    "aggregate",
    "aggregate hopping",
    "aggregate session",
    "aggregate sliding",
    "aggregate tumbling",
    "cogroup",
    "cogroup over windows",
    "emit on window close",
    "emit on window close of sessions",
    "filter",
    "filter of windows",
    "filterNot",
    "flatMap",
    "flatMapValues",
    "foreach",
    "foreign-key join inner",
    "foreign-key join left",
    "globalTable",
    "groupBy",
    "groupBy of windows",
    "groupByKey",
    "invalidTimestamp fail",
    "invalidTimestamp skip",
    "invalidTimestamp usePartitionTime",
    "map",
    "mapValues",
    "mapValues of windows",
    "merge",
    "peek",
    "process",
    "process with sessions",
    "process with versions",
    "process with windows",
    "processValues",
    "punctuation by stream time",
    "punctuation by the wall clock",
    "repartition",
    "selectKey",
    "self-join",
    "split",
    "stream",
    "stream of several topics",
    "stream-globalTable join inner",
    "stream-globalTable join left",
    "stream-stream join inner",
    "stream-stream join left",
    "stream-stream join outer",
    "stream-table join inner",
    "stream-table join left",
    "stream-table join with grace inner",
    "stream-table join with grace left",
    "suppress bounded by bytes",
    "suppress until time limit",
    "suppress until window closes",
    "table",
    "table aggregate",
    "table filter",
    "table filterNot",
    "table groupBy",
    "table groupBy with value",
    "table mapValues",
    "table-table join inner",
    "table-table join left",
    "table-table join outer",
    "timestamp by the wall clock",
    "timestamp by values",
    "to",
    "to topics named by records",
    "to with windowed keys",
    "toStream",
    "toStream of windows",
    "toTable",
    "toTable, versioned",
    "versioned table",
    "windows kept longer",
];

/// Counts of cases by what is in them.
#[derive(Debug, Default)]
pub struct Coverage {
    cases: usize,
    steps: usize,
    with: BTreeMap<String, usize>,
    stateful_twice: usize,
}

impl Coverage {
    /// Counts a case in.
    pub fn add(&mut self, case: &Case) {
        self.cases += 1;
        self.steps += case.steps.len();
        let tags: BTreeSet<String> = case
            .nodes
            .iter()
            .flat_map(|node| tags(case, &node.op))
            .collect();
        for tag in tags {
            *self.with.entry(tag).or_default() += 1;
        }
        let stateful = case.nodes.iter().filter(|node| is_stateful(&node.op));
        self.stateful_twice += usize::from(stateful.count() >= 2);
    }

    /// Share of cases with at least two stateful steps, in percent.
    pub fn stateful_twice_percent(&self) -> f64 {
        percent(self.stateful_twice, self.cases)
    }

    /// Share of cases with each operator, in percent.
    pub fn shares(&self) -> impl Iterator<Item = (&str, f64)> {
        let cases = self.cases;
        self.with
            .iter()
            .map(move |(tag, &count)| (tag.as_str(), percent(count, cases)))
    }

    /// Whether any case had an operator, by its name in the table.
    pub fn has(&self, operator: &str) -> bool {
        self.with.contains_key(operator)
    }

    /// As a table for people.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_header(["operator", "cases", "%"]);
        for (tag, share) in self.shares() {
            let count = self.with.get(tag).copied().unwrap_or_default();
            table.add_row([tag.to_owned(), count.to_string(), format!("{share:.1}")]);
        }
        let share = self.stateful_twice_percent();
        table.add_row([
            "two stateful or more".to_owned(),
            self.stateful_twice.to_string(),
            format!("{share:.1}"),
        ]);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        format!("{table}\n{} cases, {} input steps", self.cases, self.steps)
    }
}

fn percent(count: usize, of: usize) -> f64 {
    100.0 * count as f64 / of.max(1) as f64
}

fn is_stateful(op: &Op) -> bool {
    matches!(
        op,
        Op::ToTable { .. }
            | Op::Process { .. }
            | Op::Remember { .. }
            | Op::Aggregate { .. }
            | Op::Cogroup { .. }
            | Op::Suppress { .. }
            | Op::StreamJoin { .. }
            | Op::StreamTableJoin { .. }
            | Op::GlobalJoin { .. }
            | Op::TableJoin { .. }
            | Op::ForeignKeyJoin { .. }
    )
}

fn join(name: &str, kind: JoinKind) -> String {
    let kind = match kind {
        JoinKind::Inner => "inner",
        JoinKind::Left => "left",
        JoinKind::Outer => "outer",
    };
    format!("{name} {kind}")
}

fn windows(name: &str, window: Option<Window>) -> String {
    let window = match window {
        None => return name.to_owned(),
        Some(Window::Tumbling { .. }) => "tumbling",
        Some(Window::Hopping { .. }) => "hopping",
        Some(Window::Sliding { .. }) => "sliding",
        Some(Window::Session { .. }) => "session",
    };
    format!("{name} {window}")
}

/// A source, and how its records have their times.
fn with_time(source: &str, time: Option<&SourceTime>) -> Vec<String> {
    let mut tags = vec![source.to_owned()];
    match time {
        None => {}
        Some(SourceTime::WallClock) => tags.push("timestamp by the wall clock".to_owned()),
        Some(SourceTime::Value(time)) => {
            let invalid = match time.invalid {
                InvalidTime::Fail => "fail",
                InvalidTime::Skip => "skip",
                InvalidTime::UsePartitionTime => "usePartitionTime",
            };
            tags.push("timestamp by values".to_owned());
            tags.push(format!("invalidTimestamp {invalid}"));
        }
    }
    tags
}

/// What a node counts as.
fn tags(case: &Case, op: &Op) -> Vec<String> {
    let of = |from: &str, name: &str| {
        if case.is_windowed(from) && name != "aggregate" {
            format!("{} of windows", name.trim_end_matches("Not"))
        } else if case.is_table(from) {
            format!("table {name}")
        } else {
            name.to_owned()
        }
    };
    let one = |tag: &str| vec![tag.to_owned()];
    match op {
        Op::Stream { topics, time } => {
            let several = topics.len() > 1;
            let stream = if several {
                "stream of several topics"
            } else {
                "stream"
            };
            with_time(stream, time.as_ref())
        }
        Op::Table {
            versioned, time, ..
        } => {
            let table = if versioned.is_some() {
                "versioned table"
            } else {
                "table"
            };
            with_time(table, time.as_ref())
        }
        Op::GlobalTable { .. } => one("globalTable"),
        Op::Filter { from, negate, .. } => {
            vec![of(from, if *negate { "filterNot" } else { "filter" })]
        }
        Op::MapValues { from, .. } => vec![of(from, "mapValues")],
        Op::Map { .. } => one("map"),
        Op::SelectKey { .. } => one("selectKey"),
        Op::FlatMap { .. } => one("flatMap"),
        Op::FlatMapValues { .. } => one("flatMapValues"),
        Op::Peek { .. } => one("peek"),
        Op::Foreach { .. } => one("foreach"),
        Op::Process {
            fixed_key,
            every,
            every_stream_time,
            ..
        } => {
            let process = if *fixed_key {
                "processValues"
            } else {
                "process"
            };
            let mut tags = one(process);
            tags.extend(every.map(|_| "punctuation by the wall clock".to_owned()));
            tags.extend(every_stream_time.map(|_| "punctuation by stream time".to_owned()));
            tags
        }
        Op::Remember { kind, .. } => one(match kind {
            StoreKind::KeyValue => "process with rows",
            StoreKind::Window => "process with windows",
            StoreKind::Session => "process with sessions",
            StoreKind::Versioned => "process with versions",
        }),
        Op::Merge { .. } => one("merge"),
        Op::Split { .. } => one("split"),
        Op::Repartition { .. } => one("repartition"),
        Op::ToTable {
            versioned: Some(_), ..
        } => one("toTable, versioned"),
        Op::ToTable { .. } => one("toTable"),
        Op::ToStream { .. } => one("toStream"),
        Op::WindowKey { .. } => one("toStream of windows"),
        Op::To {
            windowed, routes, ..
        } => {
            let (to, windows) = ("to".to_owned(), "to with windowed keys".to_owned());
            let mut tags = vec![if windowed.is_some() { windows } else { to }];
            tags.extend(routes.map(|_| "to topics named by records".to_owned()));
            tags
        }
        Op::Aggregate {
            from,
            window,
            emit,
            retention,
            group_by,
            group_value,
            ..
        } => {
            let mut tags = vec![windows(&of(from, "aggregate"), *window)];
            if *emit == Some(Emit::Close) {
                let session = matches!(window, Some(Window::Session { .. }));
                let of = if session { " of sessions" } else { "" };
                tags.push(format!("emit on window close{of}"));
            }
            tags.extend(retention.map(|_| "windows kept longer".to_owned()));
            tags.push(of(
                from,
                if group_by.is_some() {
                    "groupBy"
                } else {
                    "groupByKey"
                },
            ));
            tags.extend(
                group_value
                    .as_ref()
                    .map(|_| "table groupBy with value".to_owned()),
            );
            tags
        }
        Op::Cogroup { window, .. } => {
            let windowed = window.map(|_| "cogroup over windows".to_owned());
            windowed.into_iter().chain(one("cogroup")).collect()
        }
        Op::Suppress { limit: None, .. } => one("suppress until window closes"),
        Op::Suppress { bytes, .. } => {
            let mut tags = one("suppress until time limit");
            tags.extend(bytes.map(|_| "suppress bounded by bytes".to_owned()));
            tags
        }
        Op::StreamJoin {
            kind, left, right, ..
        } => {
            let mut tags = vec![join("stream-stream join", *kind)];
            if left == right {
                tags.push("self-join".to_owned());
            }
            tags
        }
        Op::StreamTableJoin {
            kind,
            grace: Some(_),
            ..
        } => vec![join("stream-table join with grace", *kind)],
        Op::StreamTableJoin { kind, .. } => vec![join("stream-table join", *kind)],
        Op::GlobalJoin { kind, .. } => vec![join("stream-globalTable join", *kind)],
        Op::TableJoin { kind, .. } => vec![join("table-table join", *kind)],
        Op::ForeignKeyJoin { kind, .. } => vec![join("foreign-key join", *kind)],
    }
}
