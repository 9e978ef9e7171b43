//! A worker image with a processor of its own: it lets each event through once.
//!
//! `main` is all of `millrace-worker`, plus the processor; the StreamApp beside this folder's `Cargo.toml`
//! names it in a `process` step.

use std::process::ExitCode;
use std::time::Duration;

use millrace_worker::api::{
    Jemalloc, Processor, ProcessorContext, ProcessorResult, Punctuation, Record, Value, Worker,
};

/// How long an id is remembered, by the events' own times.
const REMEMBERED: Duration = Duration::from_secs(600);
/// How often old ids are looked for.
const LOOK: Duration = Duration::from_secs(60);
/// Ids forgotten per look: the stream thread has other work to do.
const FORGOTTEN_MAX: usize = 10_000;

/// The step's store: id of an event, and whether it came; its time is the row's.
const SEEN: &str = "seen";

/// The memory allocator of `millrace-worker`.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    Worker::new().processor("once", || Once).main()
}

/// Forwards the first event of each key, and none of the same key for ten minutes.
struct Once;

impl Processor for Once {
    fn init(&mut self, context: &mut ProcessorContext<'_, '_>) -> ProcessorResult {
        context.schedule_stream_time(LOOK)?;
        Ok(())
    }

    fn process<'r>(
        &mut self,
        event: Record<'r>,
        context: &mut ProcessorContext<'_, 'r>,
    ) -> ProcessorResult {
        let mut seen = context.key_value(SEEN)?;
        if seen.get(event.key())?.is_some() {
            return Ok(());
        }
        seen.put(event.key(), Value::Int(1), event.timestamp())?;
        context.forward(event)
    }

    /// Forgets the ids of long ago.
    fn punctuate(
        &mut self,
        punctuation: Punctuation,
        context: &mut ProcessorContext<'_, '_>,
    ) -> ProcessorResult {
        let before = punctuation.time - i64::try_from(REMEMBERED.as_millis())?;
        let mut seen = context.key_value(SEEN)?;
        let mut old = Vec::new();
        seen.scan(None, None, |id, came| {
            if let (Value::String(id), true) = (id, came.timestamp < before) {
                old.push(id.to_owned());
            }
            old.len() < FORGOTTEN_MAX
        })?;
        for id in &old {
            seen.delete(Value::String(id))?;
        }
        Ok(())
    }
}
