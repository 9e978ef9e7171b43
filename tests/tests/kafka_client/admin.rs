//! Topics, watermarks, configurations, groups.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use millrace_kafka::{Cluster, ErrorKind, Guarantee, KafkaCluster, KafkaConfig, TopicSpec};
use millrace_tests::broker::unique;

use crate::support::*;

#[test]
fn topics_are_created_described_grown_and_deleted() {
    let cluster = cluster();
    let admin = cluster.admin().unwrap();
    let name = unique("admin-life");
    let configs = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
    let spec = TopicSpec {
        name: name.clone(),
        partitions: 2,
        replication_factor: 1,
        configs,
    };
    admin.create_topics(std::slice::from_ref(&spec)).unwrap();
    // A topic that exists is left as it is.
    admin
        .create_topics(&[TopicSpec {
            partitions: 5,
            ..spec.clone()
        }])
        .unwrap();
    let first = admin.topics(&[&name, "no-such-topic"]).unwrap();
    let info = first[0].clone().unwrap();
    assert_eq!(info.partitions, 2);
    assert_eq!(info.id.len(), 22, "{info:?}");
    assert_eq!(first[1], None);
    let configs = admin.topic_configs(&name).unwrap();
    assert_eq!(configs["cleanup.policy"], "compact");
    assert!(
        configs.contains_key("retention.ms"),
        "effective configuration: with defaults"
    );

    admin.create_partitions(&name, 3).unwrap();
    assert_eq!(
        admin.topics(&[&name]).unwrap()[0]
            .clone()
            .unwrap()
            .partitions,
        3
    );
    assert_eq!(
        admin.create_partitions(&name, 2).unwrap_err().kind,
        ErrorKind::Config
    );

    let names = admin.list_topics().unwrap();
    assert!(names.contains(&name) && names.is_sorted());
    admin.delete_topics(&[&name, "no-such-topic"]).unwrap();
    assert_eq!(admin.topics(&[&name]).unwrap(), [None]);
    admin.create_topics(&[spec]).unwrap();
    let again = admin.topics(&[&name]).unwrap()[0].clone().unwrap();
    assert_ne!(again.id, info.id, "a topic created anew has another id");
}

#[test]
fn a_topic_with_a_bad_configuration_is_refused_with_its_name() {
    let cluster = cluster();
    let name = unique("admin-bad");
    let configs = BTreeMap::from([("cleanup.policy".to_owned(), "sometimes".to_owned())]);
    let spec = TopicSpec {
        name: name.clone(),
        partitions: 1,
        replication_factor: -1,
        configs,
    };
    let error = cluster.admin().unwrap().create_topics(&[spec]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config, "{error}");
    assert!(error.to_string().contains(&name), "{error}");
}

#[test]
fn watermarks_follow_deleted_records() {
    let cluster = cluster();
    let name = topic(&cluster, "admin-marks", 2);
    write(&cluster, &name, 1, &["a", "b", "c"]);
    let admin = cluster.admin().unwrap();
    let partitions = [tp(&name, 1), tp(&name, 0)];
    assert_eq!(admin.watermarks(&partitions).unwrap(), [(0, 3), (0, 0)]);
    admin.delete_records(&[(tp(&name, 1), 2)]).unwrap();
    assert_eq!(admin.watermarks(&partitions).unwrap(), [(2, 3), (0, 0)]);
    let error = admin.watermarks(&[tp(&name, 9)]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::UnknownTopic, "{error}");
}

#[test]
fn offsets_of_a_group_are_read_and_a_group_is_deleted() {
    let cluster = cluster();
    let admin = cluster.admin().unwrap();
    let (group, tasks) = (
        unique("admin-group"),
        topic(&cluster, "admin-group-tasks", 1),
    );
    let name = topic(&cluster, "admin-group-input", 2);
    let partitions = [tp(&name, 0), tp(&name, 1)];
    assert_eq!(
        admin.group_offsets(&group, &partitions).unwrap(),
        [None, None]
    );
    admin.delete_group(&group).unwrap();

    let mut member = TestMember::join(&cluster, &group, &tasks, "00000-000");
    settle(&mut [&mut member], |members| own_all(members, 1));
    let committed = millrace_kafka::CommittedOffset {
        offset: 5,
        metadata: "time=7".to_owned(),
    };
    member
        .consumer
        .commit(&[(tp(&name, 1), committed.clone())])
        .unwrap();
    let expected = [None, Some(committed)];
    assert_eq!(member.consumer.committed(&partitions).unwrap(), expected);
    assert_eq!(admin.group_offsets(&group, &partitions).unwrap(), expected);
    assert_eq!(
        admin.delete_group(&group).unwrap_err().kind,
        ErrorKind::Unavailable
    );
    member.consumer.close(true).unwrap();
    admin.delete_group(&group).unwrap();
    assert_eq!(
        admin.group_offsets(&group, &partitions).unwrap(),
        [None, None]
    );
}

#[test]
fn a_cluster_that_is_away_is_told_in_time_and_by_its_address() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = format!("127.0.0.1:{port}");
    let mut config = KafkaConfig::new(&address, Guarantee::ExactlyOnce);
    config.request_timeout = Duration::from_secs(1);
    config.transaction_timeout = Duration::from_secs(1);
    let cluster = KafkaCluster::new(config).unwrap();
    let admin = cluster.admin().unwrap();
    let start = Instant::now();
    let mut errors = vec![
        admin.list_topics().unwrap_err(),
        admin.topics(&["a"]).unwrap_err(),
        admin.watermarks(&[tp("a", 0)]).unwrap_err(),
        admin.group_offsets("g", &[tp("a", 0)]).unwrap_err(),
    ];
    let mut sink = producer(&cluster, Some("id"));
    errors.push(sink.init_transactions().unwrap_err());
    let mut consumer = member(&cluster, "g", "g-tasks", "00000-000");
    assert_eq!(
        consumer
            .poll(Duration::from_millis(100), 10, &mut |_| {})
            .unwrap(),
        0
    );
    errors.push(consumer.committed(&[tp("a", 0)]).unwrap_err());
    errors.push(consumer.commit(&[(tp("a", 0), offset(1))]).unwrap_err());
    consumer.close(true).unwrap_err();
    for error in errors {
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
        assert!(
            error
                .to_string()
                .contains(&format!("could not reach Kafka at {address}")),
            "{error}"
        );
    }
    assert!(start.elapsed() < LIMIT, "took {:?}", start.elapsed());
}
