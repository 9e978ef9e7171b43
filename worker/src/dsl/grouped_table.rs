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
///
/// ```
/// # use millrace_worker::dsl::{Grouped, KGroupedTable, StreamsBuilder};
/// # use millrace_worker::testing::TopologyTestDriver;
/// # let builder = StreamsBuilder::new();
/// let customers = builder.table::<String, String>("customers");
/// let by_country: KGroupedTable<String, String> =
///     customers.group_by(|id, country| (country.clone(), id.clone()), Grouped::new());
/// by_country.count("customers-per-country");
/// # let driver = TopologyTestDriver::new("app", &builder.build())?;
/// # let mut input = driver.input_topic::<String, String>("customers")?;
/// # let store = driver.store::<String, i64>("customers-per-country")?;
/// input.pipe("ann", "NL")?;
/// input.pipe("ann", "BE")?;
/// assert_eq!(store.all()?, [("BE".to_owned(), 1), ("NL".to_owned(), 0)]);
/// # Ok::<(), millrace_worker::testing::DriverError>(())
/// ```
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
    ///
    /// ```
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.table::<String, String>("order-states");
    /// let by_state = orders.group_by(|id, state| (state.clone(), id.clone()), Grouped::new());
    /// by_state.count("orders-per-state").to_stream().to("orders-per-state");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("order-states")?;
    /// # let store = driver.store::<String, i64>("orders-per-state")?;
    /// input.pipe("o1", "open")?;
    /// input.pipe("o2", "open")?;
    /// input.pipe("o1", "paid")?;
    /// assert_eq!(store.all()?, [("open".to_owned(), 1), ("paid".to_owned(), 1)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn count(&self, store: impl Into<Materialized>) -> KTable<K, i64> {
        self.aggregated(count::<K>(self.handle.graph.keeping(store)))
    }

    /// Values of each group combined, starting from the first.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let balances = builder.table::<String, i64>("balances");
    /// balances
    ///     .group_by(|account, balance| (account[..2].to_owned(), *balance), Grouped::new())
    ///     .reduce(|sum, balance| sum + balance, |sum, balance| sum - balance, "per-country");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("balances")?;
    /// # let store = driver.store::<String, i64>("per-country")?;
    /// input.pipe("NL1", 100)?;
    /// input.pipe("NL2", 50)?;
    /// input.pipe("NL1", 10)?;
    /// assert_eq!(store.get(&"NL".to_owned())?, Some(60));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
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
    ///
    /// ```
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let prices = builder.table::<String, i64>("prices");
    /// let by_shop = prices.group_by(|article, price| (article[..2].to_owned(), *price), Grouped::new());
    /// by_shop.aggregate(
    ///     || 0,
    ///     |_, price, total| total + price,
    ///     |_, price, total| total - price,
    ///     "total-per-shop",
    /// );
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("prices")?;
    /// # let store = driver.store::<String, i64>("total-per-shop")?;
    /// input.pipe("s1-flour", 4)?;
    /// input.pipe("s1-salt", 2)?;
    /// input.pipe_tombstone("s1-flour")?;
    /// assert_eq!(store.get(&"s1".to_owned())?, Some(2));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
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
