//! Kafka Streams as the judge: the same topology and the same input through its TopologyTestDriver
//! and through our engine, every output, header, timestamp and store row compared.
//!
//! ```text
//!   seed ─ generate ─► Case ─┬─ Judge (a JVM, tests/oracle) ───► Answer ─┐
//!                            │                                          ├─ compare ─► Difference
//!                            └─ app (YAML) ─ ours (StepDriver) ► Answer ┘               │ shrink
//! ```
//! A case is data: both sides build their topology from it, with functions from one small vocabulary
//! ([`function`]) that each has in its own language. What a case cannot say is not compared.

pub mod app;
pub mod case;
pub mod compare;
pub mod coverage;
pub mod function;
pub mod generate;
pub mod judge;
pub mod mistakes;
pub mod ours;
mod processor;
mod random;
mod remembering;
pub mod shrink;

pub use case::{Answer, Case};
pub use judge::Judge;
