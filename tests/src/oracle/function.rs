//! The vocabulary of functions that both sides have: here as CEL expressions, in
//! `Functions.java` as lambdas. A value as text is the string itself, the digits of an int, or "null".
//!
//! Most functions write down what they were called with, so that a difference in order or in an old
//! value shows in the result.

use serde::{Deserialize, Serialize};

/// Characters of a value that an aggregate keeps, so that aggregates of aggregates stay small.
pub(super) const SHORT: usize = 8;

/// A variable as text.
fn text(variable: &str) -> String {
    format!("({variable} == null ? \"null\" : string({variable}))")
}

/// The last characters of a variable's text.
fn short(variable: &str) -> String {
    let text = text(variable);
    format!("(size({text}) > {SHORT} ? {text}.substring(size({text}) - {SHORT}) : {text})")
}

/// What is true or false of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fn", rename_all = "camelCase")]
pub enum Predicate {
    /// The length of the value's text modulo `n` is `is`.
    SizeMod {
        /// Modulus, at least 1.
        n: i64,
        /// Remainder.
        is: i64,
    },
    /// The value's text contains `s`.
    Contains {
        /// What is looked for.
        s: String,
    },
    /// The key's text is `s`.
    KeyIs {
        /// The key.
        s: String,
    },
}

impl Predicate {
    /// As CEL over `key` and `value`.
    pub fn cel(&self) -> String {
        match self {
            Self::SizeMod { n, is } => format!("size({}) % {n} == {is}", text("value")),
            Self::Contains { s } => format!("{}.contains(\"{s}\")", text("value")),
            Self::KeyIs { s } => format!("{} == \"{s}\"", text("key")),
        }
    }
}

/// A new value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fn", rename_all = "camelCase")]
pub enum ValueFn {
    /// The value as it is.
    Same,
    /// The value's text and `s`.
    Append {
        /// What is put behind.
        s: String,
    },
    /// The length of the value's text, an int.
    Size,
    /// The texts of key and value, with `=` between.
    WithKey,
    /// Null if the value's text contains `s`.
    NullIf {
        /// What is looked for.
        s: String,
    },
}

impl ValueFn {
    /// As CEL over `key` and `value`.
    pub fn cel(&self) -> String {
        match self {
            Self::Same => "value".to_owned(),
            Self::Append { s } => format!("{} + \"{s}\"", text("value")),
            Self::Size => format!("size({})", text("value")),
            Self::WithKey => format!("{} + \"=\" + {}", text("key"), text("value")),
            Self::NullIf { s } => format!("{}.contains(\"{s}\") ? null : value", text("value")),
        }
    }
}

/// A new key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fn", rename_all = "camelCase")]
pub enum KeyFn {
    /// The key as it is.
    Same,
    /// Always `s`.
    Const {
        /// The key.
        s: String,
    },
    /// `k` and the length of the value's text modulo `n`.
    SizeKey {
        /// Modulus, at least 1.
        n: i64,
    },
    /// The key's text and `s`.
    Append {
        /// What is put behind.
        s: String,
    },
    /// Null if the value's text contains `s`.
    NullIf {
        /// What is looked for.
        s: String,
    },
    /// Null if the value's text contains `s`, else as [`KeyFn::SizeKey`].
    NullOrSizeKey {
        /// What is looked for.
        s: String,
        /// Modulus, at least 1.
        n: i64,
    },
}

impl KeyFn {
    /// As CEL over `key` and a value, which may have another name.
    pub fn cel_of(&self, value: &str) -> String {
        match self {
            Self::Same => "key".to_owned(),
            Self::Const { s } => format!("\"{s}\""),
            Self::SizeKey { n } => format!("\"k\" + string(size({}) % {n})", text(value)),
            Self::Append { s } => format!("{} + \"{s}\"", text("key")),
            Self::NullIf { s } => format!("{}.contains(\"{s}\") ? null : key", text(value)),
            Self::NullOrSizeKey { s, n } => {
                let text = text(value);
                format!("{text}.contains(\"{s}\") ? null : \"k\" + string(size({text}) % {n})")
            }
        }
    }

    /// As CEL over `key` and `value`.
    pub fn cel(&self) -> String {
        self.cel_of("value")
    }
}

