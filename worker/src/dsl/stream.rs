//! [`KStream`]: operators that keep no state.

use std::fmt;
use std::marker::PhantomData;

use bumpalo::collections::Vec as ArenaVec;
use millrace_crds::topology::{FlatMap, Print, Repartition, Step, To, ToTable, Versioned};
use millrace_expr::{Type, Value};

use super::branch::BranchedKStream;
use super::call::{
    argument, computed, key, native, of_record, of_value, predicate, result, serdes, typed,
    with_record,
};
use super::graph::{Handle, Kind};
use super::key::Key;
use super::options::{MaterializedTable, Repartitioned};
use super::table::KTable;
use super::windows::written;
use crate::data::Data;

/// A stream: each record is an event of its own.
///
/// Closures get key and value; one that takes them as they may be, null keys and tombstones included,
/// has `Option` types. A null where the type is not an `Option` is an error of that record, which goes
/// where the application sends what it cannot process.
///
/// ```
/// use millrace_worker::dsl::StreamsBuilder;
///
/// let builder = StreamsBuilder::new();
/// let readings = builder.stream::<String, f64>("readings");
/// readings
///     .filter(|_, celsius| *celsius > 30.0)
///     .map_values(|celsius| celsius * 1.8 + 32.0)
///     .to("too-hot-in-fahrenheit");
/// builder.build().plan("weather").unwrap();
/// ```
pub struct KStream<K, V> {
    pub(super) handle: Handle,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for KStream<K, V> {
    fn clone(&self) -> Self {
        Self::of(self.handle.clone())
    }
}

impl<K, V> fmt::Debug for KStream<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KStream")
    }
}

impl<K, V> KStream<K, V> {
    pub(super) fn of(handle: Handle) -> Self {
        Self {
            handle,
            types: PhantomData,
        }
    }

    /// Names it in descriptions of the topology (`Named`).
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self::of(self.handle.named(name))
    }
}

