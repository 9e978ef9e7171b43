//! [`Data`]: a key or value as people write it, exactly.

use std::borrow::Cow;
use std::fmt;

use millrace_expr::{Bump, Decimal, Value, parse_decimal};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use crate::plan::SerdeKind;

/// A value in YAML. A number with a point is where it stands in the file instead of a double, so that
/// it can be read exactly: [`Data::to_value`] does.
#[derive(Clone, Debug)]
pub struct Data(Spanned<Node>);

#[derive(Clone, Debug)]
enum Node {
    Null,
    Bool(bool),
    Int(i64),
    /// A number that is no 64-bit integer.
    Number,
    Text(String),
    List(Vec<Data>),
    Map(Vec<(String, Data)>),
}

/// What a value cannot be, and what it should be.
pub(super) type Refusal = String;

/// A field that is there, be it null.
pub(super) fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Data>, D::Error> {
    Data::deserialize(deserializer).map(Some)
}

impl Data {
    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self.0.value, Node::Null)
    }

    /// The value of a topic's or a store's format. `text` is the document's.
    ///
    /// | format | form |
    /// |---|---|
    /// | `string` | a text |
    /// | `bytes` | a text (its UTF-8 bytes), or `{hex: 00ff}` |
    /// | `json` | anything; numbers are exact |
    /// | `int`, `long` | a whole number |
    /// | `double` | a number |
    /// | `decimal` | a number, or a text that is one |
    ///
    /// Null is null in all of them.
    ///
    /// # Errors
    /// It is of another form.
    pub fn to_value<'r>(
        &self,
        kind: SerdeKind,
        text: &str,
        arena: &'r Bump,
    ) -> Result<Value<'r>, Refusal> {
        let refused = |expected: &str| Err(format!("expected {expected}, found {}", self.what()));
        let node = &self.0.value;
        Ok(match (kind, node) {
            (_, Node::Null) => Value::Null,
            (SerdeKind::Json, _) => self.json(text, arena)?,
            (SerdeKind::String, Node::Text(text)) => Value::String(arena.alloc_str(text)),
            (SerdeKind::String, Node::List(_) | Node::Map(_)) => return refused("a text"),
            (SerdeKind::String, _) => return refused("a text: put it in quotes"),
            (SerdeKind::Bytes, Node::Text(text)) => {
                Value::Bytes(arena.alloc_slice_copy(text.as_bytes()))
            }
            (SerdeKind::Bytes, Node::Map(entries)) => match (&entries[..], hex(entries)) {
                ([_], Some(bytes)) => Value::Bytes(arena.alloc_slice_copy(&bytes)),
                _ => return refused("a text, or `{hex: 00ff}`"),
            },
            (SerdeKind::Bytes, _) => return refused("a text, or `{hex: 00ff}`"),
            (SerdeKind::Int | SerdeKind::Long, Node::Int(int)) => Value::Int(*int),
            (SerdeKind::Int | SerdeKind::Long, _) => return refused("a whole number"),
            (SerdeKind::Double, Node::Int(int)) => Value::Double(*int as f64),
            (SerdeKind::Double, Node::Number) => match self.written(text)?.parse() {
                Ok(double) => Value::Double(double),
                Err(_) => return refused("a number"),
            },
            (SerdeKind::Double, _) => return refused("a number"),
            (SerdeKind::Decimal, Node::Int(int)) => Value::Decimal(Decimal::from(*int)),
            (SerdeKind::Decimal, Node::Number) => Value::Decimal(self.decimal(text)?),
            (SerdeKind::Decimal, Node::Text(text)) => match parse_decimal(text) {
                Some(decimal) => Value::Decimal(decimal),
                None => return refused("a number of at most 28 digits"),
            },
            (SerdeKind::Decimal, _) => return refused("a number of at most 28 digits"),
        })
    }

    /// As a value of JSON.
    fn json<'r>(&self, text: &str, arena: &'r Bump) -> Result<Value<'r>, Refusal> {
        Ok(match &self.0.value {
            Node::Null => Value::Null,
            Node::Bool(truth) => Value::Bool(*truth),
            Node::Int(int) => Value::Int(*int),
            Node::Number => Value::Decimal(self.decimal(text)?),
            Node::Text(text) => Value::String(arena.alloc_str(text)),
            Node::List(items) => {
                let items: Vec<_> = items
                    .iter()
                    .map(|item| item.json(text, arena))
                    .collect::<Result<_, _>>()?;
                Value::List(arena.alloc_slice_copy(&items))
            }
            Node::Map(entries) => {
                let entries: Vec<(&str, Value<'_>)> = entries
                    .iter()
                    .map(|(name, data)| Ok((&*arena.alloc_str(name), data.json(text, arena)?)))
                    .collect::<Result<_, Refusal>>()?;
                Value::Map(arena.alloc_slice_copy(&entries))
            }
        })
    }

    fn decimal(&self, text: &str) -> Result<Decimal, Refusal> {
        let written = self.written(text)?;
        parse_decimal(written).ok_or_else(|| {
            format!("expected a number of at most 28 digits, such as 12.30; found `{written}`")
        })
    }

    /// A number as it stands in the document.
    fn written<'t>(&self, text: &'t str) -> Result<&'t str, Refusal> {
        let span = self.0.defined.span();
        let start = span.byte_offset().map(|offset| offset as usize);
        let written = start.and_then(|start| {
            let end = start.checked_add(span.byte_len()? as usize)?;
            text.get(start..end)
        });
        written
            .map(str::trim)
            .ok_or_else(|| "a number whose place in the file is not known".to_owned())
    }

    fn what(&self) -> String {
        match &self.0.value {
            Node::Null => "nothing".to_owned(),
            Node::Bool(truth) => format!("`{truth}`"),
            Node::Int(int) => format!("the number {int}"),
            Node::Number => "a number with a point".to_owned(),
            Node::Text(text) if text.chars().count() <= 40 => format!("the text `{text}`"),
            Node::Text(_) => "a text".to_owned(),
            Node::List(_) => "a list".to_owned(),
            Node::Map(_) => "a mapping".to_owned(),
        }
    }
}

/// The bytes of `{hex: 00ff}`.
fn hex(entries: &[(String, Data)]) -> Option<Vec<u8>> {
    let (_, data) = entries.iter().find(|(name, _)| name == "hex")?;
    let Node::Text(text) = &data.0.value else {
        return None;
    };
    if text.len() % 2 != 0 || !text.is_ascii() {
        return None;
    }
    let pairs = (0..text.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Node, E> {
        Ok(Node::Bool(truth))
    }

    fn visit_i64<E: de::Error>(self, int: i64) -> Result<Node, E> {
        Ok(Node::Int(int))
    }

    fn visit_u64<E: de::Error>(self, int: u64) -> Result<Node, E> {
        Ok(i64::try_from(int).map_or(Node::Number, Node::Int))
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<Node, E> {
        Ok(Node::Number)
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<Node, E> {
        Ok(Node::Number)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Number)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }
}

impl JsonSchema for Data {
    fn schema_name() -> Cow<'static, str> {
        "Data".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!(true)
    }
}
