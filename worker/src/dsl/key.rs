//! [`Key`] and [`Windowed`]: what the keys of records are.

use millrace_expr::{Type, Value};

use crate::data::{Data, DataError};

/// A key: a plain one, which is any [`Data`], or one with a window beside it, [`Windowed`].
///
/// Grouping by key, joins and repartitioning need plain keys, because equal keys meet only where their
/// bytes are equal; so those are not there on streams and tables of windowed keys.
///
/// ```
/// # use millrace_worker::dsl::{KStream, Key, StreamsBuilder};
/// /// Amounts above 100, of plain and of windowed keys.
/// fn large<K: Key>(amounts: &KStream<K, i64>) -> KStream<K, i64> {
///     amounts.filter(|_, amount| *amount > 100)
/// }
///
/// let builder = StreamsBuilder::new();
/// large(&builder.stream::<String, i64>("orders")).to("large-orders");
/// assert!(builder.build().plan("shop").is_ok());
/// ```
pub trait Key: Sized + Send + Sync + 'static {
    /// The key without a window.
    type Plain: Data;
    /// The expression of what [`Key::read`] reads.
    #[doc(hidden)]
    const EXPRESSION: &'static str;
    /// Whether there is a window beside it.
    #[doc(hidden)]
    const WINDOWED: bool;

    /// The type of that expression.
    #[doc(hidden)]
    fn expression_type() -> Type;

    /// Takes the key out of a record.
    ///
    /// # Errors
    /// As [`Data::from_value`].
    #[doc(hidden)]
    fn read(value: Value<'_>) -> Result<Self, DataError>;
}

impl<T: Data> Key for T {
    type Plain = T;
    const EXPRESSION: &'static str = "key";
    const WINDOWED: bool = false;

    fn expression_type() -> Type {
        T::value_type()
    }

    fn read(value: Value<'_>) -> Result<Self, DataError> {
        T::from_value(value)
    }
}

/// A key and the window that its value is of, as results of aggregations over windows have them.
///
/// ```
/// # use std::time::Duration;
/// # use millrace_worker::dsl::{Grouped, StreamsBuilder, TimeWindows, Windowed};
/// # use millrace_worker::testing::TopologyTestDriver;
/// # let builder = StreamsBuilder::new();
/// let minutes = TimeWindows::of_size_with_no_grace(Duration::from_secs(60));
/// let orders = builder.stream::<String, i64>("orders").group_by_key(Grouped::new());
/// let sums = orders.windowed_by(minutes).reduce(|sum, amount| sum + amount, "sums");
/// let text = |at: &Windowed<String>, _: &_| format!("{} {}..{}", at.key, at.start, at.end);
/// sums.to_stream().select_key(text).to("sums");
/// # let driver = TopologyTestDriver::new("app", &builder.build())?;
/// # let mut input = driver.input_topic::<String, i64>("orders")?;
/// # let output = driver.output_topic::<String, i64>("sums")?;
/// input.pipe_at("ann", 250, 70_000)?;
/// assert_eq!(output.read()?, ("ann 60000..120000".to_owned(), 250));
/// # Ok::<(), millrace_worker::testing::DriverError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Windowed<K> {
    /// The key that was grouped by.
    pub key: K,
    /// The window's start, milliseconds since 1970, inclusive.
    pub start: i64,
    /// The window's end, milliseconds since 1970: exclusive for time windows, inclusive for sessions
    /// and sliding windows.
    pub end: i64,
}

impl<K: Data> Key for Windowed<K> {
    type Plain = K;
    const EXPRESSION: &'static str = "[key, window.start, window.end]";
    const WINDOWED: bool = true;

    fn expression_type() -> Type {
        Type::any_list()
    }

    fn read(value: Value<'_>) -> Result<Self, DataError> {
        match value {
            Value::List(&[key, Value::Int(start), Value::Int(end)]) => Ok(Self {
                key: K::from_value(key)?,
                start,
                end,
            }),
            other => Err(DataError::mismatch("a key with its window", &other)),
        }
    }
}
