//! Topics: creating, configuring, deleting, compacting.

use std::collections::BTreeMap;
use std::time::Instant;

use millrace_kafka::{Cluster, ErrorKind, OutRecord, TopicSpec};

use super::Names;
use super::support::*;

/// The caller compares; the log does not touch it.
pub fn creating_a_topic_that_is_there_changes_nothing(cluster: &dyn Cluster, names: &mut Names) {
    let topic = topic(cluster, names, 2, &[]);
    write(cluster, &topic, 0, &["a"]);
    let admin = cluster.admin().unwrap();
    let before = admin.topics(&[&topic]).unwrap();
    create(cluster, &topic, 2, &[]);
    let spec = TopicSpec {
        name: topic.clone(),
        partitions: 5,
        replication_factor: 1,
        configs: BTreeMap::from([("cleanup.policy".into(), "compact".into())]),
    };
    admin.create_topics(&[spec]).unwrap();
    assert_eq!(admin.topics(&[&topic]).unwrap(), before);
    assert_eq!(values(&read_all(cluster, &topic, 0, 1)), ["a"]);
    assert!(admin.list_topics().unwrap().contains(&topic));
    assert!(admin.list_topics().unwrap().is_sorted());
    let id = admin.cluster_id().unwrap();
    assert!(!id.is_empty());
    assert_eq!(cluster.admin().unwrap().cluster_id().unwrap(), id);
}

/// A changelog of the same name is not the changelog a store was built from.
pub fn a_topic_created_again_has_another_id(cluster: &dyn Cluster, names: &mut Names) {
    let topic = topic(cluster, names, 1, &[]);
    let admin = cluster.admin().unwrap();
    let before = admin.topics(&[&topic]).unwrap()[0].clone().unwrap();
    assert!(!before.id.is_empty());
    assert_eq!(
        admin.topics(&[&topic]).unwrap()[0],
        Some(before.clone()),
        "ids stay"
    );
    admin.delete_topics(&[&topic]).unwrap();
    eventually("the topic is gone", || {
        admin.topics(&[&topic]).unwrap()[0].is_none()
    });
    admin.delete_topics(&[&topic]).unwrap();
    create(cluster, &topic, 1, &[]);
    let after = admin.topics(&[&topic]).unwrap()[0].clone().unwrap();
    assert_ne!(after.id, before.id);
    assert_eq!(watermarks(cluster, &topic, 0), (0, 0));
}

/// Records stay where they are.
pub fn partitions_can_be_added(cluster: &dyn Cluster, names: &mut Names) {
    let topic = topic(cluster, names, 1, &[]);
    write(cluster, &topic, 0, &["a"]);
    let admin = cluster.admin().unwrap();
    admin.create_partitions(&topic, 3).unwrap();
    eventually("the new partitions can be used", || {
        admin.watermarks(&[partition(&topic, 2)]).is_ok()
    });
    assert_eq!(
        admin.topics(&[&topic]).unwrap()[0]
            .clone()
            .unwrap()
            .partitions,
        3
    );
    write(cluster, &topic, 2, &["b"]);
    assert_eq!(values(&read_all(cluster, &topic, 0, 1)), ["a"]);
    assert_eq!(values(&read_all(cluster, &topic, 2, 1)), ["b"]);
    assert!(
        admin.create_partitions(&topic, 2).is_err(),
        "partitions never become fewer"
    );
}

/// By Kafka's names, defaults included.
pub fn configurations_are_what_was_set_and_the_defaults(cluster: &dyn Cluster, names: &mut Names) {
    let set = [("cleanup.policy", "compact"), ("retention.ms", "-1")];
    let topic = topic(cluster, names, 1, &set);
    let configs = cluster.admin().unwrap().topic_configs(&topic).unwrap();
    for (name, value) in set.into_iter().chain([
        ("delete.retention.ms", "86400000"),
        ("max.message.bytes", "1048588"),
        ("message.timestamp.type", "CreateTime"),
        ("min.cleanable.dirty.ratio", "0.5"),
        ("retention.bytes", "-1"),
    ]) {
        assert_eq!(configs.get(name).map(String::as_str), Some(value), "{name}");
    }
}

/// A slip in a name must not go unnoticed.
pub fn an_unknown_configuration_is_refused(cluster: &dyn Cluster, names: &mut Names) {
    let name = names.unique("topic");
    let spec = TopicSpec {
        name: name.clone(),
        partitions: 1,
        replication_factor: 1,
        configs: BTreeMap::from([("cleanup.polizy".into(), "compact".into())]),
    };
    let admin = cluster.admin().unwrap();
    assert_kind(admin.create_topics(&[spec]), ErrorKind::Config);
    assert_eq!(admin.topics(&[&name]).unwrap(), [None]);
}

