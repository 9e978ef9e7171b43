//! What users write, and what it means: the StreamApp resource, the topology language as data, and
//! the plan that both the engine and the operator work from.
//!
//! ```text
//!   YAML ──read──► StreamApp ──plan──► Plan ──layout(partition counts)──► Layout
//!                      │                 ├── diff, describe, mermaid
//!                      └── crdgen ──► the CRD's schema
//! ```
//!
//! Everything here is pure: no cluster, no clock, no files. What is wrong with a StreamApp comes back
//! as [`Problem`]s, each with the path of the field, what was found, and what to do about it.
//!
//! Reading order: [`stream_app`], [`topology`], [`read`](mod@read), [`plan`](mod@plan), [`worker_api`],
//! [`test_file`].

pub mod limits;
pub mod plan;
pub mod read;
pub mod stream_app;
pub mod test_file;
pub mod topology;
pub mod worker_api;

mod definition;
mod duration;
mod path;
mod problem;
mod rules;
mod schema;
mod suggest;

pub use definition::definition;
pub use duration::{duration, parse_duration};
pub use plan::plan;
pub use problem::{Location, MAX_PROBLEMS, Problem};
pub use read::{read, read_test_file};
pub use schema::schema;

pub use stream_app::{StreamApp, StreamAppSpec, StreamAppStatus};