impl<K: Key, V: Data> KStream<K, V> {
    /// Keeps records for which the predicate is true.
    pub fn filter(&self, keep: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Self {
        let call = predicate(&self.handle.graph, "filter", keep);
        Self::of(self.handle.step(Step::Filter(call)))
    }

    /// Keeps records for which the predicate is false.
    pub fn filter_not(&self, drop: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Self {
        let call = predicate(&self.handle.graph, "filter_not", drop);
        Self::of(self.handle.step(Step::FilterNot(call)))
    }

    /// New values.
    pub fn map_values<W: Data>(
        &self,
        mapper: impl Fn(&V) -> W + Send + Sync + 'static,
    ) -> KStream<K, W> {
        let call = of_value(&self.handle.graph, "map_values", mapper);
        KStream::of(self.handle.step(Step::MapValues(call)))
    }

    /// New values, with a look at the keys.
    pub fn map_values_with_key<W: Data>(
        &self,
        mapper: impl Fn(&K, &V) -> W + Send + Sync + 'static,
    ) -> KStream<K, W> {
        let call = computed(&self.handle.graph, "map_values", mapper);
        KStream::of(self.handle.step(Step::MapValues(call)))
    }

    /// New keys.
    pub fn select_key<L: Data>(
        &self,
        mapper: impl Fn(&K, &V) -> L + Send + Sync + 'static,
    ) -> KStream<L, V> {
        let call = computed(&self.handle.graph, "select_key", mapper);
        KStream::of(self.handle.step(Step::SelectKey(call)))
    }

    /// New keys and values.
    pub fn map<L: Data, W: Data>(
        &self,
        mapper: impl Fn(&K, &V) -> (L, W) + Send + Sync + 'static,
    ) -> KStream<L, W> {
        self.flat_map_by("map", move |key, value| Some(mapper(key, value)))
    }

    /// None, one or several records for each.
    pub fn flat_map<L: Data, W: Data, I: IntoIterator<Item = (L, W)>>(
        &self,
        mapper: impl Fn(&K, &V) -> I + Send + Sync + 'static,
    ) -> KStream<L, W> {
        self.flat_map_by("flat_map", mapper)
    }

    fn flat_map_by<L: Data, W: Data, I: IntoIterator<Item = (L, W)>>(
        &self,
        tag: &str,
        mapper: impl Fn(&K, &V) -> I + Send + Sync + 'static,
    ) -> KStream<L, W> {
        let native = native(move |arguments, arena| {
            let (key, value) = (key(arguments)?, argument(arguments, 1, "value")?);
            let mut pairs = ArenaVec::new_in(arena);
            for (key, value) in mapper(&key, &value) {
                let pair = [result(&key, arena)?, result(&value, arena)?];
                pairs.push(Value::List(arena.alloc_slice_copy(&pair)));
            }
            Ok(Value::List(pairs.into_bump_slice()))
        });
        let graph = &self.handle.graph;
        let pairs = Type::List(Box::new(Type::any_list()));
        let name = graph.function(tag, of_record::<K, V>(pairs), None, native);
        let step = Step::FlatMap(FlatMap {
            elements: with_record::<K>(&name),
            key: Some(typed::<L>(graph, "key", "element[0]")),
            value: Some(typed::<W>(graph, "value", "element[1]")),
        });
        KStream::of(self.handle.step(step))
    }

    /// One record for each of the new values.
    pub fn flat_map_values<W: Data, I: IntoIterator<Item = W>>(
        &self,
        mapper: impl Fn(&V) -> I + Send + Sync + 'static,
    ) -> KStream<K, W> {
        let native = native(move |arguments, arena| {
            let value = argument(arguments, 0, "value")?;
            let mut values = ArenaVec::new_in(arena);
            for value in mapper(&value) {
                values.push(result(&value, arena)?);
            }
            Ok(Value::List(values.into_bump_slice()))
        });
        let graph = &self.handle.graph;
        let types = (vec![V::value_type()], Type::any_list());
        let name = graph.function("flat_map_values", types, None, native);
        let step = Step::FlatMap(FlatMap {
            elements: format!("{name}(value)"),
            key: None,
            value: Some(typed::<W>(graph, "value", "element")),
        });
        KStream::of(self.handle.step(step))
    }

    /// Looks at records, which go on unchanged. In the topology this is a filter that lets all pass.
    pub fn peek(&self, look: impl Fn(&K, &V) + Send + Sync + 'static) -> Self {
        let call = predicate(&self.handle.graph, "peek", move |key, value| {
            look(key, value);
            true
        });
        Self::of(self.handle.step(Step::Filter(call)))
    }

    /// Does something with each record, and ends the stream. In the topology this is a filter that
    /// lets none pass. What it does happens again where a record is processed again.
    pub fn for_each(&self, act: impl Fn(&K, &V) + Send + Sync + 'static) {
        let call = predicate(&self.handle.graph, "for_each", move |key, value| {
            act(key, value);
            false
        });
        self.handle.step(Step::Filter(call));
    }

    /// Prints records to standard output, with a label before each, and ends the stream. For trying
    /// things out.
    pub fn print(&self, label: impl Into<String>) {
        self.handle.step(Step::Print(Print {
            label: label.into(),
            message: None,
        }));
    }

    /// The records of both streams; of different streams they have no order.
    pub fn merge(&self, other: &Self) -> Self {
        let inputs = vec![self.handle.node, self.handle.other(&other.handle)];
        Self::of(self.handle.graph.merge(inputs))
    }

    /// Divides it: see [`BranchedKStream`].
    pub fn split(&self) -> BranchedKStream<K, V> {
        BranchedKStream::of(self.clone())
    }

    /// Writes records to a topic, which must exist.
    pub fn to(&self, topic: impl Into<String>) {
        self.sink(To {
            topic: Some(topic.into()),
            ..To::default()
        });
    }

    /// Writes each record to the topic that the closure names (TopicNameExtractor). A record whose
    /// topic does not exist cannot be written: `spec.errors.production` says what becomes of it.
    pub fn to_dynamic(&self, topic: impl Fn(&K, &V) -> String + Send + Sync + 'static) {
        let call = computed(&self.handle.graph, "to_topic", topic);
        self.sink(To {
            topic_from: Some(call),
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

    /// Turns it into a table: the latest value of each key. A record without a value deletes its key:
    /// the values of a stream that has such are an `Option`, those of the table what is in it.
    pub fn to_table(&self, store: impl Into<MaterializedTable>) -> KTable<K, V::Present> {
        let MaterializedTable { store, versioned } = self.handle.graph.keeping_table(store);
        let step = Step::ToTable(ToTable {
            name: store.store,
            serdes: serdes::<K, V>(),
            in_memory: store.in_memory,
            logging: store.logging,
            caching: store.caching,
            versioned: versioned.map(|retention| Versioned {
                retention: written(retention),
            }),
        });
        let steps = vec![step];
        KTable::of(self.handle.steps(steps, Kind::Table, Vec::new()))
    }
}

impl<K: Data, V: Data> KStream<K, V> {
    /// Sends records through a topic of their own, to the partition of the key they have.
    pub fn repartition(&self, topic: impl Into<Repartitioned>) -> Self {
        let topic = topic.into();
        Self::of(self.handle.step(Step::Repartition(Repartition {
            name: topic.name,
            partitions: topic.partitions,
            serdes: serdes::<K, V>(),
        })))
    }
}
