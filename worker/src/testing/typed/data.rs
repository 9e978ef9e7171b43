//! Typed keys and values as the bytes of topics and stores.

use std::collections::BTreeMap;

use millrace_crds::plan::{Plan, SerdeKind};
use millrace_crds::test_file::{Formats, RecordFormat};
use millrace_expr::{Bump, Value};

use super::TestRecord;
use crate::data::Data;
use crate::dsl::Key;
use crate::serde::serde;
use crate::testing::suite::Seen;
use crate::testing::{CapturedRecord, DriverError};

/// The formats of a plan's topics and stores.
pub(super) struct TypedFormats(Formats);

impl TypedFormats {
    pub(super) fn of(plan: &Plan, dead_letter_topic: &str) -> Self {
        Self(Formats::of(plan, dead_letter_topic))
    }

    /// The format of a topic that is read.
    pub(super) fn input<K: Data, V: Data>(&self, topic: &str) -> Result<RecordFormat, DriverError> {
        let found = self.0.inputs.get(topic).copied();
        check::<K, V>("the topology reads no topic", topic, found, &self.0.inputs)
    }

    /// The format of a topic that is written.
    pub(super) fn output<K: Key, V: Data>(&self, topic: &str) -> Result<RecordFormat, DriverError> {
        let found = self.0.output(topic);
        check::<K, V>(
            "the topology writes no topic",
            topic,
            found,
            &self.0.outputs,
        )
    }

    /// The format of a store.
    pub(super) fn store<K: Key, V: Data>(&self, store: &str) -> Result<RecordFormat, DriverError> {
        let found = self.0.stores.get(store).copied();
        check::<K, V>("the topology has no store", store, found, &self.0.stores)
    }
}

/// What was asked for, if it is there and of these types.
fn check<K: Key, V: Data>(
    none: &str,
    name: &str,
    found: Option<RecordFormat>,
    all: &BTreeMap<String, RecordFormat>,
) -> Result<RecordFormat, DriverError> {
    let Some(format) = found else {
        let names: Vec<&str> = all.keys().map(String::as_str).collect();
        let names = names.join(", ");
        return Err(DriverError::Types(format!(
            "{none} {name}; there are: {names}"
        )));
    };
    let wrong = |part: &str, is: SerdeKind, asked: SerdeKind| {
        DriverError::Types(format!(
            "the {part} of {name} are {is}, and were asked for as {asked}: use the types that the \
             topology has"
        ))
    };
    let (key, value) = (<K::Plain as Data>::FORMAT, V::FORMAT);
    if format.key != key {
        return Err(wrong("keys", format.key, key));
    }
    if format.value != value {
        return Err(wrong("values", format.value, value));
    }
    match (format.windowed.is_some(), K::WINDOWED) {
        (true, false) => Err(DriverError::Types(format!(
            "the keys of {name} have a window: ask for `Windowed<…>` ones"
        ))),
        (false, true) => Err(DriverError::Types(format!(
            "the keys of {name} have no window: ask for plain ones"
        ))),
        _ => Ok(format),
    }
}

/// The bytes of a key or value; `None` is null.
pub(super) fn bytes<T: Data>(data: &T) -> Result<Option<Vec<u8>>, DriverError> {
    let arena = Bump::new();
    let failed = |why: String| DriverError::Types(format!("cannot be written: {why}"));
    let value = data.to_value(&arena);
    match value.map_err(|error| failed(error.to_string()))? {
        Value::Null => Ok(None),
        value => {
            let mut bytes = Vec::new();
            let written = serde(T::FORMAT).serialize(&value, &mut bytes);
            written.map_err(|error| failed(error.to_string()))?;
            Ok(Some(bytes))
        }
    }
}

/// A record that was written, with its types; `place` is where, for messages.
pub(super) fn record<K: Key, V: Data>(
    record: &CapturedRecord,
    format: RecordFormat,
) -> Result<TestRecord<K, V>, DriverError> {
    let arena = Bump::new();
    let seen = Seen::record(record, format, &arena);
    let (key, value) = typed(&seen, &record.topic, &arena)?;
    Ok(TestRecord {
        key,
        value,
        timestamp: record.timestamp,
        headers: record.headers.clone(),
    })
}

/// A row of a store, with its types.
pub(super) fn row<K: Key, V: Data>(
    store: &str,
    key: &[u8],
    (at, value): (i64, &[u8]),
    format: RecordFormat,
) -> Result<(K, V), DriverError> {
    let arena = Bump::new();
    let seen = Seen::row(key, value, at, format, &arena);
    typed(&seen, store, &arena)
}

fn typed<K: Key, V: Data>(
    seen: &Seen<'_>,
    place: &str,
    arena: &Bump,
) -> Result<(K, V), DriverError> {
    let failed = |part: &str, error: &dyn std::fmt::Display| {
        DriverError::Types(format!("{place}: the {part} of a record: {error}"))
    };
    let key = match seen.window {
        None => seen.key,
        Some(window) => {
            let parts = [seen.key, Value::Int(window.start), Value::Int(window.end)];
            Value::List(arena.alloc_slice_copy(&parts))
        }
    };
    let key = K::read(key).map_err(|error| failed("key", &error))?;
    let value = V::from_value(seen.value).map_err(|error| failed("value", &error))?;
    Ok((key, value))
}
