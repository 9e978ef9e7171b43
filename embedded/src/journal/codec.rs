//! Changes as bytes: fixed-width little endian numbers; strings and byte strings after their length.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_kafka::{CommittedOffset, TopicPartition};

use crate::batch::{Batch, RecordMeta};
use crate::change::{Change, GroupOffset};

/// Length and checksum before each entry.
pub(super) const ENTRY_HEADER_BYTES: usize = 8;

/// The write buffer is given back when an entry made it larger than this.
const BUFFER_BYTES_KEPT: usize = 1 << 20;

const CREATE_TOPIC: u8 = 1;
const DELETE_TOPIC: u8 = 2;
const ADD_PARTITIONS: u8 = 3;
const APPEND: u8 = 4;
const END_TRANSACTION: u8 = 5;
const COMMIT_OFFSETS: u8 = 6;
const BOUNDS: u8 = 7;
const DELETE_GROUP: u8 = 8;

/// Why bytes with a correct checksum are no change: written by another version, or by nobody.
pub(super) const UNREADABLE: &str = "an entry cannot be read";

/// Replaces the buffer's content with an entry: header and change.
pub(super) fn encode_entry(change: &Change, buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.extend_from_slice(&[0; ENTRY_HEADER_BYTES]);
    encode(change, buffer);
    let payload = &buffer[ENTRY_HEADER_BYTES..];
    let (len, crc) = (payload.len() as u32, crc32c::crc32c(payload));
    buffer[..4].copy_from_slice(&len.to_le_bytes());
    buffer[4..8].copy_from_slice(&crc.to_le_bytes());
}

/// Keeps one large entry from holding its memory for ever.
pub(super) fn shrink_after_large_entry(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.shrink_to(BUFFER_BYTES_KEPT);
}

/// Length and checksum of the entry that follows.
pub(super) fn decode_entry_header(header: [u8; ENTRY_HEADER_BYTES]) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = header;
    (
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    )
}

/// The change behind an entry's header, or what is wrong with it.
pub(super) fn decode_payload(payload: &[u8], crc: u32) -> Result<Change, &'static str> {
    if payload.is_empty() || crc32c::crc32c(payload) != crc {
        return Err("an entry's checksum is wrong");
    }
    let mut input = Input(payload);
    match decode(&mut input) {
        Some(change) if input.0.is_empty() => Ok(change),
        _ => Err(UNREADABLE),
    }
}

fn encode(change: &Change, out: &mut Vec<u8>) {
    match change {
        Change::CreateTopic {
            name,
            id,
            partitions,
            configs,
        } => {
            out.push(CREATE_TOPIC);
            put_str(out, name);
            put_str(out, id);
            out.extend_from_slice(&partitions.to_le_bytes());
            put_len(out, configs.len());
            for (name, value) in configs {
                put_str(out, name);
                put_str(out, value);
            }
        }
        Change::DeleteTopic { name } => {
            out.push(DELETE_TOPIC);
            put_str(out, name);
        }
        Change::AddPartitions { name, partitions } => {
            out.push(ADD_PARTITIONS);
            put_str(out, name);
            out.extend_from_slice(&partitions.to_le_bytes());
        }
        Change::Append {
            partition,
            transaction,
            batch,
        } => {
            out.push(APPEND);
            put_partition(out, partition);
            // Transactions are counted from 1.
            out.extend_from_slice(&transaction.unwrap_or(0).to_le_bytes());
            put_batch(out, batch);
        }
        Change::EndTransaction {
            transaction,
            commit,
            markers,
            offsets,
        } => {
            out.push(END_TRANSACTION);
            out.extend_from_slice(&transaction.to_le_bytes());
            out.push(u8::from(*commit));
            put_len(out, markers.len());
            for (partition, offset) in markers {
                put_partition(out, partition);
                out.extend_from_slice(&offset.to_le_bytes());
            }
            put_offsets(out, offsets);
        }
        Change::CommitOffsets { offsets } => {
            out.push(COMMIT_OFFSETS);
            put_offsets(out, offsets);
        }
        Change::Bounds {
            partition,
            start,
            end,
        } => {
            out.push(BOUNDS);
            put_partition(out, partition);
            out.extend_from_slice(&start.to_le_bytes());
            out.extend_from_slice(&end.to_le_bytes());
        }
        Change::DeleteGroup { group } => {
            out.push(DELETE_GROUP);
            put_str(out, group);
        }
    }
}

