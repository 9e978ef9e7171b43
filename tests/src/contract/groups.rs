//! Groups: who has which task, and how a task goes from one member to another.

use std::collections::BTreeSet;
use std::time::Instant;

use millrace_kafka::{Cluster, ErrorKind, Rebalance};

use super::Names;
use super::support::*;

/// Six tasks, two members, a third joins: two tasks move, four never stop.
pub fn a_third_member_gets_its_share_and_nothing_else_moves(
    cluster: &dyn Cluster,
    names: &mut Names,
) {
    let tasks = topic(cluster, names, 6, &[]);
    let group = names.unique("group");
    let mut first = Member::join(cluster, &group, &tasks, "00000-000");
    let mut second = Member::join(cluster, &group, &tasks, "00001-000");
    settle(&mut [&mut first, &mut second], 6);
    let (before_first, before_second) = (first.tasks.clone(), second.tasks.clone());
    first.given_up.clear();
    second.given_up.clear();
    let mut third = Member::join(cluster, &group, &tasks, "00002-000");
    settle(&mut [&mut first, &mut second, &mut third], 6);
    assert!(first.tasks.is_subset(&before_first));
    assert!(second.tasks.is_subset(&before_second));
    let given_up: BTreeSet<i32> = first
        .given_up
        .iter()
        .chain(&second.given_up)
        .copied()
        .collect();
    assert_eq!(
        given_up, third.tasks,
        "exactly the third member's share moved"
    );
}

/// The owner commits first; until then nobody else starts.
pub fn a_revoked_task_goes_on_only_after_the_acknowledgement(
    cluster: &dyn Cluster,
    names: &mut Names,
) {
    let tasks = topic(cluster, names, 2, &[]);
    let group = names.unique("group");
    let mut first = Member::join(cluster, &group, &tasks, "00000-000");
    settle(&mut [&mut first], 2);
    let mut second = Member::join(cluster, &group, &tasks, "00001-000");
    let mut revoked = None;
    eventually("the first member is asked for a task", || {
        second.follow();
        match first.poll() {
            Some(Rebalance::Revoked(tasks)) => revoked = Some(tasks),
            Some(_) => first.acknowledge(),
            None => {}
        }
        revoked.is_some()
    });
    let started = Instant::now();
    while started.elapsed() < 2 * SILENCE {
        let pending = first.poll();
        assert_eq!(
            pending,
            revoked.clone().map(Rebalance::Revoked),
            "the same until acknowledged"
        );
        second.follow();
        assert!(
            second.tasks.is_empty(),
            "the task started elsewhere too early"
        );
    }
    settle(&mut [&mut first, &mut second], 2);
    assert_eq!(second.tasks, revoked.unwrap().into_iter().collect());
}

/// Static membership (KIP-345).
pub fn a_static_member_that_restarts_finds_its_tasks_and_nobody_else_notices(
    cluster: &dyn Cluster,
    names: &mut Names,
) {
    let tasks = topic(cluster, names, 4, &[]);
    let group = names.unique("group");
    let mut first = Member::join(cluster, &group, &tasks, "00000-000");
    let mut second = Member::join(cluster, &group, &tasks, "00001-000");
    settle(&mut [&mut first, &mut second], 4);
    let before = second.tasks.clone();
    first.given_up.clear();
    second.consumer.close(false).unwrap();
    let mut again = Member::join(cluster, &group, &tasks, "00001-000");
    settle(&mut [&mut first, &mut again], 4);
    assert_eq!(again.tasks, before);
    assert!(
        first.given_up.is_empty(),
        "the other member had to give up {:?}",
        first.given_up
    );
}

/// Scale down: long before the session would end.
pub fn a_member_that_leaves_hands_its_tasks_over_at_once(cluster: &dyn Cluster, names: &mut Names) {
    let tasks = topic(cluster, names, 4, &[]);
    let group = names.unique("group");
    let mut first = Member::join(cluster, &group, &tasks, "00000-000");
    let mut second = Member::join(cluster, &group, &tasks, "00001-000");
    settle(&mut [&mut first, &mut second], 4);
    let started = Instant::now();
    second.consumer.close(true).unwrap();
    eventually("the other member has all tasks", || {
        first.follow();
        first.tasks.len() == 4
    });
    assert!(
        started.elapsed().as_secs() < 4,
        "it took {:?}",
        started.elapsed()
    );
}

/// A crash: nobody says goodbye.
pub fn a_member_that_vanishes_hands_its_tasks_over_when_its_session_ends(
    cluster: &dyn Cluster,
    names: &mut Names,
) {
    let tasks = topic(cluster, names, 2, &[]);
    let group = names.unique("group");
    let mut first = Member::join(cluster, &group, &tasks, "00000-000");
    let mut second = Member::join(cluster, &group, &tasks, "00001-000");
    settle(&mut [&mut first, &mut second], 2);
    second.consumer.close(false).unwrap();
    settle(&mut [&mut first], 2);
}

/// Two pods with one name: the newer one has it.
pub fn an_instance_id_that_joins_anew_fences_the_older_member(
    cluster: &dyn Cluster,
    names: &mut Names,
) {
    let tasks = topic(cluster, names, 2, &[]);
    let group = names.unique("group");
    let mut older = Member::join(cluster, &group, &tasks, "00000-000");
    settle(&mut [&mut older], 2);
    let old_metadata = older.consumer.group_metadata().unwrap();
    let mut newer = Member::join(cluster, &group, &tasks, "00000-000");
    settle(&mut [&mut newer], 2);
    let error = poll_error(older.consumer.as_mut());
    assert_eq!(error.kind, ErrorKind::Fenced, "{error}");
    let offsets = [(partition(&tasks, 0), at(1))];
    assert_kind(older.consumer.commit(&offsets), ErrorKind::Fenced);
    let mut producer = transactional(cluster, &names.unique("producer"));
    producer.begin().unwrap();
    assert_kind(
        producer.send_offsets(&offsets, &old_metadata),
        ErrorKind::Fenced,
    );
    producer.abort().unwrap();
}

/// Its offsets go with it.
pub fn a_group_with_members_cannot_be_deleted_and_one_without_can(
    cluster: &dyn Cluster,
    names: &mut Names,
) {
    let tasks = topic(cluster, names, 1, &[]);
    let group = names.unique("group");
    let mut member = Member::join(cluster, &group, &tasks, "00000-000");
    settle(&mut [&mut member], 1);
    let one = [partition(&tasks, 0)];
    member.consumer.commit(&[(one[0].clone(), at(3))]).unwrap();
    let admin = cluster.admin().unwrap();
    assert!(admin.delete_group(&group).is_err());
    member.consumer.close(true).unwrap();
    eventually("the group is gone", || admin.delete_group(&group).is_ok());
    assert_eq!(admin.group_offsets(&group, &one).unwrap(), [None]);
    admin.delete_group(&group).unwrap();
}
