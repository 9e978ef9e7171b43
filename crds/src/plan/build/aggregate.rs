//! The steps that keep a table: aggregations and `toTable`.

use millrace_expr::{Scope, Type};

use super::{At, Builder, Choice, Part};
use crate::path::Path;
use crate::plan::flow::{Flow, FlowKind, Format, writes};
use crate::plan::graph::{Aggregation, NodeKind, SerdeKind, StoreId};
use crate::topology::{Aggregate, Count, Reduce, SerdeName, Serdes, ToTable};

impl<'a> Builder<'a, '_> {
    pub(super) fn aggregate(&mut self, at: &At<'_>, flow: Flow, step: &Aggregate) -> Option<Flow> {
        let flow = self.grouped(at, flow, &step.name)?;
        let initial_path = at.path.key("initial");
        let first = self.type_of(&initial_path, &step.initial, &Scope::new());
        let value_path = at.path.key("value");
        let Some(first) = first else {
            // Its type is unknown, but the other expression can be judged.
            let scope = flow.aggregate_scope(Type::Any);
            return self.type_of(&value_path, &step.value, &scope).and(None);
        };
        let explicit = step.serdes.value.map(SerdeKind::from);
        let serdes_path = at.path.key("serdes");
        let value = match explicit {
            Some(explicit) => explicit,
            None => {
                let place = format!("the store `{}`", step.name);
                let path = &serdes_path.key("value");
                let choice = Choice {
                    part: Part::Value,
                    explicit: None,
                    path,
                    place: &place,
                };
                self.choose(&choice, &flow.value.retyped(first))?
            }
        };
        let key = self.key_format(&serdes_path, &flow, &step.name, step.serdes.key);
        let ty = value.value_type();
        let initial = self.expression(&initial_path, &step.initial, &Scope::new(), &ty);
        let scope = flow.aggregate_scope(ty.clone());
        let update = self.expression(&value_path, &step.value, &scope, &ty);
        let (initial, update) = (initial?, update?);
        let result = update.result_type().clone();
        let store = self.store(
            &step.name,
            &at.path.key("name"),
            (key?, value),
            step.in_memory,
        )?;
        let aggregation = Aggregation::Aggregate { initial, update };
        Some(self.table_of(
            at,
            flow,
            store,
            result,
            NodeKind::Aggregate { store, aggregation },
        ))
    }

    pub(super) fn count(&mut self, at: &At<'_>, flow: Flow, step: &Count) -> Option<Flow> {
        let flow = self.grouped(at, flow, &step.name)?;
        let serdes_path = at.path.key("serdes");
        let value = SerdeKind::from(step.serdes.value.unwrap_or(SerdeName::Long));
        if !matches!(value, SerdeKind::Int | SerdeKind::Long | SerdeKind::Json) {
            let message = format!("a count is an int, which the format `{value}` cannot hold");
            return self.refuse(
                &serdes_path.key("value"),
                message,
                "use `long`, `int` or `json`",
            );
        }
        let key = self.key_format(&serdes_path, &flow, &step.name, step.serdes.key)?;
        let store = self.store(
            &step.name,
            &at.path.key("name"),
            (key, value),
            step.in_memory,
        )?;
        let kind = NodeKind::Aggregate {
            store,
            aggregation: Aggregation::Count,
        };
        Some(self.table_of(at, flow, store, Type::Int, kind))
    }

    pub(super) fn reduce(&mut self, at: &At<'_>, flow: Flow, step: &Reduce) -> Option<Flow> {
        let flow = self.grouped(at, flow, &step.name)?;
        let (key, value) =
            self.store_formats(&at.path.key("serdes"), &flow, &step.name, step.serdes)?;
        let ty = value.value_type();
        let scope = flow.aggregate_scope(ty.clone());
        let update = self.expression(&at.path.key("value"), &step.value, &scope, &ty)?;
        // The first value is forwarded as it is, so only the store's type holds for all.
        let store = self.store(
            &step.name,
            &at.path.key("name"),
            (key, value),
            step.in_memory,
        )?;
        let aggregation = Aggregation::Reduce(update);
        Some(self.table_of(
            at,
            flow,
            store,
            ty,
            NodeKind::Aggregate { store, aggregation },
        ))
    }

    pub(super) fn table_of_stream(
        &mut self,
        at: &At<'_>,
        flow: Flow,
        step: &ToTable,
    ) -> Option<Flow> {
        let formats = self.store_formats(&at.path.key("serdes"), &flow, &step.name, step.serdes)?;
        let name_path = at.path.key("name");
        let flow = match flow.rekeyed {
            Some(_) => self.repartition(at, flow, (&step.name, &name_path), formats)?,
            None => flow,
        };
        let store = self.store(&step.name, &name_path, formats, step.in_memory)?;
        let ty = flow.value.ty.clone();
        Some(self.table_of(
            at,
            flow,
            store,
            ty,
            NodeKind::ToTable {
                store,
                table: false,
            },
        ))
    }

    /// The records of a grouping, through a repartition topic where their key has changed.
    fn grouped(&mut self, at: &At<'_>, flow: Flow, name: &str) -> Option<Flow> {
        let FlowKind::Grouped(grouping) = &flow.kind else {
            return None;
        };
        if flow.rekeyed.is_none() {
            return Some(flow);
        }
        let grouping = grouping.clone();
        let path = grouping.path.key("serdes");
        let (topic, topic_path) = match &grouping.name {
            Some(name) => (name.as_str(), grouping.path.key("name")),
            None => (name, at.path.key("name")),
        };
        let place = format!("the repartition topic of `{name}`");
        let formats = self.formats(&path, &flow, &place, grouping.serdes)?;
        self.repartition(at, flow, (topic, &topic_path), formats)
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

    fn key_format(
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

    /// Adds the node that keeps a store; its results are the table in it.
    fn table_of(
        &mut self,
        at: &At<'_>,
        flow: Flow,
        store: StoreId,
        ty: Type,
        kind: NodeKind,
    ) -> Flow {
        let node = self.node(&at.node_name(), &at.path, Some(flow.node), kind);
        let kept = &self.graph.stores[store.0];
        debug_assert!(
            writes(kept.value, &ty),
            "a store holds what its node computes"
        );
        Flow {
            node,
            kind: FlowKind::Table { store: Some(store) },
            key: Format {
                ty: flow.key.ty,
                serde: Some(kept.key),
            },
            value: Format {
                ty,
                serde: Some(kept.value),
            },
            rekeyed: None,
        }
    }
}
