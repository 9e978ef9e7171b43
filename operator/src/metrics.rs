//! What the operator counts: [`Metrics`], in Prometheus' text format on `/metrics`.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds of the durations' buckets, seconds: from a steady look to a Kafka that does not answer.
const BUCKETS: [f64; 9] = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0];

/// Why a reconciliation failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FailureLabels {
    /// [`Error::reason`](crate::error::Error::reason).
    pub reason: String,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct WriteLabels {
    /// Kind of the object, or `Topic`.
    pub kind: String,
}

/// The operator's counters. Handles: cheap to clone, all clones count together.
#[derive(Clone)]
pub struct Metrics {
    reconciliations: Counter,
    failures: Family<FailureLabels, Counter>,
    writes: Family<WriteLabels, Counter>,
    durations: Histogram,
    leader: Gauge<f64, AtomicU64>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Makes the counters and names them in a registry of their own.
    pub fn new() -> (Self, Registry) {
        let metrics = Self {
            reconciliations: Counter::default(),
            failures: Family::default(),
            writes: Family::default(),
            durations: Histogram::new(BUCKETS),
            leader: Gauge::default(),
        };
        let mut registry = Registry::with_prefix("millrace_operator");
        registry.register(
            "reconciliations",
            "Reconciliations begun",
            metrics.reconciliations.clone(),
        );
        registry.register(
            "reconciliation_failures",
            "Reconciliations that could not be finished, by reason",
            metrics.failures.clone(),
        );
        registry.register(
            "writes",
            "Changes written to the API server and to Kafka, by kind of object; none while nothing \
             changes",
            metrics.writes.clone(),
        );
        registry.register_with_unit(
            "reconciliation_duration",
            "Time of a reconciliation",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        registry.register(
            "leader",
            "1 while this replica is the leader, else 0",
            metrics.leader.clone(),
        );
        (metrics, registry)
    }

    /// Counts a reconciliation and its duration.
    pub fn reconciled(&self, took: Duration) {
        self.reconciliations.inc();
        self.durations.observe(took.as_secs_f64());
    }

    /// Counts a reconciliation that failed.
    pub fn failed(&self, reason: &str) {
        let labels = FailureLabels {
            reason: reason.to_owned(),
        };
        self.failures.get_or_create(&labels).inc();
    }

    /// Counts a write.
    pub fn wrote(&self, kind: &str) {
        let labels = WriteLabels {
            kind: kind.to_owned(),
        };
        self.writes.get_or_create(&labels).inc();
    }

    /// Whether this replica leads.
    pub fn set_leader(&self, leads: bool) {
        self.leader.set(if leads { 1.0 } else { 0.0 });
    }
}
