//! [`diff`]: what a change of the topology means for state and tasks that exist.

use std::collections::BTreeMap;
use std::fmt;

use super::graph::{NodeKind, Plan, SerdeKind, Store, StoreKind, WindowedKey};

/// A store that both plans have, in different forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreChange {
    /// Name of the store.
    pub name: String,
    /// Formats of key and value before.
    pub old: (SerdeKind, SerdeKind),
    /// Formats of key and value after.
    pub new: (SerdeKind, SerdeKind),
    /// What it held before.
    pub old_kind: StoreKind,
    /// What it holds after.
    pub new_kind: StoreKind,
}

/// A repartition topic that both plans have, with different formats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepartitionChange {
    /// Name of the topic.
    pub topic: String,
    /// Formats of key and value before.
    pub old: (SerdeKind, SerdeKind),
    /// Formats of key and value after.
    pub new: (SerdeKind, SerdeKind),
}

/// A subtopology number under which the plans have different sources or stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubtopologyChange {
    /// The number.
    pub id: usize,
    /// Its sources and stores before; empty where there was no such subtopology.
    pub old: Vec<String>,
    /// Its sources and stores after; empty where there is no such subtopology any more.
    pub new: Vec<String>,
}

/// What changed from one plan to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Old and new application id, where they differ.
    pub application_id: Option<(String, String)>,
    /// Names of new stores.
    pub stores_added: Vec<String>,
    /// Names of stores that are gone; their changelog topics stay until someone deletes them.
    pub stores_removed: Vec<String>,
    /// Stores whose formats changed.
    pub stores_changed: Vec<StoreChange>,
    /// Repartition topics whose formats changed.
    pub repartitions_changed: Vec<RepartitionChange>,
    /// Topics that are read now and were not before.
    pub sources_added: Vec<String>,
    /// Topics that are not read any more.
    pub sources_removed: Vec<String>,
    /// Subtopologies that mean something else now: tasks are numbered anew.
    pub subtopologies_changed: Vec<SubtopologyChange>,
    /// Whether running members of the old and the new plan would disagree.
    pub restart: bool,
}

/// Compares a running plan with the one to run next.
pub fn diff(old: &Plan, new: &Plan) -> Diff {
    let (old_stores, new_stores) = (stores(old), stores(new));
    let (old_sources, new_sources) = (sources(old), sources(new));
    let ids = (old.application_id != new.application_id)
        .then(|| (old.application_id.clone(), new.application_id.clone()));
    Diff {
        application_id: ids,
        stores_added: added(&old_stores, &new_stores),
        stores_removed: added(&new_stores, &old_stores),
        stores_changed: changed(&old_stores, &new_stores, |name, old, new| StoreChange {
            name,
            old: (old.key, old.value),
            new: (new.key, new.value),
            old_kind: old.kind,
            new_kind: new.kind,
        }),
        repartitions_changed: changed(&repartitions(old), &repartitions(new), |topic, old, new| {
            RepartitionChange {
                topic,
                old: *old,
                new: *new,
            }
        }),
        sources_added: added(&old_sources, &new_sources),
        sources_removed: added(&new_sources, &old_sources),
        subtopologies_changed: subtopologies(old, new),
        restart: old.hash != new.hash,
    }
}

impl Diff {
    /// Whether nothing changed that members must agree on. Expressions may differ: pods can be
    /// replaced one after the other.
    pub fn is_empty(&self) -> bool {
        !self.restart
    }

    /// Whether the new plan can go on with the state and the offsets of the old one. It cannot where
    /// bytes that exist would be read in another format, or under another application id. Where it
    /// can but is not [empty](Self::is_empty), all members stop before the first of the new plan
    /// starts.
    pub fn compatible(&self) -> bool {
        self.application_id.is_none()
            && self.stores_changed.is_empty()
            && self.repartitions_changed.is_empty()
    }
}

