//! What lies beside a store's data, in the same WriteBatch: how far its changelog is in it.

use super::Observed;

/// Version of the on-disk format: of this record, of row encoding, of column families.
pub const FORMAT_VERSION: u8 = 2;

/// A store's place in its changelog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The next changelog offset to restore; everything before it is in the store.
    pub offset: i64,
    /// Wall-clock time of the commit, ms since the epoch: an old store must be rebuilt, because
    /// tombstones may be gone from the changelog (KIP-1259).
    pub committed_at_ms: i64,
    /// What the rows have seen.
    pub observed: Observed,
    /// Id of the changelog topic: another id is another topic under the same name.
    pub topic_id: String,
}

impl Checkpoint {
    /// `version u8 ‖ offset i64 ‖ committed_at_ms i64 ‖ observed time i64 ‖ observed sequence u32 ‖
    /// topic id`, big endian.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(29 + self.topic_id.len());
        bytes.push(FORMAT_VERSION);
        bytes.extend_from_slice(&self.offset.to_be_bytes());
        bytes.extend_from_slice(&self.committed_at_ms.to_be_bytes());
        bytes.extend_from_slice(&self.observed.time.to_be_bytes());
        bytes.extend_from_slice(&self.observed.sequence.to_be_bytes());
        bytes.extend_from_slice(self.topic_id.as_bytes());
        bytes
    }

    /// `None`: another format version, or not a checkpoint.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (&version, rest) = bytes.split_first()?;
        if version != FORMAT_VERSION {
            return None;
        }
        let (offset, rest) = rest.split_first_chunk::<8>()?;
        let (committed_at_ms, rest) = rest.split_first_chunk::<8>()?;
        let (time, rest) = rest.split_first_chunk::<8>()?;
        let (sequence, topic_id) = rest.split_first_chunk::<4>()?;
        Some(Self {
            offset: i64::from_be_bytes(*offset),
            committed_at_ms: i64::from_be_bytes(*committed_at_ms),
            observed: Observed {
                time: i64::from_be_bytes(*time),
                sequence: u32::from_be_bytes(*sequence),
            },
            topic_id: String::from_utf8(topic_id.to_vec()).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_reads_back_and_another_version_does_not() {
        let checkpoint = Checkpoint {
            offset: 7,
            committed_at_ms: 1_700_000_000_000,
            observed: Observed {
                time: 5,
                sequence: 6,
            },
            topic_id: "abc".into(),
        };
        let mut bytes = checkpoint.encode();
        assert_eq!(Checkpoint::decode(&bytes), Some(checkpoint));
        for cut in 0..29 {
            assert_eq!(Checkpoint::decode(&bytes[..cut]), None);
        }
        bytes[0] = FORMAT_VERSION + 1;
        assert_eq!(Checkpoint::decode(&bytes), None);
    }
}
