//! How changes of a table are held back.

use std::marker::PhantomData;
use std::time::Duration;

use millrace_crds::topology::{Empty, Serdes, Suppress, WhenFull};

use crate::data::Data;
use crate::dsl::key::{Key, Windowed};
use crate::dsl::windows::written;

/// How many changes a suppression holds back, and what it does when there are more: `F`,
/// [`StrictBuffer`] or [`EagerBuffer`].
///
/// ```
/// # use std::time::Duration;
/// # use millrace_worker::dsl::{BufferConfig, StreamsBuilder, Suppressed};
/// # let builder = StreamsBuilder::new();
/// let buffer = BufferConfig::unbounded().with_max_records(10_000).emit_early_when_full();
/// let minute = Suppressed::until_time_limit("held", Duration::from_secs(60), buffer);
/// builder.table::<String, i64>("balances").suppress(minute).to_stream().to("balances-by-minute");
/// assert!(builder.build().plan("bank").is_ok());
/// ```
#[derive(Debug)]
pub struct BufferConfig<F = StrictBuffer> {
    records: Option<i64>,
    bytes: Option<i64>,
    when_full: WhenFull,
    full: PhantomData<fn() -> F>,
}

/// At a bound of a [`BufferConfig`] the application stops: what is held back is never passed on early.
///
/// ```
/// # use millrace_worker::dsl::{BufferConfig, StrictBuffer, Suppressed};
/// let buffer: BufferConfig<StrictBuffer> = BufferConfig::unbounded().with_max_records(10_000);
/// let held = Suppressed::until_window_closes("held", buffer);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct StrictBuffer;

/// At a bound of a [`BufferConfig`] the oldest change goes early.
///
/// ```
/// # use std::time::Duration;
/// # use millrace_worker::dsl::{BufferConfig, EagerBuffer, Suppressed};
/// let buffer = BufferConfig::unbounded().with_max_records(10_000);
/// let buffer: BufferConfig<EagerBuffer> = buffer.emit_early_when_full();
/// let held = Suppressed::until_time_limit("held", Duration::from_secs(60), buffer);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct EagerBuffer;

impl<F> Clone for BufferConfig<F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for BufferConfig<F> {}

impl Default for BufferConfig {
    fn default() -> Self {
        Self::unbounded()
    }
}

impl BufferConfig {
    /// Any number.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{BufferConfig, StreamsBuilder, Suppressed};
    /// # let builder = StreamsBuilder::new();
    /// let second = Duration::from_secs(1);
    /// let held = Suppressed::until_time_limit("held", second, BufferConfig::unbounded());
    /// builder.table::<String, i64>("balances").suppress(held).to_stream().to("calm-balances");
    /// assert!(builder.build().plan("bank").is_ok());
    /// ```
    pub fn unbounded() -> Self {
        Self {
            records: None,
            bytes: None,
            when_full: WhenFull::Stop,
            full: PhantomData,
        }
    }
}

impl<F> BufferConfig<F> {
    /// At most so many keys.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{BufferConfig, StreamsBuilder, Suppressed};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let buffer = BufferConfig::unbounded().with_max_records(1);
    /// let minute = Suppressed::until_time_limit("held", Duration::from_secs(60), buffer);
    /// builder.table::<String, i64>("balances").suppress(minute).to_stream().to("calm-balances");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("balances")?;
    /// input.pipe("ann", 70)?;
    /// assert!(input.pipe("bob", -20).is_err());
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    #[must_use]
    pub fn with_max_records(mut self, records: i64) -> Self {
        self.records = Some(records);
        self
    }

