//! Turns declared streams and tables into nodes and stores.
//!
//! A node is made after the nodes it hears from, so ids are a topological order. A part that cannot be
//! built leaves a problem and no [`Flow`]; what depends on it is then not judged.

mod aggregate;
mod declare;
mod expression;
mod join;
mod sink;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use super::flow::{Flow, Format, formats_for, writes};
use super::graph::{
    GlobalTable, Node, NodeId, NodeKind, SerdeKind, SourceOptions, Store, StoreId, StoreKind,
    TopicRef,
};
use super::names::{Declared, Names, check_name};
use super::topics;
use crate::path::Path;
use crate::problem::{Problem, Problems};
use crate::stream_app::{DefaultsSpec, StreamApp};
use crate::topology::SerdeName;

/// Nodes and stores, not yet divided into subtopologies.
#[derive(Default)]
pub(super) struct Graph {
    pub nodes: Vec<Node>,
    pub stores: Vec<Store>,
    pub global_tables: Vec<GlobalTable>,
    /// Partition counts that were asked for, by the full name of a repartition topic.
    pub partitions: BTreeMap<String, i32>,
}

/// Builds everything that `order` names.
pub(super) fn build<'a>(
    app: &'a StreamApp,
    names: &Names<'a>,
    order: &[&'a str],
    problems: &mut Problems,
) -> Graph {
    let mut builder = Builder {
        application_id: app.application_id(),
        defaults: app.spec.defaults,
        names,
        graph: Graph::default(),
        node_names: BTreeSet::new(),
        store_paths: BTreeMap::new(),
        repartition_paths: BTreeMap::new(),
        source_paths: BTreeMap::new(),
        flows: BTreeMap::new(),
        problems,
    };
    for name in order {
        let flow = match names.get(name) {
            Some((Declared::Stream(stream), path)) => builder.stream(name, path, stream),
            Some((Declared::Table(table), path)) => builder.table(name, path, table),
            _ => None,
        };
        if let Some(flow) = flow {
            builder.flows.insert(name, flow);
        }
    }
    builder.graph
}

/// The graph so far, and what must be unique in it.
struct Builder<'a, 'b> {
    application_id: &'a str,
    defaults: DefaultsSpec,
    names: &'b Names<'a>,
    graph: Graph,
    node_names: BTreeSet<String>,
    store_paths: BTreeMap<String, Path>,
    repartition_paths: BTreeMap<String, Path>,
    source_paths: BTreeMap<String, Path>,
    /// What came out of each declaration and branch that could be built.
    flows: BTreeMap<&'a str, Flow>,
    problems: &'b mut Problems,
}

/// The place of a step.
struct At<'a> {
    /// Name of the stream or table the step belongs to.
    owner: &'a str,
    /// The step's name in the language.
    tag: &'static str,
    /// Its path.
    path: Path,
}

impl At<'_> {
    fn node_name(&self) -> String {
        format!("{}.{}", self.owner, self.tag)
    }
}

/// Keys or values.
#[derive(Clone, Copy)]
enum Part {
    Key,
    Value,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Value => "value",
        }
    }
}

/// A format to be chosen.
struct Choice<'p> {
    part: Part,
    /// What was written, if anything.
    explicit: Option<SerdeName>,
    /// The field that names the format.
    path: &'p Path,
    /// What is written, such as "the store `balances`".
    place: &'p str,
}

