//! [`Reader`]: serde's `Deserializer` over a [`Value`].

use millrace_expr::{Decimal, Value};
use serde::de::value::{
    BorrowedStrDeserializer, Error, MapAccessDeserializer, MapDeserializer, SeqDeserializer,
};
use serde::de::{Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::exact;

/// A value to be read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'de>(pub(super) Value<'de>);

impl<'de> IntoDeserializer<'de, Error> for Reader<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Reader<'de> {
    fn map<V: Visitor<'de>>(
        entries: &'de [(&'de str, Value<'de>)],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let mut map =
            MapDeserializer::new(entries.iter().map(|(name, v)| (Name(name), Reader(*v))));
        let read = visitor.visit_map(&mut map)?;
        map.end()?;
        Ok(read)
    }
}

/// A decimal where nothing says what it is to become: a whole number if it is written as one, else a
/// double, if that is the same number.
fn exactly<'de, V: Visitor<'de>>(decimal: Decimal, visitor: V) -> Result<V::Value, Error> {
    let text = decimal.to_string();
    if let Ok(whole) = text.parse() {
        return visitor.visit_u64(whole);
    }
    if let Ok(whole) = text.parse() {
        return visitor.visit_i128(whole);
    }
    let double: f64 = text.parse().map_err(Error::custom)?;
    if millrace_expr::parse_decimal(&double.to_string()) == Some(decimal) {
        return visitor.visit_f64(double);
    }
    Err(Error::custom(format!(
        "the number {text} is no double exactly; read it into `Exact`"
    )))
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(truth) => visitor.visit_bool(truth),
            Value::Int(int) => visitor.visit_i64(int),
            Value::Double(double) => visitor.visit_f64(double),
            Value::Decimal(decimal) => exactly(decimal, visitor),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            Value::List(elements) => {
                let mut list = SeqDeserializer::new(elements.iter().map(|v| Reader(*v)));
                let read = visitor.visit_seq(&mut list)?;
                list.end()?;
                Ok(read)
            }
            Value::Map(entries) => Self::map(entries, visitor),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Decimal(decimal) => {
                visitor.visit_f64(decimal.to_string().parse().map_err(Error::custom)?)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Decimal(decimal) if name == exact::NAME => {
                visitor.visit_string(decimal.to_string())
            }
            Value::Int(int) if name == exact::NAME => visitor.visit_i64(int),
            other if name == exact::NAME => Err(Error::invalid_type(
                serde::de::Unexpected::Other(other.kind()),
                &visitor,
            )),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::String(text) => {
                BorrowedStrDeserializer::new(text).deserialize_enum(name, variants, visitor)
            }
            Value::Map(entries @ [_]) => {
                let map = entries.iter().map(|(name, v)| (Name(name), Reader(*v)));
                visitor.visit_enum(MapAccessDeserializer::new(MapDeserializer::new(map)))
            }
            other => Err(Error::invalid_type(
                serde::de::Unexpected::Other(other.kind()),
                &"a variant's name, or a map of one entry",
            )),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// The name of an entry. JSON's names are texts, so a key of another type is read out of one.
#[derive(Clone, Copy)]
struct Name<'de>(&'de str);

impl<'de> IntoDeserializer<'de, Error> for Name<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Methods that parse the text into one type.
macro_rules! parsed {
    ($($method:ident $visit:ident,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.0.parse() {
                Ok(parsed) => visitor.$visit(parsed),
                Err(_) => visitor.visit_borrowed_str(self.0),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Name<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.0)
    }

    parsed! {
        deserialize_bool visit_bool,
        deserialize_i8 visit_i8,
        deserialize_i16 visit_i16,
        deserialize_i32 visit_i32,
        deserialize_i64 visit_i64,
        deserialize_i128 visit_i128,
        deserialize_u8 visit_u8,
        deserialize_u16 visit_u16,
        deserialize_u32 visit_u32,
        deserialize_u64 visit_u64,
        deserialize_u128 visit_u128,
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        BorrowedStrDeserializer::new(self.0).deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}
