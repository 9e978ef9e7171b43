//! The text beside committed offsets: what time it is for an input and for the task's nodes, so that
//! a late record is as late after a restart or a move as before (Kafka Streams'
//! TopicPartitionMetadata and processor metadata).
//!
//! ```text
//!   v1:<partition time>[;<node>=<stream time>,<closed windows forwarded up to>]…
//! ```
//! Times are ms since the epoch, −1 is unknown; a node is the FNV-1a hash of its name, 16 hex digits.
//! The same nodes stand beside each input; the highest of each counts.

use std::fmt::Write;

use super::partition_group::UNKNOWN_TIME;
use crate::processor::NodeTimes;
use crate::topology::ProcessorNode;

/// Prefix: format version.
const PREFIX: &str = "v1:";
/// Nodes noted at most: brokers refuse a text of more than 4096 bytes
/// (`offset.metadata.max.bytes`). What further nodes know begins anew after a restart, as everything
/// does in Kafka Streams.
const NODES_MAX: usize = 60;

/// The text for an input with this partition time.
pub(super) fn encode(time: i64, nodes: &[ProcessorNode], times: &[NodeTimes]) -> String {
    let mut text = format!("{PREFIX}{time}");
    let known = nodes.iter().zip(times);
    let known = known.filter(|(_, times)| times.stream_time != UNKNOWN_TIME);
    for (node, times) in known.take(NODES_MAX) {
        let hash = name_hash(&node.name);
        let (stream_time, emitted) = (times.stream_time, times.emitted);
        // Writing to a String cannot fail.
        let _written = write!(text, ";{hash:016x}={stream_time},{emitted}");
    }
    text
}

/// The partition time in a text; unknown where something else stands there.
pub fn decode_time(metadata: &str) -> i64 {
    metadata
        .strip_prefix(PREFIX)
        .and_then(|text| text.split(';').next()?.parse().ok())
        .unwrap_or(UNKNOWN_TIME)
}

/// Raises what nodes know to what a text says.
pub(super) fn restore(metadata: &str, nodes: &[ProcessorNode], times: &mut [NodeTimes]) {
    let Some(text) = metadata.strip_prefix(PREFIX) else {
        return;
    };
    for entry in text.split(';').skip(1) {
        let Some((hash, stream_time, emitted)) = entry_of(entry) else {
            continue;
        };
        for (node, times) in nodes.iter().zip(times.iter_mut()) {
            if name_hash(&node.name) == hash {
                times.stream_time = times.stream_time.max(stream_time);
                times.emitted = times.emitted.max(emitted);
            }
        }
    }
}

fn entry_of(entry: &str) -> Option<(u64, i64, i64)> {
    let (hash, known) = entry.split_once('=')?;
    let (stream_time, emitted) = known.split_once(',')?;
    let hash = u64::from_str_radix(hash, 16).ok()?;
    Some((hash, stream_time.parse().ok()?, emitted.parse().ok()?))
}

/// FNV-1a: the same in every build and on every machine.
fn name_hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Operation;

    fn node(name: &str) -> ProcessorNode {
        ProcessorNode {
            name: name.to_owned(),
            path: String::new(),
            operation: Operation::Forward,
            sends_old: false,
            children: Vec::new(),
        }
    }

    fn at(stream_time: i64, emitted: i64) -> NodeTimes {
        NodeTimes {
            stream_time,
            emitted,
            ..NodeTimes::default()
        }
    }

    #[test]
    fn partition_time_survives_in_the_metadata_and_foreign_text_is_unknown() {
        let text = encode(1_700_000_000_123, &[], &[]);
        assert_eq!(text, "v1:1700000000123");
        assert_eq!(decode_time(&text), 1_700_000_000_123);
        assert_eq!(decode_time(""), UNKNOWN_TIME);
        assert_eq!(decode_time("AgAAAYv"), UNKNOWN_TIME);
    }

    #[test]
    fn what_nodes_know_survives_by_their_names_and_the_highest_counts() {
        let nodes = [node("counted"), node("never-reached"), node("joined")];
        let text = encode(7, &nodes, &[at(50, 40), NodeTimes::default(), at(60, -1)]);
        assert_eq!(decode_time(&text), 7);
        let others = [node("joined"), node("new"), node("counted")];
        let mut times = [at(10, 5), NodeTimes::default(), at(45, 41)];
        restore(&text, &others, &mut times);
        assert_eq!(times, [at(60, 5), NodeTimes::default(), at(50, 41)]);
        restore("v1:7;zz=1,2;0=3", &others, &mut times);
        restore("other", &others, &mut times);
        assert_eq!(times[2], at(50, 41));
    }

    #[test]
    fn a_text_stays_within_what_brokers_take() {
        let nodes: Vec<_> = (0..200).map(|number| node(&number.to_string())).collect();
        let times = vec![at(i64::MAX, i64::MAX); 200];
        assert!(encode(i64::MAX, &nodes, &times).len() <= 4096);
    }
}
