//! Membership: who owns which task.

use std::time::{Duration, Instant};

use millrace_kafka::{
    ErrorKind, Guarantee, KafkaCluster, KafkaConfig, Rebalance, SourceEvent, StartOffset,
};
use millrace_tests::broker::{Broker, unique};

use crate::support::*;

#[test]
fn a_third_member_gets_its_share_and_only_that_moves() {
    let cluster = cluster();
    let (group, tasks) = (
        unique("group-third"),
        topic(&cluster, "group-third-tasks", 6),
    );
    let mut one = TestMember::join(&cluster, &group, &tasks, "00000-000");
    let mut two = TestMember::join(&cluster, &group, &tasks, "00001-000");
    settle(&mut [&mut one, &mut two], |m| {
        own_all(m, 6) && m.iter().all(|m| m.tasks.len() == 3)
    });
    let before = [one.tasks.clone(), two.tasks.clone()];
    one.changes.clear();
    two.changes.clear();

    let mut three = TestMember::join(&cluster, &group, &tasks, "00002-000");
    let took = settle(&mut [&mut one, &mut two, &mut three], |m| {
        own_all(m, 6) && m.iter().all(|m| m.tasks.len() == 2)
    });
    println!("a third member settled in {took:?}");
    for (member, before) in [(&one, &before[0]), (&two, &before[1])] {
        let moved: Vec<i32> = before
            .iter()
            .copied()
            .filter(|task| !member.tasks.contains(task))
            .collect();
        assert_eq!(
            member.changes,
            [Rebalance::Revoked(moved)],
            "nothing else moves"
        );
    }
}

