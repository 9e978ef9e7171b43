//! Topics that a stream is written to.

use millrace_crds::plan::SerdeKind;
use millrace_crds::topology::{Step, To};
use millrace_expr::{Type, Value};

use super::KStream;
use crate::data::Data;
use crate::dsl::call::{argument, computed, header, key, native, of_record, result, serdes};
use crate::dsl::key::Key;

/// Where a record stems from that is being written, and its time and headers (Kafka Streams'
/// `RecordContext`).
///
/// ```
/// use millrace_worker::dsl::{RecordContext, StreamsBuilder};
///
/// /// The topic beside that which the record came from.
/// fn beside(_: &String, _: &i64, context: &RecordContext<'_>) -> String {
///     format!("{}-audited", context.topic.unwrap_or("punctuated"))
/// }
///
/// let builder = StreamsBuilder::new();
/// builder.stream::<String, i64>("orders").to_dynamic_with_context(beside);
/// assert!(builder.build().plan("shop").is_ok());
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RecordContext<'r> {
    /// Event time of the record, ms since the epoch.
    pub timestamp: i64,
    /// Topic of the input record; none where a punctuation made this one.
    pub topic: Option<&'r str>,
    /// Partition of the input record.
    pub partition: i32,
    /// Offset of the input record; none where a punctuation made this one.
    pub offset: Option<i64>,
    headers: Value<'r>,
}

impl<'r> RecordContext<'r> {
    /// The bytes of a header; of several of one name those of the last.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders");
    /// orders.to_dynamic_with_context(|_, _, context| match context.header("test") {
    ///     Some(_) => "test-orders".to_owned(),
    ///     None => "real-orders".to_owned(),
    /// });
    /// assert!(builder.build().plan("shop").is_ok());
    /// ```
    pub fn header(&self, name: &str) -> Option<&'r [u8]> {
        header(self.headers, name)
    }

    /// The context of a call: what follows key and value.
    fn read(arguments: &[Value<'r>]) -> Result<Self, String> {
        let other = |at: usize| arguments.get(at).copied().unwrap_or(Value::Null);
        Ok(Self {
            timestamp: argument(arguments, 2, "timestamp")?,
            headers: other(3),
            topic: match other(4) {
                Value::String(topic) if !topic.is_empty() => Some(topic),
                _ => None,
            },
            partition: argument(arguments, 5, "partition")?,
            offset: argument(arguments, 6, "offset")?,
        })
    }
}

impl<K: Key, V: Data> KStream<K, V> {
    /// Writes records to a topic, which must exist.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("orders").to("copied-orders");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// # let output = driver.output_topic::<String, i64>("copied-orders")?;
    /// input.pipe("ann", 250)?;
    /// assert_eq!(output.read()?, ("ann".to_owned(), 250));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn to(&self, topic: impl Into<String>) {
        self.sink(To {
            topic: Some(topic.into()),
            ..To::default()
        });
    }

    /// Writes each record to the topic that the closure names (TopicNameExtractor). A record whose
    /// topic does not exist cannot be written: `spec.errors.production` says what becomes of it.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders");
    /// orders.to_dynamic(|customer, _| format!("orders-{}", &customer[..2]));
    /// assert!(builder.build().plan("shop").is_ok());
    /// ```
    pub fn to_dynamic(&self, topic: impl Fn(&K, &V) -> String + Send + Sync + 'static) {
        let call = computed(&self.handle.graph, "to_topic", topic);
        self.sink(To {
            topic_from: Some(call),
            ..To::default()
        });
    }

    /// As [`KStream::to_dynamic`], with a look at where the record comes from.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders");
    /// let day = 24 * 3_600_000;
    /// orders.to_dynamic_with_context(move |_, _, context| format!("day-{}", context.timestamp / day));
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// input.pipe_at("ann", 250, 3 * day)?;
    /// assert_eq!(driver.output_topic::<String, i64>("day-3")?.read()?, ("ann".to_owned(), 250));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn to_dynamic_with_context(
        &self,
        topic: impl Fn(&K, &V, &RecordContext<'_>) -> String + Send + Sync + 'static,
    ) {
        let native = native(move |arguments, arena| {
            let (key, value) = (key(arguments)?, argument(arguments, 1, "value")?);
            let context = RecordContext::read(arguments)?;
            result(&topic(&key, &value, &context), arena)
        });
        let (mut parameters, text) = of_record::<K, V>(Type::String);
        let context = [
            Type::Int,
            Type::any_map(),
            Type::String,
            Type::Int,
            Type::Int,
        ];
        parameters.extend(context);
        let graph = &self.handle.graph;
        let format = Some(SerdeKind::String);
        let name = graph.function("to_topic", (parameters, text), format, native);
        let context = "timestamp, headers, topic, partition, offset";
        self.sink(To {
            topic_from: Some(format!("{name}({}, value, {context})", K::EXPRESSION)),
            ..To::default()
        });
    }

    fn sink(&self, to: To) {
        let serdes = serdes::<K, V>();
        self.handle.step(Step::To(To {
            key: serdes.key,
            value: serdes.value,
            ..to
        }));
    }
}
