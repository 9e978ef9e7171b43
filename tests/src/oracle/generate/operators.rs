//! Operators at random, each where there is something to apply it to.

use super::{Generator, TableFlow};
use crate::oracle::case::{Branch, Node, Op, StoreKind};
use crate::oracle::function::{Aggregation, KeyFn};

/// Adds one operator; false where the flows so far have nothing to apply it to.
type Add = fn(&mut Generator) -> bool;

/// What is added, and how often beside the others.
const OPERATORS: &[(u64, Add)] = &[
    (4, Generator::filter),
    (3, Generator::map_values),
    (3, Generator::map),
    (3, Generator::select_key),
    (2, Generator::peek),
    (2, Generator::foreach),
    (3, Generator::flat_map),
    (3, Generator::flat_map_values),
    (5, Generator::repartition),
    (7, Generator::process),
    (6, Generator::remember),
    (44, Generator::windows_step),
    (3, Generator::merge),
    (3, Generator::split),
    (6, Generator::table_of_stream),
    (3, Generator::stream_of_table),
    (7, Generator::table_filter),
    (3, Generator::table_map_values),
    (5, Generator::aggregate),
    (7, Generator::table_aggregate),
    (12, Generator::windowed_aggregate),
    (8, Generator::cogroup),
    (26, Generator::suppress),
    (12, Generator::window_key),
    (10, Generator::stream_join),
    (8, Generator::stream_table_join),
    (15, Generator::grace_join),
    (17, Generator::global_join),
    (18, Generator::table_join),
    (12, Generator::foreign_key_join),
];

impl Generator {
    pub(super) fn operator(&mut self) {
        let total: u64 = OPERATORS.iter().map(|(weight, _)| weight).sum();
        // An operator that has nothing to work on leaves its turn to another.
        for _ in 0..OPERATORS.len() {
            let mut turn = self.random.below(total);
            for (weight, add) in OPERATORS {
                if turn < *weight {
                    if add(self) {
                        return;
                    }
                    break;
                }
                turn -= weight;
            }
        }
    }

    fn filter(&mut self) -> bool {
        let op = Op::Filter {
            from: self.any_stream(),
            predicate: self.predicate(),
            negate: self.random.percent(40),
            store: None,
        };
        self.stream(op);
        true
    }

    fn map_values(&mut self) -> bool {
        let op = Op::MapValues {
            from: self.any_stream(),
            value: self.value_fn(),
            store: None,
        };
        self.stream(op);
        true
    }

    fn map(&mut self) -> bool {
        let op = Op::Map {
            from: self.any_stream(),
            key: self.key_fn(),
            value: self.value_fn(),
        };
        self.stream(op);
        true
    }

    fn select_key(&mut self) -> bool {
        let op = Op::SelectKey {
            from: self.any_stream(),
            key: self.key_fn(),
        };
        self.stream(op);
        true
    }

    fn peek(&mut self) -> bool {
        let op = Op::Peek {
            from: self.any_stream(),
        };
        self.stream(op);
        true
    }

    fn foreach(&mut self) -> bool {
        let from = self.any_stream();
        self.add(Op::Foreach { from });
        true
    }

    fn flat_map(&mut self) -> bool {
        let op = Op::FlatMap {
            from: self.any_stream(),
            values: self.list_fn(),
            key: self.key_fn(),
        };
        self.stream(op);
        true
    }

    fn flat_map_values(&mut self) -> bool {
        let op = Op::FlatMapValues {
            from: self.any_stream(),
            values: self.list_fn(),
        };
        self.stream(op);
        true
    }

    pub(super) fn process(&mut self) -> bool {
        let from = self.any_stream();
        let store = self.store(StoreKind::KeyValue, false);
        let fixed_key = self.random.percent(40);
        // Which of two that are called at one time is the first is left open.
        let calls = |node: &Node| matches!(node.op, Op::Process { every: Some(_), .. });
        let alone = !self.nodes.iter().any(calls);
        let every = self.random.between(1, 12) * self.unit;
        let calls = |node: &Node| match node.op {
            Op::Process {
                every_stream_time, ..
            } => every_stream_time.is_some(),
            _ => false,
        };
        let alone_by_stream_time = !self.nodes.iter().any(calls);
        let every_stream_time = self.random.between(1, 12) * self.unit;
        self.stream(Op::Process {
            from,
            store,
            every: (alone && !fixed_key).then_some(every),
            every_stream_time: alone_by_stream_time.then_some(every_stream_time),
            fixed_key,
        });
        true
    }

    fn remember(&mut self) -> bool {
        let from = self.any_stream();
        let kind = match self.random.below(3) {
            0 => StoreKind::Window,
            1 => StoreKind::Session,
            _ => StoreKind::Versioned,
        };
        let span = self.random.between(1, 8) * self.unit;
        let retention = span * self.random.between(1, 6);
        let store = self.store(kind, false);
        if let (StoreKind::Window, Some(rows)) = (kind, self.stores.last_mut()) {
            rows.size = Some(span);
        }
        self.stream(Op::Remember {
            from,
            store,
            kind,
            span,
            retention,
        });
        true
    }

