//! Scenarios: the built `millrace-worker` against one real Apache Kafka per run.
//!
//! Each test has topics, application ids and state of its own on the shared broker; only the tests
//! that end a broker start one for themselves.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "scenarios/broker_restart.rs"]
mod broker_restart;
#[path = "scenarios/command_line.rs"]
mod command_line;
#[path = "scenarios/dev_examples.rs"]
mod dev_examples;
#[path = "scenarios/disk.rs"]
mod disk;
#[path = "scenarios/feed.rs"]
mod feed;
#[path = "scenarios/inputs.rs"]
mod inputs;
#[path = "scenarios/loan.rs"]
mod loan;
#[path = "scenarios/offsets.rs"]
mod offsets;
#[path = "scenarios/patterns.rs"]
mod patterns;
#[path = "scenarios/poison.rs"]
mod poison;
#[path = "scenarios/rebalance.rs"]
mod rebalance;
#[path = "scenarios/refused.rs"]
mod refused;
#[path = "scenarios/rust_program.rs"]
mod rust_program;
#[path = "scenarios/secured.rs"]
mod secured;
#[path = "scenarios/steps.rs"]
mod steps;
#[path = "scenarios/support.rs"]
mod support;
#[path = "scenarios/threads.rs"]
mod threads;