    /// At most so many bytes.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{BufferConfig, StreamsBuilder, Suppressed};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let buffer = BufferConfig::unbounded().with_max_bytes(1).emit_early_when_full();
    /// let minute = Suppressed::until_time_limit("held", Duration::from_secs(60), buffer);
    /// builder.table::<String, i64>("balances").suppress(minute).to_stream().to("calm-balances");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("balances")?;
    /// # let output = driver.output_topic::<String, i64>("calm-balances")?;
    /// input.pipe("ann", 70)?;
    /// assert_eq!(output.read()?, ("ann".to_owned(), 70));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: i64) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// At a bound the oldest change goes early; by default the application stops.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{BufferConfig, StreamsBuilder, Suppressed};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let buffer = BufferConfig::unbounded().with_max_records(1).emit_early_when_full();
    /// let minute = Suppressed::until_time_limit("held", Duration::from_secs(60), buffer);
    /// builder.table::<String, i64>("balances").suppress(minute).to_stream().to("calm-balances");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("balances")?;
    /// # let output = driver.output_topic::<String, i64>("calm-balances")?;
    /// input.pipe("ann", 70)?;
    /// input.pipe("bob", -20)?;
    /// assert_eq!(output.read_all()?, [("ann".to_owned(), 70)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    #[must_use]
    pub fn emit_early_when_full(self) -> BufferConfig<EagerBuffer> {
        BufferConfig {
            records: self.records,
            bytes: self.bytes,
            when_full: WhenFull::EmitEarly,
            full: PhantomData,
        }
    }
}

/// Until a window closes: a [`Suppressed`] of windowed keys alone.
///
/// ```
/// # use millrace_worker::dsl::{BufferConfig, Suppressed, UntilWindowCloses};
/// let held: Suppressed<UntilWindowCloses> =
///     Suppressed::until_window_closes("held", BufferConfig::unbounded());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct UntilWindowCloses;

/// Until a time has passed: a [`Suppressed`] of any keys.
///
/// ```
/// # use std::time::Duration;
/// # use millrace_worker::dsl::{BufferConfig, Suppressed, UntilTimeLimit};
/// let held: Suppressed<UntilTimeLimit> =
///     Suppressed::until_time_limit("held", Duration::from_secs(60), BufferConfig::unbounded());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct UntilTimeLimit;

/// How long changes of a table are held back (KIP-328).
///
/// ```
/// # use std::time::Duration;
/// # use millrace_worker::dsl::{BufferConfig, StreamsBuilder, Suppressed};
/// # use millrace_worker::testing::TopologyTestDriver;
/// # let builder = StreamsBuilder::new();
/// let minute = Duration::from_secs(60);
/// let held = Suppressed::until_time_limit("held", minute, BufferConfig::unbounded());
/// builder.table::<String, i64>("balances").suppress(held).to_stream().to("calm-balances");
/// # let driver = TopologyTestDriver::new("app", &builder.build())?;
/// # let mut input = driver.input_topic::<String, i64>("balances")?;
/// # let output = driver.output_topic::<String, i64>("calm-balances")?;
/// input.pipe_at("ann", 70, 0)?;
/// input.pipe_at("ann", 50, 10_000)?;
/// input.pipe_at("bob", 20, 60_000)?;
/// assert_eq!(output.read_all()?, [("ann".to_owned(), 50)]);
/// # Ok::<(), millrace_worker::testing::DriverError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Suppressed<U> {
    step: Suppress,
    until: PhantomData<fn() -> U>,
}

impl Suppressed<UntilWindowCloses> {
    /// Until no record can change the window any more: each window gives one result. The name is that
    /// of what is held back, and of its changelog topic.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{
    /// #     BufferConfig, Grouped, StreamsBuilder, Suppressed, TimeWindows, Windowed,
    /// # };
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let minutes = TimeWindows::of_size_with_no_grace(Duration::from_secs(60));
    /// let clicks = builder.stream::<String, String>("clicks").group_by_key(Grouped::new());
    /// let counts = clicks.windowed_by(minutes).count("per-minute");
    /// let held = Suppressed::until_window_closes("held", BufferConfig::unbounded());
    /// counts.suppress(held).to_stream().to("clicks-per-minute");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, String>("clicks")?;
    /// # let output = driver.output_topic::<Windowed<String>, i64>("clicks-per-minute")?;
    /// input.pipe_at("ann", "/home", 1_000)?;
    /// input.pipe_at("ann", "/cart", 2_000)?;
    /// input.pipe_at("ann", "/home", 61_000)?;
    /// let counts = output.read_all()?.into_iter().map(|(_, count)| count);
    /// assert_eq!(counts.collect::<Vec<_>>(), [2]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    ///
    /// ```compile_fail
    /// # use millrace_worker::dsl::{BufferConfig, Suppressed};
    /// // A result that goes early would not be the only one of its window.
    /// let early = BufferConfig::unbounded().with_max_records(10).emit_early_when_full();
    /// Suppressed::until_window_closes("held", early);
    /// ```
    pub fn until_window_closes(name: impl Into<String>, buffer: BufferConfig) -> Self {
        Self::new(name.into(), buffer, |step| {
            step.until_window_closes = Some(Empty {});
        })
    }
}

