//! The programs around the two StreamApps of this folder: a source of transactions, the REST service
//! that takes loan requests, and the demonstration that runs everything.
//!
//! ```text
//!  transaction-producer ──► transactions ──► account-balances.yaml ──► account-balances
//!                                                                            │
//!  loan-request-api ──────► loan-requests ──► loan-evaluation.yaml ◄─────────┘
//!    POST :8004/loans                               │
//!                                                   └──► loan-evaluation-results
//! ```
//!
//! Both programs write through the [`log::Log`] trait: Kafka, or the topics of `millrace-worker dev`
//! over HTTP. This crate knows nothing of the engine and evaluates no loan itself.

pub mod account;
pub mod amount;
pub mod api;
pub mod demo;
pub mod loan;
pub mod log;
pub mod publisher;
pub mod stop;
pub mod terminal;
pub mod transactions;
