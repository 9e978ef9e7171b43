//! The co-partitioned inputs of one task: which record is processed next.
//!
//! Picks the head with the lowest timestamp (a table's before a stream's where equal, so that a join
//! sees the row of its own moment). An empty input holds the others back until it is known to be
//! caught up, and `max.task.idle.ms` longer (KIP-695).
//!
//! Invariants: stream time never falls; offsets of an input only rise.

use std::sync::Arc;

use millrace_expr::Bump;
use millrace_kafka::{RecordView, TopicPartition};

use super::record_queue::RecordQueue;
use crate::processor::TimestampExtractor;

/// Time of a partition or a task before its first record.
pub const UNKNOWN_TIME: i64 = -1;

/// Bytes of one input that are buffered at most before fetching stops, beside the record bound.
const BUFFERED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// One input partition of a task.
pub struct Input {
    /// What is read.
    pub partition: TopicPartition,
    /// Whether a table is built from it.
    table: bool,
    /// Event time by expression, where the source declares one.
    extractor: Option<Arc<TimestampExtractor>>,
    queue: RecordQueue,
    /// Event time of the head, for the choice.
    head_time: i64,
    /// Offset after the last processed record.
    consumed: i64,
    /// Set by an End event, cleared by a record: the end is where the next record may come.
    end: Option<i64>,
    /// Highest event time processed.
    time: i64,
    /// Since when it has been empty and caught up while another input had records.
    idle_since_ms: Option<i64>,
    /// Whether fetching is stopped.
    pub paused: bool,
}

impl Input {
    /// An input that continues at `position`, with the time it had when that was committed.
    pub fn new(
        partition: TopicPartition,
        table: bool,
        extractor: Option<Arc<TimestampExtractor>>,
        position: i64,
        time: i64,
    ) -> Self {
        let queue = RecordQueue::default();
        Self {
            partition,
            table,
            extractor,
            queue,
            head_time: UNKNOWN_TIME,
            consumed: position,
            end: None,
            time,
            idle_since_ms: None,
            paused: false,
        }
    }

    /// The offset to commit: where reading goes on after a restart. Steps over trailing transaction
    /// markers once the end is known, so that an idle input has no lag.
    pub fn position(&self) -> i64 {
        match self.end {
            Some(end) if self.queue.is_empty() => end.max(self.consumed),
            _ => self.consumed,
        }
    }

    /// Highest event time processed, [`UNKNOWN_TIME`] before the first record.
    pub fn time(&self) -> i64 {
        self.time
    }

    /// Whether everything readable has been processed.
    pub fn caught_up(&self) -> bool {
        self.queue.is_empty() && self.end.is_some()
    }

    /// Records fetched and not processed.
    pub fn buffered(&self) -> usize {
        self.queue.len()
    }

    fn refresh_head_time(&mut self, arena: &mut Bump) {
        let Some(extractor) = &self.extractor else {
            self.head_time = self.queue.place().map_or(UNKNOWN_TIME, |(_, time)| time);
            return;
        };
        // A failing extractor is reported when the record is processed; until then the record has
        // its own timestamp.
        self.head_time = self.queue.head().map_or(UNKNOWN_TIME, |head| {
            let extracted = extractor.extract(&self.partition.topic, &head, arena);
            extracted.unwrap_or(head.timestamp)
        });
        arena.reset();
    }
}

/// All inputs of one task.
pub struct PartitionGroup {
    inputs: Vec<Input>,
    /// `max.task.idle.ms`: −1 never waits.
    max_idle_ms: i64,
    buffered_records_max: usize,
    stream_time: i64,
    arena: Bump,
}

impl PartitionGroup {
    /// `buffered_records_max`: records per input before fetching stops.
    pub fn new(inputs: Vec<Input>, max_idle_ms: i64, buffered_records_max: usize) -> Self {
        let stream_time = inputs
            .iter()
            .map(|input| input.time)
            .max()
            .unwrap_or(UNKNOWN_TIME);
        Self {
            inputs,
            max_idle_ms,
            buffered_records_max,
            stream_time,
            arena: Bump::new(),
        }
    }

