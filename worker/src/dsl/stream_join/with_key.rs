//! Joins whose closure looks at the key too (Kafka Streams' `ValueJoinerWithKey`). The key stays as it
//! is. Where there may be none, as in left joins, its type is an `Option`.

use millrace_crds::topology::Step;

use crate::data::Data;
use crate::dsl::global::GlobalKTable;
use crate::dsl::joiner::joiner_with_key;
use crate::dsl::options::{Joined, StreamJoined};
use crate::dsl::stream::KStream;
use crate::dsl::table::KTable;
use crate::dsl::windows::JoinWindows;

/// Joins with another stream.
impl<K: Data, V: Data> KStream<K, V> {
    /// As [`KStream::join`], with a look at the keys.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{JoinWindows, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders");
    /// let payments = builder.stream::<String, i64>("payments");
    /// let hour = JoinWindows::of_time_difference_with_no_grace(Duration::from_secs(3600));
    /// let line = |order: &String, due: &i64, paid: &i64| format!("{order}: {paid} of {due}");
    /// orders.join_with_key(&payments, line, hour, "paid").to("paid");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let output = driver.output_topic::<String, String>("paid")?;
    /// driver.input_topic::<String, i64>("orders")?.pipe("o1", 250)?;
    /// driver.input_topic::<String, i64>("payments")?.pipe("o1", 200)?;
    /// assert_eq!(output.read()?.1, "o1: 200 of 250");
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn join_with_key<W: Data, R: Data>(
        &self,
        other: &KStream<K, W>,
        join: impl Fn(&K, &V, &W) -> R + Send + Sync + 'static,
        windows: JoinWindows,
        joined: impl Into<StreamJoined>,
    ) -> KStream<K, R> {
        let call = joiner_with_key(&self.handle.graph, "join", join);
        self.windowed_join(&other.handle, Step::Join, (call, windows), joined.into())
    }

    /// As [`KStream::left_join`], with a look at the keys.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{JoinWindows, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders");
    /// let payments = builder.stream::<String, i64>("payments");
    /// let hour = JoinWindows::of_time_difference_with_no_grace(Duration::from_secs(3600));
    /// orders
    ///     .left_join_with_key(
    ///         &payments,
    ///         |order, due, paid| format!("{order}: {} of {due}", paid.unwrap_or(&0)),
    ///         hour,
    ///         "paid",
    ///     )
    ///     .to("paid");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// # let output = driver.output_topic::<String, String>("paid")?;
    /// input.pipe_at("o1", 250, 0)?;
    /// input.pipe_at("o2", 40, 10_000_000)?;
    /// assert_eq!(output.read()?.1, "o1: 0 of 250");
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn left_join_with_key<W: Data, R: Data>(
        &self,
        other: &KStream<K, W>,
        join: impl Fn(&K, &V, Option<&W>) -> R + Send + Sync + 'static,
        windows: JoinWindows,
        joined: impl Into<StreamJoined>,
    ) -> KStream<K, R> {
        let join = move |key: &K, left: &V, right: &Option<W>| join(key, left, right.as_ref());
        let call = joiner_with_key(&self.handle.graph, "left_join", join);
        let what = (call, windows);
        self.windowed_join(&other.handle, Step::LeftJoin, what, joined.into())
    }

    /// As [`KStream::outer_join`], with a look at the keys.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{JoinWindows, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders");
    /// let payments = builder.stream::<String, i64>("payments");
    /// let hour = JoinWindows::of_time_difference_with_no_grace(Duration::from_secs(3600));
    /// let line = |order: &String, due: Option<&i64>, paid: Option<&i64>| match (due, paid) {
    ///     (None, _) => format!("{order} was never ordered"),
    ///     (_, None) => format!("{order} was never paid"),
    ///     (Some(due), Some(paid)) => format!("{order}: {paid} of {due}"),
    /// };
    /// orders.outer_join_with_key(&payments, line, hour, "paid").to("paid");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let output = driver.output_topic::<String, String>("paid")?;
    /// driver.input_topic::<String, i64>("payments")?.pipe_at("o1", 250, 0)?;
    /// driver.input_topic::<String, i64>("orders")?.pipe_at("o2", 40, 10_000_000)?;
    /// assert_eq!(output.read()?.1, "o1 was never ordered");
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn outer_join_with_key<W: Data, R: Data>(
        &self,
        other: &KStream<K, W>,
        join: impl Fn(&K, Option<&V>, Option<&W>) -> R + Send + Sync + 'static,
        windows: JoinWindows,
        joined: impl Into<StreamJoined>,
    ) -> KStream<K, R> {
        let join = move |key: &K, left: &Option<V>, right: &Option<W>| {
            join(key, left.as_ref(), right.as_ref())
        };
        let call = joiner_with_key(&self.handle.graph, "outer_join", join);
        let what = (call, windows);
        self.windowed_join(&other.handle, Step::OuterJoin, what, joined.into())
    }
}

