//! What the rows of a store are, how their keys are laid out on disk and in the changelog, and when
//! they expire.
//!
//! ```text
//!   kind                 row key in the store                       changelog key (Kafka Streams')
//!   key-value            key                                        key
//!   window, by time      start ‖ key ‖ sequence                     key ‖ start ‖ sequence
//!   window, by key       segment ‖ key ‖ start ‖ sequence           key ‖ start ‖ sequence
//!   session              segment ‖ key ‖ end ‖ start                key ‖ end ‖ start
//!   versioned, latest    0 ‖ key                                    key
//!   versioned, history   1 ‖ segment ‖ key ‖ valid to               (the same record, one per put)
//! ```
//! Times and segments are 8 bytes, sequences 4, all big endian and never negative. Rows are sorted by
//! time before anything else, in segments or directly, so that what has expired is one range, deleted
//! as a whole; nothing is deleted row by row because it is old.

use millrace_crds::plan::{Emit, NodeKind, Plan, Store, StoreKind, Windows};

use super::observed::Observed;

/// Shortest segment, as in Kafka Streams.
const SEGMENT_MS_MIN: i64 = 60_000;
/// Bytes of a time or of a segment's number.
pub const TIME_LEN: usize = 8;
/// Bytes of a sequence number.
pub const SEQUENCE_LEN: usize = 4;

/// How the rows of a window store are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WindowOrder {
    /// By window, then key: for windows whose starts are known, which are looked up one by one
    /// (tumbling and hopping).
    Time,
    /// By segment, key and window: for windows of one key that are found by range (joins, sliding).
    Key,
}

/// What the rows of a store are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// One row per key.
    KeyValue {
        /// Whether it is read by range while it has uncommitted writes; costs a little per write.
        ordered: bool,
    },
    /// One row per key and window, or several (a list of records by time).
    Window {
        /// Milliseconds that a window is kept, from its start.
        retention_ms: i64,
        /// Whether rows of the same key and time are all kept.
        duplicates: bool,
        /// How rows are sorted.
        order: WindowOrder,
        /// Whether it is read by range while it has uncommitted writes; costs a little per write.
        ordered: bool,
        /// Whether rows that have expired stay until they have been forwarded.
        until_forwarded: bool,
        /// Milliseconds that a look for the rows of a key spans, where joins of streams alone read it.
        join_ms: Option<i64>,
    },
    /// One row per key and session.
    Session {
        /// Milliseconds that a session is kept, from its end.
        retention_ms: i64,
        /// Whether rows that have expired stay until they have been forwarded.
        until_forwarded: bool,
    },
    /// The latest row per key, and for a time those that it replaced.
    Versioned {
        /// Milliseconds that a replaced row can still be asked for.
        history_ms: i64,
    },
}

/// A range of row keys, all of them expired: `from <= key < to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// First key.
    pub from: Vec<u8>,
    /// The key after the last.
    pub to: Vec<u8>,
}

impl Shape {
    /// The shape of a plan's store: its kind, and how the nodes that use it look into it.
    pub fn of(plan: &Plan, store: &Store) -> Self {
        match store.kind {
            StoreKind::KeyValue => Self::KeyValue {
                ordered: plan.nodes.iter().any(|node| match &node.kind {
                    NodeKind::Suppress { store: used, .. } => *used == store.id,
                    NodeKind::StreamStreamJoin { unmatched, .. } => *unmatched == Some(store.id),
                    NodeKind::StreamTableJoin { grace, .. } => {
                        grace.is_some_and(|grace| grace.buffer == store.id)
                    }
                    NodeKind::Process { stores, .. } => {
                        stores.iter().any(|used| used.store == store.id)
                    }
                    NodeKind::ForeignKeyReceive { subscriptions, .. }
                    | NodeKind::ForeignKeyChanged { subscriptions, .. } => {
                        *subscriptions == store.id
                    }
                    _ => false,
                }),
            },
            StoreKind::Versioned {
                history_retention_ms: history_ms,
            } => Self::Versioned { history_ms },
            StoreKind::Session { retention_ms } => Self::Session {
                retention_ms,
                until_forwarded: forwards_on_close(plan, store),
            },
            StoreKind::Window {
                retention_ms,
                retain_duplicates: duplicates,
                size_ms,
            } => {
                let looked_up_one_by_one = plan.nodes.iter().any(|node| match &node.kind {
                    NodeKind::WindowedAggregate {
                        store: used,
                        windows,
                        ..
                    } => *used == store.id && matches!(windows, Windows::Time { .. }),
                    _ => false,
                });
                let order = if looked_up_one_by_one && !duplicates {
                    WindowOrder::Time
                } else {
                    WindowOrder::Key
                };
                let read_by_processors = plan.nodes.iter().any(|node| match &node.kind {
                    NodeKind::Process { stores, .. } => {
                        stores.iter().any(|used| used.store == store.id)
                    }
                    _ => false,
                });
                Self::Window {
                    retention_ms,
                    duplicates,
                    order,
                    // A join finds rows that are not stored by key (`RecentRows`).
                    ordered: (order == WindowOrder::Key && !duplicates) || read_by_processors,
                    until_forwarded: forwards_on_close(plan, store),
                    join_ms: (duplicates && !read_by_processors).then_some(size_ms),
                }
            }
        }
    }