    /// The inputs, in the order of the source nodes.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// The inputs, for pausing.
    pub fn inputs_mut(&mut self) -> &mut [Input] {
        &mut self.inputs
    }

    /// Highest event time processed over all inputs.
    pub fn stream_time(&self) -> i64 {
        self.stream_time
    }

    /// Takes a fetched record over. A record before the position (a client's leftover of an earlier
    /// assignment) is dropped.
    pub fn push(&mut self, input: usize, record: &RecordView<'_>) {
        let input = &mut self.inputs[input];
        if record.offset < input.consumed {
            return;
        }
        let was_empty = input.queue.is_empty();
        if let Some(end) = input.end.take()
            && was_empty
        {
            // Markers that were stepped over stay behind: the position never goes back.
            input.consumed = input.consumed.max(end);
        }
        input.queue.push(record);
        input.idle_since_ms = None;
        if was_empty {
            input.refresh_head_time(&mut self.arena);
        }
    }

    /// Notes that everything readable of an input has been fetched.
    pub fn end(&mut self, input: usize, offset: i64) {
        self.inputs[input].end = Some(offset);
    }

    /// Whether an input has as much buffered as it may.
    pub fn is_full(&self, input: usize) -> bool {
        let queue = &self.inputs[input].queue;
        queue.len() >= self.buffered_records_max || queue.live_bytes() >= BUFFERED_BYTES_MAX
    }

    /// Whether an input whose fetching was stopped has room again: at half, because stopping and
    /// going on makes the client fetch again what it already had.
    pub fn is_half_empty(&self, input: usize) -> bool {
        let queue = &self.inputs[input].queue;
        queue.len() <= self.buffered_records_max / 2 && queue.live_bytes() <= BUFFERED_BYTES_MAX / 2
    }

    /// The input whose head is next; `None` when there is nothing to do, or an empty input may still
    /// bring an earlier record.
    pub fn choose(&mut self, now_ms: i64) -> Option<usize> {
        let mut best: Option<(i64, bool, usize)> = None;
        for (index, input) in self.inputs.iter().enumerate() {
            let candidate = (input.head_time, !input.table, index);
            if !input.queue.is_empty() && best.is_none_or(|best| candidate < best) {
                best = Some(candidate);
            }
        }
        let (_, _, chosen) = best?;
        if self.max_idle_ms < 0 {
            return Some(chosen);
        }
        let mut ready = true;
        for input in self
            .inputs
            .iter_mut()
            .filter(|input| input.queue.is_empty())
        {
            // Each input is waited for by itself: that another was waited for says nothing of it.
            ready &= input.end.is_some() && {
                let since = *input.idle_since_ms.get_or_insert(now_ms);
                now_ms - since >= self.max_idle_ms
            };
        }
        ready.then_some(chosen)
    }

