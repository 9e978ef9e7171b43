//! Goal: sessions and transactions end when the clock says so, and not before.

use std::time::{Duration, Instant};

use millrace_embedded::EmbeddedCluster;
use millrace_kafka::{CommittedOffset, ErrorKind, Rebalance, StartOffset, TopicPartition};

use super::support::{
    assign, cluster, create, join, plain, poll, read_all, send, transactional, try_send, values,
    write,
};

const ALMOST_A_SESSION: Duration = Duration::from_millis(9_999);
const ONE_MS: Duration = Duration::from_millis(1);

#[test]
fn a_member_that_stops_polling_loses_its_tasks_when_its_session_ends_and_may_come_back() {
    let (cluster, clock) = cluster();
    create(&cluster, "tasks", 2, &[]);
    let mut slow = join(&cluster, "g", "00000-000");
    poll(slow.as_mut()).unwrap();
    assert_eq!(slow.rebalance(), Some(Rebalance::Assigned(vec![0, 1])));
    slow.acknowledge().unwrap();
    let metadata = slow.group_metadata().unwrap();
    clock.advance(ALMOST_A_SESSION);
    let mut quick = join(&cluster, "g", "00001-000");
    poll(quick.as_mut()).unwrap();
    assert_eq!(
        quick.rebalance(),
        None,
        "both tasks are still the slow member's"
    );
    clock.advance(ONE_MS);
    poll(quick.as_mut()).unwrap();
    assert_eq!(quick.rebalance(), Some(Rebalance::Assigned(vec![0, 1])));
    quick.acknowledge().unwrap();

    let offset = CommittedOffset {
        offset: 1,
        metadata: String::new(),
    };
    let offsets = [(TopicPartition::new("tasks", 0), offset)];
    assert_eq!(slow.commit(&offsets).unwrap_err().kind, ErrorKind::Fenced);
    let mut producer = transactional(&cluster, "p");
    producer.begin().unwrap();
    let late = producer.send_offsets(&offsets, &metadata);
    assert_eq!(late.unwrap_err().kind, ErrorKind::Fenced);

    poll(slow.as_mut()).unwrap();
    assert_eq!(slow.rebalance(), Some(Rebalance::Lost(vec![0, 1])));
    poll(slow.as_mut()).unwrap();
    assert_eq!(
        slow.rebalance(),
        Some(Rebalance::Lost(vec![0, 1])),
        "until acknowledged"
    );
    slow.acknowledge().unwrap();
    poll(quick.as_mut()).unwrap();
    assert_eq!(
        quick.rebalance(),
        Some(Rebalance::Revoked(vec![1])),
        "it has joined again"
    );
}

#[test]
fn polling_in_time_keeps_a_session_alive_for_ever() {
    let (cluster, clock) = cluster();
    create(&cluster, "tasks", 1, &[]);
    let mut member = join(&cluster, "g", "00000-000");
    for _ in 0..10 {
        poll(member.as_mut()).unwrap();
        member.acknowledge().unwrap();
        clock.advance(ALMOST_A_SESSION);
    }
    poll(member.as_mut()).unwrap();
    assert_eq!(member.rebalance(), None);
}

#[test]
fn a_transaction_ends_with_its_timeout_and_a_new_producer_goes_on() {
    let (cluster, clock) = cluster();
    create(&cluster, "t", 1, &[]);
    let one = TopicPartition::new("t", 0);
    let mut slow = transactional(&cluster, "p");
    slow.begin().unwrap();
    // The time runs from the first write on, not from begin.
    clock.advance(ALMOST_A_SESSION);
    send(slow.as_mut(), &one, "k", "in time");
    slow.flush().unwrap();
    clock.advance(ALMOST_A_SESSION);
    slow.commit().unwrap();
    slow.begin().unwrap();
    send(slow.as_mut(), &one, "k", "too late");
    slow.flush().unwrap();
    clock.advance(ALMOST_A_SESSION + ONE_MS);
    let error = try_send(slow.as_mut(), &one, "k", Some("more")).and_then(|()| slow.flush());
    assert_eq!(error.unwrap_err().kind, ErrorKind::Fenced);
    assert_eq!(slow.abort().unwrap_err().kind, ErrorKind::Fenced);
    assert_eq!(values(&cluster, &one), ["in time"]);
    let mut newer = transactional(&cluster, "p");
    newer.begin().unwrap();
    send(newer.as_mut(), &one, "k", "again");
    newer.commit().unwrap();
    assert_eq!(values(&cluster, &one), ["in time", "again"]);
}