    /// Whether it is read by range so often that its uncommitted writes are kept in order. Windows that
    /// are looked up one by one are not: once in a while, when some have closed, they are sorted.
    pub fn is_ordered(self) -> bool {
        match self {
            Self::KeyValue { ordered } | Self::Window { ordered, .. } => ordered,
            Self::Session { .. } | Self::Versioned { .. } => true,
        }
    }

    /// Whether rows of the same key and time are all kept.
    pub fn has_duplicates(self) -> bool {
        matches!(
            self,
            Self::Window {
                duplicates: true,
                ..
            }
        )
    }

    /// Milliseconds that a look for the rows of a key spans, where joins of streams alone read it.
    pub fn join_ms(self) -> Option<i64> {
        match self {
            Self::Window { join_ms, .. } => join_ms,
            _ => None,
        }
    }

    /// Whether rows that have expired stay until they have been forwarded: as long as nobody says up to
    /// when they have been, that is all of them.
    pub fn stays_until_forwarded(self) -> bool {
        match self {
            Self::Window {
                until_forwarded, ..
            }
            | Self::Session {
                until_forwarded, ..
            } => until_forwarded,
            Self::KeyValue { .. } | Self::Versioned { .. } => false,
        }
    }

    /// Milliseconds that rows are kept; `None`: for ever.
    pub fn retention_ms(self) -> Option<i64> {
        match self {
            Self::KeyValue { .. } => None,
            Self::Window { retention_ms, .. } | Self::Session { retention_ms, .. } => {
                Some(retention_ms)
            }
            Self::Versioned { history_ms } => Some(history_ms),
        }
    }

    /// Milliseconds that one segment spans.
    pub fn segment_ms(self) -> i64 {
        let retention_ms = self.retention_ms().unwrap_or(i64::MAX);
        (retention_ms / 2).max(SEGMENT_MS_MIN)
    }

    /// The segment of a time.
    pub fn segment(self, time: i64) -> i64 {
        time.max(0) / self.segment_ms()
    }

    /// The earliest time that is not expired: rows before it are not seen any more. 0 where rows are
    /// kept for ever.
    pub fn live_from(self, observed: Observed) -> i64 {
        match self {
            Self::KeyValue { .. } => 0,
            // As Kafka Streams: a window store's row expires exactly so long after its time, while a
            // version may be asked for up to and including the bound.
            Self::Window { retention_ms, .. } | Self::Session { retention_ms, .. } => {
                (observed.time - retention_ms + 1).max(0)
            }
            Self::Versioned { history_ms } => (observed.time - history_ms).max(0),
        }
    }

    /// The rows that expire when what is live begins later than before; `None`: none do. Whole segments
    /// only: a range deletion per commit would cost more than the space it frees.
    pub fn expired(self, before: i64, live_from: i64) -> Option<Expired> {
        let live = self.segment(live_from);
        if live <= self.segment(before) {
            return None;
        }
        let to = match self {
            Self::KeyValue { .. } => return None,
            Self::Window {
                order: WindowOrder::Time,
                ..
            } => (live * self.segment_ms()).to_be_bytes().to_vec(),
            Self::Window { .. } | Self::Session { .. } => live.to_be_bytes().to_vec(),
            Self::Versioned { .. } => [&[1][..], &live.to_be_bytes()].concat(),
        };
        let from = match self {
            Self::Versioned { .. } => vec![1],
            _ => Vec::new(),
        };
        Some(Expired { from, to })
    }
}

/// Whether a store's rows are results that are forwarded when their windows close.
fn forwards_on_close(plan: &Plan, store: &Store) -> bool {
    plan.nodes.iter().any(|node| match &node.kind {
        NodeKind::WindowedAggregate {
            store: used, emit, ..
        } => *used == store.id && *emit == Emit::OnWindowClose,
        _ => false,
    })
}

/// The last 8 bytes before `end` as a time.
pub(super) fn time_before(bytes: &[u8], end: usize) -> Option<i64> {
    let start = end.checked_sub(TIME_LEN)?;
    let time = bytes.get(start..end)?.first_chunk::<TIME_LEN>()?;
    Some(i64::from_be_bytes(*time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: i64) -> Observed {
        Observed { time, sequence: 0 }
    }

    fn sessions(retention_ms: i64) -> Shape {
        Shape::Session {
            retention_ms,
            until_forwarded: false,
        }
    }

    #[test]
    fn a_segment_is_half_the_retention_and_never_below_a_minute() {
        for (retention_ms, expected) in [(1, 60_000), (240_000, 120_000)] {
            assert_eq!(sessions(retention_ms).segment_ms(), expected);
        }
    }

    #[test]
    fn rows_expire_by_whole_segments_and_are_unseen_before() {
        let shape = sessions(120_000);
        assert_eq!(shape.live_from(at(120_000)), 1);
        assert_eq!(shape.live_from(at(179_999)), 60_000);
        assert_eq!(shape.expired(0, 59_999), None);
        let expired = shape.expired(59_999, 60_000).map(|range| range.to);
        assert_eq!(expired, Some(1i64.to_be_bytes().to_vec()));
        assert_eq!(shape.expired(60_000, 119_999), None);
    }

    #[test]
    fn rows_for_ever_never_expire() {
        let shape = Shape::KeyValue { ordered: true };
        assert_eq!(shape.live_from(at(i64::MAX)), 0);
        assert_eq!(shape.expired(0, i64::MAX), None);
    }
}
