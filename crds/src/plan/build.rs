//! Turns declared streams and tables into nodes and stores.
//!
//! A node is made after the nodes it hears from, so ids are a topological order. A part that cannot be
//! built leaves a problem and no [`Flow`]; what depends on it is then not judged.

mod aggregate;
mod cogroup;
mod declare;
mod expression;
mod flat;
mod foreign_key;
mod grouping;
mod join;
mod order;
mod process;
mod repartition;
mod sink;
mod source;
mod steps;
mod store;
mod stream_join;
mod table;
mod table_join;
mod windows;

use std::collections::{BTreeMap, BTreeSet};

use millrace_expr::Type;

use super::flow::{Flow, Format, formats_for, writes};
use super::functions::Functions;
use super::graph::{GlobalTable, GlobalTableId, Node, NodeId, NodeKind, SerdeKind, Store};
use super::names::{Declared, Names};
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
    functions: &Functions,
    (names, order): (&Names<'a>, &[&'a str]),
    problems: &mut Problems,
) -> Graph {
    let mut builder = Builder {
        application_id: app.application_id(),
        defaults: app.spec.defaults,
        functions,
        names,
        graph: Graph::default(),
        node_names: BTreeSet::new(),
        store_paths: BTreeMap::new(),
        repartition_paths: BTreeMap::new(),
        source_paths: BTreeMap::new(),
        global_tables: BTreeMap::new(),
        flows: BTreeMap::new(),
        used_stores: Vec::new(),
        problems,
    };
    for (name, table, path) in names.global_tables() {
        builder.global_table(name, path, table);
    }
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
    builder.find_used_stores();
    builder.supply_stores(&app.spec.topology.store_suppliers);
    builder.graph
}

/// The graph so far, and what must be unique in it.
struct Builder<'a, 'b> {
    application_id: &'a str,
    defaults: DefaultsSpec,
    functions: &'b Functions,
    names: &'b Names<'a>,
    graph: Graph,
    node_names: BTreeSet<String>,
    store_paths: BTreeMap<String, Path>,
    repartition_paths: BTreeMap<String, Path>,
    source_paths: BTreeMap<String, Path>,
    /// The global tables that could be built.
    global_tables: BTreeMap<&'a str, GlobalTableId>,
    /// What came out of each declaration and branch that could be built.
    flows: BTreeMap<&'a str, Flow>,
    /// Stores of others that processors use, to be found when all are known.
    used_stores: Vec<process::UsedStore<'a>>,
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

    /// Name of one of several nodes of the step.
    fn part_name(&self, part: &str) -> String {
        format!("{}.{}.{part}", self.owner, self.tag)
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
            let unknown_as_bytes = serde == SerdeKind::Bytes && *ty == Type::Any;
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
            let why = match ty {
                Type::Any => "what it is shows with each record, and not even ",
                _ => "its inputs differ in format, and not even ",
            };
            let came = came.unwrap_or_else(|| why.to_owned());
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
