//! [`Tree`]: a YAML document with the place of everything in it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, de};
use serde_saphyr::{Location, Spanned};

use crate::path::Path;

/// A YAML node. Its depth is bounded by the parser's budget (64).
#[derive(Debug)]
pub(super) enum Tree {
    /// Null.
    Null,
    /// Any other scalar, as text.
    Scalar(String),
    /// A list.
    List(Vec<Spanned<Tree>>),
    /// A map.
    Map(Vec<(Spanned<String>, Spanned<Tree>)>),
}

impl Tree {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The scalar under a key of a map.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.child(key)? {
            Self::Scalar(text) => Some(text),
            _ => None,
        }
    }

    fn child(&self, key: &str) -> Option<&Tree> {
        let Self::Map(entries) = self else {
            return None;
        };
        let (_, value) = entries.iter().find(|(name, _)| name.value == key)?;
        Some(&value.value)
    }

    /// The node at a path below this one, whose own path is `here`.
    pub(super) fn find(&self, here: &Path, path: &Path) -> Option<&Tree> {
        if here == path {
            return Some(self);
        }
        match self {
            Self::Null | Self::Scalar(_) => None,
            Self::List(items) => items
                .iter()
                .enumerate()
                .find_map(|(index, item)| item.value.find(&here.index(index), path)),
            Self::Map(entries) => entries
                .iter()
                .find_map(|(name, value)| value.value.find(&here.key(&name.value), path)),
        }
    }

    /// What it is, for messages.
    pub(super) fn what(&self) -> String {
        match self {
            Self::Null => "nothing".to_owned(),
            Self::Scalar(text) if text.chars().count() <= 40 => format!("`{text}`"),
            Self::Scalar(_) => "a text".to_owned(),
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) => "a mapping".to_owned(),
        }
    }

    /// Collects line and column of each entry of a map (its key) and each item of a list.
    pub(super) fn places(&self, path: &Path, places: &mut BTreeMap<String, (u64, u64)>) {
        let place = |location: Location| (location.line(), location.column());
        match self {
            Self::Null | Self::Scalar(_) => {}
            Self::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let path = path.index(index);
                    places.insert(path.to_string(), place(item.referenced));
                    item.value.places(&path, places);
                }
            }
            Self::Map(entries) => {
                if let Some((first, _)) = entries.first() {
                    places
                        .entry(path.to_string())
                        .or_insert(place(first.referenced));
                }
                for (name, value) in entries {
                    let path = path.key(&name.value);
                    places.insert(path.to_string(), place(name.referenced));
                    value.value.places(&path, places);
                }
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> de::Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_owned()))
    }

    fn visit_bytes<E: de::Error>(self, value: &[u8]) -> Result<Tree, E> {
        Ok(Tree::Scalar(String::from_utf8_lossy(value).into_owned()))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Tree, D::Error> {
        Tree::deserialize(inner)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Map(entries))
    }
}
