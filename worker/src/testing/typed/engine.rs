//! Types for [`TopologyDriver`], which runs a topology through the whole engine.

use millrace_kafka::HeadersBuf;

use super::TestRecord;
use super::data::{self, TypedFormats, bytes};
use crate::data::Data;
use crate::dsl::{Application, Key};
use crate::testing::{CapturedRecord, DriverError, DriverOptions, TopologyDriver};

impl TopologyDriver {
    /// Drives a topology in Rust, set up in this way.
    ///
    /// ```
    /// use millrace_worker::dsl::{Application, Grouped, StreamsBuilder};
    /// use millrace_worker::testing::{DriverOptions, TopologyDriver};
    ///
    /// let builder = StreamsBuilder::new();
    /// builder.stream::<String, i64>("clicks").group_by_key(Grouped::new()).count("counts");
    /// let clicks = Application::new("clicks", builder.build());
    /// let mut driver = TopologyDriver::of_application(&clicks, &DriverOptions::default())?;
    /// driver.write::<String, i64>("clicks", "ann", 1, 0)?;
    /// driver.run_until_idle()?;
    /// // The process dies; another one restores its state from the changelog.
    /// driver.crash(0)?;
    /// driver.empty_state(0)?;
    /// driver.start(0)?;
    /// driver.run_until_idle()?;
    /// assert_eq!(driver.store::<String, i64>("counts")?, [("ann".to_owned(), 1)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    ///
    /// # Errors
    /// The topology is refused, or the application cannot start.
    pub fn of_application(
        application: &Application,
        options: &DriverOptions,
    ) -> Result<Self, DriverError> {
        let app = application.stream_app();
        let plan = application.topology().plan_of(&app);
        let plan = plan.map_err(|problems| DriverError::refused(&problems))?;
        let options = DriverOptions {
            processors: options
                .processors
                .clone()
                .and(application.topology().processors()),
            ..options.clone()
        };
        Self::of_plan(&app, plan, &options)
    }

    /// Writes a record of this time (ms since the epoch) to a topic that the topology reads, the
    /// partition by key.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Application, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # use millrace_worker::testing::{DriverOptions, TopologyDriver};
    /// builder.stream::<String, i64>("orders").to("copied-orders");
    /// let shop = Application::new("shop", builder.build());
    /// let mut driver = TopologyDriver::of_application(&shop, &DriverOptions::default())?;
    /// driver.write::<String, i64>("orders", "ann", 250, 60_000)?;
    /// driver.run_until_idle()?;
    /// assert_eq!(driver.records::<String, i64>("copied-orders")?.len(), 1);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    ///
    /// # Errors
    /// The topology reads no such topic, or one of other types; the log refuses.
    pub fn write<K: Data, V: Data>(
        &self,
        topic: &str,
        key: impl Into<K>,
        value: impl Into<V>,
        timestamp: i64,
    ) -> Result<(), DriverError> {
        self.formats().input::<K, V>(topic)?;
        let (key, value) = (bytes(&key.into())?, bytes(&value.into())?);
        let (key, value) = (key.as_deref(), value.as_deref());
        self.produce_bytes(topic, None, key, value, timestamp, &HeadersBuf::new())?;
        Ok(())
    }

    /// All committed records of a topic that the topology writes, by partition and offset.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Application, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # use millrace_worker::testing::{DriverOptions, TopologyDriver};
    /// builder.stream::<String, i64>("orders").map_values(|amount| amount * 100).to("in-cents");
    /// let shop = Application::new("shop", builder.build());
    /// let mut driver = TopologyDriver::of_application(&shop, &DriverOptions::default())?;
    /// driver.write::<String, i64>("orders", "ann", 250, 60_000)?;
    /// driver.run_until_idle()?;
    /// let records = driver.records::<String, i64>("in-cents")?;
    /// assert_eq!((records[0].value, records[0].timestamp), (25_000, 60_000));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    ///
    /// # Errors
    /// The topology writes no such topic, or one of other types; the log refuses.
    pub fn records<K: Key, V: Data>(
        &self,
        topic: &str,
    ) -> Result<Vec<TestRecord<K, V>>, DriverError> {
        let format = self.formats().output::<K, V>(topic)?;
        let records = self.read(topic)?.into_iter();
        let typed = records.map(|record| {
            let record = CapturedRecord {
                topic: topic.into(),
                timestamp: record.timestamp,
                key: record.key.map(Into::into),
                value: record.value.map(Into::into),
                headers: record.headers,
            };
            data::record(&record, format)
        });
        typed.collect()
    }

    /// The committed rows of a store over all members' tasks, in the order of their keys' bytes.
    ///
    /// ```
    /// # use millrace_worker::dsl::{Application, Grouped, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # use millrace_worker::testing::{DriverOptions, TopologyDriver};
    /// builder.stream::<String, i64>("orders").group_by_key(Grouped::new()).count("counts");
    /// let shop = Application::new("shop", builder.build());
    /// let mut driver = TopologyDriver::of_application(&shop, &DriverOptions::default())?;
    /// driver.write::<String, i64>("orders", "ann", 250, 60_000)?;
    /// driver.run_until_idle()?;
    /// assert_eq!(driver.store::<String, i64>("counts")?, [("ann".to_owned(), 1)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    ///
    /// # Errors
    /// There is no such store, or one of other types; state that cannot be read.
    pub fn store<K: Key, V: Data>(&self, name: &str) -> Result<Vec<(K, V)>, DriverError> {
        let format = self.formats().store::<K, V>(name)?;
        let rows = self.rows(name)?;
        let rows = rows.iter();
        let typed =
            rows.map(|(key, (at, value))| data::row(name, key, (*at, value.as_slice()), format));
        typed.collect()
    }

    fn formats(&self) -> TypedFormats {
        TypedFormats::of(self.plan(), self.dead_letter_topic())
    }
}
