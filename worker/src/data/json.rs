//! [`Json`]: any type that serde knows, as a JSON value.

use std::ops::{Deref, DerefMut};

use millrace_crds::plan::SerdeKind;
use millrace_expr::{Bump, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::json_reader::Reader;
use super::json_writer::Writer;
use super::{Data, DataError};

/// A type that serde knows, written as JSON. Numbers with a point stay exact in fields of type
/// [`Exact`](super::Exact); a field of type `f64` takes the nearest double.
///
/// ```
/// use millrace_expr::{Bump, json};
/// use millrace_worker::data::{Data, Exact, Json};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Payment {
///     account: String,
///     amount: Exact,
/// }
///
/// let arena = Bump::new();
/// let value = json::parse(br#"{"account": "a", "amount": 12.30}"#, &arena)?;
/// let mut payment = Json::<Payment>::from_value(value)?;
/// let amount = payment.amount;
/// payment.amount.0 += amount.0;
/// let mut bytes = Vec::new();
/// json::write(&payment.to_value(&arena)?, &mut bytes)?;
/// assert_eq!(bytes, br#"{"account":"a","amount":24.60}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Json<T>(pub T);

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Json<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> From<T> for Json<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Data for Json<T> {
    type Present = Self;

    const FORMAT: SerdeKind = SerdeKind::Json;

    fn from_value(value: Value<'_>) -> Result<Self, DataError> {
        T::deserialize(Reader(value))
            .map(Self)
            .map_err(|error| DataError::Json(error.to_string()))
    }

    fn to_value<'r>(&self, arena: &'r Bump) -> Result<Value<'r>, DataError> {
        self.0
            .serialize(Writer { arena })
            .map_err(|error| DataError::Json(error.to_string()))
    }
}
