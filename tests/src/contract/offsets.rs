//! Committed offsets, inside and outside transactions, and who may commit them.

use std::time::{Duration, Instant};

use millrace_kafka::{Cluster, CommittedOffset, ErrorKind};

use super::Names;
use super::support::*;

/// A group of one member with one task, and a topic to commit offsets of.
fn group_of_one(cluster: &dyn Cluster, names: &mut Names) -> (String, String, Member) {
    let tasks = topic(cluster, names, 1, &[]);
    let input = topic(cluster, names, 2, &[]);
    let group = names.unique("group");
    let mut member = Member::join(cluster, &group, &tasks, "00000-000");
    settle(&mut [&mut member], 1);
    (group, input, member)
}

/// The metadata carries the partition time; nothing committed is `None`, not 0.
pub fn committed_offsets_and_their_metadata_come_back(cluster: &dyn Cluster, names: &mut Names) {
    let (group, input, mut member) = group_of_one(cluster, names);
    let both = [partition(&input, 0), partition(&input, 1)];
    assert_eq!(member.consumer.committed(&both).unwrap(), [None, None]);
    let committed = CommittedOffset {
        offset: 17,
        metadata: "AQAAAAAAAAAA=".into(),
    };
    member
        .consumer
        .commit(&[(both[0].clone(), committed.clone())])
        .unwrap();
    let expected = [Some(committed), None];
    assert_eq!(member.consumer.committed(&both).unwrap(), expected);
    assert_eq!(
        cluster
            .admin()
            .unwrap()
            .group_offsets(&group, &both)
            .unwrap(),
        expected
    );
    member.consumer.close(true).unwrap();
    assert_eq!(
        cluster
            .admin()
            .unwrap()
            .group_offsets(&group, &both)
            .unwrap(),
        expected
    );
}

/// The offsets belong to the transaction like its records.
pub fn offsets_of_a_transaction_count_with_its_commit_and_not_with_its_abort(
    cluster: &dyn Cluster,
    names: &mut Names,
) {
    let (group, input, mut member) = group_of_one(cluster, names);
    let mut producer = transactional(cluster, &names.unique("producer"));
    let one = [partition(&input, 0)];
    let admin = cluster.admin().unwrap();
    for (offset, commits, expected) in [(5, true, 5), (9, false, 5), (11, true, 11)] {
        let metadata = member.consumer.group_metadata().unwrap();
        producer.begin().unwrap();
        producer
            .send_offsets(&[(one[0].clone(), at(offset))], &metadata)
            .unwrap();
        if commits {
            producer.commit().unwrap();
        } else {
            producer.abort().unwrap();
        }
        assert_eq!(
            member.consumer.committed(&one).unwrap(),
            [Some(at(expected))]
        );
        assert_eq!(
            admin.group_offsets(&group, &one).unwrap(),
            [Some(at(expected))]
        );
    }
}

/// Stable offsets (KIP-447): whoever takes a task over sees the last commit of its former owner.
pub fn committed_waits_for_a_pending_transaction(cluster: &dyn Cluster, names: &mut Names) {
    let (_, input, mut member) = group_of_one(cluster, names);
    let mut producer = transactional(cluster, &names.unique("producer"));
    let one = [partition(&input, 0)];
    let metadata = member.consumer.group_metadata().unwrap();
    producer.begin().unwrap();
    producer
        .send_offsets(&[(one[0].clone(), at(5))], &metadata)
        .unwrap();
    let pause = Duration::from_millis(800);
    let started = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            std::thread::sleep(pause);
            producer.commit().unwrap();
        });
        assert_eq!(member.consumer.committed(&one).unwrap(), [Some(at(5))]);
    });
    assert!(
        started.elapsed() >= pause,
        "the answer came before the commit"
    );
}

/// Fencing by generation: a member that has gone along with a rebalance proves it anew.
pub fn metadata_of_an_old_generation_is_fenced_and_the_new_one_is_not(
    cluster: &dyn Cluster,
    names: &mut Names,
) {
    let tasks = topic(cluster, names, 4, &[]);
    let input = topic(cluster, names, 1, &[]);
    let group = names.unique("group");
    let mut first = Member::join(cluster, &group, &tasks, "00000-000");
    settle(&mut [&mut first], 4);
    let old = first.consumer.group_metadata().unwrap();
    let mut second = Member::join(cluster, &group, &tasks, "00001-000");
    settle(&mut [&mut first, &mut second], 4);
    let mut producer = transactional(cluster, &names.unique("producer"));
    let offsets = [(partition(&input, 0), at(1))];
    producer.begin().unwrap();
    assert_kind(producer.send_offsets(&offsets, &old), ErrorKind::Fenced);
    producer.abort().unwrap();
    let new = first.consumer.group_metadata().unwrap();
    producer.begin().unwrap();
    producer.send_offsets(&offsets, &new).unwrap();
    producer.commit().unwrap();
}

/// A member that left cannot commit what it had read.
pub fn metadata_of_a_member_that_left_is_fenced(cluster: &dyn Cluster, names: &mut Names) {
    let (group, input, member) = group_of_one(cluster, names);
    let metadata = member.consumer.group_metadata().unwrap();
    member.consumer.close(true).unwrap();
    let mut producer = transactional(cluster, &names.unique("producer"));
    let offsets = [(partition(&input, 0), at(1))];
    producer.begin().unwrap();
    assert_kind(
        producer.send_offsets(&offsets, &metadata),
        ErrorKind::Fenced,
    );
    producer.abort().unwrap();
    let none = cluster
        .admin()
        .unwrap()
        .group_offsets(&group, &[partition(&input, 0)])
        .unwrap();
    assert_eq!(none, [None]);
}

/// The member is fenced, not the producer: after an abort it writes on.
pub fn a_fenced_commit_of_offsets_leaves_the_producer_usable(
    cluster: &dyn Cluster,
    names: &mut Names,
) {
    let (_, input, member) = group_of_one(cluster, names);
    let metadata = member.consumer.group_metadata().unwrap();
    member.consumer.close(true).unwrap();
    let mut producer = transactional(cluster, &names.unique("producer"));
    producer.begin().unwrap();
    send(producer.as_mut(), &input, 0, &["never"]);
    let offsets = [(partition(&input, 0), at(1))];
    assert_kind(
        producer.send_offsets(&offsets, &metadata),
        ErrorKind::Fenced,
    );
    assert!(
        producer.commit().is_err(),
        "a transaction that must be aborted cannot commit"
    );
    producer.abort().unwrap();
    commit(producer.as_mut(), &input, 0, &["a"]);
    assert_eq!(values(&read_only(cluster, &input, 0, 1)), ["a"]);
}
