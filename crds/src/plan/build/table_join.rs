//! Joins of two tables by their keys.

use millrace_expr::Type;

use super::store::NewStore;
use super::{At, Builder};
use crate::plan::flow::{Flow, FlowKind};
use crate::plan::graph::{JoinKind, NodeKind, Side, StoreId};
use crate::topology::Join;

impl<'a> Builder<'a, '_> {
    /// A node per side, and one that takes their changes (KTableImpl.doJoin).
    pub(super) fn table_join(
        &mut self,
        at: &At<'_>,
        flow: Flow,
        join: &Join,
        kind: JoinKind,
    ) -> Option<Flow> {
        let known = ["store", "serdes", "inMemory"];
        self.only_fields(at, join, "a join of two tables by their keys", &known);
        let own = self.own_store(at, &flow)?;
        let other = self.joined_store(at, join)?;
        let right_name = join.table.as_deref()?;
        let right_node = self.input(&at.path.key("table"), right_name)?.node;
        let kept = &self.graph.stores[other.0];
        let (key, right) = (kept.key, kept.value.value_type());
        if self.graph.stores[own.0].key != key {
            let left = format!("`{}`", self.graph.stores[own.0].key);
            return self.different_keys(at, right_name, &left, key);
        }
        let scope = flow.join_scope(right);
        let value = self.expression(&at.path.key("value"), &join.value, &scope, &Type::Any)?;
        let computed = flow.value.computed(Some(&value));
        let node = |side, other| NodeKind::TableTableJoin {
            side,
            other,
            kind,
            value: value.clone(),
        };
        let nodes = [
            ("left", flow.node, node(Side::Left, other)),
            ("right", right_node, node(Side::Right, own)),
        ];
        let nodes = nodes.map(|(side, parent, kind)| {
            self.node(&at.part_name(side), &at.path, Some(parent), kind)
        });
        let merge = self.node(&at.node_name(), &at.path, None, NodeKind::Merge);
        for parent in nodes {
            self.graph.nodes[parent.0].children.push(merge);
        }
        let flow = Flow {
            node: merge,
            kind: FlowKind::Table { store: None },
            value: computed,
            versioned: false,
            ..flow
        };
        self.join_result(at, flow, join)
    }

    /// The result of a join of tables, kept where the join names a store.
    pub(super) fn join_result(&mut self, at: &At<'_>, flow: Flow, join: &Join) -> Option<Flow> {
        let Some(store) = &join.store else {
            if join.in_memory {
                let message = "the join has no store of its own to keep in memory";
                return self.refuse(&at.path.key("inMemory"), message, "name a `store`");
            }
            return Some(flow);
        };
        let formats = self.store_formats(&at.path.key("serdes"), &flow, store, join.serdes)?;
        let path = at.path.key("store");
        let new = NewStore {
            in_memory: join.in_memory,
            ..NewStore::new(store, &path, formats)
        };
        self.kept_table((at, &at.part_name("store")), flow, new)
    }

    /// The store of the table that comes in.
    pub(super) fn own_store(&mut self, at: &At<'_>, flow: &Flow) -> Option<StoreId> {
        match flow.kind {
            FlowKind::Table { store: Some(store) } => Some(store),
            _ => self.refuse(
                &at.path,
                "the table that comes in is computed anew and kept in no store",
                "name one: `store` of the join before, or of a table of its own that this one is \
                 `from`",
            ),
        }
    }
}
