//! [`Flow`]: what comes out of a node, as the steps after it see it.

use millrace_expr::{Scope, Type};

use super::graph::{NodeId, SerdeKind, StoreId};
use crate::path::Path;

/// What is known of keys or of values at one point of a topology.
#[derive(Clone, Debug)]
pub(super) struct Format {
    /// Their type, as far as it is known.
    pub ty: Type,
    /// The format they were last read in or written in, which stores and sinks take over while the
    /// type fits; `None` where inputs of different formats were merged.
    pub serde: Option<SerdeKind>,
}

impl Format {
    /// As read from a topic.
    pub(super) fn read(serde: SerdeKind) -> Self {
        Self {
            ty: serde.value_type(),
            serde: Some(serde),
        }
    }

    /// The same format for a new type.
    pub(super) fn retyped(&self, ty: Type) -> Self {
        Self {
            ty,
            serde: self.serde,
        }
    }

    /// What both have in common; `None` where the types are at odds.
    pub(super) fn common(&self, other: &Self) -> Option<Self> {
        let ty = match (&self.ty, &other.ty) {
            (a, b) if a == b => a.clone(),
            (Type::Null, ty) | (ty, Type::Null) => ty.clone(),
            (Type::List(_), Type::List(_)) => Type::any_list(),
            (Type::Map(_), Type::Map(_)) => Type::any_map(),
            (a, b) if a.fits(b) || b.fits(a) => Type::Any,
            _ => return None,
        };
        let serde = self.serde.filter(|_| self.serde == other.serde);
        Some(Self { ty, serde })
    }
}

/// Whether values of this type can be written in this format, as far as it is known.
pub(super) fn writes(serde: SerdeKind, ty: &Type) -> bool {
    ty.fits(&serde.value_type())
}

/// The formats that can hold a type, best first, for help texts.
pub(super) fn formats_for(ty: &Type) -> &'static str {
    match ty {
        Type::Bytes => "`bytes`",
        Type::String => "`string` or `json`",
        Type::Int => "`long`, `int`, `decimal` or `json`",
        Type::Double => "`double` or `json`",
        Type::Decimal => "`decimal` or `json`",
        Type::Bool | Type::List(_) | Type::Map(_) | Type::Null | Type::Any => "`json`",
    }
}

/// What kind of thing flows.
#[derive(Clone, Debug)]
pub(super) enum FlowKind {
    /// Records.
    Stream,
    /// Records on their way into an aggregation.
    Grouped(Grouping),
    /// A table's changes.
    Table {
        /// The store that has exactly this table; `None` after steps that compute it anew.
        store: Option<StoreId>,
    },
    /// Nothing: a split came last.
    Split,
}

impl FlowKind {
    pub(super) fn what(&self) -> &'static str {
        match self {
            Self::Stream => "a stream",
            Self::Grouped(_) => "a grouped stream",
            Self::Table { .. } => "a table",
            Self::Split => "a split",
        }
    }
}

/// What a grouping said, for the aggregation that follows.
#[derive(Clone, Debug)]
pub(super) struct Grouping {
    /// Path of the grouping step.
    pub path: Path,
    /// Name for the repartition topic.
    pub name: Option<String>,
    /// Formats for the repartition topic.
    pub serdes: crate::topology::Serdes,
}

/// What comes out of a node.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    /// The node.
    pub node: NodeId,
    /// What flows.
    pub kind: FlowKind,
    /// Keys.
    pub key: Format,
    /// Values.
    pub value: Format,
    /// The step that changed the key since the records were last partitioned by it.
    pub rekeyed: Option<Path>,
}

impl Flow {
    /// Variables of most steps: `key, value, timestamp, headers, topic`.
    pub(super) fn record_scope(&self) -> Scope {
        record_scope(&self.key.ty, &self.value.ty)
    }

    /// Variables of aggregations: `key, value, aggregate`.
    pub(super) fn aggregate_scope(&self, aggregate: Type) -> Scope {
        Scope::new()
            .with("key", self.key.ty.clone())
            .with("value", self.value.ty.clone())
            .with("aggregate", aggregate)
    }

    /// Variables of joins: `key, left, right`.
    pub(super) fn join_scope(&self, right: Type) -> Scope {
        Scope::new()
            .with("key", self.key.ty.clone())
            .with("left", self.value.ty.clone())
            .with("right", right)
    }
}

/// `key, value, timestamp, headers, topic`.
pub(super) fn record_scope(key: &Type, value: &Type) -> Scope {
    Scope::new()
        .with("key", key.clone())
        .with("value", value.clone())
        .with("timestamp", Type::Int)
        .with("headers", Type::Map(Box::new(Type::String)))
        .with("topic", Type::String)
}