impl<'a> Builder<'a, '_> {
    /// Adds a node under its parent. Where the name is taken, a number is added to it.
    fn node(&mut self, name: &str, path: &Path, parent: Option<NodeId>, kind: NodeKind) -> NodeId {
        let mut unique = name.to_owned();
        let mut number = 2;
        while !self.node_names.insert(unique.clone()) {
            unique = format!("{name}.{number}");
            number += 1;
        }
        let id = NodeId(self.graph.nodes.len());
        self.graph.nodes.push(Node {
            id,
            name: unique,
            path: path.to_string(),
            kind,
            children: Vec::new(),
            subtopology: 0,
            sends_old: false,
        });
        if let Some(parent) = parent {
            self.graph.nodes[parent.0].children.push(id);
        }
        id
    }

    /// Adds a store. `None` where the name is ill-formed or taken.
    fn store(
        &mut self,
        name: &str,
        path: &Path,
        (key, value): (SerdeKind, SerdeKind),
        in_memory: bool,
    ) -> Option<StoreId> {
        if !check_name("the store name", name, path, self.problems) {
            return None;
        }
        if let Some(other) = self.store_paths.get(name) {
            let message = format!("the store name `{name}` is taken, by {other}");
            let help = "give each store a name of its own: it names the changelog topic";
            self.problems.add(Problem::new(path, message).help(help));
            return None;
        }
        self.store_paths.insert(name.to_owned(), path.clone());
        let id = StoreId(self.graph.stores.len());
        self.graph.stores.push(Store {
            id,
            name: name.to_owned(),
            key,
            value,
            windowed: None,
            kind: StoreKind::KeyValue,
            changelog: Some(topics::changelog_topic(self.application_id, name)),
            in_memory,
            subtopology: 0,
        });
        Some(id)
    }

    /// Sends a flow through a repartition topic.
    fn repartition(
        &mut self,
        at: &At<'_>,
        flow: Flow,
        (name, name_path): (&str, &Path),
        (key, value): (SerdeKind, SerdeKind),
    ) -> Option<Flow> {
        if !check_name("the name", name, name_path, self.problems) {
            return None;
        }
        if let Some(other) = self.repartition_paths.get(name) {
            let message =
                format!("the name `{name}` is taken by another repartition topic, at {other}");
            let help = "give each repartition a name of its own: it names the topic";
            self.problems
                .add(Problem::new(name_path, message).help(help));
            return None;
        }
        self.repartition_paths
            .insert(name.to_owned(), name_path.clone());
        let topic = TopicRef::Repartition(topics::repartition_topic(self.application_id, name));
        let sink = NodeKind::RepartitionSink {
            topic: topic.clone(),
            key,
            value,
            drop_null_keys: true,
            changes: false,
        };
        let base = at.node_name();
        self.node(
            &format!("{base}.repartition-sink"),
            &at.path,
            Some(flow.node),
            sink,
        );
        let source = NodeKind::StreamSource {
            topics: vec![topic],
            key,
            value,
            options: SourceOptions::default(),
            changes: false,
        };
        let node = self.node(
            &format!("{base}.repartition-source"),
            &at.path,
            None,
            source,
        );
        let (key, value) = (Format::read(key), Format::read(value));
        Some(Flow {
            node,
            key,
            value,
            rekeyed: None,
            ..flow
        })
    }

    /// Chooses a format: the explicit one, else the one values came in where it can hold their type,
    /// else the default where it can. `None`, with a problem, where none can.
    fn choose(&mut self, choice: &Choice<'_>, format: &Format) -> Option<SerdeKind> {
        let part = choice.part.name();
        let ty = &format.ty;
        if let Some(explicit) = choice.explicit.map(SerdeKind::from) {
            if writes(explicit, ty) {
                return Some(explicit);
            }
            let place = choice.place;
            let message =
                format!("the {part} is {ty}, which the format `{explicit}` of {place} cannot hold");
            let help = format!(
                "use {}, or convert the {part} in a step before",
                formats_for(ty)
            );
            self.problems
                .add(Problem::new(choice.path, message).help(help));
            return None;
        }
        let default = SerdeKind::from(match choice.part {
            Part::Key => self.defaults.key,
            Part::Value => self.defaults.value,
        });
        let implied = |serde: SerdeKind| {
            let unknown_as_bytes = serde == SerdeKind::Bytes && *ty == millrace_expr::Type::Any;
            writes(serde, ty) && !unknown_as_bytes
        };
        let found = format
            .serde
            .into_iter()
            .chain([default])
            .find(|serde| implied(*serde));
        if found.is_none() {
            let came = format
                .serde
                .map(|serde| format!("neither `{serde}`, as it came in, nor "));
            let came =
                came.unwrap_or_else(|| "its inputs differ in format, and not even ".to_owned());
            let message = format!(
                "no format for the {part} of {}: it is {ty}; {came}the default `{default}` can hold it",
                choice.place
            );
            let help = format!("name one here: {}", formats_for(ty));
            self.problems
                .add(Problem::new(choice.path, message).help(help));
        }
        found
    }

    /// Notes a problem and gives up on what depends on it.
    fn refuse<T>(&mut self, path: &Path, message: impl Into<String>, help: &str) -> Option<T> {
        self.problems.add(Problem::new(path, message).help(help));
        None
    }
}
