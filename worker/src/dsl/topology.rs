//! [`Topology`]: what a builder has built.

use millrace_crds::plan::{self, Functions, Plan};
use millrace_crds::{Problem, StreamApp, StreamAppSpec, topology};

use super::graph::Code;
use crate::api::Processors;

/// Brokers of an application that is planned or tried out, not run.
const NO_KAFKA: &str = "localhost:9092";

/// A topology, as data, and the code that it calls: a StreamApp's `topology` and what makes it run.
///
/// ```
/// # use millrace_worker::dsl::StreamsBuilder;
/// # let builder = StreamsBuilder::new();
/// builder.stream::<String, i64>("orders").filter(|_, amount| *amount > 100).to("large-orders");
/// let topology = builder.build();
/// let plan = topology.plan("shop").unwrap();
/// assert_eq!(plan.source_topics()[0].0, "orders");
/// ```
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
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("orders").to("copied-orders");
    /// let topology = builder.build();
    /// assert_eq!(topology.data().streams["orders"].topic.as_deref(), Some("orders"));
    /// ```
    pub fn data(&self) -> &topology::Topology {
        &self.topology
    }

    /// The closures.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("orders").filter(|_, amount| *amount > 100).to("large-orders");
    /// let functions = builder.build().functions().declarations();
    /// assert_eq!(functions["filter_1"].to_string(), "`(string, int) -> bool`");
    /// ```
    pub fn functions(&self) -> &Functions {
        &self.code.functions
    }

    /// The processors.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # use doc::Forward;
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("orders").process(|| Forward, "audit").to("audited-orders");
    /// assert_eq!(builder.build().processors().to_string(), "audit");
    /// ```
    pub fn processors(&self) -> &Processors {
        &self.code.processors
    }

    /// With code that was registered apart from the builder: suppliers of stores.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Grouped, Materialized, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # use millrace_worker::api::{Processors, StorePlace};
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/tree.rs")); }
    /// # use doc::Tree;
    /// let counts = Materialized::named("counts").with_supplier("tree");
    /// builder.stream::<String, i64>("orders").group_by_key(Grouped::new()).count(counts);
    /// let own = Processors::new().with_store_supplier("tree", |_: &StorePlace| Ok(Tree::default()));
    /// let topology = builder.build().with_code(&own);
    /// assert!(topology.processors().check(&topology.plan("shop").unwrap()).is_ok());
    /// ```
    #[must_use]
    pub fn with_code(mut self, registered: &Processors) -> Self {
        self.code.processors = self.code.processors.and(registered);
        self
    }

    /// A StreamApp of this topology, all else by default: what tests and [`Topology::plan`] use. It
    /// has no Kafka to go to.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("orders").to("copied-orders");
    /// let app = builder.build().stream_app("shop");
    /// assert_eq!(app.spec.application_id.as_deref(), Some("shop"));
    /// ```
    pub fn stream_app(&self, application_id: &str) -> StreamApp {
        let mut spec = StreamAppSpec::new(NO_KAFKA, self.topology.clone());
        spec.application_id = Some(application_id.to_owned());
        StreamApp::new(application_id, spec)
    }

    /// The plan under this application id.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("orders").filter(|_, amount| *amount > 0).named("paid").to("a");
    /// builder.stream::<String, i64>("returns").filter(|_, amount| *amount > 0).named("paid").to("b");
    /// let problems = builder.build().plan("shop").unwrap_err();
    /// assert_eq!(problems[0].message, "the name `paid` was given twice");
    /// ```
    ///
    /// # Errors
    /// What is wrong with the composition, as far as types could not say so: names that are taken, a
    /// table that is joined and not kept, an operator that needs a name.
    pub fn plan(&self, application_id: &str) -> Result<Plan, Vec<Problem>> {
        self.plan_of(&self.stream_app(application_id))
    }

    /// The plan of a StreamApp of this topology, perhaps with other settings.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("orders").to("copied-orders");
    /// let topology = builder.build();
    /// let mut app = topology.stream_app("shop");
    /// app.spec.application_id = Some("shop-2".to_owned());
    /// assert_eq!(topology.plan_of(&app).unwrap().application_id, "shop-2");
    /// ```
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
    /// ```
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders");
    /// orders.group_by_key(Grouped::new()).count("order-counts");
    /// let text = builder.build().describe("shop").unwrap();
    /// assert!(text.contains("shop-order-counts-changelog"));
    /// ```
    ///
    /// # Errors
    /// As [`Topology::plan`].
    pub fn describe(&self, application_id: &str) -> Result<String, Vec<Problem>> {
        Ok(plan::describe(&self.plan(application_id)?))
    }
}
