//! Goal: each injected fault is what it says, to the client and to the log; runs repeat by seed.

use std::sync::Arc;
use std::time::Duration;

use millrace_embedded::{Call, EmbeddedCluster, Fault, FaultPlan, FaultyCluster, ManualClock};
use millrace_kafka::{
    Cluster, CommittedOffset, ErrorKind, ProducerOptions, Rebalance, RecordSink, StartOffset,
    TopicPartition,
};

use super::support::{assign, cluster, create, join, poll, send, transactional, try_send, values};

fn faulty(plan: FaultPlan) -> (FaultyCluster, EmbeddedCluster, ManualClock) {
    let (cluster, clock) = cluster();
    create(&cluster, "t", 1, &[]);
    create(&cluster, "tasks", 2, &[]);
    let inner = Arc::new(cluster.clone());
    (
        FaultyCluster::new(inner, plan, clock.clone()),
        cluster,
        clock,
    )
}

fn one() -> TopicPartition {
    TopicPartition::new("t", 0)
}

fn commit(producer: &mut dyn RecordSink, value: &str) -> millrace_kafka::Result<()> {
    producer.begin()?;
    try_send(producer, &one(), "k", Some(value))?;
    producer.flush()?;
    producer.commit()
}

#[test]
fn a_lost_reply_has_committed_and_a_lost_request_has_not_and_neither_producer_goes_on() {
    for (fault, expected) in [
        (Fault::ReplyLost, &["a", "b", "c"][..]),
        (Fault::RequestLost, &["a", "c"][..]),
    ] {
        let plan = FaultPlan::seeded(42).at(Call::Commit, 2, fault).unwrap();
        let (faulty, cluster, _) = faulty(plan);
        let mut producer = transactional(&faulty, "p");
        commit(producer.as_mut(), "a").unwrap();
        let error = commit(producer.as_mut(), "b").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unknown);
        assert!(
            error.to_string().contains("call 2 of Commit (seed 42)"),
            "{error}"
        );
        assert_eq!(producer.begin().unwrap_err().kind, ErrorKind::Unknown);
        assert_eq!(producer.abort().unwrap_err().kind, ErrorKind::Unknown);
        let mut newer = transactional(&faulty, "p");
        commit(newer.as_mut(), "c").unwrap();
        assert_eq!(values(&cluster, &one()), expected);
        assert_eq!(
            faulty.fired().into_iter().collect::<Vec<_>>(),
            [((Call::Commit, fault), 1)]
        );
    }
}

#[test]
fn an_injected_abort_must_be_aborted_and_then_all_is_well() {
    let plan = FaultPlan::seeded(1)
        .at(Call::Flush, 1, Fault::Abort)
        .unwrap();
    let (faulty, cluster, _) = faulty(plan);
    let mut producer = transactional(&faulty, "p");
    assert_eq!(
        commit(producer.as_mut(), "a").unwrap_err().kind,
        ErrorKind::Abort
    );
    assert_eq!(producer.commit().unwrap_err().kind, ErrorKind::Abort);
    producer.abort().unwrap();
    commit(producer.as_mut(), "b").unwrap();
    assert_eq!(values(&cluster, &one()), ["b"]);
}

#[test]
fn an_injected_fence_is_for_good_and_leaves_the_transaction_to_a_newer_producer() {
    let plan = FaultPlan::seeded(1)
        .at(Call::Commit, 1, Fault::Fenced)
        .unwrap();
    let (faulty, cluster, _) = faulty(plan);
    let mut producer = transactional(&faulty, "p");
    assert_eq!(
        commit(producer.as_mut(), "a").unwrap_err().kind,
        ErrorKind::Fenced
    );
    assert_eq!(producer.abort().unwrap_err().kind, ErrorKind::Fenced);
    commit(transactional(&faulty, "p").as_mut(), "b").unwrap();
    assert_eq!(values(&cluster, &one()), ["b"]);
}

#[test]
fn a_delay_lets_the_log_time_out_what_takes_too_long() {
    let delay = Fault::Delay(Duration::from_secs(11));
    let plan = FaultPlan::seeded(1).at(Call::Commit, 1, delay).unwrap();
    let (faulty, cluster, _) = faulty(plan);
    let mut producer = transactional(&faulty, "p");
    assert_eq!(
        commit(producer.as_mut(), "a").unwrap_err().kind,
        ErrorKind::Fenced
    );
    assert!(values(&cluster, &one()).is_empty());
}

