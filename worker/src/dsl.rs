//! The typed DSL: topologies in Rust, with Kafka Streams' names.
//!
//! ```text
//!   StreamsBuilder ──► KStream, KTable, GlobalKTable ──build──► Topology ──plan──► Plan
//!                       closures ──► functions that expressions call ──┘
//! ```
//!
//! A topology built here is the same data that YAML gives (`millrace_crds::topology`), and everything
//! behind it is the same: checks, plan, names of internal topics, engine. A closure becomes a function
//! that the topology's expressions call by name (`map_values_3(value)`), so a description shows where
//! each one is.
//!
//! What types can say, they do: a table cannot be grouped by the key it has, keys with a window cannot
//! be joined, both sides of a join have one type of key. The rest is said by [`Topology::plan`], before
//! any record.
//!
//! Closures get values of their own ([`Data`](crate::data::Data)), so a `String` is an allocation per
//! record; the topology language, which borrows, has none.

mod aggregator;
mod application;
mod branch;
mod call;
mod cogroup;
mod declare;
mod extractor;
mod global;
mod graph;
mod grouped;
mod grouped_table;
mod joiner;
mod key;
mod options;
mod process;
mod stream;
mod stream_join;
mod table;
mod table_join;
mod topology;
mod windowed;
mod windows;

use millrace_crds::topology as language;

pub use application::Application;
pub(crate) use application::plan_document;
pub use branch::BranchedKStream;
pub use cogroup::{
    CogroupedKStream, SessionWindowedCogroupedKStream, TimeWindowedCogroupedKStream,
};
pub use extractor::ConsumedRecord;
pub use global::GlobalKTable;
pub use grouped::KGroupedStream;
pub use grouped_table::KGroupedTable;
pub use key::{Key, Windowed};
pub use millrace_crds::stream_app::ErrorPolicy;
pub use millrace_crds::topology::{InvalidTimestamp, OffsetResetName as OffsetReset};
pub use options::{
    BufferConfig, Consumed, Grouped, Joined, Materialized, MaterializedTable, Repartitioned,
    StreamJoined, Suppressed, SuppressedBy, UntilTimeLimit, UntilWindowCloses,
};
pub use process::{
    FixedKeyProcessor, FixedKeyProcessorContext, FixedKeyRecord, KeyValueStore, Processed,
    Processor, ProcessorContext, Record, SessionStore, StoreBuilder, StoredValue, VersionedStore,
    WindowStore,
};
pub use stream::KStream;
pub use table::KTable;
pub use topology::Topology;
pub use windowed::{SessionWindowedKStream, TimeWindowedKStream};
pub use windows::{
    EmitStrategy, FixedWindows, JoinWindows, SessionWindows, SlidingWindows, TimeWindows,
};

use crate::data::Data;
use declare::{keep, plain_name};
use graph::{Graph, format_name};

/// Where a topology begins: streams and tables read from topics.
///
/// ```
/// use millrace_worker::dsl::{Joined, StreamsBuilder};
///
/// let builder = StreamsBuilder::new();
/// let customers = builder.table::<String, String>("customers");
/// let orders = builder.stream::<String, i64>("orders");
/// orders
///     .join_table(&customers, |amount, name| format!("{name}: {amount}"), Joined::new())
///     .to("orders-with-name");
/// let topology = builder.build();
/// println!("{}", topology.describe("orders").unwrap());
/// ```
///
/// Keys of different types never meet:
///
/// ```compile_fail
/// # use millrace_worker::dsl::{Joined, StreamsBuilder};
/// # let builder = StreamsBuilder::new();
/// let customers = builder.table::<i64, String>("customers");
/// let orders = builder.stream::<String, i64>("orders");
/// orders.join_table(&customers, |amount, name| format!("{name}: {amount}"), Joined::new());
/// ```
#[derive(Default)]
pub struct StreamsBuilder {
    graph: Graph,
}

impl StreamsBuilder {
    /// An empty topology.
    pub fn new() -> Self {
        Self::default()
    }

