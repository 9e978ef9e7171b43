//! What operators are told beside their functions. Names and defaults are Kafka Streams'.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use millrace_crds::stream_app::ErrorPolicy;
use millrace_crds::topology::{
    Empty, InvalidTimestamp, OffsetResetName, Serdes, Suppress, WhenFull,
};

use super::extractor::Extractor;
use super::key::{Key, Windowed};
use super::windows::written;
use crate::data::Data;

/// How a topic is read. By default from its earliest record, by the records' own times, and with the
/// application's policy for what cannot be read. `K` and `V` are the types of the records; mostly the
/// stream or table says them.
pub struct Consumed<K, V> {
    pub(super) offset_reset: Option<OffsetResetName>,
    pub(super) time: EventTime<K, V>,
    pub(super) invalid_timestamp: Option<InvalidTimestamp>,
    pub(super) deserialization_errors: Option<ErrorPolicy>,
    pub(super) processing_errors: Option<ErrorPolicy>,
    pub(super) production_errors: Option<ErrorPolicy>,
}

/// Where a record's time comes from.
pub(super) enum EventTime<K, V> {
    /// The record.
    Record,
    /// The clock, when it is processed.
    WallClock,
    /// A closure.
    Extracted(Extractor<K, V>),
}

impl<K, V> Default for Consumed<K, V> {
    fn default() -> Self {
        Self {
            offset_reset: None,
            time: EventTime::Record,
            invalid_timestamp: None,
            deserialization_errors: None,
            processing_errors: None,
            production_errors: None,
        }
    }
}

impl<K, V> Clone for Consumed<K, V> {
    fn clone(&self) -> Self {
        Self {
            time: self.time.clone(),
            ..*self
        }
    }
}

impl<K, V> fmt::Debug for Consumed<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Consumed by the time {:?}", self.time)
    }
}

impl<K, V> Consumed<K, V> {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where to start while the application has no committed offset.
    #[must_use]
    pub fn with_offset_reset_policy(mut self, reset: OffsetResetName) -> Self {
        self.offset_reset = Some(reset);
        self
    }

    /// A record's time is that of its processing (WallclockTimestampExtractor).
    #[must_use]
    pub fn with_wall_clock(mut self) -> Self {
        self.time = EventTime::WallClock;
        self
    }

    /// What is done with a record whose time is missing or negative.
    #[must_use]
    pub fn with_invalid_timestamp(mut self, invalid: InvalidTimestamp) -> Self {
        self.invalid_timestamp = Some(invalid);
        self
    }

    /// What is done with a record that cannot be read.
    #[must_use]
    pub fn with_deserialization_errors(mut self, policy: ErrorPolicy) -> Self {
        self.deserialization_errors = Some(policy);
        self
    }

    /// What is done with one of its records that a step has no result for.
    #[must_use]
    pub fn with_processing_errors(mut self, policy: ErrorPolicy) -> Self {
        self.processing_errors = Some(policy);
        self
    }

    /// What is done with one of its records whose results cannot be written.
    #[must_use]
    pub fn with_production_errors(mut self, policy: ErrorPolicy) -> Self {
        self.production_errors = Some(policy);
        self
    }
}

/// A store: its name, which also names its changelog topic, and how it is kept. A text stands for a
/// store on disk of that name, logged.
///
/// ```
/// use millrace_worker::dsl::Materialized;
///
/// let counts = Materialized::named("counts").in_memory().with_logging_disabled();
/// ```
#[derive(Clone, Debug)]
pub struct Materialized {
    pub(super) store: String,
    pub(super) in_memory: bool,
    pub(super) logging: Option<bool>,
    pub(super) supplier: Option<String>,
    pub(super) caching: bool,
}

impl Materialized {
    /// A store of this name; its changelog is `<application id>-<name>-changelog`.
    pub fn named(store: impl Into<String>) -> Self {
        Self {
            store: store.into(),
            in_memory: false,
            logging: None,
            supplier: None,
            caching: false,
        }
    }

    /// Keeps it in memory instead of on disk; it is restored whole at each start.
    #[must_use]
    pub fn in_memory(mut self) -> Self {
        self.in_memory = true;
        self
    }

    /// Keeps no changelog: what is lost here is lost.
    #[must_use]
    pub fn with_logging_disabled(mut self) -> Self {
        self.logging = Some(false);
        self
    }

    /// Has it kept by a supplier of stores that the program registers under this name
    /// ([`Worker::store_supplier`](crate::api::Worker::store_supplier)). Not with windows.
    #[must_use]
    pub fn with_supplier(mut self, supplier: impl Into<String>) -> Self {
        self.supplier = Some(supplier.into());
        self
    }

    /// Forwards a key's changes once a commit, the last of them; without it each goes on at once, also
    /// under Kafka Streams' defaults.
    #[must_use]
    pub fn with_caching_enabled(mut self) -> Self {
        self.caching = true;
        self
    }

    /// Keeps earlier versions for so long (KIP-889); of tables that are kept as they are, not of
    /// aggregations.
    pub fn versioned(self, retention: Duration) -> MaterializedTable {
        MaterializedTable {
            store: self,
            versioned: Some(retention),
        }
    }
}

impl From<&str> for Materialized {
    fn from(store: &str) -> Self {
        Self::named(store)
    }
}

impl From<String> for Materialized {
    fn from(store: String) -> Self {
        Self::named(store)
    }
}

/// A store of a table as it is, perhaps with earlier versions.
#[derive(Clone, Debug)]
pub struct MaterializedTable {
    pub(super) store: Materialized,
    pub(super) versioned: Option<Duration>,
}

impl<M: Into<Materialized>> From<M> for MaterializedTable {
    fn from(store: M) -> Self {
        Self {
            store: store.into(),
            versioned: None,
        }
    }
}

