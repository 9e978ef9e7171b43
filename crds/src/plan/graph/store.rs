//! State stores, as the plan knows them.

use super::{SerdeKind, StoreId};

/// A state store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Own index.
    pub id: StoreId,
    /// Name, as in changelog topic and queries.
    pub name: String,
    /// Key format.
    pub key: SerdeKind,
    /// Whose keys have a window beside them: the table a windowed table was turned into by a step
    /// (`filter`, `mapValues`, `suppress`). Only for [`StoreKind::KeyValue`]; window and session
    /// stores have it by their kind.
    pub windowed: Option<WindowedKey>,
    /// Value format.
    pub value: SerdeKind,
    /// What it holds.
    pub kind: StoreKind,
    /// Changelog topic, full name; `None` where nothing is logged, and rows that are lost are lost.
    pub changelog: Option<String>,
    /// Kept in memory alone (restored whole at each start) instead of RocksDB.
    pub in_memory: bool,
    /// Name of the supplier of the worker's image that keeps it, instead of RocksDB.
    pub supplier: Option<String>,
    /// The changes of the table in it go on once a commit.
    pub caching: bool,
    /// Subtopology it belongs to.
    pub subtopology: usize,
}

/// What a store holds, and so how its rows and changelog are keyed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StoreKind {
    /// One value with its timestamp per key. Rows `timestamp (8) ‖ value`; the changelog has the
    /// value alone and the timestamp as its record's. Internal buffers (suppression, unmatched
    /// records of an outer join, subscriptions of a foreign-key join) are of this kind too, with
    /// keys of their own.
    #[default]
    KeyValue,
    /// The versions of each key over the last so many milliseconds (KIP-889).
    Versioned {
        /// How far back versions can be asked for, and late ones are taken.
        history_retention_ms: i64,
    },
    /// A value per key and window: `key ‖ window start (8) ‖ sequence (4)`, big endian.
    Window {
        /// Length of a window; what a window's end is computed from.
        size_ms: i64,
        /// How long a window is kept, by stream time.
        retention_ms: i64,
        /// Keeps every record, numbered by the sequence, instead of the last per key and start: the
        /// windows of stream-stream joins.
        retain_duplicates: bool,
    },
    /// A value per key and session: `key ‖ session end (8) ‖ session start (8)`, big endian.
    Session {
        /// How long a session is kept after its end, by stream time.
        retention_ms: i64,
    },
}

/// How the bytes of a key tell its window, as Kafka Streams' serdes write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WindowedKey {
    /// `key ‖ start (8)`: the end is known from the size.
    Time {
        /// Length of a window, milliseconds.
        size_ms: i64,
    },
    /// `key ‖ end (8) ‖ start (8)`.
    Session,
}
