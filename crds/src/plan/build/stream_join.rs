//! Joins of two streams within a window.

use millrace_expr::Type;

use super::repartition::NewTopic;
use super::store::NewStore;
use super::{At, Builder, Choice, Part};
use crate::plan::flow::{Flow, FlowKind, writes};
use crate::plan::graph::{JoinKind, NodeKind, SerdeKind, Side, StoreId, StoreKind};
use crate::topology::Join;

/// The windows of a join.
#[derive(Clone, Copy)]
struct JoinWindows {
    before_ms: i64,
    after_ms: i64,
    grace_ms: i64,
}

impl JoinWindows {
    fn store_kind(self) -> StoreKind {
        let size_ms = self.before_ms + self.after_ms;
        StoreKind::Window {
            size_ms,
            retention_ms: size_ms + self.grace_ms,
            retain_duplicates: true,
        }
    }
}

/// The stores of a join.
struct JoinStores {
    this: StoreId,
    other: StoreId,
    unmatched: Option<StoreId>,
}

impl<'a> Builder<'a, '_> {
    /// A node per side, each with a store of its own records, and one that takes their results
    /// (KStreamImplJoin). Names of stores are Kafka Streams' own.
    pub(super) fn stream_join(
        &mut self,
        at: &At<'_>,
        flow: Flow,
        join: &Join,
        kind: JoinKind,
    ) -> Option<Flow> {
        let known = [
            "before",
            "after",
            "grace",
            "name",
            "serdes",
            "rightValue",
            "inMemory",
        ];
        self.only_fields(at, join, "a join of two streams", &known);
        let right = self.right_stream(at, join)?;
        let windows = self.join_windows(at, join)?;
        let Some(name) = &join.name else {
            let message =
                "a join of two streams keeps the records of both, in stores without a name";
            return self.refuse(&at.path, message, "add `name`");
        };
        let key = self.join_key(at, join, &flow, &right)?;
        let left_value = self.join_value(at, join, &flow, Side::Left)?;
        let right_value = self.join_value(at, join, &right, Side::Right)?;
        let sides = [(flow, left_value, "left"), (right, right_value, "right")];
        let mut flows = Vec::new();
        for (flow, value, side) in sides {
            flows.push(self.join_side(at, flow, &format!("{name}-{side}"), (key, value), kind)?);
        }
        let right = flows.pop()?;
        let left = flows.pop()?;
        let scope = left.join_scope(right.value.ty.clone());
        let value = self.expression(&at.path.key("value"), &join.value, &scope, &Type::Any)?;
        let computed = left.value.computed(Some(&value));
        let formats = (key, left_value, right_value);
        let stores = self.join_stores(at, join, kind, windows, formats)?;
        let node = |side, own, other| NodeKind::StreamStreamJoin {
            side,
            own,
            other,
            unmatched: stores.unmatched,
            kind,
            before_ms: windows.before_ms,
            after_ms: windows.after_ms,
            grace_ms: windows.grace_ms,
            value: value.clone(),
        };
        let nodes = [
            (
                "left",
                left.node,
                node(Side::Left, stores.this, stores.other),
            ),
            (
                "right",
                right.node,
                node(Side::Right, stores.other, stores.this),
            ),
        ];
        let nodes = nodes.map(|(side, parent, kind)| {
            self.node(&at.part_name(side), &at.path, Some(parent), kind)
        });
        let merge = self.node(&at.node_name(), &at.path, None, NodeKind::Merge);
        for parent in nodes {
            self.graph.nodes[parent.0].children.push(merge);
        }
        Some(Flow {
            node: merge,
            value: computed,
            ..left
        })
    }

    /// The stores of both sides' records, and of those that wait for a match.
    fn join_stores(
        &mut self,
        at: &At<'_>,
        join: &Join,
        kind: JoinKind,
        windows: JoinWindows,
        (key, left, right): (SerdeKind, SerdeKind, SerdeKind),
    ) -> Option<JoinStores> {
        let (this, other, unmatched) = match kind {
            JoinKind::Inner => ("this-join", "other-join", None),
            JoinKind::Left => ("this-join", "outer-other-join", Some("left-shared-join")),
            JoinKind::Outer => {
                let shared = Some("outer-shared-join");
                ("outer-this-join", "outer-other-join", shared)
            }
        };
        let path = at.path.key("name");
        let name = join.name.as_deref()?;
        let store = |builder: &mut Self, part: &str, formats, kind| {
            builder.store(NewStore {
                kind,
                in_memory: join.in_memory,
                ..NewStore::new(&format!("{name}-{part}-store"), &path, formats)
            })
        };
        let windowed = windows.store_kind();
        let bytes = (SerdeKind::Bytes, SerdeKind::Bytes);
        Some(JoinStores {
            this: store(self, this, (key, left), windowed)?,
            other: store(self, other, (key, right), windowed)?,
            unmatched: match unmatched {
                None => None,
                Some(part) => Some(store(self, part, bytes, StoreKind::KeyValue)?),
            },
        })
    }

    fn right_stream(&mut self, at: &At<'_>, join: &Join) -> Option<Flow> {
        let name = join.stream.as_deref()?;
        let path = at.path.key("stream");
        let flow = self.input(&path, name)?;
        if !matches!(flow.kind, FlowKind::Stream) {
            let message = format!("`{name}` is {}, not a stream", flow.kind.what());
            let help = "name a table under `table`; of a table, `toStream` makes a stream";
            return self.refuse(&path, message, help);
        }
        self.plain_keys(at, flow.windowed)?;
        Some(flow)
    }

    fn join_windows(&mut self, at: &At<'_>, join: &Join) -> Option<JoinWindows> {
        if join.before.is_none() && join.after.is_none() {
            let message = "nothing says how far apart in time two records may be";
            return self.refuse(&at.path, message, "set `before`, `after` or both");
        }
        let mut of = |field: &str, text: &Option<String>| {
            self.duration_or(&at.path.key(field), text.as_deref(), 0)
        };
        Some(JoinWindows {
            before_ms: of("before", &join.before)?,
            after_ms: of("after", &join.after)?,
            grace_ms: of("grace", &join.grace)?,
        })
    }

    /// The format of the keys of both sides: equal keys must be equal bytes.
    fn join_key(
        &mut self,
        at: &At<'_>,
        join: &Join,
        left: &Flow,
        right: &Flow,
    ) -> Option<SerdeKind> {
        let place = format!(
            "the stores of `{}`",
            join.name.as_deref().unwrap_or_default()
        );
        // A side that goes through a repartition topic takes the other's format.
        let given = if left.rekeyed.is_none() { left } else { right };
        let explicit = join.serdes.key;
        let choice = Choice {
            part: Part::Key,
            explicit,
            path: &at.path.key("serdes").key("key"),
            place: &place,
        };
        let key = self.choose(&choice, &given.key)?;
        for flow in [left, right] {
            let kept = flow.rekeyed.is_some() || flow.key.serde.is_none_or(|own| own == key);
            if !kept || !writes(key, &flow.key.ty) {
                let other = flow
                    .key
                    .serde
                    .map_or("mixed".to_owned(), |serde| format!("`{serde}`"));
                let name = join.stream.as_deref().unwrap_or_default();
                return self.different_keys(at, name, &other, key);
            }
        }
        Some(key)
    }

    fn join_value(
        &mut self,
        at: &At<'_>,
        join: &Join,
        flow: &Flow,
        side: Side,
    ) -> Option<SerdeKind> {
        let place = format!(
            "the stores of `{}`",
            join.name.as_deref().unwrap_or_default()
        );
        let (explicit, path) = match side {
            Side::Left => (join.serdes.value, at.path.key("serdes").key("value")),
            Side::Right => (join.right_value, at.path.key("rightValue")),
        };
        let choice = Choice {
            part: Part::Value,
            explicit,
            path: &path,
            place: &place,
        };
        self.choose(&choice, &flow.value)
    }

    /// One side, through a repartition topic where its key has changed.
    fn join_side(
        &mut self,
        at: &At<'_>,
        flow: Flow,
        topic: &str,
        formats: (SerdeKind, SerdeKind),
        kind: JoinKind,
    ) -> Option<Flow> {
        if flow.rekeyed.is_none() {
            return Some(flow);
        }
        let topic = NewTopic {
            name: topic,
            path: &at.path.key("name"),
            formats,
            drop_null_keys: kind == JoinKind::Inner,
            changes: false,
        };
        self.repartition(at, flow, &topic)
    }
}
