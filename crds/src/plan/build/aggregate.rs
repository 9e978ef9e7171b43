//! `aggregate`, `count`, `reduce`: of grouped streams, over windows or not, and of grouped tables.

use millrace_expr::{Scope, Type};

use super::store::NewStore;
use super::table::kept;
use super::{At, Builder, Choice, Part};
use crate::path::Path;
use crate::plan::flow::{Flow, FlowKind, Format, Grouping, writes};
use crate::plan::graph::{
    Aggregation, Emit, Expression, NodeKind, SerdeKind, StoreId, StoreKind, Windows,
};
use crate::topology::{Aggregate, Count, Reduce, SerdeName, Serdes};

/// What the aggregating steps say of their store.
pub(super) struct StoreOptions<'s> {
    pub name: &'s str,
    pub serdes: Serdes,
    pub in_memory: bool,
    pub logging: Option<bool>,
    pub caching: bool,
}

/// An aggregation whose expressions are checked.
pub(super) struct Checked {
    pub aggregation: Aggregation,
    /// Takes a value out again.
    pub subtract: Option<Expression>,
    /// Makes one aggregate of two.
    pub merge: Option<Expression>,
    /// Type of the results.
    pub ty: Type,
}

impl<'a> Builder<'a, '_> {
    pub(super) fn aggregate(&mut self, at: &At<'_>, flow: Flow, step: &Aggregate) -> Option<Flow> {
        let (flow, grouping) = self.grouped(at, flow, (&step.name, &at.path.key("name")))?;
        self.check_subtract(at, &grouping, step.subtract.is_some());
        self.check_merge(at, &grouping, step.merge.is_some());
        let store = StoreOptions {
            name: &step.name,
            serdes: step.serdes,
            in_memory: step.in_memory,
            logging: step.logging,
            caching: step.caching,
        };
        let Some((initial, formats)) = self.initial(at, &flow, &step.initial, &store) else {
            // Its type is unknown, but the other expression can be judged.
            let scope = flow.aggregate_scope(Type::Any);
            let path = at.path.key("value");
            return self.type_of(&path, &step.value, &scope).and(None);
        };
        let ty = formats.1.value_type();
        let scope = flow.aggregate_scope(ty.clone());
        let update = self.expression(&at.path.key("value"), &step.value, &scope, &ty);
        let subtract = self.optional(&at.path.key("subtract"), &step.subtract, &scope, &ty)?;
        let merge = self.merge_expression(at, &flow, &step.merge, &ty)?;
        let update = update?;
        let checked = Checked {
            ty: update.result_type().clone(),
            aggregation: Aggregation::Aggregate { initial, update },
            subtract,
            merge,
        };
        self.aggregated(at, &flow, &grouping, checked, &store, formats)
    }

    pub(super) fn count(&mut self, at: &At<'_>, flow: Flow, step: &Count) -> Option<Flow> {
        let (flow, grouping) = self.grouped(at, flow, (&step.name, &at.path.key("name")))?;
        let serdes_path = at.path.key("serdes");
        let value = SerdeKind::from(step.serdes.value.unwrap_or(SerdeName::Long));
        if !matches!(value, SerdeKind::Int | SerdeKind::Long | SerdeKind::Json) {
            let message = format!("a count is an int, which the format `{value}` cannot hold");
            let help = "use `long`, `int` or `json`";
            return self.refuse(&serdes_path.key("value"), message, help);
        }
        let key = self.key_format(&serdes_path, &flow, &step.name, step.serdes.key)?;
        let checked = Checked {
            aggregation: Aggregation::Count,
            subtract: None,
            merge: None,
            ty: Type::Int,
        };
        let store = StoreOptions {
            name: &step.name,
            serdes: step.serdes,
            in_memory: step.in_memory,
            logging: step.logging,
            caching: step.caching,
        };
        self.aggregated(at, &flow, &grouping, checked, &store, (key, value))
    }

    pub(super) fn reduce(&mut self, at: &At<'_>, flow: Flow, step: &Reduce) -> Option<Flow> {
        let (flow, grouping) = self.grouped(at, flow, (&step.name, &at.path.key("name")))?;
        self.check_subtract(at, &grouping, step.subtract.is_some());
        let formats = self.store_formats(&at.path.key("serdes"), &flow, &step.name, step.serdes)?;
        let ty = formats.1.value_type();
        let scope = flow.aggregate_scope(ty.clone());
        let update = self.expression(&at.path.key("value"), &step.value, &scope, &ty);
        let subtract = self.optional(&at.path.key("subtract"), &step.subtract, &scope, &ty)?;
        let checked = Checked {
            aggregation: Aggregation::Reduce(update?),
            subtract,
            merge: None,
            // The first value is forwarded as it is, so only the store's type holds for all.
            ty,
        };
        let store = StoreOptions {
            name: &step.name,
            serdes: step.serdes,
            in_memory: step.in_memory,
            logging: step.logging,
            caching: step.caching,
        };
        self.aggregated(at, &flow, &grouping, checked, &store, formats)
    }

    /// The expression for the first aggregate, and the formats of a store of such aggregates.
    pub(super) fn initial(
        &mut self,
        at: &At<'_>,
        flow: &Flow,
        initial: &str,
        store: &StoreOptions<'_>,
    ) -> Option<(Expression, (SerdeKind, SerdeKind))> {
        let path = at.path.key("initial");
        let first = self.type_of(&path, initial, &Scope::new())?;
        let serdes_path = at.path.key("serdes");
        let value = match store.serdes.value.map(SerdeKind::from) {
            Some(explicit) => explicit,
            None => {
                let place = format!("the store `{}`", store.name);
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
        let key = self.key_format(&serdes_path, flow, store.name, store.serdes.key);
        let initial = self.expression(&path, initial, &Scope::new(), &value.value_type());
        Some((initial?, (key?, value)))
    }

    /// An expression that may be left out; `None` where it is refused.
    fn optional(
        &mut self,
        path: &Path,
        source: &Option<String>,
        scope: &Scope,
        ty: &Type,
    ) -> Option<Option<Expression>> {
        match source {
            None => Some(None),
            Some(source) => self.expression(path, source, scope, ty).map(Some),
        }
    }

    /// The expression for one aggregate of two sessions: `key, left, right`.
    pub(super) fn merge_expression(
        &mut self,
        at: &At<'_>,
        flow: &Flow,
        merge: &Option<String>,
        ty: &Type,
    ) -> Option<Option<Expression>> {
        let scope = Scope::new()
            .with("key", flow.key.ty.clone())
            .with("left", ty.clone())
            .with("right", ty.clone());
        self.optional(&at.path.key("merge"), merge, &scope, ty)
    }

    /// `subtract` is for grouped tables, and needed there.
    fn check_subtract(&mut self, at: &At<'_>, grouping: &Grouping, given: bool) {
        let path = at.path.key("subtract");
        if grouping.table && !given {
            let message = "a table was grouped, and nothing takes a value out that has changed";
            let help = "add `subtract`: an expression for the aggregate without `value`";
            let _: Option<()> = self.refuse(&at.path, message, help);
        } else if !grouping.table && given {
            let message = "records of a stream never leave an aggregate";
            let _: Option<()> = self.refuse(&path, message, "leave `subtract` out");
        }
    }

    /// `merge` is for sessions, and needed there.
    pub(super) fn check_merge(&mut self, at: &At<'_>, grouping: &Grouping, given: bool) {
        let windowing = grouping.windowed.as_ref();
        let sessions = windowing.is_some_and(|w| matches!(w.windows, Windows::Session { .. }));
        if sessions && !given {
            let message = "a record may join two sessions, and nothing makes one aggregate of two";
            let help = "add `merge`: an expression over `key`, `left` and `right`";
            let _: Option<()> = self.refuse(&at.path, message, help);
        } else if !sessions && given {
            let message = "only sessions become one";
            let _: Option<()> = self.refuse(&at.path.key("merge"), message, "leave `merge` out");
        }
    }

    /// Adds the store and the node of an aggregation.
    fn aggregated(
        &mut self,
        at: &At<'_>,
        flow: &Flow,
        grouping: &Grouping,
        checked: Checked,
        options: &StoreOptions<'_>,
        formats: (SerdeKind, SerdeKind),
    ) -> Option<Flow> {
        let store = self.aggregate_store(at, grouping, options, formats)?;
        let ty = checked.ty.clone();
        let kind = if grouping.table {
            NodeKind::TableAggregate {
                store,
                add: checked.aggregation,
                subtract: checked.subtract,
            }
        } else {
            aggregate_node(grouping, store, checked.aggregation, checked.merge)
        };
        let flow = self.table_of(at, flow, store, ty, kind);
        Some(windowed_result(flow, grouping))
    }

    /// The store of an aggregation: by key, by window or by session.
    pub(super) fn aggregate_store(
        &mut self,
        at: &At<'_>,
        grouping: &Grouping,
        options: &StoreOptions<'_>,
        formats: (SerdeKind, SerdeKind),
    ) -> Option<StoreId> {
        let windowing = grouping.windowed.as_ref();
        let kind = windowing.map_or(StoreKind::KeyValue, |windowing| windowing.store_kind());
        if options.caching && windowing.is_some_and(|w| w.emit == Emit::OnWindowClose) {
            let message =
                "each result goes on once, when its window closes: there is nothing to hold back";
            let help = "leave `caching` out, or `emit`";
            return self.refuse(&at.path.key("caching"), message, help);
        }
        self.store(NewStore {
            kind,
            in_memory: options.in_memory,
            logging: options.logging,
            caching: options.caching,
            ..NewStore::new(options.name, &at.path.key("name"), formats)
        })
    }

    /// Adds the node that keeps a store; its results are the table in it.
    pub(super) fn table_of(
        &mut self,
        at: &At<'_>,
        flow: &Flow,
        store: StoreId,
        ty: Type,
        kind: NodeKind,
    ) -> Flow {
        let node = self.node(&at.node_name(), &at.path, Some(flow.node), kind);
        let kept_in = &self.graph.stores[store.0];
        debug_assert!(
            writes(kept_in.value, &ty),
            "a store holds what its node computes"
        );
        let (key, value) = (kept_in.key, kept_in.value);
        Flow {
            node,
            kind: FlowKind::Table { store: Some(store) },
            key: kept(&flow.key, key),
            value: Format {
                ty,
                serde: Some(value),
            },
            rekeyed: None,
            windowed: flow.windowed,
            versioned: flow.versioned,
        }
    }
}

/// The node of an aggregation of a grouped stream.
pub(super) fn aggregate_node(
    grouping: &Grouping,
    store: StoreId,
    aggregation: Aggregation,
    merge: Option<Expression>,
) -> NodeKind {
    match &grouping.windowed {
        None => NodeKind::Aggregate { store, aggregation },
        Some(windowing) => NodeKind::WindowedAggregate {
            store,
            windows: windowing.windows,
            grace_ms: windowing.grace_ms,
            aggregation,
            merge,
            emit: windowing.emit,
        },
    }
}

/// Keys of an aggregation over windows have them.
pub(super) fn windowed_result(flow: Flow, grouping: &Grouping) -> Flow {
    Flow {
        windowed: grouping
            .windowed
            .as_ref()
            .map(|windowing| windowing.windowed()),
        versioned: false,
        ..flow
    }
}
