//! The processor of cases, as `Counting.java` has it for Kafka Streams.

use std::time::Duration;

use millrace_worker::api::{
    FixedKeyProcessor, FixedKeyProcessorContext, FixedKeyRecord, ProcessingContext, Processor,
    ProcessorContext, ProcessorError, ProcessorResult, Processors, Punctuation, Record, Value,
};

use super::case::{Case, Op};

/// Counts the records of each key in a store, and writes the count behind each value. From time to
/// time, by the wall clock, it forwards all counts.
struct Counting {
    store: String,
    every: Option<Duration>,
}

impl Counting {
    /// The value and the count, which now has one more.
    fn counted<'r>(
        &self,
        record: &Record<'r>,
        context: &mut ProcessingContext<'_, 'r>,
    ) -> Result<Value<'r>, ProcessorError> {
        let value = text(record.value());
        if record.key().is_null() {
            return Ok(context.text(&format!("{value}#")));
        }
        let mut counts = context.key_value(&self.store)?;
        let count = match counts.get(record.key())?.map(|stored| stored.value) {
            Some(Value::Int(before)) => before + 1,
            _ => 1,
        };
        counts.put(record.key(), Value::Int(count), record.timestamp())?;
        Ok(context.text(&format!("{value}#{count}")))
    }
}

impl Processor for Counting {
    fn init(&mut self, context: &mut ProcessorContext<'_, '_>) -> ProcessorResult {
        if let Some(every) = self.every {
            context.schedule_wall_clock(every)?;
        }
        Ok(())
    }

    fn process<'r>(
        &mut self,
        record: Record<'r>,
        context: &mut ProcessorContext<'_, 'r>,
    ) -> ProcessorResult {
        let value = self.counted(&record, context)?;
        context.forward(record.with_value(value))
    }

    fn punctuate(
        &mut self,
        punctuation: Punctuation,
        context: &mut ProcessorContext<'_, '_>,
    ) -> ProcessorResult {
        let mut counts = Vec::new();
        let mut store = context.key_value(&self.store)?;
        store.scan(None, None, |key, stored| {
            counts.push((text(key), text(stored.value)));
            true
        })?;
        for (key, count) in counts {
            let (key, value) = (context.text(&key), context.text(&format!("={count}")));
            context.forward(Record::new(key, value, punctuation.time))?;
        }
        Ok(())
    }
}

impl FixedKeyProcessor for Counting {
    fn process<'r>(
        &mut self,
        record: FixedKeyRecord<'r>,
        context: &mut FixedKeyProcessorContext<'_, 'r>,
    ) -> ProcessorResult {
        let value = self.counted(&record.record(), context)?;
        context.forward(record.with_value(value))
    }
}

/// A value as the vocabulary's functions see it.
fn text(value: Value<'_>) -> String {
    match value {
        Value::String(text) => text.to_owned(),
        other => other.to_string(),
    }
}

/// The processors of a case, each by the name of its node.
pub(super) fn processors(case: &Case) -> Processors {
    let mut processors = Processors::new();
    for node in &case.nodes {
        let Op::Process {
            store,
            every,
            fixed_key,
            ..
        } = &node.op
        else {
            continue;
        };
        let (store, every) = (store.clone(), *every);
        let make = move || Counting {
            store: store.clone(),
            every: every
                .and_then(|ms| u64::try_from(ms).ok())
                .map(Duration::from_millis),
        };
        processors = match fixed_key {
            true => processors.with_fixed_key(&node.name, make),
            false => processors.with(&node.name, make),
        };
    }
    processors
}
