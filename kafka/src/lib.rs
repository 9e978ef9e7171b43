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

mod admin;
mod classify;
mod cluster;
mod config;
pub mod error;
mod files;
mod group;
mod identity;
mod leave;
pub mod log;
mod native;
pub mod partitioner;
mod reader;
pub mod record;
mod sink;

pub use cluster::KafkaCluster;
pub use config::KafkaConfig;
pub use error::{Error, ErrorKind, Result};
pub use files::KafkaFiles;
pub use log::{
    Admin, Cluster, CommittedOffset, ConsumerOptions, GroupConsumer, GroupMetadata, Guarantee,
    OutRecord, PartitionAssignment, ProducerOptions, Rebalance, RecordSink, RecordSource,
    SourceEvent, StartOffset, TopicHandle, TopicInfo, TopicSpec,
};
pub use record::{Headers, HeadersBuf, RecordView, TopicPartition};
