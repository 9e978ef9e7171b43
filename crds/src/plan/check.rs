//! Checks of what the schema bounds too (a file read by `worker` never met the schema), and of
//! everything outside the topology.

use super::graph::{InternalTopicKind, NodeKind, Plan, SinkTopic, TopicRef};
use super::spec;
use crate::limits;
use crate::path::Path;
use crate::problem::{Problem, Problems};
use crate::stream_app::{
    ErrorPolicy, KafkaSpec, ProcessingGuarantee, StreamApp, StreamAppSpec, Threads, quantity_bytes,
};
use crate::topology::Topology;

/// Checks all but the topology.
pub(super) fn check(app: &StreamApp, problems: &mut Problems) {
    application_id(app, problems);
    numbers(&app.spec, problems);
    kafka(&app.spec.kafka, problems);
    let spec = spec();
    if quantity_bytes(&app.spec.state.size).is_none_or(|bytes| bytes == 0) {
        let size: String = app.spec.state.size.chars().take(40).collect();
        let message = format!("`{size}` is not a size");
        let help = "write a whole number of bytes with a suffix, such as `10Gi`";
        problems.add(Problem::new(&spec.key("state").key("size"), message).help(help));
    }
    if let Some(topic) = &app.spec.errors.dead_letter_topic {
        check_topic(&spec.key("errors").key("deadLetterTopic"), topic, problems);
    }
    if app.spec.errors.deserialization == ErrorPolicy::Retry {
        no_second_reading(&spec.key("errors").key("deserialization"), problems);
    }
}

/// Notes a `retry` of records that cannot be read.
pub(super) fn no_second_reading(path: &Path, problems: &mut Problems) {
    let message =
        "a record that cannot be read is not tried again: the same bytes fail the same way";
    let help = "write `deadLetter` or `stop`";
    problems.add(Problem::new(path, message).help(help));
}

fn application_id(app: &StreamApp, problems: &mut Problems) {
    let id = app.application_id();
    let path = match (&app.spec.application_id, &app.metadata.name) {
        (Some(_), _) => spec().key("applicationId"),
        (None, _) => Path::new("metadata.name"),
    };
    if id.is_empty() {
        let message = "the application has no name";
        problems.add(Problem::new(&path, message).help("set `metadata.name`"));
    } else if id.chars().count() > limits::APPLICATION_ID_LENGTH || !topic_characters(id) {
        let shown: String = id.chars().take(40).collect();
        let message = format!(
            "the application id `{shown}` must be 1 to {} letters, digits, `.`, `_` or `-`: it is the \
             start of topic names",
            limits::APPLICATION_ID_LENGTH
        );
        problems.add(Problem::new(&path, message).help("set a shorter `spec.applicationId`"));
    }
}

fn numbers(app: &StreamAppSpec, problems: &mut Problems) {
    let mut check = |path: &str, value: i64, min: i64, max: i64, why: &str| {
        bounded(path, value, (min, max), why, problems);
    };
    check(
        "replicas",
        app.replicas.into(),
        0,
        limits::REPLICAS.into(),
        "",
    );
    if let Threads::Count(count) = app.threads {
        check(
            "threads",
            count.into(),
            1,
            limits::THREADS.into(),
            ", or `auto`",
        );
    }
    let (commit_max, why) = match app.processing_guarantee {
        ProcessingGuarantee::ExactlyOnceV2 => (
            limits::COMMIT_INTERVAL_MS_EXACTLY_ONCE,
            " ms under exactly_once_v2, well below the transaction timeout",
        ),
        ProcessingGuarantee::AtLeastOnce => (limits::COMMIT_INTERVAL_MS, " ms"),
    };
    check(
        "commitIntervalMs",
        app.commit_interval_ms(),
        1,
        commit_max,
        why,
    );
    let idle = limits::MAX_TASK_IDLE_MS;
    check(
        "maxTaskIdleMs",
        app.max_task_idle_ms,
        -1,
        idle,
        " ms, where -1 never waits",
    );
    let buffered = app.buffered_records_per_partition.into();
    check(
        "bufferedRecordsPerPartition",
        buffered,
        1,
        limits::BUFFERED_RECORDS.into(),
        "",
    );
    numbers_below(app, problems);
}

