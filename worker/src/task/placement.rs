//! Whether keys are on the partitions where a join or a table looks for them.
//!
//! Equal keys meet only where both topics place keys alike: by murmur2, as Java's producers and this
//! engine do. A producer with another partitioner (librdkafka's own default, for one) makes joins
//! miss without any error. What is found is counted and told; the records are processed as they are.
//!
//! Costs a hash for each of the first records of a partition and for one in [`THEN_EACH`] after
//! them, so the count is of those that were looked at: zero or not zero is what it tells.

use millrace_kafka::{TopicPartition, partitioner};

/// So many records of a partition are all looked at.
const FIRST: u64 = 1_000;
/// After that one of so many.
const THEN_EACH: u64 = 64;

/// What was seen of one input partition's keys.
#[derive(Clone, Debug)]
pub(crate) struct Placement {
    /// Partitions of the topic.
    partitions: i32,
    seen: u64,
    misplaced: u64,
}

impl Placement {
    /// For a partition of a topic with so many partitions.
    pub(crate) fn new(partitions: i32) -> Self {
        Self {
            partitions,
            seen: 0,
            misplaced: 0,
        }
    }

    /// Keys found on a partition that is not theirs, of those looked at.
    pub(crate) fn misplaced(&self) -> u64 {
        self.misplaced
    }

    /// Looks at a record's key, if it is its turn. Records without a key have no place.
    pub(super) fn look(&mut self, key: Option<&[u8]>, offset: i64, at: &TopicPartition) {
        self.seen += 1;
        if self.seen > FIRST && !self.seen.is_multiple_of(THEN_EACH) {
            return;
        }
        let Some(key) = key else { return };
        let expected = partitioner::partition(key, self.partitions);
        if expected == at.partition {
            return;
        }
        self.misplaced += 1;
        if self.misplaced == 1 {
            tracing::warn!(
                input = %at,
                offset,
                expected,
                "a key is not on the partition that murmur2 gives it, so joins and tables may miss it: \
                 write the topic with Java's default partitioner (librdkafka: \
                 partitioner=murmur2_random), or send it through a repartition step; told once per \
                 input, see millrace_misplaced_keys_total"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_off_their_partition_are_counted_all_at_first_and_a_sample_later() {
        // partition("a", 2) is known from the key's murmur2.
        let home = partitioner::partition(b"a", 2);
        let (right, wrong) = (
            TopicPartition::new("t", home),
            TopicPartition::new("t", 1 - home),
        );
        let mut placement = Placement::new(2);
        for offset in 0..500 {
            placement.look(Some(b"a"), offset, &right);
        }
        assert_eq!(placement.misplaced(), 0);
        for offset in 500..1_000 {
            placement.look(Some(b"a"), offset, &wrong);
        }
        assert_eq!(placement.misplaced(), 500);
        for offset in 1_000..1_000 + 64 * 10 {
            placement.look(Some(b"a"), offset, &wrong);
        }
        assert_eq!(placement.misplaced(), 510);
        placement.look(None, 5_000, &wrong);
        assert_eq!(placement.misplaced(), 510, "no key, no place");
    }
}
