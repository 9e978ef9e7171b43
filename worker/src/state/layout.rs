//! Row keys and changelog keys of window and session stores, see [`Shape`].

use bumpalo::collections::Vec as ArenaVec;
use millrace_expr::Bump;

use super::shape::{SEQUENCE_LEN, Shape, TIME_LEN, WindowOrder, time_before};

/// Bytes after the key in a changelog key of a window: start and sequence.
const WINDOW_SUFFIX_LEN: usize = TIME_LEN + SEQUENCE_LEN;
/// Bytes after the key in a changelog key of a session: end and start.
const SESSION_SUFFIX_LEN: usize = 2 * TIME_LEN;

/// Where a row is in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RowTime {
    /// What it expires by: a window's start, a session's end; 0 for rows that do not expire.
    pub(super) time: i64,
    /// Its number among rows of the same key and time.
    pub(super) sequence: u32,
}

/// A window's row, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WindowKey<'k> {
    pub(super) key: &'k [u8],
    pub(super) start: i64,
    pub(super) sequence: u32,
}

/// A session's row, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SessionKey<'k> {
    pub(super) key: &'k [u8],
    pub(super) start: i64,
    pub(super) end: i64,
}

impl<'k> WindowKey<'k> {
    /// `key ‖ start ‖ sequence`, as in changelogs.
    fn of_suffixed(bytes: &'k [u8]) -> Option<Self> {
        let (rest, sequence) = bytes.split_last_chunk::<SEQUENCE_LEN>()?;
        let (key, start) = rest.split_last_chunk::<TIME_LEN>()?;
        let start = i64::from_be_bytes(*start);
        (start >= 0).then_some(Self {
            key,
            start,
            sequence: u32::from_be_bytes(*sequence),
        })
    }

    /// A row key.
    pub(super) fn of_row(order: WindowOrder, bytes: &'k [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<TIME_LEN>()?;
        match order {
            WindowOrder::Key => Self::of_suffixed(rest),
            WindowOrder::Time => {
                let (key, sequence) = rest.split_last_chunk::<SEQUENCE_LEN>()?;
                Some(Self {
                    key,
                    start: i64::from_be_bytes(*head),
                    sequence: u32::from_be_bytes(*sequence),
                })
            }
        }
    }

    /// The row key.
    pub(super) fn row_key<'a>(&self, shape: Shape, arena: &'a Bump) -> ArenaVec<'a, u8> {
        let len = TIME_LEN + self.key.len() + WINDOW_SUFFIX_LEN;
        let mut row = ArenaVec::with_capacity_in(len, arena);
        self.write_row_key(shape, &mut row);
        row
    }

    fn write_row_key(&self, shape: Shape, row: &mut ArenaVec<'_, u8>) {
        let start = self.start.to_be_bytes();
        let by_time = matches!(
            shape,
            Shape::Window {
                order: WindowOrder::Time,
                ..
            }
        );
        if by_time {
            row.extend_from_slice_copy(&start);
            row.extend_from_slice_copy(self.key);
        } else {
            row.extend_from_slice_copy(&shape.segment(self.start).to_be_bytes());
            row.extend_from_slice_copy(self.key);
            row.extend_from_slice_copy(&start);
        }
        row.extend_from_slice_copy(&self.sequence.to_be_bytes());
    }
}

impl<'k> SessionKey<'k> {
    /// `key ‖ end ‖ start`, as in changelogs.
    fn of_suffixed(bytes: &'k [u8]) -> Option<Self> {
        let key = &bytes[..bytes.len().checked_sub(SESSION_SUFFIX_LEN)?];
        let start = time_before(bytes, bytes.len())?;
        let end = time_before(bytes, bytes.len() - TIME_LEN)?;
        (0 <= start && start <= end).then_some(Self { key, start, end })
    }

    /// A row key.
    pub(super) fn of_row(bytes: &'k [u8]) -> Option<Self> {
        let (_segment, rest) = bytes.split_first_chunk::<TIME_LEN>()?;
        Self::of_suffixed(rest)
    }

    /// The row key.
    pub(super) fn row_key<'a>(&self, shape: Shape, arena: &'a Bump) -> ArenaVec<'a, u8> {
        let len = TIME_LEN + self.key.len() + SESSION_SUFFIX_LEN;
        let mut row = ArenaVec::with_capacity_in(len, arena);
        row.extend_from_slice_copy(&shape.segment(self.end).to_be_bytes());
        row.extend_from_slice_copy(self.key);
        row.extend_from_slice_copy(&self.end.to_be_bytes());
        row.extend_from_slice_copy(&self.start.to_be_bytes());
        row
    }
}