/// Notes a number of the spec that is out of bounds. `path` is from the spec, with dots.
fn bounded(path: &str, value: i64, (min, max): (i64, i64), why: &str, problems: &mut Problems) {
    if !(min..=max).contains(&value) {
        let path = path.split('.').fold(spec(), |path, key| path.key(key));
        let message = format!("{value} is out of bounds: {min} to {max}{why}");
        problems.add(Problem::new(&path, message));
    }
}

/// Numbers of `state` and `errors`.
fn numbers_below(app: &StreamAppSpec, problems: &mut Problems) {
    let (flush, retry) = (app.state.flush, app.errors.retry);
    let numbers = [
        (
            "state.flush.records",
            flush.records,
            (1, limits::FLUSH_RECORDS),
            "",
        ),
        (
            "state.flush.intervalMs",
            flush.interval_ms,
            (100, limits::FLUSH_INTERVAL_MS),
            " ms",
        ),
        (
            "state.cacheBytes",
            app.state.cache_bytes,
            (0, limits::CACHE_BYTES),
            "",
        ),
        (
            "errors.retry.attempts",
            retry.attempts.into(),
            (1, limits::RETRY_ATTEMPTS.into()),
            "",
        ),
        (
            "errors.retry.backoffMs",
            retry.backoff_ms,
            (1, limits::RETRY_BACKOFF_MS),
            " ms",
        ),
    ];
    for (path, value, bounds, unit) in numbers {
        bounded(path, value, bounds, unit, problems);
    }
}

fn kafka(kafka: &KafkaSpec, problems: &mut Problems) {
    let path = spec().key("kafka");
    let at = path.key("bootstrapServers");
    if kafka.bootstrap_servers.chars().count() > limits::BOOTSTRAP_SERVERS_LENGTH {
        let most = limits::BOOTSTRAP_SERVERS_LENGTH;
        problems.add(Problem::new(&at, format!("longer than {most} characters")));
    } else {
        for server in kafka.bootstrap_servers.split(',').map(str::trim) {
            if !is_server(server) {
                let message = format!("`{server}` is not a broker's address");
                let help = "write `host:port`, several separated by commas";
                problems.add(Problem::new(&at, message).help(help));
            }
        }
    }
    let path = path.key("properties");
    check_count(
        &path,
        "properties",
        kafka.properties.len(),
        (0, limits::PROPERTIES),
        problems,
    );
    for (name, value) in kafka.properties.iter().take(limits::PROPERTIES) {
        let at = path.key(name);
        if let Some(owner) = kafka.owner_of(name) {
            let message = format!("the engine sets `{name}` itself");
            problems.add(Problem::new(&at, message).help(format!("leave it out: {owner}")));
        }
        let too_long = name.chars().count() > limits::PROPERTY_NAME_LENGTH
            || value.chars().count() > limits::PROPERTY_VALUE_LENGTH;
        if too_long || name.is_empty() {
            let message = format!(
                "a property has a name of 1 to {} characters and a value of up to {}",
                limits::PROPERTY_NAME_LENGTH,
                limits::PROPERTY_VALUE_LENGTH
            );
            problems.add(Problem::new(&path, message));
        }
    }
}

/// `host:port`, with the host a name, an IPv4 address or an IPv6 address in brackets.
fn is_server(server: &str) -> bool {
    let Some((host, port)) = server.rsplit_once(':') else {
        return false;
    };
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host_fits = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host
                    .chars()
                    .all(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '_'))
        }
    };
    host_fits && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Checks the size of the topology's sections. False where one is too large to look into.
