//! Goal: what Kafka Streams does with a topology and an input, ours does.
//! Method: random cases through Kafka Streams' TopologyTestDriver and through our engine
//! (`make fuzz` runs more of them). The comparison itself is tested with mistakes: each must be found.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use millrace_tests::oracle::case::{Node, Op, StoreRows};
use millrace_tests::oracle::compare::difference;
use millrace_tests::oracle::coverage::{Coverage, OPERATORS};
use millrace_tests::oracle::mistakes::MISTAKES;
use millrace_tests::oracle::shrink::shrink;
use millrace_tests::oracle::{Answer, Case, Judge, generate, ours};

/// The same cases in each run, so that a failure is a change of ours.
const SEED: u64 = 5;
/// Cases of a run, and its longest time on a slow machine.
const CASES: u64 = 600;
const TIME: Duration = Duration::from_secs(45);
/// Cases in which every mistake must show.
const CASES_FOR_MISTAKES: u64 = 800;
/// Cases whose stores are restored.
const CASES_TO_RESTORE: u64 = 150;
/// Cases whose operators are counted.
const CASES_FOR_COVERAGE: u64 = 2_000;

#[test]
fn random_topologies_give_what_kafka_streams_gives() {
    let began = Instant::now();
    let mut judge = Judge::start().unwrap();
    let mut coverage = Coverage::default();
    let mut different: Option<Case> = None;
    let mut refused = 0;
    let cases = (0..CASES).map(|number| generate::case(SEED, number));
    judge
        .ask_all(cases, |case, answer| {
            // Two types at one place are refused here where Java looks at each record.
            let Ok(ours) = ours::run(&case) else {
                refused += 1;
                return Ok(began.elapsed() < TIME);
            };
            coverage.add(&case);
            if difference(&case, &answer, &ours).is_some() {
                different = Some(case);
                return Ok(false);
            }
            Ok(began.elapsed() < TIME)
        })
        .unwrap();
    println!("{}\n{refused} refused by ours", coverage.table());
    if let Some(case) = different {
        let (small, difference) = shrink(&mut judge, &case).unwrap().unwrap();
        let topology = serde_json::to_string_pretty(&small.nodes).unwrap();
        panic!("case {} of seed {SEED}:\n{topology}\n{difference}", case.id);
    }
    assert!(coverage.stateful_twice_percent() >= 30.0);
}

/// Once found at random and made small; the file's name says what was found.
#[test]
fn cases_that_once_differed_give_what_kafka_streams_gives() {
    let mut judge = Judge::start().unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/data/oracle");
    let mut different = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let case: Case = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let answer = judge.ask(&case).unwrap();
        let ours = ours::run(&case).unwrap();
        different.extend(
            difference(&case, &answer, &ours).map(|how| format!("{}: {how}", file.display())),
        );
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn kafka_streams_restores_from_our_changelogs_what_our_stores_hold() {
    let mut judge = Judge::start().unwrap();
    let mut rows_by_kind = [0; 4];
    for number in 0..CASES_TO_RESTORE {
        let mut case = generate::case(SEED, number);
        let restored = |store: &StoreRows| !is_computed(&case.nodes, &store.name);
        case.stores.retain(restored);
        let Ok((ours, logged)) = ours::run_logged(&case) else {
            continue;
        };
        if ours.error.is_some() || logged.is_empty() {
            continue;
        }
        for store in &case.stores {
            rows_by_kind[store.kind as usize] += ours.stores[&store.name].len();
        }
        case.changelog = logged;
        let restored = judge.ask(&case).unwrap();
        let ours = Answer {
            steps: Vec::new(),
            ..ours
        };
        if let Some(difference) = difference(&case, &restored, &ours) {
            panic!("case {number} of seed {SEED}: {difference}");
        }
    }
    println!("rows by kind of store: {rows_by_kind:?}");
    assert!(
        rows_by_kind.iter().all(|rows| *rows > 0),
        "{rows_by_kind:?}"
    );
}

/// Whether a store keeps a table computed record by record, which has the format of its input here and
/// that of the case there.
fn is_computed(nodes: &[Node], store: &str) -> bool {
    nodes.iter().any(|node| match &node.op {
        Op::Filter { store: kept, .. } | Op::MapValues { store: kept, .. } => {
            kept.as_deref() == Some(store)
        }
        _ => false,
    })
}

#[test]
fn every_operator_is_in_a_twentieth_of_the_cases() {
    let mut coverage = Coverage::default();
    for number in 0..CASES_FOR_COVERAGE {
        coverage.add(&generate::case(SEED, number));
    }
    let missing: Vec<&&str> = OPERATORS
        .iter()
        .filter(|name| !coverage.has(name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}\n{}", coverage.table());
    let rare: Vec<(&str, f64)> = coverage
        .shares()
        .filter(|(_, share)| *share < 5.0)
        .collect();
    assert!(rare.is_empty(), "{rare:?}\n{}", coverage.table());
}

#[test]
fn every_planted_mistake_is_found() {
    let mut judge = Judge::start().unwrap();
    let mut answered: Vec<(Case, Answer)> = Vec::new();
    for mistake in MISTAKES {
        let found = (0..CASES_FOR_MISTAKES).find(|&number| {
            let place = usize::try_from(number).unwrap();
            if place == answered.len() {
                let case = generate::case(SEED, number);
                let answer = judge.ask(&case).unwrap();
                answered.push((case, answer));
            }
            let (case, answer) = &answered[place];
            let changed = ours::run_with(case, mistake.plant);
            changed.is_ok_and(|ours| difference(case, answer, &ours).is_some())
        });
        let name = mistake.name;
        println!("{name}: found by case {found:?}");
        assert!(found.is_some(), "{name}: not found");
    }
}
