//! A processor that keeps records in a store of windows, of sessions or of versions, and writes what the
//! store says of the key behind each value, and into a header; as `Remembering.java`.

use millrace_worker::api::{
    HeadersBuf, Placed, ProcessingContext, Processor, ProcessorContext, ProcessorError,
    ProcessorResult, Record, Stored, Value,
};

use super::case::StoreKind;
use super::function::SHORT;
use super::processor::text;

#[derive(Clone)]
pub(super) struct Remembering {
    store: String,
    kind: StoreKind,
    span: i64,
}

/// The processor with a store of this name and kind. The span is the size of windows, the gap between
/// sessions, or how far back versions are asked for.
pub(super) fn remembering(store: &str, kind: StoreKind, span: i64) -> Remembering {
    let store = store.to_owned();
    Remembering { store, kind, span }
}

impl Remembering {
    fn windows<'r>(
        &self,
        record: &Record<'r>,
        context: &mut ProcessingContext<'_, 'r>,
    ) -> Result<String, ProcessorError> {
        let (key, time) = (record.key(), record.timestamp());
        let start = time / self.span * self.span;
        let mut windows = context.window(&self.store)?;
        let before = windows.get(key, start)?.map_or(0, |row| int(row.value));
        windows.put(key, start, Value::Int(before + 1), time)?;
        let rows = windows.fetch(key, (time - 3 * self.span).max(0), time)?;
        let said = |row: &millrace_worker::api::WindowedRow<'_>| {
            format!(
                "{}:{}@{}",
                row.start,
                int(row.stored.value),
                row.stored.timestamp
            )
        };
        Ok(rows.iter().map(said).collect::<Vec<_>>().join(","))
    }

    fn sessions<'r>(
        &self,
        record: &Record<'r>,
        context: &mut ProcessingContext<'_, 'r>,
    ) -> Result<String, ProcessorError> {
        let (key, time) = (record.key(), record.timestamp());
        let mut sessions = context.session(&self.store)?;
        let (mut start, mut end, mut count) = (time, time, 1);
        let earliest = (time - self.span).max(0);
        for row in sessions.find_sessions(key, earliest, time + self.span)? {
            (start, end) = (start.min(row.start), end.max(row.end));
            count += int(row.value);
            sessions.remove(key, row.start, row.end)?;
        }
        sessions.put(key, start, end, Value::Int(count))?;
        let rows = sessions.fetch(key)?.iter();
        let said = rows.map(|row| format!("{}/{}:{}", row.start, row.end, int(row.value)));
        Ok(said.collect::<Vec<_>>().join(","))
    }

    fn versions<'r>(
        &self,
        record: &Record<'r>,
        context: &mut ProcessingContext<'_, 'r>,
    ) -> Result<String, ProcessorError> {
        let (key, time) = (record.key(), record.timestamp());
        let mut versions = context.versioned(&self.store)?;
        let written = match record.value() {
            Value::Null => version(versions.delete(key, time)?),
            value => match versions.put(key, value, time)? {
                Placed::Latest => "latest".to_owned(),
                Placed::Until(until) => format!("until {until}"),
                Placed::Expired => "expired".to_owned(),
            },
        };
        let latest = version(versions.get(key)?);
        let earlier = version(versions.get_as_of(key, (time - self.span).max(0))?);
        Ok(format!("{written},{latest},{earlier}"))
    }
}

impl Processor for Remembering {
    fn process<'r>(
        &mut self,
        record: Record<'r>,
        context: &mut ProcessorContext<'_, 'r>,
    ) -> ProcessorResult {
        let said = match (record.key(), self.kind) {
            (Value::Null, _) => "nobody".to_owned(),
            (_, StoreKind::Window) => self.windows(&record, context)?,
            (_, StoreKind::Session) => self.sessions(&record, context)?,
            _ => self.versions(&record, context)?,
        };
        let mut headers = HeadersBuf::new();
        for (name, value) in record.headers().iter() {
            headers.push(name, value);
        }
        headers.push("said", Some(said.as_bytes()));
        let headers = context.headers(&headers);
        let value = context.text(&format!("{}#{said}", text(record.value())));
        context.forward(record.with_value(value).with_headers(headers))
    }
}

fn int(value: Value<'_>) -> i64 {
    match value {
        Value::Int(number) => number,
        _ => 0,
    }
}

fn version(version: Option<Stored<'_>>) -> String {
    version.map_or("none".to_owned(), |version| {
        let text = text(version.value);
        let short = text.len().saturating_sub(SHORT);
        format!("{}@{}", &text[short..], version.timestamp)
    })
}
