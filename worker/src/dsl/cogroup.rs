//! [`CogroupedKStream`]: several grouped streams on their way into one table.

use std::fmt;
use std::marker::PhantomData;

use millrace_crds::topology::{Cogroup, Cogrouped, Step};

use super::aggregator::{aggregator, initializer};
use super::call::serdes;
use super::graph::{Handle, Kind, NodeId};
use super::grouped::KGroupedStream;
use super::options::Materialized;
use super::table::KTable;
use crate::data::Data;

/// Several grouped streams with keys `K`, each with an aggregator of its own, and one aggregate `A`
/// (KIP-150). A stream after the first whose key has changed needs a name of its grouping.
///
/// ```
/// use millrace_worker::dsl::{Grouped, StreamsBuilder};
///
/// let builder = StreamsBuilder::new();
/// let orders = builder.stream::<String, i64>("orders").group_by_key(Grouped::new());
/// let payments = builder.stream::<String, f64>("payments").group_by_key(Grouped::new());
/// orders
///     .cogroup(|_, ordered, open: i64| open + ordered)
///     .cogroup(&payments, |_, paid, open| open - *paid as i64)
///     .aggregate(|| 0, "open")
///     .to_stream()
///     .to("open-amounts");
/// builder.build().plan("shop").unwrap();
/// ```
pub struct CogroupedKStream<K, A> {
    handle: Handle,
    group: Vec<Step>,
    value: String,
    with: Vec<Cogrouped>,
    others: Vec<NodeId>,
    types: PhantomData<fn() -> (K, A)>,
}

impl<K: Data, A: Data> CogroupedKStream<K, A> {
    pub(super) fn of<V: Data>(
        first: &KGroupedStream<K, V>,
        aggregate: impl Fn(&K, &V, A) -> A + Send + Sync + 'static,
    ) -> Self {
        let (handle, group) = first.parts();
        Self {
            value: aggregator(&handle.graph, "cogroup", aggregate),
            handle: handle.clone(),
            group: group.to_vec(),
            with: Vec::new(),
            others: Vec::new(),
            types: PhantomData,
        }
    }

    /// Takes another stream's groups in.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders").group_by_key(Grouped::new());
    /// let payments = builder.stream::<String, i64>("payments").group_by_key(Grouped::new());
    /// let refunds = builder.stream::<String, i64>("refunds").group_by_key(Grouped::new());
    /// orders
    ///     .cogroup(|_, ordered, open: i64| open + ordered)
    ///     .cogroup(&payments, |_, paid, open| open - paid)
    ///     .cogroup(&refunds, |_, refunded, open| open + refunded)
    ///     .aggregate(|| 0, "open");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// driver.input_topic::<String, i64>("orders")?.pipe("ann", 30)?;
    /// driver.input_topic::<String, i64>("payments")?.pipe("ann", 20)?;
    /// assert_eq!(driver.store::<String, i64>("open")?.get(&"ann".to_owned())?, Some(10));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    #[must_use]
    pub fn cogroup<V: Data>(
        mut self,
        other: &KGroupedStream<K, V>,
        aggregate: impl Fn(&K, &V, A) -> A + Send + Sync + 'static,
    ) -> Self {
        let (handle, group) = other.parts();
        let (key, name) = match group {
            [Step::GroupBy(by), ..] => (Some(by.key.clone()), by.name.clone()),
            [Step::GroupByKey(by), ..] => (None, by.name.clone()),
            _ => (None, None),
        };
        self.with.push(Cogrouped {
            stream: String::new(),
            key,
            value: aggregator(&handle.graph, "cogroup", aggregate),
            name,
        });
        self.others.push(self.handle.other(handle));
        self
    }

    /// The table of all of them.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Grouped, StreamsBuilder};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders").group_by_key(Grouped::new());
    /// let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
    /// orders
    ///     .cogroup(|_, amount, score: i64| score + amount)
    ///     .cogroup(&clicks, |_, _, score| score + 1)
    ///     .aggregate(|| 100, "scores")
    ///     .to_stream()
    ///     .to("scores");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let output = driver.output_topic::<String, i64>("scores")?;
    /// driver.input_topic::<String, String>("clicks")?.pipe("ann", "/home")?;
    /// assert_eq!(output.read()?, ("ann".to_owned(), 101));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn aggregate(
        self,
        initial: impl Fn() -> A + Send + Sync + 'static,
        store: impl Into<Materialized>,
    ) -> KTable<K, A::Present> {
        let store = self.handle.graph.keeping(store);
        let step = Step::Cogroup(Cogroup {
            name: store.store,
            initial: initializer(&self.handle.graph, initial),
            value: self.value,
            with: self.with,
            merge: None,
            serdes: serdes::<K, A>(),
            in_memory: store.in_memory,
            logging: store.logging,
            caching: store.caching,
        });
        let steps = self.group.into_iter().chain([step]).collect();
        KTable::of(self.handle.steps(steps, Kind::Table, self.others))
    }
}

impl<K, A> fmt::Debug for CogroupedKStream<K, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CogroupedKStream of {}", self.with.len() + 1)
    }
}
