//! Goal: joins give what Kafka's own tests expect, step by step: values, timestamps, order.
//! Method: the tables and step lists of `tests/data/expectations`, each through the engine one record
//! at a time, by a topology in YAML and by the same in Rust. The two know nothing of each other.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "expectations/support.rs"]
mod support;

#[path = "expectations/coverage.rs"]
mod coverage;
#[path = "expectations/foreign_key.rs"]
mod foreign_key;
#[path = "expectations/null_keys.rs"]
mod null_keys;
#[path = "expectations/stream_stream.rs"]
mod stream_stream;
#[path = "expectations/stream_table.rs"]
mod stream_table;
#[path = "expectations/table_table.rs"]
mod table_table;
