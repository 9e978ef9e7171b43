//! [`Data`]: Rust types as keys and values of records.
//!
//! ```text
//!   bytes ──serde──► Value ──Data::from_value──► T ──your code──► U ──Data::to_value──► Value ──► bytes
//! ```
//!
//! | Rust | format | in expressions |
//! |---|---|---|
//! | `String` | `string` | string |
//! | `i32`, `i64` | `int`, `long` | int |
//! | `f64` | `double` | double |
//! | [`Decimal`] | `decimal` | decimal |
//! | `Vec<u8>` | `bytes` | bytes |
//! | `bool` | `json` | bool |
//! | [`Json<T>`] | `json` | as the JSON is |
//! | `Option<T>` | that of `T` | null, or as `T` |
//!
//! This module turns values over; it reads no topics and knows no nodes.

mod exact;
mod json;
mod json_reader;
mod json_writer;

pub use exact::Exact;
pub use json::Json;
/// The formats of keys and values.
///
/// ```
/// use millrace_worker::data::{Data, SerdeKind};
///
/// assert_eq!(Option::<i64>::FORMAT, SerdeKind::Long);
/// ```
#[doc(inline)]
pub use millrace_crds::plan::SerdeKind;
/// Where the engine keeps what a record is made of, until it is done with it.
///
/// ```
/// use millrace_worker::data::{Bump, Data, Value};
///
/// let arena = Bump::new();
/// assert_eq!("ann".to_owned().to_value(&arena)?, Value::String("ann"));
/// # Ok::<(), millrace_worker::data::DataError>(())
/// ```
#[doc(no_inline)]
pub use millrace_expr::Bump;
/// An exact number.
///
/// ```
/// use millrace_worker::data::Decimal;
///
/// let price: Decimal = "12.30".parse().unwrap();
/// assert_eq!(price.to_string(), "12.30");
/// ```
#[doc(no_inline)]
pub use millrace_expr::Decimal;
/// ```
/// use millrace_worker::data::{Data, Type};
///
/// assert_eq!(String::value_type(), Type::String);
/// ```
#[doc(inline)]
pub use millrace_expr::Type;
#[doc(no_inline)]
pub use millrace_expr::Value;

