//! Whole reconciliations against an API server and a Kafka in memory.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "suite/fake_api.rs"]
mod fake_api;
#[path = "suite/world.rs"]
mod world;

#[path = "suite/deletion.rs"]
mod deletion;
#[path = "suite/faults.rs"]
mod faults;
#[path = "suite/lease.rs"]
mod lease;
#[path = "suite/life.rs"]
mod life;
#[path = "suite/scaling.rs"]
mod scaling;
#[path = "suite/topics.rs"]
mod topics;
#[path = "suite/volumes.rs"]
mod volumes;
