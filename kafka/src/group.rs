//! A member of the group that divides the tasks topic, together with the reader of its partitions.
//!
//! Two clients of librdkafka: one is the member and fetches nothing, the other reads and is in no
//! group. So a rebalance neither stops the reading of tasks that stay, nor throws away what was
//! fetched ahead for them, and assigning an input can never be mistaken for the answer to a
//! rebalance.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::classify::Site;
use crate::config::KafkaConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::leave;
use crate::log::{
    CommittedOffset, ConsumerOptions, GroupConsumer, GroupMetadata, PartitionAssignment, Rebalance,
    RecordSource, SourceEvent,
};
use crate::native::{
    Change, Member, MemberMetadata, Message, NativeError, PartitionList, PartitionResult, Queue,
    Signal,
};
use crate::reader::Reader;
use crate::record::TopicPartition;

/// Most events of the member's queue per poll; there is rarely one.
const MEMBER_EVENTS: usize = 64;

/// The Kafka implementation of [`GroupConsumer`].
pub(crate) struct KafkaConsumer {
    config: Arc<KafkaConfig>,
    site: Site,
    options: ConsumerOptions,
    reader: Reader,
    // The queue goes before the member (fields drop in order), and holds its client anyway.
    member_queue: Queue,
    member_signal: Arc<Signal>,
    member: Member,
    /// The change that the caller has not acknowledged.
    open: Option<Change>,
    joined: bool,
    events: Vec<Message>,
}

impl KafkaConsumer {
    /// Joins the group.
    pub(crate) fn new(
        config: Arc<KafkaConfig>,
        site: Site,
        options: &ConsumerOptions,
    ) -> Result<Self> {
        let (group, client, guarantee) = (&options.group_id, &options.client_id, config.guarantee);
        let ahead = config.fetch_ahead(options.inputs);
        let conf = config.reader_conf(group, client, guarantee, ahead)?;
        let reader = Reader::new(conf, site.clone(), config.request_timeout)?;
        let joined = |error| site.error(format!("join the group {}", options.group_id), &error);
        let member =
            Member::new(config.member_conf(options)?, &options.tasks_topic).map_err(joined)?;
        let mut member_queue = member.queue().map_err(joined)?;
        let member_signal = reader.new_signal();
        member_queue.signal_to(Arc::clone(&member_signal));
        Ok(Self {
            config,
            site,
            options: options.clone(),
            reader,
            member_queue,
            member_signal,
            member,
            open: None,
            joined: false,
            events: Vec::new(),
        })
    }

