//! Records and partitions, as bytes: the vocabulary shared by every log.

use std::fmt;
use std::sync::Arc;

/// One partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// Topic name.
    pub topic: Arc<str>,
    /// Partition index, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// `topic-partition`, as Kafka's tools print it.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// A record as it lies in the log, borrowed from the client's buffers for the length of a callback.
#[derive(Clone, Copy, Debug)]
pub struct RecordView<'a> {
    /// Offset in its partition.
    pub offset: i64,
    /// Milliseconds since the epoch; −1 where the log has none.
    pub timestamp: i64,
    /// Key bytes; `None` is a null key.
    pub key: Option<&'a [u8]>,
    /// Value bytes; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers, in order.
    pub headers: Headers<'a>,
}

/// Record headers as one flat slice, so that a record without headers costs nothing and one with
/// headers is copied in one go. Encoding, per header: `u32 key length, key, i32 value length (−1 is
/// null), value`, little endian. The empty slice is "no headers".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headers<'a>(&'a [u8]);

impl<'a> Headers<'a> {
    /// No headers.
    pub const EMPTY: Headers<'static> = Headers(&[]);

    /// Reads a slice written by [`HeadersBuf`].
    pub fn from_encoded(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The flat slice.
    pub fn as_encoded(&self) -> &'a [u8] {
        self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The headers in order; a key may repeat.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Option<&'a [u8]>)> + use<'a> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (key_len, tail) = rest.split_first_chunk::<4>()?;
            let (key, tail) = tail.split_at_checked(u32::from_le_bytes(*key_len) as usize)?;
            let (value_len, tail) = tail.split_first_chunk::<4>()?;
            let value_len = i32::from_le_bytes(*value_len);
            let (value, tail) = match usize::try_from(value_len) {
                Ok(len) => {
                    let (value, tail) = tail.split_at_checked(len)?;
                    (Some(value), tail)
                }
                Err(_) => (None, tail),
            };
            rest = tail;
            Some((std::str::from_utf8(key).unwrap_or(""), value))
        })
    }
}

/// Builder of [`Headers`].
#[derive(Clone, Debug, Default)]
pub struct HeadersBuf(Vec<u8>);

impl HeadersBuf {
    /// No headers yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts from a copy of existing headers.
    pub fn from_headers(headers: Headers<'_>) -> Self {
        Self(headers.as_encoded().to_vec())
    }

    /// Appends one header.
    pub fn push(&mut self, key: &str, value: Option<&[u8]>) {
        let key_len = u32::try_from(key.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&key_len.to_le_bytes());
        self.0.extend_from_slice(key.as_bytes());
        match value {
            Some(value) => {
                let value_len = i32::try_from(value.len()).unwrap_or(i32::MAX);
                self.0.extend_from_slice(&value_len.to_le_bytes());
                self.0.extend_from_slice(value);
            }
            None => self.0.extend_from_slice(&(-1i32).to_le_bytes()),
        }
    }

    /// Forgets all headers, keeping the memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The headers built so far.
    pub fn as_headers(&self) -> Headers<'_> {
        Headers(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_in_order_with_nulls_and_empties_apart() {
        let mut buf = HeadersBuf::new();
        buf.push("a", Some(b"1"));
        buf.push("a", None);
        buf.push("", Some(b""));
        let read: Vec<_> = buf.as_headers().iter().collect();
        assert_eq!(
            read,
            vec![("a", Some(&b"1"[..])), ("a", None), ("", Some(&b""[..]))]
        );
    }

    #[test]
    fn a_cut_slice_ends_the_headers_instead_of_panicking() {
        let mut buf = HeadersBuf::new();
        buf.push("key", Some(b"value"));
        let bytes = buf.as_headers().as_encoded();
        for cut in 0..bytes.len() {
            assert_eq!(Headers::from_encoded(&bytes[..cut]).iter().count(), 0);
        }
    }
}