fn decode(input: &mut Input<'_>) -> Option<Change> {
    Some(match input.u8()? {
        CREATE_TOPIC => {
            let (name, id) = (input.shared_str()?, input.str()?.to_owned());
            let (partitions, count) = (input.i32()?, input.len()?);
            let mut configs = BTreeMap::new();
            for _ in 0..count {
                configs.insert(input.str()?.to_owned(), input.str()?.to_owned());
            }
            Change::CreateTopic {
                name,
                id,
                partitions,
                configs,
            }
        }
        DELETE_TOPIC => Change::DeleteTopic {
            name: input.shared_str()?,
        },
        ADD_PARTITIONS => Change::AddPartitions {
            name: input.shared_str()?,
            partitions: input.i32()?,
        },
        APPEND => {
            let (partition, transaction) = (input.partition()?, input.u64()?);
            let transaction = (transaction != 0).then_some(transaction);
            Change::Append {
                partition,
                transaction,
                batch: Arc::new(input.batch()?),
            }
        }
        END_TRANSACTION => {
            let (transaction, commit) = (input.u64()?, input.u8()? != 0);
            let count = input.len()?;
            let mut markers = Vec::new();
            for _ in 0..count {
                markers.push((input.partition()?, input.i64()?));
            }
            Change::EndTransaction {
                transaction,
                commit,
                markers,
                offsets: input.offsets()?,
            }
        }
        COMMIT_OFFSETS => Change::CommitOffsets {
            offsets: input.offsets()?,
        },
        BOUNDS => Change::Bounds {
            partition: input.partition()?,
            start: input.i64()?,
            end: input.i64()?,
        },
        DELETE_GROUP => Change::DeleteGroup {
            group: input.shared_str()?,
        },
        _ => return None,
    })
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&(len as u32).to_le_bytes());
}

