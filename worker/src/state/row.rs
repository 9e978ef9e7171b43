//! [`Row`]: a value as it is stored.

use millrace_expr::Bump;

/// Length of the timestamp before the value.
const TIMESTAMP_LEN: usize = 8;

/// A value and its timestamp. Stored as `timestamp, 8 bytes big endian ‖ value bytes`, as in Kafka
/// Streams' timestamped stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// Event time of the value, ms since the epoch.
    pub timestamp: i64,
    /// Value bytes, in the store's value format.
    pub value: &'a [u8],
}

impl<'a> Row<'a> {
    /// Reads a stored row; `None` when it is too short to be one.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (timestamp, value) = bytes.split_first_chunk::<TIMESTAMP_LEN>()?;
        Some(Self {
            timestamp: i64::from_be_bytes(*timestamp),
            value,
        })
    }

    /// Writes a row.
    pub fn encode(timestamp: i64, value: &[u8]) -> Vec<u8> {
        let mut row = Vec::with_capacity(TIMESTAMP_LEN + value.len());
        row.extend_from_slice(&timestamp.to_be_bytes());
        row.extend_from_slice(value);
        row
    }

    /// The row in an arena.
    pub fn copied<'r>(&self, arena: &'r Bump) -> Row<'r> {
        Row {
            timestamp: self.timestamp,
            value: arena.alloc_slice_copy(self.value),
        }
    }
}
