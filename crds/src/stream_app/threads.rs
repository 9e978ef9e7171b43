//! [`Threads`]: `auto` or a number.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::limits;

/// Stream threads per pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Threads {
    /// As many as it takes for every task to have a thread of its own: tasks divided by replicas,
    /// rounded up.
    #[default]
    Auto,
    /// This many, 1 to 100.
    Count(i32),
}

impl Serialize for Threads {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Count(count) => serializer.serialize_i32(*count),
        }
    }
}

impl<'de> Deserialize<'de> for Threads {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ThreadsVisitor)
    }
}

struct ThreadsVisitor;

impl ThreadsVisitor {
    fn count<E: de::Error>(count: Option<i32>, found: de::Unexpected<'_>) -> Result<Threads, E> {
        match count.filter(|count| (1..=limits::THREADS).contains(count)) {
            Some(count) => Ok(Threads::Count(count)),
            None => Err(E::invalid_value(found, &ThreadsVisitor)),
        }
    }
}

impl de::Visitor<'_> for ThreadsVisitor {
    type Value = Threads;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`auto` or a number from 1 to {}", limits::THREADS)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Threads, E> {
        Self::count(i32::try_from(value).ok(), de::Unexpected::Signed(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Threads, E> {
        Self::count(i32::try_from(value).ok(), de::Unexpected::Unsigned(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Threads, E> {
        match value {
            "auto" => Ok(Threads::Auto),
            other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
        }
    }
}

impl JsonSchema for Threads {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Threads".into()
    }

    /// Kubernetes' own form for a number or a word.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "minimum": 1,
            "maximum": limits::THREADS,
            "pattern": "^auto$",
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn threads_are_auto_or_a_number_and_anything_else_says_so() {
        let read = |text: &str| serde_json::from_str::<Threads>(text);
        assert_eq!(read("\"auto\"").unwrap(), Threads::Auto);
        assert_eq!(read("4").unwrap(), Threads::Count(4));
        for wrong in ["0", "-1", "101", "\"many\"", "1.5", "99999999999"] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(
                error.contains("expected `auto` or a number from 1 to 100"),
                "{error}"
            );
        }
        assert_eq!(serde_json::to_string(&Threads::Count(4)).unwrap(), "4");
    }
}
