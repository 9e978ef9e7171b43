//! The typed DSL: each operator means what its step of the topology language means, and the examples
//! give the same records in Rust as in YAML. Topologies are built in Rust, planned, and driven record by
//! record through the engine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod aggregates;
mod application;
mod documented;
mod examples;
mod guide;
mod joins;
mod keyed_joins;
mod process;
mod process_outputs;
mod refusals;
mod sources;
mod stateless;
mod stores;
mod support;
mod suppressed;
mod typed;
