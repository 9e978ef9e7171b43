//! The state and its journal: replay at the start, rewriting when most of it is dead.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use millrace_kafka::{CommittedOffset, TopicPartition};

use super::State;
use crate::change::{Change, GroupOffset};
use crate::cluster::EmbeddedOptions;
use crate::group::Group;
use crate::journal::{Journal, OpenError};
use crate::partition::Visibility;
use crate::topic::Topic;

/// A journal smaller than this is not worth rewriting.
const MIN_REWRITE_BYTES: u64 = 64 << 20;

impl State {
    /// Opens the journal of a directory and builds the state it tells of. Transactions that were
    /// open when the process ended are aborted: their producers are gone.
    pub(crate) fn replay(
        dir: &Path,
        options: EmbeddedOptions,
        now_ms: i64,
    ) -> Result<Self, OpenError> {
        let mut state = Self::new(options);
        let sync_interval = state.options.sync_interval;
        let journal = Journal::open(dir, sync_interval, |change| state.apply(change, now_ms))?;
        state.journal = Some(journal);
        state.abort_unended_transactions(now_ms);
        let live_bytes = state.memory_bytes as u64;
        if let Some(journal) = &mut state.journal
            && journal.is_mostly_dead(live_bytes, 0)
        {
            let changes = snapshot(&state.topics, &state.groups);
            journal.rewrite(changes, now_ms)?;
        }
        Ok(state)
    }

    fn abort_unended_transactions(&mut self, now_ms: i64) {
        let mut unended: BTreeMap<u64, Vec<TopicPartition>> = BTreeMap::new();
        for (name, topic) in &self.topics {
            for (partition, log) in (0..).zip(&topic.partitions) {
                for transaction in log.open_transactions() {
                    let partition = TopicPartition::new(Arc::clone(name), partition);
                    unended.entry(transaction).or_default().push(partition);
                }
            }
        }
        for (transaction, partitions) in unended {
            self.abort_writes(transaction, &partitions, now_ms);
        }
    }

    /// Rewrites the journal while running once it has grown far beyond what is alive.
    pub(super) fn rewrite_journal_when_mostly_dead(&mut self, now_ms: i64) {
        let live_bytes = self.memory_bytes as u64;
        if let Some(journal) = &mut self.journal
            && journal.is_mostly_dead(live_bytes, MIN_REWRITE_BYTES)
        {
            let changes = snapshot(&self.topics, &self.groups);
            if let Err(error) = journal.rewrite(changes, now_ms) {
                tracing::warn!(%error, "could not rewrite the journal, going on with the long one");
            }
        }
    }
}

/// The changes that build what is alive from nothing.
fn snapshot<'a>(
    topics: &'a BTreeMap<Arc<str>, Topic>,
    groups: &'a BTreeMap<Arc<str>, Group>,
) -> impl Iterator<Item = Change> + 'a {
    topics
        .iter()
        .flat_map(|(name, topic)| topic_changes(name, topic))
        .chain(groups.iter().map(|(name, group)| Change::CommitOffsets {
            offsets: group_offsets(name, group),
        }))
}

/// A topic from nothing: its creation, then per partition its batches (aborted ones are dead) and its
/// bounds, for the offsets that markers and deleted records have taken.
fn topic_changes<'a>(name: &'a Arc<str>, topic: &'a Topic) -> impl Iterator<Item = Change> + 'a {
    let create = Change::CreateTopic {
        name: Arc::clone(name),
        id: topic.id.clone(),
        partitions: topic.partition_count(),
        configs: topic.configs.clone(),
    };
    let partitions = (0..).zip(&topic.partitions).flat_map(|(number, log)| {
        let partition = TopicPartition::new(Arc::clone(name), number);
        let of_batches = partition.clone();
        let batches = log.entries().filter_map(move |entry| {
            let transaction = match entry.visibility {
                Visibility::Open(transaction) => Some(transaction),
                Visibility::Committed => None,
                Visibility::Aborted => return None,
            };
            let (partition, batch) = (of_batches.clone(), Arc::clone(&entry.batch));
            Some(Change::Append {
                partition,
                transaction,
                batch,
            })
        });
        batches.chain([Change::Bounds {
            partition,
            start: log.start(),
            end: log.end(),
        }])
    });
    std::iter::once(create).chain(partitions)
}

fn group_offsets(name: &Arc<str>, group: &Group) -> Vec<GroupOffset> {
    let of_group = |(partition, committed): (&TopicPartition, &CommittedOffset)| GroupOffset {
        group: Arc::clone(name),
        partition: partition.clone(),
        committed: committed.clone(),
    };
    group.offsets.iter().map(of_group).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs::File;

    use millrace_kafka::{ErrorKind, Headers};

    use super::*;
    use crate::batch::BatchBuilder;
    use crate::partition::Isolation;
    use crate::state::ProducerEpoch;

    fn one() -> TopicPartition {
        TopicPartition::new("t", 0)
    }

    fn append(
        state: &mut State,
        producer: Option<&ProducerEpoch>,
        value: &[u8],
    ) -> millrace_kafka::Result<()> {
        let mut builder = BatchBuilder::default();
        builder.push(0, Some(b"k"), Some(value), Headers::EMPTY);
        let result = state.append(&one(), producer, &mut builder, 0).map(drop);
        assert_eq!(
            builder.is_empty(),
            result.is_ok(),
            "a refused batch is kept"
        );
        result
    }

    fn values(state: &State) -> Vec<String> {
        let mut chunks = Vec::new();
        let log = state.partition(&one(), "read").unwrap();
        log.read(0, Isolation::ReadCommitted, 100, &mut chunks);
        let all = chunks.iter().flat_map(|chunk| {
            (chunk.from..chunk.to).map(|index| chunk.batch.record(index).value.unwrap())
        });
        all.map(|value| String::from_utf8(value.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn a_full_disk_refuses_changes_and_loses_nothing_that_was_acknowledged() {
        let dir = tempfile::tempdir().unwrap();
        let open = || State::replay(dir.path(), EmbeddedOptions::default(), 0).unwrap();
        let mut state = open();
        state.create_topic("t", 1, BTreeMap::new(), 0).unwrap();
        append(&mut state, None, b"before").unwrap();
        let producer = state.init_producer(&Arc::from("p"), 0).unwrap();
        append(&mut state, Some(&producer), b"never").unwrap();

        let full = File::options().write(true).open("/dev/full").unwrap();
        let disk = state.journal.as_mut().unwrap().swap_file(full);
        let error = append(&mut state, None, b"refused").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
        let named = error.to_string();
        assert!(named.contains("free some space"), "{named}");
        assert!(named.contains(&dir.path().display().to_string()), "{named}");
        assert!(state.end_transaction(&producer, true, 0).is_err());
        assert!(state.create_topic("u", 1, BTreeMap::new(), 0).is_err());
        state.end_transaction(&producer, false, 0).unwrap();
        assert_eq!(values(&state), ["before"]);

        state.journal.as_mut().unwrap().swap_file(disk);
        append(&mut state, None, b"after").unwrap();
        append(&mut state, Some(&producer), b"committed").unwrap();
        state.end_transaction(&producer, true, 0).unwrap();
        let expected = ["before", "after", "committed"];
        assert_eq!(values(&state), expected);
        drop(state);
        // On replay the transaction whose abort the journal had no room for is aborted as well.
        assert_eq!(values(&open()), expected);
        assert_eq!(values(&open()), expected);
    }
}
