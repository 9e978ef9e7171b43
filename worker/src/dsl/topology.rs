//! [`Topology`]: what a builder has built.

use millrace_crds::plan::{self, Functions, Plan};
use millrace_crds::{Problem, StreamApp, StreamAppSpec, topology};

use super::graph::Code;
use crate::api::Processors;

/// Brokers of an application that is planned or tried out, not run.
const NO_KAFKA: &str = "localhost:9092";

/// A topology, as data, and the code that it calls: a StreamApp's `topology` and what makes it run.
#[derive(Clone, Debug)]
pub struct Topology {
    topology: topology::Topology,
    code: Code,
    /// What the builder noted.
    problems: Vec<Problem>,
}

impl Topology {
    pub(super) fn new(
        (topology, code, problems): (topology::Topology, Code, Vec<Problem>),
    ) -> Self {
        Self {
            topology,
            code,
            problems,
        }
    }

    /// The topology in the terms of the topology language. Its expressions call closures by name.
    pub fn data(&self) -> &topology::Topology {
        &self.topology
    }

    /// The closures.
    pub fn functions(&self) -> &Functions {
        &self.code.functions
    }

    /// The processors.
    pub fn processors(&self) -> &Processors {
        &self.code.processors
    }

    /// With code that was registered apart from the builder: suppliers of stores.
    #[must_use]
    pub fn with_code(mut self, registered: &Processors) -> Self {
        self.code.processors = self.code.processors.and(registered);
        self
    }

    /// A StreamApp of this topology, all else by default: what tests and [`Topology::plan`] use. It
    /// has no Kafka to go to.
    pub fn stream_app(&self, application_id: &str) -> StreamApp {
        let mut spec = StreamAppSpec::new(NO_KAFKA, self.topology.clone());
        spec.application_id = Some(application_id.to_owned());
        StreamApp::new(application_id, spec)
    }

    /// The plan under this application id.
    ///
    /// # Errors
    /// What is wrong with the composition, as far as types could not say so: names that are taken, a
    /// table that is joined and not kept, an operator that needs a name.
    pub fn plan(&self, application_id: &str) -> Result<Plan, Vec<Problem>> {
        self.plan_of(&self.stream_app(application_id))
    }

    /// The plan of a StreamApp of this topology, perhaps with other settings.
    ///
    /// # Errors
    /// As [`Topology::plan`]; also what is wrong with the settings.
    pub fn plan_of(&self, app: &StreamApp) -> Result<Plan, Vec<Problem>> {
        if self.problems.is_empty() {
            plan::plan_with(app, self.functions())
        } else {
            Err(self.problems.clone())
        }
    }

    /// Subtopologies, nodes, stores and topics under this application id, as text.
    ///
    /// # Errors
    /// As [`Topology::plan`].
    pub fn describe(&self, application_id: &str) -> Result<String, Vec<Problem>> {
        Ok(plan::describe(&self.plan(application_id)?))
    }
}
