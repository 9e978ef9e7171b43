//! Windows, and when their results are seen.

/// How records are put into windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Windows {
    /// `[start, start + size)` for every multiple of `advance` (TimeWindows): tumbling where both
    /// are equal, else hopping.
    Time {
        /// Length of a window, milliseconds.
        size_ms: i64,
        /// Distance between the starts of two windows, milliseconds; at most the size.
        advance_ms: i64,
    },
    /// A window for each distinct set of records within `difference` of each other, both ends
    /// included (SlidingWindows, KIP-450).
    Sliding {
        /// Largest distance between two records of a window, milliseconds.
        difference_ms: i64,
    },
    /// Records with no gap longer than this between them (SessionWindows).
    Session {
        /// Longest inactivity within a session, milliseconds.
        gap_ms: i64,
    },
}

/// When a windowed aggregation forwards (KIP-825).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Emit {
    /// At each record.
    #[default]
    OnUpdate,
    /// Once, when the window has closed: its end and the grace are behind stream time.
    OnWindowClose,
}

/// Until when a suppression holds results back (KTableSuppressProcessor).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SuppressUntil {
    /// Until the key's window has closed; the grace is that of the aggregation.
    WindowCloses {
        /// Milliseconds after the window's end.
        grace_ms: i64,
    },
    /// Until so much stream time has passed since the first of the results held back.
    TimeLimit {
        /// Milliseconds.
        limit_ms: i64,
    },
}

/// How much a suppression may hold back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BufferBounds {
    /// Keys held back at most; `None` is no bound.
    pub records: Option<u64>,
    /// Bytes held back at most; `None` is no bound.
    pub bytes: Option<u64>,
    /// At a bound: forwards the oldest early. Otherwise the application stops.
    pub emit_early: bool,
}
