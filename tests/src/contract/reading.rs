//! Reading: where it begins, where it ends, how it is held back.

use std::time::Instant;

use millrace_kafka::{Cluster, ErrorKind, StartOffset};

use super::Names;
use super::support::*;

/// Nothing is lost and nothing comes twice, whatever had been fetched already.
pub fn a_pause_holds_records_back_and_a_resume_brings_each_once(
    cluster: &dyn Cluster,
    names: &mut Names,
) {
    let topic = topic(cluster, names, 1, &[]);
    let mut reader = reader(cluster, &topic, 0, StartOffset::Earliest);
    let all = [partition(&topic, 0)];
    assert_eq!(read_until(reader.as_mut(), 0), []);
    reader.resume(&all).unwrap();
    reader.pause(&all).unwrap();
    reader.pause(&all).unwrap();
    // What was fetched before the pause may still come, but here there was nothing.
    let settled = Instant::now();
    let mut polled = Polled::default();
    while settled.elapsed() < SILENCE {
        poll(reader.as_mut(), 10, &mut polled).unwrap();
    }
    write(cluster, &topic, 0, &["a", "b"]);
    assert_silent(reader.as_mut());
    reader.resume(&all).unwrap();
    assert_eq!(values(&read_until(reader.as_mut(), 2)), ["a", "b"]);
    write(cluster, &topic, 0, &["c"]);
    assert_eq!(values(&read_until(reader.as_mut(), 3)), ["c"]);
}

/// `Latest` is the high watermark, not the last stable offset.
pub fn latest_begins_after_everything_uncommitted_records_included(
    cluster: &dyn Cluster,
    names: &mut Names,
) {
    let topic = topic(cluster, names, 1, &[]);
    let mut producer = transactional(cluster, &names.unique("producer"));
    producer.begin().unwrap();
    send(producer.as_mut(), &topic, 0, &["earlier", "earlier still"]);
    producer.flush().unwrap();
    let mut reader = reader(cluster, &topic, 0, StartOffset::Latest);
    assert_silent(reader.as_mut());
    producer.commit().unwrap();
    write(cluster, &topic, 0, &["later"]);
    assert_eq!(values(&read_until(reader.as_mut(), 4)), ["later"]);
}

/// Records fetched for an earlier assignment never show up in a later one.
pub fn an_unassigned_partition_is_silent_and_starts_anew_where_it_is_told(
    cluster: &dyn Cluster,
    names: &mut Names,
) {
    let topic = topic(cluster, names, 1, &[]);
    write(cluster, &topic, 0, &["a", "b", "c", "d"]);
    let mut reader = reader(cluster, &topic, 0, StartOffset::Earliest);
    let mut polled = Polled::default();
    eventually("the first records came", || {
        poll(reader.as_mut(), 2, &mut polled).unwrap();
        !polled.records.is_empty()
    });
    reader.unassign(&[partition(&topic, 0)]).unwrap();
    assert_silent(reader.as_mut());
    assign(reader.as_mut(), &topic, 0, StartOffset::At(3)).unwrap();
    assert_eq!(values(&read_until(reader.as_mut(), 4)), ["d"]);
}

/// The offset itself included; the end is inside as well.
pub fn an_offset_inside_the_log_is_where_reading_begins(cluster: &dyn Cluster, names: &mut Names) {
    let topic = topic(cluster, names, 1, &[]);
    write(cluster, &topic, 0, &["a", "b", "c"]);
    let mut from_b = reader(cluster, &topic, 0, StartOffset::At(1));
    assert_eq!(record_offsets(&read_until(from_b.as_mut(), 3)), [1, 2]);
    let mut from_end = reader(cluster, &topic, 0, StartOffset::At(3));
    assert_eq!(read_until(from_end.as_mut(), 3), []);
}

/// Never a silent reset.
pub fn an_offset_after_the_end_is_an_error(cluster: &dyn Cluster, names: &mut Names) {
    let topic = topic(cluster, names, 1, &[]);
    write(cluster, &topic, 0, &["a"]);
    let mut reader = reader(cluster, &topic, 0, StartOffset::At(17));
    let error = poll_error(reader.as_mut());
    assert_eq!(error.kind, ErrorKind::OffsetOutOfRange, "{error}");
    assert_eq!(error.partition, Some(partition(&topic, 0)));
}

/// Never a silent reset either.
pub fn an_offset_before_the_start_is_an_error(cluster: &dyn Cluster, names: &mut Names) {
    let topic = topic(cluster, names, 1, &[]);
    write(cluster, &topic, 0, &["a", "b", "c"]);
    cluster
        .admin()
        .unwrap()
        .delete_records(&[(partition(&topic, 0), 2)])
        .unwrap();
    let mut reader = reader(cluster, &topic, 0, StartOffset::At(1));
    let error = poll_error(reader.as_mut());
    assert_eq!(error.kind, ErrorKind::OffsetOutOfRange, "{error}");
    assert_eq!(error.partition, Some(partition(&topic, 0)));
    reader.unassign(&[partition(&topic, 0)]).unwrap();
    assign(reader.as_mut(), &topic, 0, StartOffset::Earliest).unwrap();
    assert_eq!(values(&read_until(reader.as_mut(), 3)), ["c"]);
}

/// An empty input must not look like one that has not been read yet.
pub fn the_end_of_an_empty_partition_is_its_start(cluster: &dyn Cluster, names: &mut Names) {
    let topic = topic(cluster, names, 2, &[]);
    for start in [
        StartOffset::Earliest,
        StartOffset::Latest,
        StartOffset::At(0),
    ] {
        let mut reader = reader(cluster, &topic, 1, start);
        assert_eq!(read_until(reader.as_mut(), 0), []);
    }
}

/// Each time the end was left.
pub fn the_end_comes_again_after_new_records(cluster: &dyn Cluster, names: &mut Names) {
    let topic = topic(cluster, names, 1, &[]);
    let mut producer = transactional(cluster, &names.unique("producer"));
    let mut reader = reader(cluster, &topic, 0, StartOffset::Earliest);
    assert_eq!(read_until(reader.as_mut(), 0), []);
    write(cluster, &topic, 0, &["a"]);
    assert_eq!(values(&read_until(reader.as_mut(), 1)), ["a"]);
    commit(producer.as_mut(), &topic, 0, &["b"]);
    assert_eq!(values(&read_until(reader.as_mut(), 3)), ["b"]);
    // Only markers are new.
    producer.begin().unwrap();
    send(producer.as_mut(), &topic, 0, &["never"]);
    producer.flush().unwrap();
    producer.abort().unwrap();
    assert_eq!(read_until(reader.as_mut(), 5), []);
}

/// The caller's queues are bounded by what it asks for.
pub fn a_poll_delivers_no_more_than_it_was_asked_for(cluster: &dyn Cluster, names: &mut Names) {
    let topic = topic(cluster, names, 1, &[]);
    write(cluster, &topic, 0, &["x"; 50]);
    let mut reader = reader(cluster, &topic, 0, StartOffset::Earliest);
    let mut polled = Polled::default();
    eventually("all records came", || {
        let before = polled.records.len() + polled.ends.len();
        let count = poll(reader.as_mut(), 7, &mut polled).unwrap();
        assert!(count <= 7, "{count} events");
        assert_eq!(polled.records.len() + polled.ends.len(), before + count);
        polled.records.len() == 50 && polled.ends == [50]
    });
}
