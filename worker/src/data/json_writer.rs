//! [`Writer`]: serde's `Serializer` into a [`Value`]. The shapes are serde_json's.

use bumpalo::collections::Vec as ArenaVec;
use millrace_expr::{Bump, Decimal, Value, parse_decimal};
use serde::de::value::Error;
use serde::ser::{Error as _, Serialize, Serializer};
use serde::ser::{SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant};
use serde::ser::{SerializeTuple, SerializeTupleStruct, SerializeTupleVariant};

use super::exact;

/// Writes into an arena.
#[derive(Clone, Copy)]
pub(super) struct Writer<'r> {
    pub(super) arena: &'r Bump,
}

type Written<'r> = Result<Value<'r>, Error>;

impl<'r> Writer<'r> {
    fn list(self, length: usize, variant: Option<&'static str>) -> List<'r> {
        List {
            elements: ArenaVec::with_capacity_in(length, self.arena),
            variant,
        }
    }

    fn map(self, length: usize, variant: Option<&'static str>) -> Map<'r> {
        Map {
            entries: ArenaVec::with_capacity_in(length, self.arena),
            name: None,
            variant,
        }
    }

    /// What belongs to a variant stands under its name.
    fn variant(self, variant: Option<&'static str>, value: Value<'r>) -> Value<'r> {
        match variant {
            None => value,
            Some(name) => Value::Map(self.arena.alloc_slice_copy(&[(name, value)])),
        }
    }
}

fn wide<'r>(decimal: Option<Decimal>, int: impl std::fmt::Display) -> Written<'r> {
    let decimal = decimal.ok_or_else(|| Error::custom(format!("{int} has more than 28 digits")));
    decimal.map(Value::Decimal)
}

impl<'r> Serializer for Writer<'r> {
    type Ok = Value<'r>;
    type Error = Error;
    type SerializeSeq = List<'r>;
    type SerializeTuple = List<'r>;
    type SerializeTupleStruct = List<'r>;
    type SerializeTupleVariant = List<'r>;
    type SerializeMap = Map<'r>;
    type SerializeStruct = Map<'r>;
    type SerializeStructVariant = Map<'r>;

    fn serialize_bool(self, truth: bool) -> Written<'r> {
        Ok(Value::Bool(truth))
    }

    fn serialize_i8(self, int: i8) -> Written<'r> {
        self.serialize_i64(int.into())
    }

    fn serialize_i16(self, int: i16) -> Written<'r> {
        self.serialize_i64(int.into())
    }

    fn serialize_i32(self, int: i32) -> Written<'r> {
        self.serialize_i64(int.into())
    }

    fn serialize_i64(self, int: i64) -> Written<'r> {
        Ok(Value::Int(int))
    }

    fn serialize_i128(self, int: i128) -> Written<'r> {
        match i64::try_from(int) {
            Ok(int) => self.serialize_i64(int),
            Err(_) => wide(parse_decimal(&int.to_string()), int),
        }
    }

    fn serialize_u8(self, int: u8) -> Written<'r> {
        self.serialize_i64(int.into())
    }

    fn serialize_u16(self, int: u16) -> Written<'r> {
        self.serialize_i64(int.into())
    }

    fn serialize_u32(self, int: u32) -> Written<'r> {
        self.serialize_i64(int.into())
    }

    fn serialize_u64(self, int: u64) -> Written<'r> {
        self.serialize_i128(int.into())
    }

    fn serialize_u128(self, int: u128) -> Written<'r> {
        match i64::try_from(int) {
            Ok(int) => self.serialize_i64(int),
            Err(_) => wide(parse_decimal(&int.to_string()), int),
        }
    }

    fn serialize_f32(self, float: f32) -> Written<'r> {
        self.serialize_f64(float.into())
    }

    fn serialize_f64(self, double: f64) -> Written<'r> {
        Ok(Value::Double(double))
    }

    fn serialize_char(self, letter: char) -> Written<'r> {
        self.serialize_str(letter.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Written<'r> {
        Ok(Value::String(self.arena.alloc_str(text)))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Written<'r> {
        let elements = bytes.iter().map(|byte| Value::Int(i64::from(*byte)));
        Ok(Value::List(self.arena.alloc_slice_fill_iter(elements)))
    }

    fn serialize_none(self) -> Written<'r> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Written<'r> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Written<'r> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Written<'r> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Written<'r> {
        Ok(Value::String(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Written<'r> {
        let written = value.serialize(self)?;
        match written {
            Value::String(text) if name == exact::NAME => wide(parse_decimal(text), text),
            other => Ok(other),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Written<'r> {
        let value = value.serialize(self)?;
        Ok(self.variant(Some(variant), value))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<List<'r>, Error> {
        Ok(self.list(length.unwrap_or(0), None))
    }

    fn serialize_tuple(self, length: usize) -> Result<List<'r>, Error> {
        Ok(self.list(length, None))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<List<'r>, Error> {
        Ok(self.list(length, None))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<List<'r>, Error> {
        Ok(self.list(length, Some(variant)))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Map<'r>, Error> {
        Ok(self.map(length.unwrap_or(0), None))
    }

    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Map<'r>, Error> {
        Ok(self.map(length, None))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Map<'r>, Error> {
        Ok(self.map(length, Some(variant)))
    }
}

