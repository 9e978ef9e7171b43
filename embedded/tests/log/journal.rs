//! Goal: what was acknowledged is there after any end of the process, and damage is reported, never
//! read over. Method: directories are cut, damaged and opened again.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use millrace_embedded::{EmbeddedCluster, EmbeddedOptions, ManualClock, OpenError};
use millrace_kafka::{Cluster, CommittedOffset, Rebalance, TopicPartition};

use super::support::{create, join, plain, poll, read_all, send, transactional, write};

fn open(dir: &Path) -> Result<EmbeddedCluster, OpenError> {
    EmbeddedCluster::open(dir, EmbeddedOptions::default(), ManualClock::new(0))
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    paths.sort();
    paths
}

fn size(dir: &Path) -> u64 {
    segments(dir)
        .iter()
        .map(|path| fs::metadata(path).unwrap().len())
        .sum()
}

/// All that readers can see: per partition the records and the start, and the group's offsets.
fn visible(cluster: &EmbeddedCluster) -> String {
    let mut visible = String::new();
    let admin = cluster.admin().unwrap();
    for topic in cluster.topics() {
        visible += &format!("{} {} {:?}\n", topic.name, topic.id, topic.configs);
        for (number, summary) in (0..).zip(&topic.partitions) {
            let partition = TopicPartition::new(topic.name.as_str(), number);
            let records = read_all(cluster, &partition).0;
            let offsets = admin
                .group_offsets("g", std::slice::from_ref(&partition))
                .unwrap();
            visible += &format!("  {} {records:?} {offsets:?}\n", summary.start);
        }
    }
    visible
}

/// Does something of everything; calls back after each step.
fn history(cluster: &EmbeddedCluster, mut after_step: impl FnMut()) {
    let (a0, a1) = (TopicPartition::new("a", 0), TopicPartition::new("a", 1));
    create(cluster, "a", 2, &[("cleanup.policy", "compact,delete")]);
    after_step();
    create(cluster, "tasks", 1, &[]);
    after_step();
    cluster
        .admin()
        .unwrap()
        .create_partitions("tasks", 2)
        .unwrap();
    after_step();
    let mut member = join(cluster, "g", "00000-000");
    poll(member.as_mut()).unwrap();
    assert!(matches!(member.rebalance(), Some(Rebalance::Assigned(_))));
    member.acknowledge().unwrap();
    let mut producer = transactional(cluster, "p");
    for (round, commits) in [(1, true), (2, false), (3, true)] {
        producer.begin().unwrap();
        send(
            producer.as_mut(),
            &a0,
            "k",
            &format!("first of round {round}"),
        );
        send(producer.as_mut(), &a0, "l", "");
        producer.flush().unwrap();
        after_step();
        send(producer.as_mut(), &a1, "k", "other partition");
        let metadata = member.group_metadata().unwrap();
        let offset = CommittedOffset {
            offset: round,
            metadata: format!("time {round}"),
        };
        producer
            .send_offsets(&[(a0.clone(), offset)], &metadata)
            .unwrap();
        producer.flush().unwrap();
        after_step();
        if commits {
            producer.commit().unwrap();
        } else {
            producer.abort().unwrap();
        }
        after_step();
    }
    let offset = CommittedOffset {
        offset: 99,
        metadata: String::new(),
    };
    member.commit(&[(a1, offset)]).unwrap();
    after_step();
    cluster
        .admin()
        .unwrap()
        .delete_records(&[(a0.clone(), 2)])
        .unwrap();
    after_step();
    write(cluster, &a0, "plain", "record");
    after_step();
    create(cluster, "gone", 1, &[]);
    after_step();
    cluster.admin().unwrap().delete_topics(&["gone"]).unwrap();
    after_step();
}

#[test]
fn a_journal_cut_at_any_byte_opens_with_everything_that_was_acknowledged_before() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = open(dir.path()).unwrap();
    let segment = segments(dir.path())[0].clone();
    let mut steps = vec![(fs::metadata(&segment).unwrap().len(), visible(&cluster))];
    history(&cluster, || {
        steps.push((fs::metadata(&segment).unwrap().len(), visible(&cluster)));
    });
    drop(cluster);
    let bytes = fs::read(&segment).unwrap();
    assert_eq!(bytes.len() as u64, steps.last().unwrap().0);
    let mut known = 0;
    for cut in 0..=bytes.len() {
        let copy = tempfile::tempdir().unwrap();
        fs::write(
            copy.path().join(segment.file_name().unwrap()),
            &bytes[..cut],
        )
        .unwrap();
        let opened = open(copy.path()).unwrap();
        // A step may be several entries: what is between two steps is one or the other.
        let before = steps
            .iter()
            .rposition(|(len, _)| *len <= cut as u64)
            .unwrap_or(0);
        let found = visible(&opened);
        if steps[before].0 == cut as u64 {
            assert_eq!(found, steps[before].1, "cut at byte {cut}");
            known += 1;
        } else {
            let mut around = steps[before..].iter().take(2);
            assert!(
                around.any(|step| step.1 == found),
                "cut at byte {cut}:\n{found}"
            );
        }
        // And it goes on from there, also after a third start (not tried at every byte: disks are
        // slow to sync).
        if cut % 7 != 0 {
            continue;
        }
        create(&opened, "more", 1, &[]);
        let more = TopicPartition::new("more", 0);
        write(&opened, &more, "k", "v");
        let after = visible(&opened);
        drop(opened);
        assert_eq!(
            visible(&open(copy.path()).unwrap()),
            after,
            "cut at byte {cut}"
        );
    }
    assert!(known > 10, "{known}");
}

