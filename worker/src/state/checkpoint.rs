//! What lies beside a store's data, in the same WriteBatch: how far its changelog is in it.

use millrace_kafka::TopicPartition;

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

/// First line of the inputs' positions.
const INPUTS_HEAD: &str = "v1";

/// One line per input: partition, offset, topic.
pub fn encode_inputs(inputs: &[(&TopicPartition, i64)]) -> String {
    inputs
        .iter()
        .fold(INPUTS_HEAD.to_owned(), |text, (at, offset)| {
            text + &format!("\n{} {offset} {}", at.partition, at.topic)
        })
}

/// Lines that cannot be read are left out; nothing of another version is read.
pub fn decode_inputs(bytes: &[u8]) -> Vec<(TopicPartition, i64)> {
    let mut lines = std::str::from_utf8(bytes).unwrap_or_default().lines();
    if lines.next() != Some(INPUTS_HEAD) {
        return Vec::new();
    }
    lines
        .filter_map(|line| {
            let mut parts = line.splitn(3, ' ');
            let (partition, offset) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            Some((TopicPartition::new(parts.next()?, partition), offset))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_of_inputs_read_back_and_those_of_another_version_do_not() {
        let (a, b) = (TopicPartition::new("a", 0), TopicPartition::new("b-1", 7));
        let text = encode_inputs(&[(&a, 5), (&b, 0)]);
        assert_eq!(decode_inputs(text.as_bytes()), [(a, 5), (b, 0)]);
        assert!(decode_inputs(text.replacen("v1", "v2", 1).as_bytes()).is_empty());
        assert!(decode_inputs(encode_inputs(&[]).as_bytes()).is_empty());
    }

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
