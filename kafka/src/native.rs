//! librdkafka behind a thin, safe layer: the only module of the project with `unsafe`.
//!
//! Owns the C handles, their lifetimes and the callbacks; knows librdkafka's rules (which call may
//! come from which thread, who frees what) and nothing of the engine. It never decides what an error
//! means for a caller: that is [`classify`](crate::classify)'s part.
//!
//! Why not the `rdkafka` crate's own clients, which sit on the same bindings: its consumer costs an
//! event and an `Arc` for each message, it drops the topic of end-of-partition events, and its
//! producer flushes in steps of 100 ms.
//!
//! | rule | how it is kept |
//! |---|---|
//! | a handle outlives everything made from it | [`Client`] is reference counted, and each queue, message and topic holds a count |
//! | callbacks for deliveries and rebalances run inside a poll | they touch a box owned by the client, and no Rust reference to that box lives across a call into librdkafka |
//! | a queue's event callback runs on any thread | it touches one atomic and a [`Wake`](wake::Wake), both kept alive by the queue |
//! | the byte behind a value is the count of headers | only of the one version of librdkafka that was looked at, and of the format that says so; see [`message`] |
//! | destroying a client may block | it happens on a thread of its own, waited for up to a limit |

#![allow(unsafe_code)]

mod admin;
mod client;
mod conf;
mod consumer;
mod error;
mod log_limit;
mod member;
mod message;
mod partitions;
mod producer;
mod queue;
mod wake;

pub(crate) use admin::{Isolation, NewTopic, Outcomes, TopicDescription};
pub(crate) use client::{Client, ClientKind};
pub(crate) use conf::{Conf, ConfError};
pub(crate) use consumer::Consumer;
pub(crate) use error::{Code, NativeError};
pub(crate) use member::{Change, Member, MemberMetadata};
pub(crate) use message::Message;
pub(crate) use partitions::{PartitionList, PartitionResult};
pub(crate) use producer::{Failure, ProducedRecord, Producer};
pub(crate) use queue::Queue;
pub(crate) use wake::{Signal, Wake};
