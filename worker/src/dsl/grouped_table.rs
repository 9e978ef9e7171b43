//! [`KGroupedTable`]: a table on its way into an aggregation.

use std::fmt;
use std::marker::PhantomData;

use millrace_crds::topology::{Aggregate, Reduce, Step};

use super::aggregator::{aggregator, initializer, reducer};
use super::call::serdes;
use super::graph::{Handle, Kind};
use super::grouped::count;
use super::options::Materialized;
use super::table::KTable;
use crate::data::Data;

/// A grouped table. Each aggregation has a closure that takes a value in, and one that takes it out
/// again when its row has changed.
pub struct KGroupedTable<K, V> {
    handle: Handle,
    group: Step,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for KGroupedTable<K, V> {
    fn clone(&self) -> Self {
        Self {
            handle: self.handle.clone(),
            group: self.group.clone(),
            types: PhantomData,
        }
    }
}

impl<K, V> fmt::Debug for KGroupedTable<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KGroupedTable")
    }
}

impl<K: Data, V: Data> KGroupedTable<K, V> {
    pub(super) fn of(handle: Handle, group: Step) -> Self {
        Self {
            handle,
            group,
            types: PhantomData,
        }
    }

    fn aggregated<A>(&self, step: Step) -> KTable<K, A> {
        let steps = vec![self.group.clone(), step];
        KTable::of(self.handle.steps(steps, Kind::Table, Vec::new()))
    }

    /// The number of rows of each group.
    pub fn count(&self, store: impl Into<Materialized>) -> KTable<K, i64> {
        self.aggregated(count::<K>(self.handle.graph.keeping(store)))
    }

    /// Values of each group combined, starting from the first.
    pub fn reduce(
        &self,
        add: impl Fn(&V, &V) -> V + Send + Sync + 'static,
        subtract: impl Fn(&V, &V) -> V + Send + Sync + 'static,
        store: impl Into<Materialized>,
    ) -> KTable<K, V::Present> {
        let graph = &self.handle.graph;
        let store = graph.keeping(store);
        self.aggregated(Step::Reduce(Reduce {
            name: store.store,
            value: reducer(graph, "add", add),
            subtract: Some(reducer(graph, "subtract", subtract)),
            serdes: serdes::<K, V>(),
            in_memory: store.in_memory,
            logging: store.logging,
            caching: store.caching,
        }))
    }

    /// Values of each group taken into an aggregate, and out of it. One that becomes `None` is deleted.
    pub fn aggregate<A: Data>(
        &self,
        initial: impl Fn() -> A + Send + Sync + 'static,
        add: impl Fn(&K, &V, A) -> A + Send + Sync + 'static,
        subtract: impl Fn(&K, &V, A) -> A + Send + Sync + 'static,
        store: impl Into<Materialized>,
    ) -> KTable<K, A::Present> {
        let graph = &self.handle.graph;
        let store = graph.keeping(store);
        self.aggregated(Step::Aggregate(Aggregate {
            name: store.store,
            initial: initializer(graph, initial),
            value: aggregator(graph, "add", add),
            subtract: Some(aggregator(graph, "subtract", subtract)),
            merge: None,
            serdes: serdes::<K, A>(),
            in_memory: store.in_memory,
            logging: store.logging,
            caching: store.caching,
        }))
    }
}
