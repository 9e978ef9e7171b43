//! [`Flow`]: what comes out of a node, as the steps after it see it.

use millrace_expr::{Scope, Type};

use super::graph::{Emit, Expression, NodeId, SerdeKind, StoreId, WindowedKey, Windows};
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

    /// New values of a type. They take the format over, except where their type is not known and the
    /// format cannot hold just anything: what came as `long` says nothing of a field of some JSON.
    pub(super) fn retyped(&self, ty: Type) -> Self {
        let holds = |serde: &SerdeKind| ty != Type::Any || serde.value_type() == Type::Any;
        Self {
            serde: self.serde.filter(holds),
            ty,
        }
    }

    /// What an expression makes of values: another type, and another format where the expression
    /// declares one. `None` is an expression that was refused, whose result counts as unknown.
    pub(super) fn computed(&self, by: Option<&Expression>) -> Self {
        let new = self.retyped(result_type(by));
        Self {
            serde: by.and_then(|by| by.format).or(new.serde),
            ..new
        }
    }

    /// As [`Format::computed`], of keys. These keep their format also where the new type is not known:
    /// the same keys in another format would be other bytes, on other partitions.
    pub(super) fn computed_key(&self, by: Option<&Expression>) -> Self {
        Self {
            ty: result_type(by),
            serde: by.and_then(|by| by.format).or(self.serde),
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

/// The type of an expression's results; unknown where it was refused.
fn result_type(of: Option<&Expression>) -> Type {
    of.map_or(Type::Any, |of| of.result_type().clone())
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
    /// Nothing: `foreach` or `print` came last.
    Ended,
}

impl FlowKind {
    pub(super) fn what(&self) -> &'static str {
        match self {
            Self::Stream => "a stream",
            Self::Grouped(_) => "a grouped stream",
            Self::Table { .. } => "a table",
            Self::Split => "a split",
            Self::Ended => "a stream that has ended",
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
    /// Whether a table's changes are grouped.
    pub table: bool,
    /// Windows, where groups are divided by time.
    pub windowed: Option<Windowing>,
}

/// How groups are divided by time.
#[derive(Clone, Debug)]
pub(super) struct Windowing {
    /// Path of the step.
    pub path: Path,
    /// Which windows.
    pub windows: Windows,
    /// How long after its end a window changes, milliseconds.
    pub grace_ms: i64,
    /// How long it is kept, milliseconds.
    pub retention_ms: i64,
    /// When results go on.
    pub emit: Emit,
}

/// Keys with a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Windowed {
    /// How they are written.
    pub key: WindowedKey,
    /// How long after its end a window changes, milliseconds.
    pub grace_ms: i64,
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
    /// Whether keys have a window beside them.
    pub windowed: Option<Windowed>,
    /// Whether it is a table with earlier versions, or computed from one record by record.
    pub versioned: bool,
}

impl Flow {
    /// Variables of most steps: `key, value, timestamp, headers, topic`.
    pub(super) fn record_scope(&self) -> Scope {
        self.windowed(record_scope(&self.key.ty, &self.value.ty))
    }

    /// Variables of the name of a topic: those of most steps, and `partition, offset`.
    pub(super) fn topic_scope(&self) -> Scope {
        let scope = record_scope(&self.key.ty, &self.value.ty)
            .with("partition", Type::Int)
            .with("offset", Type::Int);
        self.windowed(scope)
    }

    /// Variables of the records made of an element: those of most steps, and `element`.
    pub(super) fn element_scope(&self, element: Type) -> Scope {
        let scope = record_scope(&self.key.ty, &self.value.ty).with("element", element);
        self.windowed(scope)
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

    /// Adds `window`, always the last variable, where keys have one.
    fn windowed(&self, scope: Scope) -> Scope {
        match self.windowed {
            Some(_) => scope.with("window", Type::Map(Box::new(Type::Int))),
            None => scope,
        }
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