#[test]
fn a_static_member_that_comes_back_finds_its_tasks_and_nobody_else_notices() {
    let cluster = cluster();
    let (group, tasks) = (unique("group-back"), topic(&cluster, "group-back-tasks", 4));
    let mut one = TestMember::join(&cluster, &group, &tasks, "00000-000");
    let mut two = TestMember::join(&cluster, &group, &tasks, "00001-000");
    settle(&mut [&mut one, &mut two], |m| {
        own_all(m, 4) && m.iter().all(|m| m.tasks.len() == 2)
    });
    let owned = one.tasks.clone();
    two.changes.clear();

    let start = Instant::now();
    one.consumer.close(false).unwrap();
    let closed = start.elapsed();
    let mut one = TestMember::join(&cluster, &group, &tasks, "00000-000");
    settle(&mut [&mut one, &mut two], |m| own_all(m, 4));
    println!("close took {closed:?}, back after {:?}", start.elapsed());
    assert_eq!(one.tasks, owned);
    assert_eq!(two.changes, []);
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_member_that_leaves_gives_its_tasks_to_the_others_at_once() {
    let cluster = cluster();
    let (group, tasks) = (
        unique("group-leave"),
        topic(&cluster, "group-leave-tasks", 4),
    );
    let mut one = TestMember::join(&cluster, &group, &tasks, "00000-000");
    let mut two = TestMember::join(&cluster, &group, &tasks, "00001-000");
    settle(&mut [&mut one, &mut two], |m| {
        own_all(m, 4) && m.iter().all(|m| m.tasks.len() == 2)
    });
    let start = Instant::now();
    one.consumer.close(true).unwrap();
    settle(&mut [&mut two], |m| own_all(m, 4));
    println!("left and handed over in {:?}", start.elapsed());
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

/// A member that waits for an answer nobody will give would keep its client, and its heartbeats.
#[test]
fn a_member_closes_at_once_also_in_the_middle_of_a_rebalance() {
    let cluster = cluster();
    let tasks = topic(&cluster, "group-close-tasks", 2);
    // The change is noticed and not answered; it waits unread; it comes while the member closes.
    for (name, wait) in [("noticed", None), ("unread", Some(4)), ("coming", Some(3))] {
        let group = unique(&format!("group-close-{name}"));
        let mut one = TestMember::join(&cluster, &group, &tasks, "00000-000");
        match wait {
            None => {
                settle(&mut [&mut one], |m| own_all(m, 2));
                let mut two = TestMember::join(&cluster, &group, &tasks, "00001-000");
                let deadline = Instant::now() + LIMIT;
                while one.consumer.rebalance().is_none() {
                    assert!(Instant::now() < deadline);
                    let timeout = Duration::from_millis(10);
                    one.consumer.poll(timeout, 1, &mut |_| {}).unwrap();
                    two.step();
                }
            }
            Some(seconds) => std::thread::sleep(Duration::from_secs(seconds)),
        }
        let start = Instant::now();
        one.consumer.close(false).unwrap();
        let took = start.elapsed();
        println!("a change {name}: closed in {took:?}");
        assert!(took < Duration::from_secs(2), "a change {name}: {took:?}");
    }
}

#[test]
fn a_change_stays_open_until_acknowledged_and_a_revoked_task_moves_only_then() {
    let cluster = cluster();
    let (group, tasks) = (unique("group-ack"), topic(&cluster, "group-ack-tasks", 2));
    let input = topic(&cluster, "group-ack-input", 1);
    let mut one = TestMember::join(&cluster, &group, &tasks, "00000-000");
    settle(&mut [&mut one], |m| own_all(m, 2));
    let mut two = TestMember::join(&cluster, &group, &tasks, "00001-000");

    // The first member notices, and takes its time: it assigns and reads inputs meanwhile.
    let deadline = Instant::now() + LIMIT;
    while one.consumer.rebalance().is_none() {
        assert!(Instant::now() < deadline);
        one.consumer
            .poll(Duration::from_millis(10), 10, &mut |_| {})
            .unwrap();
        two.step();
    }
    let change = one.consumer.rebalance().unwrap();
    assert!(
        matches!(&change, Rebalance::Revoked(tasks) if tasks.len() == 1),
        "{change:?}"
    );
    write(&cluster, &input, 0, &["while revoking"]);
    one.consumer
        .assign(&[at(&input, 0, 3, StartOffset::Earliest)])
        .unwrap();
    let events = poll_to_end(&mut *one.consumer, 3);
    assert_eq!(values(&events, 3), ["while revoking"]);
    one.consumer.unassign(&[tp(&input, 0)]).unwrap();
    let until = Instant::now() + Duration::from_secs(1);
    while Instant::now() < until {
        one.consumer
            .poll(Duration::from_millis(10), 10, &mut |_| {})
            .unwrap();
        two.step();
        assert_eq!(
            one.consumer.rebalance(),
            Some(change.clone()),
            "the same one"
        );
        assert_eq!(
            two.tasks,
            [] as [i32; 0],
            "the task has moved before it was given up"
        );
    }
    // Committing is still possible: that is what the time is for.
    one.consumer.commit(&[(tp(&input, 0), offset(1))]).unwrap();
    one.consumer.group_metadata().unwrap();
    one.step();
    settle(&mut [&mut one, &mut two], |m| {
        own_all(m, 2) && m.iter().all(|m| m.tasks.len() == 1)
    });
}

#[test]
fn tasks_of_a_member_that_was_expelled_are_lost_and_it_can_prove_nothing() {
    let broker = Broker::shared().unwrap();
    let mut config = KafkaConfig::new(broker.bootstrap(), Guarantee::ExactlyOnce);
    let properties = [
        ("session.timeout.ms", "2000"),
        ("max.poll.interval.ms", "2000"),
    ];
    config.properties = properties.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let cluster = KafkaCluster::new(config).unwrap();
    let (group, tasks) = (unique("group-lost"), topic(&cluster, "group-lost-tasks", 2));
    let mut one = TestMember::join(&cluster, &group, &tasks, "00000-000");
    settle(&mut [&mut one], |m| own_all(m, 2));
    one.consumer.group_metadata().unwrap();

    // Nobody polls for longer than max.poll.interval.ms.
    std::thread::sleep(Duration::from_millis(3500));
    one.consumer
        .poll(Duration::from_millis(200), 10, &mut |_| {})
        .unwrap();
    let deadline = Instant::now() + LIMIT;
    while one.consumer.rebalance().is_none() {
        assert!(Instant::now() < deadline);
        one.consumer
            .poll(Duration::from_millis(50), 10, &mut |_| {})
            .unwrap();
    }
    assert_eq!(one.consumer.rebalance(), Some(Rebalance::Lost(vec![0, 1])));
    let error = one
        .consumer
        .group_metadata()
        .err()
        .expect("a lost member proves nothing");
    assert_eq!(error.kind, ErrorKind::Fenced);
    // Acknowledged, it joins again.
    settle(&mut [&mut one], |m| {
        own_all(m, 2) && m[0].changes.last() == Some(&Rebalance::Assigned(vec![0, 1]))
    });
}

#[test]
fn a_second_member_with_the_same_instance_id_fences_the_first() {
    let cluster = cluster();
    let (group, tasks) = (unique("group-twin"), topic(&cluster, "group-twin-tasks", 1));
    let mut one = TestMember::join(&cluster, &group, &tasks, "00000-000");
    settle(&mut [&mut one], |m| own_all(m, 1));
    let mut twin = TestMember::join(&cluster, &group, &tasks, "00000-000");
    settle(&mut [&mut twin], |m| own_all(m, 1));
    let deadline = Instant::now() + LIMIT;
    let error = loop {
        assert!(Instant::now() < deadline, "the first member was not fenced");
        if let Err(error) = one
            .consumer
            .poll(Duration::from_millis(50), 10, &mut |_| {})
        {
            break error;
        }
    };
    assert_eq!(error.kind, ErrorKind::Fenced, "{error}");
    assert!(one.consumer.group_metadata().is_err());
}

#[test]
fn reading_goes_on_while_the_group_rebalances() {
    let cluster = cluster();
    let (group, tasks) = (unique("group-flow"), topic(&cluster, "group-flow-tasks", 2));
    let input = topic(&cluster, "group-flow-input", 1);
    let mut sink = producer(&cluster, None);
    for number in 0..100_000_u32 {
        send(&mut *sink, &input, 0, &number.to_be_bytes());
    }
    sink.flush().unwrap();
    let mut one = TestMember::join(&cluster, &group, &tasks, "00000-000");
    settle(&mut [&mut one], |m| own_all(m, 2));
    one.consumer
        .assign(&[at(&input, 0, 0, StartOffset::Earliest)])
        .unwrap();
    let mut two = TestMember::join(&cluster, &group, &tasks, "00001-000");
    let mut next = 0;
    let deadline = Instant::now() + LIMIT;
    while next < 100_000 || two.tasks.is_empty() {
        assert!(
            Instant::now() < deadline,
            "{next} {:?} {:?}",
            one.changes,
            two.changes
        );
        one.consumer
            .poll(Duration::from_millis(5), 500, &mut |event| {
                if let SourceEvent::Record { record, .. } = event {
                    assert_eq!(record.offset, next);
                    next += 1;
                }
            })
            .unwrap();
        if one.consumer.rebalance().is_some() {
            one.consumer.acknowledge().unwrap();
        }
        two.step();
    }
}

#[test]
fn under_at_least_once_a_member_reads_what_is_not_committed_as_kafka_streams_does() {
    let broker = Broker::shared().unwrap();
    let cluster = broker.cluster(Guarantee::AtLeastOnce).unwrap();
    let (group, tasks) = (unique("group-alo"), topic(&cluster, "group-alo-tasks", 1));
    let input = topic(&cluster, "group-alo-input", 1);
    let mut sink = transactional(&cluster, &group);
    sink.begin().unwrap();
    send(&mut *sink, &input, 0, b"aborted");
    sink.flush().unwrap();
    sink.abort().unwrap();
    let mut one = TestMember::join(&cluster, &group, &tasks, "00000-000");
    settle(&mut [&mut one], |m| own_all(m, 1));
    one.consumer
        .assign(&[at(&input, 0, 0, StartOffset::Earliest)])
        .unwrap();
    let events = poll_to_end(&mut *one.consumer, 0);
    assert_eq!(values(&events, 0), ["aborted"]);
}
