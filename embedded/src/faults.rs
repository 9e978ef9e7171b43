//! A log that fails by plan: wraps any [`Cluster`] and injects what real clusters do to their
//! clients, so that a simulation can run the engine through crashes, fences, timeouts and rebalances
//! and replay any run by its seed.
//!
//! An injected fault is consistent with the contract of the traits: an unknown outcome leaves a
//! producer that is good for nothing, an abort must be aborted, a fence is for good, a lost session
//! really takes the tasks away (the member leaves the group under the wrapper, and joins again when
//! the loss is acknowledged).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millrace_kafka::{
    Admin, Cluster, ConsumerOptions, Error, ErrorKind, GroupConsumer, ProducerOptions, RecordSink,
    RecordSource, Result,
};

use crate::clock::Clock;

mod admin;
mod consumer;
mod plan;
mod producer;
mod reader;

pub use plan::{Call, Fault, FaultPlan};

use admin::FaultyAdmin;
use consumer::FaultyConsumer;
use plan::PlanState;
use producer::FaultyProducer;
use reader::FaultyReader;

/// A cluster whose clients fail by plan. Clones share the plan and its counters.
#[derive(Clone)]
pub struct FaultyCluster {
    inner: Arc<dyn Cluster>,
    faults: Arc<Faults>,
}

impl FaultyCluster {
    /// Wraps a cluster. Delays go by the clock, which should be the one of the wrapped log.
    pub fn new(inner: Arc<dyn Cluster>, plan: FaultPlan, clock: impl Clock + 'static) -> Self {
        let state = Mutex::new(PlanState::new(plan));
        Self {
            inner,
            faults: Arc::new(Faults {
                state,
                clock: Box::new(clock),
            }),
        }
    }

    /// How often each fault has fired so far.
    pub fn fired(&self) -> BTreeMap<(Call, Fault), u64> {
        self.faults.lock().fired.clone()
    }

    /// Stops injecting, so that a simulation can come to rest.
    pub fn disarm(&self) {
        self.faults.lock().armed = false;
    }

    /// Injects again, as it does from the start.
    pub fn arm(&self) {
        self.faults.lock().armed = true;
    }
}

impl Cluster for FaultyCluster {
    fn admin(&self) -> Result<Box<dyn Admin>> {
        Ok(Box::new(FaultyAdmin::new(
            self.inner.admin()?,
            Arc::clone(&self.faults),
        )))
    }

    fn consumer(&self, options: &ConsumerOptions) -> Result<Box<dyn GroupConsumer>> {
        let (inner, faults) = (Arc::clone(&self.inner), Arc::clone(&self.faults));
        Ok(Box::new(FaultyConsumer::join(inner, faults, options)?))
    }

    fn reader(&self, name: &str) -> Result<Box<dyn RecordSource>> {
        Ok(Box::new(FaultyReader::new(
            self.inner.reader(name)?,
            Arc::clone(&self.faults),
        )))
    }

    fn producer(&self, options: &ProducerOptions) -> Result<Box<dyn RecordSink>> {
        let inner = self.inner.producer(options)?;
        Ok(Box::new(FaultyProducer::new(
            inner,
            Arc::clone(&self.faults),
        )))
    }
}

/// What the clients of a faulty cluster share.
struct Faults {
    state: Mutex<PlanState>,
    clock: Box<dyn Clock>,
}

/// A fault that fires now.
struct Firing {
    fault: Fault,
    /// Which call of the run this is, and the seed to see it again.
    origin: String,
}

impl Firing {
    fn error(&self, kind: ErrorKind, call: Call) -> Error {
        Error::new(kind, call.operation(), self.origin.clone())
    }
}

impl Faults {
    /// Counts a call and decides what befalls it, out of what is `possible` right now. A delay has
    /// passed when this returns, and is not returned.
    fn befall(&self, call: Call, possible: impl Fn(Fault) -> bool) -> Option<Firing> {
        let firing = self.lock().next(call, possible)?;
        if let Fault::Delay(duration) = firing.fault {
            self.clock.sleep(duration);
            return None;
        }
        Some(firing)
    }

    /// The error of a call that knows one fault alone beside delays: not to be reached right now.
    fn unavailable(&self, call: Call) -> Result<()> {
        match self.befall(call, |_| true) {
            None => Ok(()),
            Some(firing) => Err(firing.error(ErrorKind::Unavailable, call)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, PlanState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
