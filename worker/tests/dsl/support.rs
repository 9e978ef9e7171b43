//! What the tests of this folder share.

use millrace_kafka::HeadersBuf;
use millrace_worker::dsl::StreamsBuilder;
use millrace_worker::testing::{StepDriver, StepOptions};

/// Drives what was built.
pub(crate) struct Driven(StepDriver);

impl Driven {
    pub(crate) fn of(builder: &StreamsBuilder) -> Self {
        let topology = builder.build();
        let app = topology.stream_app("app");
        let plan = topology.plan_of(&app).unwrap_or_else(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("{}", lines.join("\n"))
        });
        Self(StepDriver::of_plan(&app, &plan, StepOptions::default()).unwrap())
    }

    pub(crate) fn yaml(yaml: &str) -> Self {
        Self(StepDriver::new(yaml, StepOptions::default()).unwrap())
    }

    /// Feeds a record; returns `topic key:value@time` of what came out, internal topics left out.
    pub(crate) fn feed_bytes(
        &mut self,
        topic: &str,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        time: i64,
    ) -> Vec<String> {
        let written = self.0.pipe(topic, key, value, time, &HeadersBuf::new());
        let written = written.unwrap().into_iter();
        written
            .filter(|record| !record.topic.ends_with("-repartition"))
            .map(|record| {
                let (key, value) = (text(record.key.as_deref()), text(record.value.as_deref()));
                format!("{} {key}:{value}@{}", record.topic, record.timestamp)
            })
            .collect()
    }

    /// Feeds a record of texts.
    pub(crate) fn feed(&mut self, topic: &str, key: &str, value: &str, time: i64) -> Vec<String> {
        self.feed_bytes(topic, Some(key.as_bytes()), Some(value.as_bytes()), time)
    }

    /// Feeds a record with a long.
    pub(crate) fn long(&mut self, topic: &str, key: &str, value: i64, time: i64) -> Vec<String> {
        let value = value.to_be_bytes();
        self.feed_bytes(topic, Some(key.as_bytes()), Some(&value), time)
    }

    /// Feeds a tombstone.
    pub(crate) fn delete(&mut self, topic: &str, key: &str, time: i64) -> Vec<String> {
        self.feed_bytes(topic, Some(key.as_bytes()), None, time)
    }
}

/// Text as it is, else a long.
fn text(bytes: Option<&[u8]>) -> String {
    match bytes {
        None => "null".to_owned(),
        Some(bytes) => match <[u8; 8]>::try_from(bytes) {
            Ok(long) if !bytes.iter().all(u8::is_ascii_graphic) => {
                i64::from_be_bytes(long).to_string()
            }
            _ => String::from_utf8_lossy(bytes).into_owned(),
        },
    }
}
