//! The operator: turns StreamApp resources into running workers (architecture decisions D7 and D8).
//!
//! ```text
//!   StreamApps, pods, …            API server, Kafka, workers             API server, Kafka
//!        │ watch                          │ read                               ▲ write
//!        ▼                                ▼                                    │
//!   controller ──► reconcile ──► observe ──► Observed ──► decide ──► Decision ──► act
//!        ▲                                              (pure)
//!        └── run ◄── lease: one replica leads
//! ```
//!
//! Reading order: [`reconcile`], [`observe`], [`decide`], [`act`]. What is written is built by
//! [`render`], which is pure too.
//!
//! It never processes a record, and what runs does not need it: workers go on while it is away.
//!
//! Rights it needs (the chart grants them, in all namespaces or in those it watches):
//!
//! | API | verbs |
//! |---|---|
//! | streamapps | get, list, watch, patch |
//! | streamapps/status, streamapps/finalizers | patch; update |
//! | statefulsets, configmaps, services, serviceaccounts, poddisruptionbudgets, networkpolicies | get, list, watch, create, patch, delete |
//! | pods, persistentvolumeclaims | get, list, watch, patch, delete |
//! | secrets | get |
//! | events.k8s.io/events | create, patch |
//! | leases, in its own namespace | get, create, update |

pub mod act;
pub mod cli;
pub mod compare;
pub mod context;
pub mod controller;
pub mod crash;
pub mod decide;
pub mod error;
pub mod http;
pub mod kafka;
pub mod lease;
pub mod metrics;
pub mod observe;
pub mod reconcile;
pub mod render;
pub mod run;
pub mod workers;
