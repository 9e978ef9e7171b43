//! [`KTable`]: operators of tables.

use std::fmt;
use std::marker::PhantomData;

use millrace_crds::topology::{Empty, GroupBy, Step};

use super::call::{
    argument, computed, key, native, of_record, of_value, predicate, result, serdes, with_record,
};
use super::graph::{Handle, Kind};
use super::grouped_table::KGroupedTable;
use super::key::Key;
use super::options::{Grouped, MaterializedTable, Suppressed, SuppressedBy};
use super::stream::KStream;
use crate::data::Data;

/// A table: the latest value of each key. Its records are changes; a deletion has no value, and no
/// closure is called for it.
///
/// ```
/// use millrace_worker::dsl::{Grouped, StreamsBuilder};
///
/// let builder = StreamsBuilder::new();
/// let accounts = builder.table::<String, i64>("accounts");
/// accounts
///     .filter(|_, balance| *balance > 0)
///     .group_by(|account, balance| (account[..2].to_owned(), *balance), Grouped::new())
///     .reduce(|sum, more| sum + more, |sum, less| sum - less, "per-country")
///     .to_stream()
///     .to("balance-per-country");
/// builder.build().plan("accounts").unwrap();
/// ```
pub struct KTable<K, V> {
    pub(super) handle: Handle,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for KTable<K, V> {
    fn clone(&self) -> Self {
        Self::of(self.handle.clone())
    }
}

impl<K, V> fmt::Debug for KTable<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KTable")
    }
}

impl<K, V> KTable<K, V> {
    pub(super) fn of(handle: Handle) -> Self {
        Self {
            handle,
            types: PhantomData,
        }
    }

    /// Names it in descriptions of the topology (`Named`).
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # let builder = StreamsBuilder::new();
    /// let balances = builder.table::<String, i64>("balances");
    /// balances.filter(|_, balance| *balance < 0).named("overdrawn").to_stream().to("overdrawn");
    /// assert!(builder.build().describe("bank").unwrap().contains("overdrawn"));
    /// ```
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self::of(self.handle.named(name))
    }

    /// Keeps a table that was computed (`filter`, `filter_not`, `map_values`, a join, `suppress`) in a
    /// store. Needed to join it.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let balances = builder.table::<String, i64>("balances");
    /// balances.filter(|_, balance| *balance < 0).materialized("overdrawn");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("balances")?;
    /// # let store = driver.store::<String, i64>("overdrawn")?;
    /// input.pipe("ann", -20)?;
    /// input.pipe("bob", 70)?;
    /// assert_eq!(store.all()?, [("ann".to_owned(), -20)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    #[must_use]
    pub fn materialized(self, store: impl Into<MaterializedTable>) -> Self {
        let store = self.handle.graph.keeping_table(store);
        Self::of(self.handle.materialized(store))
    }
}

