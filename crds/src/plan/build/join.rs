//! Joins: which kind a step is, and those of a stream with a table or a global table.

use millrace_expr::Type;

use super::repartition::NewTopic;
use super::store::NewStore;
use super::{At, Builder, Choice, Part};
use crate::plan::flow::{Flow, FlowKind, writes};
use crate::plan::graph::{JoinGrace, JoinKind, NodeKind, SerdeKind, StoreId, StoreKind};
use crate::topology::Join;

impl<'a> Builder<'a, '_> {
    pub(super) fn join(
        &mut self,
        at: &At<'_>,
        flow: Flow,
        join: &Join,
        kind: JoinKind,
    ) -> Option<Flow> {
        let sides = [
            ("table", join.table.is_some()),
            ("stream", join.stream.is_some()),
            ("globalTable", join.global_table.is_some()),
        ];
        let side = self.one_of(&at.path, "what is on the right", &sides)?;
        self.plain_keys(at, flow.windowed)?;
        let table = matches!(flow.kind, FlowKind::Table { .. });
        match side {
            _ if table && side != "table" => self.refuse(
                &at.path.key(side),
                "a table comes in here, which joins only tables",
                "name a `table`, or put `- toStream: {}` before to join each change",
            ),
            "table" if table && join.foreign_key.is_some() => {
                self.foreign_key_join(at, &flow, join, kind)
            }
            "table" if table => self.table_join(at, flow, join, kind),
            "stream" => self.stream_join(at, flow, join, kind),
            _ if kind == JoinKind::Outer => self.refuse(
                &at.path,
                "rows without a record cause no result: only the stream's side does",
                "use `leftJoin`; `outerJoin` is of two streams or two tables",
            ),
            "table" => self.stream_table_join(at, flow, join, kind == JoinKind::Left),
            _ => self.global_join(at, flow, join, kind == JoinKind::Left),
        }
    }

    /// Refuses fields that mean nothing for this kind of join.
    pub(super) fn only_fields(&mut self, at: &At<'_>, join: &Join, what: &str, known: &[&str]) {
        let fields = [
            ("lookup", join.lookup.is_some()),
            ("foreignKey", join.foreign_key.is_some()),
            ("before", join.before.is_some()),
            ("after", join.after.is_some()),
            ("grace", join.grace.is_some()),
            ("name", join.name.is_some()),
            ("store", join.store.is_some()),
            (
                "serdes",
                join.serdes.key.is_some() || join.serdes.value.is_some(),
            ),
            ("rightValue", join.right_value.is_some()),
            ("inMemory", join.in_memory),
        ];
        for (field, _) in fields.iter().filter(|(f, set)| *set && !known.contains(f)) {
            let message = format!("`{field}` means nothing in {what}");
            let _: Option<()> = self.refuse(&at.path.key(field), message, "leave it out");
        }
    }

    fn stream_table_join(
        &mut self,
        at: &At<'_>,
        flow: Flow,
        join: &Join,
        left: bool,
    ) -> Option<Flow> {
        let known = ["grace", "name", "serdes", "inMemory"];
        self.only_fields(at, join, "a join of a stream with a table", &known);
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
            Some(_) => self.copartition(at, flow, (join, left), key)?,
            None => self.check_keys(at, flow, join, key)?,
        };
        let scope = flow.join_scope(right);
        let value = self.expression(&at.path.key("value"), &join.value, &scope, &Type::Any)?;
        let computed = flow.value.computed(Some(&value));
        let grace = self.join_grace(at, &flow, join, store)?;
        let kind = NodeKind::StreamTableJoin {
            store,
            left,
            value,
            grace,
        };
        let node = self.node(&at.node_name(), &at.path, Some(flow.node), kind);
        Some(Flow {
            node,
            value: computed,
            ..flow
        })
    }

    /// Where records are held back for the versions of the table to come (KIP-923).
    fn join_grace(
        &mut self,
        at: &At<'_>,
        flow: &Flow,
        join: &Join,
        table: StoreId,
    ) -> Option<Option<JoinGrace>> {
        let Some(grace) = &join.grace else {
            if join.in_memory {
                let message = "without `grace` no record is held back that could be kept in memory";
                return self.refuse(&at.path.key("inMemory"), message, "leave it out");
            }
            return Some(None);
        };
        let path = at.path.key("grace");
        let grace_ms = self.duration(&path, grace, 0)?;
        let StoreKind::Versioned {
            history_retention_ms,
        } = self.graph.stores[table.0].kind
        else {
            let message = "a table without earlier versions has only the latest to join with";
            return self.refuse(
                &path,
                message,
                "set `versioned` on the table, or leave it out",
            );
        };
        if grace_ms > history_retention_ms {
            let message = "records are held back longer than the table keeps its versions";
            return self.refuse(
                &path,
                message,
                "let `versioned.retention` be at least as long",
            );
        }
        let Some(name) = &join.name else {
            let message = "what is held back is kept in a store, which has no name";
            return self.refuse(&at.path, message, "add `name`");
        };
        let store = format!("{name}-buffer");
        let formats = self.store_formats(&at.path.key("serdes"), flow, &store, join.serdes)?;
        let buffer = self.store(NewStore {
            in_memory: join.in_memory,
            ..NewStore::new(&store, &at.path.key("name"), formats)
        })?;
        Some(Some(JoinGrace { buffer, grace_ms }))
    }

    fn global_join(&mut self, at: &At<'_>, flow: Flow, join: &Join, left: bool) -> Option<Flow> {
        self.only_fields(at, join, "a join with a global table", &["lookup"]);
        let name = join.global_table.as_deref()?;
        let path = at.path.key("globalTable");
        let Some(&table) = self.global_tables.get(name) else {
            if let Some((declared, _)) = self.names.get(name)
                && !matches!(declared, super::Declared::GlobalTable(_))
            {
                let message = format!("`{name}` is no global table");
                return self.refuse(&path, message, "name it under `table` or `stream`");
            }
            return None;
        };
        let right = &self.graph.global_tables[table.0];
        let (key, value) = (right.key, right.value.value_type());
        let scope = flow.record_scope();
        let lookup = join.lookup.as_deref().unwrap_or("key");
        let lookup = self.expression(&at.path.key("lookup"), lookup, &scope, &key.value_type())?;
        let scope = flow.join_scope(value);
        let value = self.expression(&at.path.key("value"), &join.value, &scope, &Type::Any)?;
        let computed = flow.value.computed(Some(&value));
        let kind = NodeKind::StreamGlobalJoin {
            table,
            lookup,
            left,
            value,
        };
        let node = self.node(&at.node_name(), &at.path, Some(flow.node), kind);
        Some(Flow {
            node,
            value: computed,
            ..flow
        })
    }

    /// The store of the table that a join names.
    pub(super) fn joined_store(&mut self, at: &At<'_>, join: &Join) -> Option<StoreId> {
        let path = at.path.key("table");
        let name = join.table.as_deref()?;
        let table = self.input(&path, name)?;
        self.plain_keys(at, table.windowed)?;
        match table.kind {
            FlowKind::Table { store: Some(store) } => Some(store),
            FlowKind::Table { store: None } => {
                let message = format!("the table `{name}` is computed anew and kept in no store");
                let help = format!("name one: `store` of the table `{name}`");
                self.refuse(&path, message, &help)
            }
            kind => {
                let message = format!("`{name}` is {}, not a table", kind.what());
                let help = "declare it under `tables`, or derive a table from it with `toTable`; a \
                            stream on the right is named by `stream`";
                self.refuse(&path, message, help)
            }
        }
    }

    /// Sends a stream whose key has changed to where the table has that key.
    fn copartition(
        &mut self,
        at: &At<'_>,
        flow: Flow,
        (join, left): (&Join, bool),
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
            return self.different_keys(at, right_name(join), &key, table_key);
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
        let topic = NewTopic {
            name,
            path: &at.path.key("name"),
            formats: (table_key, value),
            drop_null_keys: !left,
            changes: false,
        };
        self.repartition(at, flow, &topic)
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
                self.different_keys(at, right_name(join), &format!("`{key}`"), table_key)
            }
            _ => Some(flow),
        }
    }

    pub(super) fn different_keys<T>(
        &mut self,
        at: &At<'_>,
        table: &str,
        left: &str,
        right: SerdeKind,
    ) -> Option<T> {
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

/// The name of the right side.
fn right_name(join: &Join) -> &str {
    let sides = [&join.table, &join.stream, &join.global_table];
    sides
        .into_iter()
        .flatten()
        .next()
        .map_or("", String::as_str)
}
