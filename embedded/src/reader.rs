//! Reading assigned partitions: a position per partition, records handed out without the lock.

use std::sync::Arc;
use std::time::Duration;

use millrace_kafka::{
    Error, ErrorKind, PartitionAssignment, RecordSource, Result, SourceEvent, StartOffset,
    TopicPartition,
};

use crate::cluster::Shared;
use crate::partition::{Chunk, Isolation};
use crate::state::State;

/// A reader of assigned partitions, under read_committed.
pub(crate) struct EmbeddedReader {
    shared: Arc<Shared>,
    assigned: Vec<Assigned>,
    /// Where the next poll begins, so that no partition starves the others.
    next: usize,
    /// What the present poll has found; empty between polls.
    found: Vec<Found>,
    chunks: Vec<Chunk>,
}

struct Assigned {
    partition: TopicPartition,
    topic_id: Arc<str>,
    slot: u32,
    /// The next offset to deliver. Steps over a trailing marker once the end was reported.
    position: i64,
    paused: bool,
    /// The end was reported at this position.
    reported_end: Option<i64>,
}

enum Found {
    Records { slot: u32, chunk: Chunk },
    End { slot: u32, offset: i64 },
}

impl EmbeddedReader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let (assigned, found, chunks) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            shared,
            assigned,
            next: 0,
            found,
            chunks,
        }
    }

    /// Polls; `before` is asked first each time the state is looked at, and ends the poll with no
    /// events where it answers true.
    pub(crate) fn poll_with(
        &mut self,
        timeout: Duration,
        max: usize,
        on_event: &mut dyn FnMut(SourceEvent<'_>),
        mut before: impl FnMut(&mut State) -> Result<bool>,
    ) -> Result<usize> {
        let shared = Arc::clone(&self.shared);
        self.found.clear();
        let count = shared.wait_for(timeout, |state| {
            if before(state)? {
                return Ok(Some(0));
            }
            let count = self.collect(state, max)?;
            Ok((count > 0).then_some(count))
        })?;
        for found in self.found.drain(..) {
            match found {
                Found::Records { slot, chunk } => {
                    for index in chunk.from..chunk.to {
                        let record = chunk.batch.record(index);
                        on_event(SourceEvent::Record { slot, record });
                    }
                }
                Found::End { slot, offset } => on_event(SourceEvent::End { slot, offset }),
            }
        }
        Ok(count.unwrap_or(0))
    }

    /// Takes up to `max` events from the state, in turn from each partition.
    fn collect(&mut self, state: &State, max: usize) -> Result<usize> {
        let partitions = self.assigned.len();
        if partitions == 0 || max == 0 {
            return Ok(0);
        }
        for assigned in &self.assigned {
            assigned.check(state)?;
        }
        let active = self
            .assigned
            .iter()
            .filter(|assigned| !assigned.paused)
            .count();
        let share = max.div_ceil(active.max(1));
        let mut count = 0;
        for turn in 0..partitions {
            let index = (self.next + turn) % partitions;
            let share = share.min(max - count);
            let assigned = &mut self.assigned[index];
            if share > 0 && !assigned.paused {
                count += assigned.collect(state, share, &mut self.chunks, &mut self.found)?;
            }
        }
        self.next = (self.next + 1) % partitions;
        Ok(count)
    }

    fn find(&mut self, partition: &TopicPartition, operation: &str) -> Result<&mut Assigned> {
        let found = self
            .assigned
            .iter_mut()
            .find(|assigned| assigned.partition == *partition);
        found.ok_or_else(|| misuse(operation, "it is not assigned", partition))
    }
}

impl RecordSource for EmbeddedReader {
    fn assign(&mut self, partitions: &[PartitionAssignment]) -> Result<()> {
        let state = self.shared.lock();
        let mut added: Vec<Assigned> = Vec::with_capacity(partitions.len());
        for PartitionAssignment {
            partition,
            start,
            slot,
        } in partitions
        {
            let mut present = self.assigned.iter().chain(&added);
            if present.any(|assigned| assigned.partition == *partition) {
                return Err(misuse(
                    "assign a partition",
                    "it is assigned already",
                    partition,
                ));
            }
            let log = state.partition(partition, "assign a partition")?;
            let position = match *start {
                StartOffset::Earliest => log.start(),
                StartOffset::Latest => log.end(),
                StartOffset::At(offset) => offset,
            };
            added.push(Assigned {
                partition: partition.clone(),
                topic_id: Arc::from(topic_id(&state, partition)),
                slot: *slot,
                position,
                paused: false,
                reported_end: None,
            });
        }
        drop(state);
        self.assigned.append(&mut added);
        Ok(())
    }

    fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.assigned
            .retain(|assigned| !partitions.contains(&assigned.partition));
        self.next = 0;
        Ok(())
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        for partition in partitions {
            self.find(partition, "pause a partition")?.paused = true;
        }
        Ok(())
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        for partition in partitions {
            self.find(partition, "resume a partition")?.paused = false;
        }
        Ok(())
    }

    fn poll(
        &mut self,
        timeout: Duration,
        max: usize,
        on_event: &mut dyn FnMut(SourceEvent<'_>),
    ) -> Result<usize> {
        self.poll_with(timeout, max, on_event, |_| Ok(false))
    }
}

impl Assigned {
    /// Whether the partition is still there and still has the position. The same error comes with
    /// every poll until the partition is unassigned.
    fn check(&self, state: &State) -> Result<()> {
        let log = state.partition(&self.partition, "fetch")?;
        if topic_id(state, &self.partition) != &*self.topic_id {
            let message = "the topic was deleted and created again since it was assigned";
            let error = Error::new(ErrorKind::UnknownTopic, "fetch", message);
            return Err(error.on(self.partition.clone()));
        }
        if !(log.start()..=log.end()).contains(&self.position) {
            let message = format!(
                "offset {} is not in the log, which has offsets {} to {}: the records were deleted, \
                 or the topic is another one",
                self.position,
                log.start(),
                log.end()
            );
            let error = Error::new(ErrorKind::OffsetOutOfRange, "fetch", message);
            return Err(error.on(self.partition.clone()));
        }
        Ok(())
    }

    fn collect(
        &mut self,
        state: &State,
        max: usize,
        chunks: &mut Vec<Chunk>,
        found: &mut Vec<Found>,
    ) -> Result<usize> {
        let log = state.partition(&self.partition, "fetch")?;
        let (mut count, position) = log.read(self.position, Isolation::ReadCommitted, max, chunks);
        let slot = self.slot;
        found.extend(chunks.drain(..).map(|chunk| Found::Records { slot, chunk }));
        self.position = position;
        let is_end = position >= log.limit(Isolation::ReadCommitted);
        if is_end && count < max && self.reported_end != Some(position) {
            found.push(Found::End {
                slot,
                offset: position,
            });
            self.reported_end = Some(position);
            count += 1;
        }
        Ok(count)
    }
}

fn topic_id<'a>(state: &'a State, partition: &TopicPartition) -> &'a str {
    state
        .topics()
        .get(&partition.topic)
        .map_or("", |topic| topic.id.as_str())
}

fn misuse(operation: &str, message: &str, partition: &TopicPartition) -> Error {
    Error::new(ErrorKind::Fatal, operation, message).on(partition.clone())
}
