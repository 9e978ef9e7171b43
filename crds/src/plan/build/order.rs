//! Which step may follow which.

use super::{At, Builder};
use crate::plan::flow::FlowKind;
use crate::topology::Step;

impl Builder<'_, '_> {
    /// Whether the step can be applied to what comes in.
    pub(super) fn check_order(&mut self, at: &At<'_>, kind: &FlowKind, step: &Step) -> Option<()> {
        use Step::{
            Aggregate, Cogroup, Count, Filter, FilterNot, GroupBy, GroupByKey, Join, LeftJoin,
            MapValues, OuterJoin, Reduce, Suppress, To, ToStream, WindowedBy,
        };
        let tag = at.tag;
        let (message, help) = match (kind, step) {
            (FlowKind::Grouped(_), Aggregate(_) | Count(_) | Reduce(_)) => return Some(()),
            (FlowKind::Grouped(grouping), WindowedBy(_) | Cogroup(_)) if grouping.table => (
                format!("`{tag}` is for grouped streams, but a table was grouped"),
                "put `- toStream: {}` before the grouping to take each change as a record",
            ),
            (FlowKind::Grouped(grouping), WindowedBy(_)) if grouping.windowed.is_some() => (
                "the groups are divided by time already".to_owned(),
                "leave one `windowedBy` out",
            ),
            (FlowKind::Grouped(_), WindowedBy(_) | Cogroup(_)) => return Some(()),
            (FlowKind::Grouped(_), _) => (
                format!("`{tag}` cannot follow a grouping"),
                "let `aggregate`, `count`, `reduce` or `cogroup` follow it, and then this step",
            ),
            (FlowKind::Split, _) => (
                format!("`{tag}` cannot follow a split"),
                "declare a stream `from` one of the branches, and put the step there",
            ),
            (FlowKind::Ended, _) => (
                format!("`{tag}` cannot follow the end of the stream"),
                "put it before, or use `peek`, which passes records on",
            ),
            (
                FlowKind::Table { .. },
                Filter(_) | FilterNot(_) | MapValues(_) | ToStream(_) | To(_) | GroupBy(_)
                | Suppress(_) | Join(_) | LeftJoin(_) | OuterJoin(_),
            ) => return Some(()),
            (FlowKind::Table { .. }, GroupByKey(_)) => (
                format!("`{tag}` groups a stream, but a table comes in here"),
                "a table has one row per key: use `groupBy` with another key, or put \
                 `- toStream: {}` before to group its changes",
            ),
            (FlowKind::Table { .. }, _) => (
                format!("`{tag}` is a step for streams, but a table comes in here"),
                "put `- toStream: {}` before, or use `filter`, `filterNot`, `mapValues`",
            ),
            (
                FlowKind::Stream,
                Aggregate(_) | Count(_) | Reduce(_) | WindowedBy(_) | Cogroup(_),
            ) => (
                format!("`{tag}` needs grouped records"),
                "put `- groupByKey: {}` or `- groupBy: {key: …}` before",
            ),
            (FlowKind::Stream, ToStream(_)) => (
                format!("`{tag}`: a stream comes in here already"),
                "leave it out",
            ),
            (FlowKind::Stream, Suppress(_)) => (
                format!("`{tag}` holds a table's changes back, but a stream comes in here"),
                "put it before `toStream`",
            ),
            (FlowKind::Stream, _) => return Some(()),
        };
        self.refuse(&at.path, message, help)
    }
}