impl<K: Key, V: Data> KTable<K, V> {
    /// Keeps rows for which the predicate is true; the others are deleted.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let balances = builder.table::<String, i64>("balances");
    /// balances.filter(|_, balance| *balance < 0).to_stream().to("overdrawn");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("balances")?;
    /// # let output = driver.output_topic::<String, Option<i64>>("overdrawn")?;
    /// input.pipe("ann", -20)?;
    /// input.pipe("ann", 70)?;
    /// assert_eq!(output.read_all()?, [("ann".to_owned(), Some(-20)), ("ann".to_owned(), None)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn filter(&self, keep: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Self {
        let call = predicate(&self.handle.graph, "filter", keep);
        Self::of(self.handle.step(Step::Filter(call)))
    }

    /// Keeps rows for which the predicate is false; the others are deleted.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let states = builder.table::<String, String>("order-states");
    /// states.filter_not(|_, state| state == "delivered").materialized("open-orders");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("order-states")?;
    /// # let store = driver.store::<String, String>("open-orders")?;
    /// input.pipe("o1", "paid")?;
    /// input.pipe("o2", "paid")?;
    /// input.pipe("o1", "delivered")?;
    /// assert_eq!(store.all()?, [("o2".to_owned(), "paid".to_owned())]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn filter_not(&self, drop: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Self {
        let call = predicate(&self.handle.graph, "filter_not", drop);
        Self::of(self.handle.step(Step::FilterNot(call)))
    }

    /// New values.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let balances = builder.table::<String, i64>("balances");
    /// balances.map_values(|balance| *balance < 0).to_stream().to("overdrawn");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("balances")?;
    /// # let output = driver.output_topic::<String, bool>("overdrawn")?;
    /// input.pipe("ann", -20)?;
    /// assert_eq!(output.read()?, ("ann".to_owned(), true));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn map_values<W: Data>(
        &self,
        mapper: impl Fn(&V) -> W + Send + Sync + 'static,
    ) -> KTable<K, W::Present> {
        let call = of_value(&self.handle.graph, "map_values", mapper);
        KTable::of(self.handle.step(Step::MapValues(call)))
    }

    /// New values, with a look at the keys.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let names = builder.table::<String, String>("customers");
    /// names.map_values_with_key(|id, name| format!("{name} ({id})")).to_stream().to("labels");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("customers")?;
    /// # let output = driver.output_topic::<String, String>("labels")?;
    /// input.pipe("c1", "Ann")?;
    /// assert_eq!(output.read()?.1, "Ann (c1)");
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn map_values_with_key<W: Data>(
        &self,
        mapper: impl Fn(&K, &V) -> W + Send + Sync + 'static,
    ) -> KTable<K, W::Present> {
        let call = computed(&self.handle.graph, "map_values", mapper);
        KTable::of(self.handle.step(Step::MapValues(call)))
    }

    /// The stream of its changes; a deletion is `None`.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let balances = builder.table::<String, i64>("balances");
    /// balances.to_stream().map_values(|balance| balance.unwrap_or(0)).to("balance-changes");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("balances")?;
    /// # let output = driver.output_topic::<String, i64>("balance-changes")?;
    /// input.pipe("ann", 70)?;
    /// input.pipe_tombstone("ann")?;
    /// assert_eq!(output.read_all()?, [("ann".to_owned(), 70), ("ann".to_owned(), 0)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn to_stream(&self) -> KStream<K, Option<V>> {
        let steps = vec![Step::ToStream(Empty {})];
        KStream::of(self.handle.steps(steps, Kind::Stream, Vec::new()))
    }

    /// Holds changes back: until windows close, or for a time.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{BufferConfig, StreamsBuilder, Suppressed};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let balances = builder.table::<String, i64>("balances");
    /// let (minute, buffer) = (Duration::from_secs(60), BufferConfig::unbounded());
    /// let calm = balances.suppress(Suppressed::until_time_limit("calm", minute, buffer));
    /// calm.to_stream().to("calm-balances");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("balances")?;
    /// # let output = driver.output_topic::<String, i64>("calm-balances")?;
    /// input.pipe_at("ann", 70, 0)?;
    /// input.pipe_at("ann", 50, 10_000)?;
    /// input.pipe_at("bob", 20, 60_000)?;
    /// assert_eq!(output.read_all()?, [("ann".to_owned(), 50)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    ///
    /// ```compile_fail
    /// # use millrace_worker::dsl::*;
    /// # let builder = StreamsBuilder::new();
    /// // The keys have no window that could close.
    /// let table = builder.table::<String, i64>("accounts");
    /// table.suppress(Suppressed::until_window_closes("held", BufferConfig::unbounded()));
    /// ```
    pub fn suppress<U>(&self, suppressed: Suppressed<U>) -> Self
    where
        K: SuppressedBy<U>,
    {
        let step = suppressed.step(serdes::<K, V>());
        Self::of(self.handle.step(Step::Suppress(step)))
    }

    /// Groups rows by a new key, with a new value: a changed row is taken out of its old group and put
    /// into its new one. Through a repartition topic. The closure is called once for the key and once
    /// for the value.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let balances = builder.table::<String, i64>("balances");
    /// balances
    ///     .group_by(|account, balance| (account[..2].to_owned(), *balance), Grouped::new())
    ///     .reduce(|sum, more| sum + more, |sum, less| sum - less, "per-country");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("balances")?;
    /// # let store = driver.store::<String, i64>("per-country")?;
    /// input.pipe("NL1", 100)?;
    /// input.pipe("NL2", 50)?;
    /// assert_eq!(store.all()?, [("NL".to_owned(), 150)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn group_by<L: Data, W: Data>(
        &self,
        mapper: impl Fn(&K, &V) -> (L, W) + Send + Sync + 'static,
        grouped: impl Into<Grouped>,
    ) -> KGroupedTable<L, W> {
        let mapper = std::sync::Arc::new(mapper);
        let of_key = mapper.clone();
        let graph = &self.handle.graph;
        let native_key = native(move |arguments, arena| {
            let (key, value) = (key(arguments)?, argument(arguments, 1, "value")?);
            result(&of_key(&key, &value).0, arena)
        });
        let native_value = native(move |arguments, arena| {
            let (key, value) = (key(arguments)?, argument(arguments, 1, "value")?);
            result(&mapper(&key, &value).1, arena)
        });
        let types = of_record::<K, V>(L::value_type());
        let new_key = graph.function("group_by", types, Some(L::FORMAT), native_key);
        let types = of_record::<K, V>(W::value_type());
        let new_value = graph.function("group_by_value", types, Some(W::FORMAT), native_value);
        let step = Step::GroupBy(GroupBy {
            key: with_record::<K>(&new_key),
            value: Some(with_record::<K>(&new_value)),
            name: grouped.into().name,
            serdes: serdes::<L, W>(),
        });
        KGroupedTable::of(self.handle.clone(), step)
    }
}
