//! The embedded log beyond the contract it shares with Kafka (that suite is in the `tests` crate):
//! its clock, its journal, its bounds, its faults. Nothing here sleeps.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bounds;
mod browse;
mod exactly_once;
mod faults;
mod groups;
mod journal;
mod model;
mod support;
mod throughput;
mod time;