    /// A stream of the records of a topic.
    pub fn stream<K: Data, V: Data>(&self, topic: impl Into<String>) -> KStream<K, V> {
        self.stream_with([topic], Consumed::new())
    }

    /// A stream of the records of one or more topics, read in this way. Each topic is read once in a
    /// topology.
    pub fn stream_with<K: Data, V: Data>(
        &self,
        topics: impl IntoIterator<Item = impl Into<String>>,
        consumed: Consumed<K, V>,
    ) -> KStream<K, V> {
        let mut topics: Vec<String> = topics.into_iter().map(Into::into).collect();
        let name = topics.first().cloned().unwrap_or_default();
        let topic = if topics.len() == 1 {
            topics.pop()
        } else {
            None
        };
        let origin = language::Stream {
            topic,
            topics: Some(topics).filter(|topics| !topics.is_empty()),
            ..language::Stream::default()
        };
        self.source(&name, origin, consumed)
    }

    /// A stream of the records of all topics whose whole names match a regular expression, also of those
    /// created later, read in this way.
    pub fn stream_pattern<K: Data, V: Data>(
        &self,
        pattern: impl Into<String>,
        consumed: Consumed<K, V>,
    ) -> KStream<K, V> {
        let pattern = pattern.into();
        let name = pattern.clone();
        let origin = language::Stream {
            topic_pattern: Some(pattern),
            ..language::Stream::default()
        };
        self.source(&name, origin, consumed)
    }

    fn source<K: Data, V: Data>(
        &self,
        name: &str,
        origin: language::Stream,
        consumed: Consumed<K, V>,
    ) -> KStream<K, V> {
        let stream = language::Stream {
            key: Some(format_name(K::FORMAT)),
            value: Some(format_name(V::FORMAT)),
            offset_reset: consumed.offset_reset,
            timestamp: consumed.time.declared(&self.graph),
            invalid_timestamp: consumed.invalid_timestamp,
            deserialization_errors: consumed.deserialization_errors,
            processing_errors: consumed.processing_errors,
            production_errors: consumed.production_errors,
            ..origin
        };
        KStream::of(self.graph.stream(name, stream))
    }

    /// A table of the latest record of each key of a topic, kept in a store named as the topic.
    pub fn table<K: Data, V: Data>(&self, topic: impl Into<String>) -> KTable<K, V> {
        let topic = topic.into();
        let store = plain_name(&topic);
        self.table_with(topic, Consumed::new(), store)
    }

    /// A table of the latest record of each key of a topic, read and kept in this way.
    pub fn table_with<K: Data, V: Data>(
        &self,
        topic: impl Into<String>,
        consumed: Consumed<K, V>,
        store: impl Into<MaterializedTable>,
    ) -> KTable<K, V> {
        let topic = topic.into();
        let name = topic.clone();
        let mut table = language::Table {
            topic: Some(topic),
            key: Some(format_name(K::FORMAT)),
            value: Some(format_name(V::FORMAT)),
            offset_reset: consumed.offset_reset,
            timestamp: consumed.time.declared(&self.graph),
            invalid_timestamp: consumed.invalid_timestamp,
            deserialization_errors: consumed.deserialization_errors,
            processing_errors: consumed.processing_errors,
            production_errors: consumed.production_errors,
            ..language::Table::default()
        };
        keep(&mut table, &self.graph.keeping_table(store));
        KTable::of(self.graph.table(&name, table))
    }

    /// A table of which every instance has all partitions, kept in a store named as the topic.
    pub fn global_table<K: Data, V: Data>(&self, topic: impl Into<String>) -> GlobalKTable<K, V> {
        let topic = topic.into();
        let name = topic.clone();
        let table = language::GlobalTable {
            store: Some(plain_name(&topic)),
            topic,
            key: Some(format_name(K::FORMAT)),
            value: Some(format_name(V::FORMAT)),
            in_memory: false,
        };
        GlobalKTable::of(self.graph.global(&name, table))
    }

    /// What was built so far.
    pub fn build(&self) -> Topology {
        Topology::new(self.graph.topology())
    }
}
