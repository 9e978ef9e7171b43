//! A record on its way through the nodes of a task. Everything is borrowed from the record queue or
//! from the task's arena, which is emptied after each input record: a record costs no allocation.

use millrace_crds::plan::{SerdeKind, WindowedKey};
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

    /// A value that was read from bytes; from none, it is null.
    #[inline]
    pub fn read(value: Value<'r>, kind: SerdeKind, bytes: Option<&'r [u8]>) -> Self {
        Self {
            value,
            encoded: bytes.map(|bytes| (kind, bytes)),
        }
    }

    /// A value that an expression made.
    #[inline]
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

/// What a table's edge has beside the new value (Kafka Streams' `Change`). Lives in the arena, so
/// that a record which has none stays small.
#[derive(Clone, Copy, Debug)]
pub struct Change<'r> {
    /// The value before; null where there was none, or no node below needs it (see
    /// `Plan::needs_old_value`).
    pub old: Datum<'r>,
    /// False where the table is versioned and has a later value for this key already (KIP-914).
    pub latest: bool,
}

/// The window of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its start, ms since the epoch, inclusive.
    pub start: i64,
    /// Its end, ms since the epoch: exclusive for time windows, inclusive for sessions and sliding
    /// windows.
    pub end: i64,
}

impl Window {
    /// Key and window of a key with its window beside it, as Kafka Streams' windowed serdes write them:
    /// `key ‖ start (8)`, of sessions `key ‖ end (8) ‖ start (8)`. `None` when it is too short.
    pub fn of_key(kind: WindowedKey, bytes: &[u8]) -> Option<(&[u8], Self)> {
        let (rest, start) = bytes.split_last_chunk::<8>()?;
        let start = i64::from_be_bytes(*start);
        match kind {
            WindowedKey::Time { size_ms } => {
                let end = start.saturating_add(size_ms);
                Some((rest, Self { start, end }))
            }
            WindowedKey::Session => {
                let (key, end) = rest.split_last_chunk::<8>()?;
                let end = i64::from_be_bytes(*end);
                Some((key, Self { start, end }))
            }
        }
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
    /// On a table's edge, what it changes; absent where that is the latest value and nobody needs
    /// the old one.
    pub change: Option<&'r Change<'r>>,
    /// The window of the key, below a windowed aggregation. The key itself is without it.
    pub window: Option<Window>,
}

impl<'r> Record<'r> {
    /// The value before, where a table forwards it; else null.
    pub fn old(&self) -> Datum<'r> {
        self.change.map_or(Datum::NULL, |change| change.old)
    }

    /// False for a change that a versioned table knows a later value than.
    pub fn is_latest(&self) -> bool {
        self.change.is_none_or(|change| change.latest)
    }
}
