//! Names of properties: the engine's own, Java's, secrets, and the nearest to a misspelt one.

use crate::native::Conf;

/// Properties that decide what the engine promises, and why.
const OWNED: &[(&str, &str)] = &[
    (
        "bootstrap.servers",
        "give the bootstrap servers in their own field",
    ),
    (
        "metadata.broker.list",
        "give the bootstrap servers in their own field",
    ),
    ("client.id", "it names the application, member and thread"),
    ("group.id", "the group is the application id"),
    ("group.instance.id", "members are static, one per thread"),
    (
        "group.protocol",
        "tasks are divided by the classic protocol",
    ),
    (
        "group.remote.assignor",
        "tasks are divided by the classic protocol",
    ),
    (
        "partition.assignment.strategy",
        "tasks are divided by cooperative-sticky",
    ),
    (
        "isolation.level",
        "it follows from the processing guarantee",
    ),
    (
        "enable.auto.commit",
        "offsets are committed together with results",
    ),
    (
        "enable.auto.offset.store",
        "offsets are committed together with results",
    ),
    (
        "auto.commit.enable",
        "offsets are committed together with results",
    ),
    (
        "auto.commit.interval.ms",
        "offsets are committed together with results",
    ),
    (
        "offset.store.method",
        "offsets are committed together with results",
    ),
    ("enable.partition.eof", "restoring and lag need it"),
    (
        "auto.offset.reset",
        "set the offset reset of the source instead",
    ),
    (
        "allow.auto.create.topics",
        "internal topics are created with the right partition counts",
    ),
    (
        "enable.idempotence",
        "it follows from the processing guarantee",
    ),
    ("transactional.id", "each thread has its own"),
    ("transaction.timeout.ms", "it has a field of its own"),
    ("acks", "both guarantees need all replicas"),
    ("request.required.acks", "both guarantees need all replicas"),
    (
        "partitioner",
        "partitions are chosen as Java's clients do, by murmur2",
    ),
    ("delivery.report.only.error", "delivered offsets are needed"),
    ("plugin.library.paths", "no code is loaded at run time"),
    ("interceptors", "no code is loaded at run time"),
];

/// Properties of the Java clients and of Kafka Streams that librdkafka does not have, and what does
/// their work here.
const JAVA_ONLY: &[(&str, &str)] = &[
    (
        "max.poll.records",
        "the engine bounds what it takes per poll itself",
    ),
    ("buffer.memory", "use queue.buffering.max.kbytes"),
    (
        "max.block.ms",
        "sends wait for room up to the request timeout",
    ),
    ("fetch.max.wait.ms", "use fetch.wait.max.ms"),
    ("default.api.timeout.ms", "use the request timeout"),
    ("send.buffer.bytes", "use socket.send.buffer.bytes"),
    ("receive.buffer.bytes", "use socket.receive.buffer.bytes"),
    ("sasl.jaas.config", "use sasl.username and sasl.password"),
    ("ssl.truststore.location", "use ssl.ca.location (PEM)"),
    ("ssl.truststore.certificates", "use ssl.ca.pem"),
    ("ssl.truststore.password", "PEM files need none"),
    ("ssl.truststore.type", "use ssl.ca.location (PEM)"),
    (
        "ssl.keystore.type",
        "use ssl.keystore.location (PKCS#12) or ssl.certificate.location (PEM)",
    ),
    ("key.serializer", "set the serde of the stream or table"),
    ("value.serializer", "set the serde of the stream or table"),
    ("key.deserializer", "set the serde of the stream or table"),
    ("value.deserializer", "set the serde of the stream or table"),
    ("interceptor.classes", "there is no Java here"),
    ("metric.reporters", "metrics are served over HTTP"),
    ("partitioner.class", "partitions are chosen by murmur2"),
    ("processing.guarantee", "it has a field of its own"),
    ("num.stream.threads", "it has a field of its own"),
    ("commit.interval.ms", "it has a field of its own"),
];

/// Properties that librdkafka takes and does not list: other names of listed ones, and those without
/// a default.
const UNLISTED: &[&str] = &[
    "compression.type",
    "delivery.timeout.ms",
    "max.partition.fetch.bytes",
    "retries",
    "sasl.mechanism",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.token.endpoint.url",
    "sasl.password",
    "sasl.username",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.location",
    "ssl.keystore.password",
];

/// Why a property is not the user's to set; `None` where it is.
pub(super) fn owned(name: &str) -> Option<&'static str> {
    OWNED
        .iter()
        .find(|(owned, _)| *owned == name)
        .map(|(_, reason)| *reason)
}

/// What does the work of a property that only the Java clients have; `None` for any other.
pub(super) fn java_only(name: &str) -> Option<&'static str> {
    JAVA_ONLY
        .iter()
        .find(|(java, _)| *java == name)
        .map(|(_, instead)| *instead)
}

/// Whether a value must not be shown.
pub(super) fn is_secret(name: &str) -> bool {
    [
        "password",
        "secret",
        "pem",
        "jaas",
        "token",
        "oauthbearer.config",
    ]
    .iter()
    .any(|part| name.contains(part))
}

/// What to say after "there is no property …".
pub(super) fn hint(name: &str) -> String {
    let nearest = Conf::names()
        .into_iter()
        .chain(UNLISTED.iter().map(|name| (*name).to_owned()))
        .map(|known| (distance(name, &known), known))
        .min()
        .filter(|(distance, known)| *distance <= 1 + known.len() / 5);
    match nearest {
        Some((_, known)) => format!("; did you mean `{known}`?"),
        None => "; librdkafka's CONFIGURATION.md lists all".to_owned(),
    }
}

/// Edits (insert, delete, replace) between two names.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use crate::native::ConfError;

    use super::*;

    #[test]
    fn the_names_that_we_list_are_librdkafkas_and_javas_are_not() {
        for name in UNLISTED {
            // Right or wrong, the value shows that the name is known.
            assert_ne!(
                Conf::new().set(name, "?"),
                Err(ConfError::UnknownName),
                "{name}"
            );
        }
        for (name, _) in JAVA_ONLY {
            assert_ne!(Conf::new().set(name, "1"), Ok(()), "{name}");
        }
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