impl Suppressed<UntilTimeLimit> {
    /// For so long, by the records' times; of several changes of a key the last is passed on.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{BufferConfig, StreamsBuilder, Suppressed};
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let minute = Duration::from_secs(60);
    /// let held = Suppressed::until_time_limit("held", minute, BufferConfig::unbounded());
    /// builder.table::<String, i64>("balances").suppress(held).to_stream().to("calm-balances");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let mut input = driver.input_topic::<String, i64>("balances")?;
    /// # let output = driver.output_topic::<String, i64>("calm-balances")?;
    /// input.pipe_at("ann", 70, 0)?;
    /// assert!(output.is_empty());
    /// input.pipe_at("bob", 20, 60_000)?;
    /// assert_eq!(output.read()?, ("ann".to_owned(), 70));
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn until_time_limit<F>(
        name: impl Into<String>,
        limit: Duration,
        buffer: BufferConfig<F>,
    ) -> Self {
        Self::new(name.into(), buffer, |step| {
            step.until_time_limit = Some(written(limit));
        })
    }
}

impl<U> Suppressed<U> {
    fn new<F>(name: String, buffer: BufferConfig<F>, until: impl FnOnce(&mut Suppress)) -> Self {
        let mut step = Suppress {
            name,
            max_records: buffer.records,
            max_bytes: buffer.bytes,
            when_full: buffer.when_full,
            ..Suppress::default()
        };
        until(&mut step);
        Self {
            step,
            until: PhantomData,
        }
    }

    /// Keeps no changelog of what is held back.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{BufferConfig, StreamsBuilder, Suppressed};
    /// # let builder = StreamsBuilder::new();
    /// let minute = Duration::from_secs(60);
    /// let held = Suppressed::until_time_limit("held", minute, BufferConfig::unbounded());
    /// let balances = builder.table::<String, i64>("balances");
    /// balances.suppress(held.with_logging_disabled()).to_stream().to("calm-balances");
    /// assert!(!builder.build().describe("bank").unwrap().contains("bank-held-changelog"));
    /// ```
    #[must_use]
    pub fn with_logging_disabled(mut self) -> Self {
        self.step.logging = Some(false);
        self
    }

    pub(in crate::dsl) fn step(self, serdes: Serdes) -> Suppress {
        Suppress {
            serdes,
            ..self.step
        }
    }
}

/// Keys whose changes can be held back in this way.
///
/// ```
/// # use std::time::Duration;
/// # use millrace_worker::dsl::{
/// #     BufferConfig, KTable, StreamsBuilder, Suppressed, SuppressedBy, UntilTimeLimit,
/// # };
/// /// A minute's changes of each row as one.
/// fn by_minute<K: SuppressedBy<UntilTimeLimit>>(table: &KTable<K, i64>) -> KTable<K, i64> {
///     let (minute, buffer) = (Duration::from_secs(60), BufferConfig::unbounded());
///     table.suppress(Suppressed::until_time_limit("by-minute", minute, buffer))
/// }
///
/// let builder = StreamsBuilder::new();
/// by_minute(&builder.table::<String, i64>("balances")).to_stream().to("balances-by-minute");
/// assert!(builder.build().plan("bank").is_ok());
/// ```
#[diagnostic::on_unimplemented(
    message = "the keys `{Self}` have no window that could close",
    note = "hold back by `Suppressed::until_time_limit`, or aggregate over windows before"
)]
pub trait SuppressedBy<U>: Key {}

impl<K: Key> SuppressedBy<UntilTimeLimit> for K {}
impl<K: Data> SuppressedBy<UntilWindowCloses> for Windowed<K> {}
