//! Joins of a stream: with another one, with a table, with a global table.

mod with_key;

use millrace_crds::topology::{Join, Serdes, Step};

use super::call::{computed, serdes};
use super::global::GlobalKTable;
use super::graph::{Handle, Kind};
use super::joiner::joiner;
use super::key::Key;
use super::options::{Joined, StreamJoined};
use super::stream::KStream;
use super::table::KTable;
use super::windows::{JoinWindows, written};
use crate::data::Data;

/// Joins with another stream: each record with those of the other side that have its key and are near
/// enough in time. Both sides are kept in stores named after the join.
impl<K: Data, V: Data> KStream<K, V> {
    /// Records that have a match on the other side.
    ///
    /// ```
    /// use std::time::Duration;
    /// use millrace_worker::dsl::{JoinWindows, StreamsBuilder};
    ///
    /// let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders");
    /// let payments = builder.stream::<String, i64>("payments");
    /// let hour = JoinWindows::of_time_difference_with_no_grace(Duration::from_secs(3600));
    /// orders
    ///     .join(&payments, |ordered, paid| ordered - paid, hour, "paid")
    ///     .to("still-due");
    /// builder.build().plan("shop").unwrap();
    /// ```
    pub fn join<W: Data, R: Data>(
        &self,
        other: &KStream<K, W>,
        join: impl Fn(&V, &W) -> R + Send + Sync + 'static,
        windows: JoinWindows,
        joined: impl Into<StreamJoined>,
    ) -> KStream<K, R> {
        let call = joiner(&self.handle.graph, "join", join);
        self.windowed_join(&other.handle, Step::Join, (call, windows), joined.into())
    }

    /// All records of this stream; without a match once the window has closed.
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
    ///     .left_join(&payments, |due, paid| due - paid.unwrap_or(&0), hour, "paid")
    ///     .to("still-due");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// # let output = driver.output_topic::<String, i64>("still-due")?;
    /// input.pipe_at("o1", 250, 0)?;
    /// input.pipe_at("o2", 40, 10_000_000)?;
    /// assert_eq!(output.read_all()?, [("o1".to_owned(), 250)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn left_join<W: Data, R: Data>(
        &self,
        other: &KStream<K, W>,
        join: impl Fn(&V, Option<&W>) -> R + Send + Sync + 'static,
        windows: JoinWindows,
        joined: impl Into<StreamJoined>,
    ) -> KStream<K, R> {
        let join = move |left: &V, right: &Option<W>| join(left, right.as_ref());
        let call = joiner(&self.handle.graph, "left_join", join);
        let what = (call, windows);
        self.windowed_join(&other.handle, Step::LeftJoin, what, joined.into())
    }

    /// All records of both streams; without a match once the window has closed. At least one side is
    /// there.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{JoinWindows, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders");
    /// let payments = builder.stream::<String, i64>("payments");
    /// let hour = JoinWindows::of_time_difference_with_no_grace(Duration::from_secs(3600));
    /// let open = |due: Option<&i64>, paid: Option<&i64>| due.unwrap_or(&0) - paid.unwrap_or(&0);
    /// orders.outer_join(&payments, open, hour, "paid").to("still-due");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let output = driver.output_topic::<String, i64>("still-due")?;
    /// driver.input_topic::<String, i64>("payments")?.pipe_at("o1", 250, 0)?;
    /// driver.input_topic::<String, i64>("orders")?.pipe_at("o2", 40, 10_000_000)?;
    /// assert_eq!(output.read_all()?, [("o1".to_owned(), -250)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn outer_join<W: Data, R: Data>(
        &self,
        other: &KStream<K, W>,
        join: impl Fn(Option<&V>, Option<&W>) -> R + Send + Sync + 'static,
        windows: JoinWindows,
        joined: impl Into<StreamJoined>,
    ) -> KStream<K, R> {
        let join = move |left: &Option<V>, right: &Option<W>| join(left.as_ref(), right.as_ref());
        let call = joiner(&self.handle.graph, "outer_join", join);
        let what = (call, windows);
        self.windowed_join(&other.handle, Step::OuterJoin, what, joined.into())
    }

    fn windowed_join<R: Data>(
        &self,
        other: &Handle,
        step: fn(Join) -> Step,
        (value, windows): (String, JoinWindows),
        joined: StreamJoined,
    ) -> KStream<K, R> {
        let join = Join {
            value,
            before: Some(written(windows.before)),
            after: Some(written(windows.after)),
            grace: Some(written(windows.grace)),
            name: Some(joined.name),
            serdes: serdes::<K, V>(),
            in_memory: joined.in_memory,
            ..Join::default()
        };
        let others = vec![self.handle.other(other)];
        KStream::of(self.handle.steps(vec![step(join)], Kind::Stream, others))
    }

    /// Joins with a table: each record with the row of its key at that moment. Records without a match
    /// are dropped. The table must be kept in a store.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Joined, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let customers = builder.table::<String, String>("customers");
    /// let orders = builder.stream::<String, i64>("orders");
    /// orders
    ///     .join_table(&customers, |amount, name| format!("{name}: {amount}"), Joined::new())
    ///     .to("orders-with-name");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// # let output = driver.output_topic::<String, String>("orders-with-name")?;
    /// driver.input_topic::<String, String>("customers")?.pipe("c1", "Ann")?;
    /// input.pipe("c1", 250)?;
    /// input.pipe("c2", 40)?;
    /// assert_eq!(output.read_all()?, [("c1".to_owned(), "Ann: 250".to_owned())]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn join_table<W: Data, R: Data>(
        &self,
        table: &KTable<K, W>,
        join: impl Fn(&V, &W) -> R + Send + Sync + 'static,
        joined: impl Into<Joined>,
    ) -> KStream<K, R> {
        let call = joiner(&self.handle.graph, "join", join);
        self.table_join(&table.handle, Step::Join, call, joined.into())
    }

    /// As [`KStream::join_table`], with the records without a match too.
    ///
    /// ```
    /// use millrace_worker::dsl::{Joined, StreamsBuilder};
    ///
    /// let builder = StreamsBuilder::new();
    /// let balances = builder.table::<String, i64>("balances");
    /// let requests = builder.stream::<String, i64>("loan-requests");
    /// requests
    ///     .left_join_table(
    ///         &balances,
    ///         |amount, balance| balance.is_some_and(|balance| balance >= amount),
    ///         Joined::new(),
    ///     )
    ///     .to("verdicts");
    /// builder.build().plan("loans").unwrap();
    /// ```
    pub fn left_join_table<W: Data, R: Data>(
        &self,
        table: &KTable<K, W>,
        join: impl Fn(&V, Option<&W>) -> R + Send + Sync + 'static,
        joined: impl Into<Joined>,
    ) -> KStream<K, R> {
        let join = move |left: &V, right: &Option<W>| join(left, right.as_ref());
        let call = joiner(&self.handle.graph, "left_join", join);
        self.table_join(&table.handle, Step::LeftJoin, call, joined.into())
    }

    fn table_join<R: Data>(
        &self,
        table: &Handle,
        step: fn(Join) -> Step,
        value: String,
        joined: Joined,
    ) -> KStream<K, R> {
        // Formats are those of the repartition topic or of what is held back: of what has the name.
        let serdes = match joined.name {
            Some(_) => serdes::<K, V>(),
            None => Serdes::default(),
        };
        let join = Join {
            value,
            grace: joined.grace.map(written),
            name: joined.name,
            serdes,
            ..Join::default()
        };
        let others = vec![self.handle.other(table)];
        KStream::of(self.handle.steps(vec![step(join)], Kind::Stream, others))
    }
}

