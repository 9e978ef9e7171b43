//! Stores: names, formats, what they hold.

use super::{At, Builder, Choice, Part};
use std::collections::BTreeMap;

use crate::limits;
use crate::path::Path;
use crate::plan::check::check_count;
use crate::plan::flow::{Flow, Windowed};
use crate::plan::graph::{SerdeKind, Store, StoreId, StoreKind, WindowedKey};
use crate::plan::names::check_name;
use crate::plan::spec;
use crate::plan::topics;
use crate::problem::Problem;
use crate::suggest;
use crate::topology::{SerdeName, Serdes};

/// A store to be added.
#[derive(Clone, Copy)]
pub(super) struct NewStore<'s> {
    /// Its name.
    pub name: &'s str,
    /// The field that names it.
    pub path: &'s Path,
    /// Formats of key and value.
    pub formats: (SerdeKind, SerdeKind),
    /// What it holds.
    pub kind: StoreKind,
    /// Whether its keys have a window beside them.
    pub windowed: Option<WindowedKey>,
    /// Kept in memory.
    pub in_memory: bool,
    /// Logged; by default it is.
    pub logging: Option<bool>,
    /// Changes go on once a commit.
    pub caching: bool,
}

impl<'s> NewStore<'s> {
    /// A key-value store on disk, logged.
    pub(super) fn new(name: &'s str, path: &'s Path, formats: (SerdeKind, SerdeKind)) -> Self {
        Self {
            name,
            path,
            formats,
            kind: StoreKind::KeyValue,
            windowed: None,
            in_memory: false,
            logging: None,
            caching: false,
        }
    }
}

impl Builder<'_, '_> {
    /// Adds a store. `None` where the name is ill-formed or taken.
    pub(super) fn store(&mut self, store: NewStore<'_>) -> Option<StoreId> {
        self.claim_store_name(store.name, store.path)?;
        let changelog = topics::changelog_topic(self.application_id, store.name);
        let id = StoreId(self.graph.stores.len());
        self.graph.stores.push(Store {
            id,
            name: store.name.to_owned(),
            key: store.formats.0,
            windowed: store.windowed,
            value: store.formats.1,
            kind: store.kind,
            changelog: store.logging.unwrap_or(true).then_some(changelog),
            in_memory: store.in_memory,
            supplier: None,
            caching: store.caching,
            subtopology: 0,
        });
        Some(id)
    }

    /// Gives the stores their suppliers, now that all are known.
    pub(super) fn supply_stores(&mut self, suppliers: &BTreeMap<String, String>) {
        let path = spec().key("topology").key("storeSuppliers");
        let (count, bounds) = (suppliers.len(), (0, limits::SUPPLIED_STORES));
        check_count(&path, "stores", count, bounds, self.problems);
        for (name, supplier) in suppliers.iter().take(limits::SUPPLIED_STORES) {
            let path = path.key(name);
            check_name("the supplier", supplier, &path, self.problems);
            let store = self
                .graph
                .stores
                .iter_mut()
                .find(|store| store.name == *name);
            let Some(store) = store else {
                let names = self.graph.stores.iter().map(|store| store.name.as_str());
                let help = suggest::help(name, names, "the topology has none");
                let message = format!("there is no store `{name}` that could be supplied");
                self.problems.add(Problem::new(&path, message).help(help));
                continue;
            };
            let why = match store.kind {
                StoreKind::KeyValue if store.in_memory => "it is kept in memory",
                StoreKind::KeyValue => {
                    store.supplier = Some(supplier.clone());
                    continue;
                }
                StoreKind::Versioned { .. } => "it keeps versions",
                StoreKind::Window { .. } => "it keeps windows",
                StoreKind::Session { .. } => "it keeps sessions",
            };
            let message = format!("the store `{name}` cannot be supplied: {why}");
            let help = "leave it out here; suppliers keep plain key-value stores";
            self.problems.add(Problem::new(&path, message).help(help));
        }
    }

    /// Refuses a cache of a store whose changes all go on. `path` is that of what declares the store.
    pub(super) fn check_caching(&mut self, path: &Path, caching: bool, kind: StoreKind) {
        if caching && matches!(kind, StoreKind::Versioned { .. }) {
            let message = "each version of a row goes on: there is nothing to hold back";
            let _: Option<()> = self.refuse(&path.key("caching"), message, "leave `caching` out");
        }
    }

    /// Takes a name for a store; `None`, with a problem, where it is ill-formed or taken.
    pub(super) fn claim_store_name(&mut self, name: &str, path: &Path) -> Option<()> {
        if !check_name("the store name", name, path, self.problems) {
            return None;
        }
        if let Some(other) = self.store_paths.get(name) {
            let message = format!("the store name `{name}` is taken, by {other}");
            let help = "give each store a name of its own: it names the changelog topic";
            self.problems.add(Problem::new(path, message).help(help));
            return None;
        }
        self.store_paths.insert(name.to_owned(), path.clone());
        Some(())
    }

    /// The kind of a store that may keep earlier versions. `None` where the duration is refused.
    pub(super) fn versions(
        &mut self,
        path: &Path,
        versioned: Option<&crate::topology::Versioned>,
    ) -> Option<StoreKind> {
        let Some(versioned) = versioned else {
            return Some(StoreKind::KeyValue);
        };
        let path = path.key("versioned").key("retention");
        let history_retention_ms = self.duration(&path, &versioned.retention, 1)?;
        Some(StoreKind::Versioned {
            history_retention_ms,
        })
    }

    /// Formats for a store of what flows.
    pub(super) fn store_formats(
        &mut self,
        path: &Path,
        flow: &Flow,
        store: &str,
        serdes: Serdes,
    ) -> Option<(SerdeKind, SerdeKind)> {
        self.formats(path, flow, &format!("the store `{store}`"), serdes)
    }

    /// Formats for what flows; `path` is that of the fields `key` and `value`.
    pub(super) fn formats(
        &mut self,
        path: &Path,
        flow: &Flow,
        place: &str,
        serdes: Serdes,
    ) -> Option<(SerdeKind, SerdeKind)> {
        let (key_path, value_path) = (path.key("key"), path.key("value"));
        let key = Choice {
            part: Part::Key,
            explicit: serdes.key,
            path: &key_path,
            place,
        };
        let value = Choice {
            part: Part::Value,
            explicit: serdes.value,
            path: &value_path,
            place,
        };
        let (key, value) = (
            self.choose(&key, &flow.key),
            self.choose(&value, &flow.value),
        );
        Some((key?, value?))
    }

    /// The format of a store's keys; `path` is that of the fields `key` and `value`.
    pub(super) fn key_format(
        &mut self,
        path: &Path,
        flow: &Flow,
        store: &str,
        explicit: Option<SerdeName>,
    ) -> Option<SerdeKind> {
        let place = format!("the store `{store}`");
        let choice = Choice {
            part: Part::Key,
            explicit,
            path: &path.key("key"),
            place: &place,
        };
        self.choose(&choice, &flow.key)
    }

    /// Refuses keys with a window where a step needs plain ones.
    pub(super) fn plain_keys(&mut self, at: &At<'_>, windowed: Option<Windowed>) -> Option<()> {
        if windowed.is_none() {
            return Some(());
        }
        self.refuse(
            &at.path,
            format!(
                "`{}` needs plain keys, but each key has a window here",
                at.tag
            ),
            "make a key of key and window before, on a stream: `- toStream: {}` and \
             `- selectKey: …`, such as `key + \"@\" + string(window.start)`",
        )
    }
}
