//! Sources: streams, tables and global tables that are read from topics.

use millrace_expr::Type;

use super::Builder;
use super::store::NewStore;
use crate::limits;
use crate::path::Path;
use crate::plan::TopicPattern;
use crate::plan::check::{self, check_count, check_topic};
use crate::plan::flow::{Flow, FlowKind, Format, record_scope};
use crate::plan::graph::{
    EventTime, GlobalTable, GlobalTableId, InvalidTime, NodeKind, OffsetReset, SerdeKind,
    SourceErrors, SourceOptions, StoreKind, TopicRef,
};
use crate::problem::Problem;
use crate::stream_app::ErrorPolicy;
use crate::topology::{self, InvalidTimestamp, OffsetResetName, SerdeName, Stream, Table};

/// Instead of an expression for a record's time: the time of processing.
const WALL_CLOCK: &str = "wallClock";

/// What a source declares about time and errors.
struct Declares<'d> {
    timestamp: Option<&'d str>,
    invalid_timestamp: Option<InvalidTimestamp>,
    errors: SourceErrors,
}

fn read_format(part: Option<SerdeName>, default: SerdeName) -> SerdeKind {
    part.unwrap_or(default).into()
}

impl<'a> Builder<'a, '_> {
    pub(super) fn stream_source(
        &mut self,
        name: &str,
        path: &Path,
        stream: &Stream,
    ) -> Option<Flow> {
        let mut topics: Vec<(Path, &String)> = Vec::new();
        topics.extend(stream.topic.iter().map(|topic| (path.key("topic"), topic)));
        let several = stream.topics.as_deref().unwrap_or_default();
        if stream.topics.is_some() {
            let at = path.key("topics");
            check_count(
                &at,
                "topics",
                several.len(),
                (1, limits::TOPICS),
                self.problems,
            );
        }
        topics.extend(
            several
                .iter()
                .zip(0..)
                .map(|(t, i)| (path.key("topics").index(i), t)),
        );
        for (path, topic) in &topics {
            self.read_topic(path, topic);
        }
        let key = read_format(stream.key, self.defaults.key);
        let value = read_format(stream.value, self.defaults.value);
        let mut options = self.source_options(
            path,
            (key, value),
            stream.offset_reset,
            &Declares {
                timestamp: stream.timestamp.as_deref(),
                invalid_timestamp: stream.invalid_timestamp,
                errors: SourceErrors {
                    deserialization: stream.deserialization_errors,
                    processing: stream.processing_errors,
                    production: stream.production_errors,
                },
            },
        );
        if let Some(pattern) = &stream.topic_pattern {
            options.pattern = Some(self.topic_pattern(&path.key("topicPattern"), pattern)?);
        }
        let kind = NodeKind::StreamSource {
            topics: topics
                .iter()
                .map(|(_, topic)| TopicRef::External((*topic).clone()))
                .collect(),
            key,
            value,
            options,
            changes: false,
        };
        let node = self.node(name, path, None, kind);
        let (key, value) = (Format::read(key), Format::read(value));
        Some(Flow {
            node,
            kind: FlowKind::Stream,
            key,
            value,
            rekeyed: None,
            windowed: None,
            versioned: false,
        })
    }

    pub(super) fn table_source(&mut self, name: &str, path: &Path, table: &Table) -> Option<Flow> {
        let topic = table.topic.as_deref()?;
        self.read_topic(&path.key("topic"), topic);
        let key = read_format(table.key, self.defaults.key);
        let value = read_format(table.value, self.defaults.value);
        let (store, store_path) = match &table.store {
            Some(store) => (store.as_str(), path.key("store")),
            None => (name, path.clone()),
        };
        let store_kind = self.versions(path, table.versioned.as_ref())?;
        self.check_caching(path, table.caching, store_kind);
        let store = self.store(NewStore {
            kind: store_kind,
            in_memory: table.in_memory,
            logging: table.logging,
            caching: table.caching,
            ..NewStore::new(store, &store_path, (key, value))
        })?;
        let options = self.source_options(
            path,
            (key, value),
            table.offset_reset,
            &Declares {
                timestamp: table.timestamp.as_deref(),
                invalid_timestamp: table.invalid_timestamp,
                errors: SourceErrors {
                    deserialization: table.deserialization_errors,
                    processing: table.processing_errors,
                    production: table.production_errors,
                },
            },
        );
        let kind = NodeKind::TableSource {
            topic: TopicRef::External(topic.to_owned()),
            key,
            value,
            options,
            store,
        };
        let node = self.node(name, path, None, kind);
        let kind = FlowKind::Table { store: Some(store) };
        Some(Flow {
            node,
            kind,
            key: Format::read(key),
            value: Format::read(value),
            rekeyed: None,
            windowed: None,
            versioned: store_kind != StoreKind::KeyValue,
        })
    }

    fn topic_pattern(&mut self, path: &Path, pattern: &str) -> Option<TopicPattern> {
        let most = limits::TOPIC_LENGTH;
        if pattern.is_empty() || pattern.chars().count() > most {
            let message = format!("a pattern has 1 to {most} characters");
            return self.refuse(path, message, "write one such as `orders-.*`");
        }
        match TopicPattern::new(pattern) {
            Ok(pattern) => Some(pattern),
            Err(wrong) => {
                let message = format!("`{pattern}` is no regular expression: {wrong}");
                let help = "write one such as `orders-.*`; those of the Rust crate `regex` know no \
                            look-around and no back-references, which Java's know";
                self.refuse(path, message, help)
            }
        }
    }

    /// Checks the name of a topic that is read, and that nothing else reads it.
    fn read_topic(&mut self, path: &Path, topic: &str) {
        check_topic(path, topic, self.problems);
        if let Some(other) = self.source_paths.get(topic) {
            let message = format!("the topic `{topic}` is read already, at {other}");
            let help = "read it once, and derive the rest from that with `from`";
            self.problems.add(Problem::new(path, message).help(help));
        } else {
            self.source_paths.insert(topic.to_owned(), path.clone());
        }
    }

    /// Start, time and errors of a source.
    fn source_options(
        &mut self,
        path: &Path,
        (key, value): (SerdeKind, SerdeKind),
        reset: Option<OffsetResetName>,
        declares: &Declares<'_>,
    ) -> SourceOptions {
        let unreadable = declares.errors.deserialization;
        if unreadable == Some(ErrorPolicy::Retry) {
            check::no_second_reading(&path.key("deserializationErrors"), self.problems);
        }
        let scope = record_scope(&key.value_type(), &value.value_type());
        let time = match declares.timestamp {
            None => EventTime::Record,
            Some(source) if source.trim() == WALL_CLOCK => EventTime::WallClock,
            Some(source) => self
                .expression(&path.key("timestamp"), source, &scope, &Type::Int)
                .map(EventTime::Expression)
                .unwrap_or_default(),
        };
        SourceOptions {
            pattern: None,
            reset: reset.map(OffsetReset::from).unwrap_or_default(),
            time,
            invalid_time: declares
                .invalid_timestamp
                .map(InvalidTime::from)
                .unwrap_or_default(),
            errors: declares.errors,
        }
    }

    /// Adds a global table.
    pub(super) fn global_table(
        &mut self,
        name: &'a str,
        path: &Path,
        table: &'a topology::GlobalTable,
    ) -> Option<()> {
        self.read_topic(&path.key("topic"), &table.topic);
        let (store, store_path) = match &table.store {
            Some(store) => (store.as_str(), path.key("store")),
            None => (name, path.clone()),
        };
        self.claim_store_name(store, &store_path)?;
        let id = GlobalTableId(self.graph.global_tables.len());
        self.graph.global_tables.push(GlobalTable {
            id,
            store: store.to_owned(),
            path: path.to_string(),
            topic: table.topic.clone(),
            key: read_format(table.key, self.defaults.key),
            value: read_format(table.value, self.defaults.value),
            in_memory: table.in_memory,
        });
        self.global_tables.insert(name, id);
        Some(())
    }
}
