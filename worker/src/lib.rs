//! The engine: runs a topology on a log, with state that survives every crash.
//!
//! The way of a record through one stream thread, and the module of each step:
//!
//! ```text
//!  consumer ──► partition group ──► task ──► nodes ──► rows ─────► collector ──► commit
//!  (kafka)      task::partition_    task     processor  state::     task::        runtime::
//!               group, record_queue                     row_table   collector     commit
//! ```
//!
//! 1. [`runtime::thread`] polls its consumer; each record is copied into the queue of its input.
//! 2. [`task::partition_group`] chooses the input with the earliest record.
//! 3. [`task`] reads key and value ([`mod@serde`]) and hands the record to the source node.
//! 4. [`processor`] runs it through the nodes, depth first; stores are read through their rows at hand.
//! 5. [`task::collector`] sends outputs, beginning the transaction at the first.
//! 6. [`runtime::commit`] sends the changelog, flushes, adds the offsets, commits, and only then
//!    writes the rows into RocksDB ([`state`]).
//!
//! Around it: [`runtime::membership`] (which tasks), [`runtime::restorer`] (their state), [`app`]
//! (threads of one application), [`mod@http`] (health, status, queries). Topologies in Rust are written
//! with [`dsl`]; [`mod@data`] has the types of their keys and values. What a worker image with code of
//! its own is written against is [`api`].

// The command line's modules name the engine as any other program would.
extern crate self as millrace_worker;

pub mod api;
pub mod app;
pub mod budget;
pub mod change;
mod cli;
pub mod clock;
pub mod config;
pub mod crash;
pub mod data;
pub mod dsl;
pub mod error;
pub mod http;
pub mod processor;
pub mod record;
pub mod runtime;
pub mod serde;
pub mod state;
pub mod status;
pub mod task;
pub mod testing;
pub mod topics;
pub mod topology;