#[test]
fn a_pending_offset_makes_committed_fail_at_once_under_a_clock_that_stands_still() {
    let (cluster, clock) = cluster();
    create(&cluster, "tasks", 1, &[]);
    let mut member = join(&cluster, "g", "00000-000");
    poll(member.as_mut()).unwrap();
    let one = TopicPartition::new("tasks", 0);
    let offset = CommittedOffset {
        offset: 4,
        metadata: "m".into(),
    };
    let mut producer = transactional(&cluster, "p");
    producer.begin().unwrap();
    let metadata = member.group_metadata().unwrap();
    producer
        .send_offsets(&[(one.clone(), offset)], &metadata)
        .unwrap();
    let error = member.committed(std::slice::from_ref(&one)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert_eq!(error.partition, Some(one.clone()));
    clock.advance(Duration::from_secs(10));
    assert_eq!(
        member.committed(&[one]).unwrap(),
        [None],
        "the transaction timed out"
    );
}

#[test]
fn tombstones_go_when_delete_retention_has_passed_since_they_were_first_cleaned() {
    let (cluster, clock) = cluster();
    create(
        &cluster,
        "t",
        1,
        &[
            ("cleanup.policy", "compact"),
            ("delete.retention.ms", "1000"),
        ],
    );
    let one = TopicPartition::new("t", 0);
    let mut producer = plain(&cluster);
    send(producer.as_mut(), &one, "a", "1");
    try_send(producer.as_mut(), &one, "a", None).unwrap();
    send(producer.as_mut(), &one, "b", "2");
    producer.flush().unwrap();
    let offsets = || {
        read_all(&cluster, &one)
            .0
            .iter()
            .map(|record| record.0)
            .collect::<Vec<_>>()
    };
    clock.advance(Duration::from_secs(5));
    cluster.compact("t").unwrap();
    assert_eq!(offsets(), [1, 2]);
    clock.advance(Duration::from_millis(999));
    try_send(producer.as_mut(), &one, "b", None).unwrap();
    producer.flush().unwrap();
    cluster.compact("t").unwrap();
    assert_eq!(offsets(), [1, 3]);
    clock.advance(ONE_MS);
    cluster.compact("t").unwrap();
    assert_eq!(offsets(), [3], "each tombstone goes at its own time");
    clock.advance(Duration::from_secs(1));
    cluster.compact("t").unwrap();
    assert_eq!(read_all(&cluster, &one), (vec![], 4));
}

#[test]
fn a_waiting_poll_wakes_for_a_record_and_for_a_change_of_the_group() {
    let cluster = EmbeddedCluster::new();
    create(&cluster, "tasks", 2, &[]);
    let one = TopicPartition::new("tasks", 0);
    let mut member = join(&cluster, "g", "00000-000");
    poll(member.as_mut()).unwrap();
    member.acknowledge().unwrap();
    assign(member.as_mut(), &one, StartOffset::Earliest);
    poll(member.as_mut()).unwrap();
    let patience = Duration::from_secs(60);
    let started = Instant::now();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let for_record = member.poll(patience, 1, &mut |_| {}).unwrap();
            let at_end = member.poll(patience, 1, &mut |_| {}).unwrap();
            let for_change = member.poll(patience, 1, &mut |_| {}).unwrap();
            (for_record, at_end, for_change, member.rebalance())
        });
        write(&cluster, &one, "k", "v");
        let _second = join(&cluster, "g", "00001-000");
        let (for_record, at_end, for_change, change) = waiting.join().unwrap();
        // The change may be noticed before the record, and then the record comes after it.
        assert!(for_record + at_end + for_change <= 2);
        assert_eq!(change, Some(Rebalance::Revoked(vec![1])));
    });
    assert!(started.elapsed() < patience / 2, "{:?}", started.elapsed());
}