/// Name of a grouping's repartition topic, `<application id>-<name>-repartition`. Default: the name of
/// the aggregation that follows.
#[derive(Clone, Debug, Default)]
pub struct Grouped {
    pub(super) name: Option<String>,
}

impl Grouped {
    /// The default name.
    pub fn new() -> Self {
        Self::default()
    }

    /// This name.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
        }
    }
}

impl From<&str> for Grouped {
    fn from(name: &str) -> Self {
        Self::named(name)
    }
}

/// How a stream is joined with a table.
#[derive(Clone, Debug, Default)]
pub struct Joined {
    pub(super) name: Option<String>,
    pub(super) grace: Option<Duration>,
}

impl Joined {
    /// Without a name: enough while the stream's key is that of its topic.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a name, that of the repartition topic: needed behind an operator that changes keys, and
    /// with a grace.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            grace: None,
        }
    }

    /// Holds records back for so long, for a versioned table to catch up (KIP-923).
    #[must_use]
    pub fn with_grace_period(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }
}

impl From<&str> for Joined {
    fn from(name: &str) -> Self {
        Self::named(name)
    }
}

/// Name of a join of two streams, and where it keeps their records. A text stands for stores on disk.
#[derive(Clone, Debug)]
pub struct StreamJoined {
    pub(super) name: String,
    pub(super) in_memory: bool,
}

impl StreamJoined {
    /// Stores, changelogs and repartition topics begin with this name.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            in_memory: false,
        }
    }

    /// Keeps the stores in memory.
    #[must_use]
    pub fn in_memory(mut self) -> Self {
        self.in_memory = true;
        self
    }
}

impl From<&str> for StreamJoined {
    fn from(name: &str) -> Self {
        Self::named(name)
    }
}

/// A repartition topic, `<application id>-<name>-repartition`.
#[derive(Clone, Debug)]
pub struct Repartitioned {
    pub(super) name: String,
    pub(super) partitions: Option<i32>,
}

impl Repartitioned {
    /// With as many partitions as the topics its records come from.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            partitions: None,
        }
    }

    /// With so many partitions, 1 to 10000.
    #[must_use]
    pub fn with_number_of_partitions(mut self, partitions: i32) -> Self {
        self.partitions = Some(partitions);
        self
    }
}

impl From<&str> for Repartitioned {
    fn from(name: &str) -> Self {
        Self::named(name)
    }
}

/// How many changes a suppression holds back, and what it does when there are more.
#[derive(Clone, Copy, Debug, Default)]
pub struct BufferConfig {
    records: Option<i64>,
    bytes: Option<i64>,
    emit_early: bool,
}

impl BufferConfig {
    /// Any number.
    pub fn unbounded() -> Self {
        Self::default()
    }

    /// At most so many keys.
    #[must_use]
    pub fn with_max_records(mut self, records: i64) -> Self {
        self.records = Some(records);
        self
    }

    /// At most so many bytes.
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: i64) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// At a bound the oldest change goes early; by default the application stops.
    #[must_use]
    pub fn emit_early_when_full(mut self) -> Self {
        self.emit_early = true;
        self
    }
}

/// Until a window closes: a [`Suppressed`] of windowed keys alone.
#[derive(Clone, Copy, Debug)]
pub struct UntilWindowCloses;

/// Until a time has passed: a [`Suppressed`] of any keys.
#[derive(Clone, Copy, Debug)]
pub struct UntilTimeLimit;

/// How long changes of a table are held back (KIP-328).
#[derive(Clone, Debug)]
pub struct Suppressed<U> {
    step: Suppress,
    until: PhantomData<fn() -> U>,
}

impl Suppressed<UntilWindowCloses> {
    /// Until no record can change the window any more: each window gives one result. The name is that
    /// of what is held back, and of its changelog topic.
    pub fn until_window_closes(name: impl Into<String>, buffer: BufferConfig) -> Self {
        Self::new(name.into(), buffer, |step| {
            step.until_window_closes = Some(Empty {});
        })
    }
}

impl Suppressed<UntilTimeLimit> {
    /// For so long, by the records' times; of several changes of a key the last is passed on.
    pub fn until_time_limit(
        name: impl Into<String>,
        limit: Duration,
        buffer: BufferConfig,
    ) -> Self {
        Self::new(name.into(), buffer, |step| {
            step.until_time_limit = Some(written(limit));
        })
    }
}

impl<U> Suppressed<U> {
    fn new(name: String, buffer: BufferConfig, until: impl FnOnce(&mut Suppress)) -> Self {
        let mut step = Suppress {
            name,
            max_records: buffer.records,
            max_bytes: buffer.bytes,
            when_full: if buffer.emit_early {
                WhenFull::EmitEarly
            } else {
                WhenFull::Stop
            },
            ..Suppress::default()
        };
        until(&mut step);
        Self {
            step,
            until: PhantomData,
        }
    }

    /// Keeps no changelog of what is held back.
    #[must_use]
    pub fn with_logging_disabled(mut self) -> Self {
        self.step.logging = Some(false);
        self
    }

    pub(super) fn step(self, serdes: Serdes) -> Suppress {
        Suppress {
            serdes,
            ..self.step
        }
    }
}

/// Keys whose changes can be held back in this way.
#[diagnostic::on_unimplemented(
    message = "the keys `{Self}` have no window that could close",
    note = "hold back by `Suppressed::until_time_limit`, or aggregate over windows before"
)]
pub trait SuppressedBy<U>: Key {}

impl<K: Key> SuppressedBy<UntilTimeLimit> for K {}
impl<K: Data> SuppressedBy<UntilWindowCloses> for Windowed<K> {}
