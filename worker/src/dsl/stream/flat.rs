//! Operators that make several records of one.

use bumpalo::collections::Vec as ArenaVec;
use millrace_crds::topology::{FlatMap, Step};
use millrace_expr::{Bump, Type, Value};

use super::KStream;
use crate::data::Data;
use crate::dsl::call::{Called, argument, key, native, of_record, result, typed, with_record};
use crate::dsl::key::Key;

impl<K: Key, V: Data> KStream<K, V> {
    /// None, one or several records for each.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let transfers = builder.stream::<String, i64>("transfers");
    /// transfers
    ///     .flat_map(|accounts, amount| {
    ///         let (from, to) = accounts.split_once('>').unwrap_or(("unknown", accounts));
    ///         [(from.to_owned(), -amount), (to.to_owned(), *amount)]
    ///     })
    ///     .to("bookings");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("transfers")?;
    /// # let output = driver.output_topic::<String, i64>("bookings")?;
    /// input.pipe("ann>bob", 20)?;
    /// assert_eq!(output.read_all()?, [("ann".to_owned(), -20), ("bob".to_owned(), 20)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn flat_map<L: Data, W: Data, I: IntoIterator<Item = (L, W)>>(
        &self,
        mapper: impl Fn(&K, &V) -> I + Send + Sync + 'static,
    ) -> KStream<L, W> {
        self.flat_map_by("flat_map", mapper)
    }

    pub(super) fn flat_map_by<L: Data, W: Data, I: IntoIterator<Item = (L, W)>>(
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
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, String>("orders");
    /// orders
    ///     .flat_map_values(|articles| articles.split(',').map(str::to_owned).collect::<Vec<_>>())
    ///     .to("articles");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("orders")?;
    /// # let output = driver.output_topic::<String, String>("articles")?;
    /// input.pipe("ann", "flour,salt")?;
    /// let articles = output.read_all()?.into_iter().map(|(_, article)| article);
    /// assert_eq!(articles.collect::<Vec<_>>(), ["flour", "salt"]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn flat_map_values<W: Data, I: IntoIterator<Item = W>>(
        &self,
        mapper: impl Fn(&V) -> I + Send + Sync + 'static,
    ) -> KStream<K, W> {
        let native =
            native(move |arguments, arena| list(mapper(&argument(arguments, 0, "value")?), arena));
        let types = (vec![V::value_type()], Type::any_list());
        let graph = &self.handle.graph;
        let name = graph.function("flat_map_values", types, None, native);
        self.each_of(format!("{name}(value)"))
    }

    /// One record for each of the new values, with a look at the keys.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, String>("orders");
    /// orders
    ///     .flat_map_values_with_key(|customer, articles| {
    ///         let line = |article: &str| format!("{article} for {customer}");
    ///         articles.split(',').map(line).collect::<Vec<_>>()
    ///     })
    ///     .to("lines");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("orders")?;
    /// # let output = driver.output_topic::<String, String>("lines")?;
    /// input.pipe("ann", "flour,salt")?;
    /// let lines = output.read_all()?.into_iter().map(|(_, line)| line);
    /// assert_eq!(lines.collect::<Vec<_>>(), ["flour for ann", "salt for ann"]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn flat_map_values_with_key<W: Data, I: IntoIterator<Item = W>>(
        &self,
        mapper: impl Fn(&K, &V) -> I + Send + Sync + 'static,
    ) -> KStream<K, W> {
        let native = native(move |arguments, arena| {
            let (key, value) = (key(arguments)?, argument(arguments, 1, "value")?);
            list(mapper(&key, &value), arena)
        });
        let types = of_record::<K, V>(Type::any_list());
        let graph = &self.handle.graph;
        let name = graph.function("flat_map_values", types, None, native);
        self.each_of(with_record::<K>(&name))
    }

    /// A record for each value of a list.
    fn each_of<W: Data>(&self, elements: String) -> KStream<K, W> {
        let step = Step::FlatMap(FlatMap {
            elements,
            key: None,
            value: Some(typed::<W>(&self.handle.graph, "value", "element")),
        });
        KStream::of(self.handle.step(step))
    }
}

/// The list of new values.
fn list<'r, W: Data>(values: impl IntoIterator<Item = W>, arena: &'r Bump) -> Called<'r> {
    let mut list = ArenaVec::new_in(arena);
    for value in values {
        list.push(result(&value, arena)?);
    }
    Ok(Value::List(list.into_bump_slice()))
}
