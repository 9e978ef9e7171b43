//! Transactions: what becomes visible when, where the end lies, who may still write.

use millrace_kafka::{Cluster, ErrorKind, StartOffset};

use super::Names;
use super::support::*;

/// Committed records come in the order of their offsets, around markers; aborted ones are skipped.
pub fn committed_records_are_read_in_order_and_aborted_ones_never(
    cluster: &dyn Cluster,
    names: &mut Names,
) {
    let topic = topic(cluster, names, 1, &[]);
    let mut producer = transactional(cluster, &names.unique("producer"));
    commit(producer.as_mut(), &topic, 0, &["a", "b"]);
    producer.begin().unwrap();
    send(producer.as_mut(), &topic, 0, &["never", "ever"]);
    producer.flush().unwrap();
    producer.abort().unwrap();
    commit(producer.as_mut(), &topic, 0, &["c"]);
    // a b (marker) never ever (marker) c (marker)
    let records = read_all(cluster, &topic, 0, 8);
    assert_eq!(values(&records), ["a", "b", "c"]);
    assert_eq!(record_offsets(&records), [0, 1, 6]);
    assert_watermarks(cluster, &topic, 0, (0, 8));
}

/// Readers stop at the last stable offset: the first record of the oldest open transaction.
pub fn an_open_transaction_holds_back_what_was_written_after_it(
    cluster: &dyn Cluster,
    names: &mut Names,
) {
    let topic = topic(cluster, names, 1, &[]);
    let mut producer = transactional(cluster, &names.unique("producer"));
    write(cluster, &topic, 0, &["before"]);
    producer.begin().unwrap();
    send(producer.as_mut(), &topic, 0, &["inside"]);
    producer.flush().unwrap();
    write(cluster, &topic, 0, &["after"]);
    let mut reader = reader(cluster, &topic, 0, StartOffset::Earliest);
    assert_eq!(values(&read_until(reader.as_mut(), 1)), ["before"]);
    assert_silent(reader.as_mut());
    assert_eq!(
        watermarks(cluster, &topic, 0),
        (0, 3),
        "watermarks count uncommitted records"
    );
    producer.commit().unwrap();
    assert_eq!(values(&read_until(reader.as_mut(), 4)), ["inside", "after"]);
}

/// A commit marker takes an offset; the end is reported after it, and equals the high watermark.
pub fn the_end_lies_after_the_marker_of_a_commit(cluster: &dyn Cluster, names: &mut Names) {
    let topic = topic(cluster, names, 1, &[]);
    let mut producer = transactional(cluster, &names.unique("producer"));
    commit(producer.as_mut(), &topic, 0, &["a", "b", "c"]);
    assert_watermarks(cluster, &topic, 0, (0, 4));
    let mut reader = reader(cluster, &topic, 0, StartOffset::Earliest);
    assert_eq!(record_offsets(&read_until(reader.as_mut(), 4)), [0, 1, 2]);
}

/// So does an abort marker: a partition with nothing readable still has its end at its watermark.
pub fn the_end_lies_after_the_marker_of_an_abort(cluster: &dyn Cluster, names: &mut Names) {
    let topic = topic(cluster, names, 1, &[]);
    let mut producer = transactional(cluster, &names.unique("producer"));
    producer.begin().unwrap();
    send(producer.as_mut(), &topic, 0, &["a", "b"]);
    producer.flush().unwrap();
    producer.abort().unwrap();
    assert_watermarks(cluster, &topic, 0, (0, 3));
    let mut reader = reader(cluster, &topic, 0, StartOffset::Earliest);
    assert_eq!(read_until(reader.as_mut(), 3), []);
}

/// Nothing sent: no marker, and the next transaction works.
pub fn a_transaction_without_records_leaves_no_trace(cluster: &dyn Cluster, names: &mut Names) {
    let topic = topic(cluster, names, 1, &[]);
    let mut producer = transactional(cluster, &names.unique("producer"));
    producer.begin().unwrap();
    producer.commit().unwrap();
    producer.begin().unwrap();
    producer.abort().unwrap();
    assert_eq!(watermarks(cluster, &topic, 0), (0, 0));
    commit(producer.as_mut(), &topic, 0, &["a"]);
    assert_eq!(values(&read_all(cluster, &topic, 0, 2)), ["a"]);
}

/// Records handed over and not flushed are dropped by an abort, and never come later.
pub fn an_abort_drops_what_was_handed_over(cluster: &dyn Cluster, names: &mut Names) {
    let topic = topic(cluster, names, 1, &[]);
    let mut producer = transactional(cluster, &names.unique("producer"));
    producer.begin().unwrap();
    send(producer.as_mut(), &topic, 0, &["never"]);
    producer.abort().unwrap();
    commit(producer.as_mut(), &topic, 0, &["a"]);
    assert_eq!(values(&read_only(cluster, &topic, 0, 1)), ["a"]);
}

/// One commit makes all partitions' records visible.
pub fn a_transaction_spans_topics_and_partitions(cluster: &dyn Cluster, names: &mut Names) {
    let (one, two) = (topic(cluster, names, 2, &[]), topic(cluster, names, 1, &[]));
    let mut producer = transactional(cluster, &names.unique("producer"));
    producer.begin().unwrap();
    send(producer.as_mut(), &one, 0, &["a"]);
    send(producer.as_mut(), &one, 1, &["b"]);
    send(producer.as_mut(), &two, 0, &["c"]);
    producer.flush().unwrap();
    let mut held = reader(cluster, &two, 0, StartOffset::Earliest);
    assert_silent(held.as_mut());
    producer.commit().unwrap();
    assert_eq!(values(&read_all(cluster, &one, 0, 2)), ["a"]);
    assert_eq!(values(&read_all(cluster, &one, 1, 2)), ["b"]);
    assert_eq!(values(&read_until(held.as_mut(), 2)), ["c"]);
}

/// `init_transactions` of a newer producer settles the older one's transaction before it returns.
pub fn a_newer_producer_fences_the_older_and_aborts_its_transaction(
    cluster: &dyn Cluster,
    names: &mut Names,
) {
    let topic = topic(cluster, names, 1, &[]);
    let id = names.unique("producer");
    let mut older = transactional(cluster, &id);
    commit(older.as_mut(), &topic, 0, &["a"]);
    older.begin().unwrap();
    send(older.as_mut(), &topic, 0, &["zombie"]);
    older.flush().unwrap();
    let mut newer = transactional(cluster, &id);
    commit(newer.as_mut(), &topic, 0, &["b"]);
    assert_kind(older.commit(), ErrorKind::Fenced);
    assert_kind(older.begin(), ErrorKind::Fenced);
    assert_eq!(values(&read_all(cluster, &topic, 0, 6)), ["a", "b"]);
}

/// A producer that stands still holds readers back no longer than its transaction's timeout.
pub fn a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced(
    cluster: &dyn Cluster,
    names: &mut Names,
) {
    let topic = topic(cluster, names, 1, &[]);
    let mut producer = transactional(cluster, &names.unique("producer"));
    producer.begin().unwrap();
    send(producer.as_mut(), &topic, 0, &["too late"]);
    producer.flush().unwrap();
    write(cluster, &topic, 0, &["after"]);
    let mut reader = reader(cluster, &topic, 0, StartOffset::Earliest);
    assert_silent(reader.as_mut());
    assert_eq!(values(&read_until(reader.as_mut(), 3)), ["after"]);
    assert_kind(producer.commit(), ErrorKind::Fenced);
}
