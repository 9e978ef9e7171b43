//! Where a source's records will be looked up under the keys that they come with: known before they are
//! processed, so that many rows can be fetched from memory at the same time.

use millrace_crds::plan::Windows;

use super::{Operation, ProcessorNode, Source, StoreSlot};
use crate::processor::first_window;

/// A store in which a source's records look up a row each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookedUp {
    /// Store slot.
    pub store: usize,
    /// Size and advance of its windows, ms.
    windows: Option<(i64, i64)>,
}

impl LookedUp {
    /// The start of the first window that a time is in, ms; 0 without windows.
    pub fn window(&self, time: i64) -> i64 {
        self.windows.map_or(0, |(size_ms, advance_ms)| {
            first_window(time, size_ms, advance_ms)
        })
    }
}

/// What a source's records look up.
pub(super) fn looked_up(
    source: &Source,
    nodes: &[ProcessorNode],
    stores: &[StoreSlot],
) -> Vec<LookedUp> {
    let mut found: Vec<LookedUp> = Vec::new();
    let mut open = vec![source.node];
    while let Some(place) = open.pop() {
        let node = &nodes[place];
        let (here, keeps_keys) = step(&node.operation, source);
        // In another format the bytes of the key are others.
        let here = here.filter(|here| stores[here.store].key.kind == source.key.kind);
        found.extend(here.filter(|here| !found.contains(here)));
        if keeps_keys {
            open.extend(&node.children);
        }
    }
    found
}

/// What a node looks up under a record's key, and whether its results have the same key.
fn step(operation: &Operation, source: &Source) -> (Option<LookedUp>, bool) {
    let row_in = |&store: &usize| {
        let windows = None;
        Some(LookedUp { store, windows })
    };
    match operation {
        Operation::Forward
        | Operation::Filter { .. }
        | Operation::Map { key: None, .. }
        | Operation::Peek { .. }
        | Operation::Split { .. } => (None, true),
        Operation::Upsert { store, .. }
        | Operation::Aggregate { store, .. }
        | Operation::Join { store, .. }
        | Operation::TableJoin { other: store, .. } => (row_in(store), true),
        Operation::Windowed(windowed) => {
            let own_time = source.timestamp.is_none() && !source.wall_clock;
            let here = match windowed.windows {
                Windows::Time {
                    size_ms,
                    advance_ms,
                } if own_time => Some(LookedUp {
                    store: windowed.store,
                    windows: Some((size_ms, advance_ms)),
                }),
                _ => None,
            };
            (here, false)
        }
        _ => (None, false),
    }
}