/// Joins with a global table, whose rows of any key every instance has.
impl<K: Key, V: Data> KStream<K, V> {
    /// Each record with the row of the key that `lookup` gives; those without a match are dropped, also
    /// those for which it gives `None`.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let products = builder.global_table::<String, i64>("prices");
    /// let orders = builder.stream::<i64, String>("orders");
    /// orders.join_global_table(&products, |_, product| product.clone(), |_, price| *price).to("dues");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<i64, String>("orders")?;
    /// # let output = driver.output_topic::<i64, i64>("dues")?;
    /// driver.input_topic::<String, i64>("prices")?.pipe("flour", 4)?;
    /// input.pipe(1, "flour")?;
    /// input.pipe(2, "salt")?;
    /// assert_eq!(output.read_all()?, [(1, 4)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn join_global_table<L: Data, F: Data<Present = L::Present>, W: Data, R: Data>(
        &self,
        table: &GlobalKTable<L, W>,
        lookup: impl Fn(&K, &V) -> F + Send + Sync + 'static,
        join: impl Fn(&V, &W) -> R + Send + Sync + 'static,
    ) -> KStream<K, R> {
        let call = joiner(&self.handle.graph, "join", join);
        self.global_join(&table.handle, Step::Join, lookup, call)
    }

    /// As [`KStream::join_global_table`], with the records without a match too.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let prices = builder.global_table::<String, i64>("prices");
    /// let orders = builder.stream::<i64, String>("orders");
    /// // Words are products; all else is nothing that could have a price.
    /// let product = |_: &i64, text: &String| Some(text.clone()).filter(|text| !text.contains(' '));
    /// let price = |_: &String, price: Option<&i64>| price.copied().unwrap_or(-1);
    /// orders.left_join_global_table(&prices, product, price).to("dues");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<i64, String>("orders")?;
    /// # let output = driver.output_topic::<i64, i64>("dues")?;
    /// driver.input_topic::<String, i64>("prices")?.pipe("flour", 4)?;
    /// input.pipe(1, "flour")?;
    /// input.pipe(2, "two sacks")?;
    /// assert_eq!(output.read_all()?, [(1, 4), (2, -1)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn left_join_global_table<L: Data, F: Data<Present = L::Present>, W: Data, R: Data>(
        &self,
        table: &GlobalKTable<L, W>,
        lookup: impl Fn(&K, &V) -> F + Send + Sync + 'static,
        join: impl Fn(&V, Option<&W>) -> R + Send + Sync + 'static,
    ) -> KStream<K, R> {
        let join = move |left: &V, right: &Option<W>| join(left, right.as_ref());
        let call = joiner(&self.handle.graph, "left_join", join);
        self.global_join(&table.handle, Step::LeftJoin, lookup, call)
    }

    fn global_join<F: Data, R: Data>(
        &self,
        table: &Handle,
        step: fn(Join) -> Step,
        lookup: impl Fn(&K, &V) -> F + Send + Sync + 'static,
        value: String,
    ) -> KStream<K, R> {
        let join = Join {
            value,
            lookup: Some(computed(&self.handle.graph, "lookup", lookup)),
            ..Join::default()
        };
        let others = vec![self.handle.other(table)];
        KStream::of(self.handle.steps(vec![step(join)], Kind::Stream, others))
    }
}
