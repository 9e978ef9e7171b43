//! Partition counts: [`Plan::layout`].

use std::collections::{BTreeMap, BTreeSet};

use super::graph::{InternalTopicKind, Layout, NodeKind, Plan, TopicRef};
use super::subtopologies::{Meeting, meetings, upstream};
use crate::path::Path;
use crate::problem::{Problem, Problems};

impl Plan {
    /// Lays the plan out over a cluster whose topics have these partition counts: how many tasks each
    /// subtopology has, how many partitions each internal topic needs. Topics the plan does not read
    /// are ignored.
    ///
    /// A repartition topic has the count of the topics its records are joined with, else the largest
    /// count of the topics its records come from. The tasks topic has one partition per task number;
    /// the dead-letter topic has one.
    ///
    /// # Errors
    /// Source topics that are missing, and topics that are joined but differ in their counts.
    pub fn layout(&self, partitions: &BTreeMap<String, i32>) -> Result<Layout, Vec<Problem>> {
        let mut problems = Problems::default();
        let mut counts = self.source_counts(partitions, &mut problems);
        if problems.is_empty() {
            let upstream = upstream(self);
            self.count_repartitions(&upstream, &mut counts);
            for meeting in &meetings(self, &upstream) {
                self.check_meeting(meeting, &counts, &mut problems);
            }
        }
        if !problems.is_empty() {
            return Err(problems.into_vec());
        }
        let of = |topic: &TopicRef| counts.get(topic).copied().unwrap_or(0);
        let partitions: Vec<i32> = self
            .subtopologies
            .iter()
            .map(|subtopology| subtopology.sources.iter().map(of).max().unwrap_or(0))
            .collect();
        let most = partitions.iter().copied().max().unwrap_or(0);
        let numbers = i32::try_from(partitions.len())
            .unwrap_or(i32::MAX)
            .saturating_mul(most);
        let mut internal_partitions = BTreeMap::new();
        for topic in &self.internal_topics {
            let count = match (topic.kind, topic.subtopology) {
                (InternalTopicKind::Tasks, _) => numbers,
                (InternalTopicKind::Repartition, _) => {
                    of(&TopicRef::Repartition(topic.name.clone()))
                }
                (InternalTopicKind::Changelog, Some(id)) => partitions[id],
                (InternalTopicKind::Changelog | InternalTopicKind::DeadLetter, _) => 1,
            };
            internal_partitions.insert(topic.name.clone(), count);
        }
        let counts = counts.into_iter();
        Ok(Layout {
            partitions,
            internal_partitions,
            source_partitions: counts
                .map(|(t, count)| (t.name().to_owned(), count))
                .collect(),
        })
    }

    /// Partition counts of the user's topics; those that are missing are problems.
    fn source_counts(
        &self,
        partitions: &BTreeMap<String, i32>,
        problems: &mut Problems,
    ) -> BTreeMap<TopicRef, i32> {
        let mut counts = BTreeMap::new();
        for (topic, node) in self.source_topics() {
            match partitions.get(topic) {
                Some(&count) if count > 0 => {
                    counts.insert(TopicRef::External(topic.to_owned()), count);
                }
                _ => {
                    let path = Path::new(&self.node(node).path);
                    let message = format!("the topic `{topic}` does not exist");
                    let help = "create it; its partition count is the number of tasks that can share \
                                the work";
                    problems.add(Problem::new(&path, message).help(help));
                }
            }
        }
        counts
    }

    /// Adds the counts of the repartition topics. One may depend on another further up, so this goes
    /// on until nothing changes: counts only grow, and never beyond the largest source's.
    fn count_repartitions(
        &self,
        upstream: &[BTreeSet<TopicRef>],
        counts: &mut BTreeMap<TopicRef, i32>,
    ) {
        let mut origins: BTreeMap<&TopicRef, BTreeSet<&TopicRef>> = BTreeMap::new();
        for node in &self.nodes {
            if let Some(topic) = node.kind.repartition() {
                origins
                    .entry(topic)
                    .or_default()
                    .extend(upstream[node.id.0].iter());
            }
        }
        // A count that was asked for is as good as a source's.
        for topic in &self.internal_topics {
            if let Some(count) = topic.partitions {
                let topic = TopicRef::Repartition(topic.name.clone());
                origins.remove(&topic);
                counts.insert(topic, count);
            }
        }
        // Topics that must have one count: those that are joined, and each other one alone.
        let mut groups: Vec<Vec<&TopicRef>> = Vec::new();
        for group in self.subtopologies.iter().flat_map(|s| &s.copartitioned) {
            groups.push(group.iter().collect());
        }
        let joined: BTreeSet<&TopicRef> = groups.iter().flatten().copied().collect();
        groups.extend(
            origins
                .keys()
                .filter(|topic| !joined.contains(*topic))
                .map(|t| vec![*t]),
        );
        loop {
            let before = counts.len();
            let mut grown = false;
            for group in &groups {
                let given = group.iter().filter(|topic| !origins.contains_key(*topic));
                let of = |topic: &TopicRef| counts.get(topic).copied().unwrap_or(0);
                let count = match given.map(|topic| of(topic)).max() {
                    Some(count) => count,
                    None => {
                        let origins = group.iter().filter_map(|topic| origins.get(topic));
                        origins
                            .flat_map(|topics| topics.iter())
                            .map(|topic| of(topic))
                            .max()
                            .unwrap_or(0)
                    }
                };
                for topic in group.iter().filter(|topic| origins.contains_key(*topic)) {
                    let old = counts.insert((*topic).clone(), count);
                    grown |= old.is_some_and(|old| old < count);
                }
            }
            if counts.len() == before && !grown {
                return;
            }
        }
    }

    fn check_meeting(
        &self,
        meeting: &Meeting,
        counts: &BTreeMap<TopicRef, i32>,
        problems: &mut Problems,
    ) {
        let of = |topic: &TopicRef| counts.get(topic).copied().unwrap_or(0);
        let Some(first) = meeting.topics.first() else {
            return;
        };
        let Some(other) = meeting.topics.iter().find(|topic| of(topic) != of(first)) else {
            return;
        };
        let node = self.node(meeting.node);
        let (what, way_out) = match &node.kind {
            NodeKind::StreamTableJoin { .. } => (
                "joined here",
                "put `- selectKey: key` before the join and give the join a `name`, and the stream \
                 goes through a repartition topic of the table's count",
            ),
            _ => (
                "kept in one table here",
                "group with `groupBy: {key: key}`, and the records go through a repartition topic",
            ),
        };
        let message = format!(
            "the topics `{}` ({} partitions) and `{}` ({} partitions) are {what}, but equal keys are \
             on equal partitions only where the counts are equal",
            first.name(),
            of(first),
            other.name(),
            of(other),
        );
        let help = format!("give both topics the same number of partitions, or {way_out}");
        problems.add(Problem::new(&Path::new(&node.path), message).help(help));
    }
}