/// The changelog key of a row key; `scratch` is for those that are not a part of it.
pub(super) fn changelog_key<'k>(
    shape: Shape,
    row_key: &'k [u8],
    scratch: &'k mut Vec<u8>,
) -> &'k [u8] {
    match shape {
        // A versioned store's changelog is not made from its rows.
        Shape::KeyValue { .. } | Shape::Versioned { .. } => row_key,
        Shape::Session { .. }
        | Shape::Window {
            order: WindowOrder::Key,
            ..
        } => row_key.get(TIME_LEN..).unwrap_or_default(),
        Shape::Window { order, .. } => {
            scratch.clear();
            if let Some(window) = WindowKey::of_row(order, row_key) {
                scratch.extend_from_slice(window.key);
                scratch.extend_from_slice(&window.start.to_be_bytes());
                scratch.extend_from_slice(&window.sequence.to_be_bytes());
            }
            scratch
        }
    }
}

/// The changelog key of a row that queries may see: not of one before `live_from`, nor of a version that
/// was replaced.
pub(super) fn visible<'k>(
    shape: Shape,
    row_key: &'k [u8],
    live_from: i64,
    scratch: &'k mut Vec<u8>,
) -> Option<&'k [u8]> {
    let time = match shape {
        Shape::KeyValue { .. } => return Some(row_key),
        Shape::Versioned { .. } => return super::versioned_store::latest_of(row_key),
        Shape::Window { order, .. } => WindowKey::of_row(order, row_key)?.start,
        Shape::Session { .. } => SessionKey::of_row(row_key)?.end,
    };
    (time >= live_from).then(|| changelog_key(shape, row_key, scratch))
}

/// Writes the row key of a changelog key, and says where the row is in time. `None`: it is not a key of
/// this shape.
pub(super) fn row_key(
    shape: Shape,
    changelog_key: &[u8],
    row_key: &mut ArenaVec<'_, u8>,
) -> Option<RowTime> {
    match shape {
        Shape::KeyValue { .. } | Shape::Versioned { .. } => {
            row_key.extend_from_slice_copy(changelog_key);
            Some(RowTime::default())
        }
        Shape::Window { .. } => {
            let window = WindowKey::of_suffixed(changelog_key)?;
            window.write_row_key(shape, row_key);
            Some(RowTime {
                time: window.start,
                sequence: window.sequence,
            })
        }
        Shape::Session { .. } => {
            let session = SessionKey::of_suffixed(changelog_key)?;
            row_key.extend_from_slice_copy(&shape.segment(session.end).to_be_bytes());
            row_key.extend_from_slice_copy(changelog_key);
            Some(RowTime {
                time: session.end,
                sequence: 0,
            })
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const WINDOW: WindowKey<'static> = WindowKey {
        key: b"key",
        start: 61_000,
        sequence: 3,
    };

    #[test]
    fn window_keys_in_a_changelog_are_those_of_kafka_streams_whatever_the_order_of_rows() {
        let expected = [&b"key"[..], &61_000i64.to_be_bytes(), &3u32.to_be_bytes()].concat();
        for order in [WindowOrder::Time, WindowOrder::Key] {
            let shape = Shape::Window {
                retention_ms: 10,
                duplicates: true,
                order,
                ordered: true,
                until_forwarded: false,
                join_ms: None,
            };
            let (arena, mut scratch) = (Bump::new(), Vec::new());
            let row = WINDOW.row_key(shape, &arena);
            assert_eq!(WindowKey::of_row(order, &row), Some(WINDOW));
            let changelog = changelog_key(shape, &row, &mut scratch).to_vec();
            assert_eq!(changelog, expected);
            let mut again = ArenaVec::new_in(&arena);
            let time = row_key(shape, &changelog, &mut again).unwrap();
            assert_eq!((again, time.time, time.sequence), (row, 61_000, 3));
        }
    }

    #[test]
    fn session_keys_in_a_changelog_are_those_of_kafka_streams() {
        let shape = Shape::Session {
            retention_ms: 10,
            until_forwarded: false,
        };
        let session = SessionKey {
            key: b"",
            start: 5,
            end: 60_000,
        };
        let (arena, mut scratch) = (Bump::new(), Vec::new());
        let row = session.row_key(shape, &arena);
        assert_eq!(SessionKey::of_row(&row), Some(session));
        let changelog = changelog_key(shape, &row, &mut scratch).to_vec();
        assert_eq!(
            changelog,
            [60_000i64.to_be_bytes(), 5i64.to_be_bytes()].concat()
        );
        let mut again = ArenaVec::new_in(&arena);
        assert_eq!(row_key(shape, &changelog, &mut again).unwrap().time, 60_000);
        assert_eq!(again, row);
    }

    #[test]
    fn a_key_too_short_for_its_times_or_with_impossible_ones_is_none() {
        let arena = Bump::new();
        let mut out = ArenaVec::new_in(&arena);
        let session = Shape::Session {
            retention_ms: 10,
            until_forwarded: false,
        };
        let window = Shape::Window {
            retention_ms: 10,
            duplicates: false,
            order: WindowOrder::Time,
            ordered: false,
            until_forwarded: false,
            join_ms: None,
        };
        assert_eq!(row_key(session, &[0; 15], &mut out), None);
        assert_eq!(row_key(session, &[[0; 8], [1; 8]].concat(), &mut out), None);
        assert_eq!(row_key(window, &[0; 11], &mut out), None);
        assert_eq!(row_key(window, &[0xff; 12], &mut out), None);
    }
}
