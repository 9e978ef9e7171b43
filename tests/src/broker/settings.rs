//! What a test's broker is set to: quick to start and to settle, on one node.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::BrokerOptions;

/// The broker's settings: one node that is broker and controller, quick to start and to settle.
pub(super) fn of(directory: &Path, port: u16, controller: u16, options: &BrokerOptions) -> String {
    let mut properties: BTreeMap<String, String> = [
        ("process.roles", "broker,controller".to_owned()),
        ("node.id", "1".to_owned()),
        (
            "controller.quorum.voters",
            format!("1@127.0.0.1:{controller}"),
        ),
        (
            "listeners",
            format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}"),
        ),
        (
            "advertised.listeners",
            format!("PLAINTEXT://127.0.0.1:{port}"),
        ),
        (
            "listener.security.protocol.map",
            "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned(),
        ),
        ("controller.listener.names", "CONTROLLER".to_owned()),
        ("log.dirs", directory.join("data").display().to_string()),
        ("auto.create.topics.enable", "false".to_owned()),
        // One node holds the only copy.
        ("offsets.topic.replication.factor", "1".to_owned()),
        ("transaction.state.log.replication.factor", "1".to_owned()),
        ("transaction.state.log.min.isr", "1".to_owned()),
        (
            "share.coordinator.state.topic.replication.factor",
            "1".to_owned(),
        ),
        ("share.coordinator.state.topic.min.isr", "1".to_owned()),
        // Few partitions: a restart loads them all.
        ("offsets.topic.num.partitions", "4".to_owned()),
        ("transaction.state.log.num.partitions", "4".to_owned()),
        (
            "share.coordinator.state.topic.num.partitions",
            "1".to_owned(),
        ),
        ("group.initial.rebalance.delay.ms", "0".to_owned()),
        ("group.min.session.timeout.ms", "1000".to_owned()),
        (
            "transaction.abort.timed.out.transaction.cleanup.interval.ms",
            "500".to_owned(),
        ),
        ("log.initial.task.delay.ms", "500".to_owned()),
        // Tests write records of any age; by default those older than a week are deleted.
        ("log.retention.ms", "-1".to_owned()),
        ("num.network.threads", "2".to_owned()),
        ("num.io.threads", "4".to_owned()),
        ("log.cleaner.dedupe.buffer.size", "16777216".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    if let Some(secure) = options.secure_port {
        for (name, more) in [
            ("listeners", format!(",SECURE://127.0.0.1:{secure}")),
            (
                "advertised.listeners",
                format!(",SECURE://localhost:{secure}"),
            ),
            (
                "listener.security.protocol.map",
                ",SECURE:SASL_SSL".to_owned(),
            ),
        ] {
            properties
                .entry(name.to_owned())
                .or_default()
                .push_str(&more);
        }
        // With two listeners Kafka asks which of them the brokers use among each other.
        let name = "inter.broker.listener.name".to_owned();
        properties.insert(name, "PLAINTEXT".to_owned());
    }
    properties.extend(options.properties.clone());
    properties
        .iter()
        .fold(String::new(), |mut text, (name, value)| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name}={value}");
            text
        })
}
