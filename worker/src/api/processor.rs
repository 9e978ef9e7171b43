//! [`Processor`]: a node of the user's own.

use super::context::ProcessorContext;
use super::error::ProcessorResult;
use super::record::Record;
use super::schedule::Punctuation;

/// A node of the user's own (Kafka Streams' `Processor` of KIP-478 and KIP-820). One is made for each
/// task; all calls come from the task's stream thread, one at a time.
///
/// An error of any of these is a processing error of the record, for which `spec.errors.processing`
/// decides; where there is no record, see each. What was written to stores and forwarded before the error
/// stays, as in Kafka Streams. To clean up, implement [`Drop`].
pub trait Processor: Send {
    /// Called once, before the first record and the first punctuation of the task: the place to make
    /// schedules. An error stops the application.
    ///
    /// # Errors
    /// What the processor says.
    fn init(&mut self, context: &mut ProcessorContext<'_, '_>) -> ProcessorResult {
        let _nothing_to_do = context;
        Ok(())
    }

    /// Processes a record. Nothing goes on that is not forwarded.
    ///
    /// # Errors
    /// What the processor says: the record is at fault.
    fn process<'r>(
        &mut self,
        record: Record<'r>,
        context: &mut ProcessorContext<'_, 'r>,
    ) -> ProcessorResult;

    /// Called when a schedule of this processor is due (Kafka Streams' `Punctuator`).
    ///
    /// # Errors
    /// What the processor says. Under `deadLetter` it is logged and counted, there being no record to
    /// write; under `stop` it stops the application.
    fn punctuate(
        &mut self,
        punctuation: Punctuation,
        context: &mut ProcessorContext<'_, '_>,
    ) -> ProcessorResult {
        let _nothing_to_do = (punctuation, context);
        Ok(())
    }
}