#[test]
fn a_directory_in_use_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path()).unwrap();
    let error = open(dir.path()).err().unwrap();
    assert!(matches!(error, OpenError::Locked(_)));
    assert!(
        error.to_string().contains(dir.path().to_str().unwrap()),
        "{error}"
    );
    // A client holds the log open as well.
    let reader = first.reader("r").unwrap();
    drop(first);
    assert!(open(dir.path()).is_err());
    drop(reader);
    open(dir.path()).unwrap();
}

#[test]
fn a_mostly_dead_journal_is_rewritten_at_the_start_and_says_the_same_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = open(dir.path()).unwrap();
    history(&cluster, || {});
    create(&cluster, "hot", 1, &[("cleanup.policy", "compact")]);
    let hot = TopicPartition::new("hot", 0);
    let mut producer = plain(&cluster);
    for index in 0..40 {
        send(
            producer.as_mut(),
            &hot,
            "k",
            &format!("{index}{}", "x".repeat(100_000)),
        );
        producer.flush().unwrap();
    }
    cluster
        .admin()
        .unwrap()
        .delete_records(&[(hot.clone(), 39)])
        .unwrap();
    let before = visible(&cluster);
    drop((producer, cluster));
    assert!(size(dir.path()) > 4_000_000);
    let cluster = open(dir.path()).unwrap();
    assert_eq!(visible(&cluster), before);
    assert!(size(dir.path()) < 200_000, "{}", size(dir.path()));
    let ends = cluster
        .admin()
        .unwrap()
        .watermarks(std::slice::from_ref(&hot))
        .unwrap();
    assert_eq!(ends, [(39, 40)]);
    write(&cluster, &hot, "k", "after");
    let after = visible(&cluster);
    drop(cluster);
    assert_eq!(visible(&open(dir.path()).unwrap()), after);
    assert_eq!(segments(dir.path()).len(), 1);
}

#[test]
fn a_rewriting_that_did_not_finish_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = open(dir.path()).unwrap();
    history(&cluster, || {});
    let before = visible(&cluster);
    drop(cluster);
    let leftover = dir.path().join("journal-00000000000000000002.log.tmp");
    fs::write(&leftover, b"half a segment").unwrap();
    assert_eq!(visible(&open(dir.path()).unwrap()), before);
    assert!(!leftover.exists());
}

#[test]
fn damage_that_no_crash_can_do_is_an_error_that_names_the_place() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = open(dir.path()).unwrap();
    history(&cluster, || {});
    drop(cluster);
    let first = segments(dir.path())[0].clone();
    let mut bytes = fs::read(&first).unwrap();
    // A second segment that continues the first: the first one's end is no torn tail any more.
    let mut header = bytes[..16].to_vec();
    header[10] = 0;
    fs::write(dir.path().join("journal-00000000000000000002.log"), &header).unwrap();
    open(dir.path()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&first, &bytes).unwrap();
    let error = open(dir.path()).err().unwrap();
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("journal-00000000000000000001.log"),
        "{error}"
    );
    bytes[8] = 9;
    fs::write(&first, &bytes).unwrap();
    let error = open(dir.path()).err().unwrap();
    assert!(
        matches!(error, OpenError::Version { found: 9, .. }),
        "{error}"
    );
    fs::write(&first, b"this is no journal at all").unwrap();
    let error = open(dir.path()).err().unwrap();
    assert!(
        matches!(error, OpenError::Corrupt { position: 0, .. }),
        "{error}"
    );
}

#[test]
fn records_and_ids_survive_a_restart_and_transactional_ids_start_afresh() {
    let dir = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions {
        sync_interval: Duration::ZERO,
        ..EmbeddedOptions::default()
    };
    let one = TopicPartition::new("t", 0);
    for round in 0..5 {
        let cluster =
            EmbeddedCluster::open(dir.path(), options.clone(), ManualClock::new(0)).unwrap();
        create(&cluster, "t", 1, &[]);
        let mut producer = transactional(&cluster, "p");
        producer.begin().unwrap();
        send(producer.as_mut(), &one, "k", &round.to_string());
        producer.commit().unwrap();
        producer.begin().unwrap();
        send(producer.as_mut(), &one, "k", "left open");
        producer.flush().unwrap();
    }
    let cluster = open(dir.path()).unwrap();
    let (records, end) = read_all(&cluster, &one);
    let offsets: Vec<i64> = records.iter().map(|record| record.0).collect();
    assert_eq!(
        offsets,
        [0, 4, 8, 12, 16],
        "a record, its marker, a record, its marker"
    );
    assert_eq!(end, 20);
}

#[test]
fn a_journal_is_rewritten_while_running_and_open_transactions_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = open(dir.path()).unwrap();
    create(&cluster, "hot", 1, &[("retention.bytes", "100000")]);
    create(&cluster, "t", 1, &[]);
    let (hot, one) = (TopicPartition::new("hot", 0), TopicPartition::new("t", 0));
    let mut committing = transactional(&cluster, "committing");
    let mut aborting = transactional(&cluster, "aborting");
    for (producer, value) in [(&mut committing, "kept"), (&mut aborting, "never")] {
        producer.begin().unwrap();
        send(producer.as_mut(), &one, "k", value);
        producer.flush().unwrap();
    }
    let value = "x".repeat(900_000);
    let mut largest = 0;
    for _ in 0..80 {
        write(&cluster, &hot, "k", &value);
        largest = largest.max(size(dir.path()));
    }
    assert!(largest > 64 << 20, "{largest}");
    assert!(size(dir.path()) < 16 << 20, "{}", size(dir.path()));
    committing.commit().unwrap();
    aborting.abort().unwrap();
    let before = visible(&cluster);
    assert!(
        before.contains("kept") && !before.contains("never"),
        "{before}"
    );
    drop((committing, aborting, cluster));
    assert_eq!(visible(&open(dir.path()).unwrap()), before);
}