#[test]
fn a_lost_session_gives_the_tasks_to_others_and_the_member_joins_again_when_told() {
    let plan = FaultPlan::seeded(1)
        .at(Call::Poll, 5, Fault::SessionLoss)
        .unwrap();
    let (faulty, cluster, _) = faulty(plan);
    let mut member = join(&faulty, "g", "00000-000");
    let mut other = join(&cluster, "g", "00001-000");
    for _ in 0..4 {
        poll(member.as_mut()).unwrap();
        member.acknowledge().unwrap();
    }
    assign(member.as_mut(), &one(), StartOffset::Earliest);
    poll(other.as_mut()).unwrap();
    assert_eq!(other.rebalance(), Some(Rebalance::Assigned(vec![1])));
    other.acknowledge().unwrap();
    poll(member.as_mut()).unwrap();
    assert_eq!(member.rebalance(), Some(Rebalance::Lost(vec![0])));
    let offset = CommittedOffset {
        offset: 1,
        metadata: String::new(),
    };
    let fenced = member.commit(&[(one(), offset)]).unwrap_err();
    assert_eq!(fenced.kind, ErrorKind::Fenced);
    poll(other.as_mut()).unwrap();
    assert_eq!(other.rebalance(), Some(Rebalance::Assigned(vec![0])));
    other.acknowledge().unwrap();
    member.unassign(&[one()]).unwrap();
    member.acknowledge().unwrap();
    assert_eq!(member.rebalance(), None);
    poll(other.as_mut()).unwrap();
    assert!(matches!(other.rebalance(), Some(Rebalance::Revoked(_))));
    other.acknowledge().unwrap();
    poll(member.as_mut()).unwrap();
    assert!(matches!(member.rebalance(), Some(Rebalance::Assigned(_))));
}

#[test]
fn an_unavailable_log_has_done_nothing_and_the_call_may_be_made_again() {
    let plan = FaultPlan::seeded(1)
        .at(Call::Flush, 1, Fault::Unavailable)
        .and_then(|plan| plan.at(Call::Admin, 1, Fault::Unavailable))
        .and_then(|plan| plan.at(Call::ReaderPoll, 1, Fault::Unavailable))
        .unwrap();
    let (faulty, _, _) = faulty(plan);
    let mut producer = transactional(&faulty, "p");
    producer.begin().unwrap();
    send(producer.as_mut(), &one(), "k", "a");
    assert_eq!(producer.flush().unwrap_err().kind, ErrorKind::Unavailable);
    producer.flush().unwrap();
    producer.commit().unwrap();
    let admin = faulty.admin().unwrap();
    assert_eq!(
        admin.list_topics().unwrap_err().kind,
        ErrorKind::Unavailable
    );
    assert_eq!(admin.list_topics().unwrap(), ["t", "tasks"]);
    let mut reader = faulty.reader("r").unwrap();
    assign(reader.as_mut(), &one(), StartOffset::Earliest);
    let mut count = 0;
    let error = reader
        .poll(Duration::ZERO, 10, &mut |_| count += 1)
        .unwrap_err();
    assert_eq!((error.kind, count), (ErrorKind::Unavailable, 0));
    assert_eq!(
        reader
            .poll(Duration::ZERO, 10, &mut |_| count += 1)
            .unwrap(),
        2
    );
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another_one() {
    let run = |seed| {
        let plan = FaultPlan::seeded(seed)
            .sometimes(Call::Commit, Fault::Abort, 200_000)
            .and_then(|plan| plan.sometimes(Call::Commit, Fault::RequestLost, 200_000))
            .unwrap();
        let (faulty, _, _) = faulty(plan);
        let options = ProducerOptions {
            transactional_id: Some("p".into()),
            client_id: String::new(),
        };
        let mut outcomes = Vec::new();
        for value in 0..100 {
            let mut producer = faulty.producer(&options).unwrap();
            producer.init_transactions().unwrap();
            let result = commit(producer.as_mut(), &value.to_string());
            outcomes.push(result.err().map(|error| error.kind));
        }
        assert_eq!(
            faulty.fired().values().sum::<u64>() as usize,
            outcomes.iter().flatten().count()
        );
        faulty.disarm();
        commit(transactional(&faulty, "p").as_mut(), "rest").unwrap();
        outcomes
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    let hits = run(1).iter().flatten().count();
    assert!(
        (20..60).contains(&hits),
        "{hits} of 100 at a chance of 0.36"
    );
}

#[test]
fn a_fault_that_cannot_befall_a_call_is_refused() {
    let refused = FaultPlan::seeded(1)
        .at(Call::Admin, 1, Fault::Abort)
        .unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Config);
    assert!(
        refused.to_string().contains("Abort cannot befall Admin"),
        "{refused}"
    );
    let refused = FaultPlan::seeded(1)
        .sometimes(Call::Commit, Fault::Unavailable, 1)
        .unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Config);
}
