//! What the engine asks of a log (architecture decision D6). Implemented by Apache Kafka (this
//! crate), by the embedded log of `worker dev` and the tests, and by the fault-injecting log.
//!
//! Every object belongs to one thread at a time (`Send`, never `Sync`, but for [`Cluster`] and
//! [`Admin`]). Calls block; every one is bounded by a timeout and says so in its error.

use std::any::Any;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::Result;
use crate::record::{Headers, RecordView, TopicPartition};

/// A log one can open clients on: a Kafka cluster, or the embedded one.
pub trait Cluster: Send + Sync {
    /// Topics, watermarks, configurations.
    fn admin(&self) -> Result<Box<dyn Admin>>;

    /// Joins a consumer group. See [`GroupConsumer`].
    fn consumer(&self, options: &ConsumerOptions) -> Result<Box<dyn GroupConsumer>>;

    /// A reader of explicitly assigned partitions, outside any group, under read_committed.
    /// `name` ends up in the client id.
    fn reader(&self, name: &str) -> Result<Box<dyn RecordSource>>;

    /// A producer; transactional where [`ProducerOptions::transactional_id`] is set.
    fn producer(&self, options: &ProducerOptions) -> Result<Box<dyn RecordSink>>;

    /// Looks whether the credentials have changed and the log takes the new ones: true once for each
    /// change. Consumers, readers and producers keep those they were made with, and are to be made
    /// anew; admins have them already. New ones that the log does not take are an error each time,
    /// and the old ones stay in use.
    fn refresh(&self) -> Result<bool> {
        Ok(false)
    }

    /// Bytes that each client made from here on may hold: fetched ahead of one partition, and sent and
    /// not acknowledged. A log without buffers of its own has no use for it.
    fn set_buffers(&self, fetch_per_partition: usize, send: usize) {
        let _without_buffers = (fetch_per_partition, send);
    }
}

/// How records, state and offsets are tied together (Kafka Streams' `processing.guarantee`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Guarantee {
    /// Outputs and changelog may hold a record twice after a crash.
    AtLeastOnce,
    /// Exactly once, version 2: one transaction per thread and commit (KIP-447).
    ExactlyOnce,
}

/// Options of a [`GroupConsumer`].
#[derive(Clone, Debug)]
pub struct ConsumerOptions {
    /// Consumer group: the application id.
    pub group_id: String,
    /// Static membership (KIP-345): `<ordinal, 5 digits>-<thread, 3 digits>`.
    pub instance_id: String,
    /// The record-less topic with one partition per task; the group divides its partitions.
    pub tasks_topic: String,
    /// Client id, for the broker's logs and metrics.
    pub client_id: String,
    /// Partitions that it will read, about: what it fetches ahead is divided over them.
    pub inputs: usize,
}

/// Options of a [`RecordSink`].
#[derive(Clone, Debug)]
pub struct ProducerOptions {
    /// Set: a transactional producer under this id. Unset: an idempotent producer.
    pub transactional_id: Option<String>,
    /// Client id, for the broker's logs and metrics.
    pub client_id: String,
}

/// Where reading of a newly assigned partition starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartOffset {
    /// The oldest record that is still there.
    Earliest,
    /// After the newest record (of all, also uncommitted ones).
    Latest,
    /// This offset; if the log does not have it any more (or not yet), `poll` fails with
    /// [`ErrorKind::OffsetOutOfRange`](crate::ErrorKind::OffsetOutOfRange): never a silent reset.
    At(i64),
}

/// A partition to read. `slot` is the caller's own number for it and comes back with each event, so
/// that nobody looks a topic name up per record.
#[derive(Clone, Debug)]
pub struct PartitionAssignment {
    /// What to read.
    pub partition: TopicPartition,
    /// From where.
    pub start: StartOffset,
    /// The caller's number for this partition.
    pub slot: u32,
}