fn put_str(out: &mut Vec<u8>, text: &str) {
    put_len(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn put_partition(out: &mut Vec<u8>, partition: &TopicPartition) {
    put_str(out, &partition.topic);
    out.extend_from_slice(&partition.partition.to_le_bytes());
}

fn put_offsets(out: &mut Vec<u8>, offsets: &[GroupOffset]) {
    put_len(out, offsets.len());
    for GroupOffset {
        group,
        partition,
        committed,
    } in offsets
    {
        put_str(out, group);
        put_partition(out, partition);
        out.extend_from_slice(&committed.offset.to_le_bytes());
        put_str(out, &committed.metadata);
    }
}

fn put_batch(out: &mut Vec<u8>, batch: &Batch) {
    out.extend_from_slice(&batch.base().to_le_bytes());
    put_len(out, batch.len());
    for meta in batch.metas() {
        out.extend_from_slice(&meta.timestamp.to_le_bytes());
        out.extend_from_slice(&meta.delta.to_le_bytes());
        out.extend_from_slice(&meta.position.to_le_bytes());
        out.extend_from_slice(&meta.key_len.to_le_bytes());
        out.extend_from_slice(&meta.value_len.to_le_bytes());
        out.extend_from_slice(&meta.headers_len.to_le_bytes());
    }
    put_len(out, batch.bytes().len());
    out.extend_from_slice(batch.bytes());
}

/// What is left to read; every read is `None` when too little is.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn len(&mut self) -> Option<usize> {
        self.u32().map(|len| len as usize)
    }

    fn str(&mut self) -> Option<&'a str> {
        let len = self.len()?;
        std::str::from_utf8(self.bytes(len)?).ok()
    }

    fn shared_str(&mut self) -> Option<Arc<str>> {
        self.str().map(Arc::from)
    }

    fn partition(&mut self) -> Option<TopicPartition> {
        Some(TopicPartition::new(self.shared_str()?, self.i32()?))
    }

    fn offsets(&mut self) -> Option<Vec<GroupOffset>> {
        let count = self.len()?;
        let mut offsets = Vec::new();
        for _ in 0..count {
            let (group, partition) = (self.shared_str()?, self.partition()?);
            let committed = CommittedOffset {
                offset: self.i64()?,
                metadata: self.str()?.to_owned(),
            };
            offsets.push(GroupOffset {
                group,
                partition,
                committed,
            });
        }
        Some(offsets)
    }

    fn batch(&mut self) -> Option<Batch> {
        let (base, count) = (self.i64()?, self.len()?);
        let mut metas = Vec::new();
        for _ in 0..count {
            metas.push(RecordMeta {
                timestamp: self.i64()?,
                delta: self.u32()?,
                position: self.u32()?,
                key_len: self.i32()?,
                value_len: self.i32()?,
                headers_len: self.u32()?,
            });
        }
        let len = self.len()?;
        Batch::from_parts(base, metas, self.bytes(len)?.to_vec())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::batch::BatchBuilder;
    use millrace_kafka::Headers;

    fn offset(group: &str, offset: i64) -> GroupOffset {
        let committed = CommittedOffset {
            offset,
            metadata: "m".into(),
        };
        GroupOffset {
            group: group.into(),
            partition: TopicPartition::new("t", 1),
            committed,
        }
    }

    fn changes() -> Vec<Change> {
        let (name, partition): (Arc<str>, _) = ("t".into(), TopicPartition::new("t", 1));
        let configs = BTreeMap::from([("cleanup.policy".into(), "compact".into())]);
        let mut builder = BatchBuilder::default();
        builder.push(-1, None, Some(b""), Headers::EMPTY);
        builder.push_at(
            7,
            i64::MAX,
            Some(b"key"),
            None,
            Headers::from_encoded(b"headers"),
        );
        let batch = Arc::new(builder.build(i64::from(u32::MAX)).unwrap());
        let markers = vec![(partition.clone(), 9)];
        let offsets = vec![offset("g", 1), offset("h", i64::MAX)];
        let append = |transaction| Change::Append {
            partition: partition.clone(),
            transaction,
            batch: Arc::clone(&batch),
        };
        vec![
            Change::CreateTopic {
                name: name.clone(),
                id: "id".into(),
                partitions: 3,
                configs,
            },
            Change::AddPartitions {
                name: name.clone(),
                partitions: 5,
            },
            Change::DeleteTopic { name: name.clone() },
            append(None),
            append(Some(1)),
            Change::EndTransaction {
                transaction: 1,
                commit: true,
                markers,
                offsets: offsets.clone(),
            },
            Change::CommitOffsets { offsets },
            Change::Bounds {
                partition: partition.clone(),
                start: 1,
                end: 2,
            },
            Change::DeleteGroup { group: name },
        ]
    }

    /// Reads an entry as replay does.
    fn decode_entry(entry: &[u8]) -> Result<Change, &'static str> {
        let (header, payload) = entry.split_first_chunk().unwrap();
        let (len, crc) = decode_entry_header(*header);
        assert_eq!(len as usize, payload.len());
        decode_payload(payload, crc)
    }

    #[test]
    fn every_change_comes_back_as_it_was_and_no_flipped_bit_goes_unnoticed() {
        let mut entry = Vec::new();
        for change in changes() {
            encode_entry(&change, &mut entry);
            assert_eq!(decode_entry(&entry), Ok(change));
            for bit in ENTRY_HEADER_BYTES * 8..entry.len() * 8 {
                entry[bit / 8] ^= 1 << (bit % 8);
                assert!(decode_entry(&entry).is_err(), "bit {bit}");
                entry[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }

    proptest! {
        #[test]
        fn bytes_that_nobody_wrote_are_refused_without_a_panic(
            kind in 0u8..12,
            tail in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let payload: Vec<u8> = std::iter::once(kind).chain(tail).collect();
            let _ = decode_payload(&payload, crc32c::crc32c(&payload));
        }

        #[test]
        fn a_change_with_a_byte_replaced_is_refused_or_another_change_but_never_a_panic(
            which in 0usize..9,
            place in any::<proptest::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut entry = Vec::new();
            encode_entry(&changes()[which], &mut entry);
            let mut payload = entry.split_off(ENTRY_HEADER_BYTES);
            let place = place.index(payload.len());
            payload[place] = byte;
            if let Ok(Change::Append { batch, .. }) =
                decode_payload(&payload, crc32c::crc32c(&payload))
            {
                for index in 0..batch.len() {
                    let record = batch.record(index);
                    prop_assert!(record.headers.iter().count() <= payload.len());
                }
                prop_assert!(batch.last_offset() < i64::MAX);
            }
        }
    }
}
