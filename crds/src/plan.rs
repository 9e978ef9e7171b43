//! From a StreamApp to a [`Plan`]: checked, wired, and ready to run.
//!
//! ```text
//!   StreamApp ─ check ─► names, order ─ build ─► nodes, stores ─► subtopologies ─► internal topics
//!                                                                        └► hash
//! ```
//!
//! [`plan`] is pure and finds all problems it can, not only the first. It never talks to a cluster:
//! what depends on partition counts is [`Plan::layout`].

mod build;
mod check;
mod describe;
mod diff;
mod flow;
mod functions;
mod graph;
mod hash;
mod layout;
mod mermaid;
mod names;
mod null_keys;
mod old_values;
mod pattern;
mod subtopologies;
mod topics;

pub use describe::describe;
pub use diff::{Diff, RepartitionChange, StoreChange, SubtopologyChange, diff};
pub use functions::Functions;
pub use graph::*;
pub use mermaid::mermaid;
pub use pattern::{Resolution, TopicPattern, spelled_out};

use crate::path::Path;
use crate::problem::{Problem, Problems};
use crate::stream_app::StreamApp;

/// Checks a StreamApp and works out its plan. Functions that it declares need not be there: of a
/// StreamApp that has some, the plan is for looking at, not for running.
///
/// # Errors
/// All problems found, at most [`MAX_PROBLEMS`](crate::MAX_PROBLEMS), each with the path of the field
/// at fault. Parts that depend on a broken part are not judged.
pub fn plan(app: &StreamApp) -> Result<Plan, Vec<Problem>> {
    plan_by(app, functions::without_code)
}

/// As [`plan`](fn@plan), for running: the functions that the StreamApp declares are these.
///
/// # Errors
/// As [`plan`](fn@plan); also functions that are not there, or not as declared.
pub fn plan_with(app: &StreamApp, functions: &Functions) -> Result<Plan, Vec<Problem>> {
    plan_by(app, |declared, problems| {
        functions::with_code(declared, functions, problems)
    })
}

fn plan_by(
    app: &StreamApp,
    find: impl FnOnce(&functions::Declared, &mut Problems) -> Functions,
) -> Result<Plan, Vec<Problem>> {
    let mut problems = Problems::default();
    let functions = find(&app.spec.topology.functions, &mut problems);
    if !problems.is_empty() {
        // Each call of what is not there would be one more.
        return Err(problems.into_vec());
    }
    check::check(app, &mut problems);
    let topology = &app.spec.topology;
    if !check::sections(topology, &mut problems) {
        return Err(problems.into_vec());
    }
    let names = names::Names::collect(topology, &mut problems);
    let order = names.order(&mut problems);
    let graph = build::build(app, &functions, (&names, &order), &mut problems);
    if problems.is_empty() {
        let plan = assemble(app, graph);
        check::topics(&plan, &mut problems);
        check::old_values(&plan, &mut problems);
        if problems.is_empty() {
            return Ok(plan);
        }
    }
    Err(problems.into_vec())
}

fn assemble(app: &StreamApp, graph: build::Graph) -> Plan {
    let mut plan = Plan {
        application_id: app.application_id().to_owned(),
        nodes: graph.nodes,
        stores: graph.stores,
        global_tables: graph.global_tables,
        subtopologies: Vec::new(),
        internal_topics: Vec::new(),
        hash: String::new(),
    };
    subtopologies::assign(&mut plan);
    old_values::mark(&mut plan);
    null_keys::mark(&mut plan);
    plan.internal_topics = topics::internal_topics(&plan, &app.spec.errors, &graph.partitions);
    plan.hash = hash::hash(&plan);
    plan
}

impl Plan {
    /// A node by its id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// A store by its id.
    pub fn store(&self, id: StoreId) -> &Store {
        &self.stores[id.0]
    }

    /// Full name of the tasks topic.
    pub fn tasks_topic(&self) -> String {
        topics::tasks_topic(&self.application_id)
    }

    /// Full name of the dead-letter topic; `None` where every kind of error stops the application.
    pub fn dead_letter_topic(&self) -> Option<&str> {
        let topic = self
            .internal_topics
            .iter()
            .find(|t| t.kind == InternalTopicKind::DeadLetter)?;
        Some(&topic.name)
    }

    /// The user's topics that the application reads, with the node that reads each, sorted by name.
    pub fn source_topics(&self) -> Vec<(&str, NodeId)> {
        let mut topics: Vec<(&str, NodeId)> = Vec::new();
        for node in &self.nodes {
            topics.extend(
                node.kind
                    .inputs()
                    .into_iter()
                    .filter_map(|topic| match topic {
                        TopicRef::External(name) => Some((name.as_str(), node.id)),
                        TopicRef::Repartition(_) => None,
                    }),
            );
        }
        topics.sort_unstable();
        topics
    }

    /// The user's topics that the application writes to, sorted by name, each once; those that
    /// records name are not known.
    pub fn sink_topics(&self) -> Vec<&str> {
        let topics = self.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::Sink {
                topic: SinkTopic::Fixed(topic),
                ..
            } => Some(topic.as_str()),
            _ => None,
        });
        let mut topics: Vec<&str> = topics.collect();
        topics.sort_unstable();
        topics.dedup();
        topics
    }

    /// Whether the changes a table node forwards must carry the old value too (Kafka Streams'
    /// `sendOldValues`): an aggregation of tables, a foreign-key join or an outer side of a table
    /// join is below, perhaps behind other steps of tables.
    pub fn needs_old_value(&self, node: NodeId) -> bool {
        self.nodes[node.0].sends_old
    }

    /// A global table by its id.
    pub fn global_table(&self, id: GlobalTableId) -> &GlobalTable {
        &self.global_tables[id.0]
    }
}

impl SerdeKind {
    /// The type of what this format reads.
    pub(crate) fn value_type(self) -> millrace_expr::Type {
        use millrace_expr::Type;
        match self {
            Self::Bytes => Type::Bytes,
            Self::String => Type::String,
            Self::Json => Type::Any,
            Self::Int | Self::Long => Type::Int,
            Self::Double => Type::Double,
            Self::Decimal => Type::Decimal,
        }
    }
}

/// Path of the spec.
fn spec() -> Path {
    Path::root().key("spec")
}
