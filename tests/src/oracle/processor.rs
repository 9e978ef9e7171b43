//! The processors of cases, as `Counting.java` and `Remembering.java` have them for Kafka Streams.

use std::time::Duration;

use millrace_worker::api::{
    FixedKeyProcessor, FixedKeyProcessorContext, FixedKeyRecord, ProcessingContext, Processor,
    ProcessorContext, ProcessorError, ProcessorResult, Processors, Punctuation, Record, Schedule,
    Value,
};

use super::case::{Case, Op};
use super::remembering::remembering;

/// Counts from this one on are forgotten by stream time.
const HIGH: i64 = 3;

/// Counts the records of each key in a store, and writes the count behind each value. From time to
/// time, by the wall clock or by stream time, it forwards all counts; by stream time it then forgets
/// the high ones, so that it shows in later counts which records came before a call.
struct Counting {
    store: String,
    every: Option<Duration>,
    every_stream_time: Option<Duration>,
    by_stream_time: Option<Schedule>,
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

    fn schedule(&mut self, context: &mut ProcessingContext<'_, '_>) -> ProcessorResult {
        if let Some(every) = self.every {
            context.schedule_wall_clock(every)?;
        }
        if let Some(every) = self.every_stream_time {
            self.by_stream_time = Some(context.schedule_stream_time(every)?);
        }
        Ok(())
    }

    /// All counts, by key.
    fn all(
        &self,
        context: &mut ProcessingContext<'_, '_>,
    ) -> Result<Vec<(String, i64)>, ProcessorError> {
        let mut counts = Vec::new();
        context
            .key_value(&self.store)?
            .scan(None, None, |key, stored| {
                if let Value::Int(count) = stored.value {
                    counts.push((text(key), count));
                }
                true
            })?;
        Ok(counts)
    }

    fn forget_high(&self, context: &mut ProcessingContext<'_, '_>) -> ProcessorResult {
        for (key, count) in self.all(context)? {
            if count >= HIGH {
                let key = context.text(&key);
                context.key_value(&self.store)?.delete(key)?;
            }
        }
        Ok(())
    }
}

impl Processor for Counting {
    fn init(&mut self, context: &mut ProcessorContext<'_, '_>) -> ProcessorResult {
        self.schedule(context)
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
        let by_stream_time = self.by_stream_time == Some(punctuation.schedule);
        let sign = if by_stream_time { '~' } else { '=' };
        for (key, count) in self.all(context)? {
            let (key, value) = (context.text(&key), context.text(&format!("{sign}{count}")));
            context.forward(Record::new(key, value, punctuation.time))?;
        }
        if by_stream_time {
            self.forget_high(context)?;
        }
        Ok(())
    }
}

impl FixedKeyProcessor for Counting {
    fn init(&mut self, context: &mut FixedKeyProcessorContext<'_, '_>) -> ProcessorResult {
        self.schedule(context)
    }

    fn process<'r>(
        &mut self,
        record: FixedKeyRecord<'r>,
        context: &mut FixedKeyProcessorContext<'_, 'r>,
    ) -> ProcessorResult {
        let value = self.counted(&record.record(), context)?;
        context.forward(record.with_value(value))
    }

    /// A punctuation has no key that it could forward.
    fn punctuate(
        &mut self,
        _: Punctuation,
        context: &mut FixedKeyProcessorContext<'_, '_>,
    ) -> ProcessorResult {
        self.forget_high(context)
    }
}

/// A value as the vocabulary's functions see it.
pub(super) fn text(value: Value<'_>) -> String {
    match value {
        Value::String(text) => text.to_owned(),
        other => other.to_string(),
    }
}

/// The processors of a case, each by the name of its node.
pub(super) fn processors(case: &Case) -> Processors {
    let mut processors = Processors::new();
    for node in &case.nodes {
        if let Op::Remember {
            store, kind, span, ..
        } = &node.op
        {
            let made = remembering(store, *kind, *span);
            processors = processors.with(&node.name, move || made.clone());
        }
        let Op::Process {
            store,
            every,
            every_stream_time,
            fixed_key,
            ..
        } = &node.op
        else {
            continue;
        };
        let interval = |ms: &Option<i64>| {
            let ms = ms.and_then(|ms| u64::try_from(ms).ok());
            ms.map(Duration::from_millis)
        };
        let (every, every_stream_time) = (interval(every), interval(every_stream_time));
        let store = store.clone();
        let make = move || Counting {
            store: store.clone(),
            every,
            every_stream_time,
            by_stream_time: None,
        };
        processors = match fixed_key {
            true => processors.with_fixed_key(&node.name, make),
            false => processors.with(&node.name, make),
        };
    }
    processors
}
