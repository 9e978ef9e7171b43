//! Windows at random, and what holds their results back.

use super::Generator;
use crate::oracle::case::{Cogrouped, Emit, Op, StoreKind, Window};
use crate::oracle::function::Aggregation;

/// Longer than any case lasts, ms; as in Aggregations.java.
const LONG: i64 = 1_000 * 24 * 3_600_000;

impl Generator {
    fn window(&mut self) -> Window {
        let grace = self.random.between(0, 8) * self.unit;
        let size = self.random.between(2, 15) * self.unit;
        match self.random.below(4) {
            0 => Window::Tumbling { size, grace },
            1 => Window::Hopping {
                size,
                advance: (size / self.random.between(1, 4)).max(1),
                grace,
            },
            2 => Window::Sliding { size, grace },
            _ => Window::Session {
                gap: self.random.between(1, 6) * self.unit,
                grace,
            },
        }
    }

    /// The store of windows of a kind.
    fn window_store(&mut self, window: Window, long: bool) -> String {
        let (kind, size) = match window {
            Window::Session { .. } => (StoreKind::Session, None),
            Window::Tumbling { size, .. }
            | Window::Hopping { size, .. }
            | Window::Sliding { size, .. } => (StoreKind::Window, Some(size)),
        };
        let store = self.store(kind, long);
        if let Some(rows) = self.stores.last_mut() {
            rows.size = size;
        }
        store
    }

    pub(super) fn windowed_aggregate(&mut self) -> bool {
        let from = self.any_stream();
        let (window, with) = (self.window(), self.aggregation());
        let group_by = self.random.percent(30).then(|| self.key_fn());
        let session = matches!(window, Window::Session { .. });
        let on_close = self.random.percent(if session { 60 } else { 40 });
        let store = self.window_store(window, with == Aggregation::Count);
        if on_close && !session {
            // How long such windows are kept is not the same on both sides, see Aggregations.java.
            self.stores.pop();
        }
        let retention = self.retention(window, on_close);
        let op = Op::Aggregate {
            from,
            group_by,
            group_value: None,
            window: Some(window),
            emit: on_close.then_some(Emit::Close),
            retention,
            with,
            store,
        };
        self.windowed_table(op, window, !on_close);
        true
    }

    /// How long windows are kept, where that is not left to each side.
    fn retention(&mut self, window: Window, on_close: bool) -> Option<i64> {
        let (session, least) = match window {
            Window::Session { gap, grace } => (true, gap + grace),
            Window::Tumbling { size, grace } | Window::Hopping { size, grace, .. } => {
                (false, size + grace)
            }
            // A record changes windows that begin and end before it.
            Window::Sliding { size, grace } => (false, 2 * size + grace),
        };
        if on_close && !session {
            return None;
        }
        // Kafka Streams loses sessions whose segment (a minute at least) expires before they are
        // forwarded. Where a case may last longer than that, both sides keep them for ever: not one
        // side alone, because a late record joins any session that it still finds, closed or not.
        if on_close && self.unit > 1 {
            return Some(LONG);
        }
        let longer = least + self.random.between(0, 30) * self.unit;
        self.random.percent(25).then_some(longer)
    }

    pub(super) fn cogroup(&mut self) -> bool {
        let sum = self.random.percent(30);
        let windowed = self.random.percent(60);
        let window = windowed.then(|| self.window());
        let mut inputs: Vec<Cogrouped> = Vec::new();
        for _ in 0..self.random.between(2, 4) {
            let from = self.any_stream();
            // A stream takes part once.
            if inputs.iter().all(|input| input.from != from) {
                let group_by = self.random.percent(30).then(|| self.key_fn());
                let with = match sum {
                    true => Aggregation::Sum,
                    false => Aggregation::Concat,
                };
                inputs.push(Cogrouped {
                    from,
                    group_by,
                    with,
                });
            }
        }
        if inputs.len() < 2 {
            return false;
        }
        let store = match window {
            Some(window) => self.window_store(window, false),
            None => self.store(StoreKind::KeyValue, false),
        };
        let op = Op::Cogroup {
            inputs,
            window,
            store,
        };
        match window {
            Some(window) => self.windowed_table(op, window, true),
            None => self.stored_table(op),
        }
        true
    }

    pub(super) fn suppress(&mut self) -> bool {
        let until_close = self.random.percent(65);
        let fits = |table: &super::TableFlow| match until_close {
            true => table.closes,
            false => table.versioned.is_none(),
        };
        let Some(table) = self.table_where(fits) else {
            return false;
        };
        let limit = self.random.between(0, 12) * self.unit;
        let records = self.random.between(1, 4);
        let (few, small) = (self.random.percent(40), self.random.percent(40));
        // A record is about 60 bytes, most of them the name of its topic, times and offset.
        let bytes = self.random.between(50, 250);
        let op = Op::Suppress {
            from: table.name.clone(),
            limit: (!until_close).then_some(limit),
            records: (!until_close && few).then_some(records),
            bytes: (!until_close && small).then_some(bytes),
        };
        let name = self.add(op);
        self.tables.push(super::TableFlow {
            name,
            stored: false,
            closes: false,
            ..table
        });
        true
    }

    pub(super) fn window_key(&mut self) -> bool {
        let Some(table) = self.table_where(|table| table.windowed.is_some()) else {
            return false;
        };
        self.stream(Op::WindowKey { from: table.name });
        true
    }
}
