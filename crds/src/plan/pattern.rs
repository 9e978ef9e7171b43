//! Sources that read by pattern: from the names of a cluster's topics to the topics they read.
//!
//! A plan is made without a cluster, and its pattern sources read nothing. [`Plan::resolve`] gives the
//! plan that reads what matches now; whoever runs it looks again from time to time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use regex::{Regex, RegexBuilder};

use super::graph::{InternalTopicKind, Node, NodeKind, Plan, TopicRef};
use super::{hash, spec, subtopologies};
use crate::limits;
use crate::path::Path;
use crate::stream_app::StreamApp;

/// Memory that a compiled pattern may take: one that needs more is no pattern of names.
const COMPILED_BYTES_MAX: usize = 1 << 20;
/// Kafka's own topics begin with this, such as `__consumer_offsets`.
const KAFKA_INTERNAL: &str = "__";

/// A pattern that whole topic names match.
#[derive(Clone)]
pub struct TopicPattern {
    /// As the user wrote it.
    pub source: String,
    whole: Regex,
}

impl fmt::Debug for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicPattern({})", self.source)
    }
}

impl TopicPattern {
    /// Reads a regular expression.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(source: &str) -> Result<Self, String> {
        let whole = RegexBuilder::new(&format!("^(?:{source})$"))
            .size_limit(COMPILED_BYTES_MAX)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
                // The last line says it, those before draw the place.
                error => {
                    let text = error.to_string();
                    let last = text.lines().last().unwrap_or_default();
                    last.trim_start_matches("error: ").to_owned()
                }
            })?;
        Ok(Self {
            source: source.to_owned(),
            whole,
        })
    }

    /// Whether a topic's whole name matches.
    pub fn matches(&self, topic: &str) -> bool {
        self.whole.is_match(topic)
    }
}

/// What the pattern sources of a plan read.
#[derive(Clone, Debug)]
pub struct Resolution {
    /// The plan that reads it.
    pub plan: Plan,
    /// Topics that match and are not read, each with the reason.
    pub held_back: BTreeMap<String, String>,
}

impl Resolution {
    /// The topics that are not read, in words; `None` where there is none.
    pub fn held_back_words(&self) -> Option<String> {
        let lines: Vec<String> = self
            .held_back
            .iter()
            .map(|(topic, why)| {
                format!("the topic {topic} matches a `topicPattern` and is not read: {why}")
            })
            .collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}

impl Plan {
    /// Whether any source reads by pattern.
    pub fn has_patterns(&self) -> bool {
        self.nodes.iter().any(|node| pattern(node).is_some())
    }

