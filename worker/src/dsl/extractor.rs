//! Timestamp extractors: closures that say what time a record of a topic has.

use std::fmt;
use std::sync::Arc;

use millrace_expr::{Type, Value};

use super::call::{argument, header, native};
use super::graph::Graph;
use super::options::{Consumed, EventTime};
use crate::data::Data;

/// Instead of a call: the time of processing.
const WALL_CLOCK: &str = "wallClock";

/// The closure of an extractor.
pub(super) type Extractor<K, V> = Arc<dyn Fn(&ConsumedRecord<'_, K, V>) -> i64 + Send + Sync>;

/// A record of a topic, as a timestamp extractor sees it (Kafka Streams' `ConsumerRecord`).
///
/// ```
/// use millrace_worker::dsl::{Consumed, ConsumedRecord};
///
/// /// The time that the producer has put into a header; else that of the record.
/// fn sent_at(record: &ConsumedRecord<'_, String, i64>) -> i64 {
///     let sent = record.header("sent-at").and_then(|sent| std::str::from_utf8(sent).ok());
///     sent.and_then(|sent| sent.parse().ok()).unwrap_or(record.timestamp)
/// }
///
/// let consumed = Consumed::new().with_timestamp_extractor(sent_at);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ConsumedRecord<'r, K, V> {
    /// Key.
    pub key: K,
    /// Value.
    pub value: V,
    /// The time that it has on its topic, ms since the epoch.
    pub timestamp: i64,
    /// Its topic.
    pub topic: &'r str,
    headers: Value<'r>,
}

impl<'r, K, V> ConsumedRecord<'r, K, V> {
    /// The bytes of a header; of several of one name those of the last.
    ///
    /// ```
    /// use millrace_worker::dsl::Consumed;
    ///
    /// let consumed = Consumed::<String, String>::new()
    ///     .with_timestamp_extractor(|record| match record.header("replayed") {
    ///         Some(_) => 0,
    ///         None => record.timestamp,
    ///     });
    /// ```
    pub fn header(&self, name: &str) -> Option<&'r [u8]> {
        header(self.headers, name)
    }
}

impl<K: Data, V: Data> ConsumedRecord<'_, K, V> {
    /// The record of a call; `None` where key or value is null and the type has no room for that.
    fn read<'r>(arguments: &[Value<'r>]) -> Result<Option<ConsumedRecord<'r, K, V>>, String> {
        let (Some(key), Some(value)) = (
            present(arguments, 0, "key")?,
            present(arguments, 1, "value")?,
        ) else {
            return Ok(None);
        };
        let other = |at: usize| arguments.get(at).copied().unwrap_or(Value::Null);
        Ok(Some(ConsumedRecord {
            key,
            value,
            timestamp: argument(arguments, 2, "timestamp")?,
            headers: other(3),
            topic: match other(4) {
                Value::String(topic) => topic,
                _ => "",
            },
        }))
    }
}

/// An argument; `None` where it is null and the type has no room for that.
fn present<T: Data>(arguments: &[Value<'_>], at: usize, what: &str) -> Result<Option<T>, String> {
    match arguments.get(at) {
        None | Some(Value::Null) => Ok(T::from_value(Value::Null).ok()),
        Some(_) => argument(arguments, at, what).map(Some),
    }
}

impl<K, V> Consumed<K, V> {
    /// A record's time, ms since the epoch, is what the closure says (`TimestampExtractor`). One that
    /// is negative is no time: see [`Consumed::with_invalid_timestamp`].
    ///
    /// A record without key or value keeps the time it has on its topic, unless the type is an
    /// `Option`: so do the deletions of a table.
    ///
    /// ```
    /// use millrace_worker::data::Json;
    /// use millrace_worker::dsl::{Consumed, StreamsBuilder};
    /// use millrace_worker::testing::TopologyTestDriver;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Click {
    ///     at: i64,
    /// }
    ///
    /// let builder = StreamsBuilder::new();
    /// let consumed = Consumed::<String, Json<Click>>::new()
    ///     .with_timestamp_extractor(|click| click.value.at);
    /// builder.stream_with(["clicks"], consumed).to("timed-clicks");
    ///
    /// let driver = TopologyTestDriver::new("clicks", &builder.build())?;
    /// let mut clicks = driver.input_topic::<String, Json<Click>>("clicks")?;
    /// clicks.pipe("ann", Json(Click { at: 7 }))?;
    /// let timed = driver.output_topic::<String, Json<Click>>("timed-clicks")?;
    /// assert_eq!(timed.read_record()?.timestamp, 7);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    #[must_use]
    pub fn with_timestamp_extractor(
        mut self,
        time: impl Fn(&ConsumedRecord<'_, K, V>) -> i64 + Send + Sync + 'static,
    ) -> Self {
        self.time = EventTime::Extracted(Arc::new(time));
        self
    }
}

impl<K: Data, V: Data> EventTime<K, V> {
    /// What the topology language says of it.
    pub(super) fn written(self, graph: &Graph) -> Option<String> {
        match self {
            Self::Record => None,
            Self::WallClock => Some(WALL_CLOCK.to_owned()),
            Self::Extracted(time) => Some(extractor(graph, time)),
        }
    }
}

/// Registers an extractor; returns its call.
fn extractor<K: Data, V: Data>(graph: &Graph, time: Extractor<K, V>) -> String {
    let native = native(move |arguments, _| {
        let record = ConsumedRecord::<K, V>::read(arguments)?;
        Ok(match record {
            Some(record) => Value::Int(time(&record)),
            None => arguments.get(2).copied().unwrap_or(Value::Null),
        })
    });
    let parameters = vec![
        K::value_type(),
        V::value_type(),
        Type::Int,
        Type::any_map(),
        Type::String,
    ];
    let name = graph.function("timestamp", (parameters, Type::Int), None, native);
    format!("{name}(key, value, timestamp, headers, topic)")
}

impl<K, V> fmt::Debug for EventTime<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Record => "Record",
            Self::WallClock => "WallClock",
            Self::Extracted(_) => "Extracted",
        })
    }
}

impl<K, V> Clone for EventTime<K, V> {
    fn clone(&self) -> Self {
        match self {
            Self::Record => Self::Record,
            Self::WallClock => Self::WallClock,
            Self::Extracted(time) => Self::Extracted(time.clone()),
        }
    }
}