    fn repartition(&mut self) -> bool {
        let op = Op::Repartition {
            from: self.any_stream(),
        };
        self.stream(op);
        true
    }

    fn merge(&mut self) -> bool {
        if self.streams.len() < 2 {
            return false;
        }
        let mut inputs = vec![self.any_stream()];
        let others: Vec<String> = self
            .streams
            .iter()
            .filter(|name| !inputs.contains(name))
            .cloned()
            .collect();
        inputs.extend(self.random.pick(&others).cloned());
        self.stream(Op::Merge { inputs });
        true
    }

    fn split(&mut self) -> bool {
        let from = self.any_stream();
        let number = self.nodes.len();
        let branches: Vec<Branch> = (0..self.random.between(1, 3))
            .map(|branch| Branch {
                name: format!("n{number:02}-{branch}"),
                predicate: self.predicate(),
            })
            .collect();
        let default = self
            .random
            .percent(60)
            .then(|| format!("n{number:02}-else"));
        let mut names: Vec<String> = branches.iter().map(|branch| branch.name.clone()).collect();
        names.extend(default.clone());
        self.add(Op::Split {
            from,
            branches,
            default,
        });
        self.streams.extend(names);
        true
    }

    fn table_of_stream(&mut self) -> bool {
        let from = self.any_stream();
        let (kind, versioned) = self.versions(55);
        let store = self.store(kind, false);
        self.stored_table(Op::ToTable {
            from,
            store,
            versioned,
        });
        if let Some(table) = self.tables.last_mut() {
            table.versioned = versioned;
        }
        true
    }

    fn stream_of_table(&mut self) -> bool {
        let Some(table) = self.table_where(|table| table.windowed.is_none()) else {
            return false;
        };
        self.stream(Op::ToStream { from: table.name });
        true
    }

    fn table_filter(&mut self) -> bool {
        let Some(table) = self.table_where(|table| table.windowed.is_none()) else {
            return false;
        };
        self.filtered_table(&table);
        true
    }

    fn filtered_table(&mut self, table: &TableFlow) {
        let store = self.maybe_store(table);
        let op = Op::Filter {
            from: table.name.clone(),
            predicate: self.predicate(),
            negate: self.random.percent(40),
            store,
        };
        self.derived_table(table, op);
    }

    fn table_map_values(&mut self) -> bool {
        let Some(table) = self.table_where(|table| table.windowed.is_none()) else {
            return false;
        };
        self.mapped_table(&table);
        true
    }

    /// What a table whose keys have windows can do but to be written, held back or a stream.
    fn windows_step(&mut self) -> bool {
        let Some(table) = self.table_where(|table| table.windowed.is_some()) else {
            return false;
        };
        match self.random.below(3) {
            0 => self.filtered_table(&table),
            1 => self.mapped_table(&table),
            // By the key itself the groups would have its windows.
            _ => self.grouped_table(table, KeyFn::SizeKey { n: 3 }),
        }
        true
    }

    fn mapped_table(&mut self, table: &TableFlow) {
        let store = self.maybe_store(table);
        let op = Op::MapValues {
            from: table.name.clone(),
            value: self.value_fn(),
            store,
        };
        self.derived_table(table, op);
    }

    /// A store of its own for a table that is derived from one without windows, in half of the cases.
    fn maybe_store(&mut self, from: &TableFlow) -> Option<String> {
        (from.windowed.is_none() && self.random.percent(50))
            .then(|| self.store(StoreKind::KeyValue, false))
    }

    /// A table whose values alone are not those of the one it is derived from.
    fn derived_table(&mut self, from: &TableFlow, op: Op) {
        let stored = matches!(
            &op,
            Op::Filter { store: Some(_), .. } | Op::MapValues { store: Some(_), .. }
        );
        let name = self.add(op);
        self.tables.push(TableFlow {
            name,
            stored,
            versioned: None,
            ..*from
        });
    }

    fn aggregate(&mut self) -> bool {
        let from = self.any_stream();
        let with = self.aggregation();
        let group_by = self.random.percent(40).then(|| self.key_fn());
        let store = self.store(StoreKind::KeyValue, with == Aggregation::Count);
        self.stored_table(Op::Aggregate {
            from,
            group_by,
            group_value: None,
            window: None,
            emit: None,
            retention: None,
            with,
            store,
        });
        true
    }

    /// Of a table: its rows move between groups.
    fn table_aggregate(&mut self) -> bool {
        let Some(table) = self.table_where(|table| table.windowed.is_none()) else {
            return false;
        };
        let key = self.key_fn();
        self.grouped_table(table, key);
        true
    }

    fn grouped_table(&mut self, table: TableFlow, key: KeyFn) {
        let with = self.aggregation();
        let group_by = Some(key);
        let group_value = self.random.percent(50).then(|| self.value_fn());
        let store = self.store(StoreKind::KeyValue, with == Aggregation::Count);
        self.stored_table(Op::Aggregate {
            from: table.name,
            group_by,
            group_value,
            window: None,
            emit: None,
            retention: None,
            with,
            store,
        });
    }
}
