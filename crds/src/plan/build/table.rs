//! Steps that keep a table or hold it back: `toTable`, `store`, `suppress`.

use super::store::NewStore;
use super::{At, Builder};
use crate::path::Path;
use crate::plan::flow::{Flow, FlowKind, Format};
use crate::plan::graph::{
    BufferBounds, NodeId, NodeKind, SerdeKind, StoreKind, SuppressUntil, WindowedKey,
};
use crate::topology::{Serdes, Suppress, Table, ToTable, WhenFull};

impl<'a> Builder<'a, '_> {
    pub(super) fn table_of_stream(
        &mut self,
        at: &At<'_>,
        flow: Flow,
        step: &ToTable,
    ) -> Option<Flow> {
        let formats = self.store_formats(&at.path.key("serdes"), &flow, &step.name, step.serdes)?;
        let name_path = at.path.key("name");
        let flow = match flow.rekeyed {
            Some(_) => {
                let topic = super::repartition::NewTopic {
                    name: &step.name,
                    path: &name_path,
                    formats,
                    drop_null_keys: true,
                    changes: false,
                };
                self.repartition(at, flow, &topic)?
            }
            None => flow,
        };
        let kind = self.versions(&at.path, step.versioned.as_ref())?;
        self.check_caching(&at.path, step.caching, kind);
        let windowed = flow.windowed.map(|windowed| windowed.key);
        self.check_versions_of_windows(&at.path, kind, windowed)?;
        let store = self.store(NewStore {
            kind,
            windowed,
            in_memory: step.in_memory,
            logging: step.logging,
            caching: step.caching,
            ..NewStore::new(&step.name, &name_path, formats)
        })?;
        let ty = flow.value.ty.clone();
        let node = NodeKind::ToTable {
            store,
            table: false,
        };
        let flow = self.table_of(at, &flow, store, ty, node);
        Some(Flow {
            versioned: kind != StoreKind::KeyValue,
            ..flow
        })
    }

    /// Keeps a computed table in the store that its declaration names.
    pub(super) fn keep(
        &mut self,
        name: &'a str,
        path: &Path,
        flow: Flow,
        (store, table): (&str, &Table),
    ) -> Option<Flow> {
        let at = At {
            owner: name,
            tag: "store",
            path: path.key("store"),
        };
        let kind = self.versions(path, table.versioned.as_ref())?;
        self.check_caching(path, table.caching, kind);
        let windowed = flow.windowed.map(|windowed| windowed.key);
        self.check_versions_of_windows(path, kind, windowed)?;
        let formats = self.store_formats(&at.path, &flow, store, Serdes::default())?;
        let new = NewStore {
            kind,
            windowed,
            in_memory: table.in_memory,
            logging: table.logging,
            caching: table.caching,
            ..NewStore::new(store, &at.path, formats)
        };
        self.kept_table((&at, &at.node_name()), flow, new)
    }

    /// Keeps a table's changes in a store, and passes them on.
    pub(super) fn kept_table(
        &mut self,
        (at, node_name): (&At<'_>, &str),
        flow: Flow,
        new: NewStore<'_>,
    ) -> Option<Flow> {
        let (key, value) = new.formats;
        let versioned = matches!(new.kind, StoreKind::Versioned { .. });
        let store = self.store(new)?;
        let kind = NodeKind::ToTable {
            store,
            table: self.tells_old(flow.node),
        };
        let node = self.node(node_name, &at.path, Some(flow.node), kind);
        Some(Flow {
            node,
            kind: FlowKind::Table { store: Some(store) },
            key: kept(&flow.key, key),
            value: kept(&flow.value, value),
            versioned,
            ..flow
        })
    }

    /// Whether the changes of a node tell the old value of a table that is kept right below. A table
    /// computed record by record asks its own store: where there is no row yet, the input may have a
    /// value all the same, such as an aggregation's initial one (KTableMapValues, KTableFilter).
    fn tells_old(&self, node: NodeId) -> bool {
        !matches!(
            self.graph.nodes[node.0].kind,
            NodeKind::Filter { .. } | NodeKind::Map { .. } | NodeKind::ForeignKeyAnswer { .. }
        )
    }

    fn check_versions_of_windows(
        &mut self,
        path: &Path,
        kind: StoreKind,
        windowed: Option<WindowedKey>,
    ) -> Option<()> {
        if kind == StoreKind::KeyValue || windowed.is_none() {
            return Some(());
        }
        let message = "the values of windows have no versions";
        self.refuse(&path.key("versioned"), message, "leave `versioned` out")
    }

    pub(super) fn suppress(&mut self, at: &At<'_>, flow: Flow, step: &Suppress) -> Option<Flow> {
        let ways = [
            ("untilWindowCloses", step.until_window_closes.is_some()),
            ("untilTimeLimit", step.until_time_limit.is_some()),
        ];
        self.one_of(&at.path, "until when", &ways)?;
        if flow.versioned {
            let message = "the changes of a versioned table cannot be held back";
            return self.refuse(&at.path, message, "leave `suppress` or `versioned` out");
        }
        let until = match &step.until_time_limit {
            Some(limit) => SuppressUntil::TimeLimit {
                limit_ms: self.duration(&at.path.key("untilTimeLimit"), limit, 0)?,
            },
            None => self.until_window_closes(at, &flow, step)?,
        };
        let bound = |builder: &mut Self, field: &str, value: Option<i64>| match value {
            None => Some(None),
            Some(bound) => match u64::try_from(bound) {
                Ok(bound) if bound > 0 => Some(Some(bound)),
                _ => builder.refuse(&at.path.key(field), "a bound is at least 1", "raise it"),
            },
        };
        let records = bound(self, "maxRecords", step.max_records)?;
        let bytes = bound(self, "maxBytes", step.max_bytes)?;
        let emit_early = step.when_full == WhenFull::EmitEarly;
        if emit_early && records.is_none() && bytes.is_none() {
            let message = "nothing says when the buffer is full";
            let help = "set `maxRecords` or `maxBytes`, or leave `whenFull` out";
            return self.refuse(&at.path.key("whenFull"), message, help);
        }
        let formats = self.store_formats(&at.path.key("serdes"), &flow, &step.name, step.serdes)?;
        let store = self.store(NewStore {
            windowed: flow.windowed.map(|windowed| windowed.key),
            in_memory: true,
            logging: step.logging,
            ..NewStore::new(&step.name, &at.path.key("name"), formats)
        })?;
        let kind = NodeKind::Suppress {
            store,
            until,
            bounds: BufferBounds {
                records,
                bytes,
                emit_early,
            },
        };
        let node = self.node(&at.node_name(), &at.path, Some(flow.node), kind);
        Some(Flow {
            node,
            kind: FlowKind::Table { store: None },
            key: kept(&flow.key, formats.0),
            value: kept(&flow.value, formats.1),
            ..flow
        })
    }

    fn until_window_closes(
        &mut self,
        at: &At<'_>,
        flow: &Flow,
        step: &Suppress,
    ) -> Option<SuppressUntil> {
        let Some(windowed) = flow.windowed else {
            let message = "keys have no window here that could close";
            let help = "use `untilTimeLimit`, or aggregate over windows before";
            return self.refuse(&at.path.key("untilWindowCloses"), message, help);
        };
        if step.when_full == WhenFull::EmitEarly {
            let message = "a result that goes early would not be the only one of its window";
            let help = "use `stop`, or `untilTimeLimit`";
            return self.refuse(&at.path.key("whenFull"), message, help);
        }
        Some(SuppressUntil::WindowCloses {
            grace_ms: windowed.grace_ms,
        })
    }
}

/// The format of what was written with this serde.
pub(super) fn kept(format: &Format, serde: SerdeKind) -> Format {
    Format {
        ty: format.ty.clone(),
        serde: Some(serde),
    }
}