    /// The chosen input's oldest record.
    pub fn head(&self, input: usize) -> Option<RecordView<'_>> {
        self.inputs[input].queue.head()
    }

    /// Timestamps and keys of an input's oldest records.
    pub fn keys(&self, input: usize) -> impl Iterator<Item = (i64, Option<&[u8]>)> {
        self.inputs[input].queue.keys()
    }

    /// Marks the chosen input's oldest record as processed. `time` is its event time, or
    /// [`UNKNOWN_TIME`] for a record that had none.
    pub fn pop(&mut self, input: usize, time: i64) {
        let input = &mut self.inputs[input];
        let Some((offset, _)) = input.queue.place() else {
            return;
        };
        input.consumed = offset + 1;
        input.time = input.time.max(time);
        input.queue.pop();
        self.stream_time = self.stream_time.max(time);
        input.refresh_head_time(&mut self.arena);
    }

    /// Records fetched and not processed, over all inputs.
    pub fn buffered(&self) -> usize {
        self.inputs.iter().map(Input::buffered).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_kafka::Headers;

    fn group(tables: &[bool], max_idle_ms: i64) -> PartitionGroup {
        let inputs = tables
            .iter()
            .enumerate()
            .map(|(index, &table)| {
                let partition = TopicPartition::new(format!("t{index}"), 0);
                Input::new(partition, table, None, 0, UNKNOWN_TIME)
            })
            .collect();
        PartitionGroup::new(inputs, max_idle_ms, 10)
    }

    fn push(group: &mut PartitionGroup, input: usize, offset: i64, timestamp: i64) {
        let headers = Headers::EMPTY;
        group.push(
            input,
            &RecordView {
                offset,
                timestamp,
                key: None,
                value: None,
                headers,
            },
        );
    }

    #[test]
    fn the_lowest_timestamp_goes_first_and_a_table_before_a_stream() {
        let mut group = group(&[false, true], 0);
        push(&mut group, 0, 0, 5);
        push(&mut group, 0, 1, 7);
        push(&mut group, 1, 0, 6);
        push(&mut group, 1, 1, 7);
        group.end(0, 2);
        group.end(1, 2);
        let mut order = Vec::new();
        while let Some(input) = group.choose(0) {
            let time = group
                .head(input)
                .map_or(UNKNOWN_TIME, |head| head.timestamp);
            order.push((input, time));
            group.pop(input, time);
        }
        assert_eq!(order, vec![(0, 5), (1, 6), (1, 7), (0, 7)]);
        assert_eq!(group.stream_time(), 7);
    }

    #[test]
    fn an_empty_input_holds_the_others_back_until_it_is_caught_up() {
        let mut group = group(&[false, true], 0);
        push(&mut group, 0, 0, 5);
        assert_eq!(
            group.choose(0),
            None,
            "the table may still bring an earlier record"
        );
        group.end(1, 0);
        assert_eq!(group.choose(0), Some(0));
    }

    #[test]
    fn a_caught_up_input_is_waited_for_as_long_as_configured() {
        let mut group = group(&[false, true], 100);
        push(&mut group, 0, 0, 5);
        group.end(1, 0);
        assert_eq!(group.choose(1_000), None);
        assert_eq!(group.choose(1_099), None);
        assert_eq!(group.choose(1_100), Some(0));
    }

    #[test]
    fn having_waited_for_one_input_is_no_reason_not_to_wait_for_another() {
        let mut group = group(&[false, false], 100);
        push(&mut group, 0, 0, 5);
        group.end(1, 0);
        assert_eq!(group.choose(0), None);
        assert_eq!(group.choose(100), Some(0));
        group.pop(0, 5);
        group.end(0, 1);
        push(&mut group, 1, 0, 6);
        assert_eq!(group.choose(101), None, "input 0 has just become empty");
        assert_eq!(group.choose(201), Some(1));
    }

    #[test]
    fn minus_one_never_waits() {
        let mut group = group(&[false, true], -1);
        push(&mut group, 0, 0, 5);
        assert_eq!(group.choose(0), Some(0));
    }

    #[test]
    fn the_position_steps_over_trailing_markers_only_when_all_is_processed() {
        let mut group = group(&[false], 0);
        push(&mut group, 0, 3, 5);
        group.end(0, 5);
        assert_eq!(group.inputs()[0].position(), 0);
        group.pop(0, 5);
        assert_eq!(group.inputs()[0].position(), 5);
        assert!(group.inputs()[0].caught_up());
    }

    #[test]
    fn the_position_stays_behind_markers_when_the_next_record_comes() {
        let mut group = group(&[false], 0);
        push(&mut group, 0, 3, 5);
        group.pop(0, 5);
        group.end(0, 6);
        push(&mut group, 0, 8, 5);
        assert_eq!(group.inputs()[0].position(), 6);
    }

    #[test]
    fn a_leftover_of_an_earlier_assignment_is_dropped() {
        let mut group = group(&[false], 0);
        push(&mut group, 0, 3, 5);
        group.pop(0, 5);
        push(&mut group, 0, 3, 5);
        assert_eq!(group.buffered(), 0);
    }
}
