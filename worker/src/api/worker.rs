//! [`Worker`]: the entry point of a worker image.

use std::process::ExitCode;

use clap::Parser;

use super::fixed_key::FixedKeyProcessor;
use super::processor::Processor;
use super::registry::Processors;
use crate::cli;

/// A worker with processors of its own: `millrace-worker`'s command line (`run`, `dev`, `test`,
/// `check`, `describe`, `schema`) over StreamApps whose `process` steps name them.
#[derive(Default)]
pub struct Worker {
    processors: Processors,
}

impl Worker {
    /// A worker without processors: `millrace-worker` itself.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers what makes a processor for each task (`process`). Of two of one name the later counts.
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
    #[must_use]
    pub fn fixed_key_processor<P: FixedKeyProcessor + 'static>(
        mut self,
        name: impl Into<String>,
        make: impl Fn() -> P + Send + Sync + 'static,
    ) -> Self {
        self.processors = self.processors.with_fixed_key(name, make);
        self
    }

    /// Does what the process's arguments say; the exit code is the process's. Ends the process itself
    /// where they cannot be read, or ask for help.
    pub fn main(self) -> ExitCode {
        cli::run(cli::Args::parse(), &self.processors)
    }
}
