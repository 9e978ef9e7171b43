//! Where a source's records will be looked up under the keys that they come with: known before they are
//! processed, so that many rows can be fetched from memory at the same time.

use millrace_crds::plan::Windows;

use super::{Operation, ProcessorNode, Source, StoreSlot};
use crate::processor::first_window;

/// A store in which a source's records look up a row each, or rows of a time each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookedUp {
    /// Store slot.
    pub store: usize,
    rows: Rows,
}

/// Which rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rows {
    /// The key's only one.
    OfKey,
    /// That of the first window that the record is in: size and advance, ms.
    OfWindow(i64, i64),
    /// Those so much later than the record, ms.
    Later(i64),
}

impl LookedUp {
    /// The time of what a record of some time looks up, ms: a window's start; 0 without windows.
    pub fn time(&self, time: i64) -> i64 {
        match self.rows {
            Rows::OfKey => 0,
            Rows::OfWindow(size_ms, advance_ms) => first_window(time, size_ms, advance_ms),
            Rows::Later(ms) => time.saturating_add(ms),
        }
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
    // What a record reaches in several ways is looked at once.
    let mut seen = vec![false; nodes.len()];
    while let Some(place) = open.pop() {
        if std::mem::replace(&mut seen[place], true) {
            continue;
        }
        let node = &nodes[place];
        let (here, keeps_keys) = step(&node.operation, source);
        // In another format the bytes of the key are others.
        for here in here {
            if stores[here.store].key.kind == source.key.kind && !found.contains(&here) {
                found.push(here);
            }
        }
        if keeps_keys {
            open.extend(&node.children);
        }
    }
    found
}

/// What a node looks up under a record's key, and whether its results have the same key.
fn step(operation: &Operation, source: &Source) -> (Vec<LookedUp>, bool) {
    let row_in = |&store: &usize| {
        let rows = Rows::OfKey;
        vec![LookedUp { store, rows }]
    };
    let own_time = source.timestamp.is_none() && !source.wall_clock;
    match operation {
        Operation::Forward
        | Operation::Filter { .. }
        | Operation::Map { key: None, .. }
        | Operation::Peek { .. }
        | Operation::Split { .. } => (Vec::new(), true),
        Operation::Upsert { store, .. }
        | Operation::Aggregate { store, .. }
        | Operation::Join { store, .. }
        | Operation::TableJoin { other: store, .. } => (row_in(store), true),
        Operation::Windowed(windowed) => {
            let here = match windowed.windows {
                Windows::Time {
                    size_ms,
                    advance_ms,
                } if own_time => vec![LookedUp {
                    store: windowed.store,
                    rows: Rows::OfWindow(size_ms, advance_ms),
                }],
                _ => Vec::new(),
            };
            (here, false)
        }
        Operation::StreamJoin(_) if !own_time => (Vec::new(), true),
        Operation::StreamJoin(join) => {
            let (before_ms, after_ms) = join.reach();
            let at = |store, ms| LookedUp {
                store,
                rows: Rows::Later(ms),
            };
            let here = vec![
                at(join.other, -before_ms),
                at(join.other, after_ms),
                at(join.own, 0),
            ];
            (here, true)
        }
        _ => (Vec::new(), false),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::api::Processors;
    use crate::topology::{OutTopics, ProcessorTopology};

    /// Stores that the records of the first source are looked up in, and the windows of a time in each.
    fn of(topology: &str, time: i64) -> Vec<(String, i64)> {
        let app = format!(
            "apiVersion: millrace.dev/v1alpha1\nkind: StreamApp\nmetadata: {{name: app}}\nspec:\n  \
             kafka: {{bootstrapServers: \"none:9092\"}}\n  defaults: {{key: string, value: json}}\n  \
             topology:\n{topology}"
        );
        let documents = millrace_crds::read::read_documents(&app, "test").unwrap();
        let plan = documents[0].plan().unwrap();
        let topics = OutTopics::new(&plan, "none");
        let built = ProcessorTopology::build(&plan, 0, &topics, "none", &Processors::new());
        let built = built.unwrap();
        let name = |slot: usize| plan.store(built.stores[slot].id).name.clone();
        let found = built.sources[0].looked_up.iter();
        found
            .map(|found| (name(found.store), found.time(time)))
            .collect()
    }

    #[test]
    fn what_keeps_its_key_is_looked_up_wherever_it_goes() {
        let found = of(
            r#"
    streams:
      in: {topic: in}
      some: {from: in, steps: [{filter: value != null}, {mapValues: value}]}
      others: {from: in, steps: [{peek: {}}]}
      all: {merge: [some, others]}
    tables:
      windows:
        from: all
        steps: [{groupByKey: {}}, {windowedBy: {tumbling: {size: 10ms}}}, {count: {name: w}}]
      counts: {from: all, steps: [{groupByKey: {}}, {count: {name: c}}]}
"#,
            25,
        );
        let expected = [("c".to_owned(), 0), ("w".to_owned(), 20)];
        assert_eq!(
            found.into_iter().collect::<std::collections::BTreeSet<_>>(),
            expected.into()
        );
    }

    #[test]
    fn a_join_of_streams_looks_both_ways_and_writes() {
        let found = of(
            r#"
    streams:
      in: {topic: in}
      others: {topic: others}
      joined:
        from: in
        steps:
        - {join: {stream: others, before: 10ms, after: 20ms, grace: 5ms, name: j, value: left}}
"#,
            100,
        );
        let (this, other) = ("j-this-join-store", "j-other-join-store");
        let expected = [(other, 90), (other, 120), (this, 100)];
        let found: Vec<_> = found.iter().map(|(name, time)| (&**name, *time)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_new_key_and_a_key_in_another_format_are_not() {
        let found = of(
            r#"
    streams:
      in: {topic: in}
    tables:
      counts:
        from: in
        steps: [{groupBy: {key: value.other}}, {count: {name: c}}]
"#,
            0,
        );
        assert_eq!(found, []);
    }
}