/// When a record happened: so much earlier than it says for each character of its value's text; no
/// time, which is −1, where the text contains `s`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventTime {
    /// Milliseconds a character.
    pub by: i64,
    /// What is looked for.
    pub s: String,
    /// What becomes of a record without a time.
    pub invalid: InvalidTime,
}

/// Where a source's records have their times from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SourceTime {
    /// The case's wall clock, when they are processed.
    WallClock,
    /// Their values.
    #[serde(untagged)]
    Value(EventTime),
}

/// What becomes of a record without a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InvalidTime {
    /// The application stops.
    Fail,
    /// It is dropped.
    Skip,
    /// It has the highest time seen in its partition; the application stops where there is none.
    UsePartitionTime,
}

impl EventTime {
    /// As CEL over `value` and `timestamp`.
    pub fn cel(&self) -> String {
        let (Self { by, s, .. }, text) = (self, text("value"));
        format!("{text}.contains(\"{s}\") ? -1 : timestamp - {by} * size({text})")
    }
}

/// The number that a record's topic ends in, as CEL over `value`.
pub fn route(routes: i64) -> String {
    format!("string(size({}) % {routes})", text("value"))
}

/// A list of values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fn", rename_all = "camelCase")]
pub enum ListFn {
    /// The value's text twice, with `1` and `2` behind.
    Twice,
    /// Nothing if the value's text contains `s`, else the text with `3` behind.
    SomeOrNone {
        /// What is looked for.
        s: String,
    },
}

impl ListFn {
    /// As CEL over `value`.
    pub fn cel(&self) -> String {
        let text = text("value");
        match self {
            Self::Twice => format!("[{text} + \"1\", {text} + \"2\"]"),
            Self::SomeOrNone { s } => {
                format!("{text}.contains(\"{s}\") ? [] : [{text} + \"3\"]")
            }
        }
    }
}

/// What an aggregation does with each record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fn", rename_all = "camelCase")]
pub enum Aggregation {
    /// Counts.
    Count,
    /// The texts of aggregate and value, with `&` between; taken out again with `!`.
    Reduce,
    /// The texts of aggregate and value, with `+` between; taken out again with `-`.
    Concat,
    /// As concat, but null where the value's text contains `s`.
    ConcatOrNull {
        /// What is looked for.
        s: String,
    },
    /// The lengths of the values' texts, added up: an int.
    Sum,
}

impl Aggregation {
    /// The aggregate before the first record, as CEL.
    pub fn initial(&self) -> &'static str {
        match self {
            Self::Sum => "0",
            _ => "\"\"",
        }
    }

    /// One more value, as CEL over `key`, `value` and `aggregate`.
    pub fn adder(&self) -> String {
        match self {
            Self::Count => String::new(),
            Self::Reduce => format!("{} + \"&\" + {}", text("aggregate"), short("value")),
            Self::Concat => format!("{} + \"+\" + {}", text("aggregate"), short("value")),
            Self::ConcatOrNull { s } => format!(
                "{}.contains(\"{s}\") ? null : {} + \"+\" + {}",
                text("value"),
                text("aggregate"),
                short("value")
            ),
            Self::Sum => format!("aggregate + size({})", text("value")),
        }
    }

    /// One value less, as CEL over `key`, `value` and `aggregate`.
    pub fn subtractor(&self) -> String {
        match self {
            Self::Count => String::new(),
            Self::Reduce => format!("{} + \"!\" + {}", text("aggregate"), short("value")),
            Self::Concat | Self::ConcatOrNull { .. } => {
                format!("{} + \"-\" + {}", text("aggregate"), short("value"))
            }
            Self::Sum => format!("aggregate - size({})", text("value")),
        }
    }

    /// Two sessions become one, as CEL over `key`, `left` and `right`.
    pub fn merger(&self) -> String {
        match self {
            Self::Sum => "left + right".to_owned(),
            _ => format!("{} + \"|\" + {}", text("left"), text("right")),
        }
    }
}

/// Joins two values, as CEL over `left` and `right`: their texts with `-` between.
pub fn joiner() -> String {
    format!("{} + \"-\" + {}", text("left"), text("right"))
}