    /// Serves the membership; whether a change was noticed that the caller must act on.
    fn serve_member(&mut self) -> Result<bool> {
        // Also without a signal: this is the poll that librdkafka expects within
        // max.poll.interval.ms.
        self.member_signal.lower();
        if self.member_queue.take(MEMBER_EVENTS, &mut self.events) == MEMBER_EVENTS {
            self.member_signal.keep();
        }
        let mut failure = None;
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            let Some(code) = event.error_code() else {
                continue;
            };
            let error = event.error(code);
            let kind = self.site.kind(code);
            let fatal = self.member.client().fatal_error();
            match (fatal, kind) {
                (Some(fatal), _) => failure = Some(self.member_error(&fatal)),
                (None, ErrorKind::Denied | ErrorKind::Config | ErrorKind::UnknownTopic) => {
                    failure = failure.or(Some(self.member_error(&error)));
                }
                _ => tracing::warn!(group = %self.options.group_id, %error, "trouble in the group"),
            }
        }
        self.events = events;
        failure.map_or_else(|| self.notice(), Err)
    }

    /// Takes the next change that concerns any task; answers those that concern none.
    fn notice(&mut self) -> Result<bool> {
        if self.open.is_some() {
            return Ok(false);
        }
        while let Some(change) = self.member.take_change() {
            let (Change::Assigned(partitions) | Change::Revoked { partitions, .. }) = &change;
            self.joined |= matches!(change, Change::Assigned(_));
            let empty = partitions.is_empty();
            // What is lost needs no hand-over, so the group is answered at once and the caller told
            // after. It must be at once: librdkafka has forgotten its member id, goes on sending
            // heartbeats without one until the answer, and the first that reaches a coordinator
            // fences this member for good.
            if empty || is_lost(&change) {
                self.member
                    .answer(&change)
                    .map_err(|error| self.member_error(&error))?;
            }
            if !empty {
                self.open = Some(change);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// An error of the membership. One that made the member unusable is a newer member's doing, if
    /// its code says so.
    fn member_error(&self, error: &NativeError) -> Error {
        self.site.error(self.operation("take part in"), error)
    }

    /// The error behind an error: a client that has failed for good (fenced by a member of the same
    /// instance id, say) answers every call with "fatal error", and keeps the reason apart.
    fn behind(&self, error: Error) -> Error {
        match self.member.client().fatal_error() {
            Some(fatal) => self.site.error(error.operation, &fatal),
            None => error,
        }
    }

    fn operation(&self, verb: &str) -> String {
        format!("{verb} the group {}", self.options.group_id)
    }
}

impl RecordSource for KafkaConsumer {
    fn assign(&mut self, partitions: &[PartitionAssignment]) -> Result<()> {
        self.reader.assign(partitions)
    }

    fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.reader.unassign(partitions)
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.reader.pause(partitions)
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.reader.resume(partitions)
    }

    fn poll(
        &mut self,
        timeout: Duration,
        max: usize,
        on_event: &mut dyn FnMut(SourceEvent<'_>),
    ) -> Result<usize> {
        let deadline = Instant::now() + timeout;
        loop {
            let noticed = self.serve_member()?;
            // A change wants the caller's attention now; what is there is still delivered.
            let until = if noticed { Instant::now() } else { deadline };
            let delivered =
                self.reader
                    .poll_until(until, max, Some(&self.member_signal), on_event)?;
            if delivered > 0 || noticed || Instant::now() >= deadline {
                return Ok(delivered);
            }
        }
    }
}

impl GroupConsumer for KafkaConsumer {
    fn rebalance(&mut self) -> Option<Rebalance> {
        self.open.as_ref().map(|change| match change.clone() {
            Change::Assigned(tasks) => Rebalance::Assigned(tasks),
            Change::Revoked {
                partitions,
                lost: true,
            } => Rebalance::Lost(partitions),
            Change::Revoked {
                partitions,
                lost: false,
            } => Rebalance::Revoked(partitions),
        })
    }

    fn has_joined(&self) -> bool {
        self.joined
    }

    fn acknowledge(&mut self) -> Result<()> {
        let Some(change) = self.open.take() else {
            return Ok(());
        };
        if !is_lost(&change) {
            self.member
                .answer(&change)
                .map_err(|error| self.member_error(&error))?;
        }
        // The next change may be waiting already.
        self.notice().map(|_| ())
    }

    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<CommittedOffset>>> {
        let operation = self.operation("read the committed offsets of");
        let results = self
            .site
            .retry(&operation, self.config.request_timeout, |left| {
                self.member
                    .client()
                    .committed(&PartitionList::of(partitions)?, left)
            })
            .map_err(|error| self.behind(error))?;
        Ok(partitions
            .iter()
            .map(|partition| found(&results, partition))
            .collect())
    }

    fn commit(&mut self, offsets: &[(TopicPartition, CommittedOffset)]) -> Result<()> {
        if offsets.is_empty() {
            return Ok(());
        }
        let operation = self.operation("commit offsets of");
        self.site
            .retry(&operation, self.config.request_timeout, |left| {
                self.member
                    .commit(&PartitionList::of_offsets(offsets)?, left)
            })
            .map_err(|error| self.behind(error))?;
        Ok(())
    }

    fn group_metadata(&self) -> Result<GroupMetadata> {
        // A broker takes offsets from a member without id and generation for those of a consumer
        // outside any group, and fences nothing. So it must not come to that.
        let lost = self.open.as_ref().is_some_and(is_lost)
            || self.member.is_lost()
            || self.member.client().fatal_error().is_some();
        let metadata = self.member.metadata().filter(|m| m.generation() >= 0);
        match metadata.filter(|m| !lost && !m.member_id().is_empty()) {
            Some(metadata) => Ok(GroupMetadata(Box::new(metadata))),
            None => Err(Error::new(
                ErrorKind::Fenced,
                self.operation("prove membership of"),
                "this member is not in the group (any more)",
            )),
        }
    }

    fn close(self: Box<Self>, leave: bool) -> Result<()> {
        let Self {
            config,
            site,
            options,
            reader,
            member_queue,
            member,
            ..
        } = *self;
        drop(reader);
        // Before the leave: a member that is still there would join again.
        drop(member_queue);
        drop(member);
        if leave {
            leave::leave_group(&config, &site, &options)
        } else {
            Ok(())
        }
    }
}

/// Whether the group has given the change's tasks to others already.
fn is_lost(change: &Change) -> bool {
    matches!(change, Change::Revoked { lost: true, .. })
}

/// The committed offset of a partition in a list of results.
pub(crate) fn found(
    results: &[PartitionResult],
    partition: &TopicPartition,
) -> Option<CommittedOffset> {
    results
        .iter()
        .find(|result| result.partition == *partition && result.offset >= 0)
        .map(|result| CommittedOffset {
            offset: result.offset,
            metadata: result.metadata.clone(),
        })
}

/// The metadata that [`KafkaConsumer::group_metadata`] made.
pub(crate) fn member_metadata(metadata: &GroupMetadata) -> Option<&MemberMetadata> {
    metadata.0.downcast_ref()
}