impl fmt::Display for Diff {
    /// A line per change, then what follows from them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((old, new)) = &self.application_id {
            writeln!(
                f,
                "application id: {old} → {new} (another application, without state)"
            )?;
        }
        for name in &self.stores_added {
            writeln!(f, "+ store {name} (starts empty)")?;
        }
        for name in &self.stores_removed {
            writeln!(f, "- store {name} (its changelog topic stays)")?;
        }
        for change in &self.stores_changed {
            let StoreChange { name, old, new, .. } = change;
            let (old_kind, new_kind) = (change.old_kind, change.new_kind);
            if old_kind == new_kind {
                writeln!(f, "! store {name}: {} → {}", formats(old), formats(new))?;
            } else {
                let (old, new) = (formats(old), formats(new));
                writeln!(f, "! store {name}: {old_kind:?} {old} → {new_kind:?} {new}")?;
            }
        }
        for RepartitionChange { topic, old, new } in &self.repartitions_changed {
            writeln!(
                f,
                "! repartition topic {topic}: {} → {}",
                formats(old),
                formats(new)
            )?;
        }
        for name in &self.sources_added {
            writeln!(f, "+ reads {name}")?;
        }
        for name in &self.sources_removed {
            writeln!(f, "- reads {name}")?;
        }
        for SubtopologyChange { id, old, new } in &self.subtopologies_changed {
            writeln!(f, "~ subtopology {id}: {} → {}", list(old), list(new))?;
        }
        f.write_str(match (self.compatible(), self.is_empty()) {
            (true, true) => "compatible: pods can be replaced one after the other",
            (true, false) if self.stores_removed.is_empty() => {
                "compatible: all pods stop, then all start; state and offsets are kept"
            }
            (true, false) => {
                "gives up the state of the stores that are gone; a store with another name starts \
                 empty, while its input goes on from the committed offsets"
            }
            (false, _) => {
                "incompatible: what exists cannot be read by the new plan; run it under \
                           another applicationId, or name the changed stores and topics anew"
            }
        })
    }
}

fn formats((key, value): &(SerdeKind, SerdeKind)) -> String {
    format!("({key}, {value})")
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        format!("[{}]", names.join(", "))
    }
}

fn stores(plan: &Plan) -> BTreeMap<String, &Store> {
    plan.stores
        .iter()
        .map(|store| (store.name.clone(), store))
        .collect()
}

fn sources(plan: &Plan) -> BTreeMap<String, ()> {
    plan.source_topics()
        .into_iter()
        .map(|(topic, _)| (topic.to_owned(), ()))
        .collect()
}

fn repartitions(plan: &Plan) -> BTreeMap<String, (SerdeKind, SerdeKind)> {
    let sinks = plan.nodes.iter().filter_map(|node| match &node.kind {
        NodeKind::RepartitionSink {
            topic, key, value, ..
        } => Some((topic.name().to_owned(), (*key, *value))),
        _ => None,
    });
    sinks.collect()
}

fn added<T>(old: &BTreeMap<String, T>, new: &BTreeMap<String, T>) -> Vec<String> {
    new.keys()
        .filter(|name| !old.contains_key(*name))
        .cloned()
        .collect()
}

/// Entries of both maps whose formats differ.
fn changed<T: Formats, C>(
    old: &BTreeMap<String, T>,
    new: &BTreeMap<String, T>,
    change: impl Fn(String, &T, &T) -> C,
) -> Vec<C> {
    let both = old
        .iter()
        .filter_map(|(name, old)| Some((name, old, new.get(name)?)));
    let differ = both.filter(|(_, old, new)| old.form() != new.form());
    differ
        .map(|(name, old, new)| change(name.clone(), old, new))
        .collect()
}

/// Something whose bytes have a form.
trait Formats {
    type Form: PartialEq;
    fn form(&self) -> Self::Form;
}

impl Formats for &Store {
    type Form = (SerdeKind, SerdeKind, StoreKind, Option<WindowedKey>);

    /// How long rows are kept may change; how they are keyed may not.
    fn form(&self) -> Self::Form {
        let kind = match self.kind {
            StoreKind::KeyValue => StoreKind::KeyValue,
            StoreKind::Versioned { .. } => StoreKind::Versioned {
                history_retention_ms: 0,
            },
            StoreKind::Window {
                retain_duplicates, ..
            } => StoreKind::Window {
                size_ms: 0,
                retention_ms: 0,
                retain_duplicates,
            },
            StoreKind::Session { .. } => StoreKind::Session { retention_ms: 0 },
        };
        (self.key, self.value, kind, self.windowed)
    }
}

impl Formats for (SerdeKind, SerdeKind) {
    type Form = Self;

    fn form(&self) -> Self {
        *self
    }
}

fn subtopologies(old: &Plan, new: &Plan) -> Vec<SubtopologyChange> {
    let count = old.subtopologies.len().max(new.subtopologies.len());
    let changes = (0..count).map(|id| SubtopologyChange {
        id,
        old: contents(old, id),
        new: contents(new, id),
    });
    changes.filter(|change| change.old != change.new).collect()
}

/// Sources and stores of a subtopology, by name.
fn contents(plan: &Plan, id: usize) -> Vec<String> {
    let Some(subtopology) = plan.subtopologies.get(id) else {
        return Vec::new();
    };
    let sources = subtopology
        .sources
        .iter()
        .map(|topic| topic.name().to_owned());
    let mut stores: Vec<String> = subtopology
        .stores
        .iter()
        .map(|id| format!("store {}", plan.store(*id).name))
        .collect();
    stores.sort_unstable();
    sources.chain(stores).collect()
}
