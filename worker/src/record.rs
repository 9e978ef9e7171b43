//! A record on its way through the nodes of a task. Everything is borrowed from the record queue or
//! from the task's arena, which is emptied after each input record: a record costs no allocation.

use millrace_crds::plan::SerdeKind;
use millrace_expr::Value;
use millrace_kafka::Headers;

/// A key or a value: what it means, and the bytes it came from while nobody has changed it, so that
/// a store or a sink of the same format copies the bytes instead of writing them anew.
#[derive(Clone, Copy, Debug)]
pub struct Datum<'r> {
    /// What it means.
    pub value: Value<'r>,
    /// Format and bytes it was read from, if any.
    pub encoded: Option<(SerdeKind, &'r [u8])>,
}

impl<'r> Datum<'r> {
    /// Null: a missing key, or a tombstone.
    pub const NULL: Datum<'static> = Datum {
        value: Value::Null,
        encoded: None,
    };

    /// A value that an expression made.
    pub fn computed(value: Value<'r>) -> Self {
        Self {
            value,
            encoded: None,
        }
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }
}

/// A record between two nodes. On a table's edge it is a change: the new value of its key.
#[derive(Clone, Copy, Debug)]
pub struct Record<'r> {
    /// Key.
    pub key: Datum<'r>,
    /// Value; null is a tombstone.
    pub value: Datum<'r>,
    /// Event time, milliseconds since the epoch.
    pub timestamp: i64,
    /// Headers, passed through.
    pub headers: Headers<'r>,
    /// Topic of the input record it stems from.
    pub topic: &'r str,
}
