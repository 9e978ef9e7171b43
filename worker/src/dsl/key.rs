//! [`Key`] and [`Windowed`]: what the keys of records are.

use millrace_expr::{Type, Value};

use crate::data::{Data, DataError};

/// A key: a plain one, which is any [`Data`], or one with a window beside it, [`Windowed`].
///
/// Grouping by key, joins and repartitioning need plain keys, because equal keys meet only where their
/// bytes are equal; so those are not there on streams and tables of windowed keys.
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
