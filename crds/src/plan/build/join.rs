//! Joins of a stream with a table.

use millrace_expr::Type;

use super::{At, Builder, Choice, Part};
use crate::plan::flow::{Flow, FlowKind, writes};
use crate::plan::graph::{NodeKind, SerdeKind, StoreId};
use crate::topology::Join;

impl<'a> Builder<'a, '_> {
    pub(super) fn join(
        &mut self,
        at: &At<'_>,
        flow: Flow,
        join: &Join,
        left: bool,
    ) -> Option<Flow> {
        let Some(store) = self.joined_store(at, join) else {
            // The table is unknown, but the expression can be judged as far as that goes.
            let scope = flow.join_scope(Type::Any);
            return self
                .type_of(&at.path.key("value"), &join.value, &scope)
                .and(None);
        };
        let kept = &self.graph.stores[store.0];
        let (key, right) = (kept.key, kept.value.value_type());
        let flow = match flow.rekeyed {
            Some(_) => self.copartition(at, flow, join, key)?,
            None => self.check_keys(at, flow, join, key)?,
        };
        let scope = flow.join_scope(right);
        let value = self.expression(&at.path.key("value"), &join.value, &scope, &Type::Any)?;
        let ty = value.result_type().clone();
        let kind = NodeKind::StreamTableJoin {
            store,
            left,
            value,
            grace: None,
        };
        let node = self.node(&at.node_name(), &at.path, Some(flow.node), kind);
        Some(Flow {
            node,
            value: flow.value.retyped(ty),
            ..flow
        })
    }

    fn joined_store(&mut self, at: &At<'_>, join: &Join) -> Option<StoreId> {
        let path = at.path.key("table");
        let name = &join.table;
        let table = self.input(&path, name)?;
        match table.kind {
            FlowKind::Table { store: Some(store) } => Some(store),
            FlowKind::Table { store: None } => {
                let message = format!("the table `{name}` is computed anew and kept in no store");
                self.refuse(
                    &path,
                    message,
                    &format!("name one: `store` of the table `{name}`"),
                )
            }
            kind => {
                let message = format!(
                    "`{name}` is {}; the right side of a join is a table",
                    kind.what()
                );
                self.refuse(
                    &path,
                    message,
                    "declare it under `tables`, or derive a table from it \
                                             with `toTable`",
                )
            }
        }
    }

    /// Sends a stream whose key has changed to where the table has that key.
    fn copartition(
        &mut self,
        at: &At<'_>,
        flow: Flow,
        join: &Join,
        table_key: SerdeKind,
    ) -> Option<Flow> {
        let Some(name) = &join.name else {
            let changed = flow
                .rekeyed
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default();
            let message = format!(
                "the stream goes through a repartition topic here, because {changed} changed its \
                 key, and that topic has no name"
            );
            let help = format!(
                "add `name`: the topic will be `{}-<name>-repartition`",
                self.application_id
            );
            return self.refuse(&at.path, message, &help);
        };
        let explicit = join.serdes.key.map(SerdeKind::from);
        if !writes(table_key, &flow.key.ty) || explicit.is_some_and(|key| key != table_key) {
            let key = explicit.map_or(flow.key.ty.to_string(), |key| format!("`{key}`"));
            return self.different_keys(at, join, &key, table_key);
        }
        let place = format!("the repartition topic of `{name}`");
        let path = at.path.key("serdes").key("value");
        let explicit = join.serdes.value;
        let choice = Choice {
            part: Part::Value,
            explicit,
            path: &path,
            place: &place,
        };
        let value = self.choose(&choice, &flow.value)?;
        self.repartition(at, flow, (name, &at.path.key("name")), (table_key, value))
    }

    /// The keys of both sides must be the same bytes, or equal keys never meet.
    fn check_keys(
        &mut self,
        at: &At<'_>,
        flow: Flow,
        join: &Join,
        table_key: SerdeKind,
    ) -> Option<Flow> {
        match flow.key.serde {
            Some(key) if key != table_key => {
                self.different_keys(at, join, &format!("`{key}`"), table_key)
            }
            _ => Some(flow),
        }
    }

    fn different_keys<T>(
        &mut self,
        at: &At<'_>,
        join: &Join,
        left: &str,
        right: SerdeKind,
    ) -> Option<T> {
        let table = &join.table;
        let message = format!(
            "the keys do not match: those of the stream are {left}, those of the table `{table}` \
             are `{right}`, so equal keys would never meet"
        );
        let help = format!(
            "read both with one key format, or convert with `- selectKey: …` and give this step a \
             `name` for its repartition topic (key format `{right}`)"
        );
        self.refuse(&at.path, message, &help)
    }
}
