//! Steps that run a processor of the worker's image: `process`, `processValues`.

use std::collections::BTreeSet;

use millrace_expr::Type;

use super::store::NewStore;
use super::{At, Builder};
use crate::duration::duration;
use crate::limits;
use crate::path::Path;
use crate::plan::check::check_count;
use crate::plan::flow::{Flow, FlowKind, Format};
use crate::plan::graph::{
    GlobalTableId, NodeId, NodeKind, ProcessorStoreUse, SerdeKind, Store, StoreId, StoreKind,
};
use crate::plan::names::check_name;
use crate::problem::Problem;
use crate::suggest;
use crate::topology::{Process, ProcessorStore, ProcessorWindow, SerdeName};

/// A store that a processor uses and another step makes.
pub(super) struct UsedStore<'a> {
    /// The processor's node.
    node: NodeId,
    /// The store's name.
    name: &'a str,
    /// The field that names it.
    path: Path,
}

impl<'a> Builder<'a, '_> {
    pub(super) fn process(
        &mut self,
        at: &At<'a>,
        mut flow: Flow,
        step: &'a Process,
        fixed_key: bool,
    ) -> Option<Flow> {
        let path = at.path.key("processor");
        check_name("the processor", &step.processor, &path, self.problems);
        if fixed_key && step.serdes.key.is_some() {
            let message = "`processValues` keeps keys as they are, and so their format";
            let help = "leave it out, or use `process`";
            return self.refuse(&at.path.key("serdes").key("key"), message, help);
        }
        let stores = self.own_stores(at, step)?;
        self.check_uses(at, step);
        let kind = NodeKind::Process {
            processor: step.processor.clone(),
            fixed_key,
            stores,
            globals: Vec::new(),
        };
        flow.node = self.node(&at.node_name(), &at.path, Some(flow.node), kind);
        let uses = step.uses.iter().zip(0..);
        self.used_stores.extend(uses.map(|(name, index)| UsedStore {
            node: flow.node,
            name,
            path: at.path.key("uses").index(index),
        }));
        if !fixed_key {
            flow.key = forwarded(&flow.key, step.serdes.key);
            flow.rekeyed = Some(at.path.clone());
            flow.windowed = None;
        }
        flow.value = forwarded(&flow.value, step.serdes.value);
        Some(self.outputs(at, flow, &step.outputs))
    }

    /// The stores that the step itself makes.
    fn own_stores(&mut self, at: &At<'_>, step: &Process) -> Option<Vec<ProcessorStoreUse>> {
        let path = at.path.key("stores");
        let bounds = (0, limits::PROCESSOR_STORES);
        check_count(&path, "stores", step.stores.len(), bounds, self.problems);
        let stores = step.stores.iter().take(limits::PROCESSOR_STORES);
        let stores: Vec<Option<StoreId>> = stores
            .map(|(name, store)| self.new_store(&path.key(name), name, store))
            .collect();
        let used = |store: Option<StoreId>| {
            store.map(|store| ProcessorStoreUse {
                store,
                writes: true,
            })
        };
        stores.into_iter().map(used).collect()
    }

    fn new_store(&mut self, path: &Path, name: &str, store: &ProcessorStore) -> Option<StoreId> {
        let kind = self.store_kind(path, store)?;
        let formats = (
            SerdeKind::from(store.key.unwrap_or(self.defaults.key)),
            SerdeKind::from(store.value.unwrap_or(self.defaults.value)),
        );
        self.store(NewStore {
            kind,
            in_memory: store.in_memory,
            logging: store.logging,
            ..NewStore::new(name, path, formats)
        })
    }

    /// What a processor's own store keeps. `None` where that is refused.
    fn store_kind(&mut self, path: &Path, store: &ProcessorStore) -> Option<StoreKind> {
        let kinds = [
            ("window", store.window.is_some()),
            ("session", store.session.is_some()),
            ("versioned", store.versioned.is_some()),
        ];
        if kinds.iter().any(|(_, set)| *set) {
            self.one_of(path, "what the store keeps", &kinds)?;
        }
        if let Some(window) = &store.window {
            return self.kept_windows(&path.key("window"), window);
        }
        if let Some(session) = &store.session {
            let path = path.key("session").key("retention");
            let retention_ms = self.duration(&path, &session.retention, 1)?;
            return Some(StoreKind::Session { retention_ms });
        }
        self.versions(path, store.versioned.as_ref())
    }

    fn kept_windows(&mut self, path: &Path, window: &ProcessorWindow) -> Option<StoreKind> {
        let size_ms = self.duration(&path.key("size"), &window.size, 1)?;
        let path = path.key("retention");
        let retention_ms = self.duration(&path, &window.retention, 1)?;
        if retention_ms < size_ms {
            let message = format!(
                "windows last for {} and are kept for {} only",
                duration(size_ms),
                duration(retention_ms)
            );
            return self.refuse(&path, message, "keep them at least as long as they last");
        }
        Some(StoreKind::Window {
            size_ms,
            retention_ms,
            retain_duplicates: false,
        })
    }

    /// Each store is named once.
    fn check_uses(&mut self, at: &At<'_>, step: &Process) {
        let path = at.path.key("uses");
        let bounds = (0, limits::PROCESSOR_STORES);
        check_count(&path, "stores", step.uses.len(), bounds, self.problems);
        let mut seen: BTreeSet<&str> = step.stores.keys().map(String::as_str).collect();
        for (name, index) in step.uses.iter().zip(0..) {
            if !seen.insert(name) {
                let message = format!("the store `{name}` is named twice");
                let problem = Problem::new(&path.index(index), message).help("name it once");
                self.problems.add(problem);
            }
        }
    }

    /// Each output gets a node of its own, so that any number of streams can take it.
    fn outputs(&mut self, at: &At<'_>, flow: Flow, outputs: &'a [String]) -> Flow {
        let path = at.path.key("outputs");
        let bounds = (0, limits::BRANCHES);
        check_count(&path, "outputs", outputs.len(), bounds, self.problems);
        if outputs.is_empty() {
            return flow;
        }
        for (name, index) in outputs.iter().zip(0..) {
            let node = self.node(name, &path.index(index), Some(flow.node), NodeKind::Merge);
            let flow = flow.clone();
            self.flows.insert(name, Flow { node, ..flow });
        }
        Flow {
            kind: FlowKind::Split,
            ..flow
        }
    }

    /// Finds the stores of others that processors use, now that all are known.
    pub(super) fn find_used_stores(&mut self) {
        for used in std::mem::take(&mut self.used_stores) {
            let mut globals = self.graph.global_tables.iter().zip(0..);
            if let Some((_, table)) = globals.find(|(table, _)| table.store == used.name) {
                let kind = &mut self.graph.nodes[used.node.0].kind;
                if let NodeKind::Process { globals, .. } = kind {
                    globals.push(GlobalTableId(table));
                }
                continue;
            }
            let found = self.graph.stores.iter().find(|s| s.name == used.name);
            let Some(store) = found else {
                let name = used.name;
                let stores = self.graph.stores.iter().map(|store| store.name.as_str());
                let globals = self.graph.global_tables.iter();
                let names = stores.chain(globals.map(|table| table.store.as_str()));
                let message = format!("there is no store `{name}`");
                let none = "declare it under `stores` of one processor";
                let help = suggest::help(name, names, none);
                self.problems
                    .add(Problem::new(&used.path, message).help(help));
                continue;
            };
            match self.usable(store) {
                Ok(writes) => {
                    let store = store.id;
                    let kind = &mut self.graph.nodes[used.node.0].kind;
                    if let NodeKind::Process { stores, .. } = kind {
                        stores.push(ProcessorStoreUse { store, writes });
                    }
                }
                Err(why) => {
                    let message =
                        format!("a processor cannot use the store `{}`: {why}", used.name);
                    let help = "name a processor's own store, or a table's or global table's";
                    self.problems
                        .add(Problem::new(&used.path, message).help(help));
                }
            }
        }
    }

    /// Whether a store that another step makes may be written by a processor; or why it cannot even be
    /// read.
    fn usable(&self, store: &Store) -> Result<bool, &'static str> {
        if store.windowed.is_some() {
            return Err("its keys have windows");
        }
        let mut kinds = self.graph.nodes.iter().map(|node| &node.kind);
        let found = kinds.find_map(|kind| match kind {
            NodeKind::Process { stores, .. } => {
                let own = |used: &ProcessorStoreUse| used.store == store.id && used.writes;
                stores.iter().any(own).then_some(true)
            }
            NodeKind::TableSource { store: of, .. }
            | NodeKind::ToTable { store: of, .. }
            | NodeKind::Aggregate { store: of, .. }
            | NodeKind::TableAggregate { store: of, .. }
            | NodeKind::WindowedAggregate { store: of, .. } => (*of == store.id).then_some(false),
            _ => None,
        });
        found.ok_or("what it holds belongs to the step that makes it")
    }
}

/// What comes out of a processor: of a format that was named, else in the one that came in, whatever
/// it is.
fn forwarded(input: &Format, named: Option<SerdeName>) -> Format {
    match named {
        Some(serde) => Format::read(serde.into()),
        None => Format {
            ty: Type::Any,
            serde: input.serde,
        },
    }
}
