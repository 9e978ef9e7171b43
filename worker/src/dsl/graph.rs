//! [`Graph`]: what the operators were called on, until it is written down as a topology.
//!
//! An operator adds a node: where its records come from, and the steps done with them. A node that one
//! other alone goes on from becomes part of that one's declaration; the others are declared by a name.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use millrace_crds::Problem;
use millrace_crds::plan::{Functions, SerdeKind};
use millrace_crds::topology::{
    Branch, GlobalTable, SerdeName, Split, Step, Stream, Table, Topology,
};
use millrace_expr::{Function, NativeFunction, Type};

use super::declare::declare;
use super::options::{Materialized, MaterializedTable};
use crate::api::Processors;

/// A node by its place.
pub(super) type NodeId = usize;

/// Where a node's records come from.
pub(super) enum Origin {
    /// A topic.
    Stream(Stream),
    /// A topic.
    Table(Table),
    /// A topic.
    Global(GlobalTable),
    /// Several streams.
    Merge(Vec<NodeId>),
    /// Another node, through steps.
    Steps(NodeId, Vec<Step>),
    /// A branch of a split, which declares its name.
    Branch,
}

/// What comes out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Stream,
    Table,
    Global,
}

/// What an operator has added.
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) kind: Kind,
    /// Its name, asked for or made up.
    pub(super) name: String,
    /// Whether the name was asked for.
    pub(super) named: bool,
    /// Store of a table that is kept.
    pub(super) store: Option<MaterializedTable>,
    /// Nodes named in its steps, in the steps' order.
    pub(super) refers_to: Vec<NodeId>,
}

/// What a topology calls by name.
#[derive(Clone, Debug)]
pub(super) struct Code {
    /// Functions of its expressions.
    pub(super) functions: Functions,
    /// Processors of its steps.
    pub(super) processors: Processors,
}

/// The graph, shared by the builder and everything made of it.
#[derive(Clone, Default)]
pub(super) struct Graph(Rc<RefCell<Inner>>);

#[derive(Default)]
struct Inner {
    nodes: Vec<Node>,
    functions: Functions,
    function_count: usize,
    processors: Processors,
    /// Suppliers of stores, by the stores' names.
    store_suppliers: BTreeMap<String, String>,
    /// What two things of one kind were called: kind, name.
    twice: Vec<(&'static str, String)>,
    /// Whether an operator was given a part of another builder.
    mixed: bool,
    /// Options that mean nothing where they were given.
    meaningless: Vec<Problem>,
}

/// A node of a graph.
#[derive(Clone)]
pub(super) struct Handle {
    pub(super) graph: Graph,
    pub(super) node: NodeId,
}

impl Graph {
    pub(super) fn stream(&self, name: &str, stream: Stream) -> Handle {
        self.add(name, Origin::Stream(stream), Kind::Stream, Vec::new())
    }

    pub(super) fn table(&self, name: &str, table: Table) -> Handle {
        self.add(name, Origin::Table(table), Kind::Table, Vec::new())
    }

    pub(super) fn global(&self, name: &str, table: GlobalTable) -> Handle {
        self.add(name, Origin::Global(table), Kind::Global, Vec::new())
    }

    pub(super) fn merge(&self, inputs: Vec<NodeId>) -> Handle {
        self.add("merge", Origin::Merge(inputs), Kind::Stream, Vec::new())
    }

    fn add(&self, name: &str, origin: Origin, kind: Kind, refers_to: Vec<NodeId>) -> Handle {
        let mut inner = self.0.borrow_mut();
        let node = inner.nodes.len();
        inner.nodes.push(Node {
            origin,
            kind,
            name: name.to_owned(),
            named: false,
            store: None,
            refers_to,
        });
        let graph = self.clone();
        Handle { graph, node }
    }

    /// Registers a function; returns the name that expressions call it by.
    pub(super) fn function(
        &self,
        tag: &str,
        (parameters, result): (Vec<Type>, Type),
        format: Option<SerdeKind>,
        native: impl NativeFunction + 'static,
    ) -> String {
        let mut inner = self.0.borrow_mut();
        inner.function_count += 1;
        let name = format!("{tag}_{}", inner.function_count);
        let function = Function::new(parameters, result, native);
        let added = inner.functions.add(&name, function, format);
        debug_assert!(added.is_ok(), "tags are letters, and the number is new");
        name
    }

    /// Registers a processor by its name.
    pub(super) fn processors(&self, name: &str, with: impl FnOnce(Processors, &str) -> Processors) {
        let mut inner = self.0.borrow_mut();
        if inner.processors.has(name) {
            inner.twice.push(("processor", name.to_owned()));
        }
        inner.processors = with(std::mem::take(&mut inner.processors), name);
    }

