//! `groupByKey` and `groupBy`: records, or changes of a table, on their way into an aggregation.

use millrace_expr::Type;

use super::repartition::NewTopic;
use super::{At, Builder};
use crate::path::Path;
use crate::plan::flow::{Flow, FlowKind, Grouping};
use crate::plan::graph::NodeKind;
use crate::topology::{GroupBy, GroupByKey, Serdes};

impl<'a> Builder<'a, '_> {
    pub(super) fn group_by_key(
        &mut self,
        at: &At<'a>,
        flow: Flow,
        step: &GroupByKey,
    ) -> Option<Flow> {
        self.plain_keys(at, flow.windowed)?;
        Some(group_of(at, flow, step.name.clone(), step.serdes, false))
    }

    pub(super) fn group_by(&mut self, at: &At<'a>, flow: Flow, step: &GroupBy) -> Option<Flow> {
        let (name, serdes) = (step.name.clone(), step.serdes);
        if matches!(flow.kind, FlowKind::Table { .. }) {
            let flow = self.group_table(at, flow, step);
            return Some(group_of(at, flow, name, serdes, true));
        }
        if step.value.is_some() {
            return self.refuse(
                &at.path.key("value"),
                "`value` is for grouping tables; a stream comes in here",
                "put a `mapValues` before instead",
            );
        }
        let flow = self.map(at, flow, Some(&step.key), None, true);
        Some(group_of(at, flow, name, serdes, false))
    }

    /// New key and value for each change of a table (KTableRepartitionMap).
    fn group_table(&mut self, at: &At<'_>, mut flow: Flow, step: &GroupBy) -> Flow {
        let scope = flow.record_scope();
        let key = self.expression(&at.path.key("key"), &step.key, &scope, &Type::Any);
        let value = step.value.as_deref().map(|value| {
            let path = at.path.key("value");
            self.expression(&path, value, &scope, &Type::Any)
        });
        flow.key = flow.key.computed_key(key.as_ref());
        if let Some(value) = &value {
            flow.value = flow.value.computed(value.as_ref());
        }
        flow.rekeyed = Some(at.path.clone());
        flow.windowed = None;
        flow.versioned = false;
        if let (Some(key), Some(value)) = (key, value.map_or(Some(None), |value| value.map(Some))) {
            let kind = NodeKind::TableGroup { key, value };
            flow.node = self.node(&at.node_name(), &at.path, Some(flow.node), kind);
        }
        flow
    }

    /// The records of a grouping, through a repartition topic where their key has changed, and what
    /// the grouping said. `name` is the topic's where the grouping names none.
    pub(super) fn grouped(
        &mut self,
        at: &At<'_>,
        flow: Flow,
        name: (&str, &Path),
    ) -> Option<(Flow, Grouping)> {
        let FlowKind::Grouped(grouping) = flow.kind.clone() else {
            return None;
        };
        if flow.rekeyed.is_none() {
            return Some((flow, grouping));
        }
        let path = grouping.path.key("serdes");
        let named = grouping.path.key("name");
        let (topic, topic_path) = match &grouping.name {
            Some(name) => (name.as_str(), &named),
            None => name,
        };
        let place = format!("the repartition topic of `{topic}`");
        let topic = NewTopic {
            name: topic,
            path: topic_path,
            formats: self.formats(&path, &flow, &place, grouping.serdes)?,
            drop_null_keys: true,
            changes: grouping.table,
        };
        Some((self.repartition(at, flow, &topic)?, grouping))
    }
}

/// What flows, as groups.
pub(super) fn group_of(
    at: &At<'_>,
    flow: Flow,
    name: Option<String>,
    serdes: Serdes,
    table: bool,
) -> Flow {
    let grouping = Grouping {
        path: at.path.clone(),
        name,
        serdes,
        table,
        windowed: None,
    };
    Flow {
        kind: FlowKind::Grouped(grouping),
        ..flow
    }
}
