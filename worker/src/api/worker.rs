//! [`Worker`]: the entry point of a worker image.

use std::process::ExitCode;

use clap::Parser;

use super::fixed_key::FixedKeyProcessor;
use super::processor::Processor;
use super::registry::Processors;
use super::state_store::StoreSupplier;
use crate::cli;
use crate::dsl::{Application, Topology};

/// A worker with code of its own: `millrace-worker`'s command line (`run`, `dev`, `test`, `check`,
/// `describe`, `export`, `schema`) over StreamApps whose `process` steps name its processors, or over a
/// topology written in Rust.
///
/// A topology makes the program complete: `dev` needs no StreamApp, `run` no more than Kafka's address,
/// and `export` prints the StreamApp for Kubernetes.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use millrace_worker::api::Worker;
/// use millrace_worker::dsl::StreamsBuilder;
///
/// fn main() -> ExitCode {
///     let builder = StreamsBuilder::new();
///     builder.stream::<String, i64>("numbers").filter(|_, n| n % 2 == 0).to("even-numbers");
///     Worker::new().topology("even", builder.build()).main()
/// }
/// ```
#[derive(Default)]
pub struct Worker {
    processors: Processors,
    own: Option<Application>,
}

impl Worker {
    /// A worker without processors: `millrace-worker` itself.
    ///
    /// ```
    /// # use millrace_worker::api::Worker;
    /// let worker = Worker::new();
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers what makes a processor for each task (`process`). Of two of one name the later counts.
    ///
    /// ```
    /// # use millrace_worker::api::Worker;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # use doc::Forward;
    /// let worker = Worker::new().processor("copy", || Forward);
    /// ```
    #[must_use]
    pub fn processor<P: Processor + 'static>(
        mut self,
        name: impl Into<String>,
        make: impl Fn() -> P + Send + Sync + 'static,
    ) -> Self {
        self.processors = self.processors.with(name, make);
        self
    }

    /// Registers what makes a fixed-key processor for each task (`processValues`). Of two of one name
    /// the later counts.
    ///
    /// ```
    /// # use millrace_worker::api::Worker;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # use doc::Forward;
    /// let worker = Worker::new().fixed_key_processor("pass", || Forward);
    /// ```
    #[must_use]
    pub fn fixed_key_processor<P: FixedKeyProcessor + 'static>(
        mut self,
        name: impl Into<String>,
        make: impl Fn() -> P + Send + Sync + 'static,
    ) -> Self {
        self.processors = self.processors.with_fixed_key(name, make);
        self
    }

    /// Registers what opens stores in a way of the image's own, for StreamApps that name it in
    /// `storeSuppliers`, and topologies in [`Materialized::with_supplier`]: see [`StateStore`]. Of two of
    /// one name the later counts.
    ///
    /// [`Materialized::with_supplier`]: crate::dsl::Materialized::with_supplier
    /// [`StateStore`]: super::StateStore
    ///
    /// ```
    /// # use millrace_worker::api::{StorePlace, Worker};
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/tree.rs")); }
    /// # use doc::Tree;
    /// let worker = Worker::new().store_supplier("tree", |_: &StorePlace| Ok(Tree::default()));
    /// ```
    #[must_use]
    pub fn store_supplier(
        mut self,
        name: impl Into<String>,
        supplier: impl StoreSupplier + 'static,
    ) -> Self {
        self.processors = self.processors.with_store_supplier(name, supplier);
        self
    }

    /// Sets the topology that the program is for; the name is the application id where nothing says
    /// another. In place of one that was set before.
    ///
    /// ```
    /// # use millrace_worker::api::Worker;
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("orders").to("copied-orders");
    /// let worker = Worker::new().topology("shop", builder.build());
    /// ```
    #[must_use]
    pub fn topology(mut self, name: impl Into<String>, topology: Topology) -> Self {
        self.own = Some(Application::new(name, topology));
        self
    }

    /// Does what the process's arguments say; the exit code is the process's. Ends the process itself
    /// where they cannot be read, or ask for help.
    ///
    /// ```no_run
    /// use millrace_worker::api::Worker;
    ///
    /// fn main() -> std::process::ExitCode {
    ///     Worker::new().main()
    /// }
    /// ```
    pub fn main(self) -> ExitCode {
        let mut processors = self.processors;
        if let Some(own) = &self.own {
            processors = processors.and(own.topology().processors());
        }
        let image = cli::Image {
            processors,
            own: self.own,
        };
        cli::run(cli::Args::parse(), &image)
    }
}
