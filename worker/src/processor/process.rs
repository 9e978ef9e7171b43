//! Processors of the worker's image: how a record gets into one, and what becomes of its errors. What
//! it does in between is [`crate::api`]'s.

use millrace_expr::Bump;

use super::{Context, NodeError, processing};
use crate::api::{
    Due, GlobalAccess, Instance, ProcessingContext, ProcessorResult, StoreAccess, Supplier,
};
use crate::record::Record;
use crate::topology::{Operation, ProcessorNode, ProcessorTopology};

/// A step that runs a processor.
pub struct ProcessStep {
    /// Makes it, for each task.
    pub supplier: Supplier,
    /// Whether it cannot change keys.
    pub fixed_key: bool,
    /// The stores it may use.
    pub stores: Vec<StoreAccess>,
    /// The global tables it may read.
    pub globals: Vec<GlobalAccess>,
}

impl ProcessorTopology {
    /// Runs the processor of a node on a record.
    pub(super) fn run_processor<'r>(
        &'r self,
        place: usize,
        record: &Record<'r>,
        context: &mut Context<'_>,
        arena: &'r Bump,
    ) -> Result<(), NodeError> {
        self.call(place, record.topic, context, arena, |processor, own| {
            processor.process(record, own)
        })
    }

    /// Calls all processors for the first time.
    pub fn init_processors(
        &self,
        context: &mut Context<'_>,
        arena: &Bump,
    ) -> Result<(), NodeError> {
        for place in context.processors.places() {
            self.call(place, "", context, arena, Instance::init)?;
        }
        Ok(())
    }

    /// Makes a call that is due.
    pub fn punctuate(
        &self,
        due: Due,
        context: &mut Context<'_>,
        arena: &Bump,
    ) -> Result<(), NodeError> {
        self.call(due.place, "", context, arena, |processor, own| {
            processor.punctuate(due.punctuation, own)
        })
    }

    /// Calls the processor of a node. It is taken out of the task meanwhile: what it forwards may meet
    /// other processors, never itself.
    fn call<'r>(
        &'r self,
        place: usize,
        topic: &'r str,
        context: &mut Context<'_>,
        arena: &'r Bump,
        call: impl FnOnce(&mut Instance, ProcessingContext<'_, 'r>) -> ProcessorResult,
    ) -> Result<(), NodeError> {
        let node: &'r ProcessorNode = &self.nodes[place];
        let Operation::Process(step) = &node.operation else {
            return Ok(());
        };
        let Some(mut processor) = context.processors.take(place) else {
            return Err(processing(node, "the processor runs already".to_owned()));
        };
        let own = ProcessingContext::new((self, place, step), context.reborrow(), topic, arena);
        let result = call(&mut processor, own);
        context.processors.put_back(place, processor);
        if let Some(failure) = context.processors.take_failure() {
            return Err(failure.into());
        }
        result.map_err(|error| error.into_node_error(|message| processing(node, message)))
    }
}