/// What a poll delivers.
#[derive(Debug)]
pub enum SourceEvent<'a> {
    /// The next record of a partition. Offsets rise within a slot; gaps are transaction markers,
    /// aborted or compacted records.
    Record {
        /// The caller's number for the partition.
        slot: u32,
        /// The record, borrowed until the callback returns.
        record: RecordView<'a>,
    },
    /// Everything readable has been delivered; `offset` is the position after the last readable
    /// record OR marker. The only proof of being caught up: a position never steps over a trailing
    /// transaction marker (architecture D3). Comes again after each time the end was left.
    End {
        /// The caller's number for the partition.
        slot: u32,
        /// Where the next record will have its offset, or later.
        offset: i64,
    },
}

/// A source of records from assigned partitions.
pub trait RecordSource: Send {
    /// Adds partitions. Assigning one that is assigned already is an error of the caller.
    fn assign(&mut self, partitions: &[PartitionAssignment]) -> Result<()>;

    /// Removes partitions; later events of their slots are not delivered.
    fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<()>;

    /// Stops fetching for these partitions, until [`RecordSource::resume`]. Records that the client
    /// has already fetched may still come. Pausing a paused partition changes nothing.
    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()>;

    /// Fetches again. Resuming a partition that is not paused changes nothing.
    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()>;

    /// Delivers up to `max` events, waiting at most `timeout` for the first; returns how many.
    /// A [`GroupConsumer`] also notices membership changes here, and only here.
    fn poll(
        &mut self,
        timeout: Duration,
        max: usize,
        on_event: &mut dyn FnMut(SourceEvent<'_>),
    ) -> Result<usize>;
}

/// A change of the group's division of tasks, noticed by `poll`, to be acted on by the caller at its
/// own pace (and within the session timeout), then acknowledged. Numbers are partitions of the tasks
/// topic, i.e. task numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rebalance {
    /// These tasks are ours now, in addition.
    Assigned(Vec<i32>),
    /// These tasks go to another member once acknowledged: commit them first.
    Revoked(Vec<i32>),
    /// These tasks are another member's already: close them without a commit.
    Lost(Vec<i32>),
}

/// An offset a group has committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: i64,
    /// Free text beside it (partition time, as Kafka Streams' TopicPartitionMetadata).
    pub metadata: String,
}

/// A member of a consumer group that divides the tasks topic (architecture D1), and reads whatever
/// partitions the caller assigns.
pub trait GroupConsumer: RecordSource {
    /// The oldest membership change not yet acknowledged; the same one until acknowledged.
    fn rebalance(&mut self) -> Option<Rebalance>;

    /// Whether the group has told this member its share since it joined. The share may be nothing,
    /// which is no [`GroupConsumer::rebalance`]; and more may come when others have given it up.
    fn has_joined(&self) -> bool;

    /// Tells the group that the caller has acted on [`GroupConsumer::rebalance`]'s change. Revoked
    /// tasks may start elsewhere from here on.
    fn acknowledge(&mut self) -> Result<()>;

    /// What the group has committed, per partition asked; `None` where it has nothing. Waits for
    /// pending transactions on these offsets (KIP-447 stable offsets).
    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<CommittedOffset>>>;

    /// Commits offsets outside a transaction (at-least-once; first positions), and waits.
    fn commit(&mut self, offsets: &[(TopicPartition, CommittedOffset)]) -> Result<()>;

    /// Proof of membership for [`RecordSink::send_offsets`]; take it anew for each commit.
    fn group_metadata(&self) -> Result<GroupMetadata>;

    /// Closes the consumer. With `leave`, the group gives its tasks to others at once (scale down);
    /// without, a static member that comes back within the session timeout finds them again.
    fn close(self: Box<Self>, leave: bool) -> Result<()>;
}

/// Opaque proof of group membership, made and read by the same log implementation.
pub struct GroupMetadata(pub Box<dyn Any + Send>);

/// Number of a topic within one [`RecordSink`], from [`RecordSink::topic`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TopicHandle(pub u32);

/// A record to write. The partition is always chosen by the caller (murmur2, as Java's).
#[derive(Clone, Copy, Debug)]
pub struct OutRecord<'a> {
    /// Topic, by its handle.
    pub topic: TopicHandle,
    /// Partition index.
    pub partition: i32,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// Key bytes; `None` is a null key.
    pub key: Option<&'a [u8]>,
    /// Value bytes; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers, in order.
    pub headers: Headers<'a>,
}

