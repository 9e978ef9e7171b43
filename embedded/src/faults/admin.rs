//! An admin client that fails by plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_kafka::{Admin, CommittedOffset, Result, TopicInfo, TopicPartition, TopicSpec};

use super::{Call, Faults};

pub(super) struct FaultyAdmin {
    inner: Box<dyn Admin>,
    faults: Arc<Faults>,
}

impl FaultyAdmin {
    pub(super) fn new(inner: Box<dyn Admin>, faults: Arc<Faults>) -> Self {
        Self { inner, faults }
    }

    /// The wrapped client, unless a fault befalls this call.
    fn reached(&self) -> Result<&dyn Admin> {
        self.faults.unavailable(Call::Admin)?;
        Ok(self.inner.as_ref())
    }
}

impl Admin for FaultyAdmin {
    fn cluster_id(&self) -> Result<String> {
        self.reached()?.cluster_id()
    }

    fn topics(&self, names: &[&str]) -> Result<Vec<Option<TopicInfo>>> {
        self.reached()?.topics(names)
    }

    fn list_topics(&self) -> Result<Vec<String>> {
        self.reached()?.list_topics()
    }

    fn create_topics(&self, topics: &[TopicSpec]) -> Result<()> {
        self.reached()?.create_topics(topics)
    }

    fn create_partitions(&self, topic: &str, partitions: i32) -> Result<()> {
        self.reached()?.create_partitions(topic, partitions)
    }

    fn delete_topics(&self, names: &[&str]) -> Result<()> {
        self.reached()?.delete_topics(names)
    }

    fn topic_configs(&self, topic: &str) -> Result<BTreeMap<String, String>> {
        self.reached()?.topic_configs(topic)
    }

    fn watermarks(&self, partitions: &[TopicPartition]) -> Result<Vec<(i64, i64)>> {
        self.reached()?.watermarks(partitions)
    }

    fn delete_records(&self, before: &[(TopicPartition, i64)]) -> Result<()> {
        self.reached()?.delete_records(before)
    }

    fn group_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<CommittedOffset>>> {
        self.reached()?.group_offsets(group, partitions)
    }

    fn delete_group(&self, group: &str) -> Result<()> {
        self.reached()?.delete_group(group)
    }
}