/// Asking creates nothing.
pub fn a_topic_that_is_not_there_is_none_or_an_error(cluster: &dyn Cluster, names: &mut Names) {
    let name = names.unique("nothing");
    let admin = cluster.admin().unwrap();
    assert_eq!(admin.topics(&[&name]).unwrap(), [None]);
    assert_kind(
        admin.watermarks(&[partition(&name, 0)]),
        ErrorKind::UnknownTopic,
    );
    assert_kind(admin.topic_configs(&name), ErrorKind::UnknownTopic);
    assert_kind(admin.create_partitions(&name, 2), ErrorKind::UnknownTopic);
    assert_kind(
        admin.delete_records(&[(partition(&name, 0), 1)]),
        ErrorKind::UnknownTopic,
    );
    assert!(!admin.list_topics().unwrap().contains(&name));
}

/// Up to the offset, that one stays; a second time and further back changes nothing.
pub fn deleted_records_are_gone_and_the_start_is_raised(cluster: &dyn Cluster, names: &mut Names) {
    let topic = topic(cluster, names, 1, &[]);
    write(cluster, &topic, 0, &["a", "b", "c", "d"]);
    let admin = cluster.admin().unwrap();
    let one = partition(&topic, 0);
    admin.delete_records(&[(one.clone(), 2)]).unwrap();
    assert_eq!(watermarks(cluster, &topic, 0), (2, 4));
    assert_eq!(values(&read_all(cluster, &topic, 0, 4)), ["c", "d"]);
    admin.delete_records(&[(one.clone(), 1)]).unwrap();
    assert_eq!(watermarks(cluster, &topic, 0), (2, 4));
    let after_end = admin.delete_records(&[(one.clone(), 5)]);
    assert_kind(after_end, ErrorKind::OffsetOutOfRange);
    admin.delete_records(&[(one, 4)]).unwrap();
    assert_eq!(watermarks(cluster, &topic, 0), (4, 4));
    write(cluster, &topic, 0, &["e"]);
    assert_eq!(record_offsets(&read_all(cluster, &topic, 0, 5)), [4]);
}

/// Offsets and watermarks stay; deleted keys vanish in the end.
pub fn compaction_keeps_the_last_value_of_each_key_and_all_offsets(
    cluster: &dyn Cluster,
    names: &mut Names,
) {
    let eager = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "100"),
        ("min.cleanable.dirty.ratio", "0.001"),
        ("delete.retention.ms", "100"),
        ("max.compaction.lag.ms", "100"),
    ];
    let topic = topic(cluster, names, 1, &eager);
    let mut producer = transactional(cluster, &names.unique("producer"));
    let handle = producer.topic(&topic).unwrap();
    let (mut rounds, started) = (0i64, Instant::now());
    loop {
        // Each round is a transaction, and rolls the segment that the one before wrote: offsets
        // 4n, 4n + 1, 4n + 2 and the marker.
        producer.begin().unwrap();
        let round = rounds.to_string();
        producer.send(&text(handle, 0, "kept", &round)).unwrap();
        let deleted = text(handle, 0, "deleted", &round);
        producer.send(&deleted).unwrap();
        producer
            .send(&OutRecord {
                value: None,
                ..deleted
            })
            .unwrap();
        producer.commit().unwrap();
        rounds += 1;
        names.compact(&topic);
        let records = read_all(cluster, &topic, 0, 4 * rounds);
        assert_eq!(watermarks(cluster, &topic, 0), (0, 4 * rounds));
        let last = &records
            .iter()
            .rfind(|(_, key, _)| key.as_deref() == Some("kept"))
            .unwrap();
        assert_eq!(**last, (4 * (rounds - 1), Some("kept".into()), Some(round)));
        for (offset, key, value) in &records {
            let (key, value) = (key.as_deref().unwrap(), value.as_deref());
            let written = (offset / 4).to_string();
            let expected = match offset % 4 {
                0 => ("kept", Some(written.as_str())),
                1 => ("deleted", Some(written.as_str())),
                _ => ("deleted", None),
            };
            assert_eq!(
                (key, value),
                expected,
                "the record at {offset} is another one"
            );
        }
        // The first rounds are gone, values and tombstones alike.
        if rounds > 3 && records.iter().all(|(offset, _, _)| *offset >= 8) {
            return;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "nothing was compacted away: {records:?}"
        );
        std::thread::sleep(std::time::Duration::from_millis(150));
    }
}