/// A Rust type that a record's key or value can be. Types of one's own can, in a format of their own:
///
/// ```
/// use millrace_worker::data::{Bump, Data, DataError, SerdeKind, Value};
/// use millrace_worker::dsl::StreamsBuilder;
/// use millrace_worker::testing::TopologyTestDriver;
///
/// /// A place on a map: four bytes of each coordinate.
/// #[derive(Debug, PartialEq)]
/// struct Place {
///     x: i32,
///     y: i32,
/// }
///
/// impl Data for Place {
///     type Present = Self;
///
///     const FORMAT: SerdeKind = SerdeKind::Bytes;
///
///     fn from_value(value: Value<'_>) -> Result<Self, DataError> {
///         let bytes = Vec::<u8>::from_value(value)?;
///         let (x, y) = bytes.split_first_chunk().ok_or_else(too_short)?;
///         let y = y.first_chunk().ok_or_else(too_short)?;
///         Ok(Self { x: i32::from_be_bytes(*x), y: i32::from_be_bytes(*y) })
///     }
///
///     fn to_value<'r>(&self, arena: &'r Bump) -> Result<Value<'r>, DataError> {
///         [self.x.to_be_bytes(), self.y.to_be_bytes()].concat().to_value(arena)
///     }
/// }
///
/// fn too_short() -> DataError {
///     DataError::Refused("a place has eight bytes".to_owned())
/// }
///
/// let builder = StreamsBuilder::new();
/// let places = builder.stream::<String, Place>("places");
/// places.map_values(|place| Place { x: place.x + 1, ..*place }).to("moved-places");
///
/// let driver = TopologyTestDriver::new("places", &builder.build())?;
/// driver.input_topic::<String, Place>("places")?.pipe("mill", Place { x: 1, y: 2 })?;
/// let moved = driver.output_topic::<String, Place>("moved-places")?;
/// assert_eq!(moved.read()?, ("mill".to_owned(), Place { x: 2, y: 2 }));
/// # Ok::<(), millrace_worker::testing::DriverError>(())
/// ```
///
/// What the engine does with one:
///
/// ```
/// use millrace_worker::data::{Bump, Data, Value};
///
/// let arena = Bump::new();
/// assert_eq!(41_i64.to_value(&arena)?, Value::Int(41));
/// assert_eq!(String::from_value(Value::String("a"))?, "a");
/// assert_eq!(Option::<String>::from_value(Value::Null)?, None);
/// assert!(String::from_value(Value::Null).is_err());
/// # Ok::<(), millrace_worker::data::DataError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no type of keys and values",
    note = "wrap a type that implements serde's traits in `Json<…>`"
)]
pub trait Data: Sized + Send + Sync + 'static {
    /// The type of what is there: `Self`, and of an `Option` what is in it.
    type Present: Data;

    /// Its format on topics and in stores.
    const FORMAT: SerdeKind;

    /// Its type in expressions, as far as it is known without a record.
    ///
    /// ```
    /// # use millrace_worker::data::{Data, Type};
    /// assert!(matches!(Option::<i64>::value_type(), Type::Int));
    /// ```
    fn value_type() -> Type {
        match Self::FORMAT {
            SerdeKind::Bytes => Type::Bytes,
            SerdeKind::String => Type::String,
            SerdeKind::Json => Type::Any,
            SerdeKind::Int | SerdeKind::Long => Type::Int,
            SerdeKind::Double => Type::Double,
            SerdeKind::Decimal => Type::Decimal,
        }
    }

    /// Takes it out of a record.
    ///
    /// ```
    /// # use millrace_worker::api::Value;
    /// # use millrace_worker::data::Data;
    /// assert_eq!(i64::from_value(Value::Int(250))?, 250);
    /// assert!(i64::from_value(Value::Null).is_err());
    /// # Ok::<(), millrace_worker::data::DataError>(())
    /// ```
    ///
    /// # Errors
    /// The value is of another kind, or null where this is not an `Option`.
    fn from_value(value: Value<'_>) -> Result<Self, DataError>;

    /// Puts it into a record. What is not a plain number lives in the arena.
    ///
    /// ```
    /// # use millrace_worker::data::{Bump, Data, Value};
    /// let arena = Bump::new();
    /// assert_eq!("ann".to_owned().to_value(&arena)?, Value::String("ann"));
    /// # Ok::<(), millrace_worker::data::DataError>(())
    /// ```
    ///
    /// # Errors
    /// It cannot be said in the format: of [`Json`], what serde's `Serialize` refuses.
    fn to_value<'r>(&self, arena: &'r Bump) -> Result<Value<'r>, DataError>;
}

/// A value that is not what the Rust type says, or the other way round.
///
/// ```
/// # use millrace_worker::api::Value;
/// # use millrace_worker::data::{Data, DataError};
/// let error = i32::from_value(Value::Int(5_000_000_000)).unwrap_err();
/// assert_eq!(error, DataError::TooLarge(5_000_000_000));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// Another kind of value.
    #[error("expected {expected}, found {found}{}", .hint)]
    Mismatch {
        /// What the type stands for.
        expected: &'static str,
        /// The kind that was found.
        found: &'static str,
        /// What to do; empty, or beginning with `; `.
        hint: &'static str,
    },
    /// A number that the Rust type has no room for.
    #[error("{0} does not fit into an `i32`; use `i64`")]
    TooLarge(i64),
    /// JSON of another shape than the type.
    #[error("{0}")]
    Json(String),
    /// What a type of one's own cannot be made of, or cannot be written as.
    #[error("{0}")]
    Refused(String),
}

impl DataError {
    #[cold]
    pub(crate) fn mismatch(expected: &'static str, found: &Value<'_>) -> Self {
        let hint = match found {
            Value::Null => "; where there may be none, use `Option`",
            _ => "",
        };
        let found = found.kind();
        Self::Mismatch {
            expected,
            found,
            hint,
        }
    }
}

impl Data for String {
    type Present = Self;