/// A list on its way.
pub(super) struct List<'r> {
    elements: ArenaVec<'r, Value<'r>>,
    variant: Option<&'static str>,
}

impl<'r> List<'r> {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let arena = self.elements.bump();
        self.elements.push(value.serialize(Writer { arena })?);
        Ok(())
    }

    fn finish(self) -> Written<'r> {
        let arena = self.elements.bump();
        let list = Value::List(self.elements.into_bump_slice());
        Ok(Writer { arena }.variant(self.variant, list))
    }
}

/// A map on its way.
pub(super) struct Map<'r> {
    entries: ArenaVec<'r, (&'r str, Value<'r>)>,
    /// The name whose value comes next.
    name: Option<&'r str>,
    variant: Option<&'static str>,
}

impl<'r> Map<'r> {
    fn push<T: Serialize + ?Sized>(&mut self, name: &'r str, value: &T) -> Result<(), Error> {
        let arena = self.entries.bump();
        self.entries
            .push((name, value.serialize(Writer { arena })?));
        Ok(())
    }

    fn finish(self) -> Written<'r> {
        let arena = self.entries.bump();
        let map = Value::Map(self.entries.into_bump_slice());
        Ok(Writer { arena }.variant(self.variant, map))
    }
}

impl<'r> SerializeMap for Map<'r> {
    type Ok = Value<'r>;
    type Error = Error;

    /// Names are strings in JSON; numbers and bools become text, as in serde_json.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        let arena = self.entries.bump();
        self.name = Some(match key.serialize(Writer { arena })? {
            Value::String(name) => name,
            Value::Int(int) => arena.alloc_str(&int.to_string()),
            Value::Bool(truth) => arena.alloc_str(&truth.to_string()),
            other => {
                let message = format!("names in JSON are strings, not {}", other.kind());
                return Err(Error::custom(message));
            }
        });
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let name = self.name.take();
        let name = name.ok_or_else(|| Error::custom("a map gave a value without its name"))?;
        self.push(name, value)
    }

    fn end(self) -> Written<'r> {
        self.finish()
    }
}

impl<'r> SerializeStruct for Map<'r> {
    type Ok = Value<'r>;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.push(name, value)
    }

    fn end(self) -> Written<'r> {
        self.finish()
    }
}

impl<'r> SerializeStructVariant for Map<'r> {
    type Ok = Value<'r>;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.push(name, value)
    }

    fn end(self) -> Written<'r> {
        self.finish()
    }
}

impl<'r> SerializeSeq for List<'r> {
    type Ok = Value<'r>;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.push(value)
    }

    fn end(self) -> Written<'r> {
        self.finish()
    }
}

impl<'r> SerializeTuple for List<'r> {
    type Ok = Value<'r>;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.push(value)
    }

    fn end(self) -> Written<'r> {
        self.finish()
    }
}

impl<'r> SerializeTupleStruct for List<'r> {
    type Ok = Value<'r>;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.push(value)
    }

    fn end(self) -> Written<'r> {
        self.finish()
    }
}

impl<'r> SerializeTupleVariant for List<'r> {
    type Ok = Value<'r>;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.push(value)
    }

    fn end(self) -> Written<'r> {
        self.finish()
    }
}