pub(super) fn sections(topology: &Topology, problems: &mut Problems) -> bool {
    let path = spec().key("topology");
    let sections = [
        ("streams", topology.streams.len(), limits::STREAMS),
        ("tables", topology.tables.len(), limits::TABLES),
        (
            "globalTables",
            topology.global_tables.len(),
            limits::GLOBAL_TABLES,
        ),
    ];
    let mut fits = true;
    for (name, count, most) in sections {
        fits &= check_count(&path.key(name), name, count, (0, most), problems);
    }
    if topology.streams.is_empty() && topology.tables.is_empty() {
        let message = "the topology reads nothing";
        let help = "declare a stream or a table with a `topic`";
        problems.add(Problem::new(&path, message).help(help));
    }
    fits
}

/// Notes a number that is out of bounds.
pub(super) fn check_bounds(
    path: &Path,
    value: i64,
    (least, most): (i64, i64),
    problems: &mut Problems,
) {
    if !(least..=most).contains(&value) {
        let message = format!("{value} is out of bounds: {least} to {most}");
        problems.add(Problem::new(path, message));
    }
}

/// Notes a list or map that is too long or too short; false then.
pub(super) fn check_count(
    path: &Path,
    what: &str,
    count: usize,
    (least, most): (usize, usize),
    problems: &mut Problems,
) -> bool {
    let fits = (least..=most).contains(&count);
    if !fits {
        let message = format!("{count} {what}; the bounds are {least} to {most}");
        problems.add(Problem::new(path, message));
    }
    fits
}

/// Notes a topic name that Kafka would refuse.
pub(super) fn check_topic(path: &Path, topic: &str, problems: &mut Problems) {
    let fits = !topic.is_empty() && topic.chars().count() <= limits::TOPIC_LENGTH;
    if !fits || !topic_characters(topic) || matches!(topic, "." | "..") {
        let shown: String = topic.chars().take(40).collect();
        let message = format!(
            "`{shown}` is not a topic name: it must be 1 to {} letters, digits, `.`, `_` or `-`",
            limits::TOPIC_LENGTH
        );
        problems.add(Problem::new(path, message));
    }
}

fn topic_characters(name: &str) -> bool {
    name.chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

/// Notes sources and sinks that are the application's own internal topics.
pub(super) fn topics(plan: &Plan, problems: &mut Problems) {
    for node in &plan.nodes {
        let named: Vec<&str> = match &node.kind {
            NodeKind::Sink {
                topic: SinkTopic::Fixed(topic),
                ..
            } => vec![topic],
            kind => kind
                .inputs()
                .into_iter()
                .filter(|topic| matches!(topic, TopicRef::External(_)))
                .map(TopicRef::name)
                .collect(),
        };
        for name in named {
            let Some(topic) = plan.internal_topics.iter().find(|topic| topic.name == name) else {
                continue;
            };
            let why = match topic.kind {
                InternalTopicKind::Tasks => "its tasks topic",
                InternalTopicKind::Changelog => "the changelog of one of its stores",
                InternalTopicKind::Repartition => "one of its repartition topics",
                InternalTopicKind::DeadLetter => "its dead-letter topic",
            };
            let message = format!("the topic `{name}` is internal to this application: {why}");
            let help = "name another topic; another application may read this one";
            problems.add(Problem::new(&Path::new(&node.path), message).help(help));
        }
    }
}

/// Notes joins by foreign key whose results must be kept, because what is below takes old results out
/// again, and are not.
pub(super) fn old_values(plan: &Plan, problems: &mut Problems) {
    for node in &plan.nodes {
        if node.sends_old && matches!(node.kind, NodeKind::ForeignKeyAnswer { .. }) {
            let message =
                "the results of this join are grouped or joined again, and kept in no store";
            let help = "name one: `store` of the join";
            problems.add(Problem::new(&Path::new(&node.path), message).help(help));
        }
    }
}
