//! What the traits of the log promise, kept by the Kafka client against a real broker. (The contract
//! suite holds the embedded log and Kafka to the same promises; here is what is Kafka's alone:
//! static members, fencing, brokers that die, speed.)
// `pub` in the support module means "for the other modules of this test".
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

#[path = "kafka_client/support.rs"]
mod support;

#[path = "kafka_client/admin.rs"]
mod admin;
#[path = "kafka_client/failures.rs"]
mod failures;
#[path = "kafka_client/group.rs"]
mod group;
#[path = "kafka_client/reader.rs"]
mod reader;
#[path = "kafka_client/speed.rs"]
mod speed;
#[path = "kafka_client/transactions.rs"]
mod transactions;
