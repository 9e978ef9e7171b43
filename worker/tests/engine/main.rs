//! The engine on the embedded log: what each step of the topology language means, how tasks, state
//! and commits behave, and what faults do to them. No thread, no sleep, no broker: every run of a
//! test is the same run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod caches;
mod closed_windows;
mod damage;
mod examples;
mod faults;
mod flat_steps;
mod global_stores;
mod http_windows;
mod joins;
mod kafka_streams;
mod patterns;
mod poison;
mod processor_stores;
mod processors;
mod refused_offsets;
mod restores;
mod retries;
mod steps;
mod store;
mod supplied_stores;
mod support;
mod table_aggregates;
mod table_joins;
mod tasks;
mod test_files;
mod timed_stores;
mod unlogged_stores;
mod windows;