    const FORMAT: SerdeKind = SerdeKind::String;

    fn from_value(value: Value<'_>) -> Result<Self, DataError> {
        match value {
            Value::String(text) => Ok(text.to_owned()),
            other => Err(DataError::mismatch("a string", &other)),
        }
    }

    fn to_value<'r>(&self, arena: &'r Bump) -> Result<Value<'r>, DataError> {
        Ok(Value::String(arena.alloc_str(self)))
    }
}

impl Data for i32 {
    type Present = Self;

    const FORMAT: SerdeKind = SerdeKind::Int;

    fn from_value(value: Value<'_>) -> Result<Self, DataError> {
        let wide = i64::from_value(value)?;
        Self::try_from(wide).map_err(|_| DataError::TooLarge(wide))
    }

    fn to_value<'r>(&self, _: &'r Bump) -> Result<Value<'r>, DataError> {
        Ok(Value::Int(i64::from(*self)))
    }
}

impl Data for i64 {
    type Present = Self;

    const FORMAT: SerdeKind = SerdeKind::Long;

    fn from_value(value: Value<'_>) -> Result<Self, DataError> {
        match value {
            Value::Int(int) => Ok(int),
            other => Err(DataError::mismatch("an int", &other)),
        }
    }

    fn to_value<'r>(&self, _: &'r Bump) -> Result<Value<'r>, DataError> {
        Ok(Value::Int(*self))
    }
}

impl Data for f64 {
    type Present = Self;

    const FORMAT: SerdeKind = SerdeKind::Double;

    fn from_value(value: Value<'_>) -> Result<Self, DataError> {
        match value {
            Value::Double(double) => Ok(double),
            other => Err(DataError::mismatch("a double", &other)),
        }
    }

    fn to_value<'r>(&self, _: &'r Bump) -> Result<Value<'r>, DataError> {
        Ok(Value::Double(*self))
    }
}

impl Data for Decimal {
    type Present = Self;

    const FORMAT: SerdeKind = SerdeKind::Decimal;

    fn from_value(value: Value<'_>) -> Result<Self, DataError> {
        match value {
            Value::Decimal(decimal) => Ok(decimal),
            Value::Int(int) => Ok(Self::from(int)),
            other => Err(DataError::mismatch("a decimal", &other)),
        }
    }

    fn to_value<'r>(&self, _: &'r Bump) -> Result<Value<'r>, DataError> {
        Ok(Value::Decimal(*self))
    }
}

impl Data for Vec<u8> {
    type Present = Self;

    const FORMAT: SerdeKind = SerdeKind::Bytes;

    fn from_value(value: Value<'_>) -> Result<Self, DataError> {
        match value {
            Value::Bytes(bytes) => Ok(bytes.to_vec()),
            other => Err(DataError::mismatch("bytes", &other)),
        }
    }

    fn to_value<'r>(&self, arena: &'r Bump) -> Result<Value<'r>, DataError> {
        Ok(Value::Bytes(arena.alloc_slice_copy(self)))
    }
}

impl Data for bool {
    type Present = Self;

    const FORMAT: SerdeKind = SerdeKind::Json;

    fn from_value(value: Value<'_>) -> Result<Self, DataError> {
        match value {
            Value::Bool(truth) => Ok(truth),
            other => Err(DataError::mismatch("a bool", &other)),
        }
    }

    fn to_value<'r>(&self, _: &'r Bump) -> Result<Value<'r>, DataError> {
        Ok(Value::Bool(*self))
    }
}

impl<T: Data> Data for Option<T> {
    type Present = T::Present;

    const FORMAT: SerdeKind = T::FORMAT;

    fn from_value(value: Value<'_>) -> Result<Self, DataError> {
        match value {
            Value::Null => Ok(None),
            value => T::from_value(value).map(Some),
        }
    }

    fn to_value<'r>(&self, arena: &'r Bump) -> Result<Value<'r>, DataError> {
        match self {
            None => Ok(Value::Null),
            Some(value) => value.to_value(arena),
        }
    }
}

#[cfg(test)]
mod tests;