/// Joins with a table, or a global one.
impl<K: Data, V: Data> KStream<K, V> {
    /// As [`KStream::join_table`], with a look at the keys.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Joined, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let customers = builder.table::<String, String>("customers");
    /// let orders = builder.stream::<String, i64>("orders");
    /// let line = |id: &String, amount: &i64, name: &String| format!("{name} ({id}): {amount}");
    /// orders.join_table_with_key(&customers, line, Joined::new()).to("orders-with-name");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// # let output = driver.output_topic::<String, String>("orders-with-name")?;
    /// driver.input_topic::<String, String>("customers")?.pipe("c1", "Ann")?;
    /// input.pipe("c1", 250)?;
    /// assert_eq!(output.read()?.1, "Ann (c1): 250");
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn join_table_with_key<W: Data, R: Data>(
        &self,
        table: &KTable<K, W>,
        join: impl Fn(&K, &V, &W) -> R + Send + Sync + 'static,
        joined: impl Into<Joined>,
    ) -> KStream<K, R> {
        let call = joiner_with_key(&self.handle.graph, "join", join);
        self.table_join(&table.handle, Step::Join, call, joined.into())
    }

    /// As [`KStream::left_join_table`], with a look at the keys.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Joined, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let customers = builder.table::<String, String>("customers");
    /// let orders = builder.stream::<String, i64>("orders");
    /// orders
    ///     .left_join_table_with_key(
    ///         &customers,
    ///         |id, amount, name| format!("{}: {amount}", name.unwrap_or(id)),
    ///         Joined::new(),
    ///     )
    ///     .to("orders-with-name");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// # let output = driver.output_topic::<String, String>("orders-with-name")?;
    /// input.pipe("c1", 250)?;
    /// assert_eq!(output.read()?.1, "c1: 250");
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn left_join_table_with_key<W: Data, R: Data>(
        &self,
        table: &KTable<K, W>,
        join: impl Fn(&K, &V, Option<&W>) -> R + Send + Sync + 'static,
        joined: impl Into<Joined>,
    ) -> KStream<K, R> {
        let join = move |key: &K, left: &V, right: &Option<W>| join(key, left, right.as_ref());
        let call = joiner_with_key(&self.handle.graph, "left_join", join);
        self.table_join(&table.handle, Step::LeftJoin, call, joined.into())
    }

    /// As [`KStream::join_global_table`], with a look at the keys: the stream's, not those looked up.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let prices = builder.global_table::<String, i64>("prices");
    /// let orders = builder.stream::<i64, String>("orders");
    /// let line = |order: &i64, product: &String, price: &i64| format!("{order}: {product} at {price}");
    /// orders.join_global_table_with_key(&prices, |_, product| product.clone(), line).to("dues");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<i64, String>("orders")?;
    /// # let output = driver.output_topic::<i64, String>("dues")?;
    /// driver.input_topic::<String, i64>("prices")?.pipe("flour", 4)?;
    /// input.pipe(7, "flour")?;
    /// assert_eq!(output.read()?.1, "7: flour at 4");
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn join_global_table_with_key<L: Data, F: Data<Present = L::Present>, W: Data, R: Data>(
        &self,
        table: &GlobalKTable<L, W>,
        lookup: impl Fn(&K, &V) -> F + Send + Sync + 'static,
        join: impl Fn(&K, &V, &W) -> R + Send + Sync + 'static,
    ) -> KStream<K, R> {
        let call = joiner_with_key(&self.handle.graph, "join", join);
        self.global_join(&table.handle, Step::Join, lookup, call)
    }

    /// As [`KStream::left_join_global_table`], with a look at the keys: the stream's, not those looked
    /// up.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let prices = builder.global_table::<String, i64>("prices");
    /// let orders = builder.stream::<i64, String>("orders");
    /// orders
    ///     .left_join_global_table_with_key(
    ///         &prices,
    ///         |_, product| product.clone(),
    ///         |order, product, price| match price {
    ///             Some(price) => format!("{order}: {product} at {price}"),
    ///             None => format!("{order}: {product} is not for sale"),
    ///         },
    ///     )
    ///     .to("dues");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<i64, String>("orders")?;
    /// # let output = driver.output_topic::<i64, String>("dues")?;
    /// input.pipe(7, "salt")?;
    /// assert_eq!(output.read()?.1, "7: salt is not for sale");
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn left_join_global_table_with_key<
        L: Data,
        F: Data<Present = L::Present>,
        W: Data,
        R: Data,
    >(
        &self,
        table: &GlobalKTable<L, W>,
        lookup: impl Fn(&K, &V) -> F + Send + Sync + 'static,
        join: impl Fn(&K, &V, Option<&W>) -> R + Send + Sync + 'static,
    ) -> KStream<K, R> {
        let join = move |key: &K, left: &V, right: &Option<W>| join(key, left, right.as_ref());
        let call = joiner_with_key(&self.handle.graph, "left_join", join);
        self.global_join(&table.handle, Step::LeftJoin, lookup, call)
    }
}