    /// Notes who keeps a store, where that is not the engine.
    pub(super) fn supplied(&self, store: &str, supplier: Option<String>) {
        let mut inner = self.0.borrow_mut();
        let supplier = supplier.map(|supplier| (store.to_owned(), supplier));
        inner.store_suppliers.extend(supplier);
    }

    /// A store that is made, whoever keeps it.
    pub(super) fn keeping(&self, store: impl Into<Materialized>) -> Materialized {
        let mut store = store.into();
        self.supplied(&store.store, store.supplier.take());
        store
    }

    /// As [`Graph::keeping`], of a table as it is.
    pub(super) fn keeping_table(&self, store: impl Into<MaterializedTable>) -> MaterializedTable {
        let MaterializedTable { store, versioned } = store.into();
        let store = self.keeping(store);
        MaterializedTable { store, versioned }
    }

    /// Notes that a name was given twice.
    pub(super) fn twice(&self, kind: &'static str, name: &str) {
        self.0.borrow_mut().twice.push((kind, name.to_owned()));
    }

    /// Notes that an option means nothing where it was given.
    pub(super) fn meaningless(&self, message: String, help: &str) {
        let problem = problem(message, help);
        self.0.borrow_mut().meaningless.push(problem);
    }

    /// The topology, its code, and what is wrong with the composition.
    pub(super) fn topology(&self) -> (Topology, Code, Vec<Problem>) {
        let inner = self.0.borrow();
        let (mut topology, mut problems) = declare(&inner.nodes);
        topology.functions = inner.functions.declarations();
        topology.store_suppliers.clone_from(&inner.store_suppliers);
        if inner.mixed {
            problems.push(problem(
                "parts of two builders were joined or merged".to_owned(),
                "build a topology with one `StreamsBuilder`",
            ));
        }
        problems.extend(inner.twice.iter().map(|(kind, name)| {
            let message = format!("the name `{name}` was given to two {kind}s");
            problem(message, "give each one of its own")
        }));
        problems.extend(inner.meaningless.iter().cloned());
        let code = Code {
            functions: inner.functions.clone(),
            processors: inner.processors.clone(),
        };
        (topology, code, problems)
    }
}

impl Handle {
    /// What comes out of these steps.
    pub(super) fn steps(&self, steps: Vec<Step>, kind: Kind, refers_to: Vec<NodeId>) -> Handle {
        let tag = steps.last().map_or("steps", Step::tag).to_owned();
        let origin = Origin::Steps(self.node, steps);
        self.graph.add(&tag, origin, kind, refers_to)
    }

    /// What comes out of a step, which is of the same kind.
    pub(super) fn step(&self, step: Step) -> Handle {
        let kind = self.graph.0.borrow().nodes[self.node].kind;
        self.steps(vec![step], kind, Vec::new())
    }

    /// The node of another handle, for a step that refers to it. One of another builder cannot be
    /// meant: that is noted, and this node stands for it.
    pub(super) fn other(&self, other: &Handle) -> NodeId {
        if Rc::ptr_eq(&self.graph.0, &other.graph.0) {
            return other.node;
        }
        self.graph.0.borrow_mut().mixed = true;
        self.node
    }

    /// The branches of a split; the last one is the default, where it has no predicate.
    pub(super) fn split(&self, branches: &[(String, Option<String>)]) -> Vec<Handle> {
        let mut split = Split::default();
        for (name, when) in branches {
            match when {
                Some(when) => split.branches.push(Branch {
                    name: name.clone(),
                    when: when.clone(),
                }),
                None => split.default = Some(name.clone()),
            }
        }
        self.step(Step::Split(split));
        branches.iter().map(|(name, _)| self.output(name)).collect()
    }

    /// A stream by the name that a step before, the last of its declaration, gives it.
    pub(super) fn output(&self, name: &str) -> Handle {
        let graph = &self.graph;
        let handle = graph.add(name, Origin::Branch, Kind::Stream, Vec::new());
        handle.named(name)
    }

    /// Gives it a name of its own.
    pub(super) fn named(self, name: impl Into<String>) -> Handle {
        let mut inner = self.graph.0.borrow_mut();
        let node = &mut inner.nodes[self.node];
        node.name = name.into();
        node.named = true;
        drop(inner);
        self
    }

    /// Has it kept in a store.
    pub(super) fn materialized(self, store: MaterializedTable) -> Handle {
        self.graph.0.borrow_mut().nodes[self.node].store = Some(store);
        self
    }
}

/// Something that is wrong with the composition.
pub(super) fn problem(message: String, help: &str) -> Problem {
    Problem {
        path: "spec.topology".to_owned(),
        message,
        help: Some(help.to_owned()),
        location: None,
    }
}

/// The name of a format in the topology language.
pub(super) fn format_name(format: SerdeKind) -> SerdeName {
    format.into()
}
