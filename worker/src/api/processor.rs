//! [`Processor`]: a node of the user's own.

use super::error::ProcessorResult;
use super::forwarding::ProcessorContext;
use super::record::Record;
use super::schedule::Punctuation;

/// A node of the user's own (Kafka Streams' `Processor` of KIP-478 and KIP-820). One is made for each
/// task; all calls come from the task's stream thread, one at a time.
///
/// An error of any of these is a processing error of the record, for which `spec.errors.processing`
/// decides; where there is no record, see each. What was written to stores and forwarded before the error
/// stays, as in Kafka Streams. To clean up, implement [`Drop`].
///
/// ```
/// # use std::time::Duration;
/// #
/// # use millrace_worker::api::{
/// #     HeadersBuf, Processor, ProcessorContext, ProcessorResult, Processors, Punctuation, Record,
/// #     Value,
/// # };
/// # use millrace_worker::testing::{StepDriver, StepOptions};
/// /// Forwards each minute how many records came.
/// #[derive(Default)]
/// struct Rate(i64);
///
/// impl Processor for Rate {
///     fn init(&mut self, context: &mut ProcessorContext<'_, '_>) -> ProcessorResult {
///         context.schedule_wall_clock(Duration::from_secs(60))?;
///         Ok(())
///     }
///
///     fn process<'r>(
///         &mut self,
///         _: Record<'r>,
///         _: &mut ProcessorContext<'_, 'r>,
///     ) -> ProcessorResult {
///         self.0 += 1;
///         Ok(())
///     }
///
///     fn punctuate(
///         &mut self,
///         punctuation: Punctuation,
///         context: &mut ProcessorContext<'_, '_>,
///     ) -> ProcessorResult {
///         let count = Value::Int(std::mem::take(&mut self.0));
///         context.forward(Record::new(context.text("records"), count, punctuation.time))
///     }
/// }
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
/// # let app = doc::stream_app("process");
/// # let own = Processors::new().with("own", Rate::default);
/// # let mut driver = StepDriver::with_processors(&app, StepOptions::default(), &own)?;
/// # let order = 250_i64.to_be_bytes();
/// # driver.pipe("orders", Some(b"ann"), Some(&order), 0, &HeadersBuf::new())?;
/// # let written = driver.advance(Duration::from_secs(60))?;
/// # assert_eq!(written[0].key.as_deref(), Some(&b"records"[..]));
/// # assert_eq!(written[0].value.as_deref(), Some(&b"1"[..]));
/// # Ok::<(), millrace_worker::testing::DriverError>(())
/// ```
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
