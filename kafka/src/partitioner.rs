//! The partition of a key, exactly as Java's clients choose it, so that topics written by Kafka
//! Streams or any Java producer and by us line up.

/// murmur2 with the seed of `org.apache.kafka.common.utils.Utils.murmur2`.
pub fn murmur2(data: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    // Java's arrays are at most i32::MAX long; the length is mixed in as an int.
    let mut hash = SEED ^ (data.len() as u32);
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        for (at, &byte) in tail.iter().enumerate() {
            hash ^= u32::from(byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^= hash >> 15;
    hash.cast_signed()
}

/// The partition of a key among `partitions`, as Java's default partitioner: `toPositive(murmur2(key))
/// % partitions`. Zero where there are no partitions.
pub fn partition(key: &[u8], partitions: i32) -> i32 {
    (murmur2(key) & i32::MAX)
        .checked_rem(partitions)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From Kafka's own UtilsTest.testMurmur2.
    #[test]
    fn hashes_equal_the_vectors_of_the_java_client() {
        let vectors: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            (
                "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            ("abc", 479_470_107),
        ];
        for (key, hash) in vectors {
            assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
        }
    }

    #[test]
    fn partitions_are_in_range_for_every_tail_length() {
        for len in 0..9 {
            let key = vec![0xff; len];
            assert!((0..7).contains(&partition(&key, 7)));
        }
        assert_eq!(partition(b"key", 0), 0);
    }

    /// Hash, and partition of 3 and of 7, as kafka-clients 4.3.0 computes them (`Utils.murmur2`,
    /// `BuiltInPartitioner.partitionForKey`).
    #[test]
    fn hashes_and_partitions_equal_those_of_the_java_producer() {
        let vectors: [(&[u8], i32, i32, i32); 11] = [
            (b"", 275_646_681, 0, 2),
            (b"0", 971_027_396, 2, 3),
            (b"21", -973_932_308, 0, 3),
            (b"abc", 479_470_107, 0, 4),
            (b"loan", 1_539_408_563, 2, 0),
            (b"001-00101", -1_647_508_291, 1, 0),
            (b"001-00102", -1_685_974_405, 1, 6),
            (b"foobar", -790_332_482, 0, 0),
            ("한글".as_bytes(), -1_593_753_763, 1, 2),
            (b"a-little-bit-longer-string", -1_486_304_829, 2, 0),
            (&[0xff, 0x80, 0x7f], 968_261_134, 1, 1),
        ];
        for (key, hash, of_three, of_seven) in vectors {
            assert_eq!(murmur2(key), hash, "{key:?}");
            assert_eq!(partition(key, 3), of_three, "{key:?}");
            assert_eq!(partition(key, 7), of_seven, "{key:?}");
        }
    }
}