    /// Those of a cluster's topics that a pattern source would read. Never Kafka's own topics, the
    /// application's internal ones, nor those that it reads by name or writes to by name.
    pub fn matching<'t>(&self, topics: impl IntoIterator<Item = &'t str>) -> BTreeSet<&'t str> {
        let taken = self.taken();
        let matches = |topic: &&str| {
            !taken.contains(topic)
                && !self.is_own(topic)
                && self
                    .nodes
                    .iter()
                    .filter_map(pattern)
                    .any(|own| own.matches(topic))
        };
        topics.into_iter().filter(matches).collect()
    }

    /// The plan whose pattern sources read those of these topics that match. A topic that several
    /// match is read by the first, in the order of the plan.
    #[must_use]
    pub fn resolve<'t>(&self, topics: impl IntoIterator<Item = &'t str>) -> Self {
        let mut left = self.matching(topics);
        let mut plan = self.clone();
        for node in &mut plan.nodes {
            let NodeKind::StreamSource {
                topics, options, ..
            } = &mut node.kind
            else {
                continue;
            };
            let Some(pattern) = &options.pattern else {
                continue;
            };
            topics.clear();
            left.retain(|topic| {
                let matches = pattern.matches(topic) && topics.len() < limits::TOPICS;
                if matches {
                    topics.push(TopicRef::External((*topic).to_owned()));
                }
                !matches
            });
        }
        subtopologies::assign(&mut plan);
        plan.hash = hash::hash(&plan);
        plan
    }

    /// As [`Plan::resolve`], but a topic that does not fit is not read: its partitions do not go with
    /// those of the topics that it would be joined with, or with the state there is. `partitions` has
    /// the counts of all topics that matter, by name; `kept` are topics that are read already.
    pub fn resolve_fitting(
        &self,
        partitions: &BTreeMap<String, i32>,
        kept: &BTreeSet<&str>,
    ) -> Resolution {
        let names = || partitions.keys().map(String::as_str);
        let mut held_back = BTreeMap::new();
        let plan = self.resolve(names());
        let matching = self.matching(names());
        let read: BTreeSet<&str> = plan.source_topics().into_iter().map(|(t, _)| t).collect();
        for topic in matching.iter().filter(|topic| !read.contains(*topic)) {
            let why = format!("a pattern reads at most {} topics", limits::TOPICS);
            held_back.insert((*topic).to_owned(), why);
        }
        if plan.misfit(partitions).is_none() {
            return Resolution { plan, held_back };
        }
        let mut taken: BTreeSet<&str> = matching.intersection(kept).copied().collect();
        let mut plan = self.resolve(taken.iter().copied());
        for topic in matching
            .iter()
            .copied()
            .filter(|topic| read.contains(topic))
        {
            if taken.contains(topic) {
                continue;
            }
            let with = self.resolve(taken.iter().copied().chain([topic]));
            if let Some(why) = with.misfit(partitions) {
                held_back.insert(topic.to_owned(), why);
            } else {
                taken.insert(topic);
                plan = with;
            }
        }
        Resolution { plan, held_back }
    }

    /// What stands against running the plan on topics of these partition counts; internal topics that
    /// do not exist are no obstacle.
    pub fn misfit(&self, partitions: &BTreeMap<String, i32>) -> Option<String> {
        let layout = match self.layout(partitions) {
            Ok(layout) => layout,
            Err(problems) => return problems.first().map(|problem| problem.message.clone()),
        };
        self.internal_topics.iter().find_map(|topic| {
            let wanted = *layout.internal_partitions.get(&topic.name)?;
            let found = *partitions.get(&topic.name)?;
            let fixed = matches!(
                topic.kind,
                InternalTopicKind::Changelog | InternalTopicKind::Repartition
            );
            (fixed && found != wanted).then(|| {
                format!(
                    "the internal topic {} has {found} partitions, and with it would need {wanted}",
                    topic.name
                )
            })
        })
    }

    /// What to say of pattern sources that read nothing; `None` where all read something.
    pub fn unmatched(&self) -> Option<String> {
        let lines: Vec<String> = self
            .nodes
            .iter()
            .filter(|node| node.kind.inputs().is_empty())
            .filter_map(|node| Some((node, pattern(node)?)))
            .map(|(node, pattern)| format!("no topic matches `{}` ({})", pattern.source, node.path))
            .collect();
        (!lines.is_empty()).then(|| lines.join("; "))
    }

    /// Topics that the application names itself.
    fn taken(&self) -> BTreeSet<&str> {
        let patterns = |node: &&Node| pattern(node).is_none();
        let inputs = self.nodes.iter().filter(patterns);
        inputs
            .flat_map(|node| node.kind.inputs())
            .map(TopicRef::name)
            .chain(self.global_tables.iter().map(|table| table.topic.as_str()))
            .chain(self.sink_topics())
            .chain(self.internal_topics.iter().map(|topic| topic.name.as_str()))
            .collect()
    }

    /// Whether a topic is Kafka's or the engine's: also that of a store which the plan has no more.
    fn is_own(&self, topic: &str) -> bool {
        let internal = topic
            .strip_prefix(&self.application_id)
            .and_then(|rest| rest.strip_prefix('-'))
            .is_some_and(|rest| rest.ends_with("-changelog") || rest.ends_with("-repartition"));
        internal || topic.starts_with(KAFKA_INTERNAL)
    }
}

/// The StreamApp whose pattern sources name the topics that the plan reads. Those that read none stay
/// as they are.
#[must_use]
pub fn spelled_out(app: &StreamApp, plan: &Plan) -> StreamApp {
    let mut app = app.clone();
    for (name, stream) in &mut app.spec.topology.streams {
        let path = Path::key(&spec().key("topology").key("streams"), name).to_string();
        let source = plan.nodes.iter().find(|node| node.path == path);
        let read: Vec<String> = source
            .into_iter()
            .filter(|node| pattern(node).is_some())
            .flat_map(|node| node.kind.inputs())
            .map(|topic| topic.name().to_owned())
            .collect();
        if !read.is_empty() {
            stream.topic_pattern = None;
            stream.topics = Some(read);
        }
    }
    app
}

fn pattern(node: &Node) -> Option<&TopicPattern> {
    match &node.kind {
        NodeKind::StreamSource { options, .. } => options.pattern.as_ref(),
        _ => None,
    }
}