/// A producer. Under a transactional id: `init_transactions`, then cycles of
/// `begin → send… → flush → send_offsets → commit`.
pub trait RecordSink: Send {
    /// Fences older producers of the same transactional id and settles their transactions. Returns
    /// before the caller subscribes or restores (architecture D2).
    fn init_transactions(&mut self) -> Result<()>;

    /// Begins a transaction.
    fn begin(&mut self) -> Result<()>;

    /// A number for a topic; the same topic has the same number.
    fn topic(&mut self, name: &str) -> Result<TopicHandle>;

    /// Hands a record over; copies it. May wait for room in the client's bounded queue. Errors of
    /// delivery come with a later call, `flush` at the latest. [`ErrorKind::TooLarge`]: this record
    /// alone was refused and nothing of it was sent.
    ///
    /// [`ErrorKind::TooLarge`]: crate::ErrorKind::TooLarge
    fn send(&mut self, record: &OutRecord<'_>) -> Result<()>;

    /// Returns when every record handed over is acknowledged, or with the first delivery error.
    fn flush(&mut self) -> Result<()>;

    /// The offset after the last acknowledged record that this producer wrote to a partition; `None`
    /// where it has written nothing.
    fn acknowledged(&self, topic: TopicHandle, partition: i32) -> Option<i64>;

    /// Adds consumed offsets to the transaction, fenced by the group's generation.
    fn send_offsets(
        &mut self,
        offsets: &[(TopicPartition, CommittedOffset)],
        group: &GroupMetadata,
    ) -> Result<()>;

    /// Commits (EndTxn). Any error but `Fenced` and `Abort` leaves the outcome unknown.
    fn commit(&mut self) -> Result<()>;

    /// Aborts; records handed over and not yet sent are dropped.
    fn abort(&mut self) -> Result<()>;
}

/// What is known of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    /// Number of partitions.
    pub partitions: i32,
    /// The topic's id: another one after a topic was deleted and created again. Base64url text as
    /// Kafka's tools print it; empty where the log gives none.
    pub id: String,
}

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Topic name.
    pub name: String,
    /// Number of partitions.
    pub partitions: i32,
    /// Copies; −1 is the cluster's default.
    pub replication_factor: i32,
    /// Topic configuration, by Kafka's names.
    pub configs: BTreeMap<String, String>,
}

/// Topics, watermarks, configurations. Calls are bounded by the client's request timeout.
pub trait Admin: Send + Sync {
    /// The cluster's id: the same whatever brokers and listeners it is reached by, another one for
    /// each cluster.
    fn cluster_id(&self) -> Result<String>;

    /// What is known of each topic asked for; `None` where there is no such topic.
    fn topics(&self, names: &[&str]) -> Result<Vec<Option<TopicInfo>>>;

    /// Names of all topics, sorted.
    fn list_topics(&self) -> Result<Vec<String>>;

    /// Creates topics; one that exists already is left as it is (the caller checks it).
    fn create_topics(&self, topics: &[TopicSpec]) -> Result<()>;

    /// Raises a topic's partition count.
    fn create_partitions(&self, topic: &str, partitions: i32) -> Result<()>;

    /// Deletes topics; one that does not exist is no error.
    fn delete_topics(&self, names: &[&str]) -> Result<()>;

    /// A topic's effective configuration, by Kafka's names.
    fn topic_configs(&self, topic: &str) -> Result<BTreeMap<String, String>>;

    /// Start offset and high watermark (asked with read_uncommitted) of each partition.
    fn watermarks(&self, partitions: &[TopicPartition]) -> Result<Vec<(i64, i64)>>;

    /// Deletes the records before an offset, per partition.
    fn delete_records(&self, before: &[(TopicPartition, i64)]) -> Result<()>;

    /// What a group has committed, per partition asked.
    fn group_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<CommittedOffset>>>;

    /// Deletes a consumer group that has no members; one that does not exist is no error.
    fn delete_group(&self, group: &str) -> Result<()>;
}
