//! For tests: a topology driven step by step on the embedded log, a time that stands still until
//! moved, a directory that removes itself.
//!
//! ```text
//!   TopologyDriver ── produce ──► EmbeddedCluster ◄── read ── TopologyDriver
//!        │ step                        ▲
//!        ▼                             │  (optionally through a FaultyCluster)
//!   Member: StreamThread + InlineRestores ─┘        all of them on one ManualClock
//! ```
//! No thread is started and nothing sleeps, so a run is the same each time. What is tested is the
//! engine itself, its commit, restore and membership included: nothing here stands in for them.
//!
//! [`StepDriver`] is the small brother: it runs the tasks alone, without log, group and restore, for
//! thousands of short cases. [`TopologyTestDriver`] gives it the Rust types of a topology in Rust;
//! [`TestSuite`] runs the cases of a test file through it.

mod capture;
mod clock;
mod crash;
mod driver;
mod error;
mod idle;
mod member;
mod restores;
mod step_driver;
mod suite;
mod temp_dir;
mod turns;
mod typed;

pub use capture::CapturedRecord;
pub use clock::ManualClock;
pub use driver::{DriverOptions, Rows, TopologyDriver};
pub use error::DriverError;
pub use member::Member;
pub use restores::InlineRestores;
pub use step_driver::{StepDriver, StepOptions};
pub use suite::{CaseResult, Difference, Failure, Line, TestSuite};
pub use temp_dir::TempDir;
pub use typed::{TestInputTopic, TestOutputTopic, TestRecord, TestStore, TopologyTestDriver};
