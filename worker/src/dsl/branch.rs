//! [`BranchedKStream`]: a stream on its way into branches.

use std::collections::BTreeMap;

use super::call::predicate;
use super::key::Key;
use super::stream::KStream;
use crate::data::Data;

/// A stream that is being divided: each record goes to the first branch whose predicate is true.
///
/// ```
/// use millrace_worker::dsl::StreamsBuilder;
///
/// let builder = StreamsBuilder::new();
/// let numbers = builder.stream::<String, i64>("numbers");
/// let branches = numbers
///     .split()
///     .branch("negative", |_, n| *n < 0)
///     .branch("large", |_, n| *n > 1000)
///     .default_branch("others");
/// branches["large"].to("large-numbers");
/// branches["others"].merge(&branches["negative"]).to("small-numbers");
/// builder.build().plan("numbers").unwrap();
/// ```
pub struct BranchedKStream<K, V> {
    stream: KStream<K, V>,
    branches: Vec<(String, Option<String>)>,
}

impl<K: Key, V: Data> BranchedKStream<K, V> {
    pub(super) fn of(stream: KStream<K, V>) -> Self {
        Self {
            stream,
            branches: Vec::new(),
        }
    }

    /// A branch for the records for which the predicate is true, and which no branch before took. The
    /// name is that of its stream.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders");
    /// let branches = orders.split().branch("large", |_, amount| *amount >= 100).default_branch("small");
    /// branches["large"].to("large-orders");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// # let output = driver.output_topic::<String, i64>("large-orders")?;
    /// input.pipe("ann", 250)?;
    /// input.pipe("bob", 40)?;
    /// assert_eq!(output.read_all()?, [("ann".to_owned(), 250)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    #[must_use]
    pub fn branch(
        mut self,
        name: impl Into<String>,
        when: impl Fn(&K, &V) -> bool + Send + Sync + 'static,
    ) -> Self {
        let call = predicate(&self.stream.handle.graph, "branch", when);
        self.branches.push((name.into(), Some(call)));
        self
    }

    /// The branches, by name; what no branch took is dropped.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders");
    /// let branches = orders.split().branch("large", |_, amount| *amount >= 100).no_default_branch();
    /// assert_eq!(branches.keys().collect::<Vec<_>>(), ["large"]);
    /// branches["large"].to("large-orders");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// input.pipe("bob", 40)?;
    /// assert!(driver.output_topic::<String, i64>("large-orders")?.is_empty());
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn no_default_branch(self) -> BTreeMap<String, KStream<K, V>> {
        self.streams()
    }

    /// The branches, by name; what no branch took goes to this one.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, i64>("orders");
    /// let branches = orders.split().branch("large", |_, amount| *amount >= 100).default_branch("small");
    /// branches["small"].to("small-orders");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("orders")?;
    /// # let output = driver.output_topic::<String, i64>("small-orders")?;
    /// input.pipe("ann", 250)?;
    /// input.pipe("bob", 40)?;
    /// assert_eq!(output.read_all()?, [("bob".to_owned(), 40)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn default_branch(mut self, name: impl Into<String>) -> BTreeMap<String, KStream<K, V>> {
        self.branches.push((name.into(), None));
        self.streams()
    }

    fn streams(self) -> BTreeMap<String, KStream<K, V>> {
        let names: Vec<String> = self.branches.iter().map(|(name, _)| name.clone()).collect();
        let handles = self.stream.handle.split(&self.branches);
        let streams = handles.into_iter().map(KStream::of);
        names.into_iter().zip(streams).collect()
    }
}
