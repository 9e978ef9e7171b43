//! [`Instances`]: the processors of one task, made for it and never moved to another.

use super::context::ProcessingContext;
use super::error::{ProcessorError, ProcessorResult};
use super::fixed_key::{FixedKeyProcessor, FixedKeyProcessorContext, FixedKeyRecord};
use super::forwarding::ProcessorContext;
use super::processor::Processor;
use super::record::Record;
use super::schedule::{Due, Punctuation, Schedule, Schedules};
use crate::error::EngineError;
use crate::record;
use crate::topology::{Operation, ProcessorTopology};

/// A processor of either kind.
pub enum Instance {
    /// One that may change keys.
    Free(Box<dyn Processor>),
    /// One that may not.
    FixedKey(Box<dyn FixedKeyProcessor>),
}

impl Instance {
    pub(crate) fn init(&mut self, context: ProcessingContext<'_, '_>) -> ProcessorResult {
        match self {
            Self::Free(processor) => processor.init(&mut ProcessorContext(context)),
            Self::FixedKey(processor) => processor.init(&mut FixedKeyProcessorContext(context)),
        }
    }

    pub(crate) fn process<'r>(
        &mut self,
        record: &record::Record<'r>,
        context: ProcessingContext<'_, 'r>,
    ) -> ProcessorResult {
        let record = Record(*record);
        match self {
            Self::Free(processor) => processor.process(record, &mut ProcessorContext(context)),
            Self::FixedKey(processor) => {
                let mut context = FixedKeyProcessorContext(context);
                processor.process(FixedKeyRecord(record), &mut context)
            }
        }
    }

    pub(crate) fn punctuate(
        &mut self,
        punctuation: Punctuation,
        context: ProcessingContext<'_, '_>,
    ) -> ProcessorResult {
        match self {
            Self::Free(processor) => {
                processor.punctuate(punctuation, &mut ProcessorContext(context))
            }
            Self::FixedKey(processor) => {
                processor.punctuate(punctuation, &mut FixedKeyProcessorContext(context))
            }
        }
    }
}

/// The processors of one task, and what they asked for.
#[derive(Default)]
pub struct Instances {
    /// By the node's place; taken out while one runs.
    by_place: Vec<Option<Instance>>,
    /// When they are to be called.
    pub(super) schedules: Schedules,
    /// Whether one has asked for a commit.
    pub(crate) commit_requested: bool,
    /// The first error of the engine that one was told: it counts whatever the processor made of it.
    failure: Option<EngineError>,
}

impl Instances {
    /// New processors for the nodes of a task.
    pub(crate) fn of(topology: &ProcessorTopology) -> Self {
        let make = |operation: &Operation| match operation {
            Operation::Process(step) => Some(step.supplier.make()),
            _ => None,
        };
        let nodes = topology.nodes.iter();
        Self {
            by_place: nodes.map(|node| make(&node.operation)).collect(),
            ..Self::default()
        }
    }

    /// Takes the processor of a node out, to run it.
    pub(crate) fn take(&mut self, place: usize) -> Option<Instance> {
        self.by_place.get_mut(place)?.take()
    }

    /// Puts it back.
    pub(crate) fn put_back(&mut self, place: usize, processor: Instance) {
        if let Some(slot) = self.by_place.get_mut(place) {
            *slot = Some(processor);
        }
    }

    /// Places of the nodes with a processor.
    pub(crate) fn places(&self) -> Vec<usize> {
        let there = |(place, slot): (usize, &Option<_>)| slot.is_some().then_some(place);
        self.by_place.iter().enumerate().filter_map(there).collect()
    }

    /// The next stream-time call at this stream time, counted as made.
    pub(crate) fn due_by_stream_time(&mut self, stream_time: i64) -> Option<Due> {
        self.schedules.stream.due(stream_time)
    }

    /// The next wall-clock call at this time, counted as made.
    pub(crate) fn due_by_wall_clock(&mut self, now_ms: i64) -> Option<Due> {
        self.schedules.wall.due(now_ms)
    }

    /// Ends a schedule; false if it has ended already.
    pub(super) fn cancel(&mut self, schedule: Schedule) -> bool {
        self.schedules.cancel(schedule)
    }

    /// Notes that the engine failed, and gives what a processor is told of it.
    pub(super) fn fail(&mut self, error: EngineError) -> ProcessorError {
        let told = ProcessorError::engine(&error);
        self.failure.get_or_insert(error);
        told
    }

    /// Takes what the engine failed with.
    pub(crate) fn take_failure(&mut self) -> Option<EngineError> {
        self.failure.take()
    }
}
