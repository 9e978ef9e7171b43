//! The log under the engine: what it is asked for (traits), and Apache Kafka as its answer.
//!
//! This is the only crate that names rdkafka. [`log`] has the traits the engine is written against
//! (architecture decision D6); the embedded log of `worker dev` and of the tests implements the same
//! traits, and one contract suite runs against both.
//!
//! ```text
//!            Cluster ── admin() ──────► Admin          topics, watermarks, configs
//!               │
//!               ├───── consumer(..) ──► GroupConsumer  membership, committed offsets, records
//!               ├───── reader() ──────► RecordSource   records of assigned partitions (restore)
//!               └───── producer(..) ──► RecordSink     transactions, sends, acknowledged offsets
//! ```

pub mod error;
pub mod log;
pub mod record;

pub use error::{Error, ErrorKind, Result};
pub use log::{
    Admin, Cluster, CommittedOffset, ConsumerOptions, Guarantee, GroupConsumer, GroupMetadata,
    OutRecord, PartitionAssignment, ProducerOptions, Rebalance, RecordSink, RecordSource,
    SourceEvent, StartOffset, TopicHandle, TopicInfo, TopicSpec,
};
pub use record::{Headers, HeadersBuf, RecordView, TopicPartition};
