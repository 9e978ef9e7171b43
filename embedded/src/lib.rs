//! The embedded log: Kafka's semantics in one process, without a broker (architecture decision D6).
//!
//! It is the log under `worker dev` (optionally kept in a directory) and under the engine's tests,
//! where its [`Clock`] makes sessions and timeouts deterministic. [`FaultyCluster`] wraps it, or any
//! other log, and makes it fail by a seeded plan. The contract suite of the `tests` crate runs
//! against this log and against Apache Kafka, so what is said of one holds for the other.
//!
//! ```text
//!   EmbeddedCluster ── admin / consumer / reader / producer ──► clients, one thread each
//!          │                                                     │ batches, not single records
//!          ▼                                                     ▼
//!       Shared: one lock, one condition variable ──► State ──► topics → partitions → batches
//!                                                      │        groups, transactions
//!                                                      └──────► journal (with --data)
//! ```
//!
//! Records lie in immutable shared batches: a poll takes references to them under the lock and calls
//! the caller back without it. What differs from Kafka, on purpose: `retention.ms` deletes nothing;
//! compaction does not spare an active segment; a member's session ends when it stops polling (there
//! is no heartbeat of its own); nothing is sent before a batch is full, `flush` or `commit`.

mod admin;
mod batch;
mod browse;
mod change;
mod clock;
mod cluster;
mod consumer;
mod faults;
mod group;
mod journal;
mod partition;
mod producer;
mod reader;
mod state;
mod topic;

pub use browse::{PartitionSummary, ReadFrom, StoredRecord, TopicSummary};
pub use clock::{Clock, ManualClock, SystemClock};
pub use cluster::{EmbeddedCluster, EmbeddedOptions};
pub use faults::{Call, Fault, FaultPlan, FaultyCluster};
pub use journal::OpenError;
pub use partition::Isolation;
