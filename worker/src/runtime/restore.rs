//! What is restored: jobs, their progress and their results. [`super::restorer`] does it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use millrace_crds::plan::{Plan, SerdeKind, TaskId};

use crate::api::{Processors, RegisteredSupplier};
use crate::error::EngineError;
use crate::state::Shape;
use crate::task::TaskState;

/// A store whose rows come from its changelog.
#[derive(Clone, Debug)]
pub struct StoreToRestore {
    /// Store name.
    pub name: Arc<str>,
    /// What its rows are.
    pub shape: Shape,
    /// Key format.
    pub key: SerdeKind,
    /// Value format.
    pub value: SerdeKind,
    /// Changelog topic; `None` where nothing is logged, and so nothing restored.
    pub changelog: Option<Arc<str>>,
    /// Whether its rows are not in RocksDB, and so restored whole.
    pub in_memory: bool,
    /// What keeps them instead, where that is no memory of ours.
    pub supplier: Option<RegisteredSupplier>,
}

impl StoreToRestore {
    /// The stores of a subtopology, by slot; their suppliers are among these, as
    /// [`Processors::check`] has seen.
    pub fn of(plan: &Plan, subtopology: usize, suppliers: &Processors) -> Vec<Self> {
        let ids = plan
            .subtopologies
            .get(subtopology)
            .map_or(&[][..], |part| &part.stores);
        ids.iter()
            .filter_map(|id| plan.stores.get(id.0))
            .map(|store| Self {
                name: store.name.as_str().into(),
                shape: Shape::of(plan, store),
                key: store.key,
                value: store.value,
                changelog: store.changelog.as_deref().map(Arc::from),
                in_memory: store.in_memory || store.supplier.is_some(),
                supplier: store
                    .supplier
                    .as_deref()
                    .and_then(|name| suppliers.store_supplier(name)),
            })
            .collect()
    }
}

/// How far a task's restore is; written by the restorer, read by status and metrics.
#[derive(Debug, Default)]
pub struct RestoreProgress {
    restored: AtomicU64,
    total: AtomicU64,
}

impl RestoreProgress {
    /// Adds records applied.
    pub fn add_restored(&self, records: u64) {
        self.restored.fetch_add(records, Ordering::Relaxed);
    }

    /// Adds changelog offsets to go through (an upper bound of records: markers and compacted
    /// records count).
    pub fn add_total(&self, offsets: u64) {
        self.total.fetch_add(offsets, Ordering::Relaxed);
    }

    /// Records applied.
    pub fn restored(&self) -> u64 {
        self.restored.load(Ordering::Relaxed)
    }

    /// Changelog offsets to go through in all.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}

/// A task whose state is to be made complete.
pub struct RestoreJob {
    /// Task number.
    pub number: i32,
    /// Task.
    pub task: TaskId,
    /// Its stores, by slot; not empty.
    pub stores: Vec<StoreToRestore>,
    /// Its state, where it is still open (after a failed commit): only the tail is missing.
    pub state: Option<TaskState>,
    /// Shared with the status.
    pub progress: Arc<RestoreProgress>,
    /// Set when the task has gone elsewhere.
    pub cancelled: Arc<AtomicBool>,
}

/// A finished job.
pub struct Restored {
    /// Task number.
    pub number: i32,
    /// Complete state, and whether there was any (rows, or changelog records) before.
    pub result: Result<RestoredState, EngineError>,
    /// Tells this job from an earlier one of the same task.
    pub cancelled: Arc<AtomicBool>,
}

/// Complete state.
pub struct RestoredState {
    /// The state.
    pub state: TaskState,
    /// Whether a checkpoint or a changelog record existed: then the group must have offsets.
    pub existed: bool,
}
