//! Topics, watermarks, configurations, groups' offsets.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_kafka::{Admin, CommittedOffset, Result, TopicInfo, TopicPartition, TopicSpec};

use crate::cluster::Shared;
use crate::state::unknown_topic;

/// Kafka's −1 partitions: as many as the broker has by default, which is one.
const DEFAULT_PARTITIONS: i32 = 1;

/// The admin client.
pub(crate) struct EmbeddedAdmin {
    shared: Arc<Shared>,
}

impl EmbeddedAdmin {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl Admin for EmbeddedAdmin {
    fn cluster_id(&self) -> Result<String> {
        // No two logs of a process are at one place.
        Ok(format!("embedded-{:p}", Arc::as_ptr(&self.shared)))
    }

    fn topics(&self, names: &[&str]) -> Result<Vec<Option<TopicInfo>>> {
        let state = self.shared.lock();
        let info = |name: &&str| {
            let topic = state.topics().get(*name)?;
            Some(TopicInfo {
                partitions: topic.partition_count(),
                id: topic.id.clone(),
            })
        };
        Ok(names.iter().map(info).collect())
    }

    fn list_topics(&self) -> Result<Vec<String>> {
        Ok(self
            .shared
            .lock()
            .topics()
            .keys()
            .map(ToString::to_string)
            .collect())
    }

    fn create_topics(&self, topics: &[TopicSpec]) -> Result<()> {
        let now_ms = self.shared.now_ms();
        self.shared.change(|state| {
            for TopicSpec {
                name,
                partitions,
                configs,
                ..
            } in topics
            {
                let partitions = if *partitions == -1 {
                    DEFAULT_PARTITIONS
                } else {
                    *partitions
                };
                state.create_topic(name, partitions, configs.clone(), now_ms)?;
            }
            Ok(())
        })
    }

    fn create_partitions(&self, topic: &str, partitions: i32) -> Result<()> {
        let now_ms = self.shared.now_ms();
        self.shared
            .change(|state| state.add_partitions(topic, partitions, now_ms))
    }

    fn delete_topics(&self, names: &[&str]) -> Result<()> {
        let now_ms = self.shared.now_ms();
        self.shared.change(|state| {
            names
                .iter()
                .try_for_each(|name| state.delete_topic(name, now_ms))
        })
    }

    fn topic_configs(&self, topic: &str) -> Result<BTreeMap<String, String>> {
        let state = self.shared.lock();
        let known = state.topics().get(topic);
        known
            .map(|topic| topic.effective_configs())
            .ok_or_else(|| unknown_topic(topic, "read a topic's configuration"))
    }

    fn watermarks(&self, partitions: &[TopicPartition]) -> Result<Vec<(i64, i64)>> {
        let state = self.shared.lock();
        let watermarks = |partition: &TopicPartition| {
            let log = state.partition(partition, "read the watermarks")?;
            Ok((log.start(), log.end()))
        };
        partitions.iter().map(watermarks).collect()
    }

    fn delete_records(&self, before: &[(TopicPartition, i64)]) -> Result<()> {
        let now_ms = self.shared.now_ms();
        self.shared.change(|state| {
            before.iter().try_for_each(|(partition, offset)| {
                state.delete_records(partition, *offset, now_ms)
            })
        })
    }

    fn group_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<CommittedOffset>>> {
        let state = self.shared.lock();
        Ok(partitions
            .iter()
            .map(|partition| state.committed(group, partition))
            .collect())
    }

    fn delete_group(&self, group: &str) -> Result<()> {
        let now_ms = self.shared.now_ms();
        self.shared
            .change(|state| state.delete_group(group, now_ms))
    }
}
