//! Joins at random.

use super::{Generator, TableFlow};
use crate::oracle::case::{JoinKind, Op, StoreKind};
use crate::oracle::function::KeyFn;

/// Whether a table can be looked up by its key.
fn joinable(table: &TableFlow) -> bool {
    table.stored && table.windowed.is_none()
}

impl Generator {
    fn inner_or_left(&mut self) -> JoinKind {
        match self.random.percent(50) {
            true => JoinKind::Inner,
            false => JoinKind::Left,
        }
    }

    fn any_kind(&mut self) -> JoinKind {
        match self.random.below(3) {
            0 => JoinKind::Inner,
            1 => JoinKind::Left,
            _ => JoinKind::Outer,
        }
    }

    pub(super) fn stream_join(&mut self) -> bool {
        let (left, right) = (self.any_stream(), self.any_stream());
        // Behind two repartition topics equal times have no order that anybody promises.
        let source = |name: &str| {
            let node = self.nodes.iter().find(|node| node.name == name);
            matches!(node.map(|node| &node.op), Some(Op::Stream { .. }))
        };
        if left == right && !source(&left) {
            return false;
        }
        let op = Op::StreamJoin {
            kind: self.any_kind(),
            left,
            right,
            before: self.random.between(0, 12) * self.unit,
            after: self.random.between(0, 12) * self.unit,
            grace: self.random.between(0, 6) * self.unit,
        };
        self.stream(op);
        true
    }

    pub(super) fn stream_table_join(&mut self) -> bool {
        let Some(table) = self.table_where(joinable) else {
            return false;
        };
        let op = Op::StreamTableJoin {
            kind: self.inner_or_left(),
            left: self.any_stream(),
            table: table.name,
            grace: None,
        };
        self.stream(op);
        true
    }

    pub(super) fn grace_join(&mut self) -> bool {
        let Some(table) = self.table_where(|table| table.versioned.is_some()) else {
            return false;
        };
        let history = table.versioned.unwrap_or_default() / self.unit;
        let op = Op::StreamTableJoin {
            kind: self.inner_or_left(),
            left: self.any_stream(),
            table: table.name,
            grace: Some(self.random.between(0, history.min(15)) * self.unit),
        };
        self.stream(op);
        true
    }

    pub(super) fn global_join(&mut self) -> bool {
        let Some(table) = self.random.pick(&self.globals).cloned() else {
            return false;
        };
        let op = Op::GlobalJoin {
            kind: self.inner_or_left(),
            left: self.any_stream(),
            table,
            key: self.key_fn(),
        };
        self.stream(op);
        true
    }

    /// Two different tables with the same kind of keys.
    fn two_tables(&mut self) -> Option<(String, String)> {
        let left = self.table_where(joinable)?.name;
        let right = self.table_where(|table| joinable(table) && table.name != left)?;
        Some((left, right.name))
    }

    pub(super) fn table_join(&mut self) -> bool {
        let Some((left, right)) = self.two_tables() else {
            return false;
        };
        let stored = self.random.percent(60);
        let store = stored.then(|| self.store(StoreKind::KeyValue, false));
        let op = Op::TableJoin {
            kind: self.any_kind(),
            left,
            right,
            store,
        };
        self.stored_table(op);
        if let Some(table) = self.tables.last_mut() {
            table.stored = stored;
        }
        true
    }

    pub(super) fn foreign_key_join(&mut self) -> bool {
        let Some((left, right)) = self.two_tables() else {
            return false;
        };
        let n = self.random.between(2, 4);
        let key = match self.random.below(3) {
            0 => KeyFn::SizeKey { n },
            1 => KeyFn::Same,
            _ => KeyFn::NullOrSizeKey {
                s: self.letter(),
                n,
            },
        };
        let store = self.store(StoreKind::KeyValue, false);
        let kind = self.inner_or_left();
        self.stored_table(Op::ForeignKeyJoin {
            kind,
            left,
            right,
            key,
            store,
        });
        true
    }
}
